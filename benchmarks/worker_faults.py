#!/usr/bin/env python3
"""Kills, stops and ends the workers of one training, and checks that nothing is lost.

    python benchmarks/worker_faults.py --workers=2 --faults=12

A tiny training on the CPU saves its state every few iterations and measures its networks. One worker after another,
worker 0 as often as the rest, gets SIGKILL or SIGSTOP or calls os._exit: in a stage, while a state is being saved,
while a metric is being measured, or before the first iteration; 24 faults are all of these. The launcher must start all
again. Printed are the seconds until the other workers had ended, until none of the old start was left, and until all
were together again. After each fault no process, port or damaged file of the old start may be left, the training must
go on where the newest state was, and at the end the networks must have the bytes of those of a training that nobody
disturbed and that measured nothing.
"""

import argparse
import glob
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import run_training  # noqa: E402  (found only after the line above)
from benchmarks import kill_study  # noqa: E402
from dnnlib import EasyDict, UserError, cli  # noqa: E402
from dnnlib.run import cluster  # noqa: E402
from training.state import files  # noqa: E402

FAULTS = {'SIGKILL': signal.SIGKILL, 'SIGSTOP': signal.SIGSTOP, 'os._exit': signal.SIGUSR1}  # see `train`
MOMENTS = ('in a stage', 'in a save', 'in a metric', 'before the first iteration')
METRIC = 'fd16_effnetlite0'  # the quickest whose weights are installed rather than downloaded
TOGETHER, RESTART = 'all here', 'Restarting all '  # what a worker prints when all have come, and the launcher
WORKER = 'STYLEGAN2_FAULTS'  # in the environment of the processes that train
LISTENS = '0A'  # state of a socket in /proc/net/tcp


def train(argv):
    """run_training.py with the arguments `argv`, which ends by `os._exit` from another thread at SIGUSR1."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    threading.Thread(target=lambda: signal.sigwait([signal.SIGUSR1]) and os._exit(9), daemon=True).start()
    return run_training.main(argv)


def worker_process(pid):
    """What /proc knows about a process: (state, parent, session, {variable: value}); None if it has ended."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            state, parent, _, session = f.read().rsplit(')', 1)[1].split()[:4]
        with open(f'/proc/{pid}/environ', 'rb') as f:
            variables = dict(item.split(b'=', 1) for item in f.read().split(b'\0') if b'=' in item)
    except OSError:
        return None
    return state, int(parent), int(session), variables


def processes():
    """Yields (process id, result of `worker_process`) of all processes."""
    for path in glob.glob('/proc/[0-9]*'):
        pid = int(path.split('/')[2])
        found = worker_process(pid)
        if found is not None:
            yield pid, found


def workers_of(launcher):
    """Process ids of the workers of a launcher, by number; those that have not ended."""
    return {json.loads(variables[b'TF_CONFIG'].decode())['task']['index']: pid
            for pid, (state, parent, _, variables) in processes()
            if parent == launcher and state != 'Z' and b'TF_CONFIG' in variables}


class Old(NamedTuple):
    """The workers of a start."""
    pids: dict      # {number: process id}
    ports: set      # at which they listen

    @classmethod
    def of(cls, pids):
        """Of workers that run."""
        variables = worker_process(pids[0])[3]
        addresses = json.loads(variables[b'TF_CONFIG'].decode())['cluster']['worker']
        return cls(pids, {cluster.split_address(address)[1]
                          for address in addresses + [variables[cluster.WATCH.encode()].decode()]})

    def are_gone(self, numbers):
        """Have those with these numbers ended?"""
        found = [worker_process(self.pids[number]) for number in numbers]
        return all(process is None or process[0] == 'Z' for process in found)

    def left(self):
        """What is left of them: list of texts; the children of a worker have its session."""
        found = [f'process {pid} ({state})' for pid, (state, _, session, _) in processes()
                 if pid in self.pids.values() or session in self.pids.values()]
        return found + [f'port {port}' for port in sorted(self.ports & listening())]


def listening(pid='self'):
    """TCP ports at which anything listens in the network namespace of a process."""
    found = set()
    for path in (f'/proc/{pid}/net/tcp', f'/proc/{pid}/net/tcp6'):
        if os.path.exists(path):
            with open(path) as f:
                rows = [line.split() for line in f.readlines()[1:]]
            found |= {int(row[1].split(':')[1], 16) for row in rows if row[3] == LISTENS}
    return found


