"""Tests of dnnlib.tflib.ops.upfirdn_2d against published values and a NumPy reference written from the definition.

Tests that use `session` run for the reference and for the native operation.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import native
from dnnlib.tflib.ops.upfirdn_2d import (
    conv_downsample_2d, downsample_2d, filter_2d, upfirdn_2d, upsample_2d, upsample_conv_2d)
from tests.dnnlib.tflib.ops.agreement import DTYPES, Batch, assert_close, random_cases, require_native

X4 = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
X2 = X4[:, :, :2, :2]
W = (np.arange(1, 10, dtype=np.float32) / 10).reshape(3, 3, 1, 1)
ONE = np.ones([1, 1, 1, 1], np.float32)
K = [1, 3, 3, 1]
ASYMMETRIC = [1, 2, 3, 5]

UPSAMPLED = [[0.5625, 0.9375, 1.3125, 1.125], [1.5, 2.25, 2.75, 2.25], [3, 4.25, 4.75, 3.75],
             [2.8125, 3.9375, 4.3125, 3.375]]
DOWNSAMPLED = [[3.5, 4.703125], [8.3125, 9.515625]]
RESAMPLING_GOLDENS = [
    (upsample_2d, X2, K, UPSAMPLED),
    (upsample_2d, X2, None, np.kron(X2[0, 0], np.ones([2, 2]))),
    (upsample_2d, X2, ASYMMETRIC, [
        [0.132231, 0.330579, 0.595041, 0.396694], [0.528926, 1.190083, 2.115702, 1.190083],
        [0.991736, 2.214876, 3.933884, 2.181818], [0.991736, 2.082645, 3.669421, 1.785124]]),
    (downsample_2d, X4, K, DOWNSAMPLED),
    (downsample_2d, X4, None, [[3.5, 5.5], [11.5, 13.5]]),
    (filter_2d, X4, K, [
        [0.5625, 1.1875, 1.75, 1.875], [1.796875, 3.5, 4.6875, 4.703125], [3.625, 6.75, 8.5, 8.125],
        [4.546875, 8.3125, 10.1875, 9.515625]]),
]
CONVOLUTION_GOLDENS = [
    (upsample_conv_2d, X2, W, K, [
        [4.63125, 7.01875, 7.7375, 5.86875], [9.6375, 13.7875, 14.46875, 10.59375],
        [11.925, 16.6, 17.01875, 12.20625], [8.26875, 11.25625, 11.3375, 7.93125]]),
    (upsample_conv_2d, X2, W, ASYMMETRIC, [
        [2.036364, 3.930578, 4.4, 5.219835], [4.350413, 8.340496, 9.180165, 10.740497],
        [5.527273, 10.452892, 11.061156, 12.565289], [7.880991, 14.8, 15.401653, 17.19008]]),
    (conv_downsample_2d, X4, W, K, [[21.6875, 23.704689], [29.01875, 29.198439]]),
    (upsample_conv_2d, X2, ONE, K, UPSAMPLED),
    (conv_downsample_2d, X4, ONE, K, DOWNSAMPLED),
]

SETTINGS = [  # (kernel shape, upx, upy, downx, downy, padx0, padx1, pady0, pady1)
    ((1, 1), 1, 1, 1, 1, 0, 0, 0, 0),
    ((1, 1), 1, 1, 2, 2, 0, 0, 0, 0),
    ((4, 4), 2, 2, 1, 1, 2, 1, 2, 1),
    ((4, 4), 1, 1, 2, 2, 1, 1, 1, 1),
    ((3, 4), 2, 1, 1, 2, 1, 0, 3, -1),
    ((2, 3), 3, 2, 2, 3, -1, 4, 0, -2),
    ((3, 2), 1, 3, 2, 2, -2, -1, 5, 2),
]


@pytest.fixture(params=['ref', 'native'])
def session(request, session):
    """A session whose graph uses one form of the operation."""
    if request.param == 'native':
        require_native()
    native.set_mode(request.param)
    yield session
    used = [op for op in session.graph.get_operations() if op.type == 'UpFirDn2D']
    assert bool(used) == (request.param == 'native')


def upfirdn_numpy(x, k, upx, upy, downx, downy, padx0, padx1, pady0, pady1):
    """The definition, pixel by pixel: x [major, H, W, minor], k [kh, kw]."""
    major, height, width, minor = x.shape
    kh, kw = k.shape
    out_h = (height * upy + pady0 + pady1 - kh) // downy + 1
    out_w = (width * upx + padx0 + padx1 - kw) // downx + 1
    y = np.zeros([major, out_h, out_w, minor])
    for i in range(out_h):
        for j in range(out_w):
            for a in range(kh):
                for b in range(kw):
                    row, col = i * downy - pady0 + a, j * downx - padx0 + b
                    if row % upy == 0 and col % upx == 0 and 0 <= row < height * upy and 0 <= col < width * upx:
                        y[:, i, j] += k[kh - 1 - a, kw - 1 - b] * x[:, row // upy, col // upx]
    return y


def random_array(*shape):
    return np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32)


@pytest.mark.parametrize('func, x, k, expected', RESAMPLING_GOLDENS)
def test_resampling_has_the_published_values(session, func, x, k, expected):
    np.testing.assert_allclose(session.run(func(x, k))[0, 0], expected, rtol=2e-6, atol=1e-6)
    nhwc = session.run(func(tf.constant(x.transpose(0, 2, 3, 1)), k, data_format='NHWC'))
    np.testing.assert_allclose(nhwc[0, :, :, 0], expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize('func, x, w, k, expected', CONVOLUTION_GOLDENS)
def test_resampling_convolutions_have_the_published_values(session, func, x, w, k, expected):
    y = func(tf.constant(x.transpose(0, 2, 3, 1)), tf.constant(w), k, data_format='NHWC')
    np.testing.assert_allclose(session.run(y)[0, :, :, 0], expected, rtol=2e-6, atol=1e-6)


def test_upfirdn_has_the_published_value(session):
    k = np.float32([[1, 2], [3, 4]])
    y = session.run(upfirdn_2d(tf.constant(X4.reshape(1, 4, 4, 1)), k, upx=2, downy=2, padx0=1, pady1=-1))
    np.testing.assert_allclose(y[0, :, :, 0], [[8, 14, 12, 20, 16, 26, 20, 32]])


@pytest.mark.parametrize('settings', SETTINGS)
def test_upfirdn_is_its_definition(session, settings):
    x, k = random_array(2, 5, 6, 3), random_array(*settings[0])
    y = upfirdn_2d(tf.constant(x), k, *settings[1:])
    expected = upfirdn_numpy(x, k, *settings[1:])
    assert y.shape.as_list()[1:] == list(expected.shape[1:])
    np.testing.assert_allclose(session.run(y), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('settings', SETTINGS)
def test_gradient_is_the_adjoint_and_the_second_gradient_the_operation(session, settings):
    k = random_array(*settings[0])
    x = tf.constant(random_array(2, 5, 6, 3))
    y = upfirdn_2d(x, k, *settings[1:])
    dy = tf.constant(random_array(*session.run(tf.shape(y))))
    dx, = tf.gradients(y, [x], [dy])
    values = session.run(dict(x=x, y=y, dx=dx, dy=dy))
    np.testing.assert_allclose(np.vdot(values['dx'], values['x']), np.vdot(values['dy'], values['y']), rtol=1e-4)
    ddx = tf.constant(random_array(2, 5, 6, 3) + 1)
    ddy, = tf.gradients(dx, [dy], [ddx])
    np.testing.assert_allclose(*session.run([ddy, upfirdn_2d(ddx, k, *settings[1:])]), rtol=1e-4, atol=1e-5)


def test_batch_size_may_be_unknown(session):
    x = tf.placeholder(tf.float32, [None, 1, 4, 4])
    y = downsample_2d(x, K)
    assert y.shape.as_list() == [None, 1, 2, 2]
    np.testing.assert_allclose(session.run(y, {x: np.tile(X4, [3, 1, 1, 1])})[2, 0], DOWNSAMPLED, rtol=1e-6)


@pytest.mark.parametrize('factor, k', [(1, K), (2, None), (2, K), (2, [1, 2, 1]), (3, None), (3, [1, 2, 3, 2, 1])])
def test_sizes_and_brightness_are_kept(session, factor, k):
    x = np.ones([1, 2, 12, 12], np.float32)
    up, down = session.run([upsample_2d(x, k, factor=factor), downsample_2d(x, k, factor=factor)])
    assert up.shape == (1, 2, 12 * factor, 12 * factor) and down.shape == (1, 2, 12 // factor, 12 // factor)
    np.testing.assert_allclose(down[:, :, 2:-2, 2:-2], 1, rtol=1e-6)
    np.testing.assert_allclose(up[:, :, 4:-4, 4:-4].mean(), 1, rtol=1e-6)


@pytest.mark.parametrize('func', [filter_2d, upsample_2d, downsample_2d])
def test_gain_scales(session, func):
    np.testing.assert_allclose(*session.run([func(X4, K, gain=3.0), 3 * func(X4, K)]), rtol=1e-6)


@pytest.mark.parametrize('func', [upsample_conv_2d, conv_downsample_2d])
@pytest.mark.parametrize('size', [1, 3])
def test_box_filter_commutes_with_the_convolution(session, func, size):
    x, w = tf.constant(random_array(2, 8, 8, 3)), tf.constant(random_array(size, size, 3, 5))
    y = session.run(func(x, w, data_format='NHWC'))
    if func is upsample_conv_2d:  # nearest neighbor, then an ordinary convolution
        steps = tf.nn.conv2d(upsample_2d(x, data_format='NHWC'), w, strides=1, padding='SAME')
        np.testing.assert_allclose(y, session.run(steps), rtol=1e-4, atol=1e-5)
    else:  # an ordinary convolution, then the box filter
        steps = downsample_2d(tf.nn.conv2d(x, w, strides=1, padding='SAME'), data_format='NHWC')
        inner = np.s_[:, 1:-1, 1:-1]
        np.testing.assert_allclose(y[inner], session.run(steps)[inner], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('func, out', [(upsample_conv_2d, 8), (conv_downsample_2d, 2)])
@pytest.mark.parametrize('size', [1, 3])
def test_gradients_of_resampling_convolutions_are_adjoints(session, func, out, size):
    x, w = tf.constant(random_array(2, 4, 4, 3)), tf.constant(random_array(size, size, 3, 5))
    dy = tf.constant(random_array(2, out, out, 5))
    y = func(x, w, K, data_format='NHWC')
    dx, dw = tf.gradients(y, [x, w], [dy])
    values = session.run(dict(x=x, w=w, y=y, dx=dx, dw=dw, dy=dy))
    product = np.vdot(values['dy'], values['y'])  # linear in x and in w
    np.testing.assert_allclose(np.vdot(values['dx'], values['x']), product, rtol=1e-4)
    np.testing.assert_allclose(np.vdot(values['dw'], values['w']), product, rtol=1e-4)
    # Second order: d<dx, v>/dw is the gradient of <func(v, w), dy>, and so on around the bilinear form.
    v, u = tf.constant(random_array(2, 4, 4, 3) + 1), tf.constant(random_array(size, size, 3, 5) - 1)
    mixed, = tf.gradients(tf.reduce_sum(dx * v), [w])
    expected, = tf.gradients(tf.reduce_sum(func(v, w, K, data_format='NHWC') * dy), [w])
    np.testing.assert_allclose(*session.run([mixed, expected]), rtol=1e-3, atol=1e-4)
    mixed, = tf.gradients(tf.reduce_sum(dw * u), [x])
    expected, = tf.gradients(tf.reduce_sum(func(x, u, K, data_format='NHWC') * dy), [x])
    np.testing.assert_allclose(*session.run([mixed, expected]), rtol=1e-3, atol=1e-4)
    outer, = tf.gradients(tf.reduce_sum(dx * v), [dy])
    np.testing.assert_allclose(*session.run([outer, func(v, w, K, data_format='NHWC')]), rtol=1e-3, atol=1e-4)


def test_wrong_arguments_are_refused():
    x = tf.zeros([1, 4, 4, 1])
    k = np.ones([2, 2])
    for kwargs, match in [(dict(k=k, impl='magic'), 'impl'), (dict(k=[1, 2]), 'matrix'), (dict(k=k, upx=0), 'factors'),
                          (dict(k=np.ones([9, 9])), 'fit')]:
        with pytest.raises(ValueError, match=match):
            upfirdn_2d(x, **kwargs)
    with pytest.raises(ValueError, match='square'):
        filter_2d(x, np.ones([2, 3]))


def random_settings(rng, height, width):
    """Filter's shape, factors and paddings that leave a result; cropping leaves some of the image."""
    while True:
        taps, factors = (rng.randint(1, 6), rng.randint(1, 6)), [rng.choice([1, 1, 2, 2, 3, 4]) for _ in range(4)]
        pads = [rng.randint(-2, 4) for _ in range(4)]
        rooms = [size * up + pad0 + pad1 - n for size, up, pad0, pad1, n in zip(
            (width, height), factors[:2], pads[::2], pads[1::2], taps[::-1])]
        kept = [size * up + min(pad0, 0) + min(pad1, 0) for size, up, pad0, pad1 in zip(
            (width, height), factors[:2], pads[::2], pads[1::2])]
        if min(rooms) >= 0 and min(kept) >= 1:
            return taps, tuple(factors + pads)


