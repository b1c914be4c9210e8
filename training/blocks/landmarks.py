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
PATCH, SIGMA = 3, 1.75  # of the Gaussian that stands for a point: pixels on each side, standard deviation; as published
LINE = 3  # pixels on each side of a boundary
BOUNDARIES = (  # points of the lines in a face of 98 landmarks: contour, brows, nose, eyes, lips
    range(33), range(33, 38), range(42, 47), range(51, 55), range(55, 60), range(60, 65), (64, 65, 66, 67, 60),
    range(68, 73), (72, 73, 74, 75, 68), range(76, 83), (82, 83, 84, 85, 86, 87, 76), range(88, 93),
    (92, 93, 94, 95, 88))


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
    sums = [(part, _moved_up(tf.reduce_sum(maps[:, part.first:part.end] ** part.power, axis=1), part.shift))
            for part in PARTS]
    masks = tf.stack([tf.add_n([total for _, total in sums]),
                      tf.add_n([total for part, total in sums if part.is_fine])], axis=1)
    return tf.clip_by_value(tf.where(tf.is_nan(masks), tf.zeros_like(masks), masks), 0, 1)


def _moved_up(maps, shift):
    """Maps [N, H, W] moved up by pixels, what leaves comes in below (TensorFlow 1.14 has no tf.roll on GPUs)."""
    return tf.concat([maps[:, shift:], maps[:, :shift]], axis=1) if shift else maps


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


def heat_maps(points, side):
    """Targets of the network of landmarks (Wang et al. 2019, section 5): a Gaussian at each point, then a map of lines.

    The lines are straight between the points (the published program bends them); with other numbers of points than 98
    they connect all of them.

    Args:
        points: [N, K, 2], x and y as shares of the width and height, float32.
        side: Of the maps, pixels.
    Returns: [N, K + 1, side, side] in [0, 1].
    """
    places = tf.range(side, dtype=tf.float32)
    distances = [places - tf.floor(points[:, :, i:i + 1] * side) for i in range(2)]
    parts = [tf.exp(-d ** 2 / (2 * SIGMA ** 2)) * tf.cast(tf.abs(d) <= PATCH, tf.float32) for d in distances]
    maps = parts[1][:, :, :, tf.newaxis] * parts[0][:, :, tf.newaxis, :]
    return tf.concat([maps, _lines(points * side - 0.5, side)], axis=1)


def _lines(points, side):
    """Map of the lines between points [N, K, 2] in pixels: [N, 1, side, side]."""
    count = points.shape.as_list()[1]
    lines = BOUNDARIES if count == NUM_LANDMARKS else [list(range(count)) + [0]]
    ends = [(line[i], line[i + 1]) for line in lines for i in range(len(line) - 1)]
    first, last = (tf.gather(points, [pair[i] for pair in ends], axis=1)[:, :, tf.newaxis] for i in range(2))  # NS12
    columns, rows = np.meshgrid(np.arange(side), np.arange(side))
    pixels = np.float32(np.stack([columns, rows], axis=2).reshape(1, 1, -1, 2))
    along = last - first
    share = tf.reduce_sum((pixels - first) * along, axis=3, keepdims=True) / (
        tf.reduce_sum(along ** 2, axis=3, keepdims=True) + 1e-8)
    squares = tf.reduce_sum((pixels - first - along * tf.clip_by_value(share, 0, 1)) ** 2, axis=3)
    nearest = tf.reshape(tf.reduce_min(squares, axis=1), [-1, 1, side, side])
    return tf.exp(-nearest / 2) * tf.cast(nearest <= LINE ** 2, tf.float32)
