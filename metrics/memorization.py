"""Memorization-informed Frechet distance: MiFID (Bai et al. 2021), and the distance of fakes from the training data."""

import numpy as np

from dnnlib import UserError
from metrics import feature_metric, feature_stats
from metrics.frechet_inception_distance import frechet_distance

TILE = 2000  # fakes and reals that are compared at a time: 32 MB
DELTA = 1e-15  # added to the distance of those that are copies; the released program's, a public demo has 1e-14


def memorization_distance(fakes, reals, check=lambda: None):
    """Mean distance of fakes to the nearest real: 1 - |cosine| of features (Bai et al. 2021, section 4, and program).

    Args:
        fakes, reals: Features, [N, F] and [M, F]; those whose sum is 0 are left out, as in the program.
        check: Function called before each tile; may raise.
    Returns: float, 0 = all are copies, 1 = all are orthogonal.
    Raises: UserError if no features are left.
    """
    queries, found = _directions(fakes), False
    nearest = np.ones([len(queries)])
    for begin in range(0, len(reals), TILE):
        tile = _directions(reals[begin:begin + TILE])
        found = found or len(tile) > 0
        for row in range(0, len(queries), TILE) if len(tile) else ():
            check()
            cosines = np.abs(queries[row:row + TILE] @ tile.T).max(axis=1)
            nearest[row:row + TILE] = np.minimum(nearest[row:row + TILE], 1 - cosines)
    if not found or not len(queries):
        raise UserError('memorization distance: the features of all images are 0')
    return max(float(nearest.mean()), 0.0)  # of exact copies rounding may leave less than nothing


def _directions(features):
    """Rows of unit length, float64, without those whose sum is 0."""
    x = np.float64(features)
    x = x[x.sum(axis=1) != 0]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def mifid(fid, distance, epsilon, delta=DELTA):
    """The Frechet distance, divided by the memorization distance where that is below a threshold.

    Args:
        fid: Frechet distance.
        distance: Result of `memorization_distance`.
        epsilon: Threshold; without any transition: at it, nothing is divided.
        delta: Keeps copies from dividing by 0.
    """
    return fid / ((distance if distance < epsilon else 1.0) + delta)


class MiFID(feature_metric.FeatureMetric):
    """MiFID and what it is made of, against all reals, not mirrored.

    Args:
        name, num_images, minibatch_per_gpu, extractor, max_reals: See FeatureMetric.
        epsilon: See `mifid`; the published 0.1 belongs to Inception-v3.
    """

    def __init__(self, name, num_images, minibatch_per_gpu, epsilon, extractor='inception', max_reals=None):
        super().__init__(name, num_images, minibatch_per_gpu, extractor, max_reals)
        self.epsilon = epsilon

    def _evaluate(self, source):
        (reals,), (fakes,) = self._features_of_both(source, collect=True)
        fid = frechet_distance(*(feature_stats.moments(fakes) + feature_stats.moments(reals)))
        distance = memorization_distance(fakes, reals, self.check_time)
        self._note(epsilon=self.epsilon)
        self._report_result(mifid(fid, distance, self.epsilon))
        self._report_result(fid, '_fid')
        self._report_result(distance, '_distance', fmt='%-10.6f')
