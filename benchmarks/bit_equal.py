#!/usr/bin/env python3
"""Does this code train to the same bytes as an older version of it?

    python benchmarks/bit_equal.py OLD_TREE

Runs `run_training.py` of both trees with the same command lines and one thread, on narrow networks: from the start, and
from states of the old code, which each of the two continues. Compares every variable of every saved state and network
pickle, the latents of the pictures, their pixels and the statistics. Every --python brings its own TensorFlow.
Exit code 1 if any byte differs.
"""

import argparse
import collections
import glob
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib import UserError, cli  # noqa: E402  (found only after the line above)
from dnnlib.files import network_file  # noqa: E402

NUM_THREADS = 1  # the order of sums, and with it their last bits, depends on the number of threads
RESULTS = 'results'
TINY = ['--dataset=cats', '--device=cpu', '--no-selftest', '--total-kimg=1', '--snap=1', '--checkpoint-minutes=1000',
        '--keep=100', '--metrics=none', '--result-dir=' + RESULTS]
for _setting in ('dataset.resolution=8', 'grid.size=3x2', 'G.mapping_layers=2', 'G.mapping_fmaps=8', 'G.latent_size=8',
                 'G.dlatent_size=8', 'G.fmap_max=8', 'D.fmap_max=8', 'sched.minibatch_size_base=32',
                 'sched.minibatch_gpu_base=16', 'sched.tick_kimg_base=0.25', 'sched.tick_kimg_dict={}'):
    TINY += ['--set', _setting]


def _with(options, *settings):
    return TINY + options + [word for setting in settings for word in ('--set', setting)]


RUNS = {  # name: options of run_training.py; all have accumulation rounds and both regularization stages
    'config-f, labels, mirror': _with(
        ['--config=config-f', '--mirror-augment=true'], 'dataset.max_label_size=full', 'train.D_reg_interval=6',
        'sched.lrate_rampup_kimg=0.4'),
    'config-a, grows': _with(
        ['--config=config-a'], 'sched.lod_initial_resolution=4', 'sched.lod_training_kimg=0.2',
        'sched.lod_transition_kimg=0.4', 'sched.minibatch_size_dict={4: 64}', 'sched.minibatch_gpu_dict={4: 64}',
        'sched.G_lrate_dict={8: 0.0015}'),
    'config-d, grows, G_wgan, D_wgan_gp': _with(
        ['--config=config-d', '--g-loss=G_wgan', '--d-loss=D_wgan_gp'], 'sched.lod_initial_resolution=4',
        'sched.lod_training_kimg=0.2', 'sched.lod_transition_kimg=0.4', 'sched.minibatch_size_dict={}',
        'sched.minibatch_gpu_dict={}'),
}
GOLDEN = _with(  # the training whose state the tests keep: as small as it gets
    ['--config=config-f', '--mirror-augment=true', '--ops=ref'], 'dataset.max_label_size=full', 'G.fmap_max=4',
    'D.fmap_max=4', 'G.mapping_fmaps=4', 'G.latent_size=4', 'G.dlatent_size=4', 'train.D_reg_interval=6',
    'sched.tick_kimg_base=0.6')

LAUNCHER = '''
import runpy, sys
import tensorflow.compat.v1 as tf
config = tf.ConfigProto
tf.ConfigProto = lambda: config(intra_op_parallelism_threads={n}, inter_op_parallelism_threads={n})
sys.path[0] = sys.argv.pop(1)
sys.argv[0] = 'run_training.py'
runpy.run_path(sys.path[0] + '/run_training.py', run_name='__main__')
'''


class Training:
    """A training in a process of its own, which writes below `folder`.

    Args:
        tree: Folder of the code.
        folder: Where its folder `RESULTS` is, or comes to be.
        options: Options of run_training.py.
        num_threads: Threads within an operation, and operations at once.
    """

    def __init__(self, tree, folder, options, num_threads=NUM_THREADS):
        os.makedirs(folder, exist_ok=True)
        self._folder, self._log = folder, os.path.join(folder, 'log.txt')
        with open(self._log, 'wb') as log:
            self._process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-c', LAUNCHER.format(n=num_threads), os.path.abspath(tree)] + options,
                cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def finish(self):
        """Waits for its end; returns the run directory. Raises UserError if the training failed."""
        code = self._process.wait()
        if code != 0:
            with open(self._log, errors='replace') as log:
                lines = log.read().splitlines()
            raise UserError('a training in {!r} ended with exit code {}: {}'.format(
                self._folder, code, ' / '.join(lines[-3:])))
        return sorted(glob.glob(os.path.join(self._folder, RESULTS, '[0-9]*')))[-1]


