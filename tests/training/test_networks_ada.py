"""The networks of StyleGAN2-ADA: against StyleGAN2's where both are the same, against NumPy where they are not."""

import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import network_pickle, precision
from generator import info
from tests import test_published_reader
from tests.dnnlib.tflib.test_network_pickle import Fake, pickled
from training import pretrained
from training.blocks import compared

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


def test_groups_of_one_have_a_map_of_a_constant(session):
    """The map is there without deviation as well, only `mbstd_num_features=0` leaves it out; StyleGAN2 has none."""
    D = tflib.Network('D', ADA + 'D_main', mbstd_group_size=1, **SMALL)
    whole = tflib.Network('whole', ADA + 'D_main', **SMALL)
    name = '4x4/Conv/weight'
    assert D.vars[name].shape == whole.vars[name].shape
    base = tflib.Network('base', BASE + 'D_stylegan2', mbstd_group_size=1, **SMALL)
    assert base.vars[name].shape.as_list()[2] == D.vars[name].shape.as_list()[2] - 1
    whole.copy_vars_from(D)
    images = RND.randn(1, 3, 16, 16)
    np.testing.assert_array_equal(D.run(images, None), whole.run(images, None))
    both = np.concatenate([images, RND.randn(1, 3, 16, 16)])
    np.testing.assert_allclose(D.run(both, None)[:1], D.run(images, None), rtol=1e-5, atol=1e-6)


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


def test_initial_values_are_the_published_ones(session):
    options = dict(label_size=300, num_channels=3, resolution=8, fmap_base=1024, fmap_max=128)
    G = tflib.Network('G', ADA + 'G_main', latent_size=64, dlatent_size=64, mapping_layers=2, **options)
    D = tflib.Network('D', ADA + 'D_main', mapping_layers=1, use_pagan=True, **options)
    checked = 0
    for network in (G, D):
        for name, value in tflib.run(dict(network.vars)).items():
            kind = name.rsplit('/')[-1]
            if kind in ('bias', 'mod_bias', 'noise_strength', 'dlatent_avg'):
                assert not value.any(), name
                continue
            lrmul = 0.01 if 'Dense' in name and network is G else 0.1 if 'Mapping' in name else 1
            tolerance = 6 / np.sqrt(2 * value.size)
            assert abs(value.std() * lrmul - 1) < tolerance and abs(value.mean() * lrmul) < tolerance * 1.5, name
            checked += 1
    assert checked == 3 + 14 + 10  # of mapping, synthesis, discriminator
    not_trained = {name for network in (G, D) for name in network.vars if name not in network.trainables}
    assert not_trained == {'dlatent_avg'} | {'G_synthesis/noise%d' % i for i in range(3)}


def test_training_mixes_styles_and_moves_the_mean(session):
    G = tflib.Network('G', ADA + 'G_main', num_channels=3, resolution=8, fmap_max=4, style_mixing_prob=1,
                      truncation_psi=0, **LATENTS)
    for name, value in tflib.run(dict(G.components.mapping.vars)).items():
        G.components.mapping.set_var(name, RND.randn(*value.shape) * 100)
    latents = tf.constant(RND.randn(3, 6), tf.float32)
    images, dlatents = G.get_output_for(latents, None, is_training=True, return_dlatents=True)
    plain = G.components.mapping.run(session.run(latents), None)
    first = session.run(dlatents)
    wanted = 0.005 * plain[:, 0].mean(axis=0)
    np.testing.assert_allclose(G.get_var('dlatent_avg'), wanted, rtol=1e-4)
    session.run(images)  # images alone as well
    np.testing.assert_allclose(G.get_var('dlatent_avg'), wanted * 1.995, rtol=1e-4)
    crossovers = []
    for mixed in [first] + [session.run(dlatents) for _ in range(40)]:
        same = np.isclose(mixed, plain, rtol=1e-4, atol=1e-4).all(axis=2)
        assert np.array_equal(same, np.tile(same[:1], [3, 1]))  # one draw for the minibatch
        crossovers.append(same[0].sum())
        assert same[0, :crossovers[-1]].all()
    assert set(crossovers) == {1, 2, 3}  # of four layers


def run_with(session, D, images, **options):
    """Scores in training."""
    return session.run(D.get_output_for(tf.constant(images, tf.float32), None, is_training=True, **options))


