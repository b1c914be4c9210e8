"""Tests of training.networks_stylegan2: published values, variable lists, behaviour in training."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout, tfutil
from training import networks_stylegan2 as networks
from training.blocks import styles

G_ARGS = dict(num_channels=3, resolution=16, fmap_base=128, fmap_max=32, latent_size=16, dlatent_size=16,
              mapping_fmaps=16, mapping_layers=3, mapping_lrmul=1.0)
D_ARGS = dict(num_channels=3, resolution=16, fmap_base=128, fmap_max=32)
LATENTS = np.random.RandomState(1).randn(4, 16)
IMAGES = np.random.RandomState(2).randn(8, 3, 16, 16)
LABELS = np.eye(3)[[0, 1, 2, 1, 0, 0, 2, 1]]
NO_TRUNCATION = dict(truncation_psi=1, randomize_noise=False)

G_GOLDENS = [  # options of the network, options of the call, (mean, std, first, last) of the images
    (dict(architecture='orig'), dict(NO_TRUNCATION, fused_modconv=True), (2.330255, 5.749316, 3.355173, 3.141052)),
    (dict(architecture='orig'), dict(NO_TRUNCATION, fused_modconv=False), (2.330255, 5.749316, 3.355173, 3.141052)),
    (dict(architecture='skip'), NO_TRUNCATION, (1.344401, 4.917741, 3.887420, -0.561196)),
    (dict(architecture='resnet'), NO_TRUNCATION, (-0.332421, 1.872521, 1.610062, 0.167995)),
    (dict(resample_kernel=[1, 2, 1]), NO_TRUNCATION, (1.273080, 5.813898, 3.232839, -1.715134)),
    (dict(label_size=3), NO_TRUNCATION, (-2.801920, 7.561019, -4.023008, -0.333347)),
]
TRUNCATION_GOLDENS = [
    ({}, (2.034054, 5.051973, 4.164956, 0.904588)),
    (dict(truncation_psi=0.7, truncation_cutoff=3), (1.253652, 4.700250, 3.341087, -0.965090)),
    (dict(is_validation=True), (1.344401, 4.917741, 3.887420, -0.561196)),
]
D_GOLDENS = [  # options of the network, number of images, scores
    (dict(architecture='orig'), 8, [0.964323, 0.588196, 0.834804, 0.942910, 0.986237, 0.685040, 0.745959, 1.035266]),
    (dict(architecture='skip'), 8, [5.932429, 5.723863, 6.000743, 5.814340, 5.473307, 6.017164, 5.851669, 5.558660]),
    (dict(architecture='resnet'), 8,
     [-4.060266, -3.666352, -3.258923, -3.803433, -3.641398, -3.225796, -3.384167, -3.321533]),
    ({}, 2, [-4.058259, -3.664104]),
    (dict(mbstd_group_size=8), 8, [-4.061766, -3.667611]),
    (dict(mbstd_num_features=2), 8,
     [0.464151, 0.454442, 0.386543, 0.444853, 0.471633, 0.584611, 0.419393, 0.456389]),
    (dict(label_size=3), 8,
     [-0.741978, -3.329003, 3.349326, -3.526907, -0.229952, -0.362088, 3.176810, -2.938446]),
]
TRAINABLE_PARAMETERS = [  # resolution, fmap_base, of G_main skip, of D_stylegan2 resnet
    (1024, 16384, 30370060, 29012513), (256, 8192, 24767458, 24001089)]


def fill(net, seed):
    """Gives a network the weights of the published values."""
    rng = np.random.RandomState(seed)
    values = {var: rng.randn(*var.shape.as_list()) for var in net.vars.values()}  # draws for the lod, too
    values.update({var: 0 for name, var in net.vars.items() if name.split('/')[-1] == 'lod'})
    tfutil.set_vars(values)
    return net


def create_generator(**kwargs):
    return fill(tflib.Network('G', networks.G_main, **dict(G_ARGS, **kwargs)), 10)


def create_discriminator(**kwargs):
    return fill(tflib.Network('D', networks.D_stylegan2, **dict(D_ARGS, **kwargs)), 20)


def statistics(images):
    """What the published values say about images."""
    return images.mean(), images.std(), images[0, 0, 0, 0], images[-1, -1, -1, -1]


def labels_for(net, num):
    return LABELS[:num] if net.static_kwargs.get('label_size') else None


@pytest.mark.parametrize('net_args, run_args, expected', G_GOLDENS)
def test_generator_has_the_published_values(session, net_args, run_args, expected):
    net = create_generator(**net_args)
    images = net.run(LATENTS, labels_for(net, 4), **run_args)
    assert images.shape == (4, 3, 16, 16) and images.dtype == np.float32
    np.testing.assert_allclose(statistics(images), expected, rtol=1e-4, atol=1e-5)


def test_truncation_has_the_published_values(session):
    net = create_generator()
    for options, expected in TRUNCATION_GOLDENS:
        images = net.run(LATENTS, None, randomize_noise=False, **options)
        np.testing.assert_allclose(statistics(images), expected, rtol=1e-4, atol=1e-5)


def test_modulated_kernels_and_scaled_feature_maps_agree(session):
    net = create_generator(architecture='resnet')
    single = net.run(LATENTS, None, minibatch_size=1, **NO_TRUNCATION)
    np.testing.assert_allclose(statistics(single), G_GOLDENS[3][2], rtol=1e-4, atol=1e-5)
    scaled = net.run(LATENTS, None, minibatch_size=1, fused_modconv=False, **NO_TRUNCATION)
    np.testing.assert_allclose(single, scaled, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('architecture, mean, std', [
    ('orig', 0.526078, 1.718537), ('skip', 0.691820, 1.671301), ('resnet', 0.540217, 0.934794)])
def test_dlatents_have_the_published_values(session, architecture, mean, std):
    net = create_generator(architecture=architecture)
    dlatents = net.components.mapping.run(LATENTS, None)
    assert dlatents.shape == (4, 6, 16) and np.ptp(dlatents, axis=1).max() == 0
    np.testing.assert_allclose([dlatents.mean(), dlatents.std()], [mean, std], rtol=1e-5)


def test_mapping_with_labels_has_the_published_values(session):
    net = tflib.Network('M', networks.G_mapping, label_size=3, latent_size=16, dlatent_size=16, mapping_fmaps=16,
                        mapping_layers=2)
    fill(net, 10)
    weights = [var for name, var in net.vars.items() if name.startswith('Dense') and name.endswith('weight')]
    tfutil.set_vars({var: value * 100 for var, value in zip(weights, session.run(weights))})
    dlatents = net.run(LATENTS, LABELS[:4])
    np.testing.assert_allclose(dlatents[0, :3], [-0.143052, -0.207527, 0.503038], rtol=1e-4)
    np.testing.assert_allclose(dlatents[3, -3:], [0.523669, -0.288377, 0.085145], rtol=1e-4)


def test_bytes_have_the_published_values(session):
    transform = dict(func=tflib.convert_images_to_uint8, nchw_to_nhwc=True)
    net = create_generator()
    images = net.run(LATENTS, None, output_transform=transform, **NO_TRUNCATION)
    assert images.shape == (4, 16, 16, 3) and images.dtype == np.uint8
    assert abs(int(images.sum(dtype=np.int64)) - 488383) <= 4  # rounding to the nearest byte
    assert images[0, 0, 0].tolist() == [255, 0, 255]
    numbers = net.run(LATENTS, None, **NO_TRUNCATION)[0, :, 0, 0]
    np.testing.assert_allclose(numbers, [3.887420, -2.750666, 2.440785], rtol=1e-4)


@pytest.mark.parametrize('net_args, num, expected', D_GOLDENS)
def test_discriminator_has_the_published_values(session, net_args, num, expected):
    net = create_discriminator(**net_args)
    scores = net.run(IMAGES[:num], labels_for(net, num))
    assert scores.shape == (num, 1)
    np.testing.assert_allclose(scores[:len(expected), 0], expected, rtol=1e-4, atol=1e-5)


def test_running_mean_of_w_moves_as_published(session):
    net = create_generator()
    np.testing.assert_allclose(net.get_var('dlatent_avg')[:2], [0.715279, -1.545400], rtol=1e-5)
    net.run(LATENTS, None, is_training=True, style_mixing_prob=0, randomize_noise=False)
    np.testing.assert_allclose(net.get_var('dlatent_avg')[:2], [0.710536, -1.512616], rtol=1e-5)


@pytest.mark.skipif(tf.__version__.startswith('1.'), reason='TensorFlow 1 has no NCHW convolution on the CPU')
@pytest.mark.parametrize('architecture,fused', [('orig', True), ('orig', False), ('skip', None), ('resnet', None)])
def test_both_memory_layouts_compute_the_same(session, architecture, fused):
    layout.set_data_format('NCHW')
    expected = {args[0].get('architecture'): args[2] for args in G_GOLDENS}[architecture]
    net = create_generator(architecture=architecture, fused_modconv=fused)
    np.testing.assert_allclose(statistics(net.run(LATENTS, None, **NO_TRUNCATION)), expected, rtol=1e-4, atol=1e-5)
    expected = {args[0].get('architecture'): args[2] for args in D_GOLDENS}[architecture]
    scores = create_discriminator(architecture=architecture).run(IMAGES, None)
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-4, atol=1e-5)


def listing(net):
    return [(name, var.shape.as_list(), var.trainable) for name, var in net.own_vars.items()]


def count_trainable(net):
    return sum(int(np.prod(var.shape.as_list())) for var in net.trainables.values())


def test_variables_are_the_published_ones(session):
    net = tflib.Network('G', networks.G_main, resolution=32)
    assert list(net.components) == ['synthesis', 'mapping']
    assert [net.components[name].name for name in net.components] == ['G_synthesis', 'G_mapping']
    assert listing(net) == [('lod', [], False), ('dlatent_avg', [512], False)]
    mapping = []
    for index in range(8):
        mapping += [('Dense%d/weight' % index, [512, 512], True), ('Dense%d/bias' % index, [512], True)]
    assert listing(net.components.mapping) == mapping

    def conv(scope, kernel=3, fmaps=512, noise=True):
        weights = [(scope + '/weight', [kernel, kernel, 512, fmaps], True), (scope + '/mod_weight', [512, 512], True),
                   (scope + '/mod_bias', [512], True)]
        return weights + [(scope + '/noise_strength', [], True)] * noise + [(scope + '/bias', [fmaps], True)]

    synthesis = [('noise%d' % index, [1, 1, size, size], False) for index, size in enumerate([4, 8, 8, 16, 16, 32, 32])]
    synthesis += [('4x4/Const/const', [1, 512, 4, 4], True)] + conv('4x4/Conv') + conv('4x4/ToRGB', 1, 3, False)
    for block in ('8x8', '16x16', '32x32'):
        synthesis += conv(block + '/Conv0_up') + conv(block + '/Conv1') + conv(block + '/ToRGB', 1, 3, False)
    assert listing(net.components.synthesis) == synthesis
    assert len(net.vars) == 77 and len(net.trainables) == 68 and count_trainable(net) == 21523475

    net = tflib.Network('D', networks.D_stylegan2, resolution=32)
    expected = [('32x32/FromRGB/weight', [1, 1, 3, 512], True), ('32x32/FromRGB/bias', [512], True)]
    for block in ('32x32', '16x16', '8x8'):
        for name in ('Conv0', 'Conv1_down'):
            scope = block + '/' + name
            expected += [(scope + '/weight', [3, 3, 512, 512], True), (scope + '/bias', [512], True)]
        expected.append((block + '/Skip/weight', [1, 1, 512, 512], True))
    expected += [('4x4/Conv/weight', [3, 3, 513, 512], True), ('4x4/Conv/bias', [512], True),
                 ('4x4/Dense0/weight', [8192, 512], True), ('4x4/Dense0/bias', [512], True),
                 ('Output/weight', [512, 1], True), ('Output/bias', [1], True)]
    assert listing(net) == expected and count_trainable(net) == 21507073


def test_variables_of_the_other_architectures(session):
    def names(func, **kwargs):
        net = tflib.Network('N', func, resolution=16, fmap_max=4, **kwargs)
        return [name for name in (net.components.synthesis if net.components else net).own_vars if 'noise' not in name]

    rgb = [part for part in ('weight', 'mod_weight', 'mod_bias', 'bias')]
    found = names(networks.G_main, architecture='resnet')
    assert found[found.index('8x8/Conv1/bias') + 1] == '8x8/Skip/weight' and found[-5] == '16x16/Skip/weight'
    assert found[-4:] == ['16x16/ToRGB/' + part for part in rgb] and '8x8/ToRGB/weight' not in found
    found = names(networks.G_main, architecture='orig')
    assert [name for name in found if 'RGB' in name] == ['16x16/ToRGB/' + part for part in rgb]
    assert not any('Skip' in name for name in found)
    found = names(networks.D_stylegan2, architecture='skip')
    assert [name for name in found if 'RGB' in name] == [
        block + '/FromRGB/' + part for block in ('16x16', '8x8', '4x4') for part in ('weight', 'bias')]
    assert found[0] == '16x16/FromRGB/weight' and found[found.index('4x4/Conv/weight') - 1] == '4x4/FromRGB/bias'
    assert not any('Skip' in name for name in found)


@pytest.mark.parametrize('resolution, fmap_base, num_g, num_d', TRAINABLE_PARAMETERS)
def test_numbers_of_parameters_are_the_published_ones(resolution, fmap_base, num_g, num_d):
    with tf.Graph().as_default():  # the build functions alone: no values, so no memory
        def count(scope, func, shapes, **kwargs):
            with tf.variable_scope(scope):
                func(*[tf.placeholder(tf.float32, shape) for shape in shapes], resolution=resolution, **kwargs)
            variables = tf.trainable_variables(scope + '/')
            return sum(int(np.prod(var.shape.as_list())) for var in variables)

        images, labels = [None, 3, resolution, resolution], [None, 0]
        num_layers = 2 * int(np.log2(resolution)) - 2
        assert count('D', networks.D_stylegan2, [images, labels], fmap_base=fmap_base) == num_d
        num_mapping = count('M', networks.G_mapping, [[None, 512], labels])
        dlatents = [None, num_layers, 512]
        assert num_g == num_mapping + count('S', networks.G_synthesis_stylegan2, [dlatents], fmap_base=fmap_base)


def test_initial_values(session):
    net = tflib.Network('G', networks.G_main, resolution=8, fmap_max=64, label_size=2, mapping_layers=2)
    zeros = ('bias', 'mod_bias', 'noise_strength', 'lod', 'dlatent_avg')
    for name, value in session.run(net.vars).items():
        if name.split('/')[-1] in zeros:
            assert not np.any(value), name
        else:
            expected = 100 if '/Dense' in name else 1  # 1 / lrmul
            assert value.std() == pytest.approx(expected, rel=0.4 if value.size < 500 else 0.1), name


def test_style_mixing_crosses_over_between_the_first_and_the_last_layer(session):
    first, second = tf.zeros([2, 6, 3]), tf.ones([2, 6, 3])
    mixed = styles.mix_styles(first, second, 1.0, 6)
    seen = set()
    for _ in range(60):
        value = session.run(mixed)
        assert np.ptp(value, axis=(0, 2)).max() == 0  # one crossover for the minibatch
        layers = value[0, :, 0].tolist()
        assert layers == sorted(layers)
        seen.add(int(6 - sum(layers)))
    assert seen == {1, 2, 3, 4, 5}
    assert session.run(styles.mix_styles(first, second, 0.0, 6)).max() == 0
    assert session.run(styles.mix_styles(first, second, 1.0, 4))[:, 4:].min() == 1  # layers not in use


def test_training_mixes_styles_with_the_given_probability(session):
    net = create_generator(resolution=8)
    _images, dlatents = net.get_output_for(tf.constant(LATENTS, tf.float32), None, is_training=True,
                                           style_mixing_prob=0.5, return_dlatents=True)
    mixed = [np.ptp(session.run(dlatents), axis=1).max() > 0 for _ in range(40)]
    assert 8 <= sum(mixed) <= 32


def test_fresh_noise_differs_between_samples_and_evaluations(session):
    net = create_generator(resolution=8)
    latents = np.tile(LATENTS[:1], [2, 1])
    first, again = (net.run(latents, None, truncation_psi=1) for _ in range(2))
    assert np.abs(first[0] - first[1]).max() > 1e-3 and np.abs(first - again).max() > 1e-3
    stored = net.run(latents, None, **NO_TRUNCATION)
    np.testing.assert_allclose(stored[0], stored[1], rtol=1e-4, atol=1e-5)


def test_half_precision_follows_single_precision(session):
    net = create_generator(resolution=8)
    half = net.run(LATENTS, None, dtype='float16', **NO_TRUNCATION)
    single = net.run(LATENTS, None, **NO_TRUNCATION)
    np.testing.assert_allclose(half, single, atol=0.02 * single.std())


def test_smallest_resolution_is_skip_only(session):
    net = tflib.Network('G', networks.G_main, resolution=4, fmap_max=8)
    assert net.run(np.zeros([1, 512]), None).shape == (1, 3, 4, 4)
    assert tflib.Network('D', networks.D_stylegan2, resolution=4, fmap_max=8, architecture='skip').run(
        np.zeros([1, 3, 4, 4]), None).shape == (1, 1)


@pytest.mark.parametrize('func, kwargs, match', [
    (networks.G_main, dict(resolution=22), 'nearest sizes are 24x24, 20x20'),
    (networks.D_stylegan2, dict(resolution=2), 'nearest sizes are 4x4'),
    (networks.D_stylegan2, dict(resolution='64'), 'number of pixels'),
    (networks.G_main, dict(architecture='resnet', resolution=4), 'skip'),
    (networks.D_stylegan2, dict(architecture='unet', resolution=8), 'unet'),
    (networks.G_main, dict(fmap_maximum=3, resolution=8), 'fmap_maximum'),
    (networks.G_main, dict(synthesis_func='G_synth', resolution=8), 'G_synth'),
])
def test_bad_options_are_refused(session, func, kwargs, match):
    with pytest.raises(dnnlib.UserError, match=match):
        tflib.Network('N', func, **kwargs)
