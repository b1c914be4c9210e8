"""How long programs take to start, stage by stage: to the first picture, and to the first iteration of a training.

    python benchmarks/starting.py                          this checkout
    python benchmarks/starting.py --compare=../before      pairs with another one, one after the other in turn

Each run is a process of its own, timed from its start; what a stage spends in another one counts there alone. Networks
with random weights are made once, in --scratch.
"""

import argparse
import builtins
import contextlib
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IMPORT = 'import tensorflow'
STAGES = ('Python', IMPORT, 'other imports', 'native library', 'file', 'graph: networks', 'graph: losses',
          'graph: gradients', 'graph: optimizers', 'variables', 'noise', 'first run', 'writing', 'rest')
KINDS = ('cats64', '256', '1024', 'training')  # the shipped network, config-f at two sizes; config-f at 256 pixels


class Clock:
    """Seconds by stage; the innermost stage that has been entered runs."""

    def __init__(self, started):
        self._now = time.time if started else time.process_time
        self._stack, self._last = ['rest'], self._now()
        self.seconds = {'Python': self._last - started}

    def switch(self):
        """Adds the time since the last call to the stage that is running."""
        now = self._now()
        self.seconds[self._stack[-1]] = self.seconds.get(self._stack[-1], 0) + now - self._last
        self._last = now

    @contextlib.contextmanager
    def stage(self, name):
        """While entered, time counts for the stage `name`, unless another is entered inside."""
        self.switch()
        self._stack.append(name)
        try:
            yield
        finally:
            self.switch()
            self._stack.pop()

    def runs(self, name):
        """Has the stage `name` been entered?"""
        return name in self._stack

    def watch(self, owner, attribute, name):
        """Counts calls of `owner.attribute`, if there is such, for a stage, or for `name()`."""
        function = getattr(owner, attribute, None)
        if function is None:
            return

        def watched(*args, **kwargs):
            with self.stage(name() if callable(name) else name):
                return function(*args, **kwargs)
        setattr(owner, attribute, watched)


def watch_imports(clock):
    """Counts the loading of modules; TensorFlow's is a stage of its own."""
    load, load_by_name = builtins.__import__, importlib.import_module

    def watched(name, *args, **kwargs):
        if name.partition('.')[0] == 'tensorflow' and not clock.runs(IMPORT) and 'tensorflow' not in sys.modules:
            with clock.stage(IMPORT):
                return load(name, *args, **kwargs)
        if clock.runs(IMPORT) or clock.runs('other imports') or name in sys.modules:
            return load(name, *args, **kwargs)
        with clock.stage('other imports'):
            return load(name, *args, **kwargs)

    def watched_by_name(name, *args, **kwargs):
        with clock.stage('other imports') if name not in sys.modules else contextlib.ExitStack():
            return load_by_name(name, *args, **kwargs)
    builtins.__import__, importlib.import_module = watched, watched_by_name


def watch_tensorflow(clock):
    """Counts what a program does with TensorFlow, which is loaded."""
    import tensorflow.compat.v1 as tf
    from dnnlib.files import network_file, safe_pickle
    from dnnlib.tflib import network, network_run, optimizer
    from dnnlib.tflib.ops import native
    clock.watch(native, '_outcome', 'native library')
    clock.watch(safe_pickle, 'read_all', 'file')
    clock.watch(safe_pickle, 'map_all', 'file')
    clock.watch(network_file, 'read_inert', 'file')
    clock.watch(network.Network, '_setup', 'graph: networks')
    clock.watch(network_run, '_build_graph', 'graph: networks')
    clock.watch(network_run, 'run', 'first run')
    clock.watch(optimizer.Optimizer, 'register_gradients', 'graph: gradients')
    clock.watch(optimizer.Optimizer, 'apply_updates', 'graph: optimizers')
    clock.watch(tf.Session, 'run', lambda: 'first run' if clock.runs('first run') else 'variables')


def child(kind, checkout, started, target, network):
    """One run, in this process; writes the seconds of its stages as JSON.

    Args:
        kind: One of KINDS.
        checkout: Root of the checkout.
        started: When the process was started; 0 = measure processor time.
        target: File to write; other files go beside it.
        network: Network file, or folder of pictures.
    """
    clock = Clock(float(started))
    sys.path[0] = checkout
    watch_imports(clock)
    out = os.path.dirname(target)
    program = importlib.import_module('run_training' if kind == 'training' else 'run_generator')
    from dnnlib import cli
    load = cli.load_tensorflow

    def load_and_watch():
        fresh = 'dnnlib.tflib' not in sys.modules
        found = load()
        if fresh:
            watch_tensorflow(clock)
        return found
    cli.load_tensorflow = load_and_watch

    class Finished(BaseException):
        """The first iteration begins."""

    def finish(*_args, **_kwargs):
        raise Finished
    if kind == 'training':
        cli.load_tensorflow()
        from training import iteration
        from training.methods import stylegan2
        clock.watch(stylegan2, 'make_stages', 'graph: losses')
        iteration.Iteration.run = finish
        args = ['--dataset=' + network, '--config=config-f', '--result-dir=' + out, '--dry-run', '--no-selftest'] + [
            '--set=sched.minibatch_%s_base=1' % part for part in ('size', 'gpu')]
    else:
        from dnnlib import images
        from generator import drawing
        clock.watch(images, 'save_png', 'writing')
        clock.watch(drawing.Drawer, 'seed_noise', 'noise')
        args = ['generate-images', '--network=' + network, '--seeds=1', '--result-dir=' + out]
    with contextlib.suppress(Finished):
        try:
            cli.run_main(program.main, args)
        except SystemExit as end:
            if end.code:
                raise
    clock.switch()
    with open(target, 'w', encoding='utf-8') as file:
        json.dump(clock.seconds, file)
    os._exit(0)  # pylint: disable=protected-access  # what Python does at the end is no part of the start


