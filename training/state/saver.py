"""Everything that resuming a training needs, saved beside the network pickles.

A state is a folder `state/<images shown>` in the run directory: `variables.*`, a TensorFlow checkpoint of all global
variables (networks, moments of the optimizers, half-accumulated gradients, loss scaling, mean of the path lengths);
`worker-0.*`, another one of the variables that each worker keeps for itself, if there are any; `grid.npz`, the latents
and labels of the pictures; and `state.json`, the counters with sizes and checksums of the other files. It is written
under another name and renamed, so that a folder with that name is always complete. Schedules, order of the data and
random numbers are functions of the counters and of the options, which the run directory holds.
"""

import errno
import math
import os
import shutil

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import disk
from dnnlib.util import UserError
from training.state import files


class StateSaver:
    """Saves and restores the variables of the default session with the counters.

    Args:
        run_dir: Run directory.
        keep: Number of states that are kept, the newest.
        keep_best: (name of a metric's result, 'lowest' or 'highest'): the state with the best one is kept as well;
            `None` = none.
        grid: Anything with `arrays()` and `restore(arrays)`, such as a SnapshotGrid; `None` = nothing of that kind.
    """

    def __init__(self, run_dir, keep=2, keep_best=None, grid=None):
        self._run_dir, self._keep, self._keep_best, self._grid = run_dir, keep, keep_best, grid
        own = set(tf.get_collection(files.PER_WORKER))
        self._savers = {files.VARIABLES: [var for var in tf.global_variables() if var not in own]}
        if own:
            self._savers[files.WORKER_VARIABLES] = [var for var in tf.global_variables() if var in own]
        self._savers = {name: tf.train.Saver(variables, max_to_keep=None) for name, variables in self._savers.items()}
        self._newest_nimg = None  # of the state that was saved or restored last

    def num_bytes(self):
        """What a state needs on the disk, bytes."""
        return sum(var.shape.num_elements() * var.dtype.size for var in tf.global_variables())

    def save(self, counters):
        """Writes a state, of the moment that was saved last only the counters, and removes what is not to be kept.

        Args:
            counters: See `files.new_counters`.
        Returns: Folder of the state.
        Raises: OSError if it can't be written; earlier states are then untouched.
        """
        path = files.state_path(self._run_dir, counters.nimg)
        if self._newest_nimg != counters.nimg or not files.update_counters(path, counters):
            self._save_all(path, counters)
        files.prune(self._run_dir, counters.nimg, self._keep, self._best_nimg(counters.metrics))
        return path

    def _save_all(self, path, counters):
        temp_path = os.path.join(os.path.dirname(path), files.UNFINISHED)
        shutil.rmtree(temp_path, ignore_errors=True)
        os.makedirs(temp_path)
        try:
            self._write(temp_path, counters)
            files.publish(temp_path, path)
        except OSError:
            shutil.rmtree(temp_path, ignore_errors=True)
            raise
        self._newest_nimg = counters.nimg

    def _write(self, path, counters):
        try:
            for name, saver in self._savers.items():
                saver.save(tf.get_default_session(), os.path.join(path, name), write_meta_graph=False,
                           write_state=False)
        except tf.errors.OpError as error:
            full = any(os.strerror(code) in error.message for code in disk.FULL)
            raise OSError(errno.ENOSPC if full else errno.EIO, error.message, path) from error
        if self._grid is not None:
            np.savez(os.path.join(path, files.GRID), **self._grid.arrays())
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
        """Loads the newest state in the run directory that can be loaded, and says which were passed over.

        Returns: Its counters; `None` if there is no state.
        Raises: UserError if none fits the networks and optimizers of the session and is undamaged.
        """
        errors = []
        for path in reversed(files.list_states(self._run_dir)):
            try:
                counters = self.restore(path)
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
        """Loads the state in folder `path`, of this run or another one; returns its counters.

        Raises: UserError if it is damaged or doesn't fit the networks and optimizers of the session.
        """
        counters = files.check(path)
        try:
            for name, saver in self._savers.items():
                saver.restore(tf.get_default_session(), os.path.join(path, name))
        except (tf.errors.OpError, ValueError) as error:
            raise UserError(f'the state {path!r} does not fit these networks and optimizers '
                            f'({str(error).strip().splitlines()[0]})') from error
        grid_path = os.path.join(path, files.GRID)
        if self._grid is not None and os.path.isfile(grid_path):
            with np.load(grid_path) as arrays:
                self._grid.restore({name: arrays[name] for name in arrays.files})
        return counters
