"""BigBiGAN's encoder and discriminator (Donahue and Simonyan 2019); its generator is BigGAN's with one class.

No training program is published. What the paper says about these networks is followed as far as a notebook that uses
the trained ones confirms it: inputs and outputs, the three scores, twice the image size for the encoder. Their insides
are those of BigGAN's discriminator, and smaller than the paper's: its encoder is a ResNet-50, its dense layers are 2048
wide.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from training.blocks import conditional, plain, spectral
from training.blocks.resample import mean_down
from training.networks import biggan

BLOCKS = 3  # of dense layers, each time


def D_bigbigan(
        images_in,                  # Images [N, num_channels, resolution, resolution].
        latents_in,                 # Latents Z [N, latent_size] that belong to them.
        num_channels=3,             # Channels of the images.
        resolution=128,             # Side of the images.
        latent_size=120,            # Dimensions of Z.
        fmaps=96,                   # Feature maps of the first block.
        units=512,                  # Width of the dense layers; the paper has 2048.
        attention=(64,),            # Sizes after whose block there is attention.
        init='orthogonal',          # Initial weights: see conditional.INITIALS.
        iterations=1,               # Steps of the power iteration in one evaluation, in training.
        sn_epsilon=1e-6,            # Smallest length of a singular vector.
        is_training=False,          # Store the singular vectors?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores [N, 3]: of image and latents together, of the image, of the latents."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    latents_in.set_shape([None, latent_size])
    setting = biggan.make_setting('batch', init, spectral.Saved(is_training, iterations, sn_epsilon))
    h = biggan.features_of(biggan.trunk(images_in, fmaps, setting, attention=attention))
    z = _residual_dense('Latents', latents_in, units, setting)
    both = _residual_dense('Both', tf.concat([h, z], axis=1), units, setting)
    scores = []
    for name, features in (('ScoreBoth', both), ('ScoreImage', h), ('ScoreLatents', z)):
        with tf.variable_scope(name):
            scores.append(plain.dense_layer(features, 1, setting.layer()))
    return tf.concat(scores, axis=1, name='scores_out')


def _residual_dense(name, x, units, setting):
    """A dense layer and residual blocks of two: [N, units]."""
    with tf.variable_scope(name + '/Input'):
        x = plain.dense_layer(x, units, setting.layer())
    for i in range(BLOCKS):
        y = x
        for k in range(2):
            with tf.variable_scope(f'{name}/Block{i}/Dense{k}'):
                y = plain.dense_layer(tf.nn.relu(y), units, setting.layer())
        x += y
    return tf.nn.relu(x)


def E_bigbigan(
        images_in,                  # Images [N, num_channels, resolution, resolution].
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images: twice that of the generator's.
        latent_size=120,            # Dimensions of Z.
        fmaps=96,                   # Feature maps of the first block.
        init='orthogonal',          # Initial weights: see conditional.INITIALS.
        bn_epsilon=1e-5,            # Added to variances.
        is_training=False,          # Use the statistics of the minibatch, and store them?
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Means and standard deviations [N, latent_size] of the latents, and features [N, C] before them."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    setting = biggan.make_setting('batch', init, spectral.Saved(is_training), bn_epsilon)._replace(weights=None)
    widths, x = biggan.widths_of(biggan.D_WIDTHS, resolution), layout.from_nchw(images_in)
    with tf.variable_scope('Input'):
        x = plain.conv_layer(x, widths[0] * fmaps, 3, setting.layer(), pad=1)
    for i, width in enumerate(widths):
        with tf.variable_scope(f'Block{i}'):
            x = _e_block(x, width * fmaps, setting, x.shape.as_list()[layout.spatial_axes()[0]] > 4)
    with tf.variable_scope('Norm'):
        x = tf.nn.relu(conditional.norm_layer(x, setting))
    features = tf.reduce_mean(x, axis=layout.spatial_axes(), name='features_out')
    found = []
    for name in ('Mean', 'Deviation'):
        with tf.variable_scope(name):
            found.append(plain.dense_layer(features, latent_size, setting.layer()))
    return tf.identity(found[0], name='means_out'), tf.nn.softplus(found[1], name='deviations_out'), features


def _e_block(x, fmaps, setting, halves):
    """A residual block with batch norm."""
    y = x
    for k in range(2):
        with tf.variable_scope(f'Norm{k}'):
            y = tf.nn.relu(conditional.norm_layer(y, setting))
        with tf.variable_scope(f'Conv{k}'):
            y = plain.conv_layer(y, fmaps, 3, setting.layer(), pad=1)
    if x.shape.as_list()[layout.channel_axis()] != fmaps:
        with tf.variable_scope('Skip'):
            x = plain.conv_layer(x, fmaps, 1, setting.layer())
    return mean_down(x + y) if halves else x + y
