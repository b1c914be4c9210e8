"""Products of the small matrices that describe what happens to an image."""

import tensorflow.compat.v1 as tf


def product(factors):
    """Product of matrices, the first one on the left.

    It is made of sums, since matrix products of some GPUs round to 10 bits (TF32): a quarter pixel at 1024x1024.

    Args:
        factors: List of [N, I, J] and [N, J, K] float32, or without N; at least one.
    """
    left = factors[0]
    for right in factors[1:]:
        left = tf.reduce_sum(left[..., tf.newaxis] * right[..., tf.newaxis, :, :], axis=-2)
    return left
