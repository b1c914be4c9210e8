"""Features of images, collected or summed up; those of reals are cached."""

import hashlib
import json
import os

import numpy as np

from dnnlib import UserError, cache, util
from metrics.features import weight_files


class Moments:
    """Mean and covariance in one pass, float64, in the memory of two matrices.

    Features are taken in CHUNK at a time: a product of matrices with a few rows costs as much as adding up its result.

    Args:
        num_features: Number of features.
    """

    CHUNK = 256

    def __init__(self, num_features):
        self.count = 0
        self._waiting, self._num_waiting = [], 0
        self._shift = None  # near the mean, so that the sums of squares do not cancel
        self._sum = np.zeros([num_features])
        self._products = np.zeros([num_features, num_features])

    def add(self, features):
        """Takes in features [N, num_features]."""
        self.count += len(features)
        self._num_waiting += len(features)
        self._waiting.append(np.array(features, np.float64))
        if self._num_waiting >= self.CHUNK:
            self._sum_up()

    def _sum_up(self):
        features = np.concatenate(self._waiting)
        self._waiting, self._num_waiting = [], 0
        if self._shift is None:
            self._shift = features.mean(axis=0)
        features -= self._shift
        self._sum += features.sum(axis=0)
        self._products += features.T @ features

    def get(self):
        """(mean [F], covariance [F, F]) of at least two samples; the covariance is the unbiased one."""
        if self._waiting:
            self._sum_up()
        mean = self._sum / self.count
        return self._shift + mean, (self._products - self.count * np.outer(mean, mean)) / (self.count - 1)


def moments(features, chunk=1000):
    """(mean [F], covariance [F, F]), float64, of features [N, F], without a float64 copy of all of them."""
    result = Moments(features.shape[1])
    for begin in range(0, len(features), chunk):
        result.add(features[begin:begin + chunk])
    return result.get()


class Collection:
    """All features, float32, in one array.

    Args:
        count: Number of samples that will come.
        num_features: Number of features.
    Raises: UserError if there is not enough memory.
    """

    def __init__(self, count, num_features):
        try:
            self._features = np.empty([count, num_features], np.float32)
        except (MemoryError, ValueError) as error:
            raise UserError(f'{num_features} features of {count} images need {4e-9 * count * num_features:.3g} GB of '
                            'memory; give fewer images') from error
        self.count = 0

    def add(self, features):
        """Takes in features [N, num_features]; any beyond `count` are dropped."""
        features = features[:len(self._features) - self.count]
        self._features[self.count:self.count + len(features)] = features
        self.count += len(features)

    def get(self):
        """(features [count, num_features],)."""
        return self._features[:self.count],


def cache_path(key, title):
    """File for statistics in the cache.

    Args:
        key: Plain dictionary of all that they depend on.
        title: Short name for people who look into the cache.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode('utf-8')).hexdigest()
    title = ''.join(c if c.isalnum() or c in '-_.' else '_' for c in title)
    return cache.find(f'{digest[:32]}-{title}.npz')


def read(path):
    """Arrays that `write` wrote, as a tuple; `None` if there is no such file or it is corrupt."""
    try:
        with open(path, 'rb') as file, np.load(file, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files if name != 'digest'}
            if weight_files.digest_of_arrays(arrays) != str(saved['digest']):
                raise ValueError('checksum mismatch')
            return tuple(arrays['array_%d' % i] for i in range(len(arrays)))
    except FileNotFoundError:
        return None
    except Exception as error:  # pylint: disable=broad-except  # corrupt zip files fail in many ways
        print(f'{path}: corrupt ({error}), computed again')
        return None


def write(path, arrays):
    """Writes a tuple of arrays through a temporary name; prints a line if that fails."""
    named = {'array_%d' % i: array for i, array in enumerate(arrays)}
    try:
        cache.make(os.path.dirname(path))
        with util.atomic_path(path) as temp_path:
            np.savez(temp_path, digest=weight_files.digest_of_arrays(named), **named)
    except OSError as error:
        print(f'{path}: not cached ({error.strerror or error})')

