"""Feature networks with random weights, through every file format, against NumPy."""

import gc

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.files import torch_file
from dnnlib.util import UserError
from metrics.features import efficientnet_lite0, inception_v3, vgg16, weight_files
from metrics.features import network as feature_network
from tests.metrics.features import feature_reference, weight_writers


def _images(size, count=2, channels=3):
    return np.random.RandomState(5).randint(0, 256, [count, channels, size, size]).astype(np.uint8)


@pytest.fixture
def weight_path(tmp_path, monkeypatch):
    """Function (module, file name, contents): makes this the weight file of a network, with any checksum."""
    def put(module, name, data):
        path = tmp_path / name
        path.write_bytes(data)
        monkeypatch.setenv(module.VARIABLE, str(path))
        monkeypatch.setattr(module, 'CANDIDATES', [c._replace(sha256='', url='', package='')
                                                   for c in module.CANDIDATES])
        return path
    return put


def _close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope='module')
def inception():
    return feature_reference.Inception()


@pytest.mark.parametrize('kind', ['legacy pth', 'zip pth', 'pb', 'pb without gamma', 'pkl'])
def test_inception_equals_numpy_from_every_file(session, weight_path, monkeypatch, inception, kind):
    reference = feature_reference.Inception(1, unit_gamma=True) if kind == 'pb without gamma' else inception
    variables = reference.graph_variables()
    if kind.endswith('pth'):
        name, data = 'a.pth', weight_writers.torch_file(reference.state, zipped=kind.startswith('zip'))
    elif kind == 'pkl':
        name, data = 'inception_v3_features.pkl', weight_writers.network_file(variables, monkeypatch)
    else:
        if kind == 'pb without gamma':
            variables.update({key: value + 5 for key, value in variables.items() if key.endswith('/gamma')})
        norms = {layer + '/batchnorm': kind == 'pb' for layer in reference.graph_names.values()}
        name, data = 'classify_image_graph_def.pb', weight_writers.graph_file(variables, norms)
    weight_path(inception_v3, name, data)
    weights, file = inception_v3.load()
    assert len(file.sha256) == 64
    network = inception_v3.InceptionV3(weights)
    images = _images(40)
    images_in = tf.placeholder(tf.uint8, [None, 3, 40, 40])
    features, probabilities = session.run([network.features(images_in), network.probabilities(images_in)],
                                          {images_in: images})
    assert features.shape[1] == network.num_features
    _close(features, reference.features(images))
    _close(probabilities, reference.probabilities(images))


def test_inception_has_94_convolutions():
    names = inception_v3.layer_names()
    assert len(names) == len(set(names)) == 94


@pytest.mark.parametrize('zipped', [False, True])
def test_vgg16_equals_numpy(session, weight_path, zipped):
    state = feature_reference.vgg_state()
    weight_path(vgg16, 'vgg16-397923af.pth', weight_writers.torch_file(state, zipped))
    network = vgg16.Vgg16(vgg16.load()[0])
    images = _images(50)
    found = session.run(network.features(tf.constant(images)))
    assert found.shape == (2, network.num_features) and found.max() > 0
    _close(found, feature_reference.vgg_features(images, state))


@pytest.mark.parametrize('channels', [3, 1])
def test_efficientnet_equals_numpy(session, weight_path, channels):
    state = feature_reference.effnet_state()
    weight_path(efficientnet_lite0, 'efficientnet-lite0-57934424.pth', weight_writers.torch_file(state, False))
    network = efficientnet_lite0.EfficientNetLite0(efficientnet_lite0.load()[0])
    images = _images(64, channels=channels)
    found = session.run(network.features(tf.constant(images)))
    assert found.shape == (2, network.num_features)
    _close(found, feature_reference.effnet_features(np.repeat(images, 3 // channels, axis=1), state))


@pytest.mark.parametrize('size', [16, 64, 300])
def test_smooth_resizing_equals_pillow(session, size):
    from PIL import Image
    image = np.random.RandomState(0).uniform(0, 255, [90, 120]).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((size, size), Image.BILINEAR))
    found = session.run(feature_network.resize_smooth(tf.constant(image[np.newaxis, np.newaxis]), size))
    np.testing.assert_allclose(found[0, 0], expected, atol=0.01)


def test_other_channels_are_refused(graph):
    with pytest.raises(UserError, match='4 channels'):
        feature_network.as_rgb(tf.zeros([1, 4, 8, 8]))


@pytest.mark.parametrize('zipped', [False, True])
def test_torch_files_keep_types_and_values(tmp_path, zipped):
    rnd = np.random.RandomState(0)
    state = {'a': np.float32(rnd.randn(2, 3, 4)), 'b': np.array(5, np.int64), 'c': np.float16(rnd.randn(3)),
             'd': np.zeros([0], np.float32)}
    path = tmp_path / 'x.pth'
    path.write_bytes(weight_writers.torch_file(state, zipped))
    with path.open('rb') as file:
        found = torch_file.load_state_dict(file)
    assert list(found) == list(state)
    for name, value in state.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)
    data = path.read_bytes()
    for length in (0, 3, 40, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:length])
        with path.open('rb') as file, pytest.raises(UserError):
            torch_file.load_state_dict(file)


