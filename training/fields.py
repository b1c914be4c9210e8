"""The fields of the schedule in the graph of an iteration."""

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError


class ScheduleFields:
    """The fields of the schedule as scalars of the graph: `fields[name]`.

    A field that never changes is a number, which makes the graph faster; others are placeholders, made when they are
    first asked for. A method may also set a field: to a variable of the state that one of its stages writes.

    Args:
        levels: See `Schedule`.
    """

    def __init__(self, levels):
        self._fields = {} if len(levels) > 1 else {'lod': 0.0}
        for name in ('minibatch_size', 'minibatch_gpu', 'rounds'):
            if len({level[name] for level in levels}) == 1:
                self._fields[name] = levels[0][name]
        self._fed, self._derived, self._given = {}, {}, set(levels[0])

    def __getitem__(self, name):
        if name not in self._fields:
            dtype = tf.int32 if name in ('minibatch_size', 'minibatch_gpu') else tf.float32
            dtype = tf.int64 if name == 'rounds' else dtype  # as the variable that it is compared with
            with tf.name_scope(None), tf.name_scope('Inputs/'), tf.control_dependencies(None):
                self._fields[name] = self._fed[name] = tf.placeholder(dtype, [], name=name)
        return self._fields[name]

    def __setitem__(self, name, value):
        self._fields[name] = value

    def derive(self, name, function):
        """Makes a further field of the others: a function of the schedule's result; returns the placeholder."""
        self._derived[name] = function
        return self[name]

    def is_fed(self, name):
        """Is a field given by the schedule in each iteration?"""
        return name in self._fed

    def gives(self, name):
        """Has the result of the schedule this field?"""
        return name in self._given

    def check(self, sched):
        """Raises UserError if a result of the schedule lacks a field that was asked for."""
        missing = sorted(set(self._fed) - set(self._derived) - set(sched))
        if missing:
            raise UserError(f'the schedule gives no {missing[0]}, which the method asks for; it has '
                            f'{", ".join(sorted(sched))}')

    def feed(self, sched):
        """{placeholder: value} for one result of the schedule."""
        return {placeholder: self._derived[name](sched) if name in self._derived else sched[name]
                for name, placeholder in self._fed.items()}
