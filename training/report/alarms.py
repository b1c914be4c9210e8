"""Alarms of a training: rules of thumb on the statistics of its ticks, each a sentence when it fires.

They are heuristics: a healthy training may break one, and a bad one may break none. The rules are pure functions of the
statistics; `Alarms` remembers what came before.
"""

import collections
import statistics

import numpy as np

SATURATED_SCORE, SATURATED_TICKS = 7.0, 3  # a logistic loss of 0.001 on each side
ARMED_DIVERSITY, LOW_DIVERSITY, LOW_TICKS = 0.5, 0.25, 2  # of the reals'
SLOW_FACTOR, SLOW_TICKS, SPEED_TICKS, MIN_SPEED_TICKS = 2.0, 2, 10, 3
MEMORIZES, GENERALIZES, HELD_OUT_TICKS = 0.5, 0.1, 3  # see overfitting; the first is the published target of rv
NEEDLESS_P = 0.2  # from this p on augmentation costs quality that is noticed
DATA_WAIT, MIN_WAIT_SEC = 0.1, 1.0  # share of a tick; in less than a second of waiting there is little to gain
MIXED_PRECISION_SHARE = 0.01  # of the steps; loss scaling itself provokes about 0.0005
POOLED_SIZE = 16


def diversity(images):
    """How much images differ: the mean over pixels of the standard deviation over the images.

    Args:
        images: [N, C, H, W]; they are averaged down to between 16 and 31 pixels first, so that noise counts little.
    Returns: float, in the unit of the pixels.
    """
    images = np.asarray(images, np.float32)
    factor = max(min(images.shape[2:]) // POOLED_SIZE, 1)
    height, width = (size // factor for size in images.shape[2:])
    blocks = images[:, :, :height * factor, :width * factor].reshape(
        [len(images), images.shape[1], height, factor, width, factor])
    return float(np.mean(np.std(np.mean(blocks, axis=(3, 5)), axis=0)))


def non_finite(stats, skipped_before):
    """Steps were left out in this tick because gradients were not finite: a sentence, or None.

    Args:
        stats: Statistics of the tick by tag, see `Reporter`.
        skipped_before: Steps left out up to the tick before.
    """
    skipped = (stats.get('Alarms/skipped_steps') or 0) - skipped_before
    shares = [value or 0 for tag, value in stats.items() if tag.endswith('/overflow_frequency')]
    mixed = any(tag.endswith('/loss_scaling_log2') for tag in stats)
    if skipped <= 0 or (mixed and max(shares or [1]) <= MIXED_PRECISION_SHARE):
        return None
    return '{} step{} left out, gradients were not finite{}'.format(
        skipped, '' if skipped == 1 else 's', '; with loss scaling that is normal at the start' if mixed else '')


def saturated(stats):
    """Does D tell reals from fakes almost without error? Only for losses whose scores are logits."""
    real, fake = stats.get('Loss/scores/real'), stats.get('Loss/scores/fake')
    return real is not None and fake is not None and real > SATURATED_SCORE and fake < -SATURATED_SCORE


def overfitting(stats):
    """How far D's mean score of held-out images is from that of those it learns from, on the way to that of fakes.

    The heuristic rv of Karras et al. 2020, equation 1, of scores without augmentation: 0 = D generalizes, 1 = it
    memorizes; `None` = not known, or D does not tell fakes from images.
    """
    train, held_out, fake = (stats.get('Holdout/scores/' + name) for name in ('train', 'held_out', 'generated'))
    return None if None in (train, held_out, fake) or train <= fake else (train - held_out) / (train - fake)


def too_slow(stats, ticks_before):
    """Has the speed fallen to less than half of what was usual? Its usual value, seconds per kimg, or None.

    Args:
        stats: Statistics of the tick.
        ticks_before: Those of earlier ticks, oldest first; only ticks of the same minibatch and level count.
    """
    def level(tick):
        return tick.get('Progress/minibatch'), int(np.ceil(tick.get('Progress/lod') or 0))
    usual = [tick['Timing/sec_per_kimg'] for tick in ticks_before
             if level(tick) == level(stats) and tick.get('Timing/sec_per_kimg')][-SPEED_TICKS:]
    now = stats.get('Timing/sec_per_kimg')
    if not now or len(usual) < MIN_SPEED_TICKS or now <= SLOW_FACTOR * statistics.median(usual):
        return None
    return statistics.median(usual)


def waiting_for_data(stats):
    """Did the device wait for data for much of this tick? A sentence, or None; before the first, nothing is read ahead.

    Args:
        stats: Statistics of the tick.
    """
    share, seconds = stats.get('Timing/data_wait') or 0, stats.get('Timing/sec_per_tick') or 0
    if share <= DATA_WAIT or share * seconds < MIN_WAIT_SEC or not stats.get('Progress/tick'):
        return None
    return (f'{100 * share:.0f} % of this tick; try more threads (--data-workers) or a faster disk; what else helps: '
            '"Threads" in docs/data.md')


class Alarms:
    """The rules with their memory.

    Args:
        logits: Are D's scores logits, as in the logistic losses?
        ticks: Statistics of the ticks so far, oldest first.
    """

    def __init__(self, logits, ticks=()):
        self._logits = logits
        self._in_a_row = collections.Counter()  # ticks for which a condition has held
        self._skipped = 0
        self._best_diversity = 0.0
        self._usual = collections.deque(maxlen=4 * SPEED_TICKS)
        for tick in ticks:
            self.look(tick)

    def look(self, stats):
        """Judges one tick.

        Args:
            stats: Its statistics by tag; None or a missing tag = not known.
        Returns: {name of the alarm: sentence} of those that fire.
        """
        found = collections.OrderedDict([
            ('non-finite gradients', non_finite(stats, self._skipped)),
            ('D saturated', self._saturated(stats)),
            ('D memorizes', self._memorizing(stats)),
            ('needless augmentation', self._needless(stats)),
            ('diversity collapsing', self._collapsing(stats)),
            ('speed halved', self._slow(stats)),
            ('waiting for data', waiting_for_data(stats))])
        self._skipped = stats.get('Alarms/skipped_steps') or 0
        return collections.OrderedDict((name, text) for name, text in found.items() if text is not None)

    def _holds(self, name, condition, ticks):
        self._in_a_row[name] = self._in_a_row[name] + 1 if condition else 0
        return self._in_a_row[name] >= ticks

    def _saturated(self, stats):
        if not self._holds('saturated', self._logits and saturated(stats), SATURATED_TICKS):
            return None
        return 'mean scores of D {:+.1f} on reals, {:+.1f} on fakes, for {} ticks; G learns little then'.format(
            stats['Loss/scores/real'], stats['Loss/scores/fake'], self._in_a_row['saturated'])

    def _memorizing(self, stats):
        share = overfitting(stats)
        if not self._holds('memorizes', share is not None and share > MEMORIZES, HELD_OUT_TICKS):
            return None
        return ('mean scores {:.1f} for images that it learns from, {:.1f} for held-out ones, {:.1f} for fakes; '
                'augment (--aug=ada), or train on more images').format(*_scores(stats))

    def _needless(self, stats):
        share, p, signs = overfitting(stats), stats.get('Progress/augment'), stats.get('Progress/overfitting')
        rises = p is not None and p >= NEEDLESS_P and signs is not None and signs > MEMORIZES
        if not self._holds('needless', rises and share is not None and share < GENERALIZES, HELD_OUT_TICKS):
            return None
        return ('p is {:.2f}, but mean scores of D are {:.1f} for images that it learns from and {:.1f} for held-out '
                'ones: it is ahead of G, and does not memorize; --aug=adarv goes by held-out images, --p-max=0.1 keeps '
                'p low').format(p, *_scores(stats)[:2])

    def _collapsing(self, stats):
        now = stats.get('Progress/diversity')
        self._best_diversity = max(self._best_diversity, now or 0)
        low = now is not None and self._best_diversity >= ARMED_DIVERSITY and now < LOW_DIVERSITY
        if not self._holds('low', low, LOW_TICKS):
            return None
        return "diversity of the fakes is {:.2f} of the reals' (was {:.2f})".format(now, self._best_diversity)

    def _slow(self, stats):
        usual = too_slow(stats, self._usual)
        if usual is None:
            self._usual.append(stats)
        if not self._holds('slow', usual is not None, SLOW_TICKS):
            return None
        if self._in_a_row['slow'] > SPEED_TICKS:  # this is what is usual now
            self._usual.clear()
        return '{:.1f} images per second; {:.1f} was usual'.format(1000 / stats['Timing/sec_per_kimg'], 1000 / usual)


def _scores(stats):
    return [stats['Holdout/scores/' + name] for name in ('train', 'held_out', 'generated')]


def alarm_line(name, text):
    """What the log says about an alarm."""
    return 'ALARM {} (a heuristic): {}'.format(name, text)
