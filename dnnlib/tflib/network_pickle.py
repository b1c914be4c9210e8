"""Network pickles in the published format, read without executing anything that they contain.

`dnnlib.files.network_file` reads arrays, dictionaries and the state of networks, and refuses any other object that a
file asks for. The build functions are ours, looked up by the names in the file; source text stays text.
"""

import inspect
import os

import dnnlib
from dnnlib.files import network_file, safe_pickle
from dnnlib.files.network_file import Array, NetworkState, read_inert, STATE_VERSIONS
from dnnlib.names import published_name
from dnnlib.tflib import network_state
from dnnlib.tflib.network import Network


def load(file_or_path, build_modules, only=None, read=None):
    """Reads a network pickle or another file of networks and builds its networks in the default graph.

    Args:
        file_or_path: Path, or a binary file object.
        build_modules: Names of the modules whose functions the file may name, such as
            `['training.networks_stylegan2']`; the first one that has the function is taken. Sub-networks use the module
            of the network that they belong to.
        only: Position of the network that is wanted alone, None = all.
        read: Function that makes what is to be built of the bytes of a file, None = `network_file.read_inert`.
    Returns: What was saved: usually the tuple (G, D, Gs), each a Network.
    Raises: UserError if the contents are not a network pickle, are corrupt, hold objects of other kinds, or name
        functions, options or variables that we don't have; OSError if the file can't be read; RuntimeError before
        `init_tf`.
    """
    if isinstance(file_or_path, (str, os.PathLike)):
        with open(file_or_path, 'rb') as f:
            return load(f, build_modules, only, read)
    title = os.path.basename(str(getattr(file_or_path, 'name', 'the file')))
    try:
        saved = (read or read_inert)(safe_pickle.map_all(file_or_path))
        if only is not None:
            if not isinstance(saved, (tuple, list)) or len(saved) <= only:
                raise dnnlib.UserError('expected a tuple of at least %d networks' % (only + 1))
            saved = saved[only]
        return _Builder().convert(saved, build_modules)
    except dnnlib.UserError as error:
        raise dnnlib.UserError('%s: %s' % (title, error)) from error


def save(obj, path):
    """Writes networks, alone or in tuples, lists and dictionaries, as a pickle that every NumPy can read (protocol 4);
    an existing file is replaced when all is written.

    Args:
        obj: Network, or containers of Networks, arrays, numbers and strings.
        path: Path of the file; its folder must exist.
    """
    network_file.save(obj, path)


class _Builder:
    """Turns what `read_inert` returned into Networks and plain objects; what occurs twice stays one object."""

    def __init__(self):
        self._networks = {}

    def convert(self, value, modules):
        """The object with its networks built by functions of the given modules."""
        if isinstance(value, NetworkState):
            if id(value) not in self._networks:
                self._networks[id(value)] = self._build(value.state, modules)
            return self._networks[id(value)]
        if isinstance(value, Array):
            return value.value
        if isinstance(value, dict):
            return {key: self.convert(item, modules) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.convert(item, modules) for item in value)
        return bytes(value) if isinstance(value, memoryview) else value

    def _build(self, state, modules):
        """A Network from its state, sub-networks first."""
        if state is None or state.get('version') not in STATE_VERSIONS:
            raise dnnlib.UserError('expected a network of version %s, got %r' % (
                ', '.join(map(str, STATE_VERSIONS)), state and state.get('version')))
        try:
            components = dict(state.get('components', {}))
            func, module = _find_build_func(state, modules, components)
            components = self.convert(components, [module])
            values = [(name, value.view if isinstance(value, Array) else value)
                      for name, value in dict(state['variables']).items()]  # not copied: they are only read
            state = self.convert(dict(state, components={}, variables=values), modules)
            return Network.from_state(state, func, components)
        except dnnlib.UserError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise dnnlib.UserError('network %r cannot be built from its options and variables (%s: %s)' % (
                state.get('name'), type(error).__name__, error)) from error


def _find_build_func(state, modules, components):
    """The build function of a state and its module: the first that also has those of the sub-networks, since generators
    of several kinds are called G_main.

    In front is the module that a file of ours names, then those whose release writes such states: several have a
    G_mapping. The others are loaded only if it is not the one.
    """
    func_name, named = state.get('build_func_name'), network_state.module_named_in(state.get('build_module_src'))

    def rank(module):
        published = network_state.published(module.__name__, vars(module))
        name = published_name(module.__name__)
        return (named not in (name, published.module), published.counts_inputs != ('num_inputs' in state),
                published.version != state['version'])

    names = [item.state.get('build_func_name') for item in components.values()
             if isinstance(item, NetworkState) and item.state]
    for chosen in ([named] if named in modules else [], modules):
        loaded = [dnnlib.util.get_obj_by_name(item) if isinstance(item, str) else item for item in chosen]
        ranked = sorted((module for module in loaded if chosen is modules or not any(rank(module))), key=rank)
        found = [(_get_build_func(module, func_name), module) for module in ranked]
        found = [(func, module) for func, module in found if func is not None]
        for func, module in found:
            if all(_get_build_func(module, name) is not None for name in names):
                return func, module
    if found:
        return found[0]  # the sub-network that is not there is refused by its own name
    raise dnnlib.UserError('unknown build function %s: %s has no such network' % (
        func_name, ' or '.join(module.__name__ for module in ranked)))


def _get_build_func(module, name):
    """The build function of that name in a module, None if it has none."""
    func = getattr(module, name, None) if isinstance(name, str) else None
    if not dnnlib.util.is_top_level_function(func) or func.__module__ != module.__name__:
        return None
    parameters = inspect.signature(func).parameters.values()
    return func if any(p.kind == p.VAR_KEYWORD or p.name == 'components' for p in parameters) else None


def build_func_of(state, build_modules):
    """The build function that a network's state stands for, looked up as `load` does it.

    Args:
        state: Dictionary of a NetworkState.
        build_modules: As in `load`.
    Returns: (function, module). Raises: UserError if no module has it.
    """
    return _find_build_func(state, build_modules, dict(state.get('components', {})))
