"""Discriminators that judge patches (Isola et al. 2017, section 3.2.2), single pixels, and several scales."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from training.blocks import antialias as resampling
from training.blocks import plain
from training.blocks.norm import norm_layer


def D_patchgan(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images; with a condition: of both.
        resolution=256,             # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the first layer, doubled up to eightfold; as published.
        num_layers=3,               # Layers that halve the size: patches of 70x70 pixels; as published.
        norm='instance',            # Normalization: 'instance', 'batch', 'none'.
        antialias=False,            # Blur before halving, as CUT does?
        init='normal',              # Initial weights: see plain.initializers.
        init_gain=0.02,             # Their gain; as published.
        is_training=False,          # Training: batch norm stores what it sees.
        evaluate=False,             # Statistics that training stored; False = those of the minibatch.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores of patches: [N, 1, h, w], h = H / 8 - 2 with three layers."""
    images_in.set_shape([None, num_channels] + plain.sides(resolution))
    setting = plain.make_setting(norm, init, init_gain, is_training, evaluate)
    x = layout.from_nchw(images_in)
    for i in range(num_layers + 1):
        halves = i < num_layers
        with tf.variable_scope(f'Conv{i}'):
            x = plain.conv_layer(x, fmaps * min(2 ** i, 8), 4, setting, stride=2 if halves and not antialias else 1,
                                 pad=1, use_bias=None if i else True)
            x = plain.lrelu(norm_layer(x, setting) if i else x)
            x = resampling.blur_down(x) if halves and antialias else x
    with tf.variable_scope('Output'):
        x = plain.conv_layer(x, 1, 4, setting, pad=1, use_bias=True)
    return tf.identity(layout.to_nchw(x), name='scores_out')


def D_pixel(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images; with a condition: of both.
        resolution=256,             # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the first layer, doubled in the second; as published.
        norm='instance',            # Normalization: 'instance', 'batch', 'none'.
        init='normal',              # Initial weights: see plain.initializers.
        init_gain=0.02,             # Their gain; as published.
        is_training=False,          # Training: batch norm stores what it sees.
        evaluate=False,             # Statistics that training stored; False = those of the minibatch.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores of pixels: [N, 1, H, W]."""
    images_in.set_shape([None, num_channels] + plain.sides(resolution))
    setting = plain.make_setting(norm, init, init_gain, is_training, evaluate)
    x = layout.from_nchw(images_in)
    with tf.variable_scope('Conv0'):
        x = plain.lrelu(plain.conv_layer(x, fmaps, 1, setting, use_bias=True))
    with tf.variable_scope('Conv1'):
        x = plain.lrelu(norm_layer(plain.conv_layer(x, 2 * fmaps, 1, setting), setting))
    with tf.variable_scope('Output'):
        x = plain.conv_layer(x, 1, 1, setting)
    return tf.identity(layout.to_nchw(x), name='scores_out')


def D_multiscale(
        images_in,                  # Images with what they are made from, [N, num_channels, H, W].
        num_channels=3,             # Channels of both.
        resolution=(512, 1024),     # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the first layer, doubled up to 512; as published.
        num_layers=3,               # Layers that halve the size; as published.
        num_scales=2,               # Discriminators: each sees the images at half the size of the one before.
        norm='instance',            # Normalization: 'instance', 'batch', 'none'.
        init='normal_weights',      # Initial weights: see plain.initializers; as published.
        init_gain=0.02,             # Their gain; as published.
        return_features=False,      # Return the results of all layers, for feature matching?
        is_training=False,          # Training: batch norm stores what it sees.
        evaluate=False,             # Statistics that training stored; False = those of the minibatch.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """pix2pixHD's discriminators (Wang et al. 2018, section 3.2): scores [N, 1, h, w] of each scale, the largest first.

    With `return_features` the results of all num_layers + 2 layers of each scale, in the layout of the graph.
    """
    images_in.set_shape([None, num_channels] + plain.sides(resolution))
    setting = plain.make_setting(norm, init, init_gain, is_training, evaluate, bias=True)
    image, found = layout.from_nchw(images_in), []
    for scale in range(num_scales):
        image = resampling.average_pool(image) if scale else image
        x, features = image, []
        for i in range(num_layers + 1):
            with tf.variable_scope(f'Scale{scale}/Conv{i}'):
                x = plain.conv_layer(x, min(fmaps << i, 512), 4, setting, stride=2 if i < num_layers else 1, pad=2)
                x = plain.lrelu(norm_layer(x, setting) if i else x)
            features.append(x)
        with tf.variable_scope(f'Scale{scale}/Output'):
            features.append(plain.conv_layer(x, 1, 4, setting, pad=2))
        scores = tf.identity(layout.to_nchw(features[-1]), name=f'scores{scale}_out')
        found += features if return_features else [scores]
    return tuple(found)
