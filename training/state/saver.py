"""Everything that resuming a training needs, saved beside the network pickles.

A state is a folder `state/<images shown>` in the run directory: `variables.*`, a TensorFlow checkpoint of all global
variables (networks, moments of the optimizers, half-accumulated gradients, loss scaling, mean of the path lengths);
`rounds.npz`, the variables that each round keeps for itself, if there are any; `grid.npz`, latents and labels of the
pictures; `precision.json` of a training in mixed precision; and `state.json`, the counters with sizes and checksums of
the other files. It is written under another name and renamed, so that a folder with that name is always complete.
Schedules, order of the data and random numbers are functions of the counters and of the options, which the run
directory holds. Of several workers the first one reads and writes states; the others get their values from it.
"""

import errno
import math
import os
import shutil

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import disk
from dnnlib.tflib import collectives, tfutil
from dnnlib.util import EasyDict, UserError, first_line
from training.state import files, rounds

SHARED = ('nimg', 'iteration', 'sched_nimg', 'tick', 'tick_nimg', 'skipped', 'skipped_in_a_row', 'went_back')


class StateSaver:
    """Saves and restores the variables of the default session with the counters.

    Args:
        run_dir: Run directory; `None` = worker 0 has it, and this is another one.
        keep: Number of states that are kept, the newest.
        keep_best: (name of a metric's result, 'lowest' or 'highest'): the state with the best one is kept as well;
            `None` = none.
        grid: Anything with `arrays()` and `restore(arrays)`, such as a SnapshotGrid; `None` = nothing of that kind.
    """

    def __init__(self, run_dir, keep=2, keep_best=None, grid=None):
        self._run_dir, self._keep, self._keep_best, self._grid = run_dir, keep, keep_best, grid
        own = set(tf.get_collection(files.PER_WORKER))
        self._variables = [var for var in tf.global_variables() if var not in own]
        self._saver = tf.train.Saver(self._variables, max_to_keep=None)
        self._rounds, self._loaded = rounds.RoundStates(), None
        self._copy = collectives.copy_from_first(self._variables)
        self._newest_nimg = None  # of the state that was saved or restored last

    def num_bytes(self):
        """What a state needs on the disk, bytes."""
        return sum(var.shape.num_elements() * var.dtype.size for var in tf.global_variables())

    def needs_others(self, is_within=False):
        """Does a state need other workers: what they have, or, from within an iteration, that they come to its end?"""
        return (bool(self._rounds) or is_within) and collectives.num_workers() > 1

    def collect(self):
        """What `save` needs of the other workers; to be called by all of them at once."""
        return self._rounds.read()

    def save(self, counters, collected=None):
        """Writes a state, of the moment that was saved last only the counters, and removes what is not to be kept.

        Args:
            counters: See `files.new_counters`.
            collected: What `collect` returned, so that it can be tried again; `None` = call it.
        Returns: Folder of the state; `None` if that is worker 0's task.
        Raises: OSError if it can't be written; earlier states are then untouched.
        """
        collected = self.collect() if collected is None else collected
        if self._run_dir is None:
            return None
        path = files.state_path(self._run_dir, counters.nimg)
        if self._newest_nimg != counters.nimg or not files.update_counters(path, counters):
            self._save_all(path, counters, collected)
        files.prune(self._run_dir, counters.nimg, self._keep, self._best_nimg(counters.metrics))
        return path

    def _save_all(self, path, counters, collected):
        temp_path = os.path.join(os.path.dirname(path), files.UNFINISHED)
        shutil.rmtree(temp_path, ignore_errors=True)
        os.makedirs(temp_path)
        try:
            self._write(temp_path, counters, collected)
            files.publish(temp_path, path)
        except OSError:
            shutil.rmtree(temp_path, ignore_errors=True)
            raise
        self._newest_nimg = counters.nimg

    def _write(self, path, counters, collected):
        try:
            self._saver.save(tf.get_default_session(), os.path.join(path, files.VARIABLES), write_meta_graph=False,
                             write_state=False)
        except tf.errors.OpError as error:
            full = any(os.strerror(code) in error.message for code in disk.FULL)
            raise OSError(errno.ENOSPC if full else errno.EIO, error.message, path) from error
        rounds.save(path, collected)
        if self._grid is not None:
            np.savez(os.path.join(path, files.GRID), **self._grid.arrays())
        for name in files.CHOSEN:
            if os.path.exists(os.path.join(self._run_dir, name)):
                shutil.copy(os.path.join(self._run_dir, name), path)
        files.write_manifest(path, counters)

    def _best_nimg(self, metrics):
        """Images shown at the best state that is there by the metric in question, `None` if that is not known."""
        if self._keep_best is None:
            return None
        name, which = self._keep_best
        saved = {files.images_shown(path) for path in files.list_states(self._run_dir)}
        results = [(value, nimg) for nimg, value in metrics.get(name, []) if nimg in saved and math.isfinite(value)]
        if not results:
            return None
        return min(results)[1] if which == 'lowest' else max(results)[1]

    def restore_latest(self):
        """Loads the newest state in the run directory that can be loaded, and says which were passed over; see `share`.

        Returns: Its counters; `None` if there is no state.
        Raises: UserError if none fits the networks and optimizers of the session and is undamaged.
        """
        errors = []
        for path in reversed(files.list_states(self._run_dir)):
            try:
                counters = self.load(path)
            except UserError as error:
                errors.append(error)
                continue
            if errors:
                print(f'{errors[0]}; continuing from {path!r} before it')
            self._newest_nimg = counters.nimg
            return counters
        if errors:
            raise errors[0]
        return None

    def restore(self, path):
        """Loads the state in folder `path` for all workers, which call this at once; see `load`. Returns its counters.

        Args:
            path: Of this run or another one; only worker 0 needs it.
        """
        return self.share(None if self._run_dir is None else self.load(path))

    def share(self, counters):
        """Gives all workers, which call this at once, the variables and counters of worker 0.

        Args:
            counters: See `files.new_counters`; only those of worker 0 count.
        Returns: The counters; to other workers those that are the same in all.
        """
        if self._loaded is not None or collectives.num_workers() > 1:
            self._rounds.write(self._loaded or self._rounds.initial())
        if collectives.num_workers() == 1:
            return counters
        tf.get_default_session().run(self._copy)
        is_first = collectives.worker() == 0
        numbers = collectives.gather_numbers([counters[name] if is_first else 0 for name in SHARED])[0]
        return counters if is_first else EasyDict(files.new_counters(), **dict(zip(SHARED, map(int, numbers))))

    def load(self, path):
        """Loads the state in folder `path`, of this run or another one, into this worker; returns its counters.

        Raises: UserError if it is damaged or doesn't fit the networks and optimizers of the session.
        """
        counters = files.check(path)
        try:
            self._restore_variables(os.path.join(path, files.VARIABLES))
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f'the state {path!r} does not fit these networks and optimizers '
                            f'({first_line(error)})') from error
        self._loaded = rounds.load(path, self._rounds.initial())
        grid_path = os.path.join(path, files.GRID)
        if self._grid is not None and os.path.isfile(grid_path):
            with np.load(grid_path) as arrays:
                self._grid.restore({name: arrays[name] for name in arrays.files})
        return counters

    def _restore_variables(self, prefix):
        """Restores a checkpoint; what is summed up between rounds is zero in any state, so it may be missing.

        Counters of states from before November 2026 are int32, which GPUs have no variables of.
        """
        reader = tf.train.NewCheckpointReader(prefix)
        types = reader.get_variable_to_dtype_map()
        zero = [var for var in self._variables if is_sum_of_rounds(var) and var.op.name not in types]
        converted = [var for var in self._variables
                     if (types.get(var.op.name), var.dtype.base_dtype) == (tf.int32, tf.int64)]
        session = tf.get_default_session()
        if not zero and not converted:
            self._saver.restore(session, prefix)
            return
        tf.train.Saver([var for var in self._variables if var not in zero + converted]).restore(session, prefix)
        session.run([var.initializer for var in zero])
        tfutil.set_vars({var: reader.get_tensor(var.op.name).astype(np.int64) for var in converted})


def is_sum_of_rounds(variable):
    """Is a variable one that an optimizer has for the accumulation over rounds, if there are several?"""
    return variable.op.name.split('/')[-1].startswith('grad_acc_')
