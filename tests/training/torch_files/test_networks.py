"""Networks of PyTorch files against what PyTorch computed of them (generator/make_torch_files.py makes the files)."""

import io
import re

import numpy as np
import pytest

import run_generator
import stylegan2
from dnnlib.files import network_file, torch_file, torch_writer
from dnnlib.tflib import network_pickle
from dnnlib.util import UserError
from generator import info, network_data
from tests import test_published_reader as published
from training import pretrained
from training.torch_files import names, networks


def saved(data_dir, name='mit_r16.pt'):
    with open(str(data_dir / name), 'rb') as f:
        return torch_file.load(f)


@pytest.mark.parametrize('name', ['ada_r16.pkl', 'mit_r16.pt', 'users/eps696-5x4.pkl'])
def test_pictures_and_scores_are_those_of_pytorch(session, data_dir, name):
    right = name.split('.')[0] + ('.right.npz' if name.startswith('users') else '.npz')
    with np.load(str(data_dir / right)) as arrays:
        expected = dict(arrays)
    D, Gs = [network_pickle.load(str(data_dir / name), pretrained.BUILD_MODULES, only, pretrained.read_states)
             for only in (1, 2)]
    images = Gs.run(expected['latents'], expected.get('labels'), truncation_psi=expected.get('psi', np.array(1)).item(),
                    randomize_noise=False)
    assert list(images.shape[2:]) == ([20, 16] if name.startswith('users') else [16, 16])
    np.testing.assert_allclose(images, expected['images'], atol=2e-5)
    scores = D.run(expected['images'], expected.get('labels'))
    np.testing.assert_allclose(scores, expected['scores'], atol=2e-6)
    assert np.ptp(expected['images']) > 5 and np.abs(expected['scores']).max() > 0.05
    if name == 'mit_r16.pt':  # which has no mean of W
        dlatents = Gs.components.mapping.run(np.random.RandomState(0).randn(4096, 8), None)[:, 0]
        np.testing.assert_allclose(Gs.get_var('dlatent_avg'), dlatents.mean(axis=0), atol=1e-5)
        with stylegan2.load(str(data_dir / name)) as generator:
            mean = generator.dlatents([1], truncation_psi=0)[0, 0]
        np.testing.assert_allclose(mean, Gs.get_var('dlatent_avg'), atol=1e-6)


def options_of(name, data_dir):
    _, D, Gs = pretrained.read_states((data_dir / name).read_bytes())
    return dict(Gs.state['static_kwargs']), dict(D.state['static_kwargs'])


def test_options(data_dir):
    G, D = options_of('ada_r16.pkl', data_dir)
    shared = dict(num_channels=3, resolution=16, label_size=3, fmap_base=32, fmap_max=6, conv_clamp=2, num_fp16_res=1)
    assert G == dict(shared, latent_size=6, dlatent_size=8, mapping_layers=2, label_fmaps=8)
    assert D == dict(shared, mapping_fmaps=5, mapping_layers=2, mapping_lrmul=0.01, mbstd_group_size=2)
    G, D = options_of('mit_r16.pt', data_dir)
    shared = dict(num_channels=3, resolution=16, label_size=0, fmap_base=32, fmap_max=6)
    assert G == dict(shared, latent_size=8, dlatent_size=8, mapping_fmaps=8, mapping_layers=2) and D == shared


def test_info(data_dir):
    lines = info.describe((data_dir / 'ada_r16.pkl').read_bytes())
    assert lines[0] == 'Kind        StyleGAN2-ADA PyTorch pickle: G, D, Gs' and '3 labels' in lines[1]
    lines = info.describe((data_dir / 'mit_r16.pt').read_bytes())
    assert lines[0] == 'Kind        StyleGAN2 PyTorch weight file: G, D, Gs' and lines[-1] == 'Refused     nothing'


@pytest.mark.parametrize('name', ['ada_r16.pkl', 'mit_r16.pt'])
def test_as_published_pickles(data_dir, tmp_path, name):
    path = str(tmp_path / 'net.pkl')
    run_generator.main(['export', str(data_dir / name), path])
    G, D, Gs = published.read(path)
    assert set(Gs.static_kwargs) <= published.G_OPTIONS and set(D.static_kwargs) <= published.D_OPTIONS
    if name == 'mit_r16.pt':
        published.check_generator(Gs)
        published.check_discriminator(D)
    module = {'ada_r16.pkl': 'training.networks', 'mit_r16.pt': 'training.networks_stylegan2'}[name]
    for network in (G, Gs, Gs.components['mapping'], Gs.components['synthesis'], D):
        assert network.build_module_src == 'from {} import {}\n'.format(module, network.build_func_name)
    again = pretrained.read_states((tmp_path / 'net.pkl').read_bytes())
    first = pretrained.read_states((data_dir / name).read_bytes())
    assert [network_data.hash_of(a.state) for a in again] == [network_data.hash_of(a.state) for a in first]


