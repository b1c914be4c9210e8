"""Networks of one dense layer, whose trainings take a second; they can grow."""

import tensorflow.compat.v1 as tf


def lod_variable():
    """The level of detail that a network is told."""
    return tf.get_variable('lod', shape=[], initializer=tf.initializers.zeros(), trainable=False)


def generator(latents_in, labels_in, num_channels=3, resolution=16, label_size=0, is_training=False,
              is_validation=False, randomize_noise=True, is_template_graph=False, components=None):
    """A dense layer, shaped like an image, whose size depends on the level of detail."""
    latents_in.set_shape([None, 8])
    labels_in.set_shape([None, label_size])
    weight = tf.get_variable('weight', [8, num_channels * resolution ** 2], initializer=tf.initializers.random_normal())
    images = tf.reshape(tf.matmul(latents_in, weight), [-1, num_channels, resolution, resolution])
    return tf.identity(images / (1 + lod_variable()), name='images_out')


def discriminator(images_in, labels_in, num_channels=3, resolution=16, label_size=0, is_training=False,
                  is_template_graph=False, components=None):
    """A dense layer of the image."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    labels_in.set_shape([None, label_size])
    weight = tf.get_variable('weight', [num_channels * resolution ** 2, 1],
                             initializer=tf.initializers.random_normal())
    x = tf.reshape(images_in, [-1, num_channels * resolution ** 2])
    return tf.identity(tf.matmul(tf.tanh(x), weight) * (1 + lod_variable()), name='scores_out')
