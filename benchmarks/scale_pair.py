"""Two processes that measure for benchmarks/scale.py, with half of the cores each, what a worker does and exchanges."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import workers  # noqa: E402  (found only after the line above)
from dnnlib.run import cluster as clusters, launcher  # noqa: E402

FEW = 2  # images of the smaller minibatch; with 1, path lengths would not be of half as many
KINDS = (           # what is timed of each stage, by both processes at the same time:
    'few',          # alone, FEW images
    'alone',        # alone, all images of a worker
    'plain',        # the same without TensorFlow's rewriting of graphs, which several workers do without
    'together')     # as workers
BARE = 'bare'       # the sums of the stage alone
ENOUGH_SECONDS = 120  # for the measurements of a stage: under TensorFlow 1.14 one of config-f takes minutes
HUNG_SECONDS = 6 * 3600  # of both processes together; an hour was not enough for TensorFlow 1.14


def reductions(op, count):
    """What the session call of a stage exchanges, found in its graph.

    Args:
        op: Operation of the stage.
        count: Number of workers that the graph is for.
    Returns: (bytes of each sum of gradients, in order; bytes of one worker in each other sum), two lists.
    """
    waiting, needed, sums, gathers = [op], set(), [], []
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += list(op.control_inputs) + [tensor.op for tensor in op.inputs]
    for op in op.graph.get_operations():
        if op in needed and op.type == 'CollectiveReduce':
            value = op.inputs[0]
            size = value.shape.num_elements() * value.dtype.size
            if value.dtype.is_integer:  # bits in the place of this worker, see `collectives.all_gather`
                gathers.append(size // count)
            else:
                sums.append(size)
    return sums, gathers


class Variant:
    """The stages in a graph and a session, or several sessions, of their own.

    Args:
        args: Parsed command line.
        images: Size of the minibatch.
        configs: {kind: settings of `tflib.init_tf`}, a session each; the networks are built in the first.
    Attributes:
        stages: List of train_step.Stage.
        calls: {kind: function of a stage that runs it once}.
    """

    def __init__(self, args, images, configs):
        import tensorflow.compat.v1 as tf
        from benchmarks import train
        from dnnlib import tflib
        from dnnlib.tflib import tfutil
        args = argparse.Namespace(**dict(vars(args), minibatch=images))
        common = dict(device='cpu', ops=args.ops, intra_op_parallelism_threads=args.threads,
                      inter_op_parallelism_threads=args.threads)
        self.calls, self.graph = {}, tf.Graph()
        with self.graph.as_default():
            np.random.seed(0)
            sessions = {kind: tfutil.create_session(dict(common, **config)) for kind, config in configs.items()}
            first = next(iter(sessions.values()))
            with first.as_default():
                self.stages, feed, _ = train.build(args)
                tflib.init_uninitialized_vars()
            for kind, session in sessions.items():
                if session is not first:
                    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
                self.calls[kind] = lambda stage, session=session: session.run(stage.op, feed)
            self.session = first


def measure_as_worker(args, cluster):
    """Times everything as one of two workers, both at the same time.

    Returns: (rows, seconds of a sum of one number); a row for each stage: name, every, sums and gathers (see
        `reductions`), seconds of KINDS and of BARE.
    """
    import tensorflow.compat.v1 as tf
    from dnnlib.tflib import collectives
    plain = {'graph_options.rewrite_options.disable_meta_optimizer': True}  # as `worker_jobs.Job` has it
    together = Variant(args, args.per_worker, {'together': dict(cluster=cluster)})
    alone = Variant(args, args.per_worker, {'alone': {}, 'plain': plain})
    variants = [Variant(args, FEW, {'few': {}}), alone, together]
    calls = {kind: (variant.stages, call) for variant in variants for kind, call in variant.calls.items()}
    rows, bare = [], []
    with together.graph.as_default(), together.session.as_default():
        value_in = tf.placeholder(tf.float32, [1])
        sum_of_both = collectives.total(value_in)
        for stage in together.stages:
            sums, gathers = reductions(stage.op, 2)
            rows.append(dict(name=stage.name, every=stage.every, sums=sums, gathers=gathers))
            numbers = [size // 4 for size in reversed(sums)]  # `all_reduce` begins with the last
            if numbers:
                numbers[0] -= collectives.VOTES  # which it adds
            bare.append(tf.group(*collectives.all_reduce([tf.zeros([n]) for n in numbers])) if numbers else tf.no_op())

    def meet(value=0.0):
        """Waits for the other process; returns the sum of the values of both."""
        return together.session.run(sum_of_both, {value_in: [value]})[0]
    latency = np.median([_seconds(meet) for _ in range(20 * args.repeats + 1)][1:])
    for number, row in enumerate(rows):
        timed = {kind: lambda stages=stages, call=call: call(stages[number]) for kind, (stages, call) in calls.items()}
        timed[BARE] = lambda: together.session.run(bare[number])
        row.update(_times(timed, meet, args.repeats))
        print(row, flush=True)
    return rows, float(latency)


def _times(timed, meet, repeats):
    """Median seconds of several functions, one after the other: {kind: seconds}.

    Args:
        timed: {kind: function without arguments}, of things that both processes do at the same time.
        meet: See `measure_as_worker`.
        repeats: Measurements of each, fewer if they take more than ENOUGH_SECONDS.
    """
    times, started = {kind: [] for kind in timed}, None
    for number in range(repeats + 1):
        for kind, call in timed.items():
            meet()
            times[kind].append(_seconds(call))
        started = started or time.time()  # the first calls are slower, and don't count
        if number > 0 and meet(time.time() - started) > 2 * ENOUGH_SECONDS:  # the same in both processes
            break
    return {kind: float(np.median(found[1:])) for kind, found in times.items()}


def _seconds(call):
    started = time.time()
    call()
    return time.time() - started


def measure(args):
    """Runs two processes with half of the cores each; returns what worker 0 found.

    Args:
        args: Command line of benchmarks/scale.py; `threads` is set.
    Returns: dict of rows, latency (see `measure_as_worker`), images, threads, tensorflow (version), title.
    Raises: UserError with the end of its log if one of them fails.
    """
    cores = sorted(os.sched_getaffinity(0))
    shares = [cores[:len(cores) // 2] or cores, cores[len(cores) // 2:]]
    args.threads = len(shares[1])
    addresses = [f'127.0.0.1:{port}' for port in launcher.free_ports(2)]
    with tempfile.TemporaryDirectory() as folder:
        processes, base = [], os.path.join(folder, 'worker')
        for task, share in enumerate(shares):
            command = [sys.executable, '-W', 'ignore', os.path.abspath(__file__),
                       json.dumps([vars(args), addresses, task, share, base + '.json'])]
            with open(f'{base}.{task}.txt', 'wb') as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=dict(
                    os.environ, OMP_NUM_THREADS=str(args.threads), TF_CPP_MIN_LOG_LEVEL='3')))
        workers.finish(processes, base, timeout=HUNG_SECONDS)
        with open(base + '.json') as file:
            return json.load(file)


def child(settings, addresses, task, cores, path):
    """One of the two processes; number 0 writes what it measured."""
    os.sched_setaffinity(0, cores)
    import tensorflow.compat.v1 as tf
    args = argparse.Namespace(**settings)
    rows, latency = measure_as_worker(args, clusters.Cluster(tuple(addresses), task, None))
    if task == 0:
        with open(path, 'w') as file:
            json.dump(dict(rows=rows, latency=latency, images=args.per_worker, threads=args.threads,
                           tensorflow=tf.__version__, title=f'{args.resolution}x{args.resolution}, feature maps '
                           f'{args.fmap_base} / 2^stage, at most {args.fmap_max}'), file, indent=1)


if __name__ == '__main__':
    child(*json.loads(sys.argv[1]))
