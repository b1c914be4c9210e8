"""Tests of progressive growing: the conditional form has the values and gradients of the static one, and less work."""

import contextlib
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from training import networks_stylegan, networks_stylegan2

DISCRIMINATORS = [networks_stylegan2.D_stylegan, networks_stylegan.D_basic]
GENERATORS = [(networks_stylegan2.G_main, dict(synthesis_func='G_synthesis_stylegan_revised')),
              (networks_stylegan.G_style, {})]
TINY_G = dict(resolution=16, fmap_base=64, fmap_max=8, latent_size=8, dlatent_size=8, mapping_fmaps=8, mapping_layers=1)
TINY_D = dict(num_channels=3, resolution=16, fmap_base=64, fmap_max=8)
LODS = [0, 0.4, 1, 1.7, 2]


def images(num=4):
    return tf.constant(np.random.RandomState(0).randn(num, 3, 16, 16), tf.float32)


def latents(num=4):
    return tf.constant(np.random.RandomState(1).randn(num, 8), tf.float32)


def assert_equal_by_lod(session, net, results):
    """Compares lists of arrays, one per structure, at all kinds of lod."""
    for lod in LODS:
        net.set_var('lod', lod)
        for conditional, static in zip(*session.run(results)):
            np.testing.assert_allclose(conditional, static, rtol=1e-3, atol=1e-4 * np.abs(static).max() + 1e-9)


@pytest.mark.parametrize('func', DISCRIMINATORS)
def test_gradients_of_the_discriminator_to_second_order(session, func):
    net = tflib.Network('D', func, **TINY_D)
    results = []
    for structure in ('recursive', 'linear'):
        x = images()
        scores = net.get_output_for(x, None, structure=structure)
        gradients, = tf.gradients(tf.reduce_sum(scores), [x])
        penalty = tf.reduce_sum(tf.square(gradients))  # R1
        weights = [var for name, var in net.trainables.items() if name.endswith('weight')]
        results.append([scores, gradients] + tf.gradients(penalty, weights) + tf.gradients(scores, weights))
    assert_equal_by_lod(session, net, results)


@pytest.mark.parametrize('func, options', GENERATORS)
def test_gradients_of_the_generator_to_second_order(session, func, options):
    net = tflib.Network('G', func, **dict(TINY_G, **options)).components.synthesis
    dlatents = tf.constant(np.random.RandomState(2).randn(2, *net.input_shape[1:]), tf.float32)
    direction = np.random.RandomState(3).randn(2, 3, 16, 16)
    results = []
    for structure in ('recursive', 'linear'):
        y = net.get_output_for(dlatents, randomize_noise=False, structure=structure)
        gradients, = tf.gradients(tf.reduce_sum(y * direction), [dlatents])
        weights = [var for name, var in net.trainables.items() if name.endswith('Conv1/weight')]
        results.append([y, gradients] + tf.gradients(tf.reduce_sum(tf.square(gradients)), weights))  # path lengths
    assert_equal_by_lod(session, net, results)


UNUSED = [(0, ['lod1', 'lod2']), (0.5, ['lod2']), (1, ['16x16', 'lod0', 'lod2']), (1.5, ['16x16', 'lod0']),
          (2, ['16x16', '8x8', 'lod0', 'lod1'])]


@contextlib.contextmanager
def spoilt(net, parts):
    """Variables whose names have one of those parts are NaN; yields their names."""
    names = [name for name in net.trainables if any(part in name for part in parts)]
    before = {name: net.get_var(name) for name in names}
    for name in names:
        net.set_var(name, np.full(before[name].shape, np.nan))
    yield names
    for name in names:
        net.set_var(name, before[name])


@pytest.mark.parametrize('func', DISCRIMINATORS)
def test_unused_levels_of_the_discriminator_take_no_part(session, func):
    net = tflib.Network('D', func, **TINY_D)
    x = images()
    scores = net.get_output_for(x, None)
    gradients, = tf.gradients(tf.reduce_sum(scores), [x])
    weights = list(net.trainables.values())
    results = [scores] + tf.gradients(tf.reduce_sum(tf.square(gradients)) + tf.reduce_sum(scores), weights)
    for lod, unused in UNUSED:
        net.set_var('lod', lod)
        before = session.run(results)
        with spoilt(net, unused) as names:
            assert len(names) >= 2
            for a, b in zip(before, session.run(results)):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize('func, options', GENERATORS)
