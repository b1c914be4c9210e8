"""Regularization of the projector's noise maps (StyleGAN2, appendix D)."""

import tensorflow.compat.v1 as tf

MIN_NOISE_SIZE = 8  # the pyramid ends here


def noise_autocorrelation(noises):
    """Squared correlation of noise maps with themselves shifted by one pixel, summed over the maps and their pyramids.

    Maps of one size, levels of larger ones among them, are looked at together: many small operations cost more than
    their arithmetic.

    Args:
        noises: List of [N, 1, H, W], float32. Levels are 2x2 averages of the one above, while both sides are even,
            down to the first one with a side of at most 8.
    Returns: [N], float32; near 0 when no map carries a picture.
    """
    waiting, total = {}, 0.0  # (height, width): list of [N, maps, height, width]
    for noise in noises:
        waiting.setdefault(tuple(noise.shape.as_list()[2:]), []).append(noise)
    while waiting:
        height, width = max(waiting)  # halves are added to those still waiting
        maps = tf.concat(waiting.pop((height, width)), axis=1)
        for shifted in (tf.concat([maps[:, :, -1:], maps[:, :, :-1]], axis=2),  # TensorFlow 1.14 has no tf.roll on GPUs
                        tf.concat([maps[..., -1:], maps[..., :-1]], axis=3)):
            correlation = tf.reduce_mean(maps * shifted, axis=[2, 3])
            total += tf.reduce_sum(tf.square(correlation), axis=1)
        if min(height, width) > MIN_NOISE_SIZE and height % 2 == width % 2 == 0:
            size = height // 2, width // 2
            blocks = tf.reshape(maps, [-1, maps.shape.as_list()[1], size[0], 2, size[1], 2])
            waiting.setdefault(size, []).append(tf.reduce_mean(blocks, axis=[3, 5]))
    return total


def normalized_noise(noise):
    """Maps [N, 1, H, W] shifted and scaled to mean 0 and variance 1 each; same shape, float32."""
    centered = noise - tf.reduce_mean(noise, axis=[1, 2, 3], keepdims=True)
    return centered * tf.rsqrt(tf.reduce_mean(tf.square(centered), axis=[1, 2, 3], keepdims=True))
