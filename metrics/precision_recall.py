"""Improved precision and recall (Kynkaanniemi et al. 2019): do the sets cover each other in a space of features?"""

import numpy as np

from dnnlib import UserError
from metrics import feature_metric


def precision_recall(reals, fakes, nhood_size, tile_size, check=lambda: None):
    """Shares of the fakes that lie in the manifold of the reals, and of the reals in that of the fakes.

    A set's manifold is the union of balls around its samples; the radius of each is the distance to its
    `nhood_size`-th neighbor within the set (equations 1 and 2). Distances are computed in tiles, so the memory needed
    beside the features does not grow with the number of samples.

    Args:
        reals, fakes: Features, [N, F] and [M, F], float32.
        nhood_size: Which neighbor's distance is the radius, 1 = the nearest.
        tile_size: Rows and columns of a tile of distances.
        check: Function called before each tile; may raise.
    Returns: (precision, recall), floats in [0, 1].
    """
    radii_reals, radii_fakes = (neighbor_distances(x, nhood_size, tile_size, check) for x in (reals, fakes))
    fake_is_covered, real_is_covered = np.zeros(len(fakes), bool), np.zeros(len(reals), bool)
    for rows, columns, distances in _tiles(fakes, reals, tile_size):
        check()
        fake_is_covered[rows] |= (distances <= radii_reals[columns]).any(axis=1)
        real_is_covered[columns] |= (distances <= radii_fakes[rows][:, np.newaxis]).any(axis=0)
    return float(fake_is_covered.mean()), float(real_is_covered.mean())


def neighbor_distances(features, nhood_size, tile_size, check=lambda: None):
    """Squared distances of all samples to their `nhood_size`-th neighbor in the same set: [N], float32."""
    if len(features) <= nhood_size:
        raise UserError(f'{len(features)} images are too few for neighbor number {nhood_size}; give more')
    nearest = np.full([len(features), nhood_size + 1], np.inf, np.float32)  # the first is the sample itself
    for rows, _, distances in _tiles(features, features, tile_size):
        check()
        if distances.shape[1] > nhood_size + 1:
            distances = np.partition(distances, nhood_size, axis=1)[:, :nhood_size + 1]
        both = np.concatenate([nearest[rows], distances], axis=1)
        nearest[rows] = np.partition(both, nhood_size, axis=1)[:, :nhood_size + 1]
    return nearest.max(axis=1)


def _tiles(a, b, size):
    """Squared Euclidean distances of [N, F] and [M, F] piece by piece: (slice of rows, slice of columns, distances)."""
    squares_b = _squares(b)
    for row in range(0, len(a), size):
        rows = slice(row, min(row + size, len(a)))
        squares_a = _squares(a[rows])[:, np.newaxis]
        for column in range(0, len(b), size):
            columns = slice(column, min(column + size, len(b)))
            distances = a[rows] @ b[columns].T
            distances *= -2
            distances += squares_a
            distances += squares_b[columns]
            yield rows, columns, np.maximum(distances, 0, out=distances)


def _squares(x):
    return np.einsum('nf,nf->n', x, x)


class PR(feature_metric.FeatureMetric):
    """Precision and recall.

    Args:
        name, num_images, minibatch_per_gpu, extractor, max_reals: See FeatureMetric.
        nhood_size: See `precision_recall`.
        row_batch_size, col_batch_size: The smaller one is the size of a tile.
    """

    def __init__(self, name, num_images, nhood_size, minibatch_per_gpu, row_batch_size, col_batch_size,
                 extractor='vgg16', max_reals=None):
        super().__init__(name, num_images, minibatch_per_gpu, extractor, max_reals)
        self.nhood_size = nhood_size
        self.tile_size = min(row_batch_size, col_batch_size)

    def _evaluate(self, source):
        (reals,), (fakes,) = self._features_of_both(source, collect=True)
        precision, recall = precision_recall(reals, fakes, self.nhood_size, self.tile_size, self.check_time)
        self._report_result(precision, suffix='_precision')
        self._report_result(recall, suffix='_recall')
