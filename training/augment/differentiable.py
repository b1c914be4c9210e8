"""Differentiable Augmentation (Zhao et al. 2020, section 4.1): color, translation and cutout, at a fixed strength."""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from training.augment.parameters import takes
from training.augment.pipeline import if_strong


class Options(NamedTuple):
    """Keyword arguments of `diffaugment`: multipliers of the probability of each operation (0 = off), and ranges."""
    color: float = 1               # brightness, saturation and contrast
    translation: float = 1         # shift by whole pixels, zeros move in
    cutout: float = 1              # gray out a square
    brightness_max: float = 0.5    # largest constant that is added
    saturation_max: float = 1      # largest change of the factor from 1
    contrast_max: float = 0.5      # largest change of the factor from 1
    translation_max: float = 0.125  # largest shift, share of width and height
    cutout_size: float = 0.5       # sides of the rectangle, share of width and height


@takes(Options)
def diffaugment(images, labels, strength=1, debug_percentile=None, **options):
    """Augments each image by all three operations; same call as `augment_pipeline`.

    Args:
        images: [N, C, H, W] float32 in about [-1, 1]; with C = 4 the last is alpha, which colors leave as it is.
        labels: Returned as they are.
        strength: Probability of each operation, times its multiplier; number or scalar float32 tensor; 1 in the paper.
        debug_percentile: None = random numbers; a number in [0, 1] = all are at this point of their range.
        options: See `Options`.
    Returns: (images, labels).
    """
    options = Options(**options)

    def augmented():
        def uniform(low, high):  # N111
            shape = [tf.shape(images)[0], 1, 1, 1]
            if debug_percentile is not None:
                return tf.fill(shape, tf.constant(low + (high - low) * debug_percentile, tf.float32))
            return random.uniform(shape, low, high)

        def is_open(multiplier):  # N111
            return uniform(0, 1) < multiplier * strength if debug_percentile is None else uniform(0, 1) < np.inf
        result = images
        if options.color > 0:
            result = _where(is_open(options.color), _color(result, options, uniform), result)
        if options.translation > 0:
            result = _where(is_open(options.translation), _translate(result, options.translation_max, uniform), result)
        if options.cutout > 0:
            result = _where(is_open(options.cutout), _cut_out(result, options.cutout_size, uniform), result)
        return result
    return if_strong(images, augmented, 1 if debug_percentile is not None else strength), labels


def _where(condition, x, y):
    return tf.where(tf.broadcast_to(condition, tf.shape(x)), x, y)


def _color(images, options, uniform):
    colors, alpha = (images[:, :3], [images[:, 3:]]) if images.shape.as_list()[1] == 4 else (images, [])
    colors += uniform(-options.brightness_max, options.brightness_max)
    gray = tf.reduce_mean(colors, axis=1, keepdims=True)
    colors = gray + (colors - gray) * uniform(1 - options.saturation_max, 1 + options.saturation_max)
    mean = tf.reduce_mean(colors, axis=[1, 2, 3], keepdims=True)
    colors = mean + (colors - mean) * uniform(1 - options.contrast_max, 1 + options.contrast_max)
    return tf.concat([colors] + alpha, axis=1)


def _translate(images, share, uniform):
    channels, height, width = images.shape.as_list()[1:]
    places, padding, stride = 0, [[0, 0]], 1
    for size, shape in ((width, [1, 1, 1, width]), (height, [1, 1, height, 1])):
        most = int(size * share + 0.5)
        shift = tf.cast(tf.floor(uniform(-most, most + 1)), tf.int32)
        place = tf.reshape(tf.range(size), shape) - tf.minimum(shift, most) + most
        places, stride = places + place * stride, stride * (size + 2 * most)
        padding.insert(1, [most, most])
    pixels = tf.reshape(tf.pad(tf.transpose(images, [0, 2, 3, 1]), padding + [[0, 0]]), [-1, channels])
    places += tf.reshape(tf.range(tf.shape(images)[0]) * stride, [-1, 1, 1, 1])
    return tf.transpose(tf.reshape(tf.gather(pixels, places), [-1, height, width, channels]), [0, 3, 1, 2])


def _cut_out(images, share, uniform):
    is_inside = True
    for axis in (2, 3):
        size = images.shape.as_list()[axis]
        side = int(size * share + 0.5)
        first = tf.floor(uniform(0, size + 1 - side % 2)) - side // 2
        place = tf.reshape(tf.range(size, dtype=tf.float32), [1, 1, -1, 1] if axis == 2 else [1, 1, 1, -1])
        is_inside = tf.logical_and(is_inside, tf.logical_and(place >= first, place < first + side))
    return images * tf.cast(tf.logical_not(is_inside), tf.float32)
