"""The learning rate policy `plateau`: the rate falls where the loss of the generators has stopped falling.

The rule and its numbers are those of the published programs for translation, PyTorch's ReduceLROnPlateau. They give it
a metric that is always zero, so that their rate falls every six epochs; here the metric is the loss of the generators,
the mean over an epoch.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives

FACTOR = 0.2      # of the rate, where it falls; as published
THRESHOLD = 0.01  # relative improvement on the best epoch that counts; as published
PATIENCE = 5      # epochs without any that change nothing; as published


class Plateau:
    """Scales the field `lrate` of the schedule by a saved variable; if the policy is another one, nothing happens.

    Args:
        step: Step, before anything is trained; its schedule gives `epoch`, the number of the epoch, if the policy is
            meant.
    """

    def __init__(self, step):
        self._step, self._is_on = step, step.sched.gives('epoch')
        if not self._is_on:
            return
        self._factor = step.state('plateau_factor', [], initial=1.0)
        self._best = step.state('plateau_best', [], initial=np.float32(np.inf))
        self._bad = step.state('plateau_bad_epochs', [], initial=0.0)
        self._sums = step.state('plateau_sums', [2])  # number of losses, their sum
        self._seen = step.state('plateau_epoch', [], initial=1.0)
        rate = step.sched.derive('full_lrate', lambda sched: sched['lrate'])
        step.sched['lrate'] = rate * self._factor.read_value()
        step.progress['Progress/lrate_factor'] = self._factor

    def post(self, loss):
        """What the stage that trains the generators is given as `post`; `loss` = theirs, a scalar."""
        return [lambda: self._add(loss)] if self._is_on else []

    def _add(self, loss):
        last = []
        for value in collectives.all_gather(tf.stack([1.0, loss])):  # one after another, as rounds add them
            with tf.control_dependencies(last):
                last = [tf.assign_add(self._sums, tf.where(tf.is_finite(value[1]), value, tf.zeros([2])))]
        return tf.group(*last)

    def stages(self):
        """What comes before all other stages: a look back where an epoch begins."""
        return [self._step.run('plateau', self._look_back())] if self._is_on else []

    def _look_back(self):
        epoch, (count, total) = self._step.sched['epoch'], tf.unstack(self._sums.read_value())
        best, factor, seen = (variable.read_value() for variable in (self._best, self._factor, self._seen))
        is_new = epoch > seen
        loss = tf.where(count > 0, total / count, np.float32(np.inf))
        is_better = loss < best * (1 - THRESHOLD)
        bad = tf.where(is_better, 0.0, self._bad.read_value() + 1)
        falls = bad > PATIENCE
        new = [(self._best, tf.where(is_better, loss, best)), (self._factor, tf.where(falls, factor * FACTOR, factor)),
               (self._bad, tf.where(falls, 0.0, bad)), (self._seen, epoch), (self._sums, tf.zeros([2]))]
        with tf.control_dependencies([is_new] + [value for _, value in new]):
            return tf.cond(is_new, lambda: tf.group(*[tf.assign(variable, value) for variable, value in new]),
                           lambda: tf.no_op())
