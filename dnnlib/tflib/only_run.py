"""Networks whose values come from elsewhere: copies, and those of a file that are only run, with fewer operations."""

import concurrent.futures
import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil

_WAITING = 'tflib/only_run'  # collection of the graph: the values that wait, while `only_to_run` is entered
_FOLLOW = 'tflib/values_follow'  # the same: has an item while `values_follow` is entered
ALIGNMENT = 64  # bytes: of arrays that begin at a multiple of it, TensorFlow makes no copy of its own


@contextlib.contextmanager
def only_to_run():
    """While entered, `Network.from_state` makes networks that are only to be run.

    The template graph of a network ends where its sub-networks begin, so that their layers are not among its own, and
    variables begin with the values of the state alone: they cannot be reset. The variables have values when this is
    left without an error; all get them in one call of the session. A thread reads them from the file meanwhile.
    """
    waiting = tf.get_collection_ref(_WAITING)
    with concurrent.futures.ThreadPoolExecutor(1) as reader:
        waiting.append(_Waiting(reader))
        try:
            yield
        finally:
            found = waiting.pop()
        ops, feed = found.initializers()
    tfutil.run(ops, feed)
    tfutil.now_have_values(found.variables())


class _Waiting:
    """Variables of networks, and what they begin with.

    Args:
        reader: Executor that reads.
    """

    def __init__(self, reader):
        self._reader, self._networks = reader, []

    def read(self, values):
        """Begins to read values of a network, {local name: array}; returns the Future. Raises ValueError."""
        arrays = {name: np.asarray(value) for name, value in values.items()}
        for name, array in arrays.items():
            if array.dtype.kind not in 'biufc':
                raise ValueError(f'the values of variable {name} are no numbers')
        return self._reader.submit(lambda: {name: _aligned(array) for name, array in arrays.items()})

    def add(self, variables, values):
        """Adds a network's variables, {local name: variable}; `values` as of `read`."""
        self._networks.append((variables, values))

    def variables(self):
        """List of the variables of all networks."""
        return [variable for variables, _ in self._networks for variable in variables.values()]

    def initializers(self):
        """Waits for the values; returns the operations that give all variables theirs, and what is to be fed."""
        ops, feed = [], {}
        for variables, future in self._networks:
            values = future.result()
            for name, variable in variables.items():
                ops.append(variable.initializer)
                if name in values:
                    feed[ops[-1].inputs[1]] = np.asarray(values[name], variable.dtype.as_numpy_dtype)
        return ops, feed


def _aligned(array):
    """Copy of an array of numbers, in one piece, that begins at a multiple of ALIGNMENT bytes."""
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    begin = -memory.__array_interface__['data'][0] % ALIGNMENT
    copy = memory[begin:begin + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@contextlib.contextmanager
def values_follow():
    """While entered, networks and their sub-networks are made without values, since those of all follow."""
    tf.get_collection_ref(_FOLLOW).append(True)
    try:
        yield
    finally:
        tf.get_collection_ref(_FOLLOW).pop()


def do_values_follow():
    """Are networks made without values?"""
    return bool(tf.get_collection(_FOLLOW))


def is_on():
    """Are networks made only to be run?"""
    return bool(tf.get_collection(_WAITING))


@contextlib.contextmanager
def values_given(values):
    """While entered, variables of the dictionary `values`, by local name, wait for their values if `is_on`.

    Yields: What `give` takes.
    """
    if not is_on():
        yield values
        return
    begun = tf.get_collection_ref(_WAITING)[-1].read(values)

    def given(shape, dtype=None, partition_info=None):
        del partition_info
        return tf.placeholder(dtype, shape)

    def get_given(getter, name, *args, **kwargs):
        if name.partition('/')[2] in values:
            kwargs['initializer'] = given
        return getter(name, *args, **kwargs)

    with tf.variable_scope(tf.get_variable_scope(), custom_getter=get_given, auxiliary_name_scope=False):
        yield begun


def give(variables, values):
    """Gives a network's variables their values: at once, or at the end of `only_to_run`.

    Args:
        variables: {local name: variable}.
        values: What `values_given` gives, {local name: array}; the others begin with their initial values.
    """
    if is_on():
        tf.get_collection_ref(_WAITING)[-1].add(variables, values)
    else:
        tfutil.run_initializers([variable for name, variable in variables.items() if name not in values])
        tfutil.set_vars({variables[name]: value for name, value in values.items()})


def stand_ins(network, inputs, *_args, **_kwargs):
    """Tensors of the types and shapes of a network's outputs, which can't be computed, in place of its graph.

    Args:
        network: Network.
        inputs: Its inputs, list of tensors; they get the shapes that the network expects.
    """
    for tensor, template in zip(inputs, network.input_templates):
        tensor.set_shape(template.shape)
    return [tf.placeholder(template.dtype, template.shape) for template in network.output_templates]
