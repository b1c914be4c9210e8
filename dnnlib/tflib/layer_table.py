"""The layers of a network, found from the names in its template graph, as a list and as a table.

A layer is a name scope that computes something itself; scopes that only hold other scopes are looked into.
"""

from collections import OrderedDict

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout

_MINOR_SCOPES = ('/Shape', '/strided_slice', '/Cast', '/concat', '/Assign')
_MINOR_OPS = ('Identity', 'Cast', 'Transpose')


def list_layers(network):
    """Layers of a Network in the order of computation.

    Args:
        network: The Network.
    Returns: List of (name, output tensor, list of trained variables). The output is the last one computed in the layer,
        for a variable outside of all layers the variable.
    """
    prefix = network.scope + '/'
    ops = network.list_ops()
    var_prefixes = tuple(op.name + '/' for op in ops if op.type.startswith('Variable') or op.type == 'VarHandleOp')
    nodes = [(op.name[len(prefix):], op) for op in ops if not op.name.startswith(var_prefixes)]
    layers = []
    for name, part, variables in _children('', nodes, list(network.vars.items())):
        layers += _layers_of(name, part, variables)
    return layers


def _layers_of(scope, nodes, variables):
    """Layers at or below a scope, whose operations and variables are lists of (name, object)."""
    only_layout = not variables and all(op.type in ('Transpose', 'Const') for _name, op in nodes)
    if only_layout or any(minor in '/' + scope for minor in _MINOR_SCOPES):
        return []
    computes = any('/' not in name[len(scope) + 1:] and op.type not in _MINOR_OPS for name, op in nodes)
    if not computes and len(nodes) + len(variables) > 1:
        return [layer for child in _children(scope + '/', nodes, variables) for layer in _layers_of(*child)]
    output = nodes[-1][1].outputs[0] if nodes else variables[-1][1]
    return [(scope, output, [var for _name, var in variables if var.trainable])]


def _children(prefix, nodes, variables):
    """Splits operations and variables by the next part of their names; yields (scope, operations, variables)."""
    children = OrderedDict()
    for index, items in enumerate((nodes, variables)):
        for name, item in items:
            scope = prefix + name[len(prefix):].split('/')[0]
            children.setdefault(scope, ([], []))[index].append((name, item))
    return [(scope, part, part_variables) for scope, (part, part_variables) in children.items()]


def format_layers(network, title=None, hide_layers_with_no_params=False):
    """Table of the layers with numbers of parameters and shapes, between two empty lines.

    Args:
        network: The Network.
        title: Head of the first column, `None` = the network's name.
        hide_layers_with_no_params: Leave out layers without trained variables?
    Returns: The text. Shapes are [N, C, H, W] whatever the layout of the graph.
    """
    rows = [[title or network.name, 'Params', 'OutputShape', 'WeightShape'], ['---'] * 4]
    image_sizes = [shape[2:] for shape in network.input_shapes + network.output_shapes if len(shape) == 4]
    total = 0
    for name, output, trainables in list_layers(network):
        params = sum(var.shape.num_elements() for var in trainables)
        total += params
        if params or not hide_layers_with_no_params:
            weights = [var for var in trainables if var.name.endswith('/weight:0')]
            weights = sorted(weights, key=lambda var: len(var.name)) or (trainables if len(trainables) == 1 else [])
            rows.append([name, str(params or '-'), _format_shape(_nchw(output.shape.as_list(), image_sizes)),
                         _format_shape(weights[0].shape.as_list()) if weights else '-'])
    rows += [['---'] * 4, ['Total', str(total), '', '']]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return '\n'.join([''] + lines + [''])


def setup_weight_histograms(network, title=None):
    """Adds one histogram summary per trained variable to the graph.

    Args:
        network: The Network.
        title: Beginning of the tags, `None` = the network's name.
    """
    title = title or network.name
    with tf.control_dependencies(None), tf.device(None), tf.name_scope(None):
        for name, var in network.trainables.items():
            parents, last = name.split('/')[:-1], name.split('/')[-1]
            group = title + '_' + last if parents else title + '_toplevel'
            tf.summary.histogram(group + '/' + ('_'.join(parents) or last), var)


def _nchw(shape, image_sizes):
    """Shape of feature maps in the published order, which is told by the proportions of images [[H, W], ...]."""
    if layout.data_format() == 'NHWC' and len(shape) == 4 and None not in shape[1:3] and any(
            shape[1] * width == shape[2] * height for height, width in image_sizes):
        return [shape[0], shape[3], shape[1], shape[2]]
    return shape


def _format_shape(shape):
    sizes = ['?' if size is None else str(size) for size in shape]
    return '(%s,)' % sizes[0] if len(sizes) == 1 else '(%s)' % ', '.join(sizes)
