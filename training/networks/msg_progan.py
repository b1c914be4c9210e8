"""MSG-GAN's networks in the form of ProGAN (Karnewar and Wang 2020): G draws images of all sizes, D looks at all.

They compute what those of the PyTorch program compute; names of layers are those of our other networks.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.tflib.ops.upfirdn_2d import downsample_2d
from training import image_size
from training.blocks import growing, layers, layers_stylegan
from training.blocks.layers_stylegan import GAIN, bias_act_layer, conv2d_layer, pixel_norm
from training.networks.msg_stylegan import check_inputs


def G_msg(
        latents_in,                     # Z [N, latent_size].
        num_channels=3,                 # Channels of the images.
        resolution=128,                 # Side of the largest images, or (height, width): see image_size.
        fmap_base=8192,                 # Feature maps: see layers.num_fmaps; published networks have fmap_base =
        fmap_decay=1.0,                 # 16 latent_size and fmap_max = latent_size.
        fmap_max=512,
        latent_size=512,                # Dimensions of Z.
        normalize_latents=True,         # Normalize latents to unit second moment? Published outside of the network.
        pixelnorm_epsilon=1e-8,         # Added to the second moments.
        all_sizes=False,                # Return the images of all sizes, 4x4 first, as published, not the last alone?
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Generator: images [N, C, H, W], or a tuple of them."""
    del is_template_graph, components
    size = image_size.parse(resolution)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    def conv(x, name, fmaps, layer=conv2d_layer):
        with tf.variable_scope(name):
            return bias_act_layer(layer(x, fmaps), act='lrelu')

    def first_block(x):
        shape = [nf(1)] + size.at(2)
        with tf.variable_scope('Dense'):
            x = layout.from_nchw(tf.reshape(layers.dense_layer(x, int(np.prod(shape)), GAIN), [-1] + shape))
            x = bias_act_layer(x, act='lrelu')
        return pixel_norm(conv(x, 'Conv', nf(1)), pixelnorm_epsilon)

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            x = pixel_norm(conv(x, 'Conv0', nf(r - 1), _upscale), pixelnorm_epsilon)
            return pixel_norm(conv(x, 'Conv1', nf(r - 1)), pixelnorm_epsilon)

    def to_rgb(x, r):
        with tf.variable_scope('ToRGB_lod%d' % (size.num_levels - r)):
            return bias_act_layer(conv2d_layer(x, num_channels, kernel=1))

    latents_in.set_shape([None, latent_size])
    with tf.variable_scope('4x4'):
        x = first_block(pixel_norm(latents_in, pixelnorm_epsilon) if normalize_latents else latents_in)
    images = growing.synthesize(x, block, to_rgb, size.num_levels, 'pyramid', None)
    images = tuple(tf.identity(layout.to_nchw(image), name='images_out') for image in images)
    return images if all_sizes else images[-1]


def D_msg(
        *images_in,                     # Images [N, C, h, w] of all sizes, 4x4 first.
        num_channels=3,                 # Channels of the images.
        resolution=128,                 # Side of the largest images, or (height, width): see image_size.
        fmap_base=8192,                 # Feature maps: see layers.num_fmaps and G_msg.
        fmap_decay=1.0,
        fmap_max=512,
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator: scores [N, 1]; half of the feature maps of a size come from the image of that size."""
    del is_template_graph, components
    size = image_size.parse(resolution)
    check_inputs(images_in, size, num_channels)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    def conv(x, name, fmaps):
        with tf.variable_scope(name):
            return bias_act_layer(conv2d_layer(x, fmaps), act='lrelu')

    def with_image(x, r):
        with tf.variable_scope('FromRGB_lod%d' % (size.num_levels - r)):
            fmaps = nf(r - 1) if x is None else nf(r - 1) // 2
            y = bias_act_layer(conv2d_layer(layout.from_nchw(images_in[r - 2]), fmaps, kernel=1))
        return y if x is None else tf.concat([y, x], layout.channel_axis())

    x = None
    for r in range(size.num_levels, 2, -1):
        x = with_image(x, r)
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            x = conv(conv(x, 'Conv0', nf(r - 1)), 'Conv1', nf(r - 2) - nf(r - 2) // 2)
            x = downsample_2d(x, data_format=layout.data_format())
    x = with_image(x, 2)
    with tf.variable_scope('4x4'):
        with tf.variable_scope('MinibatchStddev'):  # over the whole minibatch
            x = layers.minibatch_stddev_layer(x, tf.shape(x)[0])
        x = layout.to_nchw(conv(x, 'Conv', nf(1)))
        with tf.variable_scope('Dense0'):
            x = bias_act_layer(layers.dense_layer(x, nf(0), GAIN), act='lrelu')
        with tf.variable_scope('Dense1'):
            x = bias_act_layer(layers.dense_layer(x, 1, GAIN))
    return tf.identity(x, name='scores_out')


def _upscale(x, fmaps):
    return layers_stylegan.upscale_conv2d_layer(x, fmaps, fused_scale=False)
