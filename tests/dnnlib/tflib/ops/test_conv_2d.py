"""Tests of dnnlib.tflib.ops.conv_2d against SciPy, with TensorFlow's gradients and with our own."""

import numpy as np
import pytest
from scipy.signal import correlate2d
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import conv_2d
from dnnlib.tflib.ops.conv_2d import conv2d, conv2d_transpose
from dnnlib.tflib.ops.upfirdn_2d import upsample_conv_2d


@pytest.fixture(params=[False, True], ids=['tensorflow', 'own'])
def own_gradients(request, monkeypatch):
    """Runs a test with TensorFlow's gradients and with our own, whatever the version prefers."""
    monkeypatch.setattr(conv_2d, '_OWN_GRADIENTS', request.param)


def random_array(*shape):
    return np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32)


def correlate(x, w, padding):
    """Cross-correlation of x [N, H, W, I] with w [kh, kw, I, O] by SciPy, float64."""
    mode = {'SAME': 'same', 'VALID': 'valid'}[padding]
    return np.stack([np.stack([
        sum(correlate2d(np.float64(image[:, :, i]), w[:, :, i, o], mode) for i in range(w.shape[2]))
        for o in range(w.shape[3])], axis=-1) for image in x])


def check_bilinear_gradients(session, func, x, w):
    """Gradients of func(x, w), linear in both, to second order, by the identities that define them."""
    x, w = tf.constant(x), tf.constant(w)
    y = func(x, w)
    dy = tf.constant(random_array(*session.run(tf.shape(y))))
    v, u = (tf.constant(random_array(*t.shape.as_list()) + sign) for t, sign in ((x, 1), (w, -1)))
    dx, dw = tf.gradients(y, [x, w], [dy])
    assert dx.shape.as_list() == x.shape.as_list() and dw.shape.as_list() == w.shape.as_list()
    inner = tf.reduce_sum(y * dy)
    dx_dy, dx_w = tf.gradients(dx, [dy, w], [v])
    dw_dy, dw_x = tf.gradients(dw, [dy, x], [u])
    pairs = [
        (tf.reduce_sum(dx * x), inner), (tf.reduce_sum(dw * w), inner),
        (tf.reduce_sum(dx * v), tf.reduce_sum(func(v, w) * dy)),
        (tf.reduce_sum(dw * u), tf.reduce_sum(func(x, u) * dy)),
        (dx_dy, func(v, w)), (dw_dy, func(x, u)),
        (tf.reduce_sum(dx_w * u), tf.reduce_sum(func(v, u) * dy)),
        (tf.reduce_sum(dw_x * v), tf.reduce_sum(func(v, u) * dy)),
    ]
    for ours, expected in session.run(pairs):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('size, padding', [(1, 'SAME'), (3, 'SAME'), (3, 'VALID'), (2, 'VALID')])
def test_convolution_is_scipys_and_its_gradients_are_adjoint(session, own_gradients, size, padding):
    x, w = random_array(2, 6, 5, 3), random_array(size, size, 3, 4)
    y = session.run(conv2d(tf.constant(x), tf.constant(w), padding=padding))
    np.testing.assert_allclose(y, correlate(x, w, padding), rtol=1e-4, atol=1e-4)
    check_bilinear_gradients(session, lambda x, w: conv2d(x, w, padding=padding), x, w)


@pytest.mark.parametrize('size', [1, 3])
def test_strided_convolution_skips_positions(session, own_gradients, size):
    x, w = random_array(2, 7, 7, 3), random_array(size, size, 3, 4)
    y = session.run(conv2d(tf.constant(x), tf.constant(w), stride=2, padding='VALID'))
    np.testing.assert_allclose(y, correlate(x, w, 'VALID')[:, ::2, ::2], rtol=1e-4, atol=1e-4)
    check_bilinear_gradients(session, lambda x, w: conv2d(x, w, stride=2, padding='VALID'), x, w)


@pytest.mark.parametrize('size', [1, 3])
def test_transposed_convolution_is_its_definition(session, own_gradients, size):
    x, w = random_array(2, 4, 3, 3), random_array(size, size, 5, 3)
    y = np.zeros([2, 3 * 2 + size, 2 * 2 + size, 5])
    for i in range(4):
        for j in range(3):
            y[:, 2 * i:2 * i + size, 2 * j:2 * j + size] += np.einsum('ni,aboi->nabo', x[:, i, j], w)
    np.testing.assert_allclose(session.run(conv2d_transpose(tf.constant(x), tf.constant(w))), y, rtol=1e-4, atol=1e-4)
    check_bilinear_gradients(session, conv2d_transpose, x, w)


@pytest.mark.parametrize('k', [None, (1, 3, 3, 1)])
def test_what_is_drawn_is_doubled_by_phases(session, monkeypatch, k):
    monkeypatch.setattr(conv_2d, '_OWN_GRADIENTS', True)
    x, w = random_array(2, 5, 4, 3), random_array(3, 3, 3, 6)
    assert not conv_2d.doubles_by_phases(tf.constant(w), 2, 'NHWC')
    trained = upsample_conv_2d(x, w, k=k, data_format='NHWC', impl='ref')
    with conv_2d.drawing():
        assert conv_2d.doubles_by_phases(tf.constant(w), 2, 'NHWC')
        drawn = upsample_conv_2d(x, w, k=k, data_format='NHWC', impl='ref')
        whole = conv_2d.double_by_phases(tf.constant(x), tf.constant(w))
    assert not conv_2d.doubles_by_phases(tf.constant(w), 2, 'NHWC')
    a, b, whole = session.run([trained, drawn, whole])
    assert a.shape == (2, 10, 8, 6)
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    zeros = np.zeros([2, 13, 11, 3])
    zeros[:, 2:11:2, 2:9:2] = x
    np.testing.assert_allclose(whole[:, :-1, :-1], correlate(zeros, w, 'VALID'), rtol=1e-4, atol=1e-4)
    assert not whole[:, -1].any() and not whole[:, :, -1].any()


def test_large_maps_use_another_filter_gradient(session, own_gradients, monkeypatch):
    monkeypatch.setattr(conv_2d, '_MATMUL_FILTER_GRADIENT_PIXELS', 16)
    check_bilinear_gradients(session, conv2d, random_array(1, 6, 6, 2), random_array(3, 3, 2, 3))


def test_batch_size_may_be_unknown(session, own_gradients):
    x = tf.placeholder(tf.float32, [None, 4, 4, 2])
    up, same = conv2d_transpose(x, tf.ones([3, 3, 1, 2])), conv2d(x, tf.ones([3, 3, 2, 1]))
    dx = tf.gradients([up, same], [x])[0]
    assert up.shape.as_list()[1:] == [9, 9, 1] and same.shape.as_list()[1:] == [4, 4, 1]
    assert [value.shape for value in session.run([up, same, dx], {x: np.ones([3, 4, 4, 2])})] == [
        (3, 9, 9, 1), (3, 4, 4, 1), (3, 4, 4, 2)]


def test_own_gradients_refuse_even_kernels_with_same_padding(monkeypatch):
    monkeypatch.setattr(conv_2d, '_OWN_GRADIENTS', True)
    with tf.Graph().as_default(), pytest.raises(ValueError, match='odd'):
        conv2d(tf.zeros([1, 4, 4, 1]), tf.zeros([2, 2, 1, 1]))
