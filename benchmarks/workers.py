#!/usr/bin/env python3
"""Do N workers train what one worker trains with N rounds of accumulation, and how fast?

    python benchmarks/workers.py --workers=2 --workers=3 --iterations=1 --iterations=50
    python benchmarks/workers.py --speed=3 --ops=native

Tiny networks on the cats, one thread per worker. With two workers of one round each every bit is the same, with native
operations also with more; with reference operations, or several rounds each, gradients are added in another order.
Prints for each method the largest distance of a network's weights, as a share of their norm, and whether all variables
have the same bits. `--kill` also ends a training of N workers after half of the iterations and continues it. `--speed`
compares two workers with one core each with one worker with two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks.worker_methods import METHODS, SPEED  # noqa: E402  (found only after the line above)
from dnnlib import EasyDict, UserError, cli  # noqa: E402
from dnnlib.run import cluster as clusters, launcher, shared_memory, watchdog  # noqa: E402
from dnnlib.util import get_obj_by_name  # noqa: E402
from training.state import files  # noqa: E402


def train(method, run_dir, workers, iterations, ops='ref', cluster=None, cores=None, loop=None):
    """Trains in this process, as one of the workers of a cluster or alone.

    Args:
        method: Key of METHODS.
        run_dir: Folder; made if this process writes.
        workers: Workers whose rounds there are, whoever does them.
        iterations: Their number.
        ops: See `tflib.init_tf`.
        cluster: See `training_loop`.
        cores: For each worker the numbers of the cores that it may use; `None` = all, but one thread.
        loop: Further arguments of `training_loop`; instead of a `metric_callback`, `measure` is the name of a function
            that makes it of the run directory.
    Returns: What the loop returns.
    """
    import tensorflow.compat.v1 as tf
    from dnnlib import tflib
    from training.training_loop import training_loop
    own = cores and cores[0 if cluster is None else cluster.task]
    if own:
        os.sched_setaffinity(0, own)
    threads = len(own) if own else 1
    if cluster is None or cluster.task == 0:
        os.makedirs(run_dir, exist_ok=True)
    args = METHODS[method](workers)
    loop = dict(dict(checkpoint_minutes=None, network_snapshot_ticks=None), **loop or {})
    measure = loop.pop('measure', None)
    nimg = (args['sched_args'].get('minibatch_size') or args['sched_args']['minibatch_size_base']) * iterations
    with tf.Graph().as_default():
        try:
            return training_loop(**dict(
                args, submit_config=EasyDict(run_dir=run_dir), seed=5, total_kimg=nimg / 1000, minibatch_repeats=1,
                tf_config=dict(device='cpu', ops=ops, intra_op_parallelism_threads=threads,
                               inter_op_parallelism_threads=threads),
                grid_args=dict(size='3x2'), mirror_augment=True, image_snapshot_ticks=None, keep=5, cluster=cluster,
                metric_callback=measure and get_obj_by_name(measure)(run_dir), **loop))
        finally:
            kinds = [operation.type for operation in tf.get_default_graph().get_operations()]
            print(f'{method}: {kinds.count("WorkerSum")} sums in shared memory')
            tflib.close_tf()


def start(python, workers, jobs):
    """Starts processes that run trainings one after another.

    Args:
        python: Interpreter.
        workers: Number of processes; `None` = one alone.
        jobs: List of keyword arguments of `train`; also `chunk_bytes`, see `collectives.CHUNK_BYTES`.
    Returns: List of Popen, worker 0 first.
    """
    count = workers + 1 if workers else 0  # the last one is the watchdog's
    ports = iter(launcher.free_ports(count * len(jobs)))
    jobs = [dict(job, addresses=[f'127.0.0.1:{next(ports)}' for _ in range(count)]) for job in jobs]
    found = []
    with shared_memory.create(workers or 1) as memory:
        environ = dict(os.environ, OMP_NUM_THREADS='1', TF_CPP_MIN_LOG_LEVEL='3')
        environ[shared_memory.SHARED] = ','.join(map(str, memory))
        for task in range(workers or 1):
            command = [python, '-W', 'ignore', os.path.abspath(__file__), '--child', json.dumps([task, jobs])]
            with open(f'{jobs[0]["run_dir"]}.{task}.txt', 'ab') as log:
                found.append(subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT,
                                              pass_fds=memory))
    return found


def finish(processes, run_dir, timeout=3600):
    """Waits for processes; raises UserError with the end of a log if one failed."""
    end = time.time() + timeout
    try:
        codes = [None]
        while None in codes and not any(codes) and time.time() < end:
            time.sleep(0.1)
            codes = [process.poll() for process in processes]
    finally:
        stop(processes)
    tasks = range(len(codes))
    failed = [task for task in tasks if codes[task]] or [task for task in tasks if codes[task] is None]
    for task in sorted(failed, key=lambda task: codes[task] == watchdog.LOST):  # which follows from another one's end
        with open(f'{run_dir}.{task}.txt', errors='replace') as log:
            what = f'worker {task} ' + ('is not done' if codes[task] is None else f'ended with {codes[task]}')
            raise UserError(f'{what}:\n' + ''.join(log.readlines()[-12:]))


def stop(processes):
    """Kills those processes that run."""
    for process in processes:
        process.kill()
        process.wait()


def child(task, jobs):
    """Runs trainings as one of their workers, or alone."""
    from dnnlib.tflib import collectives  # loads TensorFlow before anybody is waited for
    for job in jobs:
        *addresses, watch = job.pop('addresses') or [None]
        collectives.CHUNK_BYTES = job.pop('chunk_bytes', collectives.CHUNK_BYTES)
        if watch is None:
            train(**job)
            continue
        memory = shared_memory.find(os.environ, len(addresses))
        cluster = clusters.Cluster(tuple(addresses), task, watch, memory=memory)
        with watchdog.watching(cluster):
            train(cluster=cluster, **job)


def variables(run_dir):
    """{name: array} of the newest state; what is summed up between rounds is left out."""
    import tensorflow.compat.v1 as tf
    folder = files.latest_state(run_dir)
    reader = tf.train.NewCheckpointReader(os.path.join(folder, files.VARIABLES))
    found = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if 'grad_acc_' not in name}
    path = os.path.join(folder, files.ROUNDS)
    if os.path.exists(path):
        with np.load(path) as arrays:
            found.update((name, arrays[name]) for name in arrays.files)
    return found


def compare(expected, found):
    """(largest distance of a network's weights as a share of their norm, names of variables whose bits differ)."""
    if set(expected) != set(found):
        raise UserError('other variables: ' + ', '.join(sorted(set(expected) ^ set(found))))
    different = [name for name in expected if expected[name].tobytes() != found[name].tobytes()]
    networks = {}
    for name in expected:
        kind = name.split('/')[0]
        is_moment = name.split('/')[-1].startswith(('Train', 'Reg'))
        if expected[name].dtype == np.float32 and not is_moment and not kind.startswith(('Train', 'Reg', 'State')):
            networks.setdefault(kind, []).append(name)
    shares = [0.0]
    for names in networks.values():
        a, b = (np.concatenate([np.ravel(values[name]).astype(np.float64) for name in names])
                for values in (expected, found))
        shares.append(np.linalg.norm(a - b) / (np.linalg.norm(a) or 1))
    return max(shares), sorted(different)


def measure(folder, python, workers, iterations, args):
    """Rows of the table: all methods."""
    jobs = [dict(method=method, workers=workers, iterations=iterations, ops=args.ops)
            for method in args.method or METHODS if method != SPEED]
    runs = {kind: [dict(job, run_dir=os.path.join(folder, f'{kind}-{number}')) for number, job in enumerate(jobs)]
            for kind in ('one', 'many', 'halves')}
    finish(start(python, None, runs['one']), runs['one'][0]['run_dir'])
    finish(start(python, workers, runs['many']), runs['many'][0]['run_dir'])
    if args.kill:
        shorter = [dict(job, iterations=max(iterations // 2, 1)) for job in runs['halves']]
        for jobs in (shorter, runs['halves']):
            finish(start(python, workers, jobs), jobs[0]['run_dir'])
    version = subprocess.check_output([python, '-W', 'ignore', '-c', 'import tensorflow as t; print(t.__version__)'],
                                      stderr=subprocess.DEVNULL).decode().strip()
    for one, many, halves in zip(*runs.values()):
        share, different = compare(variables(one['run_dir']), variables(many['run_dir']))
        row = f'| {workers} | {one["method"]} | {version} | {args.ops} | {iterations} '
        row += f'| {share:.1e} | {bits(different)} |'
        if args.kill:
            share, different = compare(variables(many['run_dir']), variables(halves['run_dir']))
            row += f' continued: {share:.1e}, {bits(different)} |'
        print(row, flush=True)


def bits(different):
    """How a row names the variables that differ."""
    return f'{len(different)} variables differ, such as {different[0]}' if different else 'same bits'


def measure_speed(folder, python, ops, pairs):
    """Two workers with one core each against one with two, one after the other, several times."""
    ratios, own = [], sorted(os.sched_getaffinity(0))[:2]
    for pair in range(pairs):
        speeds = []
        for workers, cores in ((1, [own]), (2, [own[:1], own[1:]])):
            run_dir = os.path.join(folder, f'{pair}-{workers}')
            finish(start(python, workers if workers > 1 else None, [dict(
                method=SPEED, workers=workers, iterations=17, ops=ops, run_dir=run_dir, cores=cores)]), run_dir, 3600)
            with open(os.path.join(run_dir, 'stats.jsonl')) as lines:
                ticks = [json.loads(line) for line in lines]
            # of tick 1, 16 iterations; tick 0 is the first one
            speeds.append(1000 / np.mean([tick['Timing/sec_per_kimg'] for tick in ticks[1:2]]))
        ratios.append(speeds[1] / speeds[0])
        print(f'{SPEED}: {speeds[0]:.3f} images/s of one worker with two cores, {speeds[1]:.3f} of two with one core '
              f'each: {ratios[-1]:.2f} times', flush=True)
    print(f'median {np.median(ratios):.2f}')


def main(argv=None):
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--child', help=argparse.SUPPRESS)
    parser.add_argument('--python', action='append', help='an interpreter with TensorFlow; several times for several')
    parser.add_argument('--workers', action='append', type=int, help='number of workers (default: 2)')
    parser.add_argument('--iterations', action='append', type=int, help='length of a training (default: 50)')
    parser.add_argument('--method', action='append', choices=list(METHODS), help='a method (default: all)')
    parser.add_argument('--ops', default='ref', choices=['ref', 'native'], help='operations (default: %(default)s)')
    parser.add_argument('--kill', action='store_true', help='also stop after half of the iterations and continue')
    parser.add_argument('--speed', type=int, metavar='PAIRS', help='measure the speed instead')
    args = parser.parse_args(argv)
    if args.child:
        child(*json.loads(args.child))
        return
    if args.speed:
        with tempfile.TemporaryDirectory() as folder:
            measure_speed(folder, (args.python or [sys.executable])[0], args.ops, args.speed)
        return
    print('| N | method | TensorFlow | operations | iterations | difference | bits |\n|---|---|---|---|---|---|---|')
    for python in args.python or [sys.executable]:
        for workers in args.workers or [2]:
            for iterations in args.iterations or [50]:
                with tempfile.TemporaryDirectory() as folder:
                    measure(folder, python, workers, iterations, args)


if __name__ == '__main__':
    cli.run_main(main)
