"""Files of golden values: arrays that are read once, whether tests used all of them, how near results were.

`python -m tests.golden_report FOLDER` prints what was noted here, array by array or case by case.
"""

import os
import re
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import pytest

from dnnlib import tflib


class Deviation(NamedTuple):
    """How far results were from one array at most."""
    error: float    # largest difference of one value
    allowed: float  # what was allowed there
    share: float    # largest share of what was allowed, perhaps elsewhere


class Used(dict):
    """Arrays of a case, which remember whether anyone looked at them."""

    def __init__(self, items):
        super().__init__(items)
        self.used = set()

    def __getitem__(self, key):
        self.used.add(key)
        return super().__getitem__(key)


class Files:
    """The npz files of a folder.

    Args:
        folder: The folder; each file is a case.
        owners: {file that reads cases, below tests/training: cases of which it must use every array}.
        left_out: Arrays that nothing is compared with: (cases, part of the key, why not), the first two regular
            expressions.
    """

    def __init__(self, folder, owners, left_out=()):
        self.folder, self.owners, self.left_out = folder, owners, left_out
        self.noted, self._cache = OrderedDict(), {}  # {(case, key): Deviation}
        self._names = {}  # {id of an array: (case, key)}

    def arrays(self, case):
        """{key: array} of a case, read once; numbers that were stored in float16 are float32."""
        if case not in self._cache:
            with np.load(os.path.join(self.folder, case + '.npz')) as file:
                self._cache[case] = Used({key: file[key].astype(np.float32) if file[key].dtype == np.float16 else
                                          file[key] for key in file.files})
            self._names.update((id(array), (case, key)) for key, array in self._cache[case].items())
        return self._cache[case]

    def note(self, case, key, errors, allowed):
        """Remembers how far a result was from an array, for the report; asserts nothing.

        Args:
            case, key: The array.
            errors: Absolute differences, array or number.
            allowed: What they may be, array like the differences or number.
        """
        errors = np.float64(errors).reshape(-1)
        allowed = np.broadcast_to(np.float64(allowed), np.shape(allowed) or errors.shape).reshape(-1)
        if not errors.size:
            return
        shares = np.divide(errors, allowed, out=np.where(errors > 0, np.inf, 0.0), where=allowed > 0)
        worst = int(np.argmax(errors))
        found = Deviation(errors[worst], allowed[worst], shares.max())
        self.noted[case, key] = max(found, self.noted.get((case, key), found), key=lambda one: one.share)

    def compare(self, case, key, found, atol=0.0, rtol=0.0, part=...):
        """Notes how far a result is from an array, and asserts that it is near enough, value by value.

        Args:
            case, key: The array.
            found: The result, of its shape.
            atol, rtol: Allowed difference, and what is allowed more as a share of the value; both 0 = equal.
            part: Index of the part of the array that is meant.
        """
        expected = np.asarray(self.arrays(case)[key])[part]
        assert np.shape(found) == expected.shape, (case, key, np.shape(found), expected.shape)
        errors, allowed = np.abs(np.float64(found) - expected), atol + rtol * np.abs(np.float64(expected))
        self.note(case, key, errors, allowed)
        assert (errors <= allowed).all(), f'{case} {key}: off by {errors.max():.3g}'

    def near(self, found, expected, rtol=1e-7, atol=0.0, err_msg=''):
        """As `np.testing.assert_allclose`; notes how far the result is, if one of the arrays is what is expected."""
        name = self._names.get(id(expected))
        if name is not None:
            known = np.isfinite(expected)
            right = np.asarray(expected, np.float64)[known]
            self.note(*name, np.abs(np.asarray(found, np.float64)[known] - right), atol + rtol * np.abs(right))
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=err_msg)

    def is_left_out(self, case, key):
        """Is nothing compared with this array?"""
        return any(re.match(cases, case) and re.search(part, key) for cases, part, _ in self.left_out)

    def unused(self, case):
        """Names of the arrays of a case that nobody looked at, though they are not left out."""
        given = self.arrays(case)
        return [key for key in sorted(set(given) - given.used) if not self.is_left_out(case, key)]

    def check_all_used(self, request, file):
        """Did the tests of a file use every array of its cases? Skipped unless they all ran before in this process."""
        items = [item for item in request.session.items if item.module is request.module]
        functions = {name for name in dir(request.module) if name.startswith('test_')}
        if {item.originalname or item.name for item in items} != functions:
            pytest.skip('only some tests of this file run')
        missing = [f'{case} {key}' for case in self.owners[file] for key in self.unused(case)]
        assert not missing, f'{len(missing)} are not used, such as {missing[:5]}'

    def check_all_owned(self):
        """Has every file a test that must use it?"""
        names = [name for name in os.listdir(self.folder) if name.endswith('.npz')]
        assert sorted(case + '.npz' for cases in self.owners.values() for case in cases) == sorted(names)


def network(name, func_name, values, **options):
    """Network with these values for all of its variables."""
    made = tflib.Network(name, func_name, **options)
    assert sorted(made.vars) == sorted(values)
    tflib.set_vars({made.vars[key]: value for key, value in values.items()})
    return made
