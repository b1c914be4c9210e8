"""Do the native operations compute what the reference means? Random cases, and comparisons to the second order.

The reference is computed in float64, so that only the native side rounds. A test draws its cases from a random.Random
with a fixed seed; the message names the case.
"""

import random

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib.ops import native, native_tools
from dnnlib.tflib.ops.bias_act_native import TYPES
from dnnlib.util import UserError

# Relative to the largest value of a tensor; three roundings of the 16-bit types, there relative to at least 1, since
# what is computed from a rounded output, such as the derivative of tanh, has an absolute error.
TOLERANCES = {'float32': 1e-5, 'float16': 3e-3, 'bfloat16': 2.4e-2}  # three roundings of the reference
LEAST_SCALE = {'float32': 0.01, 'float16': 1, 'bfloat16': 1}
DTYPES = [dtype.name for dtype in TYPES]


def require_native():
    """Skips the test where a compiler, for C++ or CUDA, is wanting; returns the module of the native operations."""
    try:
        module = native.load()
    except UserError as error:
        if native_tools.recipe().cxx is None:
            pytest.skip(str(error))
        raise
    reason = native.missing()  # the library is there, but not for this GPU
    if reason:
        pytest.skip(reason)
    return module


def random_cases(examples):
    """Decorator: calls the test `examples` times with a random.Random as `rng`, the same ones each time."""
    return pytest.mark.parametrize('rng', [random.Random(seed) for seed in range(examples)],
                                   ids=['seed%d' % seed for seed in range(examples)])


class Batch:
    """Several cases that are computed in one graph by one call: adding them to a graph, and comparing them."""

    def __init__(self):
        self.graph = tf.Graph()
        self.feed = {}
        self.cases = []  # (description, types, native tensors, reference tensors)

    def add(self, description, inputs, compute, known_batch=True):
        """Adds value, gradients and second gradients of a case.

        Args:
            description: Text for the message.
            inputs: List of (array, type name); the first may be fed with an unknown minibatch.
            compute: Function (tensors, impl) -> tensor.
            known_batch: Is the first axis of the inputs known when the graph is built?
        """
        with self.graph.as_default():
            tensors = []
            for array, dtype in inputs:
                shape = list(array.shape) if known_batch or array.ndim != 4 else [None] + list(array.shape[1:])
                tensors.append(tf.placeholder(dtype, shape))
                self.feed[tensors[-1]] = array.astype(tf.as_dtype(dtype).as_numpy_dtype)
            y = compute(tensors, 'native')
            assert None not in y.shape.as_list()[1:], description
            types = [inputs[0][1]] + [dtype for _, dtype in inputs]
            tensors64 = [tf.cast(t, tf.float64) for t in tensors]
            y64 = compute(tensors64, 'ref')
            assert y.shape.as_list() == y64.shape.as_list() or not known_batch, description
            assert y.shape.ndims == y64.shape.ndims and y.dtype == tensors[0].dtype, description
            sizes = [inputs[0][0].shape[:1] + tuple(y.shape.as_list()[1:])] + [array.shape for array, _ in inputs]
            cotangents = [tf.constant(_mostly_positive(size, i).astype(t.dtype.as_numpy_dtype))
                          for i, (size, t) in enumerate(zip(sizes, [y] + tensors))]
            actual = _derivatives(y, tensors, cotangents)
            expected = _derivatives(y64, tensors64, [tf.cast(t, tf.float64) for t in cotangents])
            for a, t in zip(actual[1:], tensors + [y] + tensors):
                assert a.shape.is_compatible_with(t.shape) and a.dtype == t.dtype, description
            self.cases.append((description, types + types, actual, expected))

    def check(self):
        """Computes all cases; raises AssertionError if a tensor differs by more than its type's rounding."""
        config = tf.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        with tf.Session(graph=self.graph, config=config) as session:
            values = session.run([(actual, expected) for _, _, actual, expected in self.cases], self.feed)
        for (description, types, _, _), (actual, expected) in zip(self.cases, values):
            for i, (a, e, dtype) in enumerate(zip(actual, expected, types)):
                assert_close(a, e, dtype, '%s, tensor %d' % (description, i))


def _mostly_positive(shape, seed):
    """An array whose sums are not much smaller than their terms."""
    return 0.75 + 0.5 * np.random.RandomState(seed).randn(*shape)


def _derivatives(y, inputs, cotangents):
    """[y, its gradients, second gradients with respect to dy and the inputs]; zeros where there is none."""
    dy, weights = cotangents[0], cotangents[1:]
    first = [dy] if y is inputs[0] else tf.gradients(y, inputs, dy)
    second = tf.gradients(first, [dy] + inputs, weights)
    return [y] + first + [tf.zeros_like(t) if d is None else d for d, t in zip(second, [dy] + inputs)]


def assert_close(actual, expected, dtype, message):
    """Compares arrays of one shape relative to the largest expected value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, message
    if expected.size:
        scale = max(np.abs(expected).max(), LEAST_SCALE[dtype])
        error = np.abs(actual - expected).max()
        assert error <= TOLERANCES[dtype] * scale, '%s: error %g at a scale of %g' % (message, error, scale)
