"""The formulas of the metrics against closed forms, brute force and SciPy."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import scipy.stats

from dnnlib.util import UserError
from metrics import feature_stats, nearest
from metrics.frechet_inception_distance import frechet_distance
from metrics.inception_score import inception_score
from metrics.kernel_inception_distance import polynomial_mmd
from metrics.linear_separability import conditional_entropy, linear_svm
from metrics.precision_recall import neighbor_distances, precision_recall


def test_frechet_distance_of_independent_features():
    rnd = np.random.RandomState(0)
    means, stds = rnd.randn(2, 6), rnd.uniform(0.1, 2, [2, 6])
    found = frechet_distance(means[0], np.diag(stds[0] ** 2), means[1], np.diag(stds[1] ** 2))
    assert abs(found - np.square(means[0] - means[1]).sum() - np.square(stds[0] - stds[1]).sum()) < 1e-10


@pytest.mark.parametrize('samples', [40, 5])  # 5 samples of 12 features: singular covariances
def test_frechet_distance_equals_the_matrix_root(samples):
    rnd = np.random.RandomState(1)
    sets = [rnd.randn(samples, 12) @ rnd.randn(12, 12) + rnd.randn(12) for _ in range(2)]
    (mean_a, cov_a), (mean_b, cov_b) = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in sets]
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    expected = np.square(mean_a - mean_b).sum() + np.trace(cov_a + cov_b) - 2 * np.trace(root).real
    assert abs(frechet_distance(mean_a, cov_a, mean_b, cov_b) - expected) < 1e-5 * expected
    assert abs(frechet_distance(mean_a, cov_a, mean_a, cov_a)) < 1e-6 * np.trace(cov_a)


def test_moments_in_pieces_equal_numpy():
    rnd = np.random.RandomState(2)
    x = np.float32(rnd.randn(701, 7) * 0.01 + 50)  # sums of squares would cancel in float32, and nearly in float64
    moments = feature_stats.Moments(7)
    for begin in range(0, 701, 8):
        moments.add(x[begin:begin + 8])
    assert moments.count == 701
    mean, cov = moments.get()
    np.testing.assert_array_equal(moments.get()[1], cov)
    np.testing.assert_allclose(mean, np.float64(x).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(cov, np.cov(np.float64(x), rowvar=False), rtol=1e-9, atol=1e-15)


def test_moments_need_two_matrices():
    features = np.zeros([8, 2048], np.float32)
    tracemalloc.start()
    moments = feature_stats.Moments(2048)
    for _ in range(3):
        moments.add(features)
    moments.get()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6  # FID's limit is 200 MB beside the networks


def test_kernel_distance_equals_its_definition():
    rnd = np.random.RandomState(3)
    a, b = rnd.randn(5, 4), rnd.randn(5, 4) + 1

    def kernel(x, y):
        return (np.dot(x, y) / 4 + 1) ** 3

    inside = sum(kernel(x[i], x[j]) for x in (a, b) for i in range(5) for j in range(5) if i != j)
    across = sum(kernel(x, y) for x in a for y in b)
    assert abs(polynomial_mmd(a, b) - inside / 20 + 2 * across / 25) < 1e-9


def test_kernel_distance_is_unbiased():
    rnd = np.random.RandomState(4)
    values = [polynomial_mmd(rnd.randn(10, 3), rnd.randn(10, 3)) for _ in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(2000)
    # k(x, y) = (x y + 1)^3 of one feature, N(0, 1) against N(m, 1), has a polynomial of the moments as expectation
    m = 1.5
    moments = [np.array([1, 0, 1, 0]), np.array([1, m, m ** 2 + 1, m ** 3 + 3 * m])]
    expected = np.dot([1, 3, 3, 1], np.square(moments[0] - moments[1]))
    values = [polynomial_mmd(rnd.randn(10, 1), rnd.randn(10, 1) + m) for _ in range(4000)]
    assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(4000)


def test_inception_score_of_known_distributions():
    assert abs(inception_score(np.eye(7)[np.arange(70) % 7]) - 7) < 1e-9  # certain and diverse
    assert abs(inception_score(np.tile([0.2, 0.3, 0.5], [9, 1])) - 1) < 1e-9  # all the same
    p = np.array([[0.9, 0.1], [0.1, 0.9]])
    assert abs(inception_score(p) - np.exp(np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1))) < 1e-9
    p = np.random.RandomState(9).dirichlet([0.3] * 12, 50)
    assert abs(inception_score(p) - np.exp(np.mean([scipy.stats.entropy(row, p.mean(axis=0)) for row in p]))) < 1e-9


def test_precision_and_recall_of_known_manifolds():
    reals = np.float32(np.arange(10))[:, np.newaxis]  # radius to the first neighbor: 1
    fakes = np.float32([2.5, 9.5, 10.5, 30, 30.25])[:, np.newaxis]
    # 2.5, 9.5 are within 1 of a real, the others are not; radii of the fakes: 7, 1, 1, 0.25, 0.25
    assert precision_recall(reals, fakes, 1, 100) == (0.4, 1.0)
    assert precision_recall(reals, fakes[1:], 1, 100) == (0.25, 0.1)
    assert precision_recall(reals, reals, 1, 3) == (1.0, 1.0)
    assert precision_recall(reals, reals + 100, 3, 4) == (0.0, 0.0)


def test_features_that_are_not_finite_are_refused():
    reals = np.float32(np.arange(10))[:, np.newaxis]
    for value in (np.nan, -np.inf, 1e30):
        fakes = np.where(reals == 3, np.float32(value), reals)
        for sets in ((reals, fakes), (fakes, reals)):
            with pytest.raises(UserError, match='features of 1 of 10 images are NaN, infinite or too large'):
                precision_recall(*sets, nhood_size=1, tile_size=4)


@pytest.mark.parametrize('tile_size', [1, 7, 16, 1000])
def test_precision_and_recall_do_not_depend_on_tiles(tile_size):
    rnd = np.random.RandomState(5)
    reals, fakes = np.float32(rnd.randn(40, 3)), np.float32(rnd.randn(30, 3) * 1.3 + 0.3)

    def distances(a, b):
        return np.square(a[:, np.newaxis] - b).sum(axis=-1)

    radii = [np.sort(distances(x, x), axis=1)[:, 3] for x in (reals, fakes)]
    across = distances(fakes, reals)
    expected = (across <= radii[0]).any(axis=1).mean(), (across <= radii[1][:, np.newaxis]).any(axis=0).mean()
    np.testing.assert_allclose(neighbor_distances(reals, 3, tile_size), radii[0], rtol=1e-4)
    assert precision_recall(reals, fakes, 3, tile_size) == pytest.approx(expected)
    assert 0 < expected[0] < 1 and 0 < expected[1] < 1


@pytest.mark.parametrize('chunk', [500, 1 << 19])
def test_neighbors_among_many(monkeypatch, chunk):
    """Rows long enough that groups of them are looked at, by one thread or by several."""
    monkeypatch.setattr('metrics.precision_recall.CHUNK', chunk)
    rnd = np.random.RandomState(7)
    reals, fakes = np.float32(rnd.randn(500, 5)), np.float32(rnd.randn(450, 5) + 0.4)
    fakes[:20] = fakes[20:40]  # at distance 0
    radii = [np.sort(scipy.spatial.distance.cdist(x, x, 'sqeuclidean'), axis=1)[:, 3] for x in (reals, fakes)]
    across = scipy.spatial.distance.cdist(fakes, reals, 'sqeuclidean')
    np.testing.assert_allclose(neighbor_distances(fakes, 3, 333), radii[1], rtol=1e-3)
    expected = (across <= radii[0]).any(axis=1).mean(), (across <= radii[1][:, np.newaxis]).any(axis=0).mean()
    assert precision_recall(reals, fakes, 3, 333) == pytest.approx(expected, abs=0.003)


def test_precision_and_recall_need_memory_for_tiles_only():
    rnd = np.random.RandomState(6)
    reals, fakes = np.float32(rnd.randn(6000, 4)), np.float32(rnd.randn(6000, 4))
    tracemalloc.start()
    precision_recall(reals, fakes, 3, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 4 * 1000 ** 2  # all distances are 36 tiles of 4 MB


def test_nearest_of_two_lists_without_doubles():
    order, distances = nearest.closest(np.array([[4, 2, 7, 2, 9, 4]]), np.array([[1.0, 3.0, 5.0, 2.0, 6.0, 4.0]]), 3)
    assert (order.tolist(), distances.tolist()) == ([[4, 2, 7]], [[1.0, 2.0, 5.0]])


def test_too_few_images_have_no_neighbors():
    with pytest.raises(UserError, match='too few for neighbor number 3'):
        neighbor_distances(np.zeros([3, 2], np.float32), 3, 10)


def test_svm_fulfils_the_conditions_of_the_minimum():
    rnd = np.random.RandomState(7)
    x = rnd.randn(300, 5) * [1, 10, 0.1, 1, 1]
    y = x @ [1, 0.3, 5, 0, 0] + rnd.randn(300) > 0.5
    w = linear_svm(x, y)
    sign, inputs = np.where(y, 1.0, -1.0), np.concatenate([x, np.ones([300, 1])], axis=1)
    slack = np.maximum(1 - sign * (inputs @ w), 0)
    gradient = w - 2 * inputs.T @ (sign * slack)
    assert np.abs(gradient).max() < 1e-5 * np.abs(2 * inputs.T @ sign).max()
    assert np.mean((inputs @ w > 0) == y) > 0.8
    # two points at -1 and 1: the offset is 0 and w + 4 (w - 1) = 0
    np.testing.assert_allclose(linear_svm(np.array([[-1.0], [1.0]]), np.array([False, True])), [0.8, 0], atol=1e-9)


def test_conditional_entropy_of_known_tables():
    yes, no = np.ones(4, bool), np.zeros(4, bool)
    half = np.array([True, True, False, False])
    assert conditional_entropy(half, half) == 0 and conditional_entropy(half, ~half) == 0
    assert conditional_entropy(yes, half) == 1 and conditional_entropy(yes, no) == 0
    other = np.array([True, False, False, False])
    three = np.log2(3) - 2 / 3  # entropy of (1/3, 2/3)
    assert abs(conditional_entropy(other, half) - 0.75 * three) < 1e-12


@pytest.mark.parametrize('tile_size', [3, 100])
def test_nearest_equals_brute_force(tile_size):
    rnd = np.random.RandomState(8)
    queries, points = np.float32(rnd.randn(4, 3)), np.float32(rnd.randn(20, 3))
    distances = np.sqrt(np.square(queries[:, np.newaxis] - points).sum(axis=-1))
    order, found = nearest.nearest(queries, points, 5, tile_size)
    np.testing.assert_array_equal(order, np.argsort(distances, axis=1)[:, :5])
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, :5], rtol=1e-4)


def test_cached_arrays_survive_damage(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'cache'))
    path = feature_stats.cache_path({'a': 1}, 'fid50k-my data')
    assert path != feature_stats.cache_path({'a': 2}, 'fid50k-my data') and path.endswith('-fid50k-my_data.npz')
    assert feature_stats.read(path) is None
    arrays = (np.arange(3.0), np.eye(2))
    feature_stats.write(path, arrays)
    for found, expected in zip(feature_stats.read(path), arrays):
        np.testing.assert_array_equal(found, expected)
    with open(path, 'rb') as file:
        data = file.read()
    for position in range(0, len(data), 7):
        with open(path, 'wb') as file:
            file.write(data[:position] + bytes([data[position] ^ 16]) + data[position + 1:])
        found = feature_stats.read(path)
        assert found is None or all(map(np.array_equal, found, arrays)), position
    with open(path, 'r+b') as file:
        file.truncate(100)
    assert feature_stats.read(path) is None
    assert 'corrupt' in capsys.readouterr().out


def test_statistics_that_cannot_be_kept_are_a_line(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    feature_stats.write(str(tmp_path / 'file' / 'a.npz'), (np.ones(3),))
    assert 'a.npz: not cached (' in capsys.readouterr().out


def test_features_that_need_too_much_memory_are_refused():
    with pytest.raises(UserError, match='2048 features of 10000000000000 images need .* GB of memory; give fewer'):
        feature_stats.Collection(10 ** 13, 2048)