def run(kind, checkout, scratch, cpu):
    """Seconds by stage of one run of a checkout; `cpu`: of processor time?"""
    network = {'cats64': os.path.join(checkout, 'networks', 'cats64.pkl'),
               'training': os.path.join(scratch, 'pictures')}
    out = tempfile.mkdtemp(dir=scratch)
    try:
        target = os.path.join(out, 'stages.json')
        subprocess.run(
            [sys.executable, os.path.abspath(__file__), '--child', kind, checkout, repr(0 if cpu else time.time()),
             target, network.get(kind, os.path.join(scratch, 'config-f-%s.pkl' % kind))],
            check=True, stdout=subprocess.DEVNULL, cwd=checkout)
        with open(target, encoding='utf-8') as file:
            return json.load(file)
    finally:
        shutil.rmtree(out)


def prepare(kinds, scratch):
    """Makes the networks and pictures that the runs of `kinds` need and that are not there yet."""
    sys.path.insert(0, ROOT)
    import numpy as np
    from dnnlib import images
    os.makedirs(os.path.join(scratch, 'pictures'), exist_ok=True)
    for number in range(4):
        values = np.random.RandomState(number).randint(0, 256, [16, 16, 3], np.uint8)
        images.save_png(np.kron(values, np.ones([16, 16, 1], np.uint8)), os.path.join(
            scratch, 'pictures', '%d.png' % number))
    for kind in kinds:
        path = os.path.join(scratch, 'config-f-%s.pkl' % kind)
        if kind.isdigit() and not os.path.exists(path):
            code = ('from dnnlib import tflib; from dnnlib.tflib import network_pickle; tflib.init_tf(); '
                    'G, D = [tflib.Network(name, "training.networks_stylegan2." + function, num_channels=3, '
                    'resolution=%s, label_size=0) for name, function in (("G", "G_main"), ("D", "D_stylegan2"))]; '
                    'network_pickle.save((G, D, G.clone("Gs")), %r)' % (kind, path))
            subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT)


def table(kind, runs):
    """The lines of a table of stages in ms: medians of the runs of each checkout, and the median ratio of their pairs.

    Args:
        kind: One of KINDS.
        runs: One or two lists of {stage: seconds}; the first is of this checkout, the second of the other one.
    """
    def row(name, stages):
        times = [[1000 * sum(found.get(stage, 0) for stage in stages) for found in of_one] for of_one in runs]
        if not any(map(any, times)):
            return []
        cells = ['%.0f' % statistics.median(of_one) for of_one in times]
        if len(runs) == 2:
            ratios = [a / b for a, b in zip(*times) if b]
            cells = [cells[1], cells[0], '%.2f' % statistics.median(ratios) if ratios else '']
        return ['| ' + ' | '.join([name] + cells) + ' |']
    lines = ['', '| %s, ms | %s |' % (kind, 'before | now | ratio' if len(runs) == 2 else 'now'),
             '|---' * (len(runs) * 2 if len(runs) == 2 else 2) + '|']
    for stage in STAGES:
        lines += row(stage, [stage])
    lines += row('all but ' + IMPORT, [stage for stage in STAGES if stage != IMPORT])
    if kind == 'training':
        lines += row('graph and variables', [stage for stage in STAGES if stage.startswith(('graph', 'variables'))])
    return lines


def main():
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--compare', metavar='DIR', help='another checkout')
    parser.add_argument('--only', default=','.join(KINDS), metavar='LIST', help='default: %(default)s')
    parser.add_argument('--runs', type=int, default=5, metavar='N', help='of each (default: %(default)s)')
    parser.add_argument('--cpu', action='store_true', help='processor time, where other programs run at the same time')
    parser.add_argument('--scratch', default=os.path.join(tempfile.gettempdir(), 'stylegan2-starting'), metavar='DIR')
    args = parser.parse_args()
    kinds = args.only.split(',')
    prepare(kinds, args.scratch)
    checkouts = [ROOT] + ([os.path.abspath(args.compare)] if args.compare else [])
    for kind in kinds:
        for checkout in checkouts:  # reads all files once
            run(kind, checkout, args.scratch, args.cpu)
        pairs = [[run(kind, checkout, args.scratch, args.cpu) for checkout in checkouts] for _ in range(args.runs)]
        print('\n'.join(table(kind, list(zip(*pairs)))), flush=True)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--child']:
        child(*sys.argv[2:])
    else:
        main()
