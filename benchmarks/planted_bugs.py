#!/usr/bin/env python3
"""Plants 31 bugs, one at a time, into a copy of a tree and says which test finds each; exit code 1 if one is missed.

By default a bug's own test files run, and stop at the first failure; with --all the whole selection does. Python and
TensorFlow are those of the interpreter that runs this; under TensorFlow 1 it is the selection of `make test` there. A
bug is a change of one line, found by its file's name and its text, so that trees of other layouts can be compared.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib import UserError, cli  # noqa: E402  (found only after the line above)

LEFT_OUT = shutil.ignore_patterns('.git', '.venv', '.stylegan2-cache', 'results', '__pycache__', '.pytest_cache')


class Bug(NamedTuple):
    """One planted bug."""
    name: str       # for --only
    breaks: str     # what is wrong then
    changes: tuple  # alternatives, by tree: (file's name, text, what replaces its first occurrence)
    tests: tuple    # names of test files that should notice


SEED = ('step_seed(seed, counters.nimg, stage.name, k)', 'step_seed(seed, 0, stage.name, k)')
NEWEST = ('(list_states(run_dir) or [None])[-1]', '(list_states(run_dir) or [None])[0]')

BUGS = (
    Bug('fir-gradient', 'ops: the gradient of resampling does not flip the filter',
        (('upfirdn_2d.py', 'dy, k[::-1, ::-1], downx', 'dy, k, downx'),), ('test_upfirdn_2d.py',)),
    Bug('lrelu-gain', 'ops: the gain of leaky ReLU',
        (('fused_bias_act.py', 'def_alpha=0.2, def_gain=np.sqrt(2)', 'def_alpha=0.2, def_gain=1.4'),),
        ('test_fused_bias_act.py',)),
    Bug('cpu-kernel', 'ops: the CPU kernel skips a tap of the filter',
        (('upfirdn_2d_cpu.cc', '(taps - 1 - skipped) / up + 1 : 0', '(taps - 1 - skipped) / up : 0'),),
        ('test_cpu_kernels.py',)),
    Bug('demodulation', 'layers: demodulation takes a mean for a sum',
        (('layers.py', 'tf.reduce_sum(tf.square(weight)', 'tf.reduce_mean(tf.square(weight)'),),
        ('test_layers.py', 'test_networks.py')),
    Bug('lrmul', 'layers: the learning rate multiplier of weights has no effect at run time',
        (('layers.py', 'runtime_coef * lrmul', 'runtime_coef'),), ('test_layers.py', 'test_networks.py')),
    Bug('truncation', 'networks: the strength of truncation is squared',
        (('styles.py', 'tf.ones(layer.shape) * truncation_psi', 'tf.ones(layer.shape) * truncation_psi ** 2'),),
        ('test_networks.py', 'test_networks_stylegan.py')),
    Bug('moving-average', 'networks: the moving average goes the whole way at once',
        (('tfutil.py', 'return a + (b - a) * t', 'return a + (b - a)'),), ('test_network.py', 'test_tfutil.py')),
    Bug('r1', 'losses: R1 is not halved', (('loss.py', '(gamma * 0.5)', 'gamma'),), ('test_loss.py',)),
    Bug('pl-mean', 'losses: the mean of the path lengths moves the wrong way',
        (('loss.py', 'mean_var + pl_decay *', 'mean_var - pl_decay *'),), ('test_loss.py',)),
    Bug('accumulation', 'optimizer: rounds are summed instead of averaged',
        (('optimizer.py', 'scale / tf.cast(rounds, tf.float32)', 'scale'),
         ('optimizer.py', 'scale /= tf.cast(self.minibatch_multiplier, tf.float32)', 'scale /= 1')),
        ('test_optimizer.py', 'test_train_step.py', 'test_stylegan2.py')),
    Bug('non-finite', 'optimizer: steps with infinite gradients are made',
        (('optimizer.py', 'tf.cond(tf.logical_and(ready, finite)', 'tf.cond(ready'),), ('test_optimizer.py',)),
    Bug('lazy', 'stages: betas and rate of lazy regularization',
        (('train_step.py', 'ratio = interval / (interval + 1)', 'ratio = interval / (interval + 2)'),),
        ('test_train_step.py', 'test_stylegan2.py')),
    Bug('step-seed', 'stages: every iteration draws the same random numbers',
        tuple((name,) + SEED for name in ('iteration.py', 'train_step.py')),
        ('test_train_step.py', 'test_iteration.py')),
    Bug('fade', 'schedule: the fade to a level has the wrong length',
        (('schedule.py', 'training_kimg, 0.0) / transition_kimg', 'training_kimg, 0.0) / phase_kimg'),),
        ('test_schedule.py',)),
    Bug('ramp', 'schedule: learning rates rise too fast',
        (('schedule.py', 'min(kimg / lrate_rampup_kimg', 'min(2 * kimg / lrate_rampup_kimg'),), ('test_schedule.py',)),
    Bug('oldest-state', 'state: the oldest state is continued, not the newest',
        tuple((name,) + NEWEST for name in ('files.py', 'state_files.py')),
        ('test_saver.py', 'test_state.py', 'test_training_loop.py')),
    Bug('new-colors', 'transfer: weights of new colors do not begin at zero',
        (('transfer.py', 'new[name] = np.zeros_like(start)', 'new[name] = start'),), ('test_transfer.py',)),
    Bug('gate', 'augmentation: operations happen where they should not',
        (('parameters.py', '(value.shape.ndims - 1)) < probability', '(value.shape.ndims - 1)) > probability'),),
        ('test_parameters.py', 'test_pipeline.py', 'test_golden.py')),
    Bug('matrix-order', 'augmentation: the geometric operations happen in the wrong order',
        (('geometry.py', 'product(factors) if', 'product(factors[::-1]) if'),), ('test_golden.py',)),
    Bug('tune-sign', 'augmentation: p falls where D overfits',
        (('augmented.py', 'tf.sign(r - control.tune_target)', 'tf.sign(control.tune_target - r)'),),
        ('test_augmented.py',)),
    Bug('counted-twice', 'augmentation: scores of regularization steps count',
        (('stylegan2.py', 'post=post if stage == name else ()', 'post=post'),), ('test_augmented.py',)),
    Bug('rampup', 'average: the ramp-up follows all images shown',
        (('train_step.py', "sched['kimg'] * rampup", "sched['kimg']"),), ('test_train_step.py', 'test_augmented.py')),
    Bug('crc', 'TFRecords: checksums', (('tfrecords.py', '0xa282ead8', '0xa282ead9'),), ('test_tfrecords.py',)),
    Bug('mirror', 'data: every image is mirrored',
        (('train_step.py', '.rand(len(reals)) < 0.5', '.rand(len(reals)) < 1'),
         ('streams.py', '.rand(minibatch_size) < 0.5', '.rand(minibatch_size) < 1')),
        ('test_train_step.py', 'test_streams.py', 'test_stylegan2.py', 'test_toy_methods.py')),
    Bug('pickle-copies', 'safe reader: a pickle may copy arrays without end',
        (('safe_pickle.py', 'self._copies -= size', 'self._copies -= 0'),),
        ('test_safe_pickle.py',)),
    Bug('pickle-version', 'pickle writer: the version in the file',
        (('network_state.py', 'Published(module_name, 4)', 'Published(module_name, 5)'),), ('test_network_pickle.py',)),
    Bug('fid', 'metrics: the formula of FID', (('frechet_inception_distance.py', '- 2 * roots', '- roots'),),
        ('test_formulas.py',)),
    Bug('noise-correlation', 'projector: noise is correlated along one axis only',
        (('losses.py', 'for axis in (2, 3):', 'for axis in (2,):'),), ('test_losses.py',)),
    Bug('exploration', 'projector: the exploration of W falls too slowly',
        (('schedule.py', '1.0 - t / ramp_length) ** 2', '1.0 - t / ramp_length) ** 1'),), ('test_projector.py',)),
    Bug('ranges', 'command line: a range lacks its last number',
        (('cli.py', 'range(first, last + 1)', 'range(first, last)'),), ('test_cli.py',)),
    Bug('atomic', 'files are written in place, not renamed when whole',
        (('util.py', 'os.replace(temp_path, path)', 'shutil.copyfile(temp_path, path)'),), ('test_util.py',)),
)


def plant(tree, bug):
    """Plants a bug in a tree.

    Args:
        tree: Folder, which is changed.
        bug: Bug.
    Returns: (path of the file, its former text).
    Raises: UserError if no alternative is there.
    """
    for name, before, after in bug.changes:
        for parent, folders, names in os.walk(tree):
            folders[:] = sorted(set(folders) - {'tests', 'benchmarks'})
            path = os.path.join(parent, name)
            if name in names:
                with open(path, encoding='utf-8') as f:
                    text = f.read()
                if before in text:
                    write(path, text.replace(before, after, 1))
                    return path, text
    raise UserError('{}: none of its lines is in {}; change BUGS in benchmarks/planted_bugs.py'.format(bug.name, tree))


def write(path, text):
    """Writes a source file."""
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def selection(tree):
    """Options that select the tests which `make test` runs under this TensorFlow."""
    run = subprocess.run([sys.executable, '-c', 'import tensorflow as tf; print(tf.__version__)'],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    again = run.stdout.startswith('1.') and os.path.exists(os.path.join(tree, 'tests', 'selection.py'))
    return ['--selection=again'] if again else []


def test_files(tree, names):
    """Paths of the test files with such names, wherever they are."""
    return [os.path.join(parent, name) for parent, _, found in sorted(os.walk(os.path.join(tree, 'tests')))
            for name in names if name in found]


def run_tests(tree, arguments):
    """Runs pytest up to the first failure; returns (caught?, name of the test that failed, or what happened)."""
    command = [sys.executable, '-B', '-m', 'pytest', '-x', '-q', '-p', 'no:cacheprovider', '-rfE'] + arguments
    run = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    failed = re.search(r'^(?:FAILED|ERROR) (\S+::\S+)', run.stdout, re.MULTILINE)
    if failed:
        return True, failed.group(1)
    broken = re.search(r'^ERROR .*', run.stdout, re.MULTILINE)  # a file that cannot be imported catches nothing
    return False, 'NOT CAUGHT' + (', the tests do not run: ' + broken.group() if broken else '')


def main(argv):
    """Plants and tests; returns 1 if a bug is not found."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('tree', nargs='?', default=ROOT, help='tree to copy (default: this one)')
    parser.add_argument('--only', metavar='LIST', type=cli.comma_list, help='names of bugs, such as r1,fade')
    parser.add_argument('--all', action='store_true', help="run all tests, not only those of the bug's part")
    args = parser.parse_args(argv)
    bugs = [bug for bug in BUGS if not args.only or bug.name in args.only]
    if not bugs or len(bugs) < len(set(args.only or [])):
        parser.error('--only: choose from ' + ', '.join(bug.name for bug in BUGS))
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = os.path.join(folder, 'tree')
        shutil.copytree(args.tree, tree, ignore=LEFT_OUT)
        options = selection(tree)
        for bug in bugs:
            started = time.time()
            path, text = plant(tree, bug)
            caught, found = run_tests(tree, options + ([] if args.all else test_files(tree, bug.tests)))
            write(path, text)
            missed += not caught
            print('{:<18} {}: {} ({:.0f} s)'.format(bug.name, bug.breaks, found,
                                                    time.time() - started), flush=True)
    print('{} of {} bugs are caught'.format(len(bugs) - missed, len(bugs)))
    return 1 if missed else 0


if __name__ == '__main__':
    cli.run_main(main)
