"""Losses of landmarks: of their places, and of heat maps that show them."""

import numpy as np
import tensorflow.compat.v1 as tf

MAX_TARGET = 1.0  # of a heat map; the slope at a target above 1.1 would be infinite


def wing(difference, width=10.0, curvature=2.0):
    """Wing loss of places: logarithmic for small errors, so that they count (Feng et al. 2018, equation 5).

    Args:
        difference: Of places in pixels, any shape.
        width: Errors below this are small, > 0; as published.
        curvature: Of the logarithm, > 0; as published.
    Returns: The same shape.
    """
    size = tf.abs(difference)
    return tf.where(size < width, width * tf.log(1 + size / curvature),
                    size - width + width * np.log(1 + width / curvature))


def adaptive_wing(maps, targets, alpha=2.1, omega=14.0, epsilon=1.0, theta=0.5):
    """Adaptive wing loss of heat maps, which follows the target more closely where it is high (Wang et al. 2019,
    equations 2 and 3).

    Args:
        maps, targets: Values of any shape; targets in [0, 1], larger ones are clipped.
        alpha: Exponent where the target is 0; as published, as are the others.
        omega: Weight of the logarithm.
        epsilon: Its curvature.
        theta: Errors from this on count linearly.
    Returns: The same shape.
    """
    targets = tf.minimum(targets, MAX_TARGET)
    power = alpha - targets
    slope = omega * power * (theta / epsilon) ** (power - 1) / (epsilon * (1 + (theta / epsilon) ** power))
    offset = theta * slope - omega * tf.log(1 + (theta / epsilon) ** power)
    size = tf.abs(targets - maps)
    near = size < theta
    small = tf.where(near, size, theta * tf.ones_like(size))  # gradients of what is not chosen must be finite, too
    return tf.where(near, omega * tf.log(1 + (small / epsilon) ** power), slope * size - offset)


def boundary_weights(targets, weight=10.0, least=0.2):
    """1 + weight where the target, or a pixel beside it, is above `least` (Wang et al. 2019, equations 6 and 7).

    Args:
        targets: Heat maps [N, C, H, W].
        weight, least: As published.
    Returns: The same shape.
    """
    shape = tf.shape(targets)
    planes = tf.reshape(targets, tf.stack([-1, shape[2], shape[3], 1]))
    dilated = tf.nn.max_pool(planes, [1, 3, 3, 1], [1, 1, 1, 1], padding='SAME')
    return 1 + weight * tf.cast(tf.reshape(dilated, shape) > least, tf.float32)
