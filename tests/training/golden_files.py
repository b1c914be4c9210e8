"""Files of golden values: arrays that are read once, and whether tests used all of them."""

import os
import re

import numpy as np
import pytest

from dnnlib import tflib


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
        self._cache = {}

    def arrays(self, case):
        """{key: array} of a case, read once; numbers that were stored in float16 are float32."""
        if case not in self._cache:
            with np.load(os.path.join(self.folder, case + '.npz')) as file:
                self._cache[case] = Used({key: file[key].astype(np.float32) if file[key].dtype == np.float16 else
                                          file[key] for key in file.files})
        return self._cache[case]

    def is_left_out(self, case, key):
        """Is nothing compared with this array?"""
        return any(re.match(cases, case) and re.search(part, key) for cases, part, _ in self.left_out)

    def check_all_used(self, request, file):
        """Did the tests of a file use every array of its cases? Skipped unless they all ran before in this process."""
        items = [item for item in request.session.items if item.module is request.module]
        functions = {name for name in dir(request.module) if name.startswith('test_')}
        if {item.originalname or item.name for item in items} != functions:
            pytest.skip('only some tests of this file run')
        missing = []
        for case in self.owners[file]:
            given = self.arrays(case)
            missing += [f'{case} {key}' for key in sorted(set(given) - given.used) if not self.is_left_out(case, key)]
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
