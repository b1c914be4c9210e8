"""Which precision is chosen, said, and how far its pictures are from float32."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import layout, precision

TF1 = tf.__version__.startswith('1.')


def small_generator(resolution=32, **options):
    """A narrow generator with noise and random weights."""
    G = tflib.Network('G', func_name='training.networks_stylegan2.G_main', resolution=resolution, num_channels=3,
                      fmap_base=512, fmap_max=32, mapping_layers=2, **options)
    tflib.set_vars({var: np.float32(0.1) for name, var in G.vars.items() if name.endswith('noise_strength')})
    return G


def test_float32_needs_no_options(session):
    assert precision.synthesis_options('float32', small_generator()) == ({}, 'float32')


def test_float32_is_what_files_that_ask_for_16_bits_get_on_a_gpu(session):
    G, plain = small_generator(resolution=8, num_fp16_res=2), small_generator(resolution=8)
    assert precision.synthesis_options('float32', G) == ({}, 'float32')
    layout.set_data_format('NCHW')
    assert precision.synthesis_options('float32', G) == (dict(num_fp16_res=0), 'float32')
    assert precision.synthesis_options('float32', plain) == ({}, 'float32')


def test_kernels_are_found_by_type_and_device():
    assert precision.has_kernel('Conv2D', 'float32', 'CPU')
    assert precision.has_kernel('Conv2D', 'bfloat16', 'CPU') != TF1
    assert not precision.has_kernel('Conv2D', 'string', 'CPU')


def test_what_cannot_be_had_is_said_in_one_sentence(session):
    options, text = precision.synthesis_options('mixed', small_generator(resolution=8))
    assert options == {} and text == 'float32, because the network has no 16x16 block'
    toy = tflib.Network('toy', func_name='tests.dnnlib.tflib.toy_networks.affine')
    options, text = precision.synthesis_options('mixed', toy)
    assert options == {} and text == 'float32, because networks of this kind do not support mixed precision'
    if TF1:
        options, text = precision.synthesis_options('mixed', small_generator())
        assert options == {} and 'has no bfloat16 convolution for the CPU' in text


def test_gpus_get_float16_and_the_clamp(session, monkeypatch):
    G = small_generator()
    monkeypatch.setattr(precision, 'has_kernel', lambda op, dtype, device: (dtype, device) == ('float16', 'GPU'))
    layout.set_data_format('NCHW')
    assert precision.synthesis_options('mixed', G) == (
        dict(num_fp16_res=2, conv_clamp=256), 'mixed: float16 from 16x16 up')


@pytest.mark.skipif(TF1, reason='TensorFlow 1 has no bfloat16 convolution on the CPU')
@pytest.mark.parametrize('batch', [1, 3])
def test_mixed_precision_is_close_to_float32(session, batch):
    G = small_generator()
    options, text = precision.synthesis_options('mixed', G)
    assert options == dict(num_fp16_res=2) and text.startswith('mixed: bfloat16 from 16x16 up')
    latents = np.random.RandomState(1).randn(batch, *G.input_shape[1:])
    kwargs = dict(truncation_psi=None, randomize_noise=False, minibatch_size=batch)
    exact = G.run(latents, None, **kwargs)
    mixed = G.run(latents, None, **dict(kwargs, **options))
    assert mixed.dtype == np.float32
    error = np.mean(np.abs(mixed - exact)) / np.std(exact)
    assert 1e-5 < error < 1e-2  # bfloat16 has 8 bits; equality would mean that float32 was computed


@pytest.mark.skipif(TF1, reason='TensorFlow 1 has no bfloat16 convolution on the CPU')
def test_convolutions_of_the_upper_blocks_are_bfloat16(session):
    G = small_generator()
    before = set(tf.get_default_graph().get_operations())
    layout.set_mixed_type('bfloat16')
    G.get_output_for(tf.zeros([1, 512]), tf.zeros([1, 0]), num_fp16_res=1)
    convolutions = [op for op in tf.get_default_graph().get_operations()
                    if op not in before and op.type in ('Conv2D', 'Conv2DBackpropInput')]
    halves = [op for op in convolutions if op.outputs[0].dtype == tf.bfloat16]
    assert {op.outputs[0].shape.as_list()[1] for op in halves} <= {32, 33}
    assert len(halves) == 3 and len(convolutions) > 6  # Conv0_up, Conv1, ToRGB


def test_the_clamp_limits_activations(session):
    G = small_generator()
    latents = np.random.RandomState(1).randn(2, *G.input_shape[1:])
    plain, clamped = [G.run(latents, None, randomize_noise=False, **options) for options in ({}, dict(conv_clamp=0.01))]
    assert np.abs(plain).max() > 0.2
    assert np.abs(clamped).max() <= 4 * 0.01 * 1.5  # four images of at most 0.01, the up-sampling overshoots little
