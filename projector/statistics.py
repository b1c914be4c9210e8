"""Statistics of detection: ROC, area under it with an interval, p-values with a guarantee. NumPy only."""

import numpy as np


def auc(positives, negatives):
    """Chance that a positive has a lower score than a negative, ties counting half (Mann and Whitney).

    Args:
        positives: Scores [N], those that should be low.
        negatives: Scores [M].
    Returns: float in [0, 1]; 1 = the scores separate the two, 0.5 = they say nothing.
    """
    negatives = np.sort(np.asarray(negatives, np.float64))
    positives = np.asarray(positives, np.float64)
    below_or_equal = np.searchsorted(negatives, positives, side='right')
    below = np.searchsorted(negatives, positives, side='left')
    return float(1 - np.mean(below + below_or_equal) / (2 * len(negatives)))


def roc(positives, negatives):
    """Curve of "call it positive if the score is at most t" for growing t.

    Returns: (false-positive rates, true-positive rates), float [K] each, from (0, 0) to (1, 1).
    """
    thresholds = np.unique(np.concatenate([positives, negatives]))
    rates = [np.searchsorted(np.sort(scores), thresholds, side='right') / len(scores)
             for scores in (negatives, positives)]
    return tuple(np.concatenate([[0.0], rate]) for rate in rates)


def auc_interval(positives, negatives, level=0.95, num_samples=2000, seed=0):
    """Bootstrap interval of `auc`: percentiles over samples drawn with replacement, each class for itself.

    Two classes without an overlap would give the interval [1, 1], which is more than so many pictures can tell: the
    lower end is then the value at which that would still happen with the chance (1 - level) / 2, for the smaller class.

    Returns: (low, high).
    """
    positives, negatives = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    rnd = np.random.RandomState(seed)
    values = [auc(rnd.choice(positives, len(positives)), rnd.choice(negatives, len(negatives)))
              for _ in range(num_samples)]
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    bound = tail ** (1 / min(len(positives), len(negatives)))
    if low == high == 1:
        low = bound
    elif low == high == 0:
        high = 1 - bound
    return float(low), float(high)


def p_high(score, sample):
    """Chance under the sample's distribution of a score at least this high: (1 + number of such) / (1 + N).

    If the score is drawn from the same distribution as the sample, the result is at most a with probability at most a,
    whatever the distribution (conformal prediction, Vovk et al. 2005).
    """
    return (1 + int(np.sum(np.asarray(sample) >= score))) / (1 + len(sample))


def p_low(score, sample):
    """As `p_high`, of a score at most this high."""
    return (1 + int(np.sum(np.asarray(sample) <= score))) / (1 + len(sample))


def low_threshold(sample, rate):
    """Largest score t of the sample's size such that scores below t have `p_low` at most `rate`; None if none has.

    Args:
        sample: Scores [N].
        rate: Chosen error rate in (0, 1); it takes N >= 1 / rate - 1.
    """
    allowed = int(np.floor(rate * (len(sample) + 1) + 1e-9)) - 1  # sample scores that may be as low
    return None if allowed < 0 else float(np.sort(np.asarray(sample, np.float64))[allowed])


def high_threshold(sample, rate):
    """Smallest score t such that scores above t have `p_high` at most `rate`; None if none has."""
    threshold = low_threshold(-np.asarray(sample, np.float64), rate)
    return None if threshold is None else -threshold