@random_cases(6)
def test_native_is_the_reference(rng):
    require_native()
    batch = Batch()
    for _ in range(8):
        height, width, minor = rng.randint(1, 9), rng.randint(1, 9), rng.choice([1, 1, 2, 3, 7, 8, 16, 33])
        taps, settings = random_settings(rng, height, width)
        values, dtype = np.random.RandomState(rng.randint(0, 9999)), rng.choice(DTYPES)
        k, x = np.float32(values.rand(*taps) + 0.1), values.rand(rng.randint(0, 3), height, width, minor)
        batch.add('%s %s %r %s' % (x.shape, taps, settings, dtype), [(x, dtype)],
                  lambda tensors, impl, k=k, settings=settings: upfirdn_2d(tensors[0], k, *settings, impl=impl),
                  known_batch=rng.randint(0, 1) == 0)
    batch.check()


@random_cases(3)
def test_native_resampling_is_the_reference_in_both_layouts(rng):
    require_native()
    batch = Batch()
    for _ in range(8):
        func = rng.choice([filter_2d, upsample_2d, downsample_2d])
        values, dtype = np.random.RandomState(rng.randint(0, 9999)), rng.choice(DTYPES)
        k = rng.choice([[1, 3, 3, 1], [1, 2, 1], [1, 2, 3, 5], values.rand(rng.randint(2, 6)) + 0.1])
        factor = {} if func is filter_2d else dict(factor=rng.randint(1, 4))
        kwargs = dict(factor, k=k, gain=rng.choice([1, 4]), data_format=rng.choice(['NHWC', 'NCHW']))
        size = [rng.randint(0, 3), rng.randint(8, 12), rng.randint(8, 12), rng.choice([1, 3, 5, 16])]
        x = values.rand(*(size if kwargs['data_format'] == 'NHWC' else [size[i] for i in (0, 3, 1, 2)]))
        batch.add('%s %s %r %s' % (func.__name__, x.shape, kwargs, dtype), [(x, dtype)],
                  lambda tensors, impl, func=func, kwargs=kwargs: func(tensors[0], impl=impl, **kwargs),
                  known_batch=rng.randint(0, 1) == 0)
    batch.check()


