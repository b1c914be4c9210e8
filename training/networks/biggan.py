"""BigGAN and SAGAN: residual networks whose batch norm and scores depend on the class (Brock et al. 2019, appendix B).

The deep ones are in `biggan_deep`, which shares what is below the build functions.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import conditional, norm, plain, spectral
from training.blocks.resample import mean_down, nearest_up

G_WIDTHS = {  # pixels -> multiples of fmaps: of what the first block is given, and of what each block returns
    512: (16, (16, 8, 8, 4, 2, 1, 1)), 256: (16, (16, 8, 8, 4, 2, 1)), 128: (16, (16, 8, 4, 2, 1)),
    64: (16, (16, 8, 4, 2)), 32: (4, (4, 4, 4))}
ACTIVATIONS = {'relu': tf.nn.relu, 'lrelu': lambda x: tf.nn.leaky_relu(x, 0.2)}
D_WIDTHS = {  # pixels -> multiples of fmaps of each block; all halve the size but the last, or the last two at 32
    256: (1, 2, 4, 8, 8, 16, 16), 128: (1, 2, 4, 8, 16, 16), 64: (1, 2, 4, 8, 16), 32: (4, 4, 4, 4)}


def G_biggan(
        latents_in,                 # Latents Z [N, true_latent_size].
        labels_in,                  # Labels [N, label_size]: one-hot, or shares of classes.
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images.
        label_size=0,               # Number of classes, 0 = one that all images belong to.
        latent_size=120,            # Dimensions of Z, rounded down to what all levels can share; as published.
        fmaps=96,                   # Feature maps of the last block; as published.
        shared_size=128,            # Numbers that stand for a class in all blocks; 0 = latent_size; None = each block
                                    # has its own scales of each class. As published.
        hierarchical=True,          # Give each block a part of Z? As published.
        attention=(64,),            # Sizes after whose block there is attention; as published.
        norm='batch',               # Batch norm: 'batch', 'standing' = that can hold sums over minibatches, or 'slow' =
                                    # with SAGAN's averages.
        init='orthogonal',          # Initial weights: see conditional.INITIALS.
        through=False,              # Have the power iterations of weights gradients, as in SAGAN?
        iterations=1,               # Steps of the power iteration in one evaluation, in training.
        sn_epsilon=1e-6,            # Smallest length of a singular vector; as published.
        bn_epsilon=1e-5,            # Added to variances; as published.
        nonlinearity='relu',        # Activation: 'relu', as published, or 'lrelu'.
        latents='normal',           # How Z is drawn in training: see dnnlib.latents; nothing in here depends on it.
        is_training=False,          # Use the statistics of the minibatch, and store them and the singular vectors?
        sums=False,                 # With norm='standing', in training: add statistics up?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Images [N, num_channels, resolution, resolution] in [-1, 1]."""
    first, widths = widths_of(G_WIDTHS, resolution)
    setting = make_setting(norm, init, spectral.Saved(is_training, iterations, sn_epsilon, through), bn_epsilon, sums)
    setting = setting._replace(act=activation(nonlinearity))
    classes = classes_of(labels_in, label_size)
    parts, conditions = split_latents(latents_in, true_latent_size(latent_size, len(widths), hierarchical),
                                      len(widths), hierarchical)
    shared = shared_of(classes, shared_size, latents_in, init)
    conditions = [shared if part is None else tf.concat([shared, part], axis=1) for part in conditions]
    with tf.variable_scope('Linear'):
        x = plain.dense_layer(parts, 16 * first * fmaps, setting.layer())
    x = layout.from_nchw(tf.reshape(x, [-1, first * fmaps, 4, 4]))
    for i, (width, condition) in enumerate(zip(widths, conditions)):
        with tf.variable_scope(f'Block{i}'):
            x = _g_block(x, condition, width * fmaps, setting, shared_size is not None)
        if 8 << i in attention:
            with tf.variable_scope(f'Attention{i}'):
                x = conditional.attention_layer(x, setting)
    return tf.identity(to_images(x, num_channels, setting, norm), name='images_out')


def _g_block(x, condition, fmaps, setting, is_embedded):
    """A block that doubles the size."""
    with tf.variable_scope('Norm0'):
        y = setting.act(conditional.class_norm_layer(x, condition, setting, is_embedded))
    with tf.variable_scope('Conv0'):
        y = plain.conv_layer(nearest_up(y), fmaps, 3, setting.layer(), pad=1)
    with tf.variable_scope('Norm1'):
        y = setting.act(conditional.class_norm_layer(y, condition, setting, is_embedded))
    with tf.variable_scope('Conv1'):
        y = plain.conv_layer(y, fmaps, 3, setting.layer(), pad=1)
    with tf.variable_scope('Skip'):
        return y + plain.conv_layer(nearest_up(x), fmaps, 1, setting.layer())


