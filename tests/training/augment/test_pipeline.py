"""The whole pipeline: where nothing happens, where something is refused, and that it can be differentiated twice."""

import inspect

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import random
from dnnlib.tflib.ops import native
from training.augment import augment_pipeline, pipeline
from training.augment.parameters import Options, draw
from training.options import augmentation

BGC = dict.fromkeys(augmentation.PRESETS['bgc'], 1)
EVERYTHING = dict.fromkeys(augmentation.MULTIPLIERS, 1)


def images(*shape):
    """Random images in [-1, 1]."""
    return np.float32(np.random.RandomState(0).uniform(-1, 1, shape))


def seeded(x, strength, **options):
    """The pipeline with the same random numbers in every call."""
    with random.seeded(tf.constant([5, 6])):
        return augment_pipeline(x, None, strength, **options)[0]


def test_strength_as_tensor_and_as_number(session):
    """One graph decides when it runs, the other when it is built: same values, gradients and second derivatives."""
    x, strength = tf.placeholder(tf.float32, [None, 3, 24, 26]), tf.placeholder(tf.float32, [])
    weights = tf.constant(images(3, 24, 26))

    def derivatives(y):  # as R1 has them, of a score that is no linear function
        gradient, = tf.gradients(tf.reduce_sum(tf.tanh(y * weights)), x)
        return [y, gradient, tf.gradients(tf.reduce_sum(tf.square(gradient)), weights)[0]]
    feed = {x: images(4, 3, 24, 26)}
    of_tensor = derivatives(seeded(x, strength, **EVERYTHING))
    for number in (0, 0.5, 1):
        expected = session.run(derivatives(seeded(x, number, **EVERYTHING)), feed)
        for value, same in zip(session.run(of_tensor, {**feed, strength: number}), expected):
            np.testing.assert_allclose(value, same, rtol=0, atol=1e-6 * np.abs(same).max())
    np.testing.assert_array_equal(session.run(of_tensor[0], {**feed, strength: 0}), feed[x])


def test_nothing_is_drawn_at_strength_0(session):
    strength = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.print('unused')]):
        x = tf.constant(images(2, 3, 16, 16))
    y = augment_pipeline(x, None, strength, **BGC)[0]
    for value, works in ((0, False), (1, True)):
        metadata = tf.RunMetadata()
        session.run(y, {strength: value}, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE),
                    run_metadata=metadata)
        names = [node.node_name for device in metadata.step_stats.dev_stats for node in device.node_stats]
        assert any('random' in name for name in names) == works


@pytest.mark.parametrize('ops', ['ref', 'native'])
def test_closed_gates_change_nothing(session, ops):
    if ops == 'native' and native.missing():
        pytest.skip(native.missing())
    native.set_mode(ops)
    x = tf.constant(images(2, 3, 22, 24))
    parameters = draw(Options(**EVERYTHING), 2, strength=0)._replace(noise_map=random.normal([2, 3, 22, 24]))
    y = pipeline.apply(x, parameters)
    gradient, = tf.gradients(tf.reduce_sum(tf.square(y)), x)
    values = session.run([x, y, gradient])
    np.testing.assert_allclose(values[1], values[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(values[2], 2 * values[0], rtol=0, atol=1e-5)


def test_colors_leave_alpha_alone_and_geometry_does_not(session):
    options = dict.fromkeys(augmentation.COLOR, 1)
    rgba = images(2, 4, 8, 8)
    with_alpha, without, moved = session.run([
        seeded(tf.constant(rgba), 1, **options), seeded(tf.constant(rgba[:, :3]), 1, **options),
        seeded(tf.constant(rgba), 1, xint=1, xint_max=0.5)])
    np.testing.assert_array_equal(with_alpha[:, 3], rgba[:, 3])
    np.testing.assert_array_equal(with_alpha[:, :3], without)
    assert np.abs(moved[:, 3] - rgba[:, 3]).max() > 0.1


@pytest.mark.parametrize('shape, options, message', [
    ((1, 2, 32, 32), BGC, 'augmentation needs images of 1, 3 or 4 channels, not 2'),
    ((1, 3, 32, 20), dict(imgfilter=1), 'imgfilter needs images of at least 22x22 pixels, not 20x32; switch it off'),
    ((1, 3, 32, 32), dict(warp_gradient='tf'), "warp_gradient='tf': expected 'exact' or 'published'"),
])
def test_what_is_refused(session, shape, options, message):
    with pytest.raises(UserError, match=message):
        augment_pipeline(tf.zeros(shape), None, **options)


@pytest.mark.parametrize('shape', [(2, 1, 4, 4), (3, 3, 1, 5), (1, 3, 6, 40)])
def test_small_and_narrow_images(session, shape):
    x = images(*shape)
    y = session.run(seeded(tf.constant(x), 1, **BGC))
    assert y.shape == shape and np.isfinite(y).all() and np.abs(y - x).max() > 0.1


def test_options_are_shown_and_unknown_ones_refused(session):
    shown = inspect.signature(augment_pipeline).parameters
    assert set(augmentation.MULTIPLIERS) < set(shown) and shown['xint_max'].default == 0.125
    with pytest.raises(TypeError):
        augment_pipeline(tf.zeros([1, 3, 8, 8]), None, rotation=1)
