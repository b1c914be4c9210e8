"""Kernel distance of features: KID with Inception-v3 (Binkowski et al. 2018), KD with other extractors."""

import numpy as np

from metrics import feature_metric


def polynomial_mmd(a, b):
    """Unbiased squared maximum mean discrepancy for the kernel (x y / F + 1)^3 (Binkowski et al. 2018, section 4).

    Args:
        a, b: Features, [N, F] both, float64, N at least 2.
    Returns: float, with expectation 0 for samples of one distribution.
    """
    count = len(a)
    inside = sum(_kernel_sum(x, x) - _kernel_trace(x) for x in (a, b))
    return float(inside / (count * (count - 1)) - 2 * _kernel_sum(a, b) / count ** 2)


def _kernel_sum(a, b):
    return np.power(a @ b.T / a.shape[1] + 1, 3).sum()


def _kernel_trace(a):
    return np.power(np.square(a).sum(axis=1) / a.shape[1] + 1, 3).sum()


class KID(feature_metric.FeatureMetric):
    """Mean of `polynomial_mmd` over random subsets.

    Args:
        name, num_images, minibatch_per_gpu, extractor, max_reals: See FeatureMetric.
        num_subsets: Number of subsets; one if it holds all images.
        max_subset_size: Size of a subset; smaller if there are fewer images.
    """

    def __init__(self, name, num_images, minibatch_per_gpu, extractor='inception', num_subsets=100,
                 max_subset_size=1000, max_reals=None):
        super().__init__(name, num_images, minibatch_per_gpu, extractor, max_reals)
        self.num_subsets = num_subsets
        self.max_subset_size = max_subset_size

    def _evaluate(self, source):
        (reals,), (fakes,) = self._features_of_both(source, collect=True)
        size = min(len(reals), len(fakes), self.max_subset_size)
        rnd = np.random.RandomState(self._seed)
        distances = []
        num_subsets = 1 if size == max(len(reals), len(fakes)) else self.num_subsets
        for _ in range(num_subsets):
            self.check_time()
            pairs = [np.float64(x[rnd.choice(len(x), size, replace=False)]) for x in (reals, fakes)]
            distances.append(polynomial_mmd(*pairs))
        self._note(num_subsets=num_subsets, subset_size=size,
                   std_of_subsets=float(np.std(distances)) if num_subsets > 1 else None)
        self._report_result(np.mean(distances), fmt='%-10.6f')
