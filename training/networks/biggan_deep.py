"""BigGAN-deep: blocks with narrow insides, all of Z in every block (Brock et al. 2019, appendix B, figure 16)."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from training.blocks import conditional, plain, spectral
from training.blocks.resample import mean_down, nearest_up
from training.networks import biggan

DEPTH = 2  # blocks of each size; as published, and no other number has channels that fit
NARROW = 4  # how much narrower a block is inside
D_WIDTHS = {  # pixels -> multiples of fmaps: of the first layer, and of each size
    128: (1, (2, 4, 8, 16, 16)), 64: (1, (2, 4, 8, 16)), 32: (4, (4, 4, 4))}


def G_biggan_deep(
        latents_in,                 # Latents Z [N, latent_size].
        labels_in,                  # Labels [N, label_size]: one-hot, or shares of classes.
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images.
        label_size=0,               # Number of classes, 0 = one that all images belong to.
        latent_size=128,            # Dimensions of Z; as published.
        fmaps=128,                  # Feature maps of the last block; as published.
        shared_size=128,            # Numbers that stand for a class; 0 = latent_size. As published.
        attention=(64,),            # Sizes after whose last block there is attention; as published.
        norm='batch',               # Batch norm: 'batch', or 'standing' = that can hold sums over minibatches.
        init='orthogonal',          # Initial weights: see conditional.INITIALS.
        iterations=1,               # Steps of the power iteration in one evaluation, in training.
        sn_epsilon=1e-6,            # Smallest length of a singular vector; as published.
        bn_epsilon=1e-5,            # Added to variances; as published.
        latents='normal',           # How Z is drawn in training: see dnnlib.latents; nothing in here depends on it.
        is_training=False,          # Use the statistics of the minibatch, and store them and the singular vectors?
        sums=False,                 # With norm='standing', in training: add statistics up?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Images [N, num_channels, resolution, resolution] in [-1, 1]."""
    first, widths = biggan.widths_of(biggan.G_WIDTHS, resolution)
    setting = biggan.make_setting(norm, init, spectral.Saved(is_training, iterations, sn_epsilon), bn_epsilon, sums)
    latents_in.set_shape([None, latent_size])
    shared = biggan.shared_of(biggan.classes_of(labels_in, label_size), shared_size or 0, latents_in, init)
    condition = tf.concat([shared, latents_in], axis=1)
    with tf.variable_scope('Linear'):
        x = plain.dense_layer(condition, 16 * first * fmaps, setting.layer())
    x = layout.from_nchw(tf.reshape(x, [-1, first * fmaps, 4, 4]))
    for i, width in enumerate(widths):
        for depth in range(DEPTH):
            is_last = depth == DEPTH - 1
            with tf.variable_scope(f'Block{DEPTH * i + depth}'):
                x = _g_block(x, condition, (width if is_last else ((first,) + widths)[i]) * fmaps, setting, is_last)
        if 8 << i in attention:
            with tf.variable_scope(f'Attention{DEPTH * i + DEPTH - 1}'):
                x = conditional.attention_layer(x, setting)
    return tf.identity(biggan.to_images(x, num_channels, setting, norm), name='images_out')


def _g_block(x, condition, fmaps, setting, doubles):
    """A block; the shortcut keeps the first feature maps."""
    narrow, y = x.shape.as_list()[layout.channel_axis()] // NARROW, x
    for i, (channels, kernel) in enumerate(((narrow, 1), (narrow, 3), (narrow, 3), (fmaps, 1))):
        with tf.variable_scope(f'Norm{i}'):
            y = tf.nn.relu(conditional.class_norm_layer(y, condition, setting, True))
        y = nearest_up(y) if i == 1 and doubles else y
        with tf.variable_scope(f'Conv{i}'):
            y = plain.conv_layer(y, channels, kernel, setting.layer(), pad=kernel // 2)
    x = x[:, :fmaps] if layout.channel_axis() == 1 else x[..., :fmaps]
    return y + (nearest_up(x) if doubles else x)


def D_biggan_deep(
        images_in,                  # Images [N, num_channels, resolution, resolution].
        labels_in,                  # Labels [N, label_size]: one-hot, or shares of classes.
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images.
        label_size=0,               # Number of classes, 0 = one that all images belong to.
        fmaps=128,                  # Feature maps of the first layer; as published.
        attention=(64,),            # Sizes after whose last block there is attention; as published.
        init='orthogonal',          # Initial weights: see conditional.INITIALS.
        iterations=1,               # Steps of the power iteration in one evaluation, in training.
        sn_epsilon=1e-6,            # Smallest length of a singular vector; as published.
        is_training=False,          # Store the singular vectors?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores [N, 1]."""
    first, widths = biggan.widths_of(D_WIDTHS, resolution)
    images_in.set_shape([None, num_channels, resolution, resolution])
    setting = biggan.make_setting('batch', init, spectral.Saved(is_training, iterations, sn_epsilon))
    with tf.variable_scope('Input'):
        x = plain.conv_layer(layout.from_nchw(images_in), first * fmaps, 3, setting.layer(), pad=1)
    for i, width in enumerate(widths):
        halves = resolution != 32 or i < 2
        for depth in range(DEPTH):
            with tf.variable_scope(f'Block{DEPTH * i + depth}'):
                x = _d_block(x, width * fmaps, setting, halves and depth == 0)
        size = 16 if resolution == 32 else x.shape.as_list()[layout.spatial_axes()[0]]  # at 32 pixels as published
        if size in attention:
            with tf.variable_scope(f'Attention{DEPTH * i + DEPTH - 1}'):
                x = conditional.attention_layer(x, setting)
    return tf.identity(biggan.to_scores(x, labels_in, label_size, setting), name='scores_out')


def _d_block(x, fmaps, setting, halves):
    """A block; the shortcut has further feature maps beside its own."""
    channels, y = x.shape.as_list()[layout.channel_axis()], x
    for i, (width, kernel) in enumerate(((fmaps // NARROW, 1), (fmaps // NARROW, 3), (fmaps // NARROW, 3), (fmaps, 1))):
        y = tf.nn.relu(y)
        y = mean_down(y) if i == 3 and halves else y
        with tf.variable_scope(f'Conv{i}'):
            y = plain.conv_layer(y, width, kernel, setting.layer(), pad=kernel // 2)
    x = mean_down(x) if halves else x
    if channels != fmaps:
        with tf.variable_scope('Skip'):
            more = plain.conv_layer(x, fmaps - channels, 1, setting.layer())
        x = tf.concat([x, more], axis=layout.channel_axis())
    return y + x
