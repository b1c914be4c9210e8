"""Memory of a training on a GPU, estimated from its graph; part of benchmarks/gpu_placement.py.

What stays: all variables (networks, moments, sums of gradients). What comes and goes: the tensors of one stage, each
from the operation that makes it to the last one that reads it, in the order of TensorFlow's executor: first ready,
first run. Views share the memory of what they show, and operations that TensorFlow lets write over an input that nobody
reads any more do so here. Not counted: what convolutions need besides (cuDNN chooses algorithms by what is free), gaps
between tensors, and the libraries' own 0.3 to 1 GB.
"""

import collections

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.measure import reachable

ALIGNMENT = 256  # of tensors on a GPU
VIEWS = {'Identity', 'Reshape', 'ExpandDims', 'Squeeze', 'StopGradient', 'PreventGradient', 'Switch', 'Merge',
         'Snapshot', 'ReadVariableOp', 'IdentityN', 'Enter', 'Exit', 'NextIteration', 'Bitcast', 'RefSwitch'}
OVERWRITING = {  # operations that may write over an input of the same size and type: the numbers of such inputs
    'FusedBiasAct': (0,), 'StyledBiasAct': (0,), 'StyledBiasActGrad': (0,), 'StyledBiasActGrad2': (4, 0),
    'BiasAdd': (0,), 'AddN': (0,), 'Select': (1, 2), 'SelectV2': (1, 2), 'ClipByValue': (0,)}
ELEMENTWISE = {'Add', 'AddV2', 'Sub', 'Mul', 'RealDiv', 'Maximum', 'Minimum', 'Neg', 'Square', 'Sqrt', 'Rsqrt', 'Exp',
               'Log', 'Relu', 'LeakyRelu', 'Tanh', 'Sigmoid', 'Softplus', 'ReluGrad', 'LeakyReluGrad', 'TanhGrad',
               'SigmoidGrad', 'RsqrtGrad', 'SqrtGrad', 'SoftplusGrad', 'Abs', 'Sign', 'Floor', 'SquaredDifference'}


def num_bytes(tensor, batch):
    """Memory of a tensor; an unknown first size is `batch`, other unknown sizes are 1."""
    if tensor.shape.ndims is None or tensor.dtype in (tf.resource, tf.string, tf.variant):
        return 0
    sizes = [size if size is not None else 1 if axis else batch for axis, size in enumerate(tensor.shape.as_list())]
    count = int(np.prod(sizes, dtype=np.int64)) * tensor.dtype.base_dtype.size
    return -(-count // ALIGNMENT) * ALIGNMENT


def variables(graph_variables):
    """Bytes of a list of variables."""
    return sum(int(np.prod(var.shape.as_list(), dtype=np.int64)) * var.dtype.size for var in graph_variables)


class _Buffer:
    """Memory that one tensor or several views take; `readers`: operations that have yet to read it."""

    def __init__(self, size):
        self.size, self.readers = size, 0


class Lifetimes:
    """Runs a session call in thought.

    Args:
        fetches: Its operations and tensors.
        batch: See `num_bytes`.
    Attributes:
        peak: Most bytes of tensors at any time.
        at_peak: {type of operation: bytes of what it made}, at that time.
        unknown: Number of tensors of unknown size.
    """

    def __init__(self, fetches, batch):
        self._batch, self.ops = batch, reachable(fetches)
        known = set(self.ops)
        self._readers = {op: [reader for tensor in op.outputs for reader in set(tensor.consumers()) if reader in known]
                         for op in self.ops}
        self.unknown = sum(tensor.shape.ndims is None or None in tensor.shape.as_list()
                           for op in self.ops for tensor in op.outputs)
        self._live, self.peak, self.at_peak, self._owner = 0, 0, {}, {}
        self._buffers = {}  # tensor -> _Buffer
        self._run(known)

    def _run(self, known):
        waiting, after = {}, collections.defaultdict(list)
        for op in self.ops:
            before = [b for b in list(op.control_inputs) + [tensor.op for tensor in op.inputs] if b in known]
            if op.type == 'Merge':  # of a loop: the way back in is open
                before = [b for b in before if b.type != 'NextIteration']
            waiting[op] = len(before)
            for b in before:
                after[b].append(op)
        ready = collections.deque(op for op in self.ops if waiting[op] == 0)
        held = collections.Counter()
        while ready:
            op = ready.popleft()
            self._allocate(op, held)
            if self._live > self.peak:
                self.peak = self._live
                self.at_peak = dict(held)
            for tensor in set(op.inputs):
                self._release(tensor, held)
            for tensor in op.outputs:
                buffer = self._buffers[tensor]
                if not buffer.readers:
                    self._free(buffer, held)
            for reader in after[op]:
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    ready.append(reader)

    def _allocate(self, op, held):
        for index, tensor in enumerate(op.outputs):
            readers = sum(reader in self._readers for reader in set(tensor.consumers()))
            buffer = self._shared(op, index, tensor)
            if buffer is None:
                size = 0 if tensor.dtype._is_ref_dtype or op.type == 'Const' else num_bytes(tensor, self._batch)
                buffer = _Buffer(size)
                self._live += size
                self._owner[buffer] = op.type
                held[op.type] += size
            buffer.readers += readers
            self._buffers[tensor] = buffer

    def _shared(self, op, index, tensor):
        """The buffer of an input that an output takes over; None = it needs one of its own."""
        if op.type in VIEWS and op.inputs:
            return self._buffers.get(op.inputs[min(index, len(op.inputs) - 1) if op.type == 'IdentityN' else 0])
        places = OVERWRITING.get(op.type, range(len(op.inputs)) if op.type in ELEMENTWISE else ())
        for place in places:
            buffer = self._buffers.get(op.inputs[place])
            if index == 0 and buffer is not None and buffer.readers == 1 and (
                    buffer.size == num_bytes(tensor, self._batch) and buffer.size
                    and op.inputs[place].dtype == tensor.dtype):
                return buffer
        return None

    def _release(self, tensor, held):
        buffer = self._buffers.get(tensor)
        if buffer is not None:
            buffer.readers -= 1
            if buffer.readers == 0:
                self._free(buffer, held)

    def _free(self, buffer, held):
        self._live -= buffer.size
        held[self._owner[buffer]] -= buffer.size
        buffer.size = 0


def measured_peak(session, op, feed):
    """Most bytes of tensors at any time while a session call runs on the CPU, as TensorFlow records them."""
    metadata = tf.RunMetadata()
    session.run(op, feed, options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
    records = [(record.alloc_micros, record.alloc_bytes) for device in metadata.step_stats.dev_stats
               for node in device.node_stats for memory in node.memory for record in memory.allocation_records]
    live = peak = 0
    for _, count in sorted(records):
        live += count
        peak = max(peak, live)
    return peak
