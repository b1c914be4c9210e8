"""Penalties on functions whose gradients are known, and their own gradients by finite differences."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from training.terms import penalties

RNG = np.random.RandomState(0)
IMAGES = RNG.randn(4, 2, 3, 5)
WEIGHTS = RNG.randn(2, 3, 5)


def linear_images(dlatents, matrices):
    """Sum over layers of (w_l A_l), A [3, 6, 30]."""
    return tf.reshape(tf.matmul(tf.reshape(dlatents, [4, 18]), matrices.reshape(18, 30)), IMAGES.shape)


def cubic_scores(images):
    """Sum of w x^3 / 3, whose gradient is w x^2."""
    return tf.reduce_sum(WEIGHTS * images ** 3, axis=[1, 2, 3])[:, np.newaxis] / 3


def test_gradient_penalty(session):
    images = tf.constant(IMAGES)
    values = session.run(penalties.gradient_penalty(cubic_scores(images), images))
    np.testing.assert_allclose(values, np.square(WEIGHTS * IMAGES ** 2).sum(axis=(1, 2, 3)))


def test_mixtures_lie_between_reals_and_fakes(session):
    reals, shares = np.float32(RNG.randn(*IMAGES.shape)), np.array([0, 0.25, 0.5, 1]).reshape(4, 1, 1, 1)
    mixed = session.run(penalties.mixtures(tf.constant(reals), tf.constant(IMAGES), shares))
    assert mixed.dtype == IMAGES.dtype
    np.testing.assert_allclose(mixed, (1 - shares) * reals + shares * IMAGES)


@pytest.mark.parametrize('target, weight', [(1.0, 1.0), (1.0, 10.0), (4.0, 10.0)])
def test_norm_penalty(session, target, weight):
    norms = np.array([0, target, 2 * target])
    values = session.run(penalties.norm_penalty(tf.constant(norms), target, weight))
    np.testing.assert_allclose(values, [weight, 0, weight])  # in units of the target


def test_path_lengths_of_a_linear_generator(session):
    """J^T y has the rows A_l y."""
    matrices, noise = RNG.randn(3, 6, 30), RNG.randn(*IMAGES.shape)
    dlatents = tf.constant(RNG.randn(4, 3, 6))
    values = session.run(penalties.path_lengths(linear_images(dlatents, matrices), dlatents, noise))
    rows = np.einsum('lwx,nx->nlw', matrices, noise.reshape(4, 30))
    np.testing.assert_allclose(values, np.sqrt(np.square(rows).sum(axis=2).mean(axis=1)))


def test_path_length_penalty(session):
    np.testing.assert_allclose(session.run(penalties.path_length_penalty(tf.constant([1.0, 3.0]), 2.5)), [2.25, 0.25])


@pytest.mark.parametrize('name', ['gradient_penalty', 'path_length_penalty'])
def test_second_derivatives_are_those_of_differences(session, name):
    start, direction = RNG.randn(4, 3, 6), RNG.randn(4, 3, 6)

    def value_at(dlatents):
        images = linear_images(dlatents, np.linspace(-1, 1, 540))
        images = images + images ** 2 / 4  # a linear one has the same path lengths everywhere
        if name == 'gradient_penalty':
            return tf.reduce_sum(penalties.gradient_penalty(cubic_scores(images), images))
        return tf.reduce_sum(penalties.path_length_penalty(penalties.path_lengths(images, dlatents, IMAGES), 2.0))

    dlatents = tf.constant(start)
    gradient, = session.run(tf.gradients(value_at(dlatents), [dlatents]))
    up, down = [session.run(value_at(tf.constant(start + step * direction))) for step in (1e-5, -1e-5)]
    assert np.vdot(gradient, direction) == pytest.approx((up - down) / 2e-5, rel=1e-6)
