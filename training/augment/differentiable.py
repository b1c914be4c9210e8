"""Differentiable Augmentation (Zhao et al. 2020, section 4.1): color, translation and cutout, at a fixed strength."""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from training.augment.parameters import takes
from training.augment.pipeline import if_strong
from training.augment.together import like, parts_of


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
        images: [N, C, H, W] float32 in about [-1, 1]; with C = 4 the last is alpha, which colors leave as it is. Or
            Together.
        labels: Returned as they are.
        strength: Probability of each operation, times its multiplier; number or scalar float32 tensor; 1 in the paper.
        debug_percentile: None = random numbers; a number in [0, 1] = all are at this point of their range.
        options: See `Options`.
    Returns: (images, labels).
    """
    options = Options(**options)
    pictures, maps = parts_of(images)

    def augmented():
        draws = _Draws(pictures[0], debug_percentile)
        is_drawn = debug_percentile is None

        def changed(parts, multiplier, change):
            found = []
            for part in parts:  # all by the same numbers
                draws.rewind()
                is_open = draws(0, 1) < (multiplier * strength if is_drawn else np.inf)
                found.append(_where(is_open, change(part), part))
            return found
        parts = list(pictures) + list(maps)
        if options.color > 0:
            parts[:len(pictures)] = changed(pictures, options.color, lambda part: _color(part, options, draws))
            draws.forget()
        if options.translation > 0:
            parts = changed(parts, options.translation, lambda part: _translate(part, options.translation_max, draws))
            draws.forget()
        if options.cutout > 0:
            parts = changed(parts, options.cutout, lambda part: _cut_out(part, options.cutout_size, draws))
        return like(images, parts[:len(pictures)], parts[len(pictures):])
    return if_strong(images, augmented, 1 if debug_percentile is not None else strength), labels


class _Draws:
    """Uniform numbers [N, 1, 1, 1] for N images, which can be asked for again."""

    def __init__(self, images, percentile):
        self._images, self._percentile, self._drawn, self._next = images, percentile, [], 0

    def __call__(self, low, high):
        if self._next == len(self._drawn):
            shape = [tf.shape(self._images)[0], 1, 1, 1]
            self._drawn.append(random.uniform(shape, low, high) if self._percentile is None else tf.fill(
                shape, tf.constant(low + (high - low) * self._percentile, tf.float32)))
        self._next += 1
        return self._drawn[self._next - 1]

    def rewind(self):
        """The numbers since `forget` come again."""
        self._next = 0

    def forget(self):
        """New numbers are drawn from here on."""
        self._drawn, self._next = [], 0


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
        shift = tf.cast(tf.floor(uniform(-most, most + 1)), tf.int64)  # GPUs leave int32 to the host
        place = tf.reshape(tf.range(size, dtype=tf.int64), shape) - tf.minimum(shift, most) + most
        places, stride = places + place * stride, stride * (size + 2 * most)
        padding.insert(1, [most, most])
    pixels = tf.reshape(tf.pad(tf.transpose(images, [0, 2, 3, 1]), padding + [[0, 0]]), [-1, channels])
    count = tf.shape(images, out_type=tf.int64)[0]
    places += tf.reshape(tf.range(count, dtype=tf.int64) * stride, [-1, 1, 1, 1])
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
