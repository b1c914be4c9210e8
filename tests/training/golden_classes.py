"""The golden values of tests/data/classes: cases, networks with their weights, and how near a result must be."""

import json
import os

import numpy as np
import pytest

from dnnlib import tflib
from dnnlib.files import torch_file
from tests.training.golden_translation import Used
from training.torch_files import biggan
from training.torch_files.names import KINDS
from training.torch_files.weights import Weights

DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'classes')
OWNERS = {  # file that reads it, below tests/training -> cases of which it must use every array
    'methods/test_classes.py': ('biggan_cifar32', 'biggan_deep32', 'biggan_hier64', 'biggan_mybn32', 'sagan_tf',
                                'bigbigan_loss'),
}
_CACHE = {}


def arrays(case):
    """{key: array} of a case, read once; numbers that were stored in float16 are float32."""
    if case not in _CACHE:
        with np.load(os.path.join(DATA, case + '.npz')) as file:
            _CACHE[case] = Used({key: file[key].astype(np.float32) if file[key].dtype == np.float16 else file[key]
                                 for key in file.files})
    return _CACHE[case]


def kwargs(case):
    """The options of the published program."""
    return json.loads(str(arrays(case)['kwargs']))


def check_all_used(request, file):
    """Did the tests of a file use every array of its cases? Skipped unless they all ran before in this process."""
    functions = {name for name in dir(request.module) if name.startswith('test_')}
    if {item.originalname or item.name for item in request.session.items if item.module is request.module} != functions:
        pytest.skip('only some tests of this file run')
    missing = [f'{case} {key}' for case in OWNERS[file] for key in sorted(set(arrays(case)) - arrays(case).used)]
    assert not missing, missing


def states(case):
    """{'G', 'D': state dictionary} of a case."""
    with open(os.path.join(DATA, case + '.pt'), 'rb') as file:
        saved = torch_file.load(file)
    return {name: saved[name] for name in 'GD'}


def networks(case):
    """({'G', 'D': Network with the weights of the file}, {name: table}), as its tensors and the options say."""
    given, found, tables = kwargs(case), {}, {}
    for name, state in states(case).items():
        weights = Weights(name, state)
        inferred = (biggan.infer_generator if name == 'G' else biggan.infer_discriminator)(weights)
        options = dict(inferred.options, sn_epsilon=given['SN_eps'], iterations=given[f'num_{name}_SV_itrs'])
        options.update(dict(bn_epsilon=given['BN_eps']) if name == 'G' else {})
        found[name] = tflib.Network(name, inferred.func_name, **options)
        values, tables[name] = weights.variables(inferred.table), inferred.table
        weights.finish()
        assert sorted(values) == sorted(found[name].vars)
        tflib.set_vars({found[name].vars[key]: value for key, value in values.items()})
    return found, tables


def check(case, key, found, absolute=1e-4, relative=0.0):
    """Is a result within a tolerance, and of the right shape?"""
    expected = arrays(case)[key]
    found = np.reshape(found, expected.shape) if np.size(found) == expected.size else found
    assert np.shape(found) == expected.shape, (key, np.shape(found), expected.shape)
    error = np.abs(np.float64(found) - expected)
    assert (error <= absolute + relative * np.abs(expected)).all(), f'{case} {key}: {error.max():.3g}'


def to_torch(values, table):
    """{name there: array there} of values {our name: array}, with a table of both names."""
    return {entry.torch: KINDS[entry.kind].to_torch(values[entry.name]) for entry in table if entry.name in values}
