"""Regularization of the projector's noise maps (StyleGAN2, appendix D)."""

import tensorflow.compat.v1 as tf

MIN_NOISE_SIZE = 8  # the pyramid ends here


def noise_autocorrelation(noise):
    """Squared correlation of noise maps with themselves shifted by one pixel, summed over their pyramids.

    Args:
        noise: [N, 1, H, W], float32. Levels are 2x2 averages of the one above, while both sides are even, down to the
            first one with a side of at most 8.
    Returns: [N], float32; near 0 when a map carries no picture.
    """
    total = 0.0
    while True:
        for axis in (2, 3):
            total += tf.square(tf.reduce_mean(noise * tf.roll(noise, shift=1, axis=axis), axis=[1, 2, 3]))
        height, width = noise.shape.as_list()[2:]
        if min(height, width) <= MIN_NOISE_SIZE or height % 2 or width % 2:
            return total
        noise = tf.reduce_mean(tf.reshape(noise, [-1, 1, height // 2, 2, width // 2, 2]), axis=[3, 5])


def normalized_noise(noise):
    """Maps [N, 1, H, W] shifted and scaled to mean 0 and variance 1 each; same shape, float32."""
    centered = noise - tf.reduce_mean(noise, axis=[1, 2, 3], keepdims=True)
    return centered * tf.rsqrt(tf.reduce_mean(tf.square(centered), axis=[1, 2, 3], keepdims=True))
