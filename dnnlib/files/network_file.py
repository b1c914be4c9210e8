"""Network pickles as plain data: containers, arrays and the states of networks; nothing is built, nothing executed.

TensorFlow is not needed; `dnnlib.tflib.network_pickle` makes Networks of it.
"""

from collections import OrderedDict
import hashlib
import pickle
import re

import numpy as np

from dnnlib import util
from dnnlib.files import file_kinds, safe_pickle, torch_file
from dnnlib.names import published_name
from dnnlib.util import UserError

STATE_VERSIONS = (2, 3, 4, 5)  # 5 is that of StyleGAN2-ADA: the same and some shapes
CLASS_MODULE = 'dnnlib.tflib.network'  # of the class of networks in a pickle
OLD_CLASS_MODULE = 'tfutil'  # the same in the files of ProGAN
THEANO_CLASS = 'network.Network'  # of the first ProGAN program, whose files hold lists of arrays without names
MAX_DEPTH = 100  # of containers and networks inside each other
MAX_ITEMS = 10 ** 6  # of all containers together, shared ones counted as often as they occur


def weights_hash(values):
    """What tells networks apart: the first 16 hex digits of a SHA-256 of the variables but for the stored noise.

    The stored noise is left out since pictures are drawn with other noise as well. `values`: {name in `vars`: array}.
    """
    digest = hashlib.sha256()
    for name in sorted(values):
        if not re.search(r'(^|/)noise\d+$', name):
            digest.update('{} {}\n'.format(name, list(np.shape(values[name]))).encode('utf-8', 'surrogatepass'))
            digest.update(np.ascontiguousarray(values[name], '<f4').tobytes())
    return digest.hexdigest()[:16]


class NetworkState:
    """The state of a pickled Network, not built yet: `state` is its dictionary, `notes` are sentences that whoever
    builds it should say, such as what its file lacks; `class_module` is where its class is in a pickle."""

    state, notes = None, ()

    def __init__(self, class_module=CLASS_MODULE):
        self.class_module = class_module

    def set_state(self, state):
        """Keeps the state."""
        if not isinstance(state, dict):
            raise UserError('a network without a state')
        self.state = state


class Array:
    """A pickled array; `value` makes the NumPy array."""

    def __init__(self, budget, args=None):
        self._budget, self._args = budget, args

    def set_state(self, state):
        """Keeps version, shape, type, memory order and bytes."""
        _version, shape, dtype, is_fortran, data = state
        self._args = check_array(self._budget, data, dtype, shape, 'F' if is_fortran else 'C')

    @property
    def value(self):
        """The array, or a number of NumPy for an array without axes; a copy every time."""
        array = self.view
        return array.astype(array.dtype.newbyteorder('='), order='K')

    @property
    def view(self):
        """The same to be read only, in the file's byte order; all of the file stays in memory."""
        if self._args is None:
            raise UserError('an array without a value')
        data, dtype, shape, order = self._args
        self._budget.copy(len(data))
        return np.frombuffer(data, dtype).reshape(shape, order=order)


class DType:
    """Type of an array's numbers: kind, size and byte order."""

    def __init__(self, code, *_flags):
        if not isinstance(code, str) or not re.match('[<>|=]?(b1|[iu][1248]|f[248])$', code):
            raise UserError('refused: an array of type {:.40}, expected numbers'.format(safe_pickle.short(code)))
        self.dtype = np.dtype(code)

    def set_state(self, state):
        """Takes the byte order; flags that would give the bytes another meaning are ignored."""
        if state[1] in ('<', '>'):
            self.dtype = self.dtype.newbyteorder(state[1])


def check_array(budget, data, dtype, shape, order):
    """Checks that an array has as many bytes as its shape says.

    Args:
        budget: safe_pickle.Budget of the file.
        data: Bytes, or text of Python 2 that stands for them.
        dtype: DType.
        shape: Tuple of ints.
        order: `C` or `F`.
    Returns: (bytes, NumPy type, shape, order).
    """
    if isinstance(data, str):
        data = data.encode('latin1')
    shape = tuple(shape)
    if not isinstance(dtype, DType) or order not in ('C', 'F') or len(shape) > 32 or not all(
            isinstance(size, int) and size >= 0 for size in shape):
        raise UserError('corrupt: an array of shape {:.80}'.format(safe_pickle.short(shape)))
    size = dtype.dtype.itemsize
    for axis in shape:
        size *= axis
    if size != len(data):
        raise UserError('corrupt: an array of shape {} has {} bytes, expected {}'.format(list(shape), len(data), size))
    budget.take(size)
    return data, dtype.dtype, shape, order


def notes_in(networks):
    """Notes of NetworkStates, each once, in order.

    Args:
        networks: Iterable of them and anything else.
    """
    return list(OrderedDict.fromkeys(note for network in networks for note in getattr(network, 'notes', ())))


