"""Improved precision and recall (Kynkaanniemi et al. 2019): do the sets cover each other in a space of features?"""

import concurrent.futures

import numpy as np

from dnnlib import UserError
from dnnlib.run import devices
from metrics import feature_metric


GROUP = 32  # values of which first only the largest is looked at
CHUNK = 2 ** 19  # values that a thread works on at a time: 2 MB, which stay in its cache


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
    squares_reals, squares_fakes = _squares(reals), _squares(fakes)
    limits_reals, limits_fakes = (squares_reals - radii_reals) / 2, (squares_fakes - radii_fakes) / 2
    fake_is_covered, real_is_covered = np.zeros(len(fakes), bool), np.zeros(len(reals), bool)
    for rows, columns, products in _tiles(fakes, reals, tile_size, check):
        # |a - b|^2 <= r where a b - (|b|^2 - r) / 2 >= |a|^2 / 2
        fake_is_covered[rows] |= _row_maxima(products, limits_reals[columns]) >= squares_fakes[rows] / 2
        real_is_covered[columns] |= _row_maxima(products.T, limits_fakes[rows]) >= squares_reals[columns] / 2
    return float(fake_is_covered.mean()), float(real_is_covered.mean())


def neighbor_distances(features, nhood_size, tile_size, check=lambda: None):
    """Squared distances of all samples to their `nhood_size`-th neighbor in the same set: [N], float32.

    Raises: UserError for too few samples, and for features that are not finite, which would be at no distance to all.
    """
    if len(features) <= nhood_size:
        raise UserError(f'{len(features)} images are too few for neighbor number {nhood_size}; give more')
    squares = _squares(features)
    num_bad = int(np.sum(~np.isfinite(squares)))
    if num_bad:
        raise UserError(f'the features of {num_bad} of {len(features)} images are NaN, infinite or too large to be '
                        'compared; check the weights of the feature network')
    closest = np.full([len(features), nhood_size + 1], -np.inf, np.float32)  # a b - |b|^2 / 2; a itself is one of them
    for rows, columns, products in _tiles(features, features, tile_size, check, symmetric=True):
        _keep_largest(closest[rows], products, squares[columns] / 2)
        if rows != columns:  # the tile on the other side of the diagonal
            _keep_largest(closest[columns], products.T, squares[rows] / 2)
    return np.maximum(squares - 2 * closest.min(axis=1), 0)


def _tiles(a, b, size, check, symmetric=False):
    """Products of the rows of [N, F] and [M, F] piece by piece: (slice of rows, slice of columns, array, which the next
    one overwrites). If `symmetric`, of a set and itself, only those on the diagonal and above.
    """
    buffer = np.empty(min(size, len(a)) * min(size, len(b)), np.float32)
    for row in range(0, len(a), size):
        rows = slice(row, min(row + size, len(a)))
        for column in range(row if symmetric else 0, len(b), size):
            check()
            columns = slice(column, min(column + size, len(b)))
            shape = rows.stop - row, columns.stop - column
            yield rows, columns, np.matmul(a[rows], b[columns].T, out=buffer[:shape[0] * shape[1]].reshape(shape))


def _row_maxima(products, offsets):
    """Largest value of each row of products - offsets, [rows]."""
    maxima = np.empty(len(products), np.float32)

    def find(rows):
        np.subtract(products[rows], offsets).max(axis=1, out=maxima[rows])

    _in_threads(find, products.shape)
    return maxima


def _keep_largest(largest, products, offsets):
    """Puts the largest of each row of [largest, products - offsets] into `largest` [rows, count]."""
    count = largest.shape[1]

    def find(rows):
        found = _candidates(np.subtract(products[rows], offsets), count)
        found = np.concatenate([largest[rows], found], axis=1)
        largest[rows] = np.partition(found, -count, axis=1)[:, -count:]

    _in_threads(find, products.shape)


def _candidates(x, count):
    """Some values of each row, the `count` largest among them; many times faster than sorting all of them."""
    num_groups = x.shape[1] // GROUP
    if num_groups <= count:
        return x
    groups = x[:, :num_groups * GROUP].reshape(len(x), GROUP, num_groups)
    # the largest values are in the groups with the largest maxima
    chosen = np.argpartition(groups.max(axis=1), -count, axis=1)[:, -count:]
    best = np.take_along_axis(groups, chosen[:, np.newaxis], axis=2)
    return np.concatenate([best.reshape(len(x), -1), x[:, num_groups * GROUP:]], axis=1)


def _in_threads(function, shape):
    """Calls a function of slices of the rows of an array, as many at once as there are cores (NumPy lets them run)."""
    step = max(1, CHUNK // shape[1])
    slices = [slice(begin, begin + step) for begin in range(0, shape[0], step)]
    if len(slices) == 1:
        function(slices[0])
        return
    with concurrent.futures.ThreadPoolExecutor(devices.num_cores()) as pool:
        list(pool.map(function, slices))


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
