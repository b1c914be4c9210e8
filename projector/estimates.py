"""Estimates of the point of W that a picture was drawn from, out of pictures whose points are known.

Kernel ridge regression (Saunders, Gammerman and Vovk 1998) from what images are compared by to points of W, twice: from
candidates all over W, and then from points around the first estimate. Gradient descent finds a picture of the network
far more often from there than from the closest candidate, which seldom has all parts of the picture at once.
"""

import numpy as np
import scipy.linalg

from projector import candidates

FEWEST = 1000  # candidates that an estimate takes; fewer, as there are of larger images, were not measured
RIDGE = 0.1    # added to the diagonal of the kernel, which is 1 there
SPREAD = 0.7   # of the points around the first estimate, by its errors
SEED = 213     # of the choice of these points


def possible(points):
    """Can there be estimates from candidates [N, 1, D]?"""
    return len(points) >= FEWEST and np.isfinite(points).all()


class Estimates:
    """Estimates from candidates.

    Args:
        known: candidates.Candidates with points.
    """

    def __init__(self, known):
        self._known, self._mean = known, known.points[0]
        self._regression = _Regression(
            candidates.squared_distances(known.embedded, known.embedded), (known.points - self._mean)[:, 0])

    def of(self, targets, count, rank=0):
        """The points of W that targets were probably drawn from; each target's does not depend on the others.

        For pictures unlike those of the network there is no good estimate: where the closest candidate is closer, it is
        a candidate, the one that `rank` others are closer than.

        Args:
            targets: [N, C, H, W], float32, range [-1, 1].
            count: Points drawn around the first estimate of each.
            rank: Other numbers give other points and thus other estimates.
        Returns: [N, 1, D], float32.
        """
        embedded = self._known.embed(targets)
        distances = candidates.squared_distances(embedded, self._known.embedded)
        first = self._mean + self._regression.predict(distances)
        all_known = len(self._known.points)
        chosen = np.random.RandomState([SEED, rank]).choice(all_known, count, replace=count > all_known)
        errors = SPREAD * self._regression.errors(chosen)
        found = []
        for target, center in zip(embedded, first):
            drawn = self._known.draw((center + errors)[:, np.newaxis])
            near = _Regression(candidates.squared_distances(drawn, drawn), errors)
            found.append(center + near.predict(candidates.squared_distances(target[np.newaxis], drawn)))
        found = np.float32(np.stack(found))
        estimated = [candidates.squared_distances(target[np.newaxis], drawn[np.newaxis])[0, 0]
                     for target, drawn in zip(embedded, self._known.draw(found))]
        closer = np.float32(estimated) <= distances.min(axis=1)
        closest = candidates.closest(self._known.points, distances, rank)
        return np.where(closer[:, np.newaxis, np.newaxis], found, closest)


class _Regression:
    """Kernel ridge regression with a Gaussian kernel as wide as the median distance.

    Args:
        distances: Squared distances of the N known points from each other, [N, N].
        values: Their values, [N, D].
    """

    def __init__(self, distances, values):
        finite = distances[np.isfinite(distances)]
        self._width = max(float(np.median(finite)) if finite.size else 0.0, 1e-12)
        kernel = self._kernel(distances)
        kernel[np.diag_indices_from(kernel)] += RIDGE
        self._factor = scipy.linalg.cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
        self._coefficients = scipy.linalg.cho_solve(self._factor, values)

    def _kernel(self, distances):
        return np.exp(distances / -self._width)

    def predict(self, distances):
        """Values [M, D] at points with squared distances [M, N] from the known ones."""
        return self._kernel(distances) @ self._coefficients

    def errors(self, chosen):
        """Values of the known points with the indices `chosen` [M] minus those that all other points would predict,
        [M, D] (Rasmussen and Williams, equation 5.12)."""
        columns = np.zeros([len(self._coefficients), len(chosen)], self._coefficients.dtype)
        columns[chosen, np.arange(len(chosen))] = 1
        inverse = scipy.linalg.cho_solve(self._factor, columns)[chosen, np.arange(len(chosen))]
        return self._coefficients[chosen] / inverse[:, np.newaxis]