@pytest.mark.parametrize('settings', [
    (1, 1, 1, 1, -5, 9, 0, 0), (1, 1, 1, 1, 3, -5, 7, -7), (2, 3, 1, 2, -12, 20, 5, 5)])
def test_native_may_crop_more_than_the_image(settings):
    require_native()
    x, k = random_array(2, 4, 5, 3), random_array(2, 3)
    with tf.Graph().as_default(), tf.Session() as session:
        y = session.run(upfirdn_2d(tf.constant(x), k, *settings, impl='native'))
    assert_close(y, upfirdn_numpy(x, k, *settings), 'float32', str(settings))


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('func, size', [(filter_2d, 131), (upsample_2d, 66), (downsample_2d, 262)])
def test_large_images_are_cut_into_pieces(func, size, dtype):
    require_native()
    values = np.random.RandomState(0).rand(2, size, size, 19)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(dtype, values.shape)
        feed = {x: values.astype(x.dtype.as_numpy_dtype)}
        y = func(x, K, data_format='NHWC', impl='native')
        expected = func(tf.cast(x, tf.float64), K, data_format='NHWC', impl='ref')
        first, expected = session.run([y, expected], feed)
        np.testing.assert_array_equal(first, session.run(y, feed))
    assert_close(first, expected, dtype, 'value')


