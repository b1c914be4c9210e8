"""Networks of matrix products only: those of WGAN (Arjovsky et al. 2017, section 4) and of conditional GAN."""

import numpy as np
import tensorflow.compat.v1 as tf

from training import image_size
from training.blocks import conditions, plain

SETTING = plain.Setting(init='uniform', bias=True)  # PyTorch's, as WGAN's program
HIDDEN = (512, 512, 512)  # as published


def G_mlp(
        latents_in,                 # Z [N, latent_size].
        labels_in,                  # Labels [N, label_size], which are joined to Z.
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        latent_size=100,            # Dimensions of Z; as published.
        hidden=HIDDEN,              # Outputs of all layers but the last.
        latents='normal',           # What commands draw Z from, see dnnlib.latents.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Generator: images [N, C, H, W], around [-1, 1]; as published, nothing keeps them in there."""
    del latents, is_template_graph, components
    latents_in.set_shape([None, latent_size])
    labels_in.set_shape([None, label_size])
    shape = [num_channels] + image_size.parse(resolution).shape
    x = stack(tf.concat([latents_in, labels_in], axis=1), hidden, SETTING)
    with tf.variable_scope('Output'):
        x = plain.dense_layer(x, int(np.prod(shape)), SETTING)
    return tf.reshape(x, [-1] + shape, name='images_out')


def D_mlp(
        images_in,                  # Images [N, C, H, W].
        labels_in,                  # Labels [N, label_size].
        num_channels=3,             # Channels of the images.
        resolution=64,              # Side of the images, or (height, width): see image_size.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        hidden=HIDDEN,              # Outputs of all layers but the last.
        condition='concat',         # How labels enter: see conditions.last_layer; 'concat' = joined to the pixels.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network; there are no subnetworks.
    """Discriminator: see conditions.last_layer."""
    del is_template_graph, components
    shape = [num_channels] + image_size.parse(resolution).shape
    images_in.set_shape([None] + shape)
    labels_in.set_shape([None, label_size])
    x = tf.reshape(images_in, [-1, int(np.prod(shape))])
    x = stack(tf.concat([x, labels_in], axis=1) if condition == 'concat' else x, hidden, SETTING)

    def linear(outputs):
        with tf.variable_scope('Output'):
            return plain.dense_layer(x, outputs, SETTING)
    return conditions.last_layer(linear, lambda: x, labels_in, condition)


def stack(x, hidden, setting, acts=(tf.nn.relu,)):
    """Dense layers, each with an activation: [N, hidden[-1]].

    Args:
        x: [N, C].
        hidden: Outputs of the layers.
        setting: plain.Setting.
        acts: Activations, functions; the last one is that of all further layers.
    """
    for i, units in enumerate(hidden):
        with tf.variable_scope(f'Dense{i}'):
            x = acts[min(i, len(acts) - 1)](plain.dense_layer(x, units, setting))
    return x
