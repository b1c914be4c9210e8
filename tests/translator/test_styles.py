"""Looks of instances: clusters by class."""

import os
import pickle

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
    looks = styles.learn([(features, instances)])
    others = np.array([[[7005, 7005, 0, 9]]])
    found = np.concatenate([looks.draw(others, np.random.RandomState(seed)) for seed in range(20)], axis=1)
    assert found.shape == (2, 20, 4)
    np.testing.assert_array_equal(found[0], -found[1])
    np.testing.assert_array_equal(found[0, :, 0], found[0, :, 1])  # both are one instance
    assert set(found[0, :, 0]) == {7001, 7002} and set(found[0, :, 2]) == set(found[0, :, 3]) == {0}
    with pytest.raises(UserError, match='covers more than 1.6% of its picture'):
        styles.learn([(np.zeros([2, 16, 16]), np.arange(256).reshape(1, 16, 16))])


@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_clusters_of_the_published_program(tmp_path, protocol):
    given = {0: np.zeros([0, 4]), 7: np.float32([[1, 2, 3], [4, 5, 6]]), 9: np.full([3, 4], 0.25), 33: np.ones([1, 3])}
    path, array = str(tmp_path / 'features_clustered_010.npy'), np.array(given, dtype=object)
    with open(path, 'wb') as f:
        np.lib.format.write_array_header_1_0(f, dict(descr='|O', fortran_order=False, shape=()))
        pickle.dump(array, f, protocol=min(protocol, pickle.HIGHEST_PROTOCOL))
    looks = styles.read(path)
    assert looks.num_features == 3
    drawn = [looks.draw(np.array([[[7, 9, 33001, 0]]]), np.random.RandomState(seed))[:, 0].T for seed in range(9)]
    assert {tuple(rows[0]) for rows in drawn} == {(1, 2, 3), (4, 5, 6)}
    for rows in drawn:
        np.testing.assert_array_equal(rows[1:], [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
    np.save(path, array)  # as the installed NumPy writes it
    assert styles.read(path).num_features == 3


class Harmful:
    """Makes a folder when a careless reader opens it."""

    def __reduce__(self):
        return os.mkdir, ('made',)


@pytest.mark.parametrize('saved, message', [
    (np.zeros([2, 3]), 'not an object written by numpy.save, or damaged .numbers of shape .2, 3., expected an object'),
    (np.array({7: 'x'}, dtype=object), 'no features of instances by class, such as pix2pixHD writes'),
    (np.array({7: np.zeros([0, 4])}, dtype=object), 'no features of instances by class'),
    (np.array([{7: np.zeros([1, 3])}] * 2, dtype=object), 'not an object .* .numbers of shape .2., expected'),
    (np.array({7: Harmful()}, dtype=object), 'not an object .* .refused: the file asks for .*mkdir, which is no')])
def test_other_files_are_no_clusters(tmp_path, monkeypatch, saved, message):
    monkeypatch.chdir(tmp_path)
    np.save('a.npy', saved)
    with pytest.raises(UserError, match='a.npy: ' + message):
        styles.read('a.npy')
    assert os.listdir('.') == ['a.npy']
    with open('a.npy', 'r+b') as f:
        f.truncate(100)
    with pytest.raises(UserError, match='a.npy: not an object written by numpy.save, or damaged'):
        styles.read('a.npy')
