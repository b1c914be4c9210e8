"""Resampling: insert zeros, filter, decimate; and the convolutions that change resolution (StyleGAN2, appendix B).

`upfirdn_2d` is the primitive; the other functions choose its factors and paddings. Filters are given as one row [n]
(used in both directions) or as a square [n, n] and are scaled to unit sum.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import bias_act_native, native
from dnnlib.tflib.ops.conv_2d import (
    conv2d, conv2d_transpose, double_by_phases, doubles_by_phases, static_or_dynamic)
from dnnlib.util import UserError

_MAX_TAPS = 4096  # of a native filter in each direction; the reference takes more
_PADS_INSIDE = not tf.__version__.startswith('1.')  # depthwise convolutions there take any padding without a copy


def upfirdn_2d(x, k, upx=1, upy=1, downx=1, downy=1, padx0=0, padx1=0, pady0=0, pady1=0, impl=None):
    """Upsamples, filters and downsamples images, each channel separately.

    Along each axis: `up - 1` zeros after every sample, `pad0` and `pad1` zeros at the ends (negative: crop),
    convolution with `k` where it fits, every `down`-th sample kept. Gradients of every order are defined.

    Args:
        x: [major, H, W, minor], H and W static.
        k: Filter [kh, kw], NumPy float32, applied as a convolution (flipped).
        upx, upy, downx, downy: Factors, >= 1.
        padx0, padx1, pady0, pady1: Padding in samples after zero insertion.
        impl: 'ref' (plain TensorFlow, which defines the meaning), 'native' (or its published name 'cuda'), None = as
            `dnnlib.tflib.ops.native` chooses. float64 is left to the reference.
    Returns: [major, (H * upy + pady0 + pady1 - kh) // downy + 1, (W * upx + padx0 + padx1 - kw) // downx + 1, minor].
    Raises:
        ValueError: `impl` is unknown, a factor is below 1, or the result would be empty.
        UserError: native operations were requested but are unavailable.
    """
    impl = native.choose(impl)
    x = tf.convert_to_tensor(x)
    k = np.asarray(k, dtype=np.float32)
    if k.ndim != 2:
        raise ValueError('the filter must be a matrix, but its shape is %r' % (k.shape,))
    if min(upx, upy, downx, downy) < 1:
        raise ValueError('factors must be at least 1, got up %d, %d, down %d, %d' % (upx, upy, downx, downy))
    sizes = x.shape.as_list()[1:3]
    axes = list(zip(sizes, (upy, upx), (downy, downx), ((pady0, pady1), (padx0, padx1)), k.shape))
    outs = [(size * up + sum(pad) - taps) // down + 1 for size, up, down, pad, taps in axes]
    if min(outs) < 1:
        raise ValueError('the filter %r does not fit the padded image: result %r' % (k.shape, outs))

    @tf.custom_gradient
    def resample(x):
        def gradient(dy):
            # The adjoint is the operation itself with a flipped filter, up and down exchanged.
            (gy0, gy1), (gx0, gx1) = [
                (taps - pad[0] - 1, size * up - out * down + pad[0] - up + 1)
                for (size, up, down, pad, taps), out in zip(axes, outs)]
            return upfirdn_2d(dy, k[::-1, ::-1], downx, downy, upx, upy, gx0, gx1, gy0, gy1, impl)
        fits = x.dtype.base_dtype in bias_act_native.TYPES and max(k.shape) <= _MAX_TAPS and min(sizes) > 0
        use_native = impl == 'native' and fits
        return (_upfirdn_2d_native if use_native else _upfirdn_2d_ref)(x, k, axes, outs), gradient
    return resample(x)


def _upfirdn_2d_native(x, k, axes, outs):
    (_, upy, downy, pady, _), (_, upx, downx, padx, _) = axes
    y = native.load().up_fir_dn2d(x=x, k=k, upx=upx, upy=upy, downx=downx, downy=downy, padx0=padx[0], padx1=padx[1],
                                  pady0=pady[0], pady1=pady[1])
    y.set_shape([None] + outs + [None])
    return y


def _upfirdn_2d_ref(x, k, axes, outs):
    (in_h, upy, downy, pady, _), (in_w, upx, downx, padx, _) = axes
    minor = x.shape.as_list()[3]
    if upy > 1 or upx > 1:
        x = tf.reshape(x, [-1, 1, in_w, 1, minor])  # five axes are all that TensorFlow Lite can pad
        x = tf.pad(x, [[0, 0], [0, upy - 1], [0, 0], [0, upx - 1], [0, 0]])
        x = tf.reshape(x, [-1, in_h * upy, in_w * upx, minor])
    down = downy if downy == downx else 1  # depthwise convolutions know equal strides only
    if min(pady + padx) < 0:
        height, width = x.shape.as_list()[1:3]
        x = x[:, max(-pady[0], 0):height - max(-pady[1], 0), max(-padx[0], 0):width - max(-padx[1], 0), :]
    padding = [[0, 0]] + [[max(p, 0) for p in pad] for pad in (pady, padx)] + [[0, 0]]
    if k.shape == (1, 1) and k[0, 0] == 1:
        y = tf.pad(x, padding)[:, ::down, ::down, :]
    else:
        if not _PADS_INSIDE:
            x, padding = tf.pad(x, padding), 'VALID'
        taps = np.tile(k[::-1, ::-1, np.newaxis, np.newaxis], [1, 1, minor, 1])
        taps = tf.constant(taps, dtype=x.dtype.base_dtype)
        y = tf.nn.depthwise_conv2d(x, taps, strides=[1, down, down, 1], padding=padding)
    if downy != downx:
        y = y[:, ::downy, ::downx, :]
    return tf.reshape(y, [-1] + outs + [minor])


def filter_2d(x, k, gain=1, data_format='NCHW', impl=None):
    """Filters images [N, C, H, W] (or NHWC) without changing their size; `gain` scales the unit-sum filter."""
    k = _setup_kernel(k) * gain
    p = k.shape[0] - 1
    return _simple_upfirdn_2d(x, k, pad=((p + 1) // 2, p // 2), data_format=data_format, impl=impl)


def upsample_2d(x, k=None, factor=2, gain=1, data_format='NCHW', impl=None):
    """Enlarges images by `factor`; `k=None` repeats pixels (nearest neighbor). Brightness is kept when `gain` is 1."""
    k = _setup_kernel([1] * factor if k is None else k) * (gain * factor ** 2)
    p = k.shape[0] - factor
    pad = ((p + 1) // 2 + factor - 1, p // 2)
    return _simple_upfirdn_2d(x, k, up=factor, pad=pad, data_format=data_format, impl=impl)


def downsample_2d(x, k=None, factor=2, gain=1, data_format='NCHW', impl=None):
    """Shrinks images by `factor`; `k=None` averages blocks."""
    k = _setup_kernel([1] * factor if k is None else k) * gain
    p = k.shape[0] - factor
    return _simple_upfirdn_2d(x, k, down=factor, pad=((p + 1) // 2, p // 2), data_format=data_format, impl=impl)


def upsample_conv_2d(x, w, k=None, factor=2, gain=1, data_format='NCHW', impl=None):
    """Enlarges by `factor` and convolves with `w`: a transposed convolution followed by the filter.

    Args:
        x: Feature maps [N, C, H, W] or [N, H, W, C]; with C = G * I the convolution has G groups (NCHW only).
        w: Kernel [K, K, I, O] with K odd, oriented as for an ordinary convolution layer; for G groups O counts all of
            them.
        k: Filter, None = nearest neighbor.
        factor: Integer enlargement.
        gain: Scales the result.
        data_format: 'NCHW' or 'NHWC'.
        impl: See `upfirdn_2d`.
    Returns: Feature maps of size `factor` times that of x, in the same layout.
    """
    x, w = tf.convert_to_tensor(x), tf.convert_to_tensor(w)
    size, _, num_in, _ = w.shape.as_list()
    if doubles_by_phases(w, factor, data_format):
        k = _setup_kernel([1] * factor if k is None else k) * (gain * factor ** 2)
        p = (k.shape[0] - factor) - (size - 1)
        pad = ((p + 1) // 2 + factor - 1, p // 2)  # one less at the end: the last row and column are there, and 0
        return _simple_upfirdn_2d(double_by_phases(x, w), k, pad=pad, data_format=data_format, impl=impl)
    groups = static_or_dynamic(x, 1 if data_format == 'NCHW' else 3) // num_in
    group_outs = static_or_dynamic(w, 3) // groups
    w = tf.reshape(tf.reverse(w, [0, 1]), [size, size, num_in, groups, group_outs])
    w = tf.reshape(tf.transpose(w, [0, 1, 4, 3, 2]), [size, size, group_outs, groups * num_in])
    k = _setup_kernel([1] * factor if k is None else k) * (gain * factor ** 2)
    p = (k.shape[0] - factor) - (size - 1)
    x = conv2d_transpose(x, w, stride=factor, data_format=data_format, groups=groups)
    return _simple_upfirdn_2d(x, k, pad=((p + 1) // 2 + factor - 1, p // 2 + 1), data_format=data_format, impl=impl)


def conv_downsample_2d(x, w, k=None, factor=2, gain=1, data_format='NCHW', impl=None):
    """Filters, then convolves with `w` [K, K, I, O] at stride `factor`; see `upsample_conv_2d` for the arguments."""
    size = tf.convert_to_tensor(w).shape.as_list()[0]
    k = _setup_kernel([1] * factor if k is None else k) * gain
    p = (k.shape[0] - factor) + (size - 1)
    x = _simple_upfirdn_2d(x, k, pad=((p + 1) // 2, p // 2), data_format=data_format, impl=impl)
    return conv2d(x, w, stride=factor, padding='VALID', data_format=data_format)


def _setup_kernel(k):
    k = np.asarray(k, dtype=np.float32)
    if k.ndim == 1:
        k = np.outer(k, k)
    if k.ndim != 2 or k.shape[0] != k.shape[1]:
        raise UserError('a filter must be a row or a square, its shape is %r' % (k.shape,))
    return k / np.sum(k)


def _simple_upfirdn_2d(x, k, up=1, down=1, pad=(0, 0), data_format='NCHW', impl=None):
    factors = dict(upx=up, upy=up, downx=down, downy=down, impl=impl)
    factors.update(padx0=pad[0], padx1=pad[1], pady0=pad[0], pady1=pad[1])
    if data_format == 'NHWC':
        return upfirdn_2d(x, k, **factors)
    x = tf.convert_to_tensor(x)
    height, width = x.shape.as_list()[2:]
    y = upfirdn_2d(tf.reshape(x, [-1, height, width, 1]), k, **factors)
    return tf.reshape(y, [-1, static_or_dynamic(x, 1)] + y.shape.as_list()[1:3])
