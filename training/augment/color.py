"""The color operations as one matrix for each image, and its application (StyleGAN2-ADA, appendix B)."""

import numpy as np
import tensorflow.compat.v1 as tf

from training.augment import matrices

LUMA = np.float32([1, 1, 1, 0]) / np.sqrt(np.float32(3))  # direction of the gray axis
_ONTO_LUMA, _IDENTITY = np.outer(LUMA, LUMA), np.eye(4, dtype=np.float32)
_CROSS = np.float32([[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]]) / np.sqrt(np.float32(3))


def transform(images, parameters):
    """Applies the color operations that are not None; values are not clipped.

    Args:
        images: [N, C, H, W] float32, C static: 1 (gray), 3 (RGB) or 4 (RGB and alpha, which stays as it is).
        parameters: Parameters; hue and saturation don't change gray images.
    Returns: Like the images.
    """
    channels = images.shape.as_list()[1]
    mapping = color_matrices(parameters, channels)
    if mapping is None:
        return images
    if channels == 1:
        rows = tf.reduce_mean(mapping[:, :3], axis=1)  # N4
        gain, offset = tf.reduce_sum(rows[:, :3], axis=1), rows[:, 3]
        return images * tf.reshape(gain, [-1, 1, 1, 1]) + tf.reshape(offset, [-1, 1, 1, 1])
    columns = [tf.reshape(mapping[:, :3, i], [-1, 3, 1, 1]) for i in range(4)]
    colors = columns[3]
    for i in range(3):  # not a matrix product: those of some GPUs round to 10 bits
        colors += columns[i] * images[:, i:i + 1]
    return colors if channels == 3 else tf.concat([colors, images[:, 3:]], axis=1)


def color_matrices(parameters, channels=3):
    """What each operation multiplies by on the left: [N, 4, 4], color_out = matrix color_in; None if there is nothing.

    Args:
        parameters: Parameters.
        channels: Of the images; 1 leaves hue and saturation out.
    """
    p, factors = parameters, []
    if p.brightness_b is not None:
        factors.append(_IDENTITY + _each(p.brightness_b) * np.float32([[0, 0, 0, 1]] * 3 + [[0, 0, 0, 0]]))
    if p.contrast_c is not None:
        factors.append(_each(p.contrast_c) * np.diag(np.float32([1, 1, 1, 0])) + np.diag(np.float32([0, 0, 0, 1])))
    if p.lumaflip_i is not None:
        factors.append(_IDENTITY - 2 * _each(p.lumaflip_i) * _ONTO_LUMA)
    if p.hue_theta is not None and channels > 1:
        cos, sin = tf.cos(p.hue_theta), tf.sin(p.hue_theta)
        around = np.diag(np.float32([1, 1, 1, 0])) - _ONTO_LUMA
        factors.append(_IDENTITY - around + _each(cos) * around + _each(sin) * _CROSS)  # Rodrigues' formula
    if p.saturation_s is not None and channels > 1:
        factors.append(_ONTO_LUMA + (_IDENTITY - _ONTO_LUMA) * _each(p.saturation_s))
    return matrices.product(factors[::-1]) if factors else None


def _each(values):
    return tf.reshape(values, [-1, 1, 1])
