"""Options of the command line about several devices; starting one process for each, and what these agree on."""

import ast
import contextlib
import copy
import functools
import io
import os
import sys
from typing import NamedTuple

from dnnlib import UserError, cli, util
from dnnlib.run import cluster as clusters
from dnnlib.run import connection, devices, early_errors, launcher, watchdog
from dnnlib.run.signals import StopSignals
from training.options import continuing
from training.state import files

OWN_OPTIONS = ('data_dir', 'tfrecord_dir', 'data_workers', 'device', 'ops')  # of each worker: data, what computes


class Job(NamedTuple):
    """The workers of a training as one of them sees them."""
    cluster: object = None  # dnnlib.run.cluster.Cluster, None = this process trains alone
    watch: object = None    # dnnlib.run.watchdog.Watch, the same

    @property
    def is_first(self):
        """Is this process worker 0, or alone? It has the run directory and decides."""
        return self.cluster is None or self.cluster.task == 0

    def settle(self, options):
        """The options that all workers train with: those of worker 0, but for OWN_OPTIONS.

        Args:
            options: Those of this worker, plain dictionary.
        """
        if self.cluster is None:
            return options
        settled = self.watch.share(repr(util.plain(options)) if self.is_first else None)  # keys of JSON would be texts
        return options if self.is_first else _with_own(ast.literal_eval(settled), options)


def add(parser):
    """Adds the options to an argparse parser."""
    p = parser
    p.add_argument('--num-gpus', type=int, default=1, metavar='N',
                   help='number of GPUs of this machine to train on, one process each (default: %(default)s)')
    p.add_argument('--num-workers', type=int, default=1, metavar='N',
                   help='number of processes that train together on the CPU, each on its share of the cores '
                   '(default: %(default)s)')
    p.add_argument('--max-restarts', type=int, default=launcher.MAX_RESTARTS, metavar='N',
                   help='restarts of all processes, from the last state, after one of them was lost; every new state '
                   'resets the count, unless the same process ends again with a Python error (exit code 1) within a '
                   'day (default: %(default)s)')
    p.add_argument('--start-timeout', type=cli.finite_float, default=watchdog.START_SECONDS, metavar='SEC',
                   help='seconds until all workers of a job must have started (default: %(default)g)')


def enter(args, environ=os.environ):
    """Checks the options, and finds out whether this process is one of several.

    `num_workers` becomes the number of all workers, `num_gpus` that of GPUs, `device` that of this worker, which sees
    only its own GPU from here on.

    Args:
        args: Parsed command line; changed.
        environ: Environment variables; CUDA_VISIBLE_DEVICES is changed.
    Returns: Cluster; `None` if this process trains alone, or is to start others.
    Raises: UserError for numbers that contradict each other or the machine.
    """
    for name in ('num_gpus', 'num_workers'):
        if not 1 <= getattr(args, name) <= clusters.MAX_WORKERS:
            raise UserError(f'--{name.replace("_", "-")}={getattr(args, name)}: expected a number from 1 on')
    for name in ('max_restarts', 'start_timeout'):
        if getattr(args, name) < 0:
            raise UserError(f'--{name.replace("_", "-")}={getattr(args, name):g}: expected a number of at least 0')
    if args.num_gpus > 1 < args.num_workers:
        raise UserError(f'--num-gpus={args.num_gpus} --num-workers={args.num_workers}: choose GPUs or processes on the '
                        'CPU')
    if args.num_gpus > 1 and args.device != 'auto':
        raise UserError(f'--num-gpus={args.num_gpus} --device={args.device}: each process gets one of the GPUs; drop '
                        '--device, or use --num-workers for the CPU')
    if args.num_workers > 1 and args.device not in ('auto', 'cpu'):
        raise UserError(f'--num-workers={args.num_workers} --device={args.device}: these processes train on the CPU; '
                        'use --num-gpus for GPUs')
    job, count = clusters.find(environ), max(args.num_gpus, args.num_workers)
    if job is not None:
        _enter_job(args, job, count, environ)
    elif args.num_gpus > 1 and len(devices.visible_gpus(environ)) < args.num_gpus:
        visible = f'{devices.VISIBLE}={environ[devices.VISIBLE]}' if devices.VISIBLE in environ else 'this machine'
        raise UserError(f'--num-gpus={args.num_gpus}: {visible} has {len(devices.visible_gpus(environ))}; use '
                        '--num-workers for processes on the CPU')
    else:
        args.num_workers = count
    _refuse_idle(args, job, environ)
    return job


def _refuse_idle(args, job, environ):
    """Raises UserError for options that nothing would look at."""
    if args.start_timeout != watchdog.START_SECONDS and args.num_workers == 1:
        raise UserError(f'--start-timeout={args.start_timeout:g}: this process trains alone and waits for nobody; give '
                        '--num-gpus or --num-workers as well, or drop it')
    if args.max_restarts == launcher.MAX_RESTARTS or clusters.WATCH in environ:  # our launcher's, which looks at it
        return
    if job is not None or args.num_workers == 1:
        why = 'whoever started this job' if job is not None else 'nobody'
        raise UserError(f'--max-restarts={args.max_restarts}: {why} restarts this process; it is for several processes '
                        'that --num-gpus or --num-workers starts')


