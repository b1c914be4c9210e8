"""Everything that continuing a training needs, saved beside the network pickles.

A state is a folder `state/<images shown>` in the run directory: `variables.*`, a TensorFlow checkpoint of all global
variables (networks, moments of the optimizers, half-accumulated gradients, mean of the path lengths), and `state.json`,
the counters. It is written under another name and renamed, so that a folder with that name is always complete.
"""

import contextlib
import json
import os
import re
import shutil

import tensorflow.compat.v1 as tf

from dnnlib.util import EasyDict, UserError

try:
    import fcntl
except ImportError:  # not on Windows; two trainings could then continue in one folder
    fcntl = None

STATE_DIR = 'state'
MANIFEST = 'state.json'
VARIABLES = 'variables'
NOT_COMPARED = ('total_kimg', 'image_snapshot_ticks', 'network_snapshot_ticks', 'checkpoint_minutes', 'metric_arg_list',
                'tf_config')


def new_counters(nimg=0, seconds=0.0):
    """Counters at the start of a training.

    Args:
        nimg: Images shown so far, int; also the position in the data set's stream.
        seconds: Seconds trained so far.
    Returns: EasyDict of nimg, iteration, sched_nimg (images shown when the schedule was looked at last), tick (number
        of the last report), tick_nimg (images shown at the last report), tick_sec (seconds since then), seconds.
    """
    return EasyDict(nimg=int(nimg), iteration=0, sched_nimg=int(nimg), tick=-1, tick_nimg=int(nimg), tick_sec=0.0,
                    seconds=float(seconds))


class StateSaver:
    """Saves and restores the variables of the default session with the counters.

    Args:
        run_dir: Run directory.
        keep: Number of states that are kept, the newest.
    """

    def __init__(self, run_dir, keep=2):
        self._dir = os.path.join(run_dir, STATE_DIR)
        self._keep = keep
        self._saver = tf.train.Saver(tf.global_variables(), max_to_keep=None)

    def save(self, counters):
        """Writes a state and removes the oldest ones.

        Args:
            counters: See `new_counters`.
        Returns: Folder of the state.
        Raises: OSError if it can't be written; earlier states are then untouched.
        """
        path = os.path.join(self._dir, '%09d' % counters.nimg)
        temp_path = os.path.join(self._dir, 'unfinished')
        shutil.rmtree(temp_path, ignore_errors=True)
        os.makedirs(temp_path)
        try:
            self._saver.save(tf.get_default_session(), os.path.join(temp_path, VARIABLES), write_meta_graph=False,
                             write_state=False)
        except tf.errors.OpError as error:
            raise OSError('cannot save the state to {!r}: {}'.format(temp_path, error.message)) from error
        with open(os.path.join(temp_path, MANIFEST), 'w') as f:
            json.dump(dict(counters=counters), f, indent=1)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(temp_path, path)
        for old_path in list_states(os.path.dirname(self._dir))[:-self._keep]:
            shutil.rmtree(old_path)
        return path

    def restore_latest(self):
        """Loads the newest state in the run directory that can be loaded, and says which were passed over.

        Returns: Its counters; `None` if there is no state.
        Raises: UserError if none fits the networks and optimizers of the session and is undamaged.
        """
        errors = []
        for path in reversed(list_states(os.path.dirname(self._dir))):
            try:
                counters = self._restore(path)
            except UserError as error:
                errors.append(error)
                continue
            if errors:
                print('{}; continuing from {!r} before it'.format(errors[0], path))
            return counters
        if errors:
            raise errors[0]
        return None

    def _restore(self, path):
        counters = read_counters(path)
        try:
            self._saver.restore(tf.get_default_session(), os.path.join(path, VARIABLES))
        except (tf.errors.OpError, ValueError) as error:
            raise UserError('cannot continue from {!r}: it is damaged or does not fit these networks ({})'.format(
                path, str(error).strip().splitlines()[0])) from error
        return counters


def list_states(run_dir):
    """Folders of the complete states in a run directory, oldest first."""
    state_dir = os.path.join(run_dir, STATE_DIR)
    names = os.listdir(state_dir) if os.path.isdir(state_dir) else []
    paths = [os.path.join(state_dir, name) for name in names if re.match('[0-9]{9,}$', name)]
    return sorted((path for path in paths if os.path.isfile(os.path.join(path, MANIFEST))),
                  key=lambda path: int(os.path.basename(path)))