class Job(kill_study.Training):
    """A training of several workers."""

    def __init__(self, options):
        os.environ[WORKER] = str(os.getpid())
        super().__init__(options, program=os.path.abspath(__file__))
        self.start_sec = 5.0    # from a start to the first iteration
        self.run_dir = None

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

    def is_saving(self):
        """Does a state have no final name yet?"""
        return os.path.exists(os.path.join(self.run_dir, files.STATE_DIR, files.UNFINISHED))

    def snapshot(self):
        """What tells the newest network file from others, and the number of results since the last start."""
        paths = glob.glob(os.path.join(self.run_dir, 'network-snapshot-*.pkl'))
        return (max([os.stat(path).st_mtime for path in paths] or [0]),
                sum(METRIC in line and ' time ' in line for line in self.now()))

    def nimg(self):
        """Images shown at the newest state."""
        return kill_study.newest_nimg(self.run_dir)

    def workers(self, count):
        """Waits until all workers run; {number: process id}."""
        if not self.wait_for(lambda: len(workers_of(self.pid)) == count):
            raise UserError('the workers are not there: ' + ' / '.join(self.lines[-5:]))
        return workers_of(self.pid)


def wait_for_moment(job, count, when, rnd):
    """Waits for a moment of a kind.

    Args:
        job: Job.
        count: Number of workers.
        when: One of MOMENTS.
        rnd: random.Random.
    Returns: Old, the workers of now.
    """
    for _ in range(20):
        pids, pause = job.workers(count), rnd.uniform(0, 2)
        old = Old.of(pids)
        if when == MOMENTS[3]:  # after another fault
            before = job.restarts()
            os.kill(pids[rnd.randrange(count)], signal.SIGKILL)
            job.wait_for(lambda: job.restarts() > before)
            old, pause = Old.of(job.workers(count)), rnd.uniform(0, job.start_sec)
        elif not job.wait_for(job.is_training, seconds=300):
            break
        job.wait_for(lambda: False, seconds=pause)
        if when == MOMENTS[0]:
            job.wait_for(lambda: not job.is_saving())
        elif when == MOMENTS[1]:
            job.wait_for(job.is_saving, step=0.001)
        elif when == MOMENTS[2]:
            last = job.snapshot()
            if not job.wait_for(lambda: job.snapshot()[0] > last[0], seconds=600):
                break
            last = job.snapshot()
            job.wait_for(lambda: False, seconds=rnd.uniform(0.2, 1.0))  # a state is saved first
            if job.snapshot() != last:  # it has been measured
                continue
        if (when == MOMENTS[3]) != job.is_training():
            return old
    raise UserError(f'no moment {when}: ' + ' / '.join(job.lines[-5:]))


def disturb(job, count, number, kind, when, rnd):
    """Does something bad to one worker, and waits for the first state of the next start.

    Args:
        job: Job.
        count: Number of workers.
        number: Which worker.
        kind: Key of FAULTS.
        when: One of MOMENTS.
        rnd: random.Random.
    Returns: ((seconds until the other old workers were gone, all were, the new ones met), list of what is wrong).
    """
    old = wait_for_moment(job, count, when, rnd)
    before, began = job.restarts(), time.time()
    os.kill(old.pids[number], FAULTS[kind])

    job.wait_for(lambda: old.are_gone(set(old.pids) - {number}))
    others = time.time() - began
    job.wait_for(lambda: old.are_gone(old.pids))
    gone = time.time() - began
    job.wait_for(lambda: job.restarts() > before)
    leftovers, nimg = kill_study.unfinished_files(job.run_dir), job.nimg()
    wrong = kill_study.damaged_files(job.run_dir) + ['left of the old start: ' + text for text in old.left()]
    started = time.time()
    if not job.wait_for(lambda: job.restarts() > before and job.is_together(), seconds=300):
        raise UserError('no restart: ' + ' / '.join(job.lines[-5:]))
    together = time.time() - began
    if not job.wait_for(job.is_training, seconds=300):
        raise UserError('no iteration after the restart: ' + ' / '.join(job.lines[-5:]))
    job.start_sec = time.time() - started
    wrong += kill_study.check_start(EasyDict(lines=job.now()), leftovers, nimg, job.run_dir)
    job.wait_for(lambda: job.nimg() > nimg, seconds=300)  # or nothing would be learned between two faults
    return (others, gone, together), wrong


