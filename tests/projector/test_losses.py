"""The noise regularizer against the golden values and in NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from projector import losses

GOLDEN = {4: 0.0805574, 8: 0.0153620, 16: 0.00406683, 32: 0.000799929}


@pytest.mark.parametrize('size', sorted(GOLDEN))
def test_noise_autocorrelation_has_the_golden_values(session, size):
    noise = tf.constant(np.random.RandomState(5).randn(1, 1, size, size), tf.float32)
    np.testing.assert_allclose(session.run(losses.noise_autocorrelation(noise)), GOLDEN[size], rtol=1e-5)


def test_a_picture_in_the_noise_costs_more_than_noise(session):
    ramp = np.tile(np.linspace(-1, 1, 16), [1, 1, 16, 1])
    values = session.run([losses.noise_autocorrelation(tf.constant(noise, tf.float32))
                          for noise in (ramp, np.random.RandomState(0).randn(1, 1, 16, 16))])
    assert values[0] > 10 * values[1]


def test_normalized_noise_has_mean_0_and_variance_1(session):
    noise = session.run(losses.normalized_noise(tf.constant(np.random.RandomState(1).rand(1, 1, 8, 8), tf.float32)))
    np.testing.assert_allclose([noise.mean(), noise.var()], [0, 1], atol=1e-6)
