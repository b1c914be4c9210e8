"""The formulas of the metrics against scikit-learn, where it is installed."""

import numpy as np
import pytest

from metrics.kernel_inception_distance import polynomial_mmd
from metrics.linear_separability import conditional_entropy, linear_svm
from metrics.nearest import nearest
from metrics.precision_recall import precision_recall

sklearn = pytest.importorskip('sklearn')


def test_kernel_distance():
    from sklearn.metrics.pairwise import polynomial_kernel
    rnd = np.random.RandomState(0)
    a, b = rnd.randn(30, 8), rnd.randn(30, 8) * 1.2 + 0.5
    kernels = [polynomial_kernel(x, y, degree=3, gamma=None, coef0=1) for x, y in ((a, a), (b, b), (a, b))]
    off_diagonal = ~np.eye(30, dtype=bool)
    expected = kernels[0][off_diagonal].mean() + kernels[1][off_diagonal].mean() - 2 * kernels[2].mean()
    assert polynomial_mmd(a, b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize('nhood_size', [1, 3])
def test_precision_and_recall(nhood_size):
    from sklearn.neighbors import NearestNeighbors
    rnd = np.random.RandomState(1)
    reals, fakes = np.float32(rnd.randn(200, 6)), np.float32(rnd.randn(150, 6) * 0.9 + 0.9)

    def share_inside(points, manifold):
        """Share of the points that lie in a ball around one of the manifold's, as far as its neighbor."""
        radii = NearestNeighbors(n_neighbors=nhood_size).fit(manifold).kneighbors()[0][:, -1]
        distances, numbers = NearestNeighbors(n_neighbors=len(manifold)).fit(manifold).kneighbors(points)
        return np.mean(np.any(distances <= radii[numbers], axis=1))

    found = precision_recall(reals, fakes, nhood_size, 64)
    assert found == pytest.approx((share_inside(fakes, reals), share_inside(reals, fakes)))
    assert 0.05 < min(found) and max(found) < 0.95  # both kinds occur


def test_nearest():
    from sklearn.neighbors import NearestNeighbors
    rnd = np.random.RandomState(2)
    queries, points = np.float32(rnd.randn(20, 16)), np.float32(rnd.randn(300, 16))
    distances, order = NearestNeighbors(n_neighbors=3).fit(points).kneighbors(queries)
    found_order, found = nearest(queries, points, 3, 50)
    np.testing.assert_array_equal(found_order, order)
    np.testing.assert_allclose(found, distances, rtol=1e-4)


@pytest.mark.parametrize('scale', [1, 30])  # 30: hardly any loss is left, so that the weights of C and |w|^2 count
def test_support_vector_machine(scale):
    from sklearn.svm import LinearSVC
    rnd = np.random.RandomState(3)
    x = rnd.randn(500, 12) * scale
    y = x @ rnd.randn(12) + 0.5 * scale * rnd.randn(500) > 0.8 * scale
    exact = LinearSVC(dual=False, tol=1e-10, max_iter=100000).fit(x, y)
    w = linear_svm(x, y)
    np.testing.assert_allclose(w, np.append(exact.coef_[0], exact.intercept_[0]), rtol=1e-4, atol=1e-6)
    as_published = LinearSVC(dual=False).fit(x, y)  # to the tolerance that it has by default
    assert np.mean(as_published.predict(x) == (x @ w[:-1] + w[-1] > 0)) > 0.99


def test_conditional_entropy():
    from sklearn.metrics import mutual_info_score
    rnd = np.random.RandomState(4)
    target = rnd.rand(400) < 0.3
    predicted = target ^ (rnd.rand(400) < 0.1)
    share = np.mean(target)
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    expected = entropy - mutual_info_score(target, predicted) / np.log(2)  # H(Y|X) = H(Y) - I(X, Y)
    assert conditional_entropy(predicted, target) == pytest.approx(expected, rel=1e-9)
