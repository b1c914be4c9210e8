"""Spectral normalization (Miyato et al. 2018): weights of layers that can't grow any input."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from training.blocks.layers import EPSILON


def normalize(weight, is_training):
    """Divides a weight by its largest singular value (Miyato et al. 2018, algorithm 1).

    The singular vector is a variable, `weight_sn` [1, O]. Every evaluation makes one step of the power iteration from
    it and stores the result, in training. Gradients flow through the singular value, as published.

    Args:
        weight: [..., O], the other axes are one: [fan-in, O].
        is_training: Store the vector?
    Returns: Tensor like the weight.
    """
    fmaps = weight.shape.as_list()[-1]
    matrix = tf.reshape(weight, [-1, fmaps])
    # A resource: what was read from it does not change when it is assigned, which the gradients rely on.
    variable = tf.get_variable('weight_sn', shape=[1, fmaps], initializer=tf.initializers.random_normal(),
                               trainable=False, use_resource=True)
    notes = random.notes()  # evaluations in one session call go one after another, so that a run can be repeated
    with tf.control_dependencies(notes.get(variable.name, [])):
        u = variable.read_value()
    v = tf.matmul(u, matrix, transpose_b=True)  # [1, fan-in]
    v *= _inverse_norm(v)
    u = tf.matmul(v, matrix)
    scale = _inverse_norm(u)
    updates = [tf.assign(variable, u * scale)] if is_training else []
    notes[variable.name] = updates
    with tf.control_dependencies(updates):
        return weight * scale


def _inverse_norm(x):
    return tf.rsqrt(tf.reduce_sum(tf.square(x)) + EPSILON)
