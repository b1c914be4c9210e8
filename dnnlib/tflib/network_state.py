"""The state of a network in a pickle: what the published releases write and read (docs/formats.md)."""

import re
from typing import NamedTuple

from dnnlib.files.network_file import CLASS_MODULE
from dnnlib.names import published_name
from dnnlib.tflib import tfutil


class Published(NamedTuple):
    """How a release writes the networks of a module; the module's variable `PUBLISHED` says so if it is not ours."""
    module: str   # name of the module in that release; its functions have the same names
    version: int  # of the state
    class_module: str = CLASS_MODULE  # where the class of networks is in a pickle
    counts_inputs: bool = False  # do states say how many inputs there are, as MSG-GAN's, before anything else?


def published(module_name, variables):
    """The Published of a module.

    Args:
        module_name: Full name of the module.
        variables: Its dictionary, such as `__globals__` of a function.
    """
    return variables.get('PUBLISHED', Published(published_name(module_name), 4))


def source_of(func, stored=None):
    """The text from which the published loaders, which execute it, get a build function.

    Args:
        func: The build function.
        stored: Text of the file from which the network comes, which is kept if it is a release's; None = a new network.
    """
    own = 'from {} import {}\n'
    if stored is not None and stored != own.format(published_name(func.__module__), func.__name__):
        return stored
    # one line that imports is all that they need to find the functions
    return own.format(published(func.__module__, func.__globals__).module, func.__name__)


def module_named_in(source):
    """Full name of the module in a text that `source_of` made; None for another text."""
    match = re.match(r'from ([\w.]+) import \w+\n\Z', source or '')
    return match and match.group(1)


def make_state(network, func, source, names_inputs):
    """The published state: plain dictionaries, strings, lists and NumPy arrays.

    Args:
        network: Network.
        func: Its build function.
        source: See `source_of`.
        names_inputs: Write the names of the inputs whatever the version, because the function does not have them?
    """
    release = published(func.__module__, func.__globals__)
    version = release.version  # those of 2 have no sub-networks
    state = {
        **({'num_inputs': network.num_inputs} if release.counts_inputs else {}),
        'version': version,
        'name': network.name,
        'static_kwargs': dict(network.static_kwargs),
        **({} if version == 2 else {'components': dict(network.components)}),
        'build_module_src': source,
        'build_func_name': func.__name__,
        'variables': list(tfutil.run(network.own_vars).items()),
    }
    if version == 5:  # so that shapes are known before a graph is built
        state.update(input_shapes=network.input_shapes, output_shapes=network.output_shapes,
                     input_names=network.input_names, output_names=network.output_names)
    return dict(state, input_names=network.input_names) if names_inputs and not release.counts_inputs else state
