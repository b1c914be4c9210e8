"""Everything that continuing a training needs, saved beside the network pickles.

A state is a folder `state/<images shown>` in the run directory: `variables.*`, a TensorFlow checkpoint of all global
variables (networks, moments of the optimizers, half-accumulated gradients, mean of the path lengths), and `state.json`,
the counters. It is written under another name and renamed, so that a folder with that name is always complete.
"""

import json
import os
import shutil

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from training import state_files


class StateSaver:
    """Saves and restores the variables of the default session with the counters.

    Args:
        run_dir: Run directory.
        keep: Number of states that are kept, the newest.
    """

    def __init__(self, run_dir, keep=2):
        self._dir = os.path.join(run_dir, state_files.STATE_DIR)
        self._keep = keep
        self._saver = tf.train.Saver(tf.global_variables(), max_to_keep=None)

    def save(self, counters):
        """Writes a state and removes the oldest ones.

        Args:
            counters: See `state_files.new_counters`.
        Returns: Folder of the state.
        Raises: OSError if it can't be written; earlier states are then untouched.
        """
        path = os.path.join(self._dir, '%09d' % counters.nimg)
        temp_path = os.path.join(self._dir, 'unfinished')
        shutil.rmtree(temp_path, ignore_errors=True)
        os.makedirs(temp_path)
        try:
            self._saver.save(tf.get_default_session(), os.path.join(temp_path, state_files.VARIABLES),
                             write_meta_graph=False, write_state=False)
        except tf.errors.OpError as error:
            raise OSError('cannot save the state to {!r}: {}'.format(temp_path, error.message)) from error
        with open(os.path.join(temp_path, state_files.MANIFEST), 'w') as f:
            json.dump(dict(counters=counters), f, indent=1)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(temp_path, path)
        for old_path in state_files.list_states(os.path.dirname(self._dir))[:-self._keep]:
            shutil.rmtree(old_path)
        return path

    def restore_latest(self):
        """Loads the newest state in the run directory that can be loaded, and says which were passed over.

        Returns: Its counters; `None` if there is no state.
        Raises: UserError if none fits the networks and optimizers of the session and is undamaged.
        """
        errors = []
        for path in reversed(state_files.list_states(os.path.dirname(self._dir))):
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
        counters = state_files.read_counters(path)
        try:
            self._saver.restore(tf.get_default_session(), os.path.join(path, state_files.VARIABLES))
        except (tf.errors.OpError, ValueError) as error:
            raise UserError('cannot continue from {!r}: it is damaged or does not fit these networks ({})'.format(
                path, str(error).strip().splitlines()[0])) from error
        return counters
