"""How labels enter plain networks: joined to Z, as scales of a normalization, as a channel, or in D's last layer."""

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from training.blocks import plain

OF_G = ('concat', 'norm')
OF_D = ('dot', 'projection', 'classifier', 'concat')


def check(condition, known):
    """Raises UserError for an unknown `condition`; `known`: OF_G or OF_D."""
    if condition not in known:
        raise UserError(f'condition must be one of {", ".join(known)}, not {condition!r}')


def latents_of(latents_in, labels_in, condition):
    """(what the first layer of a generator is given [N, C], what its normalizations depend on [N, L] or None).

    Args:
        latents_in, labels_in: Z [N, latent_size]; labels [N, label_size].
        condition: 'concat' = labels are joined to Z (Mirza and Osindero 2014, section 3.2); 'norm' = each has scales
            and means of its own in every normalization of the blocks (Dumoulin et al. 2017).
    """
    check(condition, OF_G)
    if condition == 'norm' and labels_in.shape.as_list()[1]:
        return latents_in, labels_in
    return tf.concat([latents_in, labels_in], axis=1), None


def map_layer(images, labels, setting):
    """Images [N, C, H, W] with a further channel: ReLU of H W numbers of the labels (Denton et al. 2015, section 4.1).

    Args:
        images: The images; labels: [N, label_size].
        setting: plain.Setting of the layer, whose variables are in `Map`.
    """
    height, width = images.shape.as_list()[2:]
    with tf.variable_scope('Map'):
        found = tf.nn.relu(plain.dense_layer(labels, height * width, setting))
    return tf.concat([images, tf.reshape(found, [-1, 1, height, width])], axis=1)


def last_layer(linear, features, labels, condition):
    """What a discriminator returns: scores [N, 1], with 'classifier' also the logits of the labels [N, L].

    Args:
        linear: Function of a number that returns so many linear outputs [N, number].
        features: Function without arguments: features summed over the image, [N, C].
        labels: [N, label_size].
        condition: 'dot' = a score for each column (Mescheder et al. 2018, section 5); 'projection' = a score, plus the
            product of the features and an embedding of the label (Miyato and Koyama 2018, equation 3); 'classifier' = a
            score, and logits of the labels (Odena et al. 2017); 'concat' = labels are part of what D is given.
    """
    check(condition, OF_D)
    size = labels.shape.as_list()[1]
    if condition == 'classifier' and size:
        x = linear(1 + size)
        return tf.identity(x[:, :1], name='scores_out'), tf.identity(x[:, 1:], name='labels_out')
    x = linear(size if condition == 'dot' and size else 1)
    if condition == 'dot' and size:
        x = tf.reduce_sum(x * labels, axis=1, keepdims=True)
    if condition == 'projection' and size:
        found = features()
        with tf.variable_scope('Embed'):
            w = tf.get_variable('weight', [size, found.shape.as_list()[1]],
                                initializer=tf.initializers.random_normal(0, 0.02))
        x += tf.reduce_sum(tf.matmul(labels, w) * found, axis=1, keepdims=True)
    return tf.identity(x, name='scores_out')
