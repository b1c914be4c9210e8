"""The golden values of tests/data/classes: cases, networks with their weights, and how near a result must be."""

import json
import os

import numpy as np

from dnnlib import tflib
from dnnlib.files import torch_file
from tests.training import golden_files
from training.torch_files import biggan
from training.torch_files.names import KINDS
from training.torch_files.weights import Weights

DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'classes')
OWNERS = {  # file that reads it, below tests/training -> cases of which it must use every array
    'methods/test_classes.py': ('biggan_cifar32', 'biggan_deep32', 'biggan_hier64', 'biggan_mybn32', 'sagan_tf',
                                'bigbigan_loss'),
}
FILES = golden_files.Files(DATA, OWNERS)
arrays, check_all_used = FILES.arrays, FILES.check_all_used


def kwargs(case):
    """The options of the published program."""
    return json.loads(str(arrays(case)['kwargs']))


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
