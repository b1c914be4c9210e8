"""Sums of gradients over rounds, for `tflib.Optimizer`."""

import numpy as np
import tensorflow.compat.v1 as tf


def within_one_op(gradients, multiplier):
    """Adds up gradients over `multiplier` executions of the training op.

    Returns: (sums including the current gradients, is this the last execution?, variables created, ops that must run).
    """
    with tf.control_dependencies(None):
        # int64, since GPUs have no variables of int32
        count = tf.Variable(np.int64(0), trainable=False, name='grad_acc_count')
        sums = [tf.Variable(tf.zeros(g.shape), trainable=False, name='grad_acc_var') for g in gradients]
    new_count = count + 1
    ready = tf.greater_equal(new_count, tf.cast(multiplier, tf.int64) if tf.is_tensor(multiplier) else multiplier)
    gradients = [old + new for old, new in zip(sums, gradients)]
    ops = [tf.assign(count, tf.where(ready, np.int64(0), new_count))]
    ops += [tf.assign(old, tf.where(ready, tf.zeros_like(new), new)) for old, new in zip(sums, gradients)]
    return gradients, ready, sums + [count], ops


def with_an_op_of_its_own(gradients):
    """Adds up gradients over the executions of another operation, up to one of the training op.

    Returns: (sums including the current gradients, the other operation, variables created, ops that must run).
    """
    with tf.control_dependencies(None):
        sums = [tf.Variable(tf.zeros(g.shape), trainable=False, name='grad_acc_var') for g in gradients]
    part = tf.group(*[tf.assign_add(old, new) for old, new in zip(sums, gradients)])
    gradients = [old + new for old, new in zip(sums, gradients)]
    with tf.control_dependencies(gradients):
        return gradients, part, sums, [tf.assign(old, tf.zeros(old.shape)) for old in sums]
