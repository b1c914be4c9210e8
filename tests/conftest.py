"""Fixtures shared by all tests: a fresh TensorFlow graph and session per test, and the folder of reference data."""

import gc
import os
import pathlib
import sys

import pytest

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
gc.set_threshold(200000, 20, 20)  # looking for garbage took a fifth of the building of graphs
# one cache for all tests, wherever they and their sub-processes work: native operations are built once
os.environ['STYLEGAN2_CACHE'] = os.path.abspath(
    os.environ.get('STYLEGAN2_CACHE') or str(pathlib.Path(__file__).parent.parent / '.stylegan2-cache'))


@pytest.fixture
def session():
    """A new graph with an initialised default session on the CPU, closed after the test."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    with tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu'})
        yield tf.get_default_session()
        tflib.close_tf()


@pytest.fixture
def data_dir():
    """Folder of the reference files, as a Path."""
    return pathlib.Path(__file__).parent / 'data'


def _custom_gradients():
    """TensorFlow's registry of gradients, and the names of those that belong to one use of `tf.custom_gradient`."""
    if 'tensorflow' not in sys.modules:
        return {}, set()
    from tensorflow.python.framework import ops
    registry = ops._gradient_registry._registry
    return registry, {name for name in registry if name.startswith('CustomGradient-')}


@pytest.fixture(autouse=True, scope='module')
def forget_graphs():
    """Lets the graphs of a module go: `tf.custom_gradient` registers, for good, what holds the graph it was used in."""
    yield
    registry, names = _custom_gradients()
    for name in names:
        del registry[name]
    gc.collect()


@pytest.fixture(autouse=True)
def forget_graph(forget_graphs):
    """The same after every test, for what that test registered."""
    before = _custom_gradients()[1]
    yield
    registry, names = _custom_gradients()
    for name in names - before:
        del registry[name]
