"""Tests of loading networks by path, URL and short name."""

from collections import OrderedDict
import hashlib
import os
import pickle
import shutil

import numpy as np
import pytest

from dnnlib import UserError, tflib
from dnnlib.files import array_file, named_networks, network_file
from dnnlib.files.named_networks import Contents, Role
from dnnlib.tflib import network_pickle
from generator import info, network_data
from training import pretrained


def test_the_generator_alone_is_gs_and_nothing_else_is_built(session, data_dir):
    path = str(data_dir / 'configf_r32.pkl')
    Gs = pretrained.load_generator(path)
    assert Gs.name == 'Gs'
    scopes = {op.name.split('/')[0] for op in session.graph.get_operations()}
    assert 'D' not in scopes and 'G' not in scopes
    reference = np.load(str(data_dir / 'configf_r32.npz'))
    image = Gs.run(reference['latents'][:1], None, truncation_psi=None, randomize_noise=False)
    np.testing.assert_allclose(image, reference['images'][:1], atol=1e-3)


def test_a_file_without_three_networks_is_refused_by_name(session, tmp_path):
    path = str(tmp_path / 'pair.pkl')
    network_pickle.save(({}, {}), path)
    for load in (pretrained.load_generator, pretrained.load_networks):
        with pytest.raises(UserError, match='pair.pkl'):
            load(path)


def test_networks_of_unknown_classes_are_refused_in_one_line(tmp_path):
    unknown = b'ctfutil\nNetworks\n)\x81'
    with pytest.raises(UserError, match='G and Gs are not networks; refused.*: tfutil.Networks'):
        pretrained.read_contents(b'\x80\x02' + unknown * 3 + b'\x87.')


def test_downloads_are_kept_in_the_cache_of_the_environment(session, data_dir, tmp_path, monkeypatch):
    from generator import info
    from training import misc
    url = 'https://host.example/net.pkl'
    data = (data_dir / 'labels3_r16.pkl').read_bytes()
    (tmp_path / '{}_net.pkl'.format(hashlib.md5(url.encode()).hexdigest())).write_bytes(data)
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path))
    assert info.read_file(url) == data and pretrained.load_generator(url).name == 'Gs'
    with misc.open_file_or_url(url) as f:
        assert f.read() == data


def test_a_name_is_resolved_once(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / 'classes.json').write_text('["a stranger\'s"]')
    (tmp_path / 'net.pkl').write_bytes(b'\x80\x04.')
    url = 'https://host.example/net.pkl'
    assert pretrained.resolve(url) == (url, url, None)
    assert pretrained.resolve('cat-config-f').folder is None and '://' in pretrained.resolve('cat-config-f').path
    assert pretrained.resolve('cats64').folder == os.path.dirname(pretrained.DEMO_NETWORK)
    local = pretrained.resolve('net.pkl')
    assert local == ('net.pkl', 'net.pkl', '.') and pretrained.resolve(local) is local
    assert pretrained.resolve(os.path.join('a', 'net.pkl')).folder == 'a'
    with pytest.raises(UserError, match='cat-config-f'):
        pretrained.resolve('cat-config-g')
    pretrained.check_network_file(local)
    with pytest.raises(UserError, match="^'my.pkl' not found; give the path or URL of a network pickle, a run"):
        pretrained.check_network_file(pretrained.NetworkFile('my.pkl', '/some/where/else.pkl', None))
    (tmp_path / 'results' / '00000-run').mkdir(parents=True)
    with pytest.raises(UserError, match="^'00000-run' not found; did you mean 'results/00000-run'?"):
        pretrained.check_network_file('00000-run')


def test_folders_stand_for_their_newest_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / 'run' / 'state' / '000007000').mkdir(parents=True)
    path = os.path.join('run', 'network-snapshot-000007.pkl')
    shutil.copy(pretrained.DEMO_NETWORK, path)
    file = pretrained.resolve('run')
    assert file == (path, path, 'run') and pretrained.resolve(file) is file
    assert pretrained.resolve(os.path.join('run', 'state', '000007000')) == file
    capsys.readouterr()
    info.print_info('run')
    out = capsys.readouterr().out
    assert out.startswith(f'Networks: {path}, the newest of run\nFile        network-snapshot-000007.pkl, ')
    assert out.count('Networks:') == 1
    os.remove(path)
    with pytest.raises(UserError, match="^'run': this run has no networks"):
        info.print_info('run')


def discriminator(name):
    return tflib.Network(name, 'training.networks_stylegan2.D_stylegan2', num_channels=1, resolution=8, fmap_base=16,
                         fmap_max=4)


def contents(**roles):
    """Contents of networks that are all small; what they compute does not matter here."""
    networks = OrderedDict((name, discriminator(name)) for name in roles)
    return Contents('pairs', networks, OrderedDict(
        (name, Role(role, average_of, ('images', 'labels'))) for name, (role, average_of) in roles.items()))


def saved(found, tmp_path):
    path = str(tmp_path / 'nets.pkl')
    pretrained.save_file(found, path)
    return path


PAIR = OrderedDict([('G_ab', ('generator', None)), ('D_b', ('discriminator', None)), ('G_avg', ('generator', 'G_ab'))])
X = np.random.RandomState(0).randn(2, 1, 8, 8).astype(np.float32)


def test_networks_by_name_are_read_back(session, tmp_path):
    found = contents(**PAIR)
    path = saved(found, tmp_path)
    loaded = pretrained.load_file(path)
    assert loaded.method == 'pairs' and loaded.roles == found.roles
    assert list(loaded.networks) == list(loaded.roles) == list(PAIR)
    for name in PAIR:
        np.testing.assert_array_equal(loaded.networks[name].run(X, None), found.networks[name].run(X, None))
    pretrained.save_file(loaded, path + '2')
    with open(path, 'rb') as first, open(path + '2', 'rb') as second:
        assert first.read() == second.read()


