"""Inception score (Salimans et al. 2016)."""

import numpy as np

from dnnlib import UserError
from metrics import feature_metric


def inception_score(probabilities):
    """exp of the mean KL divergence of the rows from their mean.

    Args:
        probabilities: [N, classes], rows add up to 1.
    Returns: float, 1 to the number of classes.
    """
    p = np.float64(probabilities)
    mean = p.mean(axis=0, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        terms = np.where(p > 0, p * (np.log(p) - np.log(mean)), 0)  # the limit of p ln p
    return float(np.exp(terms.sum(axis=1).mean()))


class IS(feature_metric.FeatureMetric):
    """Mean and spread of the inception score over equal parts of the fakes.

    Args:
        name, num_images, minibatch_per_gpu: See FeatureMetric.
        num_splits: Number of parts.
    """

    def __init__(self, name, num_images, num_splits, minibatch_per_gpu):
        super().__init__(name, num_images, minibatch_per_gpu, 'inception')
        if num_splits > num_images:
            raise UserError(f'metric {name}: {num_images} images are too few for {num_splits} splits; give more')
        self.num_splits = num_splits
        self.fakes_key = None  # probabilities are no features

    def _evaluate(self, source):
        probabilities = self._probabilities(source)
        count = len(probabilities)
        scores = [inception_score(probabilities[i * count // self.num_splits:(i + 1) * count // self.num_splits])
                  for i in range(self.num_splits)]
        for statistic, suffix in ((np.mean, '_mean'), (np.std, '_std')):
            self._report_result(statistic(scores), suffix)

    def _probabilities(self, source):
        """Class probabilities of all fakes, [N, classes]."""
        count = self._count(source.num_images, 'fakes', 'fakes')
        if count < self.num_splits:
            raise UserError(f'metric {self.name}: {count} images are too few for {self.num_splits} splits; give more')
        self._build_extractor()
        found = list(self._of_fakes(source, self._network.probabilities, count))
        self._team.leave()
        return np.concatenate(found)[:count]
