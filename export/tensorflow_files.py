"""`export` to TensorFlow's own formats: SavedModel, frozen GraphDef, TensorFlow Lite."""

import collections
import warnings

import tensorflow.compat.v1 as tf

from dnnlib import util
from dnnlib.run.logger import quiet_stderr
from dnnlib.util import UserError
from export import check, translator_graph
from export import graph as export_graph


def write(network_pkl, output, kind, **options):
    """Writes the generator of a file and compares what TensorFlow makes of it.

    Args:
        network_pkl: pretrained.NetworkFile.
        output: The new file, or for a SavedModel the new folder.
        kind: `savedmodel`, `graphdef` or `tflite`.
        options: Of GeneratorGraph or TranslatorGraph.
    Raises: UserError for TensorFlow Lite under TensorFlow 1, or if the pictures differ; OSError if a file cannot be
        read or written.
    """
    if kind == 'tflite':
        check.require_tensorflow_2(kind)
    save, runner = _KINDS[kind]
    with translator_graph.open_graph(network_pkl, options) as graph:
        graph_def = graph.graph_def()
        with util.atomic_path(output) as temp_path:
            save(graph_def, graph, temp_path)
            with tf.Graph().as_default(), tf.Session(config=_cpu()) as session:
                run, runtime = runner(graph, session, temp_path)
                result = check.compare(graph, run, runtime) if run else runtime
        check.report(graph, output, result)


def _cpu():
    return tf.ConfigProto(device_count={'GPU': 0})


def _save_graph_def(graph_def, _graph, path):
    with open(path, 'wb') as f:
        f.write(graph_def.SerializeToString())


def _run_graph_def(_graph, session, path):
    graph_def = tf.GraphDef()
    with open(path, 'rb') as f:
        graph_def.ParseFromString(f.read())
    tf.import_graph_def(graph_def, name='')
    return _runner(session, lambda name: name + ':0'), 'TensorFlow ' + tf.__version__


def _runner(session, name_of):
    """Function of a dictionary of inputs that runs the session's graph; name_of(name): tensor of an input or output."""
    return lambda values: session.run(name_of(export_graph.OUTPUT), {name_of(name): v for name, v in values.items()})


def _import(graph_def, graph):
    """Imports the graph into the default one; returns placeholders by name, and the images."""
    inputs = collections.OrderedDict(
        (name, tf.placeholder(tf.float32, x.shape, name=name)) for name, x in graph.inputs.items())
    images, = tf.import_graph_def(graph_def, dict(inputs), [export_graph.OUTPUT + ':0'], name='')
    return inputs, images


def _save_saved_model(graph_def, graph, path):
    with tf.Graph().as_default(), tf.Session(config=_cpu()) as session:
        inputs, images = _import(graph_def, graph)
        signature = tf.saved_model.build_signature_def(
            {name: tf.saved_model.build_tensor_info(x) for name, x in inputs.items()},
            {export_graph.OUTPUT: tf.saved_model.build_tensor_info(images)},
            tf.saved_model.signature_constants.PREDICT_METHOD_NAME)
        builder = tf.saved_model.builder.SavedModelBuilder(path)
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.tag_constants.SERVING], strip_default_attrs=True,
            signature_def_map={tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature})
        builder.save()


def _run_saved_model(graph, session, path):
    if tf.__version__.startswith('1.'):
        signature = tf.saved_model.loader.load(session, ['serve'], path).signature_def['serving_default']
        tensors = {name: info.name for infos in (signature.inputs, signature.outputs) for name, info in infos.items()}
    else:  # the loader of TensorFlow 2; the signature, a function, is called as a part of this graph
        signature = tf.compat.v2.saved_model.load(path).signatures['serving_default']
        inputs = {name: tf.placeholder(tf.float32, x.shape) for name, x in graph.inputs.items()}
        tensors = dict(inputs, **signature(**inputs))
    return _runner(session, tensors.get), 'TensorFlow ' + tf.__version__


def _save_tflite(graph_def, graph, path):
    with tf.Graph().as_default(), tf.Session(config=_cpu()) as session:
        inputs, images = _import(graph_def, graph)
        converter = tf.lite.TFLiteConverter.from_session(session, list(inputs.values()), [images])
        with quiet_stderr():
            data, error = _convert(converter)
    if error:
        raise UserError(f'TensorFlow Lite cannot represent this network: {str(error)[:300]}') from error
    with open(path, 'wb') as f:
        f.write(data)


def _convert(converter):
    """Returns (the file, None), or (None, exception) for a network that TensorFlow Lite cannot represent."""
    try:
        return converter.convert(), None
    except Exception as error:
        if type(error).__name__ != 'ConverterError':  # whose module is not a public one
            raise
        return None, error


def _run_tflite(_graph, _session, path):
    if not hasattr(tf.lite, 'Interpreter'):
        return None, 'not checked: TensorFlow {} has no interpreter of TensorFlow Lite'.format(tf.__version__)
    with warnings.catch_warnings(), quiet_stderr():  # that it will move to a package of its own
        warnings.simplefilter('ignore')
        interpreter = tf.lite.Interpreter(path)

    def run(values):
        details = {detail['name'].split(':')[0]: detail['index'] for detail in interpreter.get_input_details()}
        for name, value in values.items():
            interpreter.resize_tensor_input(details[name], value.shape)
        with quiet_stderr():
            interpreter.allocate_tensors()
        for name, value in values.items():
            interpreter.set_tensor(details[name], value)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]['index'])
    return run, 'TensorFlow Lite of TensorFlow ' + tf.__version__


_KINDS = {
    'savedmodel': (_save_saved_model, _run_saved_model),
    'graphdef': (_save_graph_def, _run_graph_def),
    'tflite': (_save_tflite, _run_tflite),
}
