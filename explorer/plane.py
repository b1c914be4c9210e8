"""The seed plane: what stands between four seeds."""

import collections
import math

import numpy as np


class Kept:
    """The last values of a function, by key.

    Args:
        function: Function of the key.
        most: Number of values that are kept.
    """

    def __init__(self, function, most):
        self._function, self._most, self._values = function, most, collections.OrderedDict()

    def get(self, key):
        """The value for a key."""
        if key not in self._values:
            self._values[key] = self._function(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]


def blend(corners, get):
    """The mean of values of seeds, weighed by their shares: bilinear in the plane.

    Args:
        corners: See `View.corners`.
        get: Function of a seed that returns an array.
    """
    if len(corners) == 1:
        return get(corners[0][0])
    return sum(get(seed) * np.float32(share) for seed, share in corners)


def blend_normal(corners, get):
    """The same for standard normal numbers: scaled so that they stay that, whatever the shares.

    Independent normal numbers times shares s have the variance sum(s^2).
    """
    if len(corners) == 1:
        return get(corners[0][0])
    scale = 1 / math.sqrt(sum(share * share for _, share in corners))
    return sum(np.float64(get(seed)) * (share * scale) for seed, share in corners)
