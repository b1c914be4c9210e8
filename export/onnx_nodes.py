"""The TensorFlow operations of generators as nodes of ONNX (https://onnx.ai/onnx/operators, opset 13 to 17).

Integers, which are sizes and axes here, are int64 throughout. Feature maps are NCHW.
"""

import collections

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError

Node = collections.namedtuple('Node', 'type inputs output attributes')

_SAME = {  # the inputs and the meaning are the same
    'Add': 'Add', 'AddV2': 'Add', 'Sub': 'Sub', 'Mul': 'Mul', 'RealDiv': 'Div', 'Maximum': 'Max', 'Minimum': 'Min',
    'Relu': 'Relu', 'Tanh': 'Tanh', 'Sigmoid': 'Sigmoid', 'Elu': 'Elu', 'Selu': 'Selu',
    'Softplus': 'Softplus', 'Identity': 'Identity', 'Shape': 'Shape', 'Reshape': 'Reshape', 'Tile': 'Tile',
    'Select': 'Where', 'SelectV2': 'Where', 'MatMul': 'MatMul', 'Softmax': 'Softmax', 'AddN': 'Sum',
}
_ONNX_TYPES = {'float32': 1, 'uint8': 2, 'int64': 7, 'bool': 9}  # TensorProto.DataType


class Builder:
    """Collects nodes and constants; a tensor has the name of its operation."""

    def __init__(self):
        self._nodes = []
        self._arrays = {}

    def add(self, op):
        """Adds what computes the first output of an operation; its inputs were added before.

        Raises: UserError for an operation that no generator was seen to have.
        """
        if op.type == 'Const':
            self._arrays[op.name] = _integers_as_int64(tf.get_static_value(op.outputs[0]))
        elif op.type in _CONVERTERS:
            _CONVERTERS[op.type](self, op)
        elif op.type in _SAME:
            self.node(_SAME[op.type], _names(op), op.name)
        elif op.type != 'Placeholder':
            raise UserError('the operation {} ({}) cannot be written as ONNX by this program'.format(op.type, op.name))

    def node(self, type, inputs, output=None, **attributes):
        """Adds a node.

        Args:
            type: Name of the ONNX operator.
            inputs: Names of tensors, or arrays.
            output: Name of the result, `None` = a new one.
            attributes: Of the operator.
        Returns: The name of the result.
        """
        inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        output = output or '{}_{}'.format(type.lower(), len(self._nodes))
        self._nodes.append(Node(type, inputs, output, attributes))
        return output

    def constant(self, array):
        """Name of a new constant."""
        name = 'constant_{}'.format(len(self._arrays))
        self._arrays[name] = _integers_as_int64(np.asarray(array))
        return name

    def finish(self, outputs):
        """The nodes that the outputs depend on, in order, and their constants by name; one Reshape instead of two."""
        made_by = {node.output: node for node in self._nodes}
        nodes, needed = [], set(outputs)
        for node in reversed(self._nodes):
            if node.output in needed:
                before = made_by.get(node.inputs[0]) if node.type == 'Reshape' else None
                if before is not None and before.type == 'Reshape':
                    node = node._replace(inputs=[before.inputs[0]] + node.inputs[1:])
                    made_by[node.output] = node
                nodes.append(node)
                needed.update(node.inputs)
        return nodes[::-1], {name: array for name, array in self._arrays.items() if name in needed}


def _integers_as_int64(array):
    return array.astype(np.int64) if array.dtype == np.int32 else array


def _names(op):
    return [tensor.op.name + (f':{tensor.value_index}' if tensor.value_index else '') for tensor in op.inputs]


def _value(op, index):
    """Value of an input that must be constant."""
    value = tf.get_static_value(op.inputs[index])
    if value is None:
        raise UserError(f'the operation {op.type} ({op.name}) with variable settings cannot be written as ONNX here')
    return value


def _leaky_relu(b, op):
    b.node('LeakyRelu', _names(op), op.name, alpha=op.get_attr('alpha'))


def _square(b, op):
    b.node('Mul', _names(op) * 2, op.name)


def _rsqrt(b, op):
    b.node('Reciprocal', [b.node('Sqrt', _names(op))], op.name)


def _reduced(type):
    """Converter to an operator that takes the axes as an attribute."""
    def convert(b, op):
        axes = [int(axis) for axis in np.ravel(_value(op, 1))]
        b.node(type, _names(op)[:1], op.name, axes=axes, keepdims=int(op.get_attr('keep_dims')))
    return convert


def _bias_add(b, op):
    x, bias = _names(op)
    if op.get_attr('data_format') == b'NCHW':
        bias = b.node('Reshape', [bias, [-1] + [1] * (op.inputs[0].shape.ndims - 2)])
    b.node('Add', [x, bias], op.name)