def test_files_without_a_discriminator(data_dir, session, tmp_path):
    content = saved(data_dir)
    G, D, Gs = networks.read(content['g_ema'])
    assert G is Gs and D is None
    path = str(tmp_path / 'net.pt')
    torch_writer.save({'g_ema': {name: tensor.value for name, tensor in content['g_ema'].items()}}, path)
    with pytest.raises(UserError, match='does not hold the three networks'):
        pretrained.load_networks(path)
    for name in ('net.npz', 'net.safetensors', 'again.pkl'):
        run_generator.main(['export', path, str(tmp_path / name)])
        found = pretrained.read_states((tmp_path / name).read_bytes())
        assert found[1] is None and network_data.hash_of(found[2].state) == network_data.hash_of(Gs.state)


def test_older_files_without_noise(data_dir):
    content = saved(data_dir)['g_ema']
    for name in list(content):
        if name.startswith('noises.'):
            del content[name]
    first, second = [dict(networks.read(content)[2].state['components']['synthesis'].state['variables'])
                     for _ in range(2)]
    assert first['noise2'].shape == (1, 1, 8, 8) and first['noise2'].std() > 0.5
    assert 'lacks 5 of 5 noise maps; they are drawn at random' in networks.read(content)[2].notes[0]
    np.testing.assert_array_equal(first['noise2'], second['noise2'])


@pytest.mark.parametrize('change, message', [
    (lambda c: c['g_ema'].pop('conv1.conv.weight'), 'g_ema: its tensor conv1.conv.weight is missing'),
    (lambda c: c['g_ema'].update(extra=c['g_ema']['input.input']), 'g_ema: has tensors .* do not have: extra'),
    (lambda c: c['g_ema'].update({'input.input': c['g_ema']['conv1.noise.weight']}), 'input.input has the shape'),
    (lambda c: c['g_ema'].update({'to_rgbs.40000.conv.weight': c['g_ema']['input.input']}),
     'convs.4.conv.weight is missing'),
    (lambda c: c['g_ema'].update({'to_rgbs.{}.conv.weight'.format(i): c['g_ema']['input.input'] for i in range(40)}),
     'g_ema: has 41 blocks'),
    (lambda c: c['g_ema'].update({'convs.0.conv.blur.kernel': c['g_ema']['to_rgb1.bias']}), 'different filters'),
    (lambda c: c.update(g_ema=5), 'missing'), (lambda c: [c.pop(k) for k in ('g', 'g_ema')], 'no generator'),
    (lambda c: c['g_ema'].update({'style.2.weight': c['d']['final_linear.0.weight']}), 'do not fit together'),
    (lambda c: c.update(g=None, g_ema={}), 'missing')])
def test_networks_that_are_not_ours(data_dir, change, message):
    content = saved(data_dir)
    change(content)
    with pytest.raises(UserError, match=message):
        networks.read(content)


@pytest.mark.parametrize('change, message', [
    (lambda d: d.update({'convs.1.conv2.0.kernel': d['final_linear.1.weight']}), 'd: .* filters'),
    (lambda d: d.pop('final_linear.1.bias'), 'd: its tensor final_linear.1.bias is missing'),
    (lambda d: d.update({'final_linear.0.weight': d['final_linear.1.weight']}), 'd: its last layers have 6 inputs'),
    (lambda d: d.update(more=d['final_linear.1.bias']), 'd: has tensors that our networks do not have: more')])
def test_a_generator_is_read_though_its_discriminator_is_unknown(data_dir, change, message):
    content = saved(data_dir)
    change(content['d'])
    G, D, Gs = networks.read(content)
    assert D is None and G.notes == Gs.notes
    assert re.match('the discriminator is left out, since it is unknown here .' + message, Gs.notes[1])
    assert network_data.hash_of(Gs.state) == network_data.hash_of(networks.read(saved(data_dir))[2].state)


