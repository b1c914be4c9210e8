"""Training in mixed precision: losses, gradients against float32, what stays float32, minibatch stddev in pairs."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import layout, precision, random
from tests.training.test_training_loop import STYLEGAN2, assert_same_variables, train
from training import loss
from training.blocks import layers

SIZE = 8
SMALL = dict(num_channels=3, resolution=SIZE, fmap_base=64, fmap_max=16, num_fp16_res=1)
LATENTS = dict(latent_size=8, dlatent_size=8, mapping_layers=1, mapping_fmaps=8, style_mixing_prob=None)
NETWORKS = {'stylegan2': ('training.networks_stylegan2.G_main', 'training.networks_stylegan2.D_stylegan2'),
            'ada': ('training.networks_ada.G_main', 'training.networks_ada.D_main')}
HALF = [dtype for dtype in ('float16', 'bfloat16') if precision.has_kernel('Conv2D', dtype, 'CPU')]

# largest relative error of a loss's value and of its whole gradient: twice what was measured
LIMITS = {'float16': dict(G=(2e-3, 0.02), G_reg=(5e-3, 0.03), D=(1e-3, 0.02), D_reg=(5e-3, 0.01)),
          'bfloat16': dict(G=(1e-2, 0.12), G_reg=(2e-2, 0.06), D=(2e-2, 0.12), D_reg=(4e-2, 0.07))}


def make_networks(kind, **options):
    """G and D with random weights, and noise."""
    rnd = np.random.RandomState(1)
    options = dict(SMALL, **options)
    D = tflib.Network('D', NETWORKS[kind][1], mbstd_group_size=4, **options)
    G = tflib.Network('G', NETWORKS[kind][0], **dict(options, **LATENTS))
    for net in (G, D):
        tflib.set_vars({var: rnd.randn(*var.shape.as_list()) for var in net.trainables.values()})
    return G, D


def losses(G, D, dtype, minibatch_size=4):
    """{stage: [loss, gradients...]}, as tensors, of the same random numbers for every type."""
    layout.set_mixed_type(dtype)
    data = SimpleNamespace(get_random_labels_tf=lambda size: tf.zeros([size, 0]))
    reals = tf.constant(np.random.RandomState(2).uniform(-1, 1, [minibatch_size, 3, SIZE, SIZE]), tf.float32)
    with random.seeded(tf.constant([1, 2], tf.int64)):
        G_loss, G_reg = loss.G_logistic_ns_pathreg(G, D, data, minibatch_size)
        D_loss, D_reg = loss.D_logistic_r1(G, D, data, minibatch_size, reals, tf.zeros([minibatch_size, 0]))
    found = dict(G=(G_loss, G), G_reg=(G_reg, G), D=(D_loss, D), D_reg=(D_reg, D))
    means = {stage: tf.reduce_mean(value) for stage, (value, _) in found.items()}
    return {stage: [mean] + [
        gradient for gradient in tf.gradients(mean, list(found[stage][1].trainables.values())) if gradient is not None]
            for stage, mean in means.items()}


def errors(found, exact):
    """Relative errors of [loss, gradients...]: (of the loss, of the whole gradient)."""
    whole = [np.concatenate([np.ravel(g).astype(np.float64) for g in values[1:]]) for values in (found, exact)]
    return abs(found[0] - exact[0]) / abs(exact[0]), np.linalg.norm(whole[0] - whole[1]) / np.linalg.norm(whole[1])


def test_losses_and_gradients_are_those_of_float32(session):
    G, D = make_networks('ada', conv_clamp=256)
    tensors = {dtype: losses(G, D, dtype) for dtype in ['float32'] + HALF}
    types = {value.dtype.base_dtype for found in tensors.values() for values in found.values() for value in values}
    assert types | {var.dtype.base_dtype for net in (G, D) for var in net.vars.values()} == {tf.float32}
    tflib.init_uninitialized_vars()
    pl_mean, = [var for var in tf.global_variables() if var.op.name.endswith('pl_mean')]
    found = {}
    for dtype in tensors:
        session.run(pl_mean.initializer)
        found[dtype] = session.run(tensors[dtype])
    for dtype in HALF:
        for stage, limits in LIMITS[dtype].items():
            actual = errors(found[dtype][stage], found['float32'][stage])
            assert 1e-4 < actual[1] and all(a < b for a, b in zip(actual, limits)), (dtype, stage, actual)


@pytest.mark.parametrize('dtype', ['float32'] + HALF)
def test_the_clamp_stops_gradients_too(session, dtype):
    x = tf.placeholder(tf.float32, [4])
    y = layers.clamp(tf.cast(x, dtype) * 2, 3)
    first, = tf.gradients(tf.cast(y, tf.float32) ** 3, x)  # 6 y^2 inside, and its derivative 24 y
    second, = tf.gradients(first, x)
    found = session.run([y, first, second], {x: [-2, -1, 0.5, 4]})
    np.testing.assert_array_equal(np.float32(found), [[-3, -2, 1, 3], [0, 24, 6, 0], [0, -48, 24, 0]])


def half_convolutions(function):
    """Sides of the outputs of the 16-bit convolutions that `function` builds."""
    before = set(tf.get_default_graph().get_operations())
    function()
    return {op.outputs[0].shape.as_list()[1] for op in tf.get_default_graph().get_operations() if op not in before
            and op.type == 'Conv2D' and op.outputs[0].dtype in (tf.float16, tf.bfloat16)}


@pytest.mark.parametrize('kind', NETWORKS)
def test_pairs_of_the_minibatch_stddev_get_their_activations_in_float32(session, kind):
    D = tflib.Network('D', NETWORKS[kind][1], **dict(SMALL, resolution=16, num_fp16_res=4, mbstd_group_size=4))
    layout.set_mixed_type('float16')

    def scores(size, **options):
        return lambda: D.get_output_for(tf.zeros([size, 3, 16, 16]), tf.zeros([size, 0]), **options)
    assert half_convolutions(scores(4)) == half_convolutions(scores(6, mbstd_group_size=3)) == {16, 8, 4}
    assert half_convolutions(scores(2)) == half_convolutions(scores(4, mbstd_group_size=2)) == {16, 8}
    layout.set_mixed_type('float32')
    assert half_convolutions(scores(4)) == set()


def test_only_float32_is_computed_where_nothing_was_chosen(session):
    D = tflib.Network('D', NETWORKS['ada'][1], **SMALL)
    assert layout.mixed_type() == 'float32'
    assert half_convolutions(lambda: D.get_output_for(tf.zeros([4, 3, SIZE, SIZE]), tf.zeros([4, 0]))) == set()
    layout.set_data_format('NCHW')
    assert layout.mixed_type() == 'float16'
    with pytest.raises(ValueError, match="not 'auto'"):
        layout.set_mixed_type('auto')


@pytest.mark.skipif(HALF[-1] != 'bfloat16', reason='TensorFlow 1 has no bfloat16 convolution on the CPU')
def test_a_resumed_training_equals_one_that_went_on(tmp_path):
    options = dict(D_args=dict(STYLEGAN2['D_args'], num_fp16_res=1), image_snapshot_ticks=None, minibatch_repeats=1,
                   tf_config={'device': 'cpu', 'mixed': 'bfloat16', 'intra_op_parallelism_threads': 1})
    for name, lengths in [('whole', [0.032]), ('parts', [0.016, 0.032])]:
        for length in lengths:
            assert train(tmp_path / name, length, **options) == 0
    assert_same_variables(tmp_path / 'whole', tmp_path / 'parts')
