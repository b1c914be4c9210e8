"""Regularization of the projector's noise maps (StyleGAN2, appendix D)."""

import tensorflow.compat.v1 as tf

MIN_NOISE_SIZE = 8  # the pyramid ends here


def noise_autocorrelation(noise):
    """Squared correlation of a noise map with itself shifted by one pixel, summed over its pyramid.

    Args:
        noise: [1, 1, S, S], float32, S a power of two. Levels are 2x2 averages of the one above, down to 8x8.
    Returns: Scalar, float32; near 0 when the map carries no picture.
    """
    total = 0.0
    while True:
        for axis in (2, 3):
            total += tf.square(tf.reduce_mean(noise * tf.roll(noise, shift=1, axis=axis)))
        size = noise.shape.as_list()[2]
        if size <= MIN_NOISE_SIZE:
            return total
        noise = tf.reduce_mean(tf.reshape(noise, [1, 1, size // 2, 2, size // 2, 2]), axis=[3, 5])


def normalized_noise(noise):
    """The map shifted and scaled to mean 0 and variance 1; same shape, float32."""
    centered = noise - tf.reduce_mean(noise)
    return centered * tf.rsqrt(tf.reduce_mean(tf.square(centered)))