def test_the_generator_is_the_moving_average(session, tmp_path):
    found = contents(**PAIR)
    G = pretrained.load_generator(pretrained.resolve(saved(found, tmp_path)))
    np.testing.assert_array_equal(G.run(X, None), found.networks['G_avg'].run(X, None))
    assert not any(op.name.startswith('D_b_1/') for op in session.graph.get_operations())  # the one alone was built
    found = contents(E=('encoder', None), G=('generator', None))
    assert pretrained.load_generator(saved(found, tmp_path)).name == 'G'


def test_what_a_file_holds_is_named(session, tmp_path):
    path = saved(contents(**PAIR), tmp_path)
    with pytest.raises(UserError, match=r'nets.pkl: does not hold .* G, D and Gs, but networks of pairs: '
                                        r'G_ab \(generator\), D_b \(discriminator\), G_avg \(generator, average\)'):
        pretrained.load_networks(path)
    for roles in (dict(A=('generator', None), B=('generator', None)), dict(D=('discriminator', None))):
        with pytest.raises(UserError, match='nets.pkl: expected one generator.*networks of pairs'):
            pretrained.load_generator(saved(contents(**roles), tmp_path))


def test_the_published_tuple_has_names_and_roles(session, data_dir, tmp_path):
    path = str(data_dir / 'labels3_r16.pkl')
    loaded = pretrained.load_file(path)
    assert loaded.method == 'stylegan2' and list(loaded.networks) == ['G', 'D', 'Gs']
    assert loaded.roles['Gs'] == ('generator', 'G', ('latents', 'labels'))
    by_name = saved(loaded, tmp_path)  # the same networks as a file by name
    assert [network.name for network in pretrained.load_networks(by_name)] == ['G', 'D', 'Gs']
    assert pretrained.load_generator(by_name).name == 'Gs'


def test_names_and_roles_must_fit_together(session, tmp_path):
    found = contents(**PAIR)
    for changes, message in [
            (dict(roles=OrderedDict(list(found.roles.items())[:2])), 'not one role for each network'),
            (dict(method='a b'), "method is 'a b'"), (dict(networks=OrderedDict(), roles=OrderedDict()), 'no networks'),
            (dict(roles=dict(found.roles, G_avg=Role('generator', 'G', ('images', 'labels')))), "average of 'G'"),
            (dict(roles=dict(found.roles, D_b=Role('discriminator', None, ('images',)))), 'D_b has 2 inputs')]:
        with pytest.raises(UserError, match=message):
            saved(found._replace(**changes), tmp_path)
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('change, message', [
    (dict(version=2), 'version 2; this program reads 1'), (dict(version=[1]), 'version'), (dict(method=None), 'method'),
    (dict(networks=[1]), 'no networks'), (dict(networks={1: 2}), 'no networks'), (dict(networks={'D': 5}), 'D is no'),
    (dict(roles=None), 'one role'), (dict(roles={'D': 3}), 'no role of D'), (dict(roles={'D': {}}), 'role of D is'),
    (dict(roles={'D': {'role': 'x', 'average_of': 'D', 'inputs': []}}), "D is the average of 'D'"),
    (dict(roles={'D': {'role': 'x', 'average_of': ['D'], 'inputs': []}}), 'average of'),
    (dict(roles={'D': {'role': 'x', 'average_of': None, 'inputs': 'images'}}), 'inputs of D')])
def test_damaged_files_by_name(session, tmp_path, change, message):
    path = tmp_path / 'nets.pkl'
    file = {'format': 'networks', 'version': 1, 'method': 'm', 'networks': {'D': 5},
            'roles': {'D': {'role': 'x', 'average_of': None, 'inputs': []}}}
    path.write_bytes(pickle.dumps(dict(file, **change), 4))
    with pytest.raises(UserError, match='nets.pkl: .*' + message):
        pretrained.load_file(str(path))
    if 'is no' not in message:
        with pytest.raises(UserError, match=message):
            info.describe(path.read_bytes())


@pytest.mark.parametrize('kind', array_file.KINDS)
def test_arrays_of_networks_by_name(session, tmp_path, kind):
    with open(saved(contents(**PAIR), tmp_path), 'rb') as f:
        packed = network_file.read_inert(f)
    path = str(tmp_path / ('nets.' + kind))
    array_file.save(packed, path, kind)
    found = pretrained.contents_of(pretrained.read_states(info.read_file(path)))
    expected = named_networks.unpack(packed)
    assert found.roles == expected.roles and found.method == 'pairs'
    assert [network_data.hash_of(a.state) for a in found.networks.values()] == [
        network_data.hash_of(a.state) for a in expected.networks.values()]
    assert pretrained.load_file(path).roles == expected.roles


def test_info_names_method_and_roles(session, tmp_path):
    lines = info.describe(info.read_file(saved(contents(**PAIR), tmp_path)))
    assert lines[0] == 'Kind        pairs network pickle: G_ab, D_b, G_avg'
    assert [line.split('role')[1].strip() for line in lines if line.startswith('  role ')] == [
        'generator, inputs: images, labels', 'discriminator, inputs: images, labels',
        'generator, moving average of G_ab, inputs: images, labels']
    assert sum(line.startswith('  SHA-256') for line in lines) == 3 and lines[-1] == 'Refused     nothing'
