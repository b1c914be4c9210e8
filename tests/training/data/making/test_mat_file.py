"""MATLAB files: against SciPy's writer, and damaged ones."""

import io
import struct
import zlib

import numpy as np
import pytest
import scipy.io

from dnnlib import UserError
from training.data.making import mat_file


def _written(values, compressed):
    file = io.BytesIO()
    scipy.io.savemat(file, values, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize('compressed', [False, True])
def test_what_scipy_writes(compressed):
    rnd = np.random.RandomState(0)
    values = {'a' * (i + 1): np.asarray(rnd.randint(100, size=shape), dtype) for i, (dtype, shape) in enumerate(
        [('u1', [32, 32, 3, 5]), ('u1', [1, 3]), ('u1', [3, 3]), ('f8', [2, 4]), ('i2', [1, 1]), ('u4', [0, 0]),
         ('f4', [7, 1]), ('i8', [3, 2])])}
    others = {'text': 'words', 'cell': np.array([1, 'x'], object), 'pair': {'x': 1}, 'complex': np.array([[1j]])}
    found = mat_file.read(_written(dict(values, **others), compressed))
    assert sorted(found) == sorted(values)
    for name, value in values.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize('compressed', [False, True])
def test_damaged_files_raise_what_is_documented(compressed):
    data = _written({'x': np.arange(24, dtype='u1').reshape(4, 6), 'y': np.ones([3, 1])}, compressed)
    damaged, rnd = [data[:size] for size in range(len(data))], np.random.RandomState(0)
    for place in rnd.randint(116, len(data), size=1000):
        changed = bytearray(data)
        changed[place] = rnd.randint(256)
        damaged.append(bytes(changed))
    outcomes = []
    for content in damaged:
        try:
            outcomes.append(len(mat_file.read(content)))
        except (ValueError, KeyError, struct.error, zlib.error) as error:
            outcomes.append(type(error))
    assert 2 not in outcomes[:len(data) - 7] and outcomes.count(UserError) > 100  # padding may be missing at the end


def test_what_unpacks_to_too_much_is_refused(monkeypatch):
    data = _written({'x': np.zeros([1000, 1000], 'u1')}, True)
    monkeypatch.setattr(mat_file, 'MAX_BYTES', 1 << 19)
    with pytest.raises(ValueError, match='truncated or over 0 MiB'):
        mat_file.read(data)
