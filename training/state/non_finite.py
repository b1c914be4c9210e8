"""What happens when gradients are not finite: the steps left out are counted, and a training that can't recover goes
back once, then ends.

The optimizers leave out steps whose gradients hold an infinity or NaN. Single ones do no harm, and with mixed precision
they are expected; but a run in which every step is left out no longer learns.
"""

import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from training.state import files


class Watch:
    """Counts the steps left out, and goes back to the last good state when too many are left out in a row.

    A state is good if the last step of every stage before it was made. After going back the random numbers are
    different, see `attempt_seed`: with the same ones a training would meet the same gradients again.

    Args:
        stages: List of train_step.Stage.
        patience: Steps of one stage that may be left out in a row; 0 = any number.
        saver: state.StateSaver.
        run_dir: Run directory with the states; `None` = worker 0 has it, and this is another one.
    """

    def __init__(self, stages, patience, saver, run_dir):
        self._patience, self._saver, self._run_dir = patience, saver, run_dir
        numbers = [variable.read_value() for stage in stages for variable in stage.skipped]
        self._numbers = tf.stack(numbers or [tf.zeros([2], tf.int64)])

    def update(self, counters):
        """Counts, see `count`, to be called after every iteration; goes back if it must.

        Args:
            counters: See `files.new_counters`; `skipped` and `skipped_in_a_row` are set, all are if it goes back.
        Returns: True after going back: the variables and counters are those of a good state.
        Raises: UserError if it would have to go back a second time, or there is no good state.
        """
        self.count(counters)
        if not self.is_lost(counters):
            return False
        what = (f'kimg {counters.nimg / 1000:.1f}: gradients were not finite in {counters.skipped_in_a_row} steps in a '
                'row')
        if counters.went_back:
            raise UserError(what + ', again after going back; ' + ADVICE)
        path = None if self._run_dir is None else last_good_state(self._run_dir)
        if path is None and self._run_dir is not None:
            raise UserError(what + ', and there is no earlier state to go back to; ' + ADVICE)
        restored = self._saver.restore(path)
        print(f'{what}. Going back to the state at kimg {restored.nimg / 1000:.1f}, once, with other random numbers.',
              flush=True)
        counters.update(restored, went_back=1, seconds=counters.seconds)
        return True

    def count(self, counters):
        """Brings `skipped` and `skipped_in_a_row` of the counters up to date."""
        numbers = tflib.run(self._numbers)
        counters.update(skipped=int(numbers[:, 0].sum()), skipped_in_a_row=int(numbers[:, 1].max()))

    def is_lost(self, counters):
        """Are more steps left out in a row than patience allows?"""
        return 0 < self._patience <= counters.skipped_in_a_row


ADVICE = 'try a lower learning rate, a larger --gamma or full precision, or look at the data'


def last_good_state(run_dir):
    """Folder of the newest state that is readable and was saved after steps with finite gradients; None = none."""
    for path in reversed(files.list_states(run_dir)):
        try:
            if files.read_counters(path).skipped_in_a_row == 0:
                return path
        except UserError:
            pass
    return None


def attempt_seed(seed, counters):
    """Seed of the random numbers: a different one after going back."""
    return seed + 1000003 * counters.went_back
