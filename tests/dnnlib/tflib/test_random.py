"""Tests of dnnlib.tflib.random: moments, and streams that are functions of a seed."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random


def draws(seed):
    with random.seeded(seed):
        return [random.normal([1000]), random.normal([1000]), random.uniform([1000], -2, 4), random.uniform([1000])]


def test_distributions(session):
    for streams in (draws(tf.constant([1, 2])), [random.normal([1000]), random.normal([1000]),
                                                 random.uniform([1000], -2, 4), random.uniform([1000])]):
        values = session.run(streams)
        moments = [(value.mean(), value.std()) for value in values]
        np.testing.assert_allclose(moments, [(0, 1), (0, 1), (1, np.sqrt(3)), (0.5, np.sqrt(1 / 12))], atol=0.15)
        assert -2 <= values[2].min() and values[2].max() < 4
        assert abs(np.corrcoef(values)[np.triu_indices(4, 1)]).max() < 0.15


def test_seeded_numbers_are_a_function_of_the_seed(session):
    seed = tf.placeholder(tf.int32, [2])
    streams = draws(seed)
    first, again, other, third = [session.run(streams, {seed: value}) for value in ([5, 7], [5, 7], [6, 7], [5, 8])]
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).all(axis=1).any() and not np.isclose(first, third).all(axis=1).any()
    same = session.run(draws(tf.constant([5, 7], tf.int64)))  # of another graph part, as after a restart
    np.testing.assert_array_equal(first, same)


def test_blocks_nest_and_end(session):
    seed = tf.constant([1, 2])
    with random.seeded(seed):
        outer = random.normal([4])
        with random.seeded(seed):
            inner = random.normal([4])
        after = random.normal([4])
    free = random.normal([4])
    outer, inner, after = session.run([outer, inner, after])
    np.testing.assert_array_equal(outer, inner)
    assert np.abs(outer - after).max() > 0
    assert np.abs(session.run(free) - session.run(free)).max() > 0
