"""The noise regularizer against the golden values and in NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from projector import losses

GOLDEN = {4: 0.0805574, 8: 0.0153620, 16: 0.00406683, 32: 0.000799929}


@pytest.mark.parametrize('size', sorted(GOLDEN))
def test_noise_autocorrelation_has_the_golden_values(session, size):
    noise = np.random.RandomState(5).randn(1, 1, size, size)
    noise = np.concatenate([noise, noise.transpose(0, 1, 3, 2), 0 * noise])  # each map has a value of its own
    found = session.run(losses.noise_autocorrelation([tf.constant(noise, tf.float32)]))
    np.testing.assert_allclose(found, [GOLDEN[size]] * 2 + [0], rtol=1e-5)


def test_maps_of_several_sizes_are_added_up(session):
    rnd = np.random.RandomState(8)
    noises = [tf.constant(rnd.randn(2, 1, size, size) + [[[[0]]], [[[0.1]]]], tf.float32) for size in (16, 4, 32, 16)]
    together, alone = session.run([losses.noise_autocorrelation(noises),
                                   [losses.noise_autocorrelation([noise]) for noise in noises]])
    np.testing.assert_allclose(together, np.sum(alone, axis=0), rtol=1e-5)
    assert together.shape == (2,)


def test_a_picture_in_the_noise_costs_more_than_noise(session):
    ramp = np.tile(np.linspace(-1, 1, 16), [1, 1, 16, 1])
    noise = np.concatenate([ramp, np.random.RandomState(0).randn(1, 1, 16, 16)])
    ramp_value, noise_value = session.run(losses.noise_autocorrelation([tf.constant(noise, tf.float32)]))
    assert ramp_value > 10 * noise_value


def test_maps_that_are_not_square_end_at_the_shorter_side(session):
    def level(x):
        return sum(np.mean(x * np.roll(x, 1, axis=axis)) ** 2 for axis in (2, 3))

    noise = np.random.RandomState(6).randn(1, 1, 20, 32)
    half = noise.reshape(1, 1, 10, 2, 16, 2).mean(axis=(3, 5))
    quarter = half.reshape(1, 1, 5, 2, 8, 2).mean(axis=(3, 5))
    found = session.run(losses.noise_autocorrelation([tf.constant(noise, tf.float32)]))
    np.testing.assert_allclose(found[0], level(noise) + level(half) + level(quarter), rtol=1e-4)


def test_normalized_noise_has_mean_0_and_variance_1_in_every_map(session):
    values = np.random.RandomState(1).rand(2, 1, 8, 8) * [[[[1]]], [[[50]]]]
    noise = session.run(losses.normalized_noise(tf.constant(values, tf.float32)))
    np.testing.assert_allclose(noise.mean(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(noise.var(axis=(1, 2, 3)), 1, atol=1e-5)