def test_torch_files_run_nothing(tmp_path, capsys):
    import io
    import pickle

    class Forbidden:
        def __reduce__(self):
            return print, ('this must not run',)

    out = io.BytesIO()
    for value in (0x1950a86a20f9469cfc6c, 1001, {}, {'a': Forbidden()}):
        pickle.dump(value, out, 2)
    out.seek(0)
    with pytest.raises(UserError, match='refused: the file refers to .*print'):
        torch_file.load_state_dict(out)
    assert 'must not run' not in capsys.readouterr().out


NETWORKS = [inception_v3, vgg16, efficientnet_lite0]


@pytest.mark.parametrize('module', NETWORKS)
def test_bad_weight_files_are_one_line(module, tmp_path, monkeypatch):
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv(module.VARIABLE, raising=False)
    monkeypatch.setattr(weight_files, '_fetch', lambda what, candidate: 'no network')
    with pytest.raises(UserError) as info:  # none at all
        module.load()
    for part in (module.CANDIDATES[0].name, str(tmp_path / 'cache'), module.VARIABLE, 'no network'):
        assert part in str(info.value)
    monkeypatch.setenv(module.VARIABLE, str(tmp_path))
    with pytest.raises(UserError, match='this is a folder'):
        module.load()
    checked = next(c for c in module.CANDIDATES if c.sha256)
    path = tmp_path / checked.name
    path.write_bytes(weight_writers.torch_file({'a': np.zeros(3, np.float32)}, False))
    monkeypatch.setenv(module.VARIABLE, str(path))
    with pytest.raises(UserError, match='expected {} with sha256 {}'.format(checked.name, checked.sha256[:8])):
        module.load()
    monkeypatch.setattr(module, 'CANDIDATES', [c._replace(sha256='') for c in module.CANDIDATES])
    with pytest.raises(UserError, match=f'{checked.name}.*it has no'):  # the right kind of file, another network
        module.load()
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(UserError, match='{}: .*truncated'.format(checked.name)):
        module.load()
    monkeypatch.setenv(module.VARIABLE, str(tmp_path / 'missing.pth'))
    with pytest.raises(UserError, match='{}=.*missing.pth: no such file; give the path of'.format(
            module.VARIABLE)):
        module.load()
    gc.collect()


@pytest.mark.parametrize('name, data, message', [
    ('classify_image_graph_def.pb', b'\xff' * 50, 'not a frozen TensorFlow graph'),
    ('classify_image_graph_def.pb', b'', 'it has no'), ('inception-2015-12-05.tgz', b'no archive', 'corrupt'),
    ('inception_v3_features.pkl', b'\x80\x04N.', 'expected a single network'),
    ('weights.h5', b'', 'expected classify')])
def test_files_that_are_no_inception(tmp_path, monkeypatch, name, data, message):
    (tmp_path / name).write_bytes(data)
    monkeypatch.setenv(inception_v3.VARIABLE, str(tmp_path / name))
    with pytest.raises(UserError, match=message) as info:
        inception_v3.load()
    assert name in str(info.value)


def test_downloads_are_checked_and_kept(tmp_path, monkeypatch):
    import hashlib
    import io
    data = b'weights'
    sha256 = hashlib.sha256(data).hexdigest()
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv('SOME_WEIGHTS', raising=False)
    calls = []

    def open_url(url, **_kwargs):
        calls.append(url)
        return io.BytesIO(data)

    monkeypatch.setattr(weight_files.util, 'open_url', open_url)
    wrong = weight_files.Candidate('a.pth', '1234', 'https://a.org/a.pth')
    right = weight_files.Candidate('b.pth', sha256[:8], 'https://a.org/b.pth')
    with pytest.raises(UserError, match='expected a.pth with sha256 1234'):
        weight_files.find('x', 'SOME_WEIGHTS', [wrong])
    for _ in range(2):
        assert weight_files.find('x', 'SOME_WEIGHTS', [wrong, right])[1:] == (sha256, data)
    assert calls == ['https://a.org/a.pth'] * 2 + ['https://a.org/b.pth']
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == ['b.pth']
