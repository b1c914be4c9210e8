"""Temporary graphs that can be freed after use.

`tf.custom_gradient` permanently registers a function for each use, and that function keeps the graph alive.
"""

import contextlib

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import ops


def custom_gradients():
    """Names in TensorFlow's registry of gradients that belong to single uses of `tf.custom_gradient`: set of str."""
    return {name for name in _registry() if name.startswith('CustomGradient-')}


def forget_custom_gradients(kept=()):
    """Removes these names except those in `kept`; gradients through their uses can no longer be built."""
    for name in custom_gradients() - set(kept):
        del _registry()[name]


def forget_graph(graph):
    """Removes the names that the operations of a graph use, so that nothing but its users keeps it in memory."""
    for op in graph.get_operations():
        if op.type == 'IdentityN':  # the only operation that `tf.custom_gradient` marks in graphs
            try:
                _registry().pop(op.get_attr('_gradient_op_type').decode(), None)
            except ValueError:  # another IdentityN
                pass


@contextlib.contextmanager
def temporary_graph():
    """Context manager: a new default graph that leaves nothing behind in TensorFlow's registry."""
    kept = custom_gradients()
    try:
        with tf.Graph().as_default() as graph:
            yield graph
    finally:
        forget_custom_gradients(kept)


def _registry():
    return getattr(getattr(ops, '_gradient_registry', None), '_registry', {})  # not public, so it may disappear
