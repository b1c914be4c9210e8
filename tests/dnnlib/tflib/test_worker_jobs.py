"""Whether workers have servers of TensorFlow; tests/training/test_workers.py has two that train."""

import sys
import threading

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.run import launcher, shared_memory
from dnnlib.run.cluster import Cluster
from dnnlib.tflib import collectives, worker_jobs
from dnnlib.tflib.ops import native
from dnnlib.tflib.worker_session import WorkerSession

needs_memory = pytest.mark.skipif(sys.platform != 'linux' or native.missing() is not None,
                                  reason='Linux only, with native operations')


def proto(device='cpu'):
    """Settings of a session, as `tfutil.create_session` makes them."""
    return tf.ConfigProto(device_count={'GPU': 0} if device == 'cpu' else {})


def addresses():
    """Of two workers."""
    return tuple(f'127.0.0.1:{port}' for port in launcher.free_ports(2))


def test_servers_where_there_is_no_memory():
    with tf.Graph().as_default():
        session = collectives.open_session(proto(), Cluster(addresses(), 0, ''))
        with collectives.session_beside(tf.Graph()) as beside:
            assert [type(found) for found in (session, beside)] == [WorkerSession] * 2
        assert collectives.describe() == '; 2 workers with servers of TensorFlow'
        assert session.run(tf.constant(3)) == 3
        session.close()


@needs_memory
@pytest.mark.parametrize('ops, devices', [(['native', 'ref'], ['cpu', 'cpu']), (['native'] * 2, ['cpu', 'auto'])])
def test_servers_where_one_worker_cannot(ops, devices, monkeypatch):
    """It alone knows; all find out."""
    monkeypatch.setattr(worker_jobs.ServerJob, 'open_session', lambda self: tf.Session())
    found = [None, None]

    def join(file, worker):
        with tf.Graph().as_default():
            native.set_mode(ops[worker])
            job, session = worker_jobs.join(Cluster(('a:1', 'b:1'), worker, '', memory=file), proto(devices[worker]))
            session.close()
            found[worker] = type(job)
    run_both(join)
    assert found == [worker_jobs.ServerJob] * 2


@needs_memory
def test_everything_goes_through_memory(monkeypatch):
    """What TensorFlow's collectives would exchange, in the graph of the training and beside it; nothing listens."""
    monkeypatch.setattr(tf.train, 'Server', None)
    found = [{}, {}]

    def work(file, worker):
        with tf.Graph().as_default():
            session = collectives.open_session(proto(), Cluster(('a:1', 'b:1'), worker, '', memory=file))
            with session.as_default():
                assert type(session) is tf.Session and not collectives.has_gpu()
                assert collectives.describe() == '; 2 workers with shared memory'
                numbers = [collectives.gather_numbers([worker, 2 ** 53 - worker]) for _ in range(3)]
                one = tf.constant(np.float32([[1, -0.0], [np.nan, 3]][worker]))
                variable = tf.Variable(np.float16([worker, -0.0]))
                session.run(variable.initializer)
                first, all_found = collectives.from_first(one), collectives.all_gather(one)
                total = collectives.total(tf.constant(worker + 5, tf.int64))
                copy = collectives.copy_from_first([variable])
                collectives.vote([worker, 1])
                big = collectives.all_reduce([tf.fill([300000], worker + 0.5)])[0]
                session.run(copy)
                values = session.run([first, all_found, total, variable.read_value(), big])
                numbers.append(collectives.gather_numbers([7.0]))
                found[worker] = dict(numbers=numbers, values=values, tally=collectives.tally())
            session.close()
    run_both(work)
    for result in found:
        for number in result['numbers'][:3]:
            assert number.tolist() == [[0, 2 ** 53], [1, 2 ** 53 - 1]]
        assert result['numbers'][3].tolist() == [[7], [7]]
        first, all_found, total, variable, big = result['values']
        assert first.tobytes() == all_found[0].tobytes() == np.float32([1, -0.0]).tobytes()
        assert all_found[1].tobytes() == np.float32([np.nan, 3]).tobytes()
        assert total == 11 and variable.tobytes() == np.float16([0, -0.0]).tobytes()
        assert big.shape == (300000,) and (big == 2).all()
        assert result['tally'].tolist() == [1, 2]


@needs_memory
def test_other_graphs_have_regions_of_their_own():
    with shared_memory.create(2) as files, tf.Graph().as_default():
        job = worker_jobs.MemoryJob(Cluster(('a:1', 'b:1'), 0, '', memory=files[0]), proto())
        pages = [[found.sum(tf.constant([1.0])).op.get_attr('page') for _ in range(3)]
                 for found in (job, job.beside(), job.beside())]
    assert pages[1] == pages[2] and pages[1][-1] < pages[0][0]


def run_both(work):
    """Calls `work(file, worker)` in two threads that share memory."""
    errors = []

    def run(file, worker):
        try:
            work(file, worker)
        except Exception as error:
            errors.append(error)
            raise
    with shared_memory.create(2) as files:
        threads = [threading.Thread(target=run, args=(files[0], worker), daemon=True) for worker in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not errors and not any(thread.is_alive() for thread in threads)
