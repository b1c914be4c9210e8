"""Graphs that are used for a while and can be freed afterward.

`tf.custom_gradient` registers a function for each of its uses, for good, and that function holds the graph.
"""

import contextlib

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import ops


def custom_gradients():
    """Names in TensorFlow's registry of gradients that belong to single uses of `tf.custom_gradient`: set of str."""
    return {name for name in _registry() if name.startswith('CustomGradient-')}


def forget_custom_gradients(kept=()):
    """Removes these names but for those in `kept`; no gradient through a use of theirs can be built any more."""
    for name in custom_gradients() - set(kept):
        del _registry()[name]


@contextlib.contextmanager
def temporary_graph():
    """Context manager: a new default graph, of which nothing is left in TensorFlow's registry at the end."""
    kept = custom_gradients()
    try:
        with tf.Graph().as_default() as graph:
            yield graph
    finally:
        forget_custom_gradients(kept)


def _registry():
    return getattr(getattr(ops, '_gradient_registry', None), '_registry', {})  # not public: may go
