"""The networks of StyleGAN2-ADA: against StyleGAN2's where both are the same, against NumPy where they are not."""

import numpy as np
import pytest

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import network_pickle, precision
from generator import info
from tests.dnnlib.tflib.test_network_pickle import Fake, pickled
from training import pretrained

ADA, BASE = 'training.networks_ada.', 'training.networks_stylegan2.'
SMALL = dict(num_channels=3, resolution=16, fmap_max=8)
LATENTS = dict(latent_size=6, dlatent_size=8, mapping_layers=2)
RND = np.random.RandomState(0)


def randomize(network):
    """Values for all variables, those that start as 0 too."""
    for name, var in network.vars.items():
        if name != 'lod' and not name.endswith('/lod'):
            network.set_var(name, RND.randn(*var.shape.as_list()))
    return network


def normalized(x):
    return x / np.sqrt(np.mean(np.square(x), axis=1, keepdims=True) + 1e-8)


def lrelu(x):
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


@pytest.mark.parametrize('architecture', ['skip', 'resnet', 'orig'])
def test_without_labels_the_generator_is_that_of_stylegan2(session, architecture):
    options = dict(SMALL, architecture=architecture, **LATENTS)
    base = randomize(tflib.Network('B', BASE + 'G_main', mapping_fmaps=8, **options))
    ada = tflib.Network('A', ADA + 'G_main', num_fp16_res=4, **options)  # float32 on a CPU
    assert list(ada.vars) == [name for name in base.vars if name != 'lod']
    ada.copy_vars_from(base)
    latents = RND.randn(3, 6)
    for extra in (dict(), dict(truncation_psi=0.7, truncation_cutoff=2), dict(truncation_psi=1)):
        images = [net.run(latents, None, randomize_noise=False, **extra) for net in (base, ada)]
        np.testing.assert_allclose(images[0], images[1], atol=2e-4 * np.abs(images[0]).max())
    clamped = ada.components.synthesis.run(RND.randn(2, 6, 8), randomize_noise=False, conv_clamp=0.01)
    assert np.abs(clamped).max() <= 0.01 * 3  # the sum of three clamped images, at most


@pytest.mark.parametrize('architecture', ['skip', 'resnet', 'orig'])
def test_without_labels_the_discriminator_is_that_of_stylegan2(session, architecture):
    base = randomize(tflib.Network('B', BASE + 'D_stylegan2', architecture=architecture, **SMALL))
    ada = tflib.Network('A', ADA + 'D_main', architecture=architecture, **SMALL)
    assert list(ada.vars) == list(base.vars)
    ada.copy_vars_from(base)
    images = RND.randn(8, 3, 16, 16)
    images[:2] *= 20  # groups differ
    scores = base.run(images, None)
    np.testing.assert_allclose(ada.run(images, None, mbstd_group_size=4), scores, rtol=1e-3, atol=1e-3)
    whole = base.run(images, None, mbstd_group_size=8)
    np.testing.assert_allclose(ada.run(images, None), whole, rtol=1e-3, atol=1e-3)
    assert np.abs(whole - scores).max() > 1e-2


def test_labels_are_embedded_and_normalised(session):
    mapping = randomize(tflib.Network('M', ADA + 'G_mapping', label_size=3, label_fmaps=5, **LATENTS))
    assert [(name, var.shape.as_list()) for name, var in mapping.vars.items()] == [
        ('LabelEmbed/weight', [3, 5]), ('LabelEmbed/bias', [5]), ('Dense0/weight', [11, 8]), ('Dense0/bias', [8]),
        ('Dense1/weight', [8, 8]), ('Dense1/bias', [8])]
    latents, labels = RND.randn(4, 6), RND.randn(4, 3)
    v = {name: mapping.get_var(name) for name in mapping.vars}
    x = np.concatenate([normalized(latents), normalized(
        labels @ v['LabelEmbed/weight'] / np.sqrt(3) + v['LabelEmbed/bias'])], axis=1)
    for i, fan_in in enumerate((11, 8)):
        x = lrelu(x @ v['Dense%d/weight' % i] * 0.01 / np.sqrt(fan_in) + v['Dense%d/bias' % i] * 0.01)
    np.testing.assert_allclose(mapping.run(latents, labels), x, rtol=1e-4, atol=1e-6)


