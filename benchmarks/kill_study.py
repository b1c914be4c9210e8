#!/usr/bin/env python3
"""Kills a tiny training at random moments (SIGKILL), starts the same command again, and checks that nothing is lost.

The training saves its state every few iterations. After each kill every file with a final name must be whole; after
the next start nothing unfinished may be left, and the training must go on where the newest state was. At the end the
networks are compared, byte by byte, with those of a training that nobody stopped.

    python benchmarks/kill_study.py                                    StyleGAN2, 100 kills
    python benchmarks/kill_study.py --kills=3 --methods=all            a row for each of benchmarks/kill_methods.py
    python benchmarks/kill_study.py --kills=3 --options='--config=... --dataset=cats --set grid.size=3x2'
"""

import argparse
import collections
import contextlib
import glob
import io
import json
import os
import pickletools
import random
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time

import PIL.Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks import kill_methods  # noqa: E402  (found only after the line above)
from dnnlib import UserError, cli  # noqa: E402
from training.state import files  # noqa: E402

TINY = kill_methods.STYLEGAN2
START = 'Training for '


class Training:
    """A training in a process of its own; `lines` is what it has printed so far.

    Args:
        options: Options of run_training.py.
        program: Path of another program that takes the same options.
    """

    def __init__(self, options, program=os.path.join(ROOT, 'run_training.py')):
        self.lines = []
        self._process = subprocess.Popen([sys.executable, program] + options, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT)
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in io.TextIOWrapper(self._process.stdout, encoding='utf-8', errors='replace'):
            self.lines.append(line.rstrip('\n'))

    def is_running(self):
        """Has it not ended yet?"""
        return self._process.poll() is None

    def wait_for(self, condition, seconds=120, step=0.01):
        """Waits until `condition()` is true; returns False if the process ends or the time is up before that.

        Args:
            condition: Function without arguments, called every `step` seconds.
            seconds: That there are.
            step: See above.
        """
        until = time.time() + seconds
        while not condition():
            if not self.is_running() or time.time() > until:
                return bool(condition())
            time.sleep(step)
        return True

    def has_started(self):
        """Is it past everything that it does before the first iteration?"""
        return any(line.startswith(START) for line in self.lines)

    def send(self, number):
        """Sends a signal."""
        self._process.send_signal(number)

    def kill(self):
        """Ends it as a power failure does."""
        self._process.kill()
        self.finish()

    def finish(self):
        """Waits for its end; returns the exit code."""
        code = self._process.wait()
        self._reader.join()
        return code


def unfinished_files(run_dir):
    """What has no final name yet: set of (path below the run directory, inode)."""
    paths = [path for name in (files.UNFINISHED, files.REPLACED, files.REMOVED)
             for path in glob.glob(os.path.join(run_dir, files.STATE_DIR, name))]
    paths += [path for path in glob.glob(os.path.join(run_dir, '**'), recursive=True)
              if os.path.basename(path).startswith('tmp_')]
    found = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # finished meanwhile, if a training is running
            found.add((os.path.relpath(path, run_dir), os.stat(path).st_ino))
    return found


def damaged_files(run_dir):
    """Files with a final name that are not whole: list of texts."""
    damaged = []
    for path in files.list_states(run_dir):
        try:
            files.check(path)
        except UserError as error:
            damaged.append(str(error))
    final = (name for name in sorted(os.listdir(run_dir)) if not name.startswith('tmp_'))
    for path in (os.path.join(run_dir, name) for name in final):
        try:
            _read_whole(path)
        except Exception as error:  # pylint: disable=broad-except
            damaged.append(f'{path}: {error}')
    return damaged


def _read_whole(path):
    if path.endswith('.png'):
        with PIL.Image.open(path) as image:
            image.load()
    elif path.endswith('.pkl'):
        with open(path, 'rb') as f:
            collections.deque(pickletools.genops(f), maxlen=0)
    elif path.endswith('.json'):
        with open(path) as f:
            json.load(f)
    elif path.endswith('.jsonl'):
        with open(path) as f:
            for line in f.read().splitlines()[:-1]:  # the last one may be cut off; it is taken out at the next start
                json.loads(line)


def run_dirs_in(folder):
    """Run directories in a folder, sorted."""
    return sorted(glob.glob(os.path.join(folder, '[0-9]*')))


def newest_nimg(run_dir):
    """Images shown at the newest state, 0 if there is none."""
    counters = files.latest_counters(run_dir)
    return counters.nimg if counters else 0


def check_start(training, leftovers, nimg, run_dir):
    """What is wrong after a start: list of texts.

    Args:
        training: Training that has started.
        leftovers: Result of `unfinished_files` before.
        nimg: Result of `newest_nimg` before.
        run_dir: Run directory.
    """
    wrong = ['left over: ' + path for path, _ in leftovers & unfinished_files(run_dir)]
    begun = next(line for line in training.lines if line.startswith(START))
    now = re.search(r'now at ([0-9]+[.][0-9])', begun).group(1)
    if now != '%.1f' % (nimg / 1000):
        wrong.append(f'started at kimg {now}, the newest state is of {nimg / 1000:.3f}')
    return wrong