def latest_state(run_dir):
    """Folder of the newest state in a run directory, `None` if there is none."""
    return (list_states(run_dir) or [None])[-1]


def read_counters(path):
    """Counters of the state in folder `path`; raises UserError if they can't be read."""
    try:
        with open(os.path.join(path, MANIFEST)) as f:
            counters = EasyDict(json.load(f)['counters'])
        if not set(counters) >= set(new_counters()):
            raise KeyError('counters are missing')
        return counters
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError('{!r} is not a saved training state ({})'.format(path, error)) from error


def latest_counters(run_dir):
    """Counters of the newest state in a run directory that can be read, `None` if there is none."""
    for path in reversed(list_states(run_dir)):
        try:
            return read_counters(path)
        except UserError:
            pass
    return None


def find_unfinished(run_dirs, options, options_file):
    """The newest run that these options continue.

    Args:
        run_dirs: Run directories, oldest first.
        options: Options of the training that is about to start, plain dictionary with 'total_kimg'.
        options_file: Name of the JSON file in a run directory that holds the options of that run.
    Returns: Run directory; `None` if no run with the same options (length, snapshots, metrics and device may differ)
        has a state before the end of this training, or another process is training in it.
    """
    for run_dir, counters in _same_runs(run_dirs, options, options_file):
        if counters.nimg < options['total_kimg'] * 1000 and not is_locked(run_dir):
            return run_dir
    return None


def find_finished(run_dirs, options, options_file):
    """The newest run of these options that is as long as this training, `None` if there is none."""
    for run_dir, counters in _same_runs(run_dirs, options, options_file):
        if counters.nimg >= options['total_kimg'] * 1000:
            return run_dir
    return None


def _same_runs(run_dirs, options, options_file):
    """Yields (run directory, counters) of the runs with these options that have a state, newest first."""
    wanted = _comparable(options)
    for run_dir in reversed(run_dirs):
        try:
            with open(os.path.join(run_dir, options_file)) as f:
                found = _comparable(json.load(f))
            counters = latest_counters(run_dir)
        except (OSError, ValueError, AttributeError):  # AttributeError: JSON, but no dictionary
            continue
        if found == wanted and counters:
            yield run_dir, counters


def check_same_options(run_dir, options, options_file):
    """Refuses to continue a run with other options than those it was begun with.

    Args:
        run_dir: Run directory; one without readable options is accepted.
        options, options_file: See `find_unfinished`.
    Raises: UserError naming the first option that differs.
    """
    try:
        with open(os.path.join(run_dir, options_file)) as f:
            found = _flat(_comparable(json.load(f)))
    except (OSError, ValueError, AttributeError):
        return
    wanted = _flat(_comparable(options))
    for name in sorted(set(found) | set(wanted)):
        if found.get(name) != wanted.get(name):
            raise UserError('--resume={}: {} is {!r} in that run but {!r} now; give the same options, or start anew '
                            'with --resume=none'.format(run_dir, name, found.get(name), wanted.get(name)))


@contextlib.contextmanager
def locked_run(run_dir):
    """While entered, or until the process ends, no other process can enter the same run directory.

    Raises: UserError if another process is in it.
    """
    if fcntl is None:
        yield
        return
    folder = os.open(run_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError('another process is training in {!r}; stop it or choose another folder'.format(
                run_dir)) from None
        except OSError:  # some network file systems know no locks
            pass
        yield
    finally:
        os.close(folder)


def is_locked(run_dir):
    """Is another process training in this run directory?"""
    try:
        with locked_run(run_dir):
            return False
    except UserError:
        return True


def _comparable(options):
    """Options that must agree for a training to go on, in the form that they have after a trip through JSON."""
    return json.loads(json.dumps({key: value for key, value in options.items() if key not in NOT_COMPARED}))


def _flat(options, prefix=''):
    """Nested dictionaries as one, with names such as `G_args.fmap_base`."""
    flat = {}
    for key, value in options.items():
        flat.update(_flat(value, prefix + key + '.') if isinstance(value, dict) else {prefix + key: value})
    return flat
