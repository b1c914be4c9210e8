"""Affine warp of images without aliasing: reflect, upsample, warp, downsample (StyleGAN2-ADA, appendix B.1)."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.tflib.ops import native

MARGIN = 3  # pixels around the result whose samples the downsampling filter of 12 taps meets
TAPS = 12
MOST_AT_ONCE = 512 * 512  # pixels of an image; the reference takes channels of larger ones one by one, to save memory


def warp_2d(x, matrices, margins, fir, gradient='exact', impl=None):
    """Reflects images at their borders, upsamples them by 2, warps with bilinear interpolation, downsamples by 2.

    Linear in x; gradients of every order are defined, in x only.

    Args:
        x: [N, C, H, W] float32; C, H, W static.
        matrices: [N, 2, 3] float32, (x, y) of a sample of the upsampled, reflected image for each sample (x, y, 1) of
            the upsampled result, which has MARGIN pixels around it until it is cropped; both from the top left sample.
        margins: int32 [4], pixels to reflect on the left, top, right and bottom, below W or H. Beyond is zero.
        fir: Filter of 12 taps, NumPy, for both directions, as a correlation when downsampling.
        gradient: What the gradient of the warp is: 'exact' = its adjoint; 'published' = the warp by the inverse matrix,
            as TensorFlow has it: about exact times the local change of area.
        impl: 'ref' (plain TensorFlow, which defines the meaning), None = as `dnnlib.tflib.ops.native` chooses.
    Returns: [N, C, H, W].
    """
    fir = np.float32(fir)
    if layout.data_format() == 'NHWC' and native.choose(impl) == 'native':
        return _warp_native(x, matrices, margins, fir, 'forward', gradient)
    return _warp_ref(x, matrices, margins, fir, gradient)


def _warp_native(x, matrices, margins, fir, rule, gradient):
    @tf.custom_gradient
    def warp(x):
        def backward(dy):
            back = 'forward' if rule != 'forward' else 'adjoint' if gradient == 'exact' else 'inverse'
            return _warp_native(dy, matrices, margins, fir, back, gradient)
        y = native.load().warp2d(x=x, matrices=matrices, margins=margins, fir=fir, rule=rule)
        y.set_shape(x.shape)
        return y, backward
    return warp(x)


def _warp_ref(x, matrices, margins, fir, gradient):
    if np.prod(x.shape.as_list()[2:]) <= MOST_AT_ONCE:
        return _warp_at_once(x, matrices, margins, fir, gradient)
    channels, height, width = x.shape.as_list()[1:]
    shape = [1, 1, height, width]

    def one(pair):
        return _warp_at_once(tf.reshape(pair[0], shape), pair[1][tf.newaxis], margins, fir, gradient)[0, 0]

    def one_back(pair):  # what x is doesn't matter: the warp is linear
        zeros = tf.zeros(shape)
        y = _warp_at_once(zeros, pair[1][tf.newaxis], margins, fir, gradient)
        return tf.gradients(y, zeros, tf.reshape(pair[0], shape))[0][0, 0]
    matrices = tf.reshape(tf.tile(matrices[:, tf.newaxis], [1, channels, 1, 1]), [-1, 2, 3])
    y = _map(one, one_back, tf.reshape(x, [-1, height, width]), matrices)
    return tf.reshape(y, [-1, channels, height, width])


def _map(function, adjoint, x, matrices):
    """Maps a linear function over samples; loops can't be differentiated twice, so their adjoint is given."""
    @tf.custom_gradient
    def mapped(x):
        y = tf.map_fn(function, (x, matrices), dtype=tf.float32, parallel_iterations=1)
        y.set_shape(x.shape)
        return y, lambda dy: _map(adjoint, function, dy, matrices)
    return mapped(x)


