"""Tests of the growing networks, StyleGAN 1 and configs B to D: published values, variable lists, options."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout, network_pickle, tfutil
from tests.training.test_networks import (
    D_ARGS, G_ARGS, IMAGES, LABELS, LATENTS, NO_TRUNCATION, fill, listing, statistics)
from training import networks_stylegan, networks_stylegan2, pretrained
from training.blocks import layers_stylegan

REVISED = dict(synthesis_func='G_synthesis_stylegan_revised')
G_GOLDENS = [  # options of the generator, lod, options of the call, (mean, std, first, last) of the images
    (REVISED, 0, NO_TRUNCATION, (2.593089, 12.398979, 6.148135, -17.219593)),
    (REVISED, 0.5, NO_TRUNCATION, (2.364998, 6.865018, 2.671481, -8.590317)),
    (REVISED, 1.0, NO_TRUNCATION, (2.136908, 5.020935, -0.805173, 0.038959)),
    (REVISED, 1.3, NO_TRUNCATION, (1.363688, 4.347194, 0.049707, 0.522168)),
    (REVISED, 2.0, NO_TRUNCATION, (-0.440492, 7.538463, 2.044429, 1.649655)),
    ({}, 0, NO_TRUNCATION, (0.406864, 3.593828, 2.300216, -0.329722)),
    (dict(fused_scale=True), 0, NO_TRUNCATION, (0.406864, 3.619020, 2.137362, -1.246725)),
    ({}, 0.5, NO_TRUNCATION, (1.193827, 2.418366, 1.551212, -0.569716)),
    ({}, 2.0, NO_TRUNCATION, (0.943110, 2.287829, 0.740101, -0.315825)),
    ({}, 0, dict(randomize_noise=False), (0.588242, 2.994712, 1.907180, -0.028767)),
]
D_GOLDENS = [  # build function, lod, scores of the first four of eight images
    (networks_stylegan2.D_stylegan, 0, [1.952695, 2.059577, 1.855354, 1.956128]),
    (networks_stylegan2.D_stylegan, 0.5, [2.144107, 2.225562, 2.195299, 2.039683]),
    (networks_stylegan2.D_stylegan, 1.3, [1.958210, 2.116402, 2.182398, 2.087330]),
    (networks_stylegan2.D_stylegan, 2.0, [0.685177, 0.932863, 1.085654, 1.239504]),
    (networks_stylegan.D_basic, 0, [0.993375, 1.137554, 0.892473, 1.001245]),
    (networks_stylegan.D_basic, 0.5, [0.915490, 1.005693, 0.971771, 0.823129]),
    (networks_stylegan.D_basic, 2.0, [-0.149243, 0.079756, 0.242993, 0.403718]),
]
TRAINABLE_PARAMETERS = [  # resolution, fmap_base, of G_main + revised and D_stylegan, of G_style and D_basic
    (1024, 8192, (24900764, 23087249), (26219627, 23087249)), (64, 16384, (27032600, 25448449), None)]
BOTH_LAYOUTS = ['NHWC'] + ([] if tf.__version__.startswith('1.') else ['NCHW'])  # TensorFlow 1: NCHW on a GPU only


def create_generator(**kwargs):
    func = networks_stylegan2.G_main if 'synthesis_func' in kwargs else networks_stylegan.G_style
    return fill(tflib.Network('G', func, **dict(G_ARGS, **kwargs)), 10)


def create_discriminator(func, **kwargs):
    return fill(tflib.Network('D', func, **dict(D_ARGS, **kwargs)), 20)


@pytest.mark.parametrize('data_format', BOTH_LAYOUTS)
@pytest.mark.parametrize('structure', ['recursive', 'linear'])
def test_generators_have_the_published_values(session, data_format, structure):
    layout.set_data_format(data_format)
    networks = {}
    for net_args, lod, run_args, expected in G_GOLDENS:
        if str(net_args) not in networks:
            networks[str(net_args)] = create_generator(**net_args)
        net = networks[str(net_args)]
        net.set_var('lod', lod)
        images = net.run(LATENTS, None, structure=structure, **run_args)
        assert images.shape == (4, 3, 16, 16) and images.dtype == np.float32
        np.testing.assert_allclose(statistics(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('data_format', BOTH_LAYOUTS)
@pytest.mark.parametrize('structure', ['recursive', 'linear'])
def test_discriminators_have_the_published_values(session, data_format, structure):
    layout.set_data_format(data_format)
    networks = {}
    for func, lod, expected in D_GOLDENS:
        if func not in networks:
            networks[func] = create_discriminator(func)
        networks[func].set_var('lod', lod)
        scores = networks[func].run(IMAGES, None, structure=structure)
        assert scores.shape == (8, 1)
        np.testing.assert_allclose(scores[:4, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('net_args, row', [(REVISED, 0), ({}, 5)])
def test_fixed_structure_is_full_resolution(session, net_args, row):
    net = create_generator(**net_args)
    net.set_var('lod', 1.3)
    images = net.run(LATENTS, None, structure='fixed', **NO_TRUNCATION)
    np.testing.assert_allclose(statistics(images), G_GOLDENS[row][3], rtol=1e-4, atol=1e-5)
    synthesis = tflib.Network('G', networks_stylegan2.G_main, structure='fixed', resolution=16, fmap_max=4,
                              **REVISED).components.synthesis
    assert [name for name in synthesis.own_vars if 'RGB' in name and 'weight' in name] == [
        'ToRGB_lod0/weight', 'ToRGB_lod0/mod_weight']


@pytest.mark.parametrize('func, row', [(networks_stylegan2.D_stylegan, 0), (networks_stylegan.D_basic, 4)])
def test_fixed_structure_of_discriminators_is_full_resolution(session, func, row):
    net = create_discriminator(func)
    net.set_var('lod', 2)
    np.testing.assert_allclose(net.run(IMAGES, None, structure='fixed')[:4, 0], D_GOLDENS[row][2], rtol=1e-4)
    fixed = tflib.Network('D', func, structure='fixed', **D_ARGS)
    assert sum('FromRGB' in name for name in fixed.own_vars) == 2 and 'lod' in fixed.own_vars


def test_truncation_needs_a_cutoff(session):
    net = create_generator()
    untruncated = net.run(LATENTS, None, **NO_TRUNCATION)
    for options in (dict(truncation_cutoff=None), dict(truncation_cutoff=0), dict(truncation_psi=None),
                    dict(is_validation=True), dict(is_validation=True, truncation_psi_val=0.5)):
        np.testing.assert_array_equal(net.run(LATENTS, None, randomize_noise=False, **options), untruncated)
    first_layers = net.run(LATENTS, None, randomize_noise=False, truncation_psi=0.6, truncation_cutoff=3)
    validation = net.run(LATENTS, None, randomize_noise=False, is_validation=True, truncation_psi_val=0.6,
                         truncation_cutoff_val=3)
    np.testing.assert_array_equal(first_layers, validation)
    assert np.abs(first_layers - untruncated).max() > 0.1


@pytest.mark.parametrize('options', [
    dict(use_styles=False, const_input_layer=False), dict(use_noise=False), dict(use_pixel_norm=True),
    dict(use_instance_norm=False), dict(use_wscale=False), dict(blur_filter=None), dict(blur_filter=[1, 3, 3, 1]),
    dict(nonlinearity='relu'), dict(mapping_nonlinearity='relu'), dict(normalize_latents=False),
    dict(label_size=3), dict(const_input_layer=False)])
def test_options_of_the_generator_matter(session, options):
    net = create_generator(**options)
    labels = LABELS[:4] if 'label_size' in options else None
    images = net.run(LATENTS, labels, **NO_TRUNCATION)
    assert images.shape == (4, 3, 16, 16) and np.isfinite(images).all()
    assert np.abs(np.array(statistics(images)) - G_GOLDENS[5][3]).max() > 1e-3
    names = list(net.components.synthesis.own_vars)
    assert ('noise0' in names) == ('4x4/Conv/Noise/weight' in names) == (options.get('use_noise') is not False)
    assert ('4x4/Conv/StyleMod/weight' in names) == ('use_styles' not in options)
    first = '4x4/Dense/weight' if 'const_input_layer' in options else '4x4/Const/const'
    assert first in names and net.components.synthesis.input_shape[1] == (1 if 'use_styles' in options else 6)


@pytest.mark.parametrize('options', [
    dict(use_wscale=False), dict(blur_filter=None), dict(nonlinearity='relu'), dict(mbstd_group_size=2),
    dict(mbstd_num_features=2), dict(label_size=3)])
def test_options_of_the_discriminator_matter(session, options):
    net = create_discriminator(networks_stylegan.D_basic, **options)
    scores = net.run(IMAGES, LABELS if 'label_size' in options else None)
    assert scores.shape == (8, 1) and np.abs(scores[:4, 0] - D_GOLDENS[4][2]).max() > 1e-3


def test_fused_scale_of_the_discriminator_changes_nothing(session):
    scores = create_discriminator(networks_stylegan.D_basic, fused_scale=True).run(IMAGES, None)
    np.testing.assert_allclose(scores[:4, 0], D_GOLDENS[4][2], rtol=1e-4)


def test_fused_scale_auto_changes_the_kernel_from_128_pixels_on(session):
    def upscale(size, fused_scale):
        with tf.variable_scope('up', reuse=tf.AUTO_REUSE):
            x = tf.constant(np.random.RandomState(0).randn(1, size, size, 2), tf.float32)
            return layers_stylegan.upscale_conv2d_layer(x, 1, fused_scale=fused_scale)

    pairs = [(upscale(size, 'auto'), upscale(size, False), upscale(size, True)) for size in (63, 64)]
    session.run(tf.global_variables_initializer())
    (auto63, plain63, fused63), (auto64, plain64, fused64) = session.run(pairs)
    np.testing.assert_array_equal(auto63, plain63)
    np.testing.assert_array_equal(auto64, fused64)
    assert np.abs(fused63 - plain63).max() > 0.1 and np.abs(fused64 - plain64).max() > 0.1


def correlate(x, w):
    """SAME cross-correlation of x [H, W, I] with w [3, 3, I, O] in NumPy."""
    x = np.pad(x, [(1, 1), (1, 1), (0, 0)], 'constant')
    height, width = x.shape[0] - 2, x.shape[1] - 2
    return sum(np.tensordot(x[a:a + height, b:b + width], w[a, b], 1) for a in range(3) for b in range(3))


def test_scaling_convolutions_are_resampling_and_convolution(session):
    x = np.random.RandomState(0).randn(4, 6, 2)
    y = [layers_stylegan.upscale_conv2d_layer(tf.constant(x[np.newaxis], tf.float32), 3, fused_scale=False)]
    with tf.variable_scope('down'):
        y.append(layers_stylegan.conv2d_downscale_layer(tf.constant(x[np.newaxis], tf.float32), 3))
    session.run(tf.global_variables_initializer())
    (up, down), (w, w_down) = session.run([y, tf.trainable_variables()])
    gain = np.sqrt(2) / np.sqrt(18)
    np.testing.assert_allclose(up[0], correlate(x.repeat(2, 0).repeat(2, 1), w * gain), rtol=1e-4, atol=1e-5)
    full = correlate(x, w_down * gain)
    np.testing.assert_allclose(down[0], full.reshape(2, 2, 3, 2, 3).mean(axis=(1, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('taps', [[1, 2, 1], [1, 2, 4], [1, 2, 3, 5], [3]])
def test_blur_is_a_correlation_with_same_padding(session, taps):
    x = np.random.RandomState(0).randn(2, 5, 7, 3).astype(np.float32)
    kernel = np.outer(taps, taps)[:, :, np.newaxis, np.newaxis] * np.ones([1, 1, 3, 1]) / np.sum(taps) ** 2
    expected = tf.nn.depthwise_conv2d(x, tf.constant(kernel, tf.float32), [1, 1, 1, 1], 'SAME')
    actual, expected = session.run([layers_stylegan.blur(tf.constant(x), taps), expected])
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_normalisations(session):
    x = np.random.RandomState(0).randn(2, 4, 4, 3).astype(np.float32) * 3 + 1
    pixel, instance = session.run([f(tf.constant(x)) for f in (
        layers_stylegan.pixel_norm, layers_stylegan.instance_norm)])
    np.testing.assert_allclose(np.square(pixel).mean(axis=3), 1, rtol=1e-5)
    np.testing.assert_allclose(pixel[..., 0] / pixel[..., 1], x[..., 0] / x[..., 1], rtol=1e-4)
    np.testing.assert_allclose(instance.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(instance.std(axis=(1, 2)), 1, rtol=1e-5)


def test_variables_of_stylegan_1_are_the_published_ones(session):
    net = tflib.Network('G', networks_stylegan.G_style, resolution=8, fmap_max=4, label_size=2, mapping_layers=2)
    assert listing(net) == [('lod', [], False), ('dlatent_avg', [512], False)]
    assert listing(net.components.mapping) == [
        ('LabelConcat/weight', [2, 512], True), ('Dense0/weight', [1024, 512], True), ('Dense0/bias', [512], True),
        ('Dense1/weight', [512, 512], True), ('Dense1/bias', [512], True)]

    def layer(scope, kernel=3):
        return [(scope + '/weight', [kernel, kernel, 4, 4], True)] * (kernel > 0) + [
            (scope + '/Noise/weight', [4], True), (scope + '/bias', [4], True),
            (scope + '/StyleMod/weight', [512, 8], True), (scope + '/StyleMod/bias', [8], True)]

    def to_rgb(lod):
        return [('ToRGB_lod%d/weight' % lod, [1, 1, 4, 3], True), ('ToRGB_lod%d/bias' % lod, [3], True)]

    expected = [('lod', [], False)]
    expected += [('noise%d' % index, [1, 1, size, size], False) for index, size in enumerate([4, 4, 8, 8])]
    expected += [('4x4/Const/const', [1, 4, 4, 4], True)] + layer('4x4/Const', 0) + layer('4x4/Conv') + to_rgb(1)
    expected += layer('8x8/Conv0_up') + layer('8x8/Conv1') + to_rgb(0)
    assert listing(net.components.synthesis) == expected

    net = tflib.Network('D', networks_stylegan.D_basic, resolution=8, fmap_max=4, label_size=2)
    assert listing(net) == [
        ('lod', [], False), ('FromRGB_lod0/weight', [1, 1, 1, 4], True), ('FromRGB_lod0/bias', [4], True),
        ('8x8/Conv0/weight', [3, 3, 4, 4], True), ('8x8/Conv0/bias', [4], True),
        ('8x8/Conv1_down/weight', [3, 3, 4, 4], True), ('8x8/Conv1_down/bias', [4], True),
        ('FromRGB_lod1/weight', [1, 1, 1, 4], True), ('FromRGB_lod1/bias', [4], True),
        ('4x4/Conv/weight', [3, 3, 5, 4], True), ('4x4/Conv/bias', [4], True),
        ('4x4/Dense0/weight', [64, 4], True), ('4x4/Dense0/bias', [4], True),
        ('4x4/Dense1/weight', [4, 2], True), ('4x4/Dense1/bias', [2], True)]


def test_variables_of_configs_b_to_d_are_the_published_ones(session):
    net = tflib.Network('G', networks_stylegan2.G_main, resolution=8, fmap_max=4, mapping_layers=1, **REVISED)

    def conv(scope, kernel=3, fmaps=4):
        weights = [(scope + '/weight', [kernel, kernel, 4, fmaps], True), (scope + '/mod_weight', [512, 4], True),
                   (scope + '/mod_bias', [4], True)]
        return weights + [(scope + '/noise_strength', [], True)] * (kernel == 3) + [(scope + '/bias', [fmaps], True)]

    expected = [('lod', [], False)]
    expected += [('noise%d' % index, [1, 1, size, size], False) for index, size in enumerate([4, 8, 8])]
    expected += [('4x4/Const/const', [1, 4, 4, 4], True)] + conv('4x4/Conv') + conv('ToRGB_lod1', 1, 3)
    expected += conv('8x8/Conv0_up') + conv('8x8/Conv1') + conv('ToRGB_lod0', 1, 3)
    assert listing(net.components.synthesis) == expected
    net = tflib.Network('D', networks_stylegan2.D_stylegan, resolution=32, fmap_max=4)
    assert list(net.own_vars) == ['lod'] + [scope + part for scope in [
        'FromRGB_lod0', '32x32/Conv0', '32x32/Conv1_down', 'FromRGB_lod1', '16x16/Conv0', '16x16/Conv1_down',
        'FromRGB_lod2', '8x8/Conv0', '8x8/Conv1_down', 'FromRGB_lod3', '4x4/Conv', '4x4/Dense0', 'Output',
    ] for part in ('/weight', '/bias')]


@pytest.mark.parametrize('resolution, fmap_base, revised, original', TRAINABLE_PARAMETERS)
def test_numbers_of_parameters_are_the_published_ones(resolution, fmap_base, revised, original):
    def count(funcs):
        total = []
        shapes = [[2 * int(np.log2(resolution)) - 2, 512], [3, resolution, resolution]]
        for shape, build_functions in zip(shapes, funcs):
            with tf.Graph().as_default():  # the build functions alone: no values, so no memory
                for index, func in enumerate(build_functions):
                    inputs = [tf.placeholder(tf.float32, [None] + (shape if index == 0 else [512]))]
                    inputs += [tf.placeholder(tf.float32, [None, 0])] * (func.__name__[:11] != 'G_synthesis')
                    func(*inputs, resolution=resolution, fmap_base=fmap_base, **(
                        dict(num_channels=3, is_template_graph=True) if index == 0 else {}))
                total.append(sum(int(np.prod(var.shape.as_list())) for var in tf.trainable_variables()))
        return tuple(total)

    new, old = networks_stylegan2, networks_stylegan
    assert count([[new.G_synthesis_stylegan_revised, new.G_mapping], [new.D_stylegan]]) == revised
    if original:
        assert count([[old.G_synthesis, old.G_mapping], [old.D_basic]]) == original


def test_initial_values(session):
    for net in (tflib.Network('G', networks_stylegan.G_style, resolution=8, fmap_max=64, mapping_layers=2),
                tflib.Network('D', networks_stylegan.D_basic, resolution=8, fmap_max=64)):
        for name, value in session.run(net.vars).items():
            if name.split('/')[-1] in ('bias', 'lod', 'dlatent_avg') or name.endswith('Noise/weight'):
                assert not np.any(value), name
            elif name.endswith('const'):
                assert np.all(value == 1)
            else:
                expected = 100 if 'G_mapping' in name else 1  # 1 / lrmul
                assert value.std() == pytest.approx(expected, rel=0.4 if value.size < 500 else 0.1), name


@pytest.mark.parametrize('num_channels', [1, 4])
@pytest.mark.parametrize('generator, discriminator', [
    (dict(func_name=networks_stylegan.G_style), networks_stylegan.D_basic),
    (dict(func_name=networks_stylegan2.G_main, **REVISED), networks_stylegan2.D_stylegan)])
def test_grey_and_rgba(session, num_channels, generator, discriminator):
    options = dict(num_channels=num_channels, resolution=8, fmap_max=8)
    net = tflib.Network('G', **dict(options, **generator))
    net.set_var('lod', 0.5)
    images = net.run(np.zeros([2, 512]), None)
    assert images.shape == (2, num_channels, 8, 8)
    assert tflib.Network('D', discriminator, **options).run(images, None).shape == (2, 1)


@pytest.mark.parametrize('func, options', [(networks_stylegan.G_style, {}), (networks_stylegan2.G_main, REVISED)])
def test_half_precision_follows_single_precision(session, func, options):
    net = tflib.Network('G', func, resolution=8, fmap_max=8, mapping_layers=2, **options)
    net.set_var('lod', 0.5)
    exact, half = [net.run(np.ones([1, 512]), None, dtype=dtype, randomize_noise=False)
                   for dtype in ('float32', 'float16')]
    assert half.dtype == np.float16 and exact.std() > 0.1
    np.testing.assert_allclose(half, exact, atol=0.02 * exact.std())


def test_smallest_resolution(session):
    options = dict(num_channels=3, resolution=4, fmap_max=8)
    images = tflib.Network('G', networks_stylegan.G_style, **options).run(np.ones([1, 512]), None)
    other = tflib.Network('G', networks_stylegan2.G_main, **dict(options, **REVISED)).run(np.ones([1, 512]), None)
    assert images.shape == other.shape == (1, 3, 4, 4)
    for func in (networks_stylegan.D_basic, networks_stylegan2.D_stylegan):
        assert tflib.Network('D', func, **options).run(images, None).shape == (1, 1)


@pytest.mark.parametrize('func, kwargs, match', [
    (networks_stylegan.G_style, dict(nonlinearity='tanh'), 'tanh'),
    (networks_stylegan.G_style, dict(mapping_nonlinearity='elu'), 'elu'),
    (networks_stylegan.G_style, dict(fused_scale='always'), 'always'),
    (networks_stylegan.G_style, dict(synthesis_func='G_synthesis'), 'synthesis_func'),
    (networks_stylegan.G_style, dict(resample_kernel=[1]), 'resample_kernel'),
    (networks_stylegan.D_basic, dict(structure='sideways'), 'sideways'),
    (networks_stylegan.D_basic, dict(architecture='skip'), 'architecture'),
    (networks_stylegan2.D_stylegan, dict(resolution=22), '20x20'),
    (networks_stylegan2.G_main, dict(architecture='skip', **REVISED), 'architecture'),
    (networks_stylegan2.G_main, dict(force_clean_graph=True, **REVISED), 'force_clean_graph'),
])
def test_bad_options_are_refused(session, func, kwargs, match):
    with pytest.raises(dnnlib.UserError, match=match):
        tflib.Network('N', func, **dict(dict(resolution=8, fmap_max=4), **kwargs))


def test_pickles_of_both_generations_are_told_apart(session, tmp_path):
    options = dict(latent_size=4, dlatent_size=4, mapping_fmaps=4, mapping_layers=2, resolution=8, fmap_max=4)
    old = tflib.Network('G', networks_stylegan.G_style, **options)
    saved = [old, tflib.Network('G', networks_stylegan2.G_main, **dict(options, **REVISED)), old.components.mapping,
             tflib.Network('M', networks_stylegan2.G_mapping, latent_size=4),
             tflib.Network('D', networks_stylegan.D_basic, fmap_max=4)]
    for net in saved:
        tfutil.set_vars({var: np.random.RandomState(3).randn(*var.shape.as_list()) for var in net.vars.values()})
    network_pickle.save(saved, str(tmp_path / 'nets.pkl'))
    loaded = network_pickle.load(str(tmp_path / 'nets.pkl'), pretrained.BUILD_MODULES)
    for before, after in zip(saved, loaded):
        inputs = [np.random.RandomState(1).randn(4, *before.input_shape[1:])] + [None] * (before.num_inputs - 1)
        options = dict(randomize_noise=False) if before.components else {}
        np.testing.assert_array_equal(before.run(*inputs, **options), after.run(*inputs, **options))
        assert before.static_kwargs == after.static_kwargs and listing(before) == listing(after)


def test_tables_of_layers(session, capsys):
    tflib.Network('G', networks_stylegan.G_style, resolution=8, fmap_max=4).print_layers()
    tflib.Network('D', networks_stylegan2.D_stylegan, resolution=8, fmap_max=4).print_layers()
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    for name in ('4x4/Const', '4x4/Conv', 'ToRGB_lod1', '8x8/Conv0_up', '8x8/Conv1', 'ToRGB_lod0', 'Grow_lod0'):
        assert rows.count('G_synthesis/' + name) == 1
    assert rows[rows.index('D'):] == [
        'D', '---', 'images_in', 'labels_in', 'lod', 'FromRGB_lod0', '8x8/Conv0', '8x8/Conv1_down', 'Downsample_lod0',
        'FromRGB_lod1', 'Grow_lod0', '4x4/MinibatchStddev', '4x4/Conv', '4x4/Dense0', 'Output', 'scores_out', '---',
        'Total']