def read_checkpoint(prefix):
    """Variables of a TensorFlow checkpoint: {name: array}."""
    import tensorflow.compat.v1 as tf
    reader = tf.train.load_checkpoint(prefix)
    return widened({name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()})


def widened(arrays):
    """The same arrays by name; counters that are int32 in older trees are of today's type: int64, of pools float32."""
    return {name: value.astype(np.float32 if name.endswith('_filled') else np.int64) if value.dtype == np.int32 else
            value for name, value in arrays.items()}


def _read_pickle(path):
    """Arrays of a network pickle by their position in it, and all other bytes of the file as one array."""
    with open(path, 'rb') as f:
        data = f.read()
    arrays, rest = {}, data

    def walk(value, position):
        nonlocal rest
        if isinstance(value, network_file.NetworkState):
            walk(value.state, position)
        elif isinstance(value, dict):
            for key in value:
                walk(value[key], '{}/{}'.format(position, key))
        elif isinstance(value, (list, tuple)):
            for i, item in enumerate(value):
                walk(item, '{}/{}'.format(position, i))
        elif isinstance(value, network_file.Array):
            arrays[position] = np.asarray(value.value)
            rest = rest.replace(arrays[position].tobytes(), b'', 1) if arrays[position].size > 1 else rest

    walk(network_file.read_inert(data), '')
    return dict(arrays, rest=np.frombuffer(rest, np.uint8))


def _read_statistics(path):
    """What `stats.jsonl` says about the training, not about time and memory: {nimg/tag: array}."""
    with open(path) as f:
        lines = [json.loads(line) for line in f]
    return {'{}/{}'.format(line['nimg'], tag): np.array(repr(value)) for line in lines for tag, value in line.items()
            if not re.match('(Timing|Resources)/', tag)}


def read_run(run_dir):
    """Everything that a run directory says about what was learned: {file:name: array}."""
    found = {}
    for path in sorted(glob.glob(os.path.join(run_dir, '**'), recursive=True)):
        name = os.path.relpath(path, run_dir)
        values = {}
        if name.endswith('variables.index'):
            values = read_checkpoint(path[:-len('.index')])
        elif name.endswith('.npz'):
            with np.load(path) as arrays:
                values = widened({key: arrays[key] for key in arrays.files})
        elif re.match('network-.*pkl$', name):
            values = _read_pickle(path)
        elif name.endswith('.png'):
            values = {'pixels': np.asarray(PIL.Image.open(path))}
        elif name == 'stats.jsonl':
            values = _read_statistics(path)
        found.update(('{}:{}'.format(name, key), np.asarray(value)) for key, value in values.items())
    return found


def differing_bytes(a, b):
    """Compares two dictionaries of arrays: {name: bytes that differ} of those that differ.

    What one of them lacks, or has in another type or shape, counts with all its bytes.
    """
    found = collections.OrderedDict()
    for name in sorted(set(a) | set(b)):
        x, y = a.get(name), b.get(name)
        if x is None or y is None or x.dtype != y.dtype or x.shape != y.shape:
            found[name] = max([1] + [value.nbytes for value in (x, y) if value is not None])
        elif x.tobytes() != y.tobytes():
            found[name] = int(np.sum(np.frombuffer(x.tobytes(), np.uint8) != np.frombuffer(y.tobytes(), np.uint8)))
    return found


def list_states(run_dir):
    """Folders of the states of a run, oldest first."""
    return sorted(glob.glob(os.path.join(run_dir, 'state', '[0-9]*')))


def take_back(run_dir):
    """Takes a run back to its first state (of config-a: within a fade), whose folder is returned."""
    first, *later = list_states(run_dir)
    for path in later:
        shutil.rmtree(path)
    for path in glob.glob(os.path.join(run_dir, '*.pkl')) + glob.glob(os.path.join(run_dir, 'fakes*.png')):
        os.remove(path)
    return first


def compare(old_tree, folder, options):
    """Trains with both trees, from the start and from a state of the old one.

    Returns: list of (where it started, number of arrays compared, `differing_bytes`).
    """
    old_folder, new_folder = os.path.join(folder, 'old'), os.path.join(folder, 'new')

    def train(start):
        trainings = [Training(old_tree, old_folder, options), Training(ROOT, new_folder, options)]
        run_dirs = [training.finish() for training in trainings]
        old, new = [read_run(run_dir) for run_dir in run_dirs]
        return run_dirs[0], (start, len(set(old) | set(new)), differing_bytes(old, new))

    old_run_dir, from_start = train('the start')
    take_back(old_run_dir)
    shutil.rmtree(new_folder)
    shutil.copytree(old_folder, new_folder)
    return [from_start, train('a state')[1]]


