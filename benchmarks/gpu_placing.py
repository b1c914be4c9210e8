"""Where TensorFlow's placer puts the operations of a session call on a machine with a GPU, and what is then copied.

Rules of the placer that count here: an operation goes to the GPU if it has a kernel there for its types, unless it
names the CPU; one that shares a reference variable or a resource with others goes where all of them can; a constant
goes where all that read it are. A kernel of the GPU may still want some of its arguments in host memory, and computes
int32 there altogether; a tensor that is not where it is read is copied, which at least waits for the GPU.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf

from benchmarks.measure import reachable

BATCH, SIDE = 4, 32  # stand for unknown sizes: images of a minibatch; rows and columns of what is augmented
FREE = ('Placeholder', 'PlaceholderWithDefault')  # fed: comes from the host in any case


class Copy(NamedTuple):
    """A tensor that is copied between host and GPU."""
    tensor: tf.Tensor
    to_gpu: bool
    reader: tf.Operation  # the first one that reads it there


def num_elements(tensor):
    """Elements of a tensor, with assumptions about unknown sizes; 0 if not even the number of axes is known."""
    count = 1
    for axis, size in enumerate([0] if tensor.shape.ndims is None else tensor.shape.as_list()):
        count *= size if size is not None else SIDE if axis else BATCH
    return count


def argument_names(op, arguments, count):
    """Name of the argument that each input or output of an operation belongs to; `arguments`: of its definition."""
    names = []
    for argument in arguments:
        if argument.number_attr:
            names += [argument.name] * op.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            names += [argument.name] * len(op.get_attr(argument.type_list_attr))
        else:
            names.append(argument.name)
    assert len(names) == count, op
    return names


class Placement:
    """The placement of a session call.

    Args:
        fetches: Its operations and tensors.
        kernels: gpu_kernels.Kernels.
    Attributes:
        ops: List of the operations.
        on_gpu: Set of those that are on the GPU.
        without: Those that have no GPU kernel for their types; the rest of the host's are there because of these, or
            because they name the CPU.
    """

    def __init__(self, fetches, kernels):
        self.ops, self._kernels = reachable(fetches), kernels
        self._host = {op: kernels.host_arguments(op) for op in self.ops}
        self.without = [op for op in self.ops if self._host[op] is None]
        self._constant = set()
        for op in self.ops:
            if self._is_constant(op):
                self._constant.add(op)
        self.on_gpu = self._place()

    def _is_constant(self, op):
        """Does TensorFlow compute it once, before the graph runs?"""
        if op.type in ('Shape', 'Size', 'Rank') and op.inputs[0].shape.is_fully_defined():
            return True
        return not op.op_def.is_stateful and not op.control_inputs and op.type not in FREE and (
            bool(op.inputs) or op.type == 'Const') and all(tensor.op in self._constant for tensor in op.inputs)

    def _place(self):
        leaders = {op: op for op in self.ops}

        def leader(op):
            while leaders[op] is not op:
                leaders[op] = leaders[leaders[op]]
                op = leaders[op]
            return op
        for op in self.ops:
            for tensor in op.inputs:
                if tensor.dtype == tf.resource or tensor.dtype._is_ref_dtype and self._takes_reference(op, tensor):
                    leaders[leader(op)] = leader(tensor.op)
            for name in op.colocation_groups():
                other = op.graph.get_operation_by_name(name.decode()[len('loc:@'):])
                if other in leaders:
                    leaders[leader(op)] = leader(other)
        bound = {leader(op) for op in self.ops if self._host[op] is None or 'CPU' in op.device.upper()}
        on_gpu = {op for op in self.ops if leader(op) not in bound}
        for op in reversed(self.ops):  # sources go where all that read them are
            if len(op.outputs) == 1 and not op.inputs and not op.outputs[0].dtype._is_ref_dtype:
                readers = [reader for reader in op.outputs[0].consumers() if reader in leaders]
                if readers and not any(reader in on_gpu for reader in readers):
                    on_gpu.discard(op)
        return on_gpu

    @staticmethod
    def _takes_reference(op, tensor):
        return any(argument.is_ref for argument, given in zip(op.op_def.input_arg, op.inputs) if given is tensor)

    def _on_host(self, op, arguments, count):
        """For each input or output of an operation: is it in host memory?"""
        if op not in self.on_gpu:
            return [True] * count
        host = self._host[op]
        return [name in host for name in argument_names(op, arguments, count)] if host else [False] * count

    def copies(self):
        """List of Copy: each tensor once in each direction; constants only where each session call copies them."""
        known = set(self.ops)
        outputs = {op: self._on_host(op, op.op_def.output_arg, len(op.outputs)) for op in self.ops}
        found = {}
        for op in self.ops:
            if op in self._constant:
                continue
            for tensor, wanted in zip(op.inputs, self._on_host(op, op.op_def.input_arg, len(op.inputs))):
                source = tensor.op
                if source not in known or source.type in FREE or tensor.dtype == tf.resource:
                    continue
                given = outputs[source][tensor.value_index]
                if source in self._constant:  # a copy is made beforehand, in the memory of the device that reads it
                    given = wanted or self._kernels.constant_is_on_host(tensor.dtype.base_dtype.name)
                if given != wanted:
                    found.setdefault((tensor, wanted), Copy(tensor, not wanted, op))
        return list(found.values())
