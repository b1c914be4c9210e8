"""The seed plane: what stands between four seeds."""

import collections
import math

import numpy as np

MAX_BYTES = 64 << 20  # of kept noise maps; those of a network of 1024x1024 take 22 MB a seed


class Kept:
    """The last values of a function, by key, up to a number of bytes.

    Args:
        function: Function of the key that returns an array, or a dictionary of arrays.
        max_bytes: Of all values together; one is kept in any case.
    """

    def __init__(self, function, max_bytes=MAX_BYTES):
        self._function, self._max_bytes = function, max_bytes
        self._values, self._bytes = collections.OrderedDict(), 0

    def get(self, key):
        """The value for a key."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._function(key)
        self._values[key] = value
        self._bytes += _size(value)
        while self._bytes > self._max_bytes and len(self._values) > 1:
            self._bytes -= _size(self._values.popitem(last=False)[1])
        return value


def _size(value):
    return sum(map(_size, value.values())) if isinstance(value, dict) else value.nbytes


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
