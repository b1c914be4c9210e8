"""Graphs of a GPU, built without one: every operation has a kernel there, and no feature map is copied.

The main graphs only; benchmarks/gpu_placement.py looks at those of all configurations.
"""

import argparse
import contextlib
import io

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import cuda_traffic, gpu_graphs, gpu_kernels, gpu_memory, gpu_placement, gpu_placing, train
from dnnlib import tflib
from training.augment.differentiable import diffaugment
from training.augment.pipeline import augment_pipeline
from training.options import augmentation, precision


@pytest.fixture(name='kernels', scope='module')
def fixture_kernels():
    if gpu_kernels.nearest(tf.__version__) != '.'.join(tf.__version__.split('.')[:2]):
        pytest.skip(f'no table of kernels of TensorFlow {tf.__version__}; gpu_placement.py --write-kernels makes it')
    return gpu_kernels.Kernels(gpu_kernels.stored(tf.__version__))


def problems(kernels, fetches, pixels):
    """What gpu_placement says about a session call."""
    return gpu_placement.look_at('', fetches, kernels, pixels).problems


@pytest.fixture(name='graph')
def fixture_graph():
    with tf.Graph().as_default():
        yield


@pytest.mark.usefixtures('graph')
def test_rules_of_the_placer(kernels):
    image = tf.placeholder(tf.float32, [4, 8, 8, 3])
    count, wide = (tf.Variable(dtype(0), trainable=False, use_resource=False) for dtype in (np.int32, np.int64))
    assert kernels.host_arguments(count.op) is None and kernels.host_arguments(wide.op) == frozenset()
    assert kernels.host_arguments(tf.reshape(image, [4, -1]).op) == {'shape'}
    found = gpu_placing.Placement([tf.assign(count, count + 1), tf.assign(wide, wide + 1)], kernels)
    assert [op.type for op in found.without] == ['VariableV2', 'Assign'] and wide.op in found.on_gpu
    assert count.op not in found.on_gpu
    places = tf.cast(image, tf.int32) + 1  # the host computes int32
    copied = gpu_placing.Placement([tf.cast(places, tf.float32)], kernels).copies()
    assert [(copy.to_gpu, copy.tensor.shape.as_list()) for copy in copied] == [
        (False, [4, 8, 8, 3]), (True, [4, 8, 8, 3])]
    assert not gpu_placing.Placement([tf.cast(tf.cast(image, tf.int64) + 1, tf.float32)], kernels).copies()
    with tf.device('/cpu:0'):
        on_host = tf.square(image)
    assert len(problems(kernels, [tf.sqrt(on_host)], 100)) == 1 and not problems(kernels, [tf.sqrt(on_host)], 1000)


def test_tables_are_read_as_written(tmp_path, monkeypatch):
    table = gpu_kernels.stored('1.14.0')
    gpu_kernels.save(table, str(tmp_path / 'table.txt'))
    assert gpu_kernels.load(str(tmp_path / 'table.txt')) == table
    for name in ('2.9', '2.21', '1.14'):
        (tmp_path / f'kernels-{name}.txt').touch()
    with monkeypatch.context() as patch:
        patch.setattr(gpu_kernels, 'STORED', str(tmp_path / 'kernels-{}.txt'))
        assert [gpu_kernels.nearest(name) for name in ('2.9.1', '2.15.0', '1.15.0')] == ['2.9', '2.21', '1.14']
    assert gpu_kernels.own() == {'FusedBiasAct', 'StyledBiasAct', 'StyledBiasActGrad', 'StyledBiasActGrad2',
                                 'UpFirDn2D'}


def test_augmentation_stays_on_the_gpu(kernels):
    for name, augment in (('all', augment_pipeline), ('diffaugment', diffaugment)):
        with gpu_graphs.gpu_session(ops='ref'):
            images, strength = tf.placeholder(tf.float32, [4, 3, 32, 32]), tf.placeholder(tf.float32, [])
            options = {} if name == 'diffaugment' else dict.fromkeys(augmentation.MULTIPLIERS, 1)
            with tflib.random.seeded(tf.placeholder(tf.int64, [2])):
                found, _ = augment(images, None, strength, **options)
            gradient, = tf.gradients(tf.reduce_sum(tf.square(found)), [images])
            assert not problems(kernels, [found, gradient], 3 * 32 * 32)


def test_steps_of_stylegan2_stay_on_the_gpu(kernels):
    args = argparse.Namespace(resolution=8, minibatch=4, fmap_base=32, fmap_max=4)
    nets = dict(num_fp16_res=precision.NUM_HALF, conv_clamp=precision.CLAMP)
    with gpu_graphs.gpu_session('float16', ops='ref'), gpu_graphs.without_values():
        with contextlib.redirect_stdout(io.StringIO()):
            stages, _, _ = train.build(args, nets)
        assert [stage.name for stage in stages] == ['G', 'G_reg', 'Gs', 'D', 'D_reg']
        for stage in stages:
            found = gpu_placement.look_at(stage.name, [stage.op], kernels, 8 * 8)
            assert not found.problems
            assert found.to_host < 16, 'each waits for the GPU'


@pytest.mark.usefixtures('graph')
def test_lifetimes_of_tensors():
    x = tf.placeholder(tf.float32, [64, 64])  # 16 KiB
    a = tf.matmul(x, x)
    b = tf.reshape(tf.matmul(a, a), [32, 128])  # a view
    c = tf.sqrt(tf.matmul(b, b, transpose_b=True))  # over the product
    known = gpu_memory.Lifetimes([c], 1), gpu_memory.Lifetimes([tf.matmul(c, b)], 1)
    assert [found.peak / 2 ** 14 for found in known] == [2, 2.25]  # x and a; a, of which b is a view, c and the result


def test_occupancy_of_a_multiprocessor():
    assert cuda_traffic.occupancy(32, 0, 256, 80) == 1 and cuda_traffic.occupancy(64, 0, 256, 80) == 0.5
    assert cuda_traffic.occupancy(64, 0, 256, 75) == 1 and cuda_traffic.occupancy(32, 40 << 10, 256, 86) == 2 / 6
