"""DiffAugment: what each operation may and may not do (Zhao et al. 2020, section 4.1)."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from training.augment import diffaugment

OFF = dict(color=0, translation=0, cutout=0)
COUNT = 400


def run(session, x, strength=1, **options):
    """Augmented images, always with the same random numbers."""
    with random.seeded(tf.constant([7, 8])):
        return session.run(diffaugment(tf.constant(np.float32(x)), None, strength, **dict(OFF, **options))[0])


def test_color(session):
    colors = np.float32([0.4, 0.2, -0.3])
    y = run(session, np.tile(colors.reshape(1, 3, 1, 1), [COUNT, 1, 2, 2]), color=1)[:, :, 0, 0]
    gray = y.mean(axis=1, keepdims=True)  # contrast does not move the mean of an image of one color
    assert np.abs(gray - 0.1 - 0).max() <= 0.5 and gray.std() == pytest.approx(1 / np.sqrt(12), rel=0.1)
    factors = (y - gray) / (colors - 0.1)  # saturation times contrast
    np.testing.assert_allclose(factors, np.tile(factors[:, :1], [1, 3]), atol=1e-4)
    assert 0 <= factors.min() < 0.1 and 2 < factors.max() <= 3 and factors.mean() == pytest.approx(1, abs=0.15)


def test_contrast_is_around_the_mean_of_the_image_and_alpha_stays(session):
    x = np.random.RandomState(0).uniform(-1, 1, [COUNT, 4, 4, 4])
    y = run(session, x, color=1, brightness_max=0, saturation_max=0)
    assert np.array_equal(y[:, 3], np.float32(x[:, 3]))
    np.testing.assert_allclose(y[:, :3].mean(axis=(1, 2, 3)), x[:, :3].mean(axis=(1, 2, 3)), atol=1e-6)
    factors = y[:, :3].std(axis=(1, 2, 3)) / x[:, :3].std(axis=(1, 2, 3))
    assert 0.5 <= factors.min() < 0.52 and 1.48 < factors.max() <= 1.5


def test_translation_is_by_up_to_an_eighth_and_moves_zeros_in(session):
    x = np.random.RandomState(0).uniform(1, 2, [1, 2, 8, 16])
    padded, found = np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)], mode='constant'), set()
    for y in run(session, np.tile(x, [COUNT, 1, 1, 1]), translation=1):
        shifts = [(i, j) for i in range(3) for j in range(5) if np.array_equal(
            y, np.float32(padded[0, :, i:i + 8, j:j + 16]))]
        assert len(shifts) == 1
        found.update(shifts)
    assert len(found) == 15


def test_cutout_is_half_as_wide_and_high(session):
    y = run(session, np.ones([COUNT, 1, 8, 12]), cutout=1)[:, 0]
    assert set(np.unique(y)) == {0, 1}
    for axis, side, size in ((1, 4, 8), (2, 6, 12)):
        widths = (y.min(axis=3 - axis) == 0).sum(axis=1)
        assert set(widths) == set(range(side // 2, side + 1))  # cut off at the border
    assert 0.05 < np.mean(y == 0) < 0.25


def test_strength_is_a_probability(session):
    x = np.ones([COUNT, 1, 8, 8])
    share = np.mean(np.any(run(session, x, tf.constant(0.3), color=1) != x, axis=(1, 2, 3)))
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / COUNT)
    assert np.array_equal(run(session, x, tf.constant(0.0), color=1, cutout=1), x)
    half = np.mean(np.any(run(session, x, 1, cutout=0.5) != x, axis=(1, 2, 3)))
    assert abs(half - 0.5) < 4 * 0.5 / np.sqrt(COUNT)


def test_gradients_of_both_orders(session):
    x = tf.constant(np.float32(np.random.RandomState(0).randn(3, 3, 8, 8)))
    y, _ = diffaugment(x, None, tf.constant(1.0), debug_percentile=0.7)
    weights = tf.constant(np.float32(np.random.RandomState(1).randn(3, 8, 8)))
    gradient, = tf.gradients(tf.reduce_sum(y * weights), x)
    second, = tf.gradients(tf.reduce_sum(tf.square(gradient)), weights)
    values = session.run([x, y, weights, gradient, second, y - diffaugment(x * 0, None, debug_percentile=0.7)[0]])
    # y is affine in x: <w, y - y(0)> = <gradient, x>, and |gradient|^2 is a quadratic form of w
    assert np.sum(values[2] * values[5]) == pytest.approx(np.sum(values[3] * values[0]), rel=1e-4)
    assert np.sum(values[4] * values[2]) == pytest.approx(2 * np.sum(np.square(values[3])), rel=1e-4)