def run_faults(job, args):
    """All faults of a study; returns the list of what went wrong."""
    rnd, wrong = random.Random(args.seed), []
    cases = list(itertools.product(FAULTS, [moment for moment in MOMENTS if args.only in moment], (True, False)))
    rnd.shuffle(cases)
    for i in range(args.faults):
        kind, when, is_first = cases[(args.skip + i) % len(cases)]
        number = 0 if is_first else rnd.randrange(1, args.workers)
        (others, gone, together), found = disturb(job, args.workers, number, kind, when, rnd)
        if others > 15 and not when == MOMENTS[3]:  # there, --start-timeout may count
            found.append(f'the others ended after {others:.1f} s')
        print(f'{i + 1:3d} {kind:8s} of worker {number} {when:26s}: others ended after {others:4.1f} s, all after '
              f'{gone:4.1f} s, together after {together:5.1f} s, kimg {job.nimg() / 1000:.3f}'
              + ''.join(f'\n    WRONG: {text}' for text in found), flush=True)
        wrong += found
    return wrong


def main(argv):
    """Parses the command line and runs the study; returns the exit code."""
    if os.environ.get(WORKER) and '--faults' not in ' '.join(argv):
        return train(argv)
    p = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--workers', type=int, default=2, metavar='N', help='number of workers (default: %(default)s)')
    p.add_argument('--faults', type=int, default=24, metavar='N', help='number of faults (default: %(default)s)')
    p.add_argument('--skip', type=int, default=0, metavar='N', help='faults of the same seed that were done already')
    p.add_argument('--only', default='', metavar='WORD', help='moments with this word only, such as metric')
    p.add_argument('--quick', action='store_true', help='leave out what takes long to build: all regularization')
    p.add_argument('--seed', type=int, default=0, metavar='N', help='of the moments (default: %(default)s)')
    args = p.parse_args(argv)
    images = 8 // args.workers
    options = kill_study.TINY + [f'--num-workers={args.workers}', '--max-restarts=1000', '--start-timeout=40',
                                 '--snap=1', '--set', 'sched.tick_kimg_base=0.1', f'--batch={images * args.workers}',
                                 '--set', f'sched.minibatch_size_base={images * args.workers}',
                                 '--set', f'sched.minibatch_gpu_base={images}']
    options += ['--g-loss=G_logistic_ns', '--d-loss=D_logistic'] if args.quick else []
    with tempfile.TemporaryDirectory() as folder:
        disturbed, whole = os.path.join(folder, 'disturbed'), os.path.join(folder, 'whole')
        measured = options + ['--metrics=' + METRIC, '--result-dir=' + disturbed]
        job = Job(measured + ['--total-kimg=100000'])
        if not job.wait_for(job.is_training, seconds=300):
            raise UserError('the training does not start: ' + ' / '.join(job.lines[-5:]))
        job.run_dir, = kill_study.run_dirs_in(disturbed)
        wrong = run_faults(job, args)
        old = Old.of(job.workers(args.workers))
        job.send(signal.SIGTERM)
        wrong += [] if job.finish() == 0 else ['stopped with an error: ' + ' / '.join(job.lines[-3:])]
        wrong += ['left at the end: ' + text for text in old.left()] + kill_study.damaged_files(job.run_dir)
        length = f'--total-kimg={job.nimg() // 1000 + 1}'
        same = (kill_study.final_networks(measured + [length], disturbed)
                == kill_study.final_networks(options + [length], whole))
        wrong += [] if same else ['the final networks differ from those of a training that nobody disturbed']
        wrong += ['left over at the end: ' + path for path, _ in kill_study.unfinished_files(job.run_dir)]
        wrong += [f'still running: {pid}' for pid, found in processes()
                  if found[3].get(WORKER.encode()) == os.environ[WORKER].encode()]
        wrong += [] if len(files.list_states(job.run_dir)) <= 2 else ['too many states']
    print(f'{length}: ' + ('the same bytes as without faults' if same else 'DIFFERENT'))
    print(f'{len(wrong)} things wrong' + ''.join('\n  ' + text for text in wrong))
    return 1 if wrong else 0


if __name__ == '__main__':
    cli.run_main(main)
