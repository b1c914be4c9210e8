"""Frechet distance of features: FID with Inception-v3 (Heusel et al. 2017), FD with other extractors."""

import numpy as np

from metrics import feature_metric


def frechet_distance(mean_a, cov_a, mean_b, cov_b):
    """Squared Frechet distance of two Gaussians (Heusel et al. 2017, equation 6).

    The trace of the root of A B is the sum of the roots of the eigenvalues of the symmetric sqrt(A) B sqrt(A), which
    need no complex numbers and no `sqrtm`.

    Args:
        mean_a, mean_b: [F], float64.
        cov_a, cov_b: Covariances, [F, F], float64, symmetric.
    Returns: float, at least 0 up to rounding.
    """
    values, vectors = np.linalg.eigh(cov_a)
    root_a = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = root_a @ cov_b @ root_a
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh((product + product.T) / 2), 0))
    return float(np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * roots.sum())


class FID(feature_metric.FeatureMetric):
    """Frechet distance of the features of fakes and reals; arguments as of FeatureMetric."""

    def __init__(self, name, num_images, minibatch_per_gpu, extractor='inception', max_reals=None):
        super().__init__(name, num_images, minibatch_per_gpu, extractor, max_reals)

    def _evaluate(self, source):
        reals, fakes = self._features_of_both(source, collect=False)
        self._report_result(frechet_distance(*(fakes + reals)))