def compare_all(old_tree, runs, ops_kinds):
    """Prints the table for the TensorFlow of this Python; returns whether all bytes are the same."""
    import tensorflow.compat.v1 as tf
    row = '{:<34} {:<9} {:<10} {:<6} {:>8} {:>15}'.format
    print(row('run', 'from', 'TensorFlow', 'ops', 'compared', 'differing bytes'), flush=True)
    same = True
    for name in runs:
        for ops in ops_kinds:
            with tempfile.TemporaryDirectory() as folder:
                results = compare(old_tree, folder, RUNS[name] + ['--ops=' + ops])
            for start, count, different in results:
                print(row(name, start, tf.__version__, ops, count, sum(different.values())), flush=True)
                for key in list(different)[:5]:
                    print('    {}: {}'.format(key, different[key]), flush=True)
                same = same and not different
    return same


def fingerprint():
    """What the last bits of a training with reference operations depend on: plain dictionary."""
    import tensorflow.compat.v1 as tf
    processor = ''
    if os.path.exists('/proc/cpuinfo'):
        with open('/proc/cpuinfo') as f:  # the first processor: model, caches and flags decide which kernels run
            known = dict(re.findall(r'^(\S[^\t:]*)\t*: (.*)$', f.read().split('\n\n')[0], re.M))
        processor = '\n'.join([known.get('model name', ''), known.get('cache size', '')] + sorted(
            known.get('flags', known.get('Features', '')).split()))
    return dict(tensorflow=tf.__version__, machine=platform.machine(), num_threads=NUM_THREADS,
                compiler='none: reference operations', processor_sha256=hashlib.sha256(processor.encode()).hexdigest())


def continue_golden(tree, state, folder, num_threads=NUM_THREADS):
    """Continues the kept state with the code of a tree in a new run; returns the variables at the end."""
    run_dir = Training(tree, folder, GOLDEN + ['--resume=' + os.path.abspath(state)], num_threads).finish()
    return read_checkpoint(os.path.join(list_states(run_dir)[-1], 'variables'))


def make_golden(old_tree, golden_dir):
    """Writes what tests/test_bit_equal.py needs: a state, unless there is one, and how this TensorFlow continues it."""
    state = os.path.join(golden_dir, 'state')
    with tempfile.TemporaryDirectory() as folder:
        if not os.path.isdir(state):
            run_dir = Training(old_tree, os.path.join(folder, 'begun'), GOLDEN).finish()
            shutil.copytree(take_back(run_dir), state)
        values = continue_golden(old_tree, state, os.path.join(folder, 'continued'))
    path = os.path.join(golden_dir, 'tensorflow-{}'.format(fingerprint()['tensorflow']))
    np.savez_compressed(path + '.npz', **{name.replace('/', '|'): value for name, value in values.items()})
    with open(path + '.json', 'w') as f:
        json.dump(fingerprint(), f, indent=1, sort_keys=True)
        f.write('\n')


def main(argv):
    """Parses the command line and compares; returns the exit code."""
    p = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('old_tree', metavar='OLD_TREE', help='folder of the older code')
    p.add_argument('--python', action='append', metavar='PATH',
                   help='interpreter to run everything with; may be given several times (default: this one)')
    p.add_argument('--ops', type=cli.comma_list, default=['ref', 'native'], metavar='LIST',
                   help='operations to compare (default: ref,native)')
    p.add_argument('--run', action='append', choices=sorted(RUNS), help='run to compare (default: all)')
    p.add_argument('--make-golden', metavar='DIR',
                   help='compare nothing; let the old code write the files of tests/test_bit_equal.py to this folder')
    args = p.parse_args(argv)
    if not os.path.isfile(os.path.join(args.old_tree, 'run_training.py')):
        raise UserError('{!r} holds no run_training.py; give the folder of the older code'.format(args.old_tree))
    if args.python:
        own = [arg for i, arg in enumerate(argv) if not arg.startswith('--python') and argv[i - 1:i] != ['--python']]
        return max([subprocess.call([python, '-W', 'ignore', __file__] + own) for python in args.python])
    cli.load_tensorflow()
    if args.make_golden:
        return make_golden(args.old_tree, args.make_golden)
    return 0 if compare_all(os.path.abspath(args.old_tree), args.run or list(RUNS), args.ops) else 1


if __name__ == '__main__':
    cli.run_main(main)
