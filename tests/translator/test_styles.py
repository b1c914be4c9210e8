"""Looks of instances: clusters by class."""

import numpy as np
import pytest

from dnnlib import UserError
from translator import styles


def test_clusters():
    rnd = np.random.RandomState(0)
    centers = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 9]])
    values = (centers[rnd.randint(3, size=60)] + rnd.uniform(-1, 1, [60, 3])).astype(np.float32)
    found = styles.clusters(values, 3)
    expected = [values[np.linalg.norm(values - center, axis=1) < 4].mean(axis=0) for center in centers]
    order = [np.argmin(np.linalg.norm(found - center, axis=1)) for center in expected]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found[order], expected, rtol=1e-5)
    assert len(styles.clusters(values)) == 10
    np.testing.assert_array_equal(styles.clusters(np.ones([5, 2])), np.ones([1, 2]))


def test_instances_get_the_looks_of_their_class():
    instances = np.zeros([1, 16, 16], int)
    instances[0, :8], instances[0, 8:, :8], instances[0, 0, 0] = 7001, 7002, 9  # of 9 one pixel is too small
    features = np.stack([instances[0], -instances[0]]).astype(np.float32)
    looks = styles.Styles([(features, instances)])
    others = np.array([[[7005, 7005, 0, 9]]])
    found = np.concatenate([looks.draw(others, np.random.RandomState(seed)) for seed in range(20)], axis=1)
    assert found.shape == (2, 20, 4)
    np.testing.assert_array_equal(found[0], -found[1])
    np.testing.assert_array_equal(found[0, :, 0], found[0, :, 1])  # both are one instance
    assert set(found[0, :, 0]) == {7001, 7002} and set(found[0, :, 2]) == set(found[0, :, 3]) == {0}
    with pytest.raises(UserError, match='covers more than 1.6% of its picture'):
        styles.Styles([(np.zeros([2, 16, 16]), np.arange(256).reshape(1, 16, 16))])
