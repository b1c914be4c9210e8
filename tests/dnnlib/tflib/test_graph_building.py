"""Graphs that are built with less Python are those that TensorFlow builds, to the byte; errors are TensorFlow's."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import graph_building, random
from training.terms.penalties import path_lengths

pytestmark = pytest.mark.skipif(tf.__version__ not in graph_building.VERSIONS, reason='this TensorFlow builds as ever')
NETWORKS = 'training.networks_stylegan2.'
VALUES = [0, 0.0, -0.0, 1, True, 1.0, np.float32(1), np.float64(1), np.int64(1), [1, 2], [1.0, 2], (1, 2),
          [True, False], np.arange(6).reshape(2, 3), np.zeros([0, 3], np.float32), float('nan'), np.ones(3, '>f4'),
          'text', b'bytes']


def build():
    """A graph with all that a training has, and more: its nodes and functions as plain values."""
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        with tflib.create_session({'device': 'cpu'}) as session, session.as_default():
            shape = dict(num_channels=3, resolution=8, label_size=3, fmap_base=16)
            G = tflib.Network('G', NETWORKS + 'G_main', **shape)
            D = tflib.Network('D', NETWORKS + 'D_stylegan2', **shape)
            latents, labels = tf.placeholder(tf.float32, [4, 512]), tf.placeholder(tf.float32, [4, 3])
            with random.seeded(tf.placeholder(tf.int64, [2])):
                images, dlatents = G.get_output_for(latents, labels, is_training=True, return_dlatents=True)
                scores = D.get_output_for(images, labels)
                lengths = path_lengths(images, dlatents, random.normal(tf.shape(images)))
            optimizer = tflib.Optimizer(minibatch_multiplier=2)
            loss = tf.reduce_mean(tf.nn.softplus(-scores)) + tf.reduce_mean(lengths)
            optimizer.register_gradients(loss, G.trainables)
            optimizer.apply_updates()
            constants()
            definition = graph.as_graph_def()
    nodes = [repr((node.name, node.op, list(node.input), node.device, sorted(
        (name, repr(value)) for name, value in node.attr.items()))) for node in definition.node]
    # TensorFlow counts gradient functions over all graphs
    return [re.sub('CustomGradient-[0-9]+', 'CustomGradient', node) for node in nodes]


def constants():
    """Constants that look alike, control flow, devices, unusual calls."""
    for value in VALUES * 2:
        tf.constant(value)
        if not isinstance(value, (str, bytes)):
            tf.constant(value, tf.float64)
            tf.constant(value, tf.float32, shape=[6]) if np.ndim(value) == 0 else tf.zeros_like(value)
    x = tf.placeholder(tf.float32, [None, 4])
    for _ in range(2):
        tf.while_loop(lambda i: i < 10, lambda i: i + 1, [tf.constant(0)])
        tf.map_fn(lambda item: item * 2, x)
        tf.einsum('ij,jk->ik', x, tf.ones([4, 2]))
        tf.concat([x, x[:, ::2], x[..., tf.newaxis][:, :, 0]], axis=1, name='joined')
        tf.strings.join(['a', 'b'])
        tf.unstack(tf.shape(x))
        tf.transpose(x)
        with tf.device('/cpu:0'), tf.control_dependencies([x]):
            tf.reduce_sum(x, axis=np.int64(1))
            tf.add(x, 1)
            tf.reshape(x, tf.TensorShape([2, None]).as_list()[:1] + [-1])


def test_graphs_are_those_of_tensorflow(monkeypatch):
    assert graph_building.is_on()
    ours = build()
    functions = graph_building.replaced()
    for owner, name, function in functions:
        monkeypatch.setattr(owner, name, function)
    assert not graph_building.is_on() and len(functions) == 3
    theirs = build()
    assert len(ours) > 4000
    assert [pair for pair in zip(ours, theirs) if pair[0] != pair[1]][:1] == [] and len(ours) == len(theirs)


def test_errors_are_those_of_tensorflow():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [4])
        for _ in range(2):
            assert tf.add(x, x).dtype == tf.float32
            with pytest.raises(TypeError, match='int32'):
                tf.raw_ops.Add(x=x, y=tf.constant([1, 2, 3, 4]))
            with pytest.raises(ValueError, match='[Dd]imensions'):
                tf.add(x, tf.placeholder(tf.float32, [3]))
            with pytest.raises(TypeError):
                tf.constant('text', tf.float32)
        with tf.Graph().as_default(), pytest.raises(ValueError, match='graph'):
            tf.add(tf.constant(1.0), x)
        graph.finalize()
        with pytest.raises(RuntimeError, match='finalized'):
            tf.add(x, x)
