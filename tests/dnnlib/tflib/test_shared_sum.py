"""Sums through shared memory: workers in threads of one process, each with a graph of its own, and in processes."""

import os
import subprocess
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


def run_worker(file, worker, inputs, found, pause=0, milliseconds=0, beside=False):
    """Sums each row of `inputs` twice, the second time negative, in one session call per row.

    Args:
        file: Of the shared memory.
        worker: Number of the worker.
        inputs: [steps, size].
        found: List to which the two sums of each step are appended, or the error of a call.
        pause: Before each step, seconds.
        milliseconds: After which a call is given up, 0 = never.
        beside: See SharedSums.
    """
    with tf.Graph().as_default():
        sums = shared_sum.SharedSums(file, worker, 3, beside)
        value = tf.placeholder(inputs.dtype, [None])
        both = [sums.sum(value), sums.sum(-value)]
        with tf.Session() as session:
            for row in inputs:
                time.sleep(pause)
                try:
                    found.append(session.run(both, {value: row}, tf.RunOptions(timeout_in_ms=milliseconds)))
                except (tf.errors.DeadlineExceededError, tf.errors.AbortedError) as error:
                    found.append(error)


def run_workers(jobs):
    """Runs `run_worker` in a thread for each of some tuples of arguments."""
    threads = [threading.Thread(target=run_worker, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def numbers(size, steps=6):
    """Inputs of three workers, of all magnitudes: [worker, step, size]."""
    rng = np.random.RandomState(size)
    return (rng.randn(3, steps, size) * 10.0 ** rng.randint(-4, 5, [3, steps, 1])).astype(np.float32)


@pytest.mark.parametrize('size', [1, 2, 7, FLOATS, 3 * FLOATS + 5, 0])
def test_sums_in_worker_order(memory, size):
    inputs = numbers(size)
    found = [[] for _ in inputs]
    run_workers([(memory, i, inputs[i], found[i], 0.01 * (i == 1)) for i in range(3)])
    for i in range(6):
        expected = (inputs[0, i] + inputs[1, i]) + inputs[2, i]
        for worker in range(3):
            assert found[worker][i][0].tobytes() == expected.tobytes()
            np.testing.assert_array_equal(found[worker][i][1], -expected)


@pytest.mark.parametrize('dtype', [dtype.as_numpy_dtype for dtype in shared_sum.TYPES])
def test_all_types(memory, dtype):
    """As many bytes of each are a piece; of whole numbers, too, no bit is lost."""
    size = shared_memory.PAGE * shared_memory.BUFFER_PAGES // np.dtype(dtype).itemsize + 3
    info, rng = (np.iinfo if np.dtype(dtype).kind == 'i' else np.finfo)(dtype), np.random.RandomState(5)
    inputs = (rng.uniform(-1, 1, [3, 2, size]) * (info.max / 8)).astype(dtype)
    found = [[] for _ in inputs]
    run_workers([(memory, i, inputs[i], found[i]) for i in range(3)])
    for worker in range(3):
        for i in range(2):
            assert found[worker][i][0].dtype == dtype
            np.testing.assert_array_equal(found[worker][i][0], (inputs[0, i] + inputs[1, i]) + inputs[2, i])


def test_other_graphs_one_after_another(memory):
    """They have the same few regions, and leave those of the training alone."""
    inputs = numbers(3 * FLOATS + 5, 2)
    expected = (inputs[0] + inputs[1]) + inputs[2]
    for beside in (True, False, True):
        found = [[] for _ in inputs]
        run_workers([(memory, i, inputs[i], found[i], 0, 0, beside) for i in range(3)])
        for worker in range(3):
            assert [both[0].tobytes() for both in found[worker]] == [row.tobytes() for row in expected]


def test_three_processes(memory, tmp_path):
    """Each waits in a thread of its own, and they come at different times."""
    size, steps = 2 * FLOATS + 3, 15
    code = ('import sys; import numpy as np; from tests.dnnlib.tflib import test_shared_sum as test\n'
            'file, worker = int(sys.argv[1]), int(sys.argv[2])\n'
            'found = []\n'
            'test.run_worker(file, worker, test.numbers({0}, {1})[worker], found, 0.001 * worker)\n'
            'np.save(sys.argv[3], found)').format(size, steps)
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..', '..'))
    paths = [str(tmp_path / '{}.npy'.format(i)) for i in range(3)]
    workers = [subprocess.Popen([sys.executable, '-c', code, str(memory), str(i), paths[i]], cwd=root,
                                pass_fds=[memory]) for i in range(3)]
    assert [worker.wait(120) for worker in workers] == [0] * 3
    inputs = numbers(size, steps)
    expected = (inputs[0] + inputs[1]) + inputs[2]
    for path in paths:
        found = np.load(path)
        assert found.shape == (steps, 2, size)
        assert found[:, 0].tobytes() == expected.tobytes() and np.array_equal(found[:, 1], -expected)


def test_a_step_that_is_given_up_ends_all_sums(memory):
    """Those of this step, in all workers, and all later ones: the others' counters have gone on."""
    found = [[] for _ in range(3)]
    rows = np.ones([2, 3], np.float32)
    run_workers([(memory, 0, rows, found[0], 0, 200), (memory, 1, rows, found[1])])  # the third one never comes
    run_workers([(memory, 2, rows, found[2])])
    assert isinstance(found[0][0], tf.errors.OpError)
    for errors in found:
        assert len(errors) == 2
    for error in found[0][1:] + found[1] + found[2]:
        assert isinstance(error, tf.errors.AbortedError) and shared_memory.GIVEN_UP in error.message


@pytest.mark.parametrize('other', [np.ones([1, 4], np.float32), np.ones([1, 3], np.int32)])
def test_different_sums_are_told(memory, other):
    found = [[] for _ in range(3)]
    rows = np.ones([2, 3], np.float32)
    run_workers([(memory, 0, rows, found[0]), (memory, 1, other, found[1]), (memory, 2, rows, found[2])])
    for error in sum(found, []):
        assert isinstance(error, tf.errors.AbortedError) and 'the workers came to different sums' in error.message
    assert [len(errors) for errors in found] == [2, 1, 2]


def test_memory_is_passed_on_by_its_number(memory):
    assert shared_memory.find({shared_memory.SHARED: str(memory)}, 3) == memory
    for text, workers in [(str(memory), 2), ('', 3), ('x', 3), ('999', 3)]:
        assert shared_memory.find({shared_memory.SHARED: text}, workers) is None


def test_there_is_room_for_so_many(memory, monkeypatch):
    assert shared_memory.SUMS == 4096
    count = 20  # each takes a look at its shape
    monkeypatch.setattr(shared_sum, 'SUMS', count)
    for beside, pages in [(True, range(shared_sum.BESIDE)), (False, range(shared_sum.BESIDE, count))]:
        with tf.Graph().as_default():
            sums = shared_sum.SharedSums(memory, 2, 3, beside)
            found = [sums.sum(tf.constant([1.0])).op.get_attr('page') for _ in pages]
            assert found == [1 + page * shared_memory.region_pages(3) for page in pages]
            with pytest.raises(RuntimeError, match='all {} regions'.format(pages[-1] + 1)):
                sums.sum(tf.constant([1.0]))
    end = 1 + shared_memory.SUMS * shared_memory.region_pages(3)
    assert end * shared_memory.PAGE == os.fstat(memory).st_size


def test_not_with_reference_operations():
    with tf.Graph().as_default():
        assert shared_sum.is_possible()
        native.set_mode('ref')
        assert not shared_sum.is_possible()
