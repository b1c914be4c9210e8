"""A training in two processes, one of which is killed: all is restarted from the last state, and goes on."""

import os
import signal
import sys
import threading
import time

import pytest
import tensorflow.compat.v1 as tf

from benchmarks import kill_study, worker_faults
from benchmarks import workers as benchmark
from dnnlib.run import cluster, launcher, watchdog
from training.state import files

OPTIONS = kill_study.TINY + ['--num-workers=2', '--total-kimg=100000', '--set', 'sched.minibatch_size_base=32', '--set',
                             'sched.minibatch_gpu_base=16', '--g-loss=G_logistic_ns', '--d-loss=D_logistic']


def test_a_killed_worker_is_replaced(tmp_path):
    job = worker_faults.Job(OPTIONS + ['--result-dir=%s' % tmp_path])
    try:
        assert job.wait_for(lambda: any(map(kill_study.newest_nimg, kill_study.run_dirs_in(str(tmp_path)))),
                            seconds=300), job.lines[-5:]
        folder, = kill_study.run_dirs_in(str(tmp_path))
        os.kill(worker_faults.workers_of(job.pid)[1], signal.SIGKILL)
        assert job.wait_for(lambda: job.restarts() == 1, seconds=60), job.lines[-5:]
        reached = kill_study.newest_nimg(folder)
        assert job.wait_for(lambda: kill_study.newest_nimg(folder) > reached, seconds=300), job.lines[-5:]
        job.send(signal.SIGTERM)  # it would train for days
        assert job.finish() == 0, job.lines[-5:]
    finally:
        job.kill()
    said = [line for line in job.lines if line.startswith('Worker ')]
    assert said[0] == said[-1] == 'Worker 0 of 2, all here'
    assert said[-2] == ('Worker 1 was killed by SIGKILL. Restarting all 2 workers from the last state (1 of 3 restarts '
                        'without progress).')
    assert len(said) <= 4 and all('is lost: closed the connection' in line for line in said[1:-2])
    now = [line for line in job.now() if line.startswith(kill_study.START)]
    assert len(now) == 1 and 'now at 0.0...' not in now[0]
    assert kill_study.run_dirs_in(str(tmp_path)) == [folder]
    with open(os.path.join(folder, 'log-worker1.txt')) as f:
        assert f.read().count('Worker 1 of 2, all here') == 2
    assert not kill_study.unfinished_files(folder) and not kill_study.damaged_files(folder)
    assert not worker_faults.workers_of(job.pid)


JOB = dict(method='pools', workers=2, iterations=24)  # networks that are built in no time


def train_as_worker(run_dir):
    """What the processes of the test below do."""
    found = cluster.find(os.environ)
    if found.task == 0:
        os.makedirs(run_dir, exist_ok=True)
        launcher.tell(run_dir)
    with watchdog.watching(found):
        benchmark.train(cluster=found, run_dir=run_dir, loop=dict(checkpoint_minutes=0), **JOB)


@pytest.mark.skipif(int(tf.__version__.split('.')[0]) > 1, reason='the test above is of this TensorFlow')
def test_a_killed_worker_changes_nothing_under_tensorflow_1(tmp_path):
    run_dir, alone, reached, said = str(tmp_path / 'two'), str(tmp_path / 'alone'), [], []

    def kill():
        until = time.time() + 240
        while not files.list_states(run_dir) and time.time() < until:
            time.sleep(0.01)
        os.kill(worker_faults.workers_of(os.getpid())[1], signal.SIGKILL)
        reached.append(files.latest_counters(run_dir).nimg)

    processes = benchmark.start(sys.executable, None, [dict(JOB, run_dir=alone)])
    thread = threading.Thread(target=kill)
    thread.start()
    try:
        environ = dict(PYTHONPATH=worker_faults.ROOT, OMP_NUM_THREADS='1')
        command = [sys.executable, '-W', 'ignore', os.path.abspath(__file__), run_dir]
        assert launcher.launch(launcher.Plan(command, 2, [environ] * 2), say=said.append) == 0, said
        benchmark.finish(processes, alone, timeout=240)
    finally:
        benchmark.stop(processes)
        thread.join()
    assert 0 < reached[0] < 8 * JOB['iterations']
    assert said == ['Worker 1 was killed by SIGKILL. Restarting all 2 workers from the last state (1 of 3 restarts '
                    'without progress).']
    assert benchmark.compare(benchmark.variables(alone), benchmark.variables(run_dir)) == (0, [])
    assert not kill_study.unfinished_files(run_dir) and not worker_faults.workers_of(os.getpid())


if __name__ == '__main__':
    train_as_worker(sys.argv[1])
