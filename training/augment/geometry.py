"""The geometric operations as one matrix for each image, and its application (StyleGAN2-ADA, appendix B).

Coordinates are in pixels from the middle of the image, x to the right, y down.
"""

import math

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops.warp_2d import MARGIN, warp_2d
from training.augment.matrices import product

SYM6 = np.float32([  # low-pass filter of the wavelet sym6: orthonormal, so that the identity is reproduced exactly
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148])


def transform(images, parameters, warp_gradient='exact'):
    """Applies the geometric operations that are not None.

    Args:
        images: [N, C, H, W] float32; C, H, W static.
        parameters: Parameters.
        warp_gradient: 'exact' or 'published', see `dnnlib.tflib.ops.warp_2d`.
    Returns: Like the images; what moves in from outside is a reflection of the image.
    """
    height, width = images.shape.as_list()[2:]
    matrices = inverse_matrices(parameters, width, height)
    if matrices is None:
        return images
    around = margins(matrices, width, height)
    return warp_2d(images, canvas_matrices(matrices, around, width, height), around, SYM6, warp_gradient)


def transform_nearest(maps, parameters):
    """The same of maps that can't be mixed: every pixel is the one nearest to where it comes from.

    Args:
        maps: [N, C, H, W], any number type; C, H, W static.
        parameters: Parameters.
    Returns: Like the maps; what moves in from outside is a reflection and, beyond that, 0, as it is of images.
    """
    channels, height, width = maps.shape.as_list()[1:]
    matrices = inverse_matrices(parameters, width, height)
    if matrices is None:
        return maps
    columns, rows = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    pixels = np.float32([columns.ravel(), rows.ravel(), np.ones(width * height)])
    sources = product([matrices[:, :2], tf.constant(pixels)])  # N, (x, y), pixels
    index, is_known = 0, True
    for axis, size, stride in ((0, width, 1), (1, height, width)):
        place = tf.floor(sources[:, axis] + size / 2)
        is_known = tf.logical_and(is_known, tf.logical_and(place > -size, place < 2 * size - 1))
        place = tf.cast(size - 1 - tf.abs(size - 1 - tf.abs(place)), tf.int64)  # GPUs leave int32 to the host
        index += tf.clip_by_value(place, 0, size - 1) * stride  # limited as integers, of which none is NaN
    index += tf.range(tf.shape(maps, out_type=tf.int64)[0], dtype=tf.int64)[:, tf.newaxis] * (width * height)
    found = tf.gather(tf.reshape(tf.transpose(maps, [0, 2, 3, 1]), [-1, channels]), index)  # N, pixels, C
    found *= tf.cast(is_known, maps.dtype)[:, :, tf.newaxis]
    return tf.transpose(tf.reshape(found, [-1, height, width, channels]), [0, 3, 1, 2])


def inverse_matrices(parameters, width, height):
    """Where each pixel of the result comes from, pixel_in = matrix pixel_out: [N, 3, 3]; None if all parameters are.

    Each operation multiplies by its inverse on the right, so that the first is the first that happens to the image.
    """
    p, factors = parameters, []
    size = tf.constant([width, height], tf.float32)
    if p.xflip_i is not None:
        factors.append(_scale(1 - 2 * p.xflip_i, tf.ones_like(p.xflip_i)))
    if p.rotate90_i is not None:
        factors.append(_rotation(math.pi / 2 * p.rotate90_i))
    if p.xint_t is not None:
        factors.append(_translation(-tf.round(p.xint_t * size)))
    if p.scale_s is not None:
        factors.append(_scale(1 / p.scale_s, 1 / p.scale_s))
    if p.rotate_pre is not None:
        factors.append(_rotation(p.rotate_pre))
    if p.aniso_s is not None:
        factors.append(_scale(1 / p.aniso_s, p.aniso_s))
    if p.rotate_post is not None:
        factors.append(_rotation(p.rotate_post))
    if p.xfrac_t is not None:
        factors.append(_translation(-p.xfrac_t * size))
    return product(factors) if factors else None


def margins(matrices, width, height):
    """Pixels that are needed around the images, one set for the minibatch: int32 [4] = left, top, right, bottom.

    Args:
        matrices: [N, 3, 3], see `inverse_matrices`.
        width, height: Of the images.
    """
    cx, cy = (width - 1) / 2, (height - 1) / 2
    corners = tf.constant([[-cx, cx, cx, -cx], [-cy, -cy, cy, cy], [1, 1, 1, 1]], tf.float32)
    sources = product([matrices[:, :2], corners])
    needed = tf.concat([tf.reduce_max(-sources, axis=[0, 2]), tf.reduce_max(sources, axis=[0, 2])], axis=0)
    needed = tf.ceil(needed + [2 * MARGIN - cx, 2 * MARGIN - cy] * 2)
    limit = [width - 1, height - 1] * 2
    return tf.cast(tf.clip_by_value(needed, tf.zeros([4]), tf.constant(limit, tf.float32)), tf.int32)


def canvas_matrices(matrices, around, width, height):
    """The same mapping between canvases of twofold resolution: [N, 2, 3], from the top left sample of each.

    Args:
        matrices: [N, 3, 3], see `inverse_matrices`.
        around: See `margins`; that of the result is MARGIN on each side.
        width, height: Of the images.
    """
    center = tf.constant([(width - 1) / 2, (height - 1) / 2], tf.float32)
    shift = matrices[:, :2, 2] - tf.reduce_sum(matrices[:, :2, :2] * (center + MARGIN), axis=2)
    shift = 2 * (shift + center + tf.cast(around[:2], tf.float32))
    return tf.concat([matrices[:, :2, :2], shift[:, :, tf.newaxis]], axis=2)


def _matrix(elements):
    """[N, 3, 3] of nine tensors [N]."""
    return tf.reshape(tf.stack(elements, axis=1), [-1, 3, 3])


def _scale(x, y):
    zero, one = tf.zeros_like(x), tf.ones_like(x)
    return _matrix([x, zero, zero, zero, y, zero, zero, zero, one])


def _rotation(angle):
    cos, sin, zero, one = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle), tf.ones_like(angle)
    return _matrix([cos, -sin, zero, sin, cos, zero, zero, zero, one])


def _translation(xy):
    x, y = xy[:, 0], xy[:, 1]
    zero, one = tf.zeros_like(x), tf.ones_like(x)
    return _matrix([one, zero, x, zero, one, y, zero, zero, one])
