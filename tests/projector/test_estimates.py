"""Where a search begins: kernel regression against NumPy, and estimates of points whose pictures are known."""

import numpy as np
import pytest

from projector import candidates, estimates


class Known:
    """Points of a curved W whose pictures have 30 numbers, without a network."""

    def __init__(self, count):
        random = np.random.RandomState(0)
        self._weights = random.randn(2, 12, 30) / 4
        self.points = np.float32(random.randn(count, 1, 12) + 3)
        self.embedded, self.drawn = self.draw(self.points), []

    def draw(self, points):
        self.drawn = getattr(self, 'drawn', []) + [len(points)]
        offsets = points[:, 0] - 3
        return self.embed(np.sin(offsets @ self._weights[0]) + offsets @ self._weights[1])

    def embed(self, images):
        return np.float16(images * candidates.SCALE)


def _squared(a, b):
    return np.square(a[:, np.newaxis] - b).sum(axis=2)


def test_distances_of_points_in_blocks(monkeypatch):
    monkeypatch.setattr(candidates, 'BYTES_AT_ONCE', 4 * 4 * 2)  # two of the five numbers of four points
    a, b = [np.float16(np.random.RandomState(i).randn(count, 5) * candidates.SCALE) for i, count in ((0, 7), (1, 4))]
    expected = _squared(np.float64(a) / candidates.SCALE, np.float64(b) / candidates.SCALE)
    np.testing.assert_allclose(candidates.squared_distances(a, b), expected, rtol=1e-5)
    assert candidates.squared_distances(a, a).min() >= 0
    a[2, 1] = np.nan
    assert (candidates.squared_distances(a, b)[2] == np.inf).all()


def test_almost_equal_pictures_and_broken_ones_have_estimates():
    """Their distances are far below the rounding of their squares."""
    random = np.random.RandomState(0)
    for change in (1e-2, 2e-3, 1e-3):
        known = Known(200)
        pictures = 1 + change * random.randn(203, 30)
        known.embedded, known.draw = known.embed(pictures[:200]), lambda points: known.embed(pictures[:len(points)])
        points = np.float64(known.embedded) / candidates.SCALE
        exact = _squared(points, points)
        found = candidates.squared_distances(known.embedded, known.embedded)
        np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-6 * exact.max())
        for broken in (8, 150):  # more than half
            known.embedded[:broken:2], known.embedded[1:broken:2, 2] = np.nan, np.inf
            assert np.isfinite(estimates.Estimates(known).of(pictures[200:], count=50)).all()


def test_regression_equals_numpy():
    random = np.random.RandomState(3)
    points, values, others = random.randn(12, 3), random.randn(12, 2), random.randn(5, 3)
    distances = _squared(points, points)
    width = np.median(distances)

    def predict(chosen, at):
        kernel = np.exp(-distances[np.ix_(chosen, chosen)] / width) + estimates.RIDGE * np.eye(len(chosen))
        return np.exp(-_squared(at, points[chosen]) / width) @ np.linalg.solve(kernel, values[chosen])

    found = estimates._Regression(distances, values)
    np.testing.assert_allclose(found.predict(_squared(others, points)), predict(np.arange(12), others), rtol=1e-9)
    left_out = [values[i] - predict(np.delete(np.arange(12), i), points[i:i + 1])[0] for i in range(12)]
    np.testing.assert_allclose(found.errors(np.arange(12)), left_out, rtol=1e-9)
    np.testing.assert_allclose(found.errors(np.array([7, 2, 7])), [left_out[i] for i in (7, 2, 7)], rtol=1e-9)


def test_equal_pictures_have_the_mean_of_their_points():
    values = np.array([[1.0], [2.0], [6.0]])
    predicted = estimates._Regression(np.zeros([3, 3]), values).predict(np.zeros([1, 3]))
    np.testing.assert_allclose(predicted, [[3 * 3 / (3 + estimates.RIDGE)]])  # up to the ridge


def test_estimates_are_closer_than_the_closest_candidate():
    known, targets = Known(300), Known(320)  # the first 300 points are the same
    true, images = targets.points[300:], targets.embedded[300:] / np.float32(candidates.SCALE)
    estimator = estimates.Estimates(known)
    found = estimator.of(images, count=256)
    assert found.shape == (20, 1, 12) and found.dtype == np.float32 and known.drawn[-21:] == [256] * 20 + [20]
    closest = known.points[np.argmin(candidates.squared_distances(targets.embedded[300:], known.embedded), axis=1)]
    first = known.points[0] + estimator._regression.predict(
        candidates.squared_distances(targets.embedded[300:], known.embedded))[:, np.newaxis]
    errors = [np.square(points - true).sum(axis=2).mean() for points in (closest, first, found)]
    differences = [np.square(known.draw(points) / np.float32(candidates.SCALE) - images).sum(axis=1).mean()
                   for points in (closest, first, found)]
    for closest, first, found in (errors, differences):
        assert found < 0.8 * first < 0.2 * closest


def test_estimates_depend_on_their_target_and_the_rank_alone():
    known, images = Known(50), Known(53).embedded[50:] / np.float32(candidates.SCALE)
    estimator = estimates.Estimates(known)
    found = estimator.of(images, count=60)  # more than there are errors
    np.testing.assert_allclose(estimator.of(images[1:2], count=60), found[1:2], rtol=1e-3)
    np.testing.assert_array_equal(estimator.of(images, count=60), found)
    assert np.abs(estimator.of(images, count=60, rank=1) - found).max() > 1e-3


def test_pictures_unlike_the_known_ones_begin_at_the_closest():
    known = Known(300)
    images = np.concatenate([known.embedded[7:8] / np.float32(candidates.SCALE), np.full([1, 30], 4, np.float32)])
    order = np.argsort(candidates.squared_distances(known.embed(images), known.embedded), axis=1)
    assert order[0, 0] == 7
    for rank in (0, 1):  # another attempt begins elsewhere
        found = estimates.Estimates(known).of(images, 20, rank)
        np.testing.assert_array_equal(found, known.points[order[:, rank]])


def test_too_few_or_broken_points_have_none():
    points = np.zeros([estimates.FEWEST, 1, 12], np.float32)
    assert estimates.possible(points) and not estimates.possible(points[1:])
    points[5, 0, 2] = np.nan
    assert not estimates.possible(points)


@pytest.mark.parametrize('count', [1, 2])
def test_few_points_are_enough(count):
    known = Known(3)
    assert np.isfinite(estimates.Estimates(known).of(np.ones([1, 30], np.float32), count)).all()
