"""What heat maps of 98 landmarks of a face say: masks of what must stay in a translation, and places of the points.

Numbers of landmarks, shifts and powers are those of StarGAN v2's release (Choi et al. 2020, appendix A).
"""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from training.blocks.resample import resize_bilinear

NUM_LANDMARKS = 98
MASK_SIZE = 256  # side of the masks
LEAST = 0.1  # of a map; what is below is nothing


class Part(NamedTuple):
    """Landmarks whose maps are treated alike."""
    first: int     # number of the first landmark
    end: int       # number after the last one
    shift: int     # pixels that a map is moved up by
    power: int     # of its values, which makes it narrower
    is_fine: bool  # does it belong to the second mask as well?


PARTS = (
    Part(8, 25, 0, 3, False),      # chin
    Part(34, 46, -7, 2, False), Part(47, 51, -7, 2, False),  # brows
    Part(51, 52, 0, 1, True), Part(52, 55, 4, 1, True),  # nose
    Part(55, 60, 8, 4, True),      # nostrils
    Part(60, 76, -8, 3, True), Part(60, 76, -24, 1, True),  # eyes: around them and below
    Part(77, 82, -8, 4, False),    # upper lip
    Part(83, 88, 8, 4, False),     # lower lip
    Part(88, 96, -2, 3, False),    # inner lips
    Part(96, 98, 0, 1, True))      # centers of the eyes


def masks_of(*maps):
    """Masks for the generator of StarGAN v2.

    Args:
        maps: Heat maps of one or more hourglasses, [N, landmarks, h, w]; the last ones count, without the 99th.
    Returns: [N, 2, 256, 256] in [0, 1], for feature maps of 32 pixels, and of 64 and 128.
    """
    maps = resize_bilinear(maps[-1][:, :NUM_LANDMARKS], MASK_SIZE, MASK_SIZE, align_corners=True)
    maps = tf.where(maps < LEAST, tf.zeros_like(maps), maps)
    low, high = (reduce(maps, axis=[2, 3], keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    maps = (maps - low) / (high - low + 1e-6)
    sums = [(part, tf.roll(tf.reduce_sum(maps[:, part.first:part.end] ** part.power, axis=1), -part.shift, axis=1))
            for part in PARTS]
    masks = tf.stack([tf.add_n([total for _, total in sums]),
                      tf.add_n([total for part, total in sums if part.is_fine])], axis=1)
    return tf.clip_by_value(tf.where(tf.is_nan(masks), tf.zeros_like(masks), masks), 0, 1)


def places_of(maps):
    """Where the landmarks are.

    Args:
        maps: Heat maps [N, landmarks, h, w], array.
    Returns: float32 [N, landmarks, 2], x and y in pixels of the maps from the upper left corner: the largest value,
        moved by a quarter pixel to the larger one of its neighbors.
    """
    count, landmarks, height, width = maps.shape
    rows, columns = np.divmod(maps.reshape(count, landmarks, -1).argmax(axis=2), width)
    inside = (rows > 0) & (rows < height - 1) & (columns > 0) & (columns < width - 1)
    i, j = np.ogrid[:count, :landmarks]
    found = np.stack([columns, rows], axis=2) + np.float32(0.5)
    for axis, (dy, dx) in enumerate(((0, 1), (1, 0))):
        one, other = (maps[i, j, np.clip(rows + sign * dy, 0, height - 1), np.clip(columns + sign * dx, 0, width - 1)]
                      for sign in (1, -1))
        found[..., axis] += 0.25 * np.sign(one - other) * inside
    return found.astype(np.float32)
