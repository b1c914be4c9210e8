"""Sums through shared memory: workers of one process, each with a graph and a thread of its own."""

import os
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.run import shared_memory
from dnnlib.tflib import shared_sum
from dnnlib.tflib.ops import native

FLOATS = shared_memory.PAGE * shared_memory.BUFFER_PAGES // 4  # of a piece
pytestmark = pytest.mark.skipif(sys.platform != 'linux' or native.missing() is not None,
                                reason='Linux only, with native operations')


@pytest.fixture
def memory():
    """The memory of three workers: number of its file."""
    with shared_memory.create(3) as files:
        yield files[0]


def run_worker(file, worker, inputs, found, pause=0):
    """Sums each row of `inputs` twice, the second time negative, in one session call per row."""
    with tf.Graph().as_default():
        sums = shared_sum.SharedSums(file, worker, 3)
        value = tf.placeholder(tf.float32, [None])
        both = [sums.sum(value), sums.sum(-value)]
        with tf.Session() as session:
            for row in inputs:
                time.sleep(pause)
                found.append(session.run(both, {value: row}))


@pytest.mark.parametrize('size', [1, 7, FLOATS, 3 * FLOATS + 5, 0])
def test_sums_in_worker_order(memory, size):
    rng = np.random.RandomState(size)
    inputs = (rng.randn(3, 6, size) * 10.0 ** rng.randint(-4, 5, [3, 6, 1])).astype(np.float32)
    found = [[] for _ in inputs]
    threads = [threading.Thread(target=run_worker, args=(memory, i, inputs[i], found[i], 0.01 * (i == 1)))
               for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(6):
        expected = (inputs[0, i] + inputs[1, i]) + inputs[2, i]
        for worker in range(3):
            assert found[worker][i][0].tobytes() == expected.tobytes()
            np.testing.assert_array_equal(found[worker][i][1], -expected)


def test_a_step_that_is_given_up_ends(memory):
    with tf.Graph().as_default():
        total = shared_sum.SharedSums(memory, 0, 3).sum(tf.constant([1.0]))
        with tf.Session() as session, pytest.raises((tf.errors.DeadlineExceededError, tf.errors.AbortedError)):
            session.run(total, options=tf.RunOptions(timeout_in_ms=200))


def test_memory_is_passed_on_by_its_number(memory):
    assert shared_memory.find({shared_memory.SHARED: str(memory)}, 3) == memory
    for text, workers in [(str(memory), 2), ('', 3), ('x', 3), ('999', 3)]:
        assert shared_memory.find({shared_memory.SHARED: text}, workers) is None


def test_there_is_room_for_so_many(memory):
    with tf.Graph().as_default():
        sums = shared_sum.SharedSums(memory, 2, 3)
        for _ in range(shared_memory.SUMS):
            assert sums.has_room()
            last = sums.sum(tf.constant([1.0]))
        assert not sums.has_room()
        end = last.op.get_attr('page') + shared_memory.region_pages(3)
        assert end * shared_memory.PAGE == os.fstat(memory).st_size


def test_not_with_reference_operations_or_too_many():
    with tf.Graph().as_default():
        assert shared_sum.is_possible(shared_sum.MOST_WORKERS)
        assert not shared_sum.is_possible(shared_sum.MOST_WORKERS + 1)
        native.set_mode('ref')
        assert not shared_sum.is_possible(3)
