"""A graph with variables as one of plain operations: what is constant is computed, what does nothing is left out."""

import numpy as np
import tensorflow.compat.v1 as tf

_VARIABLES = ('VariableV2', 'Variable', 'VarHandleOp', 'ReadVariableOp')
_SUMS = ('Add', 'AddV2')
_ZERO_OF_ZERO = ('Mul', 'Reshape', 'Cast', 'Transpose')  # zero if one of their inputs is
_COPIES = ('Identity', 'IdentityN', 'StopGradient', 'PreventGradient')
_MAX_GROWTH, _SMALL = 2, 1024  # a constant is not computed if it is more than twice as large as what it is made of


def fold(output, zeros=()):
    """GraphDef of the operations that a tensor depends on, with the present values of the variables.

    Control dependencies, and attributes that only matter while a graph is built, are gone. Only placeholders, constants
    and operations that depend on placeholders or draw random numbers remain, in order, and the output's own operation.

    Args:
        output: Tensor of an Identity operation in the graph of the default session, without loops and conditions.
        zeros: Tensors that are zero; sums with them are left out.
    Returns: tf.GraphDef.
    """
    ops = _operations(output.op)
    sources = _sources(ops, output.op, zeros)
    constant = {op for op in ops if op.type in _VARIABLES + ('Const',)}
    for op in ops:
        inputs = [sources.get(tensor, tensor) for tensor in op.inputs]
        if inputs and not op.op_def.is_stateful and all(tensor.op in constant for tensor in inputs):
            if op.type in _COPIES or not _grows(op):
                constant.add(op)
    constant.discard(output.op)
    reached, waiting = {output.op}, [output.op]
    while waiting:
        for op in [sources.get(tensor, tensor).op for tensor in waiting.pop().inputs]:
            if op not in reached:
                reached.add(op)
                if op not in constant:
                    waiting.append(op)
    return _graph_def([op for op in ops if op in reached], constant, sources)


def _operations(last):
    """The operations that an operation depends on, without control dependencies, in order of creation."""
    found, waiting = {last}, [last]
    while waiting:
        for tensor in waiting.pop().inputs:
            if tensor.op not in found:
                found.add(tensor.op)
                waiting.append(tensor.op)
    return [op for op in last.graph.get_operations() if op in found]


def _sources(ops, last, zeros):
    """{tensor: the earlier tensor that is the same}: of copies, sums with zero, and pairs of transpositions."""
    zeros, sources = set(zeros), {}
    for op in ops:
        inputs = [sources.get(tensor, tensor) for tensor in op.inputs]
        if op.type in _COPIES and op is not last:
            sources.update(zip(op.outputs, inputs))
        elif op.type in _ZERO_OF_ZERO and zeros & set(inputs):
            zeros.update(op.outputs)
        elif op.type in _SUMS and zeros & set(inputs):
            sources[op.outputs[0]] = inputs[0] if inputs[1] in zeros else inputs[1]
        elif op.type == 'Transpose' and inputs[0].op.type == 'Transpose':
            first, second = [tf.get_static_value(o.inputs[1]) for o in (inputs[0].op, op)]
            if list(np.asarray(first)[second]) == list(range(len(first))):
                sources[op.outputs[0]] = sources.get(inputs[0].op.inputs[0], inputs[0].op.inputs[0])
    return sources


def _grows(op):
    """Is a result much larger than all that it is made of?"""
    sizes = [tensor.shape.num_elements() for tensor in list(op.inputs) + list(op.outputs)]
    if None in sizes:
        return False
    count = len(op.inputs)
    return sum(sizes[count:]) > _MAX_GROWTH * sum(sizes[:count]) + _SMALL


def _graph_def(ops, constant, sources):
    """The GraphDef of `ops`, of which those in `constant` become Const nodes."""
    needed = {}
    for op in ops:
        if op not in constant:
            for tensor in op.inputs:
                tensor = sources.get(tensor, tensor)
                if tensor.op in constant:
                    needed[tensor] = tensor
    values = tf.get_default_session().run(needed)
    names = {tensor: tensor.op.name if tensor.value_index == 0 else '{}_{}'.format(tensor.op.name, tensor.value_index)
             for tensor in values}
    graph_def = tf.GraphDef()
    graph_def.versions.CopyFrom(tf.Graph().as_graph_def().versions)
    for op in ops:
        if op in constant:
            for tensor in (t for t in op.outputs if t in values):
                node = graph_def.node.add(name=names[tensor], op='Const')
                node.attr['dtype'].type = tensor.dtype.base_dtype.as_datatype_enum
                node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(values[tensor], tensor.dtype.base_dtype))
            continue
        node = graph_def.node.add()
        node.CopyFrom(op.node_def)
        node.device = ''
        del node.input[:]
        for tensor in op.inputs:
            tensor = sources.get(tensor, tensor)
            node.input.append(names.get(tensor) or (
                tensor.op.name if tensor.value_index == 0 else '{}:{}'.format(tensor.op.name, tensor.value_index)))
        defaults = {attr.name: attr.default_value for attr in op.op_def.attr if attr.HasField('default_value')}
        for name in [name for name in node.attr if name.startswith('_') or node.attr[name] == defaults.get(name)]:
            del node.attr[name]  # older versions, which may not know it, can read the graph then
        if 'padding' in node.attr and node.attr['padding'].s == b'EXPLICIT':
            _pad_outside(graph_def, node)
        elif node.op == 'ClipByValue':
            _clip_in_two_steps(graph_def, node)
    return graph_def


def _clip_in_two_steps(graph_def, node):
    """Makes of ClipByValue, which TensorFlow Lite lacks, a minimum and a maximum."""
    x, low, high = node.input
    first = graph_def.node.add(name=node.name + '/minimum', op='Minimum', input=[x, high])
    first.attr['T'].CopyFrom(node.attr['T'])
    node.op = 'Maximum'
    node.input[:] = [first.name, low]


def _pad_outside(graph_def, node):
    """Gives a convolution that pads by given numbers a Pad node in front of it instead.

    Older versions of TensorFlow do not know such padding, and 2.21 ends the process where it is to fuse a depthwise
    convolution that has it, constant weights and a bias behind it.
    """
    pads = np.reshape(node.attr['explicit_paddings'].list.i, [4, 2])
    const = graph_def.node.add(name=node.name + '/paddings', op='Const')
    const.attr['dtype'].type = tf.int32.as_datatype_enum
    const.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(pads, tf.int32))
    pad = graph_def.node.add(name=node.name + '/padded', op='Pad', input=[node.input[0], const.name])
    pad.attr['T'].type, pad.attr['Tpaddings'].type = node.attr['T'].type, tf.int32.as_datatype_enum
    node.input[0] = pad.name
    node.attr['padding'].s = b'VALID'
    del node.attr['explicit_paddings']
