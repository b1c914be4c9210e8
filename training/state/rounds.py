"""State that each round of each worker keeps for itself, such as a pool of images; saved by the number of the round.

Round k of worker w has the number w + workers * k, so that one worker with as many rounds as all workers together keeps
the same. A state of N workers is continued by M: rounds that are no more are dropped, new ones have initial values.
"""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives
from dnnlib.util import UserError
from training.state import files


class RoundState:
    """One variable for each round of this worker; a stage sees that of its round.

    Args:
        variable: Resource variable [rounds, ...].
        number: Round of this worker, int or int32 scalar tensor.
    """

    def __init__(self, variable, number):
        self._variable, self._number = variable, number
        tf.add_to_collection(files.PER_WORKER, variable)

    def read_value(self):
        """Its value, a tensor."""
        return self._variable.read_value()[self._number]

    def assign(self, value):
        """Operation that changes it."""
        return tf.scatter_update(self._variable, self._number, value)


class RoundStates:
    """Reads and sets the variables of all rounds of all workers; every method must be called by all workers at once."""

    def __init__(self):
        self._variables = tf.get_collection(files.PER_WORKER)
        self._read = self._setters = None

    def __bool__(self):
        return bool(self._variables)

    def read(self):
        """{name: array [rounds of all workers, ...], by the number of the round}."""
        if self._read is None:
            self._read = {var.op.name: _by_number(collectives.all_gather(var.read_value())) for var in self._variables}
        return tf.get_default_session().run(self._read) if self._read else {}

    def initial(self):
        """What `read` returns at the start; may be called by one worker alone."""
        values = tf.get_default_session().run([var.initial_value for var in self._variables])
        return {var.op.name: np.concatenate([value] * collectives.num_workers())
                for var, value in zip(self._variables, values)}

    def write(self, values):
        """Gives each worker what the first one knows about its rounds.

        Args:
            values: As `read` returns them; of worker 0.
        """
        if self._setters is None:
            self._setters = [self._setter(var) for var in self._variables]
        feed = {}
        for var, (_, values_in) in zip(self._variables, self._setters):
            feed[values_in] = values.get(var.op.name, np.zeros(values_in.shape.as_list(), var.dtype.as_numpy_dtype))
        tf.get_default_session().run([setter for setter, _ in self._setters], feed)

    @staticmethod
    def _setter(variable):
        rounds, workers = variable.shape.as_list()[0], collectives.num_workers()
        with tf.control_dependencies(None):
            values_in = tf.placeholder(variable.dtype.base_dtype, [rounds * workers] + variable.shape.as_list()[1:])
            own = collectives.from_first(values_in)[collectives.worker()::workers]
            return tf.assign(variable, own).op, values_in


def _by_number(values):
    """[workers][rounds, ...] to [rounds * workers, ...], by the number of the round."""
    stacked = tf.stack(values, axis=1)
    return tf.reshape(stacked, [-1] + stacked.shape.as_list()[2:])


def save(path, values):
    """Writes what `RoundStates.read` returned into the folder of a state, if there is anything."""
    if values:
        np.savez(os.path.join(path, files.ROUNDS), **{name.replace('/', '|'): array for name, array in values.items()})


def load(path, now):
    """Reads what `save` wrote; says which rounds are dropped.

    Args:
        path: Folder of a state.
        now: Values at the start, as `RoundStates.read` returns them, for rounds that were not saved.
    Returns: Of the same form.
    Raises: UserError if the state lacks some, or their shape is another one.
    """
    name, found = os.path.join(path, files.ROUNDS), dict(now)
    if not now:
        return found
    if not os.path.exists(name):
        raise UserError(f'the state {path!r} does not fit this method: {files.ROUNDS} is missing')
    with np.load(name) as arrays:
        for key, value in now.items():
            saved = arrays[key.replace('/', '|')] if key.replace('/', '|') in arrays.files else np.zeros([0])
            if saved.shape[1:] != value.shape[1:]:
                raise UserError(f'the state {path!r} does not fit this method: {key} is {list(saved.shape)} in '
                                f'{files.ROUNDS}, expected {list(value.shape)}')
            found[key] = np.concatenate([saved, value[len(saved):]])[:len(value)].astype(value.dtype)
            before, after = len(saved), len(value)
    if before != after:
        what = f'those of rounds {after} to {before - 1} are dropped' if before > after else (
            f'rounds {before} to {after - 1} have initial values')
        print(f'Of {len(now)} states that each round keeps for itself (pools and the like), {before} rounds were saved '
              f'and there are {after}: {what}.')
    return found