def _enter_job(args, job, count, environ):
    total = len(job.addresses)
    if count not in (1, total):
        flag = '--num-gpus' if args.num_gpus > 1 else '--num-workers'
        raise UserError(f'{flag}={count}: TF_CONFIG or SLURM names {total} workers, one a device; name every '
                        f'device of every host, each with a port of its own, and drop {flag}')
    on_cpu = args.num_workers > 1 or args.device == 'cpu'
    args.num_workers = total
    if on_cpu:
        args.device = 'cpu'
        return
    index, on_host = clusters.on_this_host(job)
    gpu = devices.gpu_of(index, on_host, environ)
    if gpu is not None:
        environ[devices.VISIBLE], args.num_gpus = gpu, total
    if args.num_gpus > 1:
        args.device = 'gpu:0'  # of those that it sees


def launch(args, argv, check):
    """Starts all workers on this machine, and again when one is lost; returns the exit code.

    Args:
        args: Parsed command line after `enter`.
        argv: Its arguments, which the workers get as well.
        check: Function of a parsed command line that raises UserError for what no worker could train with.
    Raises: UserError on Windows, and what `check` raises.
    """
    if sys.platform == 'win32':
        flag = f'--num-gpus={args.num_gpus}' if args.num_gpus > 1 else f'--num-workers={args.num_workers}'
        raise UserError(f'{flag}: Windows cannot start and end the processes of a training together; use Linux, '
                        'WSL or a single process')
    silent = copy.copy(args)
    silent.precision = None  # is measured, with TensorFlow
    with contextlib.redirect_stdout(io.StringIO()):  # the workers say it again
        check(silent)
    program = [sys.executable] + ([sys.argv[0]] if sys.argv[0].endswith('.py') else ['-m', 'stylegan2', 'train'])
    path = dict(PYTHONPATH=os.pathsep.join(folder for folder in sys.path if folder))
    if args.num_gpus > 1:
        more = [{devices.VISIBLE: gpu} for gpu in devices.visible_gpus(os.environ)]
        cpus = ()
    else:
        more, cpus = [{devices.VISIBLE: '-1'}] * args.num_workers, devices.cpu_shares(args.num_workers)

    def resume(run_dir):
        counters = files.latest_counters(run_dir) if run_dir is not None else None
        if counters is not None:
            return program + continuing.arguments(argv, run_dir), counters.nimg
        if args.resume == 'none' and run_dir is not None and continuing.can_start_over(run_dir):
            return program + continuing.arguments(argv, run_dir), None  # rather than in one more new directory
        return program + argv, None

    return launcher.launch(launcher.Plan(program + argv, args.num_workers, [dict(path, **item) for item in more],
                                         cpus, args.max_restarts, resume))


@contextlib.contextmanager
def joined(run_dir, start_timeout):
    """Context manager: waits for the other workers, if this process is one of several, and watches them; yields Job.

    Args:
        run_dir: Run directory of worker 0, or of a process that trains alone; `None` on the others.
        start_timeout: See `watchdog.watching`; `None` = its default.
    """
    job = clusters.find(os.environ)
    if job is None:
        yield Job()
        return
    if run_dir is not None:
        launcher.tell(run_dir)
    with watchdog.watching(job, watchdog.START_SECONDS if start_timeout is None else start_timeout) as watch:
        print(f'Worker {job.task} of {len(job.addresses)}, all here', flush=True)
        yield Job(job, watch)


def telling(main):
    """Decorator of a program's `main(argv)`: tells an error that comes before `joined` to the other workers of a job.

    Those that our launcher started need not be told, as it ends them. What would not come again ends with LOST.
    """
    @functools.wraps(main)
    def wrapped(argv):
        try:
            return main(argv)
        except Exception as error:
            job = None
            with contextlib.suppress(UserError):  # TF_CONFIG may be what is wrong
                job = clusters.find(os.environ)
            if job is not None and not hasattr(error, 'is_told') and clusters.WATCH not in os.environ:
                print(f'{error}\nTelling the other workers...', flush=True)
                early_errors.tell(job, error)
            if job is not None and isinstance(error, OSError) and not connection.is_final(error):
                print(connection.one_line(error), file=sys.stderr, flush=True)
                raise SystemExit(watchdog.LOST) from error
            raise
    return wrapped


def limits(args, cluster):
    """Options of `run_training.train` that say how long it waits and trains, from the parsed command line.

    Args:
        args: Parsed command line.
        cluster: Cluster; `None` = this process trains alone.
    """
    found = {} if cluster is None else dict(start_timeout=args.start_timeout)
    return found if args.max_hours is None else dict(found, max_hours=args.max_hours)


def stop_signals(max_hours=None):
    """StopSignals of this process; a worker that our launcher has started leaves a second signal to it.

    Args:
        max_hours: Time limit, hours; `None` = none.
    """
    return StopSignals(only_first=clusters.WATCH in os.environ, hours=max_hours)


def _with_own(settled, own):
    """Nested options of worker 0 with OWN_OPTIONS of this worker, which has the same structure."""
    if not isinstance(settled, dict) or not isinstance(own, dict):
        return settled
    return {key: own[key] if key in OWN_OPTIONS and key in own else _with_own(value, own.get(key))
            for key, value in settled.items()}