def test_what_a_file_lacks_is_said(data_dir, tmp_path, capsys):
    """By `info` and `export`, which build no networks; the others are in tests/training/test_fitting.py."""
    content = saved(data_dir)
    arrays = {key: {name: tensor.value for name, tensor in content[key].items() if name != 'noises.noise_1'}
              for key in ('g', 'd', 'g_ema')}
    arrays['d'] = {'x': arrays['d']['final_linear.1.bias']}
    path = str(tmp_path / 'net.pt')
    torch_writer.save(arrays, path)
    lines = info.describe((tmp_path / 'net.pt').read_bytes())
    assert lines[0].endswith(': G, Gs') and [line[12:60] for line in lines if line.startswith('Note')] == [
        'the file lacks 1 of 5 noise maps; they are drawn', 'the file holds no mean of W, to which truncation',
        'the discriminator is left out, since it is unkno']
    run_generator.main(['export', path, str(tmp_path / 'net.pkl')])
    assert capsys.readouterr().out.count('net.pt: the ') == 3


def test_noise_maps_that_only_some_layers_lack(data_dir):
    content = network_file.read_inert((data_dir / 'users' / 'eps696-5x4.pkl').read_bytes())
    del dict(content['G_ema'].parts())['synthesis.b8.conv1.']['_buffers']['noise_const']
    variables = [dict(network.state['components']['synthesis'].state['variables'])
                 for network in networks.read(content)[::2]]
    same = [name for name in variables[0] if np.array_equal(variables[0][name], variables[1][name])]
    assert variables[1]['noise2'].shape == (1, 1, 10, 8) and variables[1]['noise2'].std() > 0.8
    assert 'noise1' in same and 'noise2' not in same
    assert 'lacks 1 of 5 noise maps' in networks.read(content)[2].notes[0]


@pytest.mark.parametrize('path, attribute, message', [
    ('synthesis.b8.conv0.', ('conv_clamp', 7), 'its layers have different conv_clamp'),
    ('synthesis.b8.conv0.', ('activation', ['x']), 'its attribute activation is a list'),
    ('synthesis.b8.conv0.', ('_parameters', 3), 'its tensor synthesis.b8.conv0.weight is missing')])
def test_attributes_that_do_not_fit(data_dir, path, attribute, message):
    content = network_file.read_inert((data_dir / 'ada_r16.pkl').read_bytes())
    dict(content['G_ema'].parts())[path].update([attribute])
    with pytest.raises(UserError, match=message):
        networks.read(content)


def test_stylegan3_is_named(data_dir):
    tensor = saved(data_dir)['g_ema']['input.input']
    with pytest.raises(UserError, match='G_ema: a generator of StyleGAN3'):
        networks.read({'G_ema': {'synthesis.input.freqs': tensor}})


@pytest.mark.parametrize('fmaps, expected', [
    ([512] * 5 + [256, 128, 64, 32], {}), ([512] * 4 + [256, 128], {'fmap_base': 8192}), ([512] * 3, {}),
    ([6, 6, 4], {'fmap_base': 32, 'fmap_max': 6}), ([5], {'fmap_base': 10, 'fmap_max': 5}),
    ([16, 8, 4], {'fmap_base': 32, 'fmap_max': 16}), ([7, 7], {'fmap_base': 28, 'fmap_max': 7})])
def test_feature_maps(fmaps, expected):
    found = networks.fmap_options(fmaps)
    assert found == expected
    base, most = found.get('fmap_base', 16384), found.get('fmap_max', 512)
    assert [min(base >> i + 1, most) for i in range(len(fmaps))] == fmaps
    assert min(base, most) == fmaps[0]  # the last layer of the discriminator
    with pytest.raises(UserError, match='which do not halve'):
        networks.fmap_options(fmaps + [fmaps[-1] + 1])


def test_kinds_of_axes_are_undone():
    rnd = np.random.RandomState(0)
    shapes = {'dense': [3, 4], 'conv': [3, 3, 2, 5], 'up': [3, 3, 2, 5], 'bias': [4], 'scalar': [], 'style': [4],
              'noise': [1, 1, 4, 6], 'const': [1, 3, 4, 6], 'patch4': [32], 'table': [5, 3],
              'count': []}
    for kind, functions in names.KINDS.items():
        array = np.float32(rnd.randn(*shapes[kind]))
        again = functions.from_torch(functions.to_torch(array))
        np.testing.assert_allclose(again, array, atol=1e-6 if kind == 'style' else 0)


def test_state_dictionaries_of_files_that_pytorch_no_longer_writes(data_dir):
    from tests.metrics.features import weight_writers
    content = saved(data_dir)['g_ema']
    data = weight_writers.torch_file({name: tensor.value for name, tensor in content.items()}, zipped=False)
    found = pretrained.read_states(data)
    assert network_data.hash_of(found[2].state) == network_data.hash_of(networks.read(content)[2].state)
    assert networks.read(torch_file.load(io.BytesIO(data)))[1] is None