def test_bits_of_pagan(session, monkeypatch):
    options = dict(num_channels=3, resolution=8, fmap_max=4, mbstd_num_features=0)
    D = tflib.Network('D', ADA + 'D_main', use_pagan=True, pagan_num=5, freeze_layers=1, **options)
    added = '8x8/FromRGB/PAGAN/weight'
    assert D.vars[added].shape.as_list() == [5, 4] and added in D.trainables
    assert '8x8/FromRGB/weight' not in D.trainables and '8x8/FromRGB/bias' not in D.trainables
    randomize(D)
    base = tflib.Network('B', ADA + 'D_main', **options)
    base.copy_vars_from(D)
    images = RND.randn(3, 3, 8, 8)
    np.testing.assert_allclose(run_with(session, D, images), base.run(images, None), rtol=1e-4)  # p is 0
    bits = np.float32([1, 0, 1, 1, 0])
    monkeypatch.setattr(compared, 'draw_bits', lambda batch, *values: tf.tile(
        tf.constant(bits[np.newaxis]) * values[0], [batch, 1]))
    scores = run_with(session, D, images, augment_strength=tf.constant(1.0))
    base.set_var('8x8/FromRGB/bias', D.get_var('8x8/FromRGB/bias') + bits @ D.get_var(added) / np.sqrt(5))
    np.testing.assert_allclose(scores, -base.run(images, None), rtol=1e-4)  # three bits exchange them three times


def test_adaptive_dropout_where_it_is_published(session, monkeypatch):
    D = tflib.Network('D', ADA + 'D_main', adaptive_dropout=2, num_channels=3, resolution=8, fmap_max=4)
    images, seen = RND.randn(3, 3, 8, 8), []
    scores = run_with(session, D, images, augment_strength=0.25)
    np.testing.assert_allclose(run_with(session, D, images), D.run(images, None, adaptive_dropout=0), rtol=1e-4)
    assert np.abs(scores - run_with(session, D, images, augment_strength=0.25)).max() > 1e-3
    monkeypatch.setattr(compared, 'adaptive_dropout', lambda x, strength: seen.append(
        (tf.get_variable_scope().name, x.op.type, strength)) or x)
    run_with(session, D, images, augment_strength=0.25)
    assert [name for name, _, _ in seen] == ['D/' + name for name in (
        '8x8/FromRGB', '8x8/Conv0', '8x8/Conv1_down', '8x8/Skip', '4x4/Conv', '4x4/Dense0')]
    assert {strength for _, _, strength in seen} == {0.5}


def test_spectral_norm_of_the_convolutions(session):
    D = tflib.Network('D', ADA + 'D_main', use_spectral_norm=True, num_channels=3, resolution=8, fmap_max=4)
    state = [name for name in D.vars if name.endswith('weight_sn')]
    assert state == [name + '/weight_sn' for name in ('8x8/Conv0', '8x8/Conv1_down', '4x4/Conv')]
    assert not set(state) & set(D.trainables) and D.vars[state[2]].shape.as_list() == [1, 4]
    images, before = RND.randn(3, 3, 8, 8), D.get_var(state[2])
    D.run(images, None)
    np.testing.assert_array_equal(D.get_var(state[2]), before)  # only training changes it
    for _ in range(3):
        run_with(session, D, images)
    assert np.abs(D.get_var(state[2]) - before).max() > 1e-3
    assert np.linalg.norm(D.get_var(state[2])) == pytest.approx(1, rel=1e-4)
    scores = D.run(images, None)
    D.set_var('4x4/Conv/weight', D.get_var('4x4/Conv/weight') * 9)
    np.testing.assert_allclose(D.run(images, None), scores, rtol=1e-3, atol=1e-5)


def test_several_scores(session):
    D = tflib.Network('D', ADA + 'D_main', score_max=5, num_channels=3, resolution=8, fmap_max=4)
    assert D.output_shape == [None, 1] and D.vars['Output/weight'].shape.as_list() == [4, 5]
    images = RND.randn(3, 3, 8, 8)
    five = D.run(images, None, score_size=5)
    assert five.shape == (3, 5)
    np.testing.assert_allclose(D.run(images, None), five[:, :1], rtol=1e-5)
    for options in (dict(score_size=2), dict(score_max=5, label_size=3)):
        with pytest.raises(dnnlib.UserError, match='expected at least one of one with labels'):
            tflib.Network('E', ADA + 'D_main', num_channels=3, resolution=8, fmap_max=4, **options)


