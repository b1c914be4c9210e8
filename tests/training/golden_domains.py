"""The golden values of tests/data/domains: cases, networks by our names, and how near a result must be."""

import json
import os

import numpy as np

from dnnlib import tflib
from dnnlib.files import torch_file
from generator import network_data
from tests.training import golden_files
from training.torch_files import domains as tables
from training.torch_files import translators
from training.torch_files.names import KINDS

LRATE = 0.0001
DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'domains')
FILES = golden_files.Files(DATA, {
    'blocks/test_landmarks.py': ('fan_wing',),
    'methods/test_domains.py': ('stargan2_afhq', 'stargan2_celeba', 'stargan_attributes', 'stargan_classes')}, (
        ('stargan_', 'G_out_eval_mode', 'with statistics that the published programs store and never read'),
        ('stargan_', 'after_one_pass/', 'these statistics, which ours does not store')))


def path_of(name):
    """Path of a file."""
    return os.path.join(DATA, name)


def kwargs_of(case):
    """Options of a case."""
    return json.loads(str(FILES.arrays(case)['kwargs']))


def states_of(case):
    """{G, F, E or D: NetworkState} of the weight file of a case; those of StarGAN are two files in one."""
    with open(path_of(case + '.pt'), 'rb') as file:
        saved = torch_file.load(file)
    parts = [saved[name] for name in 'GD'] if 'G' in saved else [saved]
    return {name: state for part in parts for name, state in translators.read(part).networks.items()}


def values_of(state):
    """({option: value}, {our name: array}) of a NetworkState."""
    return network_data.options_of(state.state), network_data.variables_of(state.state)


def table_of(name, options, variables):
    """Table of names of a network of a case.

    Args:
        name: G, F, E or D.
        options, variables: See values_of.
    """
    def shortcuts(kind):
        count = sum(variable.startswith(kind) and variable.endswith('/Conv0/weight') for variable in variables)
        return [f'{kind}{i}/Shortcut/weight' in variables for i in range(count)]
    if 'num_blocks' in options:
        return tables.stargan_generator(options['num_blocks'])
    if 'num_layers' in options:
        return tables.stargan_discriminator(options['num_layers'])
    if name == 'G':
        return tables.stargan2_generator(shortcuts('Encode'), shortcuts('Decode'))
    if name == 'F':
        return tables.stargan2_mapping(options['num_domains'])
    if name == 'E':
        return tables.stargan2_encoder(shortcuts('Block'), options['num_domains'])
    return tables.stargan2_discriminator(shortcuts('Block'))


def to_torch(entry, value):
    """One of our variables, or its gradient, in PyTorch's axes, float64."""
    return np.float64(KINDS[entry.kind].to_torch(value))


def check_outputs(case, key, found, atol=1e-4):
    """Is an output near enough?"""
    np.testing.assert_allclose(found, FILES.arrays(case)[key], rtol=0, atol=atol, err_msg=f'{case} {key}')


def check_loss(case, key, found):
    """The same of a loss."""
    np.testing.assert_allclose(found, FILES.arrays(case)[key], rtol=1e-5, atol=1e-7, err_msg=f'{case} {key}')


def check_gradients(case, prefix, found, rtol=2e-4):
    """The same of gradients: all norms and those that a case has in full.

    Args:
        case: Name of the case.
        prefix: Of the keys, such as 'D/'.
        found: {name there: array in PyTorch's axes}; may hold some that the program has no gradient of.
        rtol: More where errors of earlier steps add up.
    """
    given = FILES.arrays(case)
    for name, wanted in zip(given[prefix + 'grad_names'], given[prefix + 'grad_l2']):
        norm = np.sqrt(np.sum(found[str(name)] ** 2)) if str(name) in found else 0
        assert abs(norm - wanted) <= rtol * wanted + 2e-6, (case, prefix, name, norm, wanted)
    for key in [key for key in given if key.startswith(prefix + 'grad/')]:
        value, wanted = found[key[len(prefix + 'grad/'):]], given[key]
        assert np.abs(value - wanted).max() <= rtol * np.abs(wanted).max(), key


def check_sums(case, prefix, found, noise=0.0):
    """The same of all variables of some networks after a step, of which a case has sum and norm.

    `noise`: share of the values whose gradient may be nothing but rounding errors, which Adam makes a whole step of.
    """
    given = FILES.arrays(case)
    for name, wanted in zip(given[prefix + 'after_names'], given[prefix + 'after_sum_l2']):
        value = found[str(name)]
        sums, bound = np.array([value.sum(), np.sqrt(np.sum(value ** 2))]), 1e-4 + 2 * LRATE * noise * value.size
        assert (np.abs(sums - wanted) <= bound + 2e-5 * np.abs(wanted)).all(), (case, prefix, name, sums, wanted)


def check_values(case, key, found, noise=0.0):
    """The same of a variable after a step; `noise` as in `check_sums`."""
    error = np.abs(found.reshape(FILES.arrays(case)[key].shape) - FILES.arrays(case)[key])
    assert error.max() <= 2.02 * LRATE and np.mean(error > 3e-6) <= noise, (case, key, error.max())


def network(name, func_name, values, **options):
    """See golden_files.network."""
    return golden_files.network(name, func_name, values, **options)


def set_values(network_, values):
    """Gives a network values by local name."""
    assert sorted(network_.vars) == sorted(values)
    tflib.set_vars({network_.vars[key]: value for key, value in values.items()})
