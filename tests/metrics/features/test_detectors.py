"""LPIPS against its published values and against an independent implementation."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.util import UserError
from metrics import weights
from metrics.features import detectors
from tests.metrics.features import lpips_reference


def _distance(net, shape):
    a, b = (tf.placeholder(tf.float32, shape) for _ in range(2))
    return a, b, net.distance(net.features(a), net.features(b))


def test_lpips_gives_the_published_values(session):
    try:
        arrays = weights.lpips_vgg16()
    except UserError as error:
        if 'could not be fetched' not in str(error):
            raise
        pytest.skip('offline and no LPIPS weights in the cache: {}'.format(error))
    a, b, distance = _distance(detectors.LpipsVgg16(arrays), [None, 3, 100, 100])
    np.random.seed(123)
    images_a, images_b = (np.random.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    values = ' '.join('{:.4f}'.format(value) for value in session.run(distance, {a: images_a, b: images_b}))
    assert values == '0.3497 0.3494 0.3473 0.3558 0.3437 0.3366 0.3716 0.3516 0.3472 0.3413'


@pytest.mark.parametrize('height, width', [(16, 16), (24, 38)])
def test_distance_equals_the_numpy_implementation(session, height, width):
    arrays = lpips_reference.narrow_weights()
    a, b, distance = _distance(detectors.LpipsVgg16(arrays), [None, 3, height, width])
    rnd = np.random.RandomState(1)
    images_a, images_b = (rnd.uniform(-1, 1, [3, 3, height, width]) for _ in range(2))
    expected = lpips_reference.distance(images_a, images_b, arrays)
    np.testing.assert_allclose(session.run(distance, {a: images_a, b: images_b}), expected, rtol=1e-4)
    np.testing.assert_allclose(session.run(distance, {a: images_a, b: images_a}), 0, atol=1e-9)


def test_gradient_equals_finite_differences(session):
    arrays = lpips_reference.narrow_weights()
    a, b, distance = _distance(detectors.LpipsVgg16(arrays), [2, 3, 16, 16])
    rnd = np.random.RandomState(2)
    images_a, images_b, direction = (rnd.uniform(-1, 1, [2, 3, 16, 16]) for _ in range(3))
    gradient, = session.run(tf.gradients(distance, [a]), {a: images_a, b: images_b})
    step = 1e-5
    plus, minus = (lpips_reference.distance(images_a + sign * step * direction, images_b, arrays) for sign in (1, -1))
    slopes = np.sum(gradient * direction, axis=(1, 2, 3))
    np.testing.assert_allclose(slopes, (plus - minus) / (2 * step), rtol=2e-3)


def test_black_features_have_a_finite_gradient(session):
    arrays = {name: np.zeros_like(value) for name, value in lpips_reference.narrow_weights().items()}
    a, b, distance = _distance(detectors.LpipsVgg16(arrays), [1, 3, 16, 16])
    gradient, = session.run(tf.gradients(distance, [a]), {a: np.zeros([1, 3, 16, 16]), b: np.ones([1, 3, 16, 16])})
    assert np.all(gradient == 0)


def test_gray_images_count_as_rgb_with_equal_channels(session):
    arrays = lpips_reference.narrow_weights()
    a, b, distance = _distance(detectors.LpipsVgg16(arrays), [1, 1, 16, 16])
    rnd = np.random.RandomState(3)
    gray_a, gray_b = (rnd.uniform(-1, 1, [1, 1, 16, 16]) for _ in range(2))
    expected = lpips_reference.distance(np.repeat(gray_a, 3, axis=1), np.repeat(gray_b, 3, axis=1), arrays)
    np.testing.assert_allclose(session.run(distance, {a: gray_a, b: gray_b}), expected, rtol=1e-4)


@pytest.mark.parametrize('shape', [[1, 3, 8, 8], [1, 3, 32, 15], [1, 4, 32, 32]])
def test_other_shapes_are_refused(session, shape):
    net = detectors.LpipsVgg16(lpips_reference.narrow_weights())
    with pytest.raises(UserError, match='16x16'):
        net.features(tf.zeros(shape))


def test_weights_are_no_global_variables(session):
    before = tf.global_variables()
    detectors.LpipsVgg16(lpips_reference.narrow_weights())
    assert tf.global_variables() == before


def test_shrink_to_256_averages_boxes_of_large_images(session):
    images = np.random.RandomState(4).randn(1, 2, 512, 512).astype(np.float32)
    small = session.run(detectors.shrink_to_256(tf.constant(images)))
    assert small.shape == (1, 2, 256, 256)
    np.testing.assert_allclose(small[0, 1, 3, 200], images[0, 1, 6:8, 400:402].mean(), rtol=1e-5)
    for size in (32, 256, 511):
        assert tflib.shape_to_list(detectors.shrink_to_256(tf.zeros([1, 3, size, size])).shape)[2] == size