def test_float64_is_left_to_the_reference():
    require_native()
    with tf.Graph().as_default() as graph:
        assert filter_2d(tf.zeros([1, 1, 4, 4], tf.float64), K, impl='native').dtype == tf.float64
        assert 'UpFirDn2D' not in [op.type for op in graph.get_operations()]


@pytest.mark.parametrize('shape, taps, attrs, message', [
    ([4, 4], [2, 2], {}, 'x must be'),
    ([1, 4, 4, 1], [4], {}, 'k must be a matrix'),
    ([1, 4, 4, 1], [0, 2], {}, 'k must be a matrix'),
    ([1, 4, 4, 1], [5, 2], {}, 'does not fit'),
    ([1, 4, 4, 1], [2, 2], dict(padx0=-4), 'does not fit'),
    ([1, 0, 4, 1], [2, 2], dict(pady0=4), 'x must have pixels'),
    ([1, 4, 4, 1], [2, 2], dict(upx=0), 'factors must be at least 1'),
    ([1, 4, 4, 1], [2, 2], dict(downy=-1), 'factors must be at least 1')])
def test_operation_refuses_what_does_not_fit(shape, taps, attrs, message):
    lib = require_native()
    with tf.Graph().as_default(), tf.Session() as session:
        for known in (True, False):  # by the shape function, and when it runs
            x, k = [tf.placeholder_with_default(np.zeros(sizes, np.float32), sizes if known else None)
                    for sizes in (shape, taps)]
            with pytest.raises((ValueError, tf.errors.InvalidArgumentError),
                               match='|'.join([message, 'rank'] if known else [message])):
                session.run(lib.up_fir_dn2d(x=x, k=k, **attrs))
