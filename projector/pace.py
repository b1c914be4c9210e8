"""How long the pictures of a run take: estimated from the first steps of the first ones, and then from those done."""

import time

from dnnlib import util

WARM_UP = 1  # steps that are left out, since the graph is optimized in them
MEASURED = 4, 5.0  # steps and seconds after which the estimate is made, whichever takes longer
SLOW = 300  # seconds from which a faster preset is mentioned
CANDIDATE_STEPS = 1 / 3  # of a step: an image without its gradient
DRAWN_STEPS = 1 / 8  # the same for one that is drawn in a minibatch of many


class Pace:
    """Tells at the beginning how long a run takes, and then how much of that is left.

    Args:
        num_pictures: Pictures that are projected.
        minibatch: Pictures projected at once.
        settings: session.Settings.
        faster: Steps by which a faster preset replaces all of those of a picture; None = there is none.
        near: Images drawn before the first step of a picture to estimate where it begins.
        clock: Function that returns seconds.
    """

    def __init__(self, num_pictures, minibatch, settings, faster=None, near=0, clock=time.time):
        self._pictures, self._minibatches, self._settings = num_pictures, -(-num_pictures // minibatch), settings
        self._faster, self._clock = faster, clock
        self._steps = settings.num_steps * settings.restarts  # of a minibatch
        self._candidate_steps = (settings.schedule.get('start_candidates', 1) - 1) * CANDIDATE_STEPS
        self._candidate_steps += near * minibatch * DRAWN_STEPS
        self._said, self._warm_at, self._done, self._begun = False, None, 0, None

    def begin(self):
        """Call it before the first step of a projection."""
        if self._begun is None:
            self._begun = self._clock()

    def step(self, number):
        """Call it after each step, with its number from 1; prints the estimate once."""
        if self._said or number < WARM_UP:
            return
        if number == WARM_UP < self._settings.num_steps:
            self._warm_at = self._clock()
            return
        if self._warm_at is None:  # the only step
            steps, seconds = number + self._candidate_steps, self._clock() - self._begun
        else:
            steps, seconds = number - WARM_UP, self._clock() - self._warm_at
        if number == self._settings.num_steps or steps >= MEASURED[0] and seconds >= MEASURED[1]:
            self._said = True
            print(self.estimate(seconds / steps))

    def estimate(self, seconds):
        """The line with the estimate for so many seconds per step."""
        whole = self._minibatches * seconds * (self._steps + self._candidate_steps * self._settings.restarts)
        line = (f"{'At most' if self._settings.plateau else 'About'} {util.format_time(whole)} for "
                f"{self._pictures} picture{'s' * (self._pictures != 1)}, {self._steps} steps each")
        if whole >= SLOW and self._faster and self._faster < self._steps:
            fast = self._minibatches * seconds * self._faster
            line += f'; --preset=fast takes about {util.format_time(fast)}'
        return line

    def finished(self):
        """Call it after each minibatch."""
        self._done += 1

    def left(self):
        """How long the rest takes, as text for the end of a line; '' when nothing is left or known."""
        rest = self._minibatches - self._done
        if not self._done or rest <= 0:
            return ''
        return f', {util.format_time((self._clock() - self._begun) / self._done * rest)} left'