def _pool(type):
    """Converter of a pooling of whole windows, NCHW."""
    def convert(b, op):
        _require_nchw(op)
        b.node(type, _names(op), op.name, kernel_shape=op.get_attr('ksize')[2:], strides=op.get_attr('strides')[2:])
    return convert


def _split(b, op):
    """Split into equal parts, or SplitV into others: a slice for each."""
    is_equal, count = op.type == 'Split', len(op.outputs)
    whole, axis = (1, int(_value(op, 0))) if is_equal else (0, int(_value(op, 2)))
    ends = np.cumsum([0] + ([int(op.inputs[1].shape[axis]) // count] * count if is_equal else list(_value(op, 1))))
    for i in range(count):
        b.node('Slice', [_names(op)[whole]] + [np.int64([value]) for value in (ends[i], ends[i + 1], axis)],
               op.name + (f':{i}' if i else ''))


def _blocks(b, op):
    _require_nchw(op)
    b.node(op.type, _names(op), op.name, blocksize=op.get_attr('block_size'))


def _sum(b, op):
    b.node('ReduceSum', [_names(op)[0], np.int64(np.ravel(_value(op, 1)))], op.name,
           keepdims=int(op.get_attr('keep_dims')))


def _batch_matmul(b, op):
    found = [b.node('Transpose', [name], perm=[0, 2, 1]) if op.get_attr(flag) else name
             for name, flag in zip(_names(op), ('adj_x', 'adj_y'))]
    b.node('MatMul', found, op.name)


def _pack(b, op):
    axis = [op.get_attr('axis')]
    b.node('Concat', [b.node('Unsqueeze', [name, axis]) for name in _names(op)], op.name, axis=axis[0])


def _concat(b, op):
    b.node('Concat', _names(op)[:-1], op.name, axis=int(_value(op, len(op.inputs) - 1)))


def _transpose(b, op):
    b.node('Transpose', _names(op)[:1], op.name, perm=[int(axis) for axis in _value(op, 1)])


def _cast(b, op):
    dtype = 'int64' if op.outputs[0].dtype == tf.int32 else op.outputs[0].dtype.name
    b.node('Cast', _names(op), op.name, to=_ONNX_TYPES[dtype])


def _pad(b, op):
    b.node('Pad', [_names(op)[0], np.int64(_value(op, 1).T.ravel())], op.name)


def _mirror_pad(b, op):
    """A reflected border; one that repeats the outermost pixel is ONNX's `edge` where it is one pixel wide."""
    padding = _value(op, 1)
    reflects = op.get_attr('mode') == b'REFLECT'
    if not reflects and padding.max() > 1:
        raise UserError(f'the border {op.name} cannot be written as ONNX by this program')
    b.node('Pad', [_names(op)[0], np.int64(padding.T.ravel())], op.name, mode='reflect' if reflects else 'edge')


def _fill(b, op):
    shape, value = _names(op)
    b.node('Expand', [value, shape], op.name)


def _expand_dims(b, op):
    b.node('Unsqueeze', [_names(op)[0], np.int64([int(_value(op, 1))])], op.name)


def _random_normal(b, op):
    b.node('RandomNormalLike', [b.node('ConstantOfShape', _names(op))], op.name)


def _strided_slice(b, op):
    """Python's x[a:b, c, np.newaxis]: Slice, then the axes of single indices are taken away, then new ones added."""
    begins, ends, steps = [_value(op, i) for i in (1, 2, 3)]
    masks = {kind: op.get_attr(kind + '_mask') for kind in ('begin', 'end', 'shrink_axis', 'new_axis', 'ellipsis')}
    slices, singles, added, axis = [], [], [], 0
    for i, (begin, end, step) in enumerate(zip(begins, ends, steps)):
        kinds = {kind for kind, mask in masks.items() if mask >> i & 1}
        if 'ellipsis' in kinds or step != 1:
            raise UserError('the slice {} cannot be written as ONNX by this program'.format(op.name))
        if 'new_axis' in kinds:
            added.append(axis - len(singles) + len(added))
            continue
        if 'shrink_axis' in kinds:
            singles.append(axis)
            end = begin + 1 if begin != -1 else np.iinfo(np.int64).max
        begin, end = 0 if 'begin' in kinds else begin, np.iinfo(np.int64).max if 'end' in kinds else end
        if begin != 0 or end != np.iinfo(np.int64).max:
            slices.append((begin, end, axis))
        axis += 1
    name = _names(op)[0]
    if slices:
        name = b.node('Slice', [name] + [np.int64(column) for column in zip(*slices)])
    if singles:
        name = b.node('Squeeze', [name, np.int64(singles)])
    if added:
        name = b.node('Unsqueeze', [name, np.int64(added)])
    b.node('Identity', [name], op.name)


def _conv(b, op):
    """Conv2D, NCHW: the kernel [kh, kw, I, O] becomes [O, I, kh, kw]."""
    _require_nchw(op)
    strides = op.get_attr('strides')[2:]
    kernel = op.inputs[1].shape.as_list()[:2]
    pads = [0] * 4
    if op.get_attr('padding') == b'SAME':
        sizes = op.inputs[0].shape.as_list()[2:]
        totals = [max((-(-size // step) - 1) * step + taps - size, 0) for size, step, taps in zip(
            sizes, strides, kernel)]
        pads = [total // 2 for total in totals] + [total - total // 2 for total in totals]
    x, w = _names(op)
    b.node('Conv', [x, _transposed(b, w, [3, 2, 0, 1])], op.name, strides=strides, pads=pads, kernel_shape=kernel)


def _conv_transpose(b, op):
    """Conv2DBackpropInput, NCHW and VALID: the kernel [kh, kw, O, I] becomes [I, O, kh, kw]."""
    _require_nchw(op)
    _, w, x = _names(op)
    if op.get_attr('padding') != b'VALID':
        raise UserError('the padding of {} cannot be written as ONNX by this program'.format(op.name))
    b.node('ConvTranspose', [x, _transposed(b, w, [3, 2, 0, 1])], op.name, strides=op.get_attr('strides')[2:],
           kernel_shape=op.inputs[1].shape.as_list()[:2])


def _depthwise_conv(b, op):
    """DepthwiseConv2dNative, NHWC, with the padding in front of it: one group for each channel."""
    source, pads = op.inputs[0], [0] * 4
    if source.op.type == 'Pad':
        padding = _value(source.op, 1)
        if not padding[[0, 3]].any():
            source, pads = source.op.inputs[0], [int(size) for size in padding[1:3].T.ravel()]
    height, width, channels = source.shape.as_list()[1:]
    taps = _value(op, 1)  # [kh, kw, channels, 1]
    out_height, out_width = op.outputs[0].shape.as_list()[1:3]
    if op.get_attr('padding') != b'VALID' or op.get_attr('data_format') != b'NHWC' or taps.shape[3] != 1:
        raise UserError('the convolution {} cannot be written as ONNX by this program'.format(op.name))
    if channels == 1:
        x = b.node('Reshape', [source.op.name, np.int64([-1, 1, height, width])])
    else:
        x = b.node('Transpose', [source.op.name], perm=[0, 3, 1, 2])
    y = b.node('Conv', [x, taps.transpose(2, 3, 0, 1)], group=channels, strides=op.get_attr('strides')[1:3], pads=pads,
               kernel_shape=list(taps.shape[:2]))
    if channels == 1:
        b.node('Reshape', [y, np.int64([-1, out_height, out_width, 1])], op.name)
    else:
        b.node('Transpose', [y], op.name, perm=[0, 2, 3, 1])


def _transposed(b, name, perm):
    """Name of a transposed tensor; a constant is transposed here and now."""
    if name in b._arrays:
        return b.constant(np.ascontiguousarray(b._arrays[name].transpose(perm)))
    return b.node('Transpose', [name], perm=perm)


def _require_nchw(op):
    if op.get_attr('data_format') != b'NCHW':
        raise UserError('the operation {} is not in the layout NCHW'.format(op.name))


_CONVERTERS = {
    'LeakyRelu': _leaky_relu, 'Square': _square, 'Rsqrt': _rsqrt, 'Mean': _reduced('ReduceMean'),
    'Max': _reduced('ReduceMax'), 'Prod': _reduced('ReduceProd'), 'BiasAdd': _bias_add, 'Pack': _pack,
    'ConcatV2': _concat, 'Transpose': _transpose, 'Cast': _cast, 'Pad': _pad, 'MirrorPad': _mirror_pad,
    'Fill': _fill, 'ExpandDims': _expand_dims, 'RandomStandardNormal': _random_normal, 'StridedSlice': _strided_slice,
    'AvgPool': _pool('AveragePool'), 'MaxPool': _pool('MaxPool'), 'Split': _split, 'SplitV': _split, 'Sum': _sum,
    'BatchMatMulV2': _batch_matmul, 'SpaceToDepth': _blocks, 'DepthToSpace': _blocks, 'Conv2D': _conv,
    'Conv2DBackpropInput': _conv_transpose, 'DepthwiseConv2dNative': _depthwise_conv,
}
