"""`export` of StarGAN, StarGAN v2, FAN and BigGAN to PyTorch: the weight files that the published programs load."""

import re
from collections import OrderedDict

import numpy as np

from dnnlib.util import UserError
from generator import network_data
from training.torch_files import biggan, domains, names
from training.torch_files.translators import STARGAN2

METHODS = ('stargan', 'stargan2', 'fan', 'classes', 'bigbigan')
_FILTER = np.float32([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])  # of StarGAN v2's masked generator
_BLOCKS = {'G_stargan': 'Block{}/Conv0/weight', 'D_stargan': 'Conv{}/weight', 'F_stargan2': 'Domain{}/Output/weight',
           'E_stargan2': 'Domain{}/weight', 'H_fan': 'Stack{}/Input/weight'}


def content_of(contents):
    """What the published program's file of these networks holds.

    Args:
        contents: Contents of NetworkStates, of one of METHODS.
    Returns: (dictionary to be written, name of what it holds): the tensors of the generator, or of the network of
        landmarks, by name; of StarGAN v2 those of its networks but D, averages of those that have some.
    Raises: UserError for networks that the published programs don't have.
    """
    if contents.method == 'stargan2':
        averages = {role.average_of: name for name, role in contents.roles.items() if role.average_of}
        found = OrderedDict((title, tensors_of(contents.networks[averages.get(name, name)].state))
                            for title, name in STARGAN2.items() if name in contents.networks and name != 'D')
        return found, 'the networks ' + ', '.join(found)
    wanted = 'landmarks' if contents.method == 'fan' else 'generator'
    chosen = [name for name, role in contents.roles.items() if role.role == wanted]
    if not chosen:
        raise UserError(f'it holds no {wanted}')
    last = next((name for name in chosen if contents.roles[name].average_of), chosen[0])
    found = tensors_of(contents.networks[last].state)
    return (OrderedDict(state_dict=found) if contents.method == 'fan' else found), f'the network {last}'


def tensors_of(state):
    """Tensors of a network by the published names: OrderedDict.

    Args:
        state: Dictionary of a NetworkState.
    Raises: UserError for a network of another kind, or one that differs from the published ones.
    """
    function, values = network_data.function_of(state), network_data.variables_of(state)
    if function not in _TABLES:
        raise UserError(f'the published programs have no network {function}; they have {", ".join(_TABLES)}')
    table = _TABLES[function](_Variables(function, values))
    if {entry.name for entry in table} != set(values):
        raise UserError(f'the variables of {function} are not those of the published network')
    found = OrderedDict((entry.torch, np.array(names.KINDS[entry.kind].to_torch(values[entry.name]), np.float32,
                                               order='C')) for entry in table)
    if function == 'G_stargan':  # what its normalizations store and nothing reads
        for name in [name for name in found if found[name].ndim == 1 and name.endswith('.weight')]:
            layer, size = name[:-len('weight')], found[name].shape
            found[layer + 'running_mean'], found[layer + 'running_var'] = np.zeros(size, 'f4'), np.ones(size, 'f4')
    for name in [name for name in found if name.endswith('.running_var')]:
        found[name[:-len('running_var')] + 'num_batches_tracked'] = np.int64(0)
    if function == 'G_stargan2_masked':
        found['hpf.filter'] = _FILTER / np.float32(network_data.options_of(state).get('w_hpf', 1))
    return found


class _Variables:
    """What the names of a network's variables tell of its blocks."""

    def __init__(self, function, values):
        self.values = values
        self.count = self.numbered(_BLOCKS[function]) if function in _BLOCKS else 0

    def numbered(self, pattern):
        """Number of variables of a name with a number in it."""
        return sum(bool(re.match(pattern.format('[0-9]+') + r'\Z', name)) for name in self.values)

    def has(self, pattern, inside='Conv0/weight'):
        """For each of some numbered blocks: has it a variable? `pattern`: of the block; the rest of the name."""
        block, rest = pattern
        return [f'{block}{i}/{rest}' in self.values for i in range(self.numbered(f'{block}{{}}/{inside}'))]

    def attends(self):
        """Numbers of the blocks that attention follows."""
        return [i for i in range(99) if f'Attention{i}/gamma' in self.values]


def _generator(variables, deep=False):
    values = variables.values
    return biggan.generator(variables.numbered('Block{}/Conv0/weight'), variables.attends(), 'Shared/weight' in values,
                            'Output/Norm/count' in values, deep)


_TABLES = {
    'G_stargan': lambda v: domains.stargan_generator(v.count),
    'D_stargan': lambda v: domains.stargan_discriminator(v.count),
    'G_stargan2': lambda v: domains.stargan2_generator(*(v.has((name, 'Shortcut/weight')) for name in (
        'Encode', 'Decode'))),
    'F_stargan2': lambda v: domains.stargan2_mapping(v.count),
    'E_stargan2': lambda v: domains.stargan2_encoder(v.has(('Block', 'Shortcut/weight')), v.count),
    'D_stargan2': lambda v: domains.stargan2_discriminator(v.has(('Block', 'Shortcut/weight'))),
    'H_fan': lambda v: domains.fan(v.count),
    'G_biggan': _generator,
    'G_biggan_deep': lambda v: _generator(v, deep=True)}
_TABLES['G_stargan2_masked'] = _TABLES['G_stargan2']
