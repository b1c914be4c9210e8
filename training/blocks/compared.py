"""Layers of methods that StyleGAN2-ADA is compared with (Karras et al. 2020, section 4.1): PA-GAN's bits and adaptive
dropout. How strong they are follows p, the strength of augmentation, although they augment no image."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, random
from training.blocks import layers


def adaptive_dropout(x, strength):
    """Multiplies each feature map of each sample by exp(strength * N(0, 1)).

    Args:
        x: Feature maps [N, H, W, C] or features [N, C].
        strength: Standard deviation of the logarithm, number or scalar tensor.
    """
    channels = x.shape.as_list()[layout.channel_axis() if x.shape.ndims == 4 else 1]
    factors = tf.exp(random.normal([tf.shape(x)[0], channels]) * strength)
    return x * tf.cast(layout.per_channel(factors) if x.shape.ndims == 4 else factors, x.dtype)


def draw_bits(batch, strength, num_bits, fade):
    """Random bits that tell the discriminator of PA-GAN which task it has (Zhang & Khoreva 2018, section 3).

    The first bit becomes active first, when strength * num_bits reaches 1; the last when the strength reaches 1.

    Args:
        batch: Number of samples N.
        strength: Share of the bits that are active, number or scalar tensor.
        num_bits: Number of bits B.
        fade: Before a bit is active, its probability rises linearly, while this many others become active.
    Returns: [N, B], float32, 0 or 1: each with probability 1/2 if it is active.
    """
    with tf.name_scope('Bits'):
        level = (strength * num_bits - np.arange(num_bits, dtype=np.float32) - 1) / max(fade, 1e-8) + 1
        return tf.cast(random.uniform([batch, num_bits]) < tf.clip_by_value(level, 0, 1) * 0.5, tf.float32)


def bits_layer(x, bits):
    """Adds one map per channel that depends on the bits linearly; [N, H, W, C] like x."""
    with tf.variable_scope('PAGAN'):
        maps = layers.dense_layer(bits, x.shape.as_list()[layout.channel_axis()])
    return x + tf.cast(layout.per_channel(maps), x.dtype)


def signs_of(bits):
    """What the scores are multiplied by, so that each bit exchanges reals and fakes: 1 or -1, [N, 1]."""
    return tf.reduce_prod(1 - 2 * bits, axis=1, keepdims=True)