def D_biggan(
        images_in,                  # Images [N, num_channels, resolution, resolution].
        labels_in,                  # Labels [N, label_size]: one-hot, or shares of classes.
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images.
        label_size=0,               # Number of classes, 0 = one that all images belong to.
        fmaps=96,                   # Feature maps of the first block; as published.
        wide=True,                  # Have blocks their full width inside? As published.
        attention=(64,),            # Sizes after whose block there is attention; as published.
        init='orthogonal',          # Initial weights: see conditional.INITIALS.
        through=False,              # Have the power iterations of weights gradients, as in SAGAN?
        iterations=1,               # Steps of the power iteration in one evaluation, in training.
        sn_epsilon=1e-6,            # Smallest length of a singular vector; as published.
        nonlinearity='relu',        # Activation: 'relu', as published, or 'lrelu'.
        is_training=False,          # Store the singular vectors?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores [N, 1]."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    setting = make_setting('batch', init, spectral.Saved(is_training, iterations, sn_epsilon, through))
    setting = setting._replace(act=activation(nonlinearity))
    x = trunk(images_in, fmaps, setting, wide, attention)
    return tf.identity(to_scores(x, labels_in, label_size, setting), name='scores_out')


def trunk(images_in, fmaps, setting, wide=True, attention=()):
    """The last feature maps of a discriminator; its options as in D_biggan."""
    resolution = images_in.shape.as_list()[2]
    widths, x = widths_of(D_WIDTHS, resolution), layout.from_nchw(images_in)
    for i, width in enumerate(widths):
        halves = i < (2 if resolution == 32 else len(widths) - 1)
        with tf.variable_scope(f'Block{i}'):
            x = _d_block(x, width * fmaps, setting, dict(wide=wide, halves=halves, is_first=i == 0))
        size = 16 if resolution == 32 else x.shape.as_list()[layout.spatial_axes()[0]]  # at 32 pixels as published
        if size in attention:
            with tf.variable_scope(f'Attention{i}'):
                x = conditional.attention_layer(x, setting)
    return x


def _d_block(x, fmaps, setting, kind):
    """A block; `kind`: has it the full width inside, does it halve the size, is it the first?"""
    channels = x.shape.as_list()[layout.channel_axis()]
    with tf.variable_scope('Conv0'):
        y = x if kind['is_first'] else setting.act(x)
        y = plain.conv_layer(y, fmaps if kind['wide'] else channels, 3, setting.layer(), pad=1)
    with tf.variable_scope('Conv1'):
        y = plain.conv_layer(setting.act(y), fmaps, 3, setting.layer(), pad=1)
    y = mean_down(y) if kind['halves'] else y
    x = mean_down(x) if kind['halves'] and kind['is_first'] else x
    if channels != fmaps or kind['halves']:
        with tf.variable_scope('Skip'):
            x = plain.conv_layer(x, fmaps, 1, setting.layer())
    return y + (mean_down(x) if kind['halves'] and not kind['is_first'] else x)


def make_setting(norm_name, init, saved, bn_epsilon=norm.EPSILON, sums=False):
    """conditional.Setting of the options of a network; raises UserError for unknown names."""
    conditional.check(init, norm_name)
    statistics = norm.Statistics(saved.is_training, bn_epsilon, has_sums=norm_name == 'standing', sums=sums)
    if norm_name == 'slow':
        statistics = statistics._replace(momentum=0.001, is_biased=True)
    return conditional.Setting(init, saved, statistics)


def activation(name):
    """Function of an activation's name; raises UserError for an unknown one."""
    if name not in ACTIVATIONS:
        raise UserError(f'nonlinearity must be {" or ".join(ACTIVATIONS)}, not {name!r}')
    return ACTIVATIONS[name]


def widths_of(table, resolution):
    """Entry of a table for a resolution; raises UserError if it has none."""
    if resolution not in table:
        raise UserError(f'there are BigGAN networks for {", ".join(map(str, sorted(table)))} pixels, not {resolution}; '
                        'give another --resolution')
    return table[resolution]


def classes_of(labels_in, label_size):
    """Shares of the classes, [N, classes]; without labels all images are of the only class."""
    labels_in.set_shape([None, label_size])
    return labels_in if label_size else tf.ones([tf.shape(labels_in)[0], 1])


def true_latent_size(latent_size, num_blocks, hierarchical):
    """Dimensions of Z: as asked for; hierarchical: so many that the first layer and each block have the same number."""
    return latent_size // (num_blocks + 1) * (num_blocks + 1) if hierarchical else latent_size


def split_latents(latents_in, size, num_blocks, hierarchical):
    """(what the first layer is given, [the part of Z of each block, or None])."""
    latents_in.set_shape([None, size])
    if not hierarchical:
        return latents_in, [None] * num_blocks
    parts = tf.split(latents_in, num_blocks + 1, axis=1)
    return parts[0], parts[1:]


def shared_of(classes, shared_size, latents_in, init):
    """What stands for the classes in all blocks: their embedding, or the classes themselves."""
    if shared_size is None:
        return classes
    size = shared_size or latents_in.shape.as_list()[1]
    return tf.matmul(classes, conditional.table('Shared', classes.shape.as_list()[1], size, init))


def to_images(x, num_channels, setting, norm_name):
    """Images [N, C, H, W] of the last feature maps."""
    changes = dict(momentum=0.0001) if norm_name == 'slow' else {}
    with tf.variable_scope('Output/Norm'):
        x = setting.act(conditional.norm_layer(x, setting, epsilon=norm.EPSILON, **changes))
    with tf.variable_scope('Output'):
        return layout.to_nchw(tf.nn.tanh(plain.conv_layer(x, num_channels, 3, setting.layer(), pad=1)))


def features_of(x, act=tf.nn.relu):
    """Features [N, C] of the last feature maps."""
    return tf.reduce_sum(act(x), axis=layout.spatial_axes())


def to_scores(x, labels_in, label_size, setting):
    """Scores [N, 1] of the last feature maps, by projection (Miyato and Koyama 2018, equation 3)."""
    features = features_of(x, setting.act)
    with tf.variable_scope('Linear'):
        scores = plain.dense_layer(features, 1, setting.layer())
    classes, size = classes_of(labels_in, label_size), features.shape.as_list()[1]
    with tf.variable_scope('Embed'):
        weight = tf.get_variable('weight', [classes.shape.as_list()[1], size],
                                 initializer=conditional.initializers(setting.init, [max(label_size, 1), size])[0])
        weight = spectral.normalize_saved(weight, setting.weights._replace(transposed=True))
    return scores + tf.reduce_sum(tf.matmul(classes, weight) * features, axis=1, keepdims=True)
