"""Exports of generators as graphs: opened by their runtimes, against our own pictures and the reference pictures."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import run_generator
from dnnlib import UserError
from export import check
from export import fold as export_fold
from export import graph as export_graph
from generator import drawing
from training import pretrained

NEWEST = not tf.__version__.startswith('1.')
needs_newest = pytest.mark.skipif(not NEWEST, reason='ONNX and TensorFlow Lite are written under TensorFlow 2')


def run_graph_def(path, values):
    """Pictures of a frozen graph, and the types of its operations."""
    with tf.Graph().as_default(), tf.Session() as session:
        graph_def = tf.GraphDef()
        with open(path, 'rb') as f:
            graph_def.ParseFromString(f.read())
        tf.import_graph_def(graph_def, name='')
        images = session.run('images:0', {name + ':0': value for name, value in values.items()})
    return images, {node.op for node in graph_def.node}


def run_onnx(path, values):
    """Pictures of an ONNX file."""
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    return session.run(['images'], {name: np.asarray(value) for name, value in values.items()})[0]


def export(network, path, *options):
    """Runs the command; returns the path as text."""
    run_generator.main(['export', network, str(path)] + list(options))
    return str(path)


def test_frozen_graph_with_everything_inside(networks, generator, tmp_path, capsys):
    path = export(networks[0], tmp_path / 'a.pb', '--truncation-psi=0.6')
    printed = capsys.readouterr().out
    assert 'Inputs  z [N, 8], labels [N, 2]\nOutput  images [N, 3, 16, 16], float32\n' in printed
    assert 'opened by TensorFlow ' + tf.__version__ in printed and os.listdir(str(tmp_path)) == ['a.pb']
    latents, labels = np.random.RandomState(0).randn(3, 8), np.eye(2)[[0, 1, 1]]
    found, kinds = run_graph_def(path, {'z': latents, 'labels': labels})
    np.testing.assert_allclose(
        found, generator.run(latents, labels, truncation_psi=0.6, randomize_noise=False), atol=1e-5)
    assert not kinds & {'UpFirDn2D', 'VariableV2', 'ClipByValue', 'Assign', 'Switch', 'RandomStandardNormal'}


def test_saved_model_with_everything_as_an_input(networks, generator, tmp_path, capsys):
    path = export(networks[0], tmp_path / 'a.savedmodel', '--input=w', '--noise=input', '--truncation-psi=input',
                  '--images=uint8')
    printed = capsys.readouterr().out
    assert 'Inputs  w [N, 6, 8], truncation_psi [], noise0 [N, 1, 4, 4], noise1 [N, 1, 8, 8]' in printed
    rnd = np.random.RandomState(0)
    noises = {name: rnd.randn(*var.shape.as_list()) for name, var in generator.components.synthesis.vars.items()
              if name.startswith('noise') and name != 'noise_strength'}
    values = dict(noises, w=rnd.randn(2, 6, 8), truncation_psi=0.3)
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.loader.load(session, ['serve'], path).signature_def['serving_default']
        found = session.run(signature.outputs['images'].name, {
            signature.inputs[name].name: value for name, value in values.items()})
    drawer = drawing.Drawer(generator)
    stored = drawer.stored_noise()
    drawer.set_noise(noises)
    expected = drawer.pictures(drawer.truncate(np.float32(values['w']), 0.3))
    drawer.set_noise(stored)
    assert found.dtype == np.uint8 and found.shape == (2, 16, 16, 3) and np.ptp(expected) > 50
    assert np.abs(np.int32(found) - expected).max() <= 1
    with pytest.raises(UserError, match='a folder has this name'):
        export(networks[0], path, '--format=savedmodel')


@needs_newest
@pytest.mark.parametrize('fixture, options, key', [
    ('configa_r16', ['--truncation-psi=0.7', '--noise=input'], 'images_default'),
    ('gresnet_dskip_r32', ['--truncation-psi=input'], 'images_psi06')])
def test_onnx_against_the_reference(data_dir, tmp_path, capsys, fixture, options, key):
    pytest.importorskip('onnx', reason='onnx is not installed')
    reference = np.load(str(data_dir / (fixture + '.npz')))
    path = export(str(data_dir / (fixture + '.pkl')), tmp_path / 'a.onnx', *options)
    assert 'opened by onnxruntime' in capsys.readouterr().out
    values = {'z': np.float32(reference['latents'].reshape(4, -1))}
    if '--truncation-psi=input' in options:
        values['truncation_psi'] = np.float32(0.6)
    if '--noise=input' in options:  # that of the network
        from dnnlib.files import network_file
        with open(str(data_dir / (fixture + '.pkl')), 'rb') as f:
            synthesis = network_file.read_inert(f)[2].state['components']['synthesis'].state
        for name, value in synthesis['variables']:
            if name.startswith('noise'):
                values[name] = np.float32(getattr(value, 'value', value))
    np.testing.assert_allclose(run_onnx(path, values), reference[key], atol=1e-3)


def ada_network(path, **options):
    """Writes a small network of StyleGAN2-ADA of the given options as a pickle; returns its Gs."""
    import dnnlib.tflib as tflib
    from dnnlib.tflib import network_pickle
    sizes = dict(num_channels=3, fmap_base=64, fmap_max=8, latent_size=8, dlatent_size=8, mapping_layers=2)
    Gs = tflib.Network('G', 'training.networks_ada.G_main', **dict(sizes, **options))
    rnd = np.random.RandomState(1)
    for name, var in Gs.vars.items():
        if name.endswith(('bias', 'noise_strength')) or name == 'dlatent_avg':
            Gs.set_var(name, 0.3 * rnd.randn(*var.shape.as_list()))
    network_pickle.save((Gs, Gs, Gs), path)
    return Gs


@needs_newest
def test_labelled_clamped_network_that_is_not_square(graph, tmp_path, capsys):
    pkl, options = str(tmp_path / 'a.pkl'), ['--truncation-psi=0.5', '--images=nhwc']
    Gs = ada_network(pkl, resolution=(10, 8), label_size=3, num_fp16_res=2, conv_clamp=0.5, architecture='resnet',
                     nonlinearity='swish')
    export(pkl, tmp_path / 'a.tflite', *options)
    printed = capsys.readouterr().out
    assert 'Inputs  z [N, 8], labels [N, 3]\nOutput  images [N, 10, 8, 3], float32\n' in printed
    assert 'TensorFlow Lite' in printed and '4 pictures differ by at most' in printed
    pytest.importorskip('onnx', reason='onnx is not installed')
    path = export(pkl, tmp_path / 'a.onnx', *options)
    latents, labels = np.float32(np.random.RandomState(0).randn(2, 8)), np.eye(3, dtype=np.float32)[[2, 0]]
    expected = Gs.run(latents, labels, truncation_psi=0.5, randomize_noise=False).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(run_onnx(path, {'z': latents, 'labels': labels}), expected, atol=1e-4)


@needs_newest
def test_the_examples_of_the_page_run(graph, tmp_path):
    """Those of the formats that can be written here, with a network whose latents have 8 numbers instead of 128."""
    page = (pathlib.Path(__file__).parent.parent.parent / 'docs' / 'export.md').read_text(encoding='utf-8')
    examples = [example for example in re.findall(r'^```python\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
                if re.search(r"'cats64\.(savedmodel|pb|onnx|tflite)'", example)]
    assert len(examples) == 4
    code, count = 'found = []\n', 0
    Gs = ada_network(str(tmp_path / 'a.pkl'), resolution=8)
    for example in examples:
        path = re.search(r"'(cats64\.[a-z]+)'", example).group(1)
        if path.endswith('.onnx') and not all(importlib.util.find_spec(name) for name in ('onnx', 'onnxruntime')):
            continue
        export(str(tmp_path / 'a.pkl'), tmp_path / path)
        code, count = code + example.replace('128', '8') + 'found.append(images)\n', count + 1
    code += "np.save('found.npy', np.concatenate(found))\n"
    process = subprocess.run([sys.executable, '-c', code], cwd=str(tmp_path), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True)
    assert process.returncode == 0, process.stderr
    expected = Gs.run(np.random.RandomState(7).randn(1, 8), None, truncation_psi=1, randomize_noise=False)
    np.testing.assert_allclose(np.load(str(tmp_path / 'found.npy')), np.repeat(expected, count, axis=0), atol=1e-4)


def test_noise_is_left_out_or_random(networks):
    with export_graph.GeneratorGraph(pretrained.resolve(networks[0]), noise='none') as graph:
        kinds = [node.op for node in graph.graph_def().node]
        values = graph.draw_inputs(0, 2)
        np.testing.assert_array_equal(graph.run(values), graph.run(values))
    with export_graph.GeneratorGraph(pretrained.resolve(networks[0]), noise='random') as graph:
        random_kinds = [node.op for node in graph.graph_def().node]
        assert graph.is_random and np.abs(graph.run(values) - graph.run(values)).max() > 0.01
        assert 'noise is random' in check.compare(graph, graph.run, 'nothing')
    assert random_kinds.count('RandomStandardNormal') == 5 and 'RandomStandardNormal' not in kinds
    assert sum(kinds.count(kind) for kind in ('Add', 'AddV2')) <= sum(
        random_kinds.count(kind) for kind in ('Add', 'AddV2')) - 5


def test_pictures_that_differ_are_refused(networks, tmp_path, monkeypatch):
    expected = export_graph.GeneratorGraph.run
    monkeypatch.setattr(export_graph.GeneratorGraph, 'run', lambda self, values: expected(self, values) + 0.1)
    with pytest.raises(UserError, match='differ by 0.1 from ours; nothing was written'):
        export(networks[0], tmp_path / 'a.savedmodel')
    assert os.listdir(str(tmp_path)) == []


def test_folding():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], name='x')
        zero = tf.zeros([3])
        weight = tf.get_variable('w', initializer=np.eye(3, dtype=np.float32))
        session.run(tf.global_variables_initializer())
        with tf.control_dependencies([tf.assign(tf.Variable(0.0), 1.0)]):
            y = tf.matmul(tf.identity(x), tf.square(weight.read_value()) * 2) + zero * 5
        wide = tf.tile(tf.constant([[1.0, 2.0, 3.0]]), [1, 5000])[:, :3]  # large on the way: not computed ahead
        y = tf.transpose(tf.transpose(tf.clip_by_value(y, -1.0, 1.0), [1, 0]), [1, 0]) + wide
        graph_def = export_fold.fold(tf.identity(y, name='y'), [zero])
    kinds = [node.op for node in graph_def.node if node.op != 'Const']
    assert kinds[:-2] == ['Placeholder', 'MatMul', 'Tile', 'StridedSlice', 'Minimum', 'Maximum']
    assert kinds[-2] in ('Add', 'AddV2') and graph_def.ByteSize() < 5000
    assert not any(name.startswith('^') for node in graph_def.node for name in node.input)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name='')
        np.testing.assert_allclose(session.run('y:0', {'x:0': [[0.1, -3, 0.25]]}), [[1.2, 1, 3.5]], rtol=1e-6)


def test_what_is_refused(networks, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)  # as if it were not installed
    cases = [(['a.npz', '--input=w'], '--input does not apply to --format=npz'),
             (['a.onnx'], 'pip install onnx' if NEWEST else 'onnx needs TensorFlow 2')]
    if not NEWEST:
        cases.append((['a.tflite'], 'tflite needs TensorFlow 2'))
    for args, message in cases:
        with pytest.raises(UserError, match=message):
            export(networks[0], tmp_path / args[0], *args[1:])
    assert os.listdir(str(tmp_path)) == []
