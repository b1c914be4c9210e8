"""Network pickles in the published format, read without executing anything that they contain.

Reading goes through a small set of stand-ins: arrays, dictionaries and the state of networks. Any other object that a
file asks for is refused. The build functions are ours, looked up by the names in the file; source text stays text.
"""

import importlib
import inspect
import os
import pickle
import re

import numpy as np

import dnnlib
from dnnlib.tflib.network import Network

STATE_VERSIONS = (2, 3, 4)


def load(file_or_path, build_modules, only=None):
    """Reads a network pickle and builds its networks in the default graph.

    Args:
        file_or_path: Path, or a binary file object.
        build_modules: Names of the modules whose functions the file may name, such as
            `['training.networks_stylegan2']`; the first one that has the function is taken. Sub-networks use the module
            of the network that they belong to.
    Returns: What was saved: usually the tuple (G, D, Gs), each a Network.
    Raises: UserError if the contents are not a network pickle, are damaged, hold objects of other kinds, or name
        functions, options or variables that we don't have; OSError if the file can't be read; RuntimeError before
        `init_tf`.
    """
    if isinstance(file_or_path, (str, os.PathLike)):
        with open(file_or_path, 'rb') as f:
            return load(f, build_modules, only)
    title = os.path.basename(str(getattr(file_or_path, 'name', 'the file')))
    try:
        saved = read_inert(file_or_path)
        if only is not None:
            if not isinstance(saved, (tuple, list)) or len(saved) <= only:
                raise dnnlib.UserError('expected a tuple of at least %d networks' % (only + 1))
            saved = saved[only]
        return _Builder().convert(saved, [importlib.import_module(name) for name in build_modules])
    except (dnnlib.UserError, RecursionError) as error:  # a list that holds itself is no network either
        raise dnnlib.UserError('%s: %s' % (title, error)) from error


def save(obj, path):
    """Writes networks, alone or in tuples, lists and dictionaries, as a pickle that every NumPy can read (protocol 4);
    an existing file is replaced when all is written.

    Args:
        obj: Network, or containers of Networks, arrays, numbers and strings.
        path: Path of the file; its folder must exist.
    """
    with dnnlib.util.atomic_path(path) as temp_path:
        with open(temp_path, 'wb') as f:
            _Pickler(f, protocol=4).dump(obj)


def read_inert(file_obj):
    """Reads a pickle into containers, arrays and `NetworkState` objects; networks are not built.

    Args:
        file_obj: Binary file object.
    Returns: The object.
    Raises: UserError as `load` does.
    """
    try:
        return _Unpickler(file_obj, encoding='latin1').load()
    except (dnnlib.UserError, OSError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise dnnlib.UserError('not a network pickle, or damaged or cut off (%s: %s); expected is a .pkl file as '
                               'training writes it' % (type(error).__name__, error)) from error


class NetworkState:
    """The state of a pickled Network, not built yet."""

    state = None

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise dnnlib.UserError('a network without a state')
        self.state = state


class _Pickler(pickle._Pickler):
    """Pickler that calls NumPy's constructors by the names that all versions of NumPy know."""

    def save_global(self, obj, name=None):
        module = getattr(obj, '__module__', None) or ''
        if not module.startswith('numpy._core'):
            super().save_global(obj, name)
            return
        self.save(module.replace('numpy._core', 'numpy.core', 1))
        self.save(name or obj.__name__)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)


class _Unpickler(pickle.Unpickler):
    """Unpickler that knows arrays, dictionaries and networks, and nothing else."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Made anew for each file: a pickle can set attributes of the classes and functions that it is given.
        self._globals = {
            ('dnnlib.tflib.network', 'Network'): type('Network', (NetworkState,), {}),
            ('collections', 'OrderedDict'): dict,
            ('dnnlib', 'EasyDict'): dict,
            ('dnnlib.util', 'EasyDict'): dict,
            ('numpy', 'dtype'): type('DType', (_DType,), {}),
            ('numpy', 'ndarray'): type('NDArray', (), {}),
            ('_codecs', 'encode'): lambda text, encoding: text.encode('latin1'),  # bytes under protocol 2
        }
        for core in ('numpy.core', 'numpy._core'):
            self._globals.update({
                (core + '.multiarray', '_reconstruct'): lambda *_empty: _Array(),
                (core + '.multiarray', 'scalar'): lambda dtype, data: _read_array(data, dtype, (), 'C')[()],
                (core + '.numeric', '_frombuffer'): lambda *args: _Array(_read_array(*args)),  # protocol 5
            })

    def find_class(self, module, name):
        """The stand-in of a global object."""
        if (module, name) not in self._globals:
            raise dnnlib.UserError('refused: the file asks for %s.%s, which is no part of a network' % (module, name))
        return self._globals[module, name]

    def persistent_load(self, pid):
        """Refuses references to objects outside of the file."""
        raise dnnlib.UserError('refused: the file refers to an object outside of it (%r)' % (pid,))


class _DType:
    """Type of an array's numbers: kind, size and byte order."""

    def __init__(self, code, *_flags):
        if not isinstance(code, str) or not re.match('[<>|=]?(b1|[iu][1248]|f[248])$', code):
            raise dnnlib.UserError('refused: an array of type %r, expected numbers' % (code,))
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        if state[1] in ('<', '>'):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array: its value is made when its state is read."""

    def __init__(self, value=None):
        self.value = value

    def __setstate__(self, state):
        _version, shape, dtype, is_fortran, data = state
        self.value = _read_array(data, dtype, shape, 'F' if is_fortran else 'C')


def _read_array(data, dtype, shape, order):
    """Array of a given shape and memory order from bytes."""
    if isinstance(data, str):  # Python 2's bytes
        data = data.encode('latin1')
    array = np.frombuffer(data, dtype.dtype).reshape(shape, order=order)
    return array.astype(dtype.dtype.newbyteorder('='))


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
        if isinstance(value, _Array):
            return value.value
        if isinstance(value, dict):
            return {key: self.convert(item, modules) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.convert(item, modules) for item in value)
        return value

    def _build(self, state, modules):
        """A Network from its state, sub-networks first."""
        if state is None or state.get('version') not in STATE_VERSIONS:
            raise dnnlib.UserError('expected a network of version %s, got %r' % (
                ', '.join(map(str, STATE_VERSIONS)), state and state.get('version')))
        try:
            func, module = _find_build_func(state['build_func_name'], _preferred_first(modules, state))
            components = self.convert(dict(state.get('components', {})), [module])
            state = self.convert(dict(state, components={}), modules)
            return Network.from_state(state, func, components)
        except dnnlib.UserError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise dnnlib.UserError('network %r cannot be built from its options and variables (%s: %s)' % (
                state.get('name'), type(error).__name__, error)) from error


def _preferred_first(modules, state):
    """The modules, the one that a file of ours names (see Network) in front: two of them have a G_mapping."""
    match = re.match(r'from ([\w.]+) import \w+\n\Z', state.get('build_module_src') or '')
    return sorted(modules, key=lambda module: match is None or module.__name__ != match.group(1))


def _find_build_func(func_name, modules):
    """Returns the build function of that name and its module."""
    for module in modules:
        func = getattr(module, func_name, None)
        if dnnlib.util.is_top_level_function(func) and func.__module__ == module.__name__:
            parameters = inspect.signature(func).parameters.values()
            if any(p.kind == p.VAR_KEYWORD or p.name == 'components' for p in parameters):
                return func, module
    raise dnnlib.UserError('unknown build function %s: %s has no such network' % (
        func_name, ' or '.join(module.__name__ for module in modules)))