def _warp_at_once(x, matrices, margins, fir, gradient):
    channels, height, width = x.shape.as_list()[1:]
    left, top, right, bottom = tf.unstack(margins)
    x = tf.pad(x, [[0, 0], [0, 0], [top, bottom], [left, right]], mode='REFLECT')
    padded_h, padded_w = height + top + bottom, width + left + right
    x = tf.reshape(x, [-1, padded_h, padded_w, 1])  # channels as samples: they share the filter
    count = tf.shape(x)[0]
    rows, columns = fir.reshape([1, TAPS, 1, 1]), fir.reshape([TAPS, 1, 1, 1])
    x = tf.nn.conv2d_transpose(x, rows, [count, padded_h, 2 * padded_w, 1], [1, 1, 2, 1], 'SAME')
    x = tf.nn.conv2d_transpose(x, columns, [count, 2 * padded_h, 2 * padded_w, 1], [1, 2, 1, 1], 'SAME')
    x = tf.transpose(tf.reshape(x, [-1, channels, 2 * padded_h, 2 * padded_w]), [0, 2, 3, 1])
    size = [2 * (height + 2 * MARGIN), 2 * (width + 2 * MARGIN)]
    x = _bilinear(x, matrices, size, gradient)
    x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1] + size + [1])
    x = tf.nn.conv2d(x, rows, [1, 1, 2, 1], 'SAME')
    x = tf.nn.conv2d(x, columns, [1, 2, 1, 1], 'SAME')
    return tf.reshape(x[:, MARGIN:-MARGIN, MARGIN:-MARGIN], [-1, channels, height, width])


def _bilinear(x, matrices, size, gradient):
    """Samples x [N, h, w, C] at the places that the matrices [N, 2, 3] map (x, y, 1) to; [N, size[0], size[1], C]."""
    if gradient == 'exact':
        return _sample(x, matrices, size)

    @tf.custom_gradient
    def sample(x):
        return _sample(x, matrices, size), lambda dy: _bilinear(dy, _inverse(matrices), tf.shape(x)[1:3], gradient)
    return sample(x)


def _sample(x, matrices, size):
    # int64, since GPUs leave the arithmetic of int32 to the host
    count, height, width = [tf.shape(x, out_type=tf.int64)[i] for i in range(3)]
    ys = tf.cast(tf.range(size[0]), tf.float32)[tf.newaxis, :, tf.newaxis]
    xs = tf.cast(tf.range(size[1]), tf.float32)[tf.newaxis, tf.newaxis]
    u, v = [matrices[:, i, 0, tf.newaxis, tf.newaxis] * xs + (matrices[:, i, 1, tf.newaxis, tf.newaxis] * ys
            + matrices[:, i, 2, tf.newaxis, tf.newaxis]) for i in range(2)]
    u0, v0 = tf.floor(u), tf.floor(v)
    pixels = tf.reshape(x, [-1, x.shape.as_list()[3]])
    first = tf.reshape(tf.range(count, dtype=tf.int64) * (height * width), [-1, 1, 1])
    result = 0
    for dv, weight_v in ((0, v0 + 1 - v), (1, v - v0)):
        for du, weight_u in ((0, u0 + 1 - u), (1, u - u0)):
            column, row = tf.cast(u0, tf.int64) + du, tf.cast(v0, tf.int64) + dv
            is_inside = tf.logical_and(tf.logical_and(column >= 0, column < width),
                                       tf.logical_and(row >= 0, row < height))
            weight = weight_v * weight_u * tf.cast(is_inside, tf.float32)
            place = tf.clip_by_value(row, 0, height - 1) * width + tf.clip_by_value(column, 0, width - 1)
            result += tf.gather(pixels, first + place) * weight[:, :, :, tf.newaxis]
    return result


def _inverse(matrices):
    square = tf.concat([matrices, tf.tile(tf.constant([[[0.0, 0, 1]]]), [tf.shape(matrices)[0], 1, 1])], axis=1)
    return tf.matrix_inverse(square)[:, :2]
