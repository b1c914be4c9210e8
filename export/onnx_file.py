"""`export` to ONNX: the graph of TensorFlow operations, converted one by one (export/onnx_nodes.py)."""

import importlib
import warnings

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import util
from dnnlib.util import UserError
from export import check, onnx_nodes, translator_graph
from export import graph as export_graph

OPSET, IR_VERSION = 17, 8  # of 2022: read by onnxruntime 1.12 and everything newer


def write(network_pkl, output, kind, **options):
    """Writes the generator of a file and compares what onnxruntime makes of it.

    Args:
        network_pkl: pretrained.NetworkFile.
        output: The new file.
        kind: `onnx`.
        options: Of GeneratorGraph or TranslatorGraph.
    Raises: UserError without the package onnx, under TensorFlow 1, for a network that cannot be converted, or if its
        pictures differ; OSError if a file cannot be read or written.
    """
    check.require_tensorflow_2(kind)
    try:
        importlib.import_module('onnx')
    except ImportError as error:
        raise UserError('ONNX files are written by the package onnx, which cannot be imported ({}): '
                        'pip install onnx'.format(error)) from error
    with translator_graph.open_graph(network_pkl, options) as graph:
        model = convert(graph.graph_def('NCHW'), graph)
        with util.atomic_path(output) as temp_path:
            with open(temp_path, 'wb') as f:
                f.write(model.SerializeToString())
            try:
                runtime = importlib.import_module('onnxruntime')
            except ImportError:
                result = check.missing('onnxruntime')
            else:
                result = check.compare(graph, _runner(runtime, temp_path), 'onnxruntime ' + runtime.__version__)
        check.report(graph, output, result)


def convert(graph_def, graph):
    """The ONNX model of a GraphDef.

    Args:
        graph_def: Of `export_graph.GeneratorGraph.graph_def`, in the layout NCHW.
        graph: The GeneratorGraph, for the inputs.
    Returns: onnx.ModelProto.
    Raises: UserError for an operation that is not known here.
    """
    import onnx
    from onnx import helper, numpy_helper
    builder = onnx_nodes.Builder()
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph_def, name='')
        for op in imported.get_operations():
            builder.add(op)
        shape = imported.get_tensor_by_name(export_graph.OUTPUT + ':0').shape.as_list()
    images = graph.images
    kind = onnx.TensorProto.UINT8 if images.dtype == tf.uint8 else onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, _sizes(
        placeholder.shape.as_list(), name + '_N' if name.startswith('noise') else 'N'))
        for name, placeholder in graph.inputs.items()]
    outputs = [helper.make_tensor_value_info(export_graph.OUTPUT, kind, _sizes(shape, 'N'))]
    nodes, arrays = builder.finish([export_graph.OUTPUT])
    model = helper.make_model(
        helper.make_graph([helper.make_node(node.type, node.inputs, [node.output], name=node.output, **node.attributes)
                           for node in nodes],
                          'generator', inputs, outputs,
                          [numpy_helper.from_array(array, name) for name, array in arrays.items()]),
        opset_imports=[helper.make_opsetid('', OPSET)], producer_name='stylegan2')
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def _sizes(shape, batch):
    return [batch if size is None else size for size in shape]


def _runner(runtime, path):
    """Function of a dictionary of inputs that computes the pictures of a file."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        session = runtime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return lambda values: session.run(
        [export_graph.OUTPUT], {name: np.asarray(value) for name, value in values.items()})[0]
