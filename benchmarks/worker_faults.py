#!/usr/bin/env python3
"""Kills, stops and ends the workers of one training at random moments, and checks that nothing is lost.

    python benchmarks/worker_faults.py --workers=2 --faults=20

A tiny training on the CPU saves its state every few iterations. One worker at a time, worker 0 as often as another,
gets SIGKILL or SIGSTOP or calls os._exit, a quarter of the times at any moment of its start, else after a new state;
the launcher must start all again. Printed are the seconds until no worker of the old start was left, and until all were
together again. At the end no process and no unfinished file may be left, and the networks must have the bytes of those
of a training that nobody disturbed.
"""

import argparse
import glob
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import run_training  # noqa: E402  (found only after the line above)
from benchmarks import kill_study  # noqa: E402
from dnnlib import UserError, cli  # noqa: E402
from training.state import files  # noqa: E402

FAULTS = {'SIGKILL': signal.SIGKILL, 'SIGSTOP': signal.SIGSTOP, 'os._exit': signal.SIGUSR1}  # see `train`
TOGETHER, RESTART = 'all here', 'Restarting all '  # what a worker prints when all have come, and the launcher
WORKER = 'STYLEGAN2_FAULTS'  # in the environment of the processes that train


def train(argv):
    """run_training.py with the arguments `argv`, which ends by `os._exit` from another thread at SIGUSR1."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    threading.Thread(target=lambda: signal.sigwait([signal.SIGUSR1]) and os._exit(9), daemon=True).start()
    return run_training.main(argv)


def workers_of(launcher):
    """Process ids of the workers of a launcher, by number; those that have not ended."""
    found = {}
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path) as f:
                state, parent = f.read().rsplit(')', 1)[1].split()[:2]
            with open(path.replace('stat', 'environ'), 'rb') as f:
                variables = dict(item.split(b'=', 1) for item in f.read().split(b'\0') if b'=' in item)
        except OSError:  # it has ended
            continue
        if int(parent) == launcher and state != 'Z' and b'TF_CONFIG' in variables:
            found[json.loads(variables[b'TF_CONFIG'].decode())['task']['index']] = int(path.split('/')[2])
    return found


class Job(kill_study.Training):
    """A training of several workers."""

    def __init__(self, options):
        os.environ[WORKER] = '1'
        super().__init__(options, program=os.path.abspath(__file__))
        self.start_sec = 5.0    # of the last start

    def restarts(self):
        """How often the launcher started all workers again."""
        return sum(RESTART in line for line in self.lines)

    def now(self):
        """What was printed since the last start."""
        lines = list(self.lines)
        return lines[max([i + 1 for i, line in enumerate(lines) if RESTART in line] or [0]):]

    def is_together(self):
        """Have all workers come since the last start?"""
        return any(TOGETHER in line for line in self.now())

    def is_training(self):
        """Is it past everything that it does before the first iteration?"""
        return any(line.startswith(kill_study.START) for line in self.now())

    def workers(self, count):
        """Waits until all workers run; {number: process id}."""
        if not self.wait_for(lambda: len(workers_of(self.pid)) == count):
            raise UserError('the workers are not there: ' + ' / '.join(self.lines[-5:]))
        return workers_of(self.pid)


def disturb(job, count, number, kind, rnd, nimg):
    """Does something bad to one worker at a random moment, and waits for the next start.

    Args:
        job: Job.
        count: Number of workers.
        number: Which worker.
        kind: Key of FAULTS.
        rnd: random.Random.
        nimg: Function without arguments: images shown at the newest state.
    Returns: (phase, seconds until the old workers were gone, seconds until the new ones were together).
    """
    old, began, first = job.workers(count), time.time(), nimg()
    if rnd.random() < 0.25:
        job.wait_for(lambda: False, seconds=rnd.uniform(0, job.start_sec))
    else:
        job.wait_for(lambda: nimg() > first, seconds=300)
        job.start_sec = time.time() - began
        job.wait_for(lambda: False, seconds=rnd.uniform(0, 5))
    phase, before = 'in training' if job.is_training() else 'at the start', job.restarts()
    os.kill(old[number], FAULTS[kind])
    began = time.time()
    job.wait_for(lambda: not set(old.values()) & set(workers_of(job.pid).values()))
    gone = time.time() - began
    if not job.wait_for(lambda: job.restarts() > before and job.is_together(), seconds=300):
        raise UserError('no restart: ' + ' / '.join(job.lines[-5:]))
    return phase, gone, time.time() - began


def main(argv):
    """Parses the command line and runs the study; returns the exit code."""
    if os.environ.get(WORKER) and '--faults' not in ' '.join(argv):
        return train(argv)
    p = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--workers', type=int, default=2, metavar='N', help='number of workers (default: %(default)s)')
    p.add_argument('--faults', type=int, default=20, metavar='N', help='number of faults (default: %(default)s)')
    p.add_argument('--seed', type=int, default=0, metavar='N', help='of the moments (default: %(default)s)')
    args = p.parse_args(argv)
    options = kill_study.TINY + [f'--num-workers={args.workers}', '--max-restarts=1000', '--start-timeout=60', '--set',
                                 f'sched.minibatch_gpu_base={8 // args.workers}']  # a stopped one may not have arrived
    rnd = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        disturbed, whole = os.path.join(folder, 'disturbed'), os.path.join(folder, 'whole')
        job = Job(options + ['--total-kimg=100000', '--result-dir=' + disturbed])
        job.wait_for(job.is_together)
        run_dir, = kill_study.run_dirs_in(disturbed)

        def nimg():
            return kill_study.newest_nimg(run_dir)

        for i in range(args.faults):
            number, kind = rnd.choice([0, rnd.randrange(1, args.workers)]), list(FAULTS)[i % len(FAULTS)]
            phase, gone, together = disturb(job, args.workers, number, kind, rnd, nimg)
            print(f'{i + 1:3d} {kind:8s} of worker {number} {phase:12s} all ended after {gone:4.1f} s, together after '
                  f'{together:5.1f} s, kimg {nimg() / 1000:.3f}', flush=True)
        reached = nimg()
        job.wait_for(lambda: nimg() > reached, seconds=300)
        job.send(signal.SIGTERM)
        wrong = [] if job.finish() == 0 else ['stopped with an error: ' + ' / '.join(job.lines[-3:])]
        wrong += [f'still running: {pid}' for pid in workers_of(job.pid).values()] + kill_study.damaged_files(run_dir)
        options.append(f'--total-kimg={kill_study.newest_nimg(run_dir) // 1000 + 1}')
        same = kill_study.final_networks(options, disturbed) == kill_study.final_networks(options, whole)
        wrong += [] if same else ['the final networks differ from those of a training that nobody disturbed']
        wrong += ['left over at the end: ' + path for path, _ in kill_study.unfinished_files(run_dir)]
        wrong += [] if len(files.list_states(run_dir)) <= 2 else ['too many states']
    print(f'{options[-1]}: ' + ('the same bytes as without faults' if same else 'DIFFERENT'))
    print(f'{len(wrong)} things wrong' + ''.join('\n  ' + text for text in wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    cli.run_main(main)
