"""Files of networks by name, which say what method they are from and what each network is for.

The published file is the tuple (G, D, Gs). Any other networks are a dictionary in a pickle, see docs/formats.md.
"""

import collections
import re
from typing import NamedTuple

from dnnlib.files import network_file
from dnnlib.util import UserError

FORMAT, VERSION = 'networks', 1
MAX_SIZES = 30  # of the images of a discriminator of MSG-GAN
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]{,39}\Z')


class Role(NamedTuple):
    """What a network of a file is for."""
    role: str        # 'generator', 'discriminator', 'encoder', ...
    average_of: str  # name of the network of which it is the moving average; None = it is trained itself
    inputs: tuple    # what each of its inputs takes: 'latents', 'labels', 'images', ...


class Contents(NamedTuple):
    """What a network file holds."""
    method: str                        # name of the training method
    networks: collections.OrderedDict  # name -> Network; of a file that is only read, name -> NetworkState
    roles: collections.OrderedDict     # name -> Role, in the same order


# Names and roles of the published tuple.
PUBLISHED_ROLES = collections.OrderedDict([
    ('G', Role('generator', None, ('latents', 'labels'))),
    ('D', Role('discriminator', None, ('images', 'labels'))),
    ('Gs', Role('generator', 'G', ('latents', 'labels')))])


def published_roles(networks):
    """(method, {name: Role}) of the published tuple, {name: NetworkState or what is none}."""
    method, inputs = 'stylegan2', PUBLISHED_ROLES['D'].inputs
    count = (getattr(networks['D'], 'state', None) or {}).get('num_inputs')
    if getattr(networks['Gs'], 'class_module', None) == network_file.OLD_CLASS_MODULE:
        method, inputs = 'progan', ('images',)
    elif isinstance(count, int) and count <= MAX_SIZES + 1:  # more are refused when D is built
        method, inputs = 'msg', tuple(f'images{number}' for number in range(count - 1)) + ('labels',)
    return method, dict(PUBLISHED_ROLES, D=Role('discriminator', None, inputs))


def is_packed(saved):
    """Is an object of a file what `pack` makes?"""
    return isinstance(saved, dict) and saved.get('format') == FORMAT


def pack(contents):
    """The dictionary that stands for a Contents in a file.

    Raises: UserError if names and roles don't fit together.
    """
    packed = {'format': FORMAT, 'version': VERSION, 'method': contents.method, 'roles': {
        name: {'role': item.role, 'average_of': item.average_of, 'inputs': list(item.inputs)}
        for name, item in contents.roles.items()}, 'networks': dict(contents.networks)}
    unpack(packed)
    return packed


def unpack(saved):
    """The Contents that a dictionary of a file stands for; what is under the names is left to the caller.

    Args:
        saved: Dictionary with `is_packed`.
    Raises: UserError if it is of another version, or its names and roles don't fit together.
    """
    if saved.get('version') != VERSION:
        raise UserError(f'networks by name, version {repr(saved.get("version")):.40}; this program reads {VERSION}')
    method, networks, roles = (saved.get(key) for key in ('method', 'networks', 'roles'))
    _check(_is_name(method), f'the method is {repr(method):.40}')
    _check(isinstance(networks, dict) and networks and all(map(_is_name, networks)), 'no networks by name')
    _check(isinstance(roles, dict) and set(roles) == set(networks), 'not one role for each network')
    return Contents(method, collections.OrderedDict(networks), collections.OrderedDict(
        (name, _unpack_role(name, roles[name], networks)) for name in networks))


def _unpack_role(name, item, networks):
    _check(isinstance(item, dict), f'no role of {name}')
    role, average_of, inputs = (item.get(key) for key in ('role', 'average_of', 'inputs'))
    _check(_is_name(role), f'the role of {name} is {repr(role):.40}')
    _check(average_of is None or _is_name(average_of) and average_of in networks and average_of != name,
           f'{name} is the average of {repr(average_of):.40}')
    _check(isinstance(inputs, (list, tuple)) and all(map(_is_name, inputs)),
           f'the inputs of {name} are {repr(inputs):.40}')
    return Role(role, average_of, tuple(inputs))


def _is_name(text):
    return isinstance(text, str) and _NAME.match(text) is not None


def _check(is_right, what):
    if not is_right:
        raise UserError(f'corrupt: {what}')