def refused_in(value):
    """Name of a class or function that was refused in what `read_inert` returned, None if there is none."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, safe_pickle.Refused):
            return item.name
        if isinstance(item, (NetworkState, torch_file.Module)):
            item = item.state
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, (list, tuple, set)) else ()
    return None


def known_globals(budget):
    """Functions that stand in for the classes and functions which network pickles name, by these: dictionary.

    Args:
        budget: safe_pickle.Budget of the file.
    """
    def encode(text, _encoding):
        budget.take(len(text))
        return text.encode('latin1')  # bytes under protocol 2

    dictionary = budget.counted(_dictionary)
    found = {
        CLASS_MODULE + '.Network': lambda: NetworkState(),
        OLD_CLASS_MODULE + '.Network': lambda: NetworkState(OLD_CLASS_MODULE),
        'collections.OrderedDict': dictionary, 'dnnlib.EasyDict': dictionary, 'dnnlib.util.EasyDict': dictionary,
        'numpy.dtype': DType,
        'numpy.ndarray': lambda *_args: Array(budget),
        '_codecs.encode': encode,
    }
    found.update(torch_file.stand_ins(budget))
    for core in ('numpy.core', 'numpy._core'):
        found[core + '.multiarray._reconstruct'] = lambda *_empty: Array(budget)
        found[core + '.multiarray.scalar'] = lambda dtype, data: Array(budget, check_array(
            budget, data, dtype, (), 'C')).value[()]
        found[core + '.numeric._frombuffer'] = lambda *args: Array(budget, check_array(budget, *args))  # protocol 5
    return found


def _dictionary(items=()):
    """What an ordered dictionary is made of: pairs, as the oldest protocols write them."""
    if isinstance(items, dict):
        return items
    if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str) for pair in items):
        raise UserError('corrupt: a dictionary without pairs')
    return {key: value for key, value in items}


def read_inert(file_obj, refused=None):
    """Reads a pickle into containers, arrays and `NetworkState` objects; networks are not built.

    Args:
        file_obj: Binary file object, bytes, or a file in memory, see `safe_pickle.map_all`.
        refused: List that is filled with the names of unknown classes and functions; the objects that they would make
            become `safe_pickle.Refused`. `None` = such a file raises UserError.
    Returns: The object: dictionaries, lists, tuples, numbers, texts, `Array`, `NetworkState`, and what `torch_file`
        makes of the objects of PyTorch.
    Raises: UserError if the contents are not a pickle, are corrupt, exceed the limits, or hold objects of other kinds.
    """
    data = file_obj if isinstance(file_obj, safe_pickle.BYTES) else safe_pickle.read_all(file_obj)
    known = known_globals(safe_pickle.Budget(len(data)))

    def find_global(name):
        if name in known:
            return known[name]
        if name == THEANO_CLASS:
            raise UserError('refused: networks of the first ProGAN program, for Theano, which have no names for their '
                            'variables; use the file of its TensorFlow release')
        if refused is None:
            raise UserError('refused: the file asks for {}, which is not part of a network'.format(name))
        refused.append(name)
        return lambda *args: safe_pickle.Refused(name, args)

    try:
        value = safe_pickle.load(data, find_global)[0]
        _Walk().visit(value, 0)
        return value
    except UserError as error:
        if str(error).startswith('refused') and 'instruction' not in str(error):
            raise
        kind = file_kinds.kind_of(data[:file_kinds.START])
        if kind is not None:
            raise UserError(f'not a network pickle: it is {kind}') from error
        if str(error).startswith('refused'):
            raise
        if file_kinds.is_cut(data):
            raise UserError(file_kinds.cut_message(len(data))) from error
        raise UserError('not a network pickle, or {}; expected a .pkl file as written by training'.format(
            error)) from error


def save(saved, path):
    """Writes what `read_inert` returned as a network pickle; an existing file is replaced when all is written."""
    with util.atomic_path(path) as temp_path:
        with open(temp_path, 'wb') as f:
            Pickler(f, protocol=4).dump(saved)


class Pickler(pickle._Pickler):
    """Writes network pickles that every NumPy can read, protocol 4; what `read_inert` returned as well."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_global(self, obj, name=None):
        """NumPy's constructors by the names that all versions of NumPy know, our classes by the published ones."""
        module = getattr(obj, '__module__', None) or ''
        known_as = published_name(re.sub(r'^numpy\._core', 'numpy.core', module))
        if known_as == module:
            super().save_global(obj, name)
            return
        self._save_name(known_as, name or obj.__name__)
        self.memoize(obj)

    def _save_name(self, module, name):
        self.save(module)
        self.save(name)
        self.write(pickle.STACK_GLOBAL)

    def save_reduce(self, func, args, state=None, *others, **options):
        """Networks under the name that their release gives the class, if it is another one."""
        obj = options.get('obj')
        if getattr(obj, 'class_module', CLASS_MODULE) == CLASS_MODULE:
            super().save_reduce(func, args, state, *others, **options)
        else:
            self._save_state(obj, state)

    def _save_state(self, obj, state):
        self._save_name(obj.class_module, 'Network')
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.memoize(obj)
        self.save(state)
        self.write(pickle.BUILD)

    def _save_network(self, obj):
        self._save_state(obj, obj.state)

    def _save_array(self, obj):
        self.save(obj.value)

    dispatch[NetworkState], dispatch[Array] = _save_network, _save_array


class _Walk:
    """Visits all of a file: containers that hold each other over and over would fill the memory once they are copied
    or shown."""

    def __init__(self):
        self._count, self._states = 0, {}

    def visit(self, value, depth):
        """Raises UserError for containers that are nested too deeply or hold too much."""
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_ITEMS:
            raise UserError('refused: {}'.format('more than {} items'.format(MAX_ITEMS) if depth <= MAX_DEPTH else
                                                 'containers nested more than {} deep'.format(MAX_DEPTH)))
        if isinstance(value, dict):
            items = value.values()
        elif isinstance(value, (list, tuple, set)):
            items = value
        elif isinstance(value, NetworkState):  # as often as it occurs, for so often it is read
            items = (value.state,)
        elif isinstance(value, (safe_pickle.Refused, torch_file.Module)):
            items = () if id(value) in self._states else (value.state, getattr(value, 'args', ()))
            self._states[id(value)] = value
        else:
            return
        for item in items:
            self.visit(item, depth + 1)
