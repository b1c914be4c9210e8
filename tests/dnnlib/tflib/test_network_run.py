"""Network.run on arrays."""

import numpy as np
import pytest

import dnnlib
import dnnlib.tflib as tflib
from tests.dnnlib.tflib import toy_networks

X = np.random.RandomState(0).randn(7, 3).astype(np.float32)
IMAGES = np.random.RandomState(1).uniform(-1, 1, [5, 1, 4, 4]).astype(np.float32)


def double(x, shift, factor=1):
    return x * 2, shift + factor


def add(y, amount=0):
    return y + amount


def first_of(*outputs):
    return outputs[0]


@pytest.fixture
def affine(session):
    return tflib.Network('A', toy_networks.affine)


def expected(network, x):
    return x @ network.get_var('Dense/weight') + network.get_var('Dense/bias')


@pytest.mark.parametrize('minibatch_size', [None, 1, 2, 7, 100])
def test_minibatches_give_the_same(affine, minibatch_size):
    y = affine.run(X, None, minibatch_size=minibatch_size)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected(affine, X), rtol=1e-5, atol=1e-6)


def test_several_outputs_and_lists(affine):
    outputs = affine.run(X, np.ones([7, 2]), with_sum=True, minibatch_size=3)
    assert isinstance(outputs, tuple) and [y.shape for y in outputs] == [(7, 2), (7, 1)]
    np.testing.assert_allclose(outputs[1][:, 0], outputs[0].sum(axis=1), rtol=1e-5, atol=1e-6)
    assert isinstance(affine.run(X, None, return_as_list=True), list)


def test_graphs_are_built_once(affine, session):
    affine.run(X, None, scale=2.0, output_transform=dict(func=add, amount=1))
    num_ops = len(session.graph.get_operations())
    y = affine.run(X[:4], None, scale=2.0, output_transform=dict(amount=1, func=add))
    assert len(session.graph.get_operations()) == num_ops
    np.testing.assert_allclose(y, 2 * expected(affine, X[:4]) + 1, rtol=1e-5, atol=1e-5)
    other = affine.run(X[:4], None, scale=2.0, output_transform=dict(amount=2, func=add))
    np.testing.assert_allclose(other, y + 1, rtol=1e-5)


def test_transforms_are_top_level_functions(affine):
    for transform in [dict(func=lambda y: y + 1), dict(amount=1), dict(func='add')]:
        for direction in ('input_transform', 'output_transform'):
            with pytest.raises(dnnlib.UserError, match='top level'):
                affine.run(X, None, **{direction: transform})


def test_input_transform(affine):
    y = affine.run(X, None, input_transform=dict(func=double, factor=3))
    np.testing.assert_allclose(y, expected(affine, 2 * X) + 3, rtol=1e-5, atol=1e-5)
    y = affine.run(X, None, with_sum=True, output_transform=dict(func=first_of))
    np.testing.assert_allclose(y, expected(affine, X), rtol=1e-5, atol=1e-6)


def test_single_samples_have_a_static_batch(session):
    network = tflib.Network('P', toy_networks.picture, tell_batch=True)
    assert network.run(IMAGES[:1])[1].tolist() == [True]
    assert network.run(IMAGES, minibatch_size=1)[1].tolist() == [True] * 5
    images, is_single = network.run(IMAGES, minibatch_size=2)
    assert is_single.tolist() == [False] * 5
    np.testing.assert_array_equal(images, IMAGES)


def test_several_devices_share_a_minibatch(affine):
    y = affine.run(X[:6], None, minibatch_size=4, num_gpus=2)
    np.testing.assert_allclose(y, expected(affine, X[:6]), rtol=1e-5, atol=1e-6)
    for options in [dict(minibatch_size=3), dict(minibatch_size=4)]:
        with pytest.raises(dnnlib.UserError, match='2 GPUs'):
            affine.run(X, None, num_gpus=2, **options)


def test_frozen_weights(affine):
    before = affine.run(X, None, assume_frozen=True)
    affine.set_var('Dense/bias', [5, 5])
    np.testing.assert_array_equal(affine.run(X, None, assume_frozen=True), before)
    np.testing.assert_allclose(affine.run(X, None), before + 5, rtol=1e-5, atol=1e-5)


def test_random_graphs_draw_new_numbers(session):
    network = tflib.Network('N', toy_networks.noisy)
    y = network.run(np.zeros([4, 3]), minibatch_size=2)
    assert len(set(y.tolist())) == 4


def test_bad_arrays(affine):
    for arrays in [(X,), (None, np.zeros([7, 2])), (X, None, None)]:
        with pytest.raises(dnnlib.UserError, match='takes 2 arrays'):
            affine.run(*arrays)
    with pytest.raises(dnnlib.UserError, match='shift_in holds 6 items'):
        affine.run(X, np.zeros([6, 2]))
    with pytest.raises(dnnlib.UserError, match='at least 1'):
        affine.run(X[:0], None)
    with pytest.raises(dnnlib.UserError, match='no option truncation'):
        affine.run(X, None, truncation=1)


def test_progress_lines(affine, capsys):
    affine.run(X, None, minibatch_size=4, print_progress=True)
    assert capsys.readouterr().out == '4 / 7\n7 / 7\n'
    affine.run(X, None, minibatch_size=4)
    assert capsys.readouterr() == ('', '')


def test_deprecated_conversions(session):
    network = tflib.Network('P', toy_networks.picture)
    with pytest.warns(DeprecationWarning, match='output_transform'):
        y = network.run(IMAGES, out_mul=127.5, out_add=127.5, out_shrink=2, out_dtype=np.uint8)
    means = IMAGES.reshape(5, 1, 2, 2, 2, 2).mean(axis=(3, 5))
    assert y.dtype == np.uint8
    np.testing.assert_array_equal(y, np.clip(np.round(means * 127.5 + 127.5), 0, 255))
    with pytest.raises(dnnlib.UserError, match='out_mul'):
        network.run(IMAGES, out_mul=2, output_transform=dict(func=first_of))