def fake(network):
    """The state as StyleGAN2-ADA pickles it: version 5, the whole module as text."""
    state = network.__getstate__()
    components = {key: fake(item) for key, item in state['components'].items()}
    return Fake(dict(state, version=5, components=components, build_module_src='import os\nos.abort()\n',
                     input_shapes=network.input_shapes, output_shapes=network.output_shapes,
                     input_names=network.input_names, output_names=network.output_names))


def test_the_published_readers_read_what_is_written(session, tmp_path):
    options = dict(num_channels=3, resolution=4, label_size=2, fmap_base=64, fmap_max=8, num_fp16_res=4, conv_clamp=256)
    G = tflib.Network('G', ADA + 'G_main', style_mixing_prob=None, **dict(options, **LATENTS))
    D = tflib.Network('D', ADA + 'D_main', architecture='skip', mbstd_group_size=4, freeze_layers=1, **options)
    network_pickle.save((G, D, G.clone('Gs')), str(tmp_path / 'net.pkl'))
    networks = test_published_reader.read(str(tmp_path / 'net.pkl'))
    parts = list(networks) + list(networks[0].components.values())
    assert [network.name for network in parts] == ['G', 'D', 'Gs', 'G_synthesis', 'G_mapping']
    assert list(networks[2].components) == ['synthesis', 'mapping']
    for network in parts:
        assert list(vars(network)) == [
            'version', 'name', 'static_kwargs', 'components', 'build_module_src', 'build_func_name', 'variables',
            'input_shapes', 'output_shapes', 'input_names', 'output_names']
        assert network.version == 5
        # they execute this text, and find the functions in the module of the release
        assert network.build_module_src == 'from training.networks import %s\n' % network.build_func_name
    for network, known in zip(networks, ('G_OPTIONS', 'D_OPTIONS', 'G_OPTIONS')):
        assert type(network.static_kwargs) is dict
        assert set(network.static_kwargs) <= getattr(test_published_reader, known)
    G, D, _ = networks
    assert (G.input_shapes, G.input_names) == ([[None, 6], [None, 2]], ['latents_in', 'labels_in'])
    assert (G.output_shapes, G.output_names) == ([[None, 3, 4, 4]], ['images_out'])
    assert (D.input_shapes, D.output_shapes) == ([[None, 3, 4, 4], [None, 2]], [[None, 1]])
    assert (D.input_names, D.output_names) == (['images_in', 'labels_in'], ['scores_out'])
    names = set(test_published_reader.collect(G))
    assert {'dlatent_avg', 'mapping/LabelEmbed/weight', 'mapping/Dense1/bias', 'synthesis/noise0',
            'synthesis/4x4/Const/const', 'synthesis/4x4/Conv/mod_weight', 'synthesis/4x4/ToRGB/bias'} <= names
    assert [name for name, _ in D.variables][:4] == [
        'LabelEmbed/weight', 'LabelEmbed/bias', '4x4/FromRGB/weight', '4x4/FromRGB/bias']


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
        assert other.__getstate__()['build_module_src'] == 'import os\nos.abort()\n'  # as in the file
        np.testing.assert_array_equal(other.run(latents, labels, randomize_noise=False), images)
        for name in G.vars:
            np.testing.assert_array_equal(other.get_var(name), G.get_var(name))
    np.testing.assert_array_equal(networks[1].run(images, labels), D.run(images, labels))
    older = dict(G.components.mapping.__getstate__(), version=4,  # as we wrote it before it had the published version
                 build_module_src='from training.networks_ada import G_mapping\n')
    for state in (older, G.components.mapping.__getstate__()):
        mapping = network_pickle.load(io.BytesIO(pickled(Fake(state))), pretrained.BUILD_MODULES)
        assert mapping._build_func.__module__ == 'training.networks_ada'  # other modules have a G_mapping, too
        assert mapping.__getstate__()['build_module_src'] == 'from training.networks import G_mapping\n'
    options, text = precision.synthesis_options('mixed', again)
    assert options == {} and 'no 16x16 block' in text
    ada16 = tflib.Network('S', ADA + 'G_synthesis', dlatent_size=8, **SMALL)
    half = precision.has_kernel('Conv2D', 'bfloat16', 'CPU')  # none in TensorFlow 1
    assert precision.synthesis_options('mixed', ada16)[0] == (dict(num_fp16_res=1) if half else {})