def test_unused_levels_of_the_generator_take_no_part(session, func, options):
    net = tflib.Network('G', func, **dict(TINY_G, **options))
    y = net.get_output_for(latents(), None, is_training=True)
    weights = list(net.trainables.values())
    gradients = dict(zip(net.trainables, tf.gradients(tf.reduce_sum(tf.square(y)), weights)))
    for lod, unused in UNUSED:
        net.set_var('lod', lod)
        with spoilt(net, unused) as names:
            values, slopes = session.run([y, gradients])
        assert np.isfinite(values).all() and len(names) >= 2
        assert all(name in slopes and not np.any(slopes[name]) for name in names)
        assert all(np.isfinite(value).all() for value in slopes.values())


def count_layers(session, tensor):
    """Convolutional layers that an evaluation carries out, told by the scaling of their weights."""
    metadata = tf.RunMetadata()
    session.run(tensor, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    names = {node.node_name for device in metadata.step_stats.dev_stats for node in device.node_stats}
    return sum(re.search(r'(Conv\w*|RGB_lod\w+)/mul$', name) is not None for name in names)


def test_branches_that_are_not_taken_are_not_computed(session):
    D = tflib.Network('D', networks_stylegan2.D_stylegan, **TINY_D)
    G = tflib.Network('G', networks_stylegan.G_style, **TINY_G)
    outputs = [(D, D.get_output_for(images(), None)), (G, G.get_output_for(latents(), None))]
    # An optimised graph has other operations.
    with tflib.create_session({'device': 'cpu', 'graph_options.rewrite_options.disable_meta_optimizer': True}) as plain:
        plain.run(tf.global_variables_initializer())
        for net, output in outputs:
            counts = []
            for lod in LODS:
                plain.run(tf.assign(net.vars['lod'], lod))
                counts.append(count_layers(plain, output))
            # At 4x4 two layers; each level adds two, a fade one to or from RGB.
            assert counts == [2 + extra for extra in (4, 5, 2, 3, 0)]


@pytest.mark.parametrize('func, options', GENERATORS)
def test_lod_is_read_after_it_is_assigned(session, func, options):
    net = tflib.Network('G', func, **dict(TINY_G, **options))
    new_lod = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.assign(net.vars['lod'], new_lod)]):
        y = net.get_output_for(latents(), None, randomize_noise=False)
    for lod in (2, 0, 1, 0, 2, 1.5, 0):
        value = session.run(y, {new_lod: lod})
        blocks = value.reshape(4, 3, 4, 4, 4, 4)
        is_coarse = np.ptp(blocks, axis=(3, 5)).max() < 1e-6
        assert is_coarse == (lod == 2)
        assert (np.ptp(value.reshape(4, 3, 8, 2, 8, 2), axis=(3, 5)).max() < 1e-6) == (lod >= 1)
        assert session.run(net.components.synthesis.vars['lod']) == np.float32(lod)


def test_styles_are_mixed_among_the_layers_in_use(session):
    func, options = GENERATORS[0]
    net = tflib.Network('G', func, **dict(TINY_G, **options))
    _y, dlatents = net.get_output_for(latents(), None, is_training=True, style_mixing_prob=1, return_dlatents=True)
    for lod, in_use in [(0, 6), (0.9, 6), (1, 4), (2, 2)]:
        net.set_var('lod', lod)
        seen = set()
        for _ in range(30):
            w = session.run(dlatents)
            seen.add(int(np.argmax(np.abs(w - w[:, :1]).max(axis=(0, 2)) > 0)))
        assert min(seen) >= 1 and max(seen) <= in_use - 1 and len(seen) >= min(in_use - 1, 3)


def test_recursive_structure_can_be_a_networks_own(session):
    for func, options in GENERATORS:
        net = tflib.Network('G', func, structure='recursive', **dict(TINY_G, resolution=8, **options))
        same = tflib.Network('G', func, **dict(TINY_G, resolution=8, **options))
        assert list(net.vars) == list(same.vars)
        assert net.run(np.zeros([1, 8]), None).shape == (1, 3, 8, 8)
    for func in DISCRIMINATORS:
        options = dict(TINY_D, resolution=8)
        net = tflib.Network('D', func, structure='recursive', **options)
        assert list(net.vars) == list(tflib.Network('D', func, **options).vars)
        assert net.run(np.zeros([1, 3, 8, 8]), None).shape == (1, 1)
