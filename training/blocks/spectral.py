"""Spectral normalization (Miyato et al. 2018): weights of layers that can't grow any input."""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives, random
from training.blocks.layers import EPSILON


def normalize(weight, is_training):
    """Divides a weight by its largest singular value (Miyato et al. 2018, algorithm 1).

    The singular vector is a variable, `weight_sn` [1, O]. Every evaluation makes one step of the power iteration from
    it and stores the result, in training. Several workers, whose weights are the same, make the same step. Gradients
    flow through the singular value, as published.

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


def normalize_torch(weight, is_training):
    """Divides a weight by its largest singular value as PyTorch does: the vectors have no gradient.

    Training makes one step of the power iteration, v before u, and stores both, `weight_u` [O] and `weight_v`
    [fan-in]; otherwise the stored ones are used as they are.

    Args:
        weight: [..., O], the other axes are one: [fan-in, O].
        is_training: Make that step?
    Returns: Tensor like the weight.
    """
    fmaps = weight.shape.as_list()[-1]
    matrix = tf.reshape(weight, [-1, fmaps])
    u, v = variables = [tf.get_variable(name, shape=[size], trainable=False, use_resource=True,
                                        initializer=_random_unit_vector)
                        for name, size in (('weight_u', fmaps), ('weight_v', matrix.shape.as_list()[0]))]
    notes = random.notes()
    with tf.control_dependencies(notes.get(u.name, [])):
        u, v = u.read_value(), v.read_value()
    updates = []
    if is_training:
        fixed = tf.stop_gradient(matrix)
        v = _unit(tf.linalg.matvec(fixed, u))
        u = _unit(tf.linalg.matvec(fixed, v, transpose_a=True))
        updates = [tf.assign(variable, value) for variable, value in zip(variables, (u, v))]
    notes[variables[0].name] = updates or notes.get(variables[0].name, [])
    with tf.control_dependencies(updates):
        return weight / tf.tensordot(tf.linalg.matvec(matrix, v, transpose_a=True), u, 1)


class Saved(NamedTuple):
    """How `normalize_saved` finds the largest singular value."""
    is_training: bool = False    # store the vector?
    iterations: int = 1          # steps of the power iteration in training; evaluation makes one
    epsilon: float = 1e-12       # smallest length that a vector is divided by
    through: bool = False        # have the steps gradients, too? Not in BigGAN
    transposed: bool = False     # is the weight a table, one row for each class, whose rows are what comes out?


def normalize_saved(weight, saved):
    """Divides a weight by its largest singular value as BigGAN does (Miyato et al. 2018, algorithm 1).

    The singular vector is a variable, `u0` [1, O]; `sv0` [1] remembers the value. Every evaluation makes a step of the
    power iteration from the vector, and training stores the result. Of several workers each makes the steps that the
    rounds of one worker would have made before, and all store the vector after the last of them.

    Args:
        weight: [..., O], the other axes are one: [fan-in, O]; transposed [O, fan-in].
        saved: Saved.
    Returns: Tensor like the weight.
    """
    matrix = tf.transpose(weight) if saved.transposed else tf.reshape(weight, [-1, weight.shape.as_list()[-1]])
    variable = tf.get_variable('u0', shape=[1, matrix.shape.as_list()[1]], trainable=False, use_resource=True,
                               initializer=tf.initializers.random_normal())
    value = tf.get_variable('sv0', shape=[1], initializer=tf.initializers.ones(), trainable=False, use_resource=True)
    notes = random.notes()
    with tf.control_dependencies(notes.get(variable.name, [])):
        u = variable.read_value()
    fixed, found = matrix if saved.through else tf.stop_gradient(matrix), []
    for _ in range(saved.iterations * collectives.num_workers() if saved.is_training else 1):
        v = _of_unit_length(tf.matmul(u, fixed, transpose_b=True), saved.epsilon)
        u = _of_unit_length(tf.matmul(v, fixed), saved.epsilon)
        found.append((u, v))
    own = saved.iterations * (collectives.worker() + 1) - 1 if saved.is_training else 0
    scales = {i: tf.reduce_sum(tf.matmul(found[i][1], matrix) * found[i][0]) for i in {own, len(found) - 1}}
    updates = []
    if saved.is_training:
        updates = [tf.assign(variable, u), tf.assign(value, tf.reshape(scales[len(found) - 1], [1]))]
        notes[variable.name] = updates
    with tf.control_dependencies(updates):
        return weight / scales[own]


def _of_unit_length(x, epsilon):
    return x * tf.rsqrt(tf.maximum(tf.reduce_sum(tf.square(x)), epsilon ** 2))


def _unit(x):
    return x / tf.maximum(tf.norm(x), 1e-12)  # PyTorch's epsilon


def _random_unit_vector(shape, dtype=None, partition_info=None):
    return _unit(tf.random_normal(shape, dtype=dtype or tf.float32))
