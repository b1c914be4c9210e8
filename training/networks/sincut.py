"""SinCUT's networks: a translator and a discriminator of StyleGAN2's layers (Park et al. 2020, section 4.3)."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.tflib.ops.upfirdn_2d import upsample_conv_2d
from training.blocks import layers
from training.blocks.residual import run_chain, scoped
from training.networks.resnet import check_size

KERNEL = [1, 3, 3, 1]


def G_sincut(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        out_channels=None,          # Channels of the translations, None = the same.
        resolution=64,              # Side of the images, or (height, width).
        fmaps=10,                   # 32 is the width of StyleGAN2; as published.
        width_resolution=64,        # Side of the images whose widths are taken; the published crops.
        num_blocks=6,               # Residual blocks, half of them before and half after the middle; as published.
        num_downs=1,                # How often the size is halved; as published.
        use_noise=True,             # Noise in the layers that double the size? As published.
        taps=(),                    # Numbers of layers of the encoder whose results are returned too, [N, h, w, C].
        encode_only=False,          # Return these alone?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Translates images: [N, out_channels, H, W], not limited to [-1, 1]."""
    check_size(resolution, num_downs, images_in, num_channels)
    widths = [generator_width(width_resolution >> i, fmaps) for i in range(num_downs + 1)]
    blocks = [lambda x: residual_layer(x, widths[-1])] * (num_blocks // 2)
    encoder = [tf.identity, scoped('Input', lambda x: conv_act_layer(x, widths[0], 1))]
    encoder += [scoped(f'Down{i}', lambda x, width=width: residual_layer(x, width, down=True))
                for i, width in enumerate(widths[1:])]
    encoder += [scoped(f'EncoderBlock{i}', block) for i, block in enumerate(blocks)]
    x, found = run_chain(encoder, layout.from_nchw(images_in), taps, encode_only)
    found = [tf.transpose(tap, [0, 2, 3, 1]) if layout.data_format() == 'NCHW' else tap for tap in found]
    if encode_only:
        return tuple(found)
    decoder = [scoped(f'DecoderBlock{i}', block) for i, block in enumerate(blocks)]
    decoder += [scoped(f'Up{i}', lambda x, width=width: up_layer(x, width, use_noise))
                for i, width in enumerate(widths[-2::-1])]
    decoder.append(scoped('Output', lambda x: conv_act_layer(x, out_channels or num_channels, 1)))
    x, _ = run_chain(decoder, x)
    return tuple([tf.identity(layout.to_nchw(x), name='images_out')] + found)


def D_sincut(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, a power of two.
        fmaps=8,                    # 64 is the width of StyleGAN2; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores: [N, 1]."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    x = layout.from_nchw(images_in)
    with tf.variable_scope('Input'):
        x = conv_act_layer(x, discriminator_width(resolution, fmaps), 1)
    for i in range(int(np.log2(resolution)) - 2):
        with tf.variable_scope(f'Down{i}'):
            x = residual_layer(x, discriminator_width(resolution >> (i + 1), fmaps), down=True)
    width = discriminator_width(4, fmaps)
    with tf.variable_scope('Conv'):
        x = layout.to_nchw(conv_act_layer(x, width, 3))
    with tf.variable_scope('Dense'):
        x = layers.bias_act_layer(layers.dense_layer(x, width), act='lrelu')
    with tf.variable_scope('Output'):
        x = layers.bias_act_layer(layers.dense_layer(x, 1))
    return tf.identity(x, name='scores_out')


def generator_width(size, fmaps):
    """Feature maps of the generator at a size."""
    width = int(round(16384 / size * fmaps / 32))
    return width if size > 32 else min(512, width)


def discriminator_width(size, fmaps):
    """Feature maps of the discriminator at a size."""
    width = int(16384 / size * fmaps / 64)
    return width if size > 32 else min(384, width)


def conv_act_layer(x, fmaps, kernel, down=False):
    """Convolution, bias, leaky ReLU times the root of 2."""
    return layers.bias_act_layer(
        layers.conv2d_layer(x, fmaps, kernel, down=down, resample_kernel=KERNEL), act='lrelu')


def residual_layer(x, fmaps, down=False):
    """Two 3x3 convolutions, of which the second may halve the size, and a shortcut (StyleGAN2, figure 7c)."""
    with tf.variable_scope('Conv0'):
        y = conv_act_layer(x, x.shape.as_list()[layout.channel_axis()], 3)
    with tf.variable_scope('Conv1'):
        y = conv_act_layer(y, fmaps, 3, down)
    if down:
        with tf.variable_scope('Skip'):
            x = layers.conv2d_layer(x, fmaps, 1, down=True, resample_kernel=KERNEL)
    return (x + y) * np.float32(1 / np.sqrt(2))


def up_layer(x, fmaps, use_noise):
    """StyleGAN2's layer that doubles the size, with a style of ones: demodulated kernel, noise, bias, lrelu."""
    w = layers.get_weight([3, 3, x.shape.as_list()[layout.channel_axis()], fmaps])
    w *= tf.rsqrt(tf.reduce_sum(tf.square(w), axis=[0, 1, 2]) + layers.EPSILON)
    x = upsample_conv_2d(x, tf.cast(w, x.dtype), k=KERNEL, data_format=layout.data_format())
    return layers.bias_act_layer(layers.noise_layer(x) if use_noise else x, act='lrelu')