def test_labels_are_projected(session):
    D = randomize(tflib.Network('D', ADA + 'D_main', label_size=3, mapping_layers=1, mapping_fmaps=5, **SMALL))
    assert list(D.vars)[:4] == ['LabelEmbed/weight', 'LabelEmbed/bias', 'Mapping0/weight', 'Mapping0/bias']
    D.set_var('Output/weight', np.zeros([8, 5]))
    v = {name: D.get_var(name) for name in D.vars}
    labels = RND.randn(4, 3)
    c = normalized(labels @ v['LabelEmbed/weight'] / np.sqrt(3) + v['LabelEmbed/bias'])
    c = lrelu(c @ v['Mapping0/weight'] * 0.1 / np.sqrt(5) + v['Mapping0/bias'] * 0.1)
    scores = (c @ v['Output/bias'])[:, np.newaxis] / np.sqrt(5)
    np.testing.assert_allclose(D.run(RND.randn(4, 3, 16, 16), labels), scores, rtol=1e-3, atol=1e-5)


def test_options_that_change_the_variables(session):
    synthesis = tflib.Network('S', ADA + 'G_synthesis', use_noise=False, fmap_const=5, dlatent_size=8, **SMALL)
    assert not [name for name in synthesis.vars if 'noise' in name]
    assert synthesis.vars['4x4/Const/const'].shape.as_list() == [1, 5, 4, 4]
    assert synthesis.vars['4x4/Conv/weight'].shape.as_list() == [3, 3, 5, 8]
    images = [synthesis.run(np.ones([1, 6, 8])) for _ in range(2)]
    np.testing.assert_array_equal(*images)
    D = tflib.Network('D', ADA + 'D_main', freeze_layers=5, mbstd_num_features=0, **SMALL)
    frozen = {name.rsplit('/', 1)[0] for name in D.vars if name not in D.trainables}
    assert frozen == {'16x16/FromRGB', '16x16/Conv0', '16x16/Conv1_down', '16x16/Skip', '8x8/Conv0'}
    assert D.vars['4x4/Conv/weight'].shape.as_list() == [3, 3, 8, 8]
    with pytest.raises(dnnlib.UserError, match='no option use_pagan'):
        tflib.Network('D', ADA + 'D_main', use_pagan=True, **SMALL)


def fake(network):
    """The state as StyleGAN2-ADA pickles it: version 5, the whole module as text."""
    state = network.__getstate__()
    components = {key: fake(item) for key, item in state['components'].items()}
    return Fake(dict(state, version=5, components=components, build_module_src='import os\nos.abort()\n',
                     input_shapes=network.input_shapes, output_shapes=network.output_shapes,
                     input_names=network.input_names, output_names=network.output_names))


def test_pickles_are_read_and_written(session, tmp_path):
    options = dict(label_size=2, num_fp16_res=4, conv_clamp=256, num_channels=3, resolution=8, fmap_max=8)
    G = randomize(tflib.Network('G', ADA + 'G_main', **dict(options, **LATENTS)))
    D = randomize(tflib.Network('D', ADA + 'D_main', **options))
    data = pickled((fake(G), fake(D), fake(G)), protocol=3)
    path = tmp_path / 'ada.pkl'
    path.write_bytes(data)
    lines = info.describe(data)
    assert lines[0] == 'Kind        StyleGAN2-ADA network pickle: G, D, G' and 'num_fp16_res=4' in '\n'.join(lines)
    networks = pretrained.load_networks(str(path))
    network_pickle.save(networks, str(tmp_path / 'again.pkl'))
    again = pretrained.load_generator(str(tmp_path / 'again.pkl'))
    latents, labels = RND.randn(2, 6), np.eye(2)
    images = G.run(latents, labels, randomize_noise=False)
    for other in (networks[2], again):
        assert other.components.mapping._build_func.__module__ == 'training.networks_ada'
        np.testing.assert_array_equal(other.run(latents, labels, randomize_noise=False), images)
        for name in G.vars:
            np.testing.assert_array_equal(other.get_var(name), G.get_var(name))
    np.testing.assert_array_equal(networks[1].run(images, labels), D.run(images, labels))
    options, text = precision.synthesis_options('mixed', again)
    assert options == {} and 'no 16x16 block' in text
    ada16 = tflib.Network('S', ADA + 'G_synthesis', dlatent_size=8, **SMALL)
    assert precision.synthesis_options('mixed', ada16)[0].get('num_fp16_res', 1) == 1 or TF1
