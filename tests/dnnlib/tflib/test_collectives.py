"""Alone nothing is exchanged, and nothing is added to the graph; tests/training/test_workers.py has two workers."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives


def test_one_worker_adds_nothing(session):
    value, variable = tf.constant([1.0, 2.0]), tf.Variable([1.0])
    before = len(tf.get_default_graph().get_operations())
    assert collectives.all_reduce([value]) == [value]
    assert collectives.all_gather(value) == [value] and collectives.all_gather(value)[0] is value
    assert collectives.total(value) is value and collectives.from_first(value) is value
    assert collectives.copy_from_first([variable]) is None
    assert (collectives.num_workers(), collectives.worker()) == (1, 0)
    assert collectives.gather_numbers([1, 2 ** 53]).tolist() == [[1, 2 ** 53]]
    assert len(tf.get_default_graph().get_operations()) == before


@pytest.mark.parametrize('sizes,expected', [
    ([4, 4, 4], [[2, 1], [0]]), ([8, 1, 9], [[2], [1], [0]]), ([20, 1, 1], [[2, 1], [0]]), ([], []),
    ([0, 0], [[1, 0]])])
def test_chunks_have_the_last_first_and_a_limit(sizes, expected):
    assert collectives.chunked(sizes, limit=8) == expected


@pytest.mark.parametrize('value', [
    np.float32([-0.0, np.nan, 1e-45, -np.inf]), np.float64([-0.0, 1e-320]), np.float16([0.1, -0.0]),
    np.int32([-5]), np.int64([2 ** 40]), np.array([True, False]), np.uint8([0, 255])])
def test_every_bit_travels(session, value):
    bits = collectives._to_ints(tf.constant(value))
    assert bits.dtype in (tf.int32, tf.int64)
    back = session.run(collectives._from_ints(bits + tf.zeros_like(bits), tf.as_dtype(value.dtype)))
    assert back.dtype == value.dtype and back.tobytes() == value.tobytes()
