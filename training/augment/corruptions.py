"""The filter in image space and the corruptions: noise and cutout (StyleGAN2-ADA, appendix B)."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError

_SYM2 = np.float64([1 - 3 ** 0.5, 3 - 3 ** 0.5, 3 + 3 ** 0.5, 1 + 3 ** 0.5]) / (4 * 2 ** 0.5)
BAND_POWER = np.float32([10, 1, 1, 1]) / 13  # expected power of natural images in the four bands


def filter_bank():
    """Filters of four octaves, low frequencies first: float64 [4, 43]; they sum to a unit impulse."""
    low = np.convolve(_SYM2, _SYM2[::-1]) / 2
    high = _SYM2 * [1, -1, 1, -1]
    high = np.convolve(high, high[::-1]) / 2
    bank = np.eye(4, 1)
    for i in (1, 2, 3):
        spread = np.zeros([4, 2 * bank.shape[1] - 1])
        spread[:, ::2] = bank
        bank = np.stack([np.convolve(row, low) for row in spread])
        start = (bank.shape[1] - len(high)) // 2
        bank[i, start:start + len(high)] += high
    return bank


_BANK = np.float32(filter_bank())
TAPS = _BANK.shape[1]
LEAST_SIZE = TAPS // 2 + 1  # of an image, to be reflected at its borders


def band_gains(imgfilter_t):
    """Gains [N, 4] of the bands from those that were drawn, [N, 4]: each is normalized to keep the expected power."""
    gains = tf.ones_like(imgfilter_t)
    for i in range(4):
        t = tf.concat([tf.ones_like(imgfilter_t[:, :i]), imgfilter_t[:, i:i + 1],
                       tf.ones_like(imgfilter_t[:, i + 1:])], axis=1)
        gains *= t * tf.rsqrt(tf.reduce_sum(BAND_POWER * tf.square(t), axis=1, keepdims=True))
    return gains


def taps(imgfilter_t):
    """The filter of each image, [N, 43], symmetric."""
    return tf.reduce_sum(band_gains(imgfilter_t)[:, :, tf.newaxis] * _BANK, axis=1)


def filter_images(images, parameters):
    """Filters rows and columns of each image; borders are reflected.

    Args:
        images: [N, C, H, W] float32; C, H, W static.
        parameters: Parameters; imgfilter_t None = nothing is done.
    Returns: Like the images.
    Raises: UserError if the images are too small.
    """
    if parameters.imgfilter_t is None:
        return images
    channels, height, width = images.shape.as_list()[1:]
    if min(height, width) < LEAST_SIZE:
        raise UserError(f'imgfilter needs images of at least {LEAST_SIZE}x{LEAST_SIZE} pixels, not {width}x{height}; '
                        'switch it off (augment.imgfilter=0, or --augpipe=bgc)')
    each = taps(parameters.imgfilter_t)
    rows = tf.reshape(images, [-1, channels * height, width])
    rows = tf.matmul(rows, _as_matrices(each, width), transpose_b=True)
    columns = tf.reshape(tf.transpose(tf.reshape(rows, [-1, channels, height, width]), [0, 1, 3, 2]),
                         [-1, channels * width, height])
    columns = tf.matmul(columns, _as_matrices(each, height), transpose_b=True)
    return tf.transpose(tf.reshape(columns, [-1, channels, width, height]), [0, 1, 3, 2])


def _as_matrices(each, size):
    """Correlation with filters [N, 43], reflection included, as matrices [N, size, size].

    A product of matrices works in any TensorFlow and every order of the gradient, with one filter for each image.
    """
    out = tf.range(size, dtype=tf.int64)[:, tf.newaxis]  # GPUs leave int32 to the host
    source = tf.range(size, dtype=tf.int64)[tf.newaxis]
    padded = tf.pad(each, [[0, 0], [0, 1]])  # what is beyond the filter has the weight of this zero
    total = 0
    for at, where in ((source, tf.fill([1, size], True)), (-source, source > 0),
                      (2 * (size - 1) - source, source < size - 1)):
        tap = at - out + TAPS // 2
        is_met = tf.logical_and(tf.logical_and(tap >= 0, tap < TAPS), where)
        total += tf.gather(padded, tf.where(is_met, tap, tf.fill([size, size], np.int64(TAPS))), axis=1)
    return total


def corrupt(images, parameters):
    """Adds noise and cuts out rectangles where the parameters are not None.

    Args:
        images: [N, C, H, W] float32; H, W static.
        parameters: Parameters.
    Returns: Like the images; 0 (mid-gray) in the rectangles.
    """
    if parameters.noise_sigma is not None:
        images += tf.reshape(parameters.noise_sigma, [-1, 1, 1, 1]) * parameters.noise_map
    if parameters.cutout_size is None:
        return images
    height, width = images.shape.as_list()[2:]
    is_inside = []
    for axis, size, shape in ((0, width, [1, 1, 1, width]), (1, height, [1, 1, height, 1])):
        place = np.reshape(np.float32(np.arange(size) + 0.5) / np.float32(size), shape)
        center = tf.reshape(parameters.cutout_center[:, axis], [-1, 1, 1, 1])
        is_inside.append(tf.abs(place - center) < tf.reshape(parameters.cutout_size[:, axis], [-1, 1, 1, 1]) / 2)
    return images * tf.cast(tf.logical_not(tf.logical_and(*is_inside)), tf.float32)
