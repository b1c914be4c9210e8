"""The golden values of tests/data/translation: cases, weights by our names, and how near a result must be."""

import json
import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.files import torch_file
from dnnlib.tflib import layout
from training.torch_files.names import KINDS
from training.torch_files.weights import Weights

DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'translation')
with open(os.path.join(DATA, 'meta.json'), encoding='utf-8') as _file:
    META = json.load(_file)


def arrays(case):
    """{key: array} of a case."""
    with np.load(os.path.join(DATA, case + '.npz')) as file:
        return {key: file[key] for key in file.files}


def weights(name, table, key=None):
    """{our name: array} of a weight file, all of whose tensors the table must know but for counters and filters."""
    with open(os.path.join(DATA, name), 'rb') as f:
        state = torch_file.load(f)
    found = Weights(name, state if key is None else state[key])
    for other in [n for n in found.arrays if n.endswith(('num_batches_tracked', '.filt', '.kernel'))]:
        del found.arrays[other]
    variables = found.variables(table)
    assert not found.arrays, sorted(found.arrays)
    return variables


def network(name, func_name, values, **options):
    """Network with these values for all of its variables."""
    made = tflib.Network(name, func_name, **options)
    assert sorted(made.vars) == sorted(values)
    tflib.set_vars({made.vars[key]: value for key, value in values.items()})
    return made


def to_nchw(x):
    """A feature map as an array [N, C, H, W]; taps of generators are [N, H, W, C] in any layout."""
    return np.transpose(x, [0, 3, 1, 2]) if layout.data_format() == 'NHWC' else x


WORST = {}


def check(case, key, found, at_least=0.0):
    """Is a result within the tolerance of the README there? `at_least`: allowed share of the largest magnitude."""
    expected = arrays_cached(case)[key]
    deviation, magnitude = META[case]['max_abs_deviation_f32_vs_f64'].get(key, (0, np.abs(expected).max()))
    assert found.shape == expected.shape, (key, found.shape, expected.shape)
    error = np.abs(np.float64(found) - expected).max()
    bound = max(20 * deviation + 1e-6 * magnitude + 1e-7, at_least * magnitude)
    WORST.setdefault(case, []).append((error / bound, error, key))
    assert error <= bound, f'{case} {key}: {error:.3g}, at most {bound:.3g} of {magnitude:.3g}'


_CACHE = {}


def arrays_cached(case):
    """As `arrays`, read once."""
    if case not in _CACHE:
        _CACHE[case] = arrays(case)
    return _CACHE[case]


def placeholder(array):
    """Constant of an array."""
    return tf.constant(np.float32(array))


def to_torch(value, kind):
    """One of our variables, or its gradient, in PyTorch's axes."""
    return KINDS[kind].to_torch(value)