def kill_again_and_again(options, folder, kills, rnd):
    """Starts and kills a training.

    Args:
        options: Options of run_training.py.
        folder: Its --result-dir, empty.
        kills: How often.
        rnd: random.Random.
    Returns: (Counter of what happened, list of what was wrong).
    """
    counts, wrong, start_sec = collections.Counter(), [], 5.0
    for number in range(1, kills + 1):
        run_dir = (run_dirs_in(folder) or [None])[0]
        leftovers, nimg = (unfinished_files(run_dir), newest_nimg(run_dir)) if run_dir else (set(), 0)
        began, training = time.time(), Training(options)
        if rnd.random() < 0.25:  # a quarter of the kills comes at any moment of the start
            training.wait_for(lambda: False, seconds=rnd.uniform(0, start_sec))
        elif training.wait_for(training.has_started):
            start_sec = time.time() - began
            run_dir = run_dirs_in(folder)[0]
            wrong += check_start(training, leftovers, nimg, run_dir)
            training.wait_for(lambda: False, seconds=rnd.uniform(0, max(2.0, start_sec / 2)))  # on a busy machine, too
        if not training.is_running():
            wrong.append('ended by itself: ' + ' / '.join(training.lines[-3:]))
        training.kill()
        phase = 'in training' if training.has_started() else 'before the first iteration'
        run_dir = (run_dirs_in(folder) or [None])[0]
        if run_dir:
            cut_off = unfinished_files(run_dir)
            phase += ', while a file was being written' if cut_off else ''
            wrong += damaged_files(run_dir)
            if newest_nimg(run_dir) < nimg:
                wrong.append(f'kimg {newest_nimg(run_dir) / 1000:.3f} after {nimg / 1000:.3f}')
            counts['unfinished files and folders left by kills'] += len(cut_off)
            print(f'kill {number:3d} {phase:55s} kimg {newest_nimg(run_dir) / 1000:.3f}', flush=True)
        counts['kills ' + phase] += 1
    if len(run_dirs_in(folder)) != 1:
        wrong.append(f'run directories: {run_dirs_in(folder)}')
    return counts, wrong


def final_networks(options, folder):
    """Trains to the end; returns the bytes of the networks."""
    training = Training(options + ['--result-dir=' + folder])
    if training.finish() != 0:
        raise UserError('the training ended by ' + ' / '.join(training.lines[-3:]))
    with open(os.path.join(run_dirs_in(folder)[0], 'network-final.pkl'), 'rb') as f:
        return f.read()


def study(name, own, args):
    """Kills one training again and again, and prints a row about it.

    Args:
        name: Of the training, for the row.
        own: Options of run_training.py without length and --result-dir.
        args: Parsed command line.
    Returns: List of what was wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        killed, whole = os.path.join(folder, 'killed'), os.path.join(folder, 'whole')
        options = own + ['--total-kimg=100000', '--result-dir=' + killed]
        counts, wrong = kill_again_and_again(options, killed, args.kills, random.Random(args.seed))
        if not run_dirs_in(killed):
            raise UserError(f'{name}: no training came to make a run directory: ' + '; '.join(wrong))
        end = newest_nimg(run_dirs_in(killed)[0]) // 1000 + 1
        options = own + [f'--total-kimg={end}']
        same = final_networks(options, killed) == final_networks(options, whole)
        if not same:
            wrong.append('the final networks differ from those of a training that nobody stopped')
        left = unfinished_files(run_dirs_in(killed)[0])
        wrong += ['left over at the end: ' + path for path, _ in left]
    for what, count in sorted(counts.items()):
        print(f'{count:4d} {what}')
    print(f'| {name} | {args.kills} | {end} | {"same bytes" if same else "DIFFERENT"} | {len(wrong)} wrong |'
          + ''.join('\n  ' + text for text in wrong), flush=True)
    return wrong


def main(argv):
    """Parses the command line and runs the study; returns the exit code."""
    p = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--kills', type=int, default=100, metavar='N', help='number of kills (default: %(default)s)')
    p.add_argument('--seed', type=int, default=0, metavar='N', help='of the moments (default: %(default)s)')
    p.add_argument('--methods', default='StyleGAN2', metavar='NAMES', help='trainings of benchmarks/kill_methods.py, '
                   'joined by semicolons, or all (default: %(default)s)')
    p.add_argument('--options', type=shlex.split, help='options of run_training.py of another training, instead')
    args = p.parse_args(argv)
    names = list(kill_methods.METHODS) if args.methods == 'all' else args.methods.split(';')
    unknown = [name for name in names if name not in kill_methods.METHODS]
    if unknown:
        raise UserError(f'--methods: unknown method {unknown[0]!r}; choose from {"; ".join(kill_methods.METHODS)}')
    trainings = {name: kill_methods.METHODS[name] for name in names}
    if args.options:
        trainings = {'--options': args.options}
    print('| method | kills | kimg at the end | final networks | |\n|---|---|---|---|---|', flush=True)
    return int(any([study(name, own, args) for name, own in trainings.items()]))


if __name__ == '__main__':
    cli.run_main(main)
