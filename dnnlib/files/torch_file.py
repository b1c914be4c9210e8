"""Files of PyTorch read without PyTorch, and without running anything that they contain.

Three forms are read: the older sequence of pickles, the zip archive of PyTorch 1.6 and later, and, by
`dnnlib.files.network_file`, pickles with modules of PyTorch in them. Only containers, numbers, texts, tensors and
modules that keep their source text beside them are known; a file that refers to anything else is refused.
"""

import io
import struct
import zipfile

import numpy as np

from dnnlib.files import file_kinds, pickle_machine, safe_pickle
from dnnlib.util import UserError

_MAGIC_NUMBER = 0x1950a86a20f9469cfc6c
_PROTOCOL = 1001
_LEGACY_START = b'\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'  # the magic number as a pickle, after its protocol
_MAX_STORAGE_HEAD = 4096  # bytes of the five pickles before the numbers of a storage alone
_MAX_TENSOR = 1 << 40  # elements
_MAX_PARTS, _MAX_DEPTH = 10000, 100  # of modules inside each other
_STORAGES = {'FloatStorage': '<f4', 'DoubleStorage': '<f8', 'HalfStorage': '<f2', 'LongStorage': '<i8',
             'IntStorage': '<i4', 'ShortStorage': '<i2', 'CharStorage': '<i1', 'ByteStorage': '<u1',
             'BoolStorage': '?'}


def looks_like(data):
    """Do bytes begin like a file that PyTorch saved?"""
    return data[:4] == b'PK\x03\x04' and b'/data.pkl' in data[:1024] or (
        data[:1] == b'\x80' and _LEGACY_START in data[:32])


def holds_modules(saved):
    """Is an object of a pickle a module of PyTorch, or a dictionary with one?"""
    return any(isinstance(item, Module) for item in (saved.values() if isinstance(saved, dict) else [saved]))


def load(file_obj, refused=None):
    """Reads a file that PyTorch saved.

    Args:
        file_obj: Seekable binary file object.
        refused: List that is filled with the names of unknown classes and functions, whose objects become
            `safe_pickle.Refused`. None = such a file raises UserError.
    Returns: Its object: dictionaries, lists, tuples, numbers, texts, None and `Tensor`.
    Raises: UserError for another kind of file, a corrupt one, and one with objects of other kinds.
    """
    try:
        start = file_obj.read(file_kinds.START)
        file_obj.seek(0)
        kind = file_kinds.kind_of(start)
        if kind is not None:
            raise UserError(f'not a PyTorch weight file: it is {kind}')
        if start[:4] == b'PK\x03\x04':
            return _load_zip(file_obj, refused)
        return _load_legacy(safe_pickle.read_all(file_obj), refused=refused)
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # a corrupt archive can raise anything
        file_obj.seek(0)
        data = safe_pickle.read_all(file_obj)
        if file_kinds.is_cut(data):
            raise UserError(file_kinds.cut_message(len(data))) from error
        raise UserError('not a PyTorch weight file, corrupt or truncated ({}: {})'.format(
            type(error).__name__, error)) from error


def load_state_dict(file_obj):
    """Reads the tensors of a state dictionary.

    Args:
        file_obj: Seekable binary file object.
    Returns: Dictionary of arrays by name, in the file's order.
    Raises: As `load`; UserError if there are no tensors by name.
    """
    state = load(file_obj)
    if not isinstance(state, dict):
        raise UserError('holds a {}, expected a dictionary of tensors'.format(type(state).__name__))
    arrays = tensors_in(state)
    if not arrays:
        raise UserError('holds no tensors by name')
    return arrays


def tensors_in(value):
    """Arrays by name of a module or a dictionary of tensors, none of anything else."""
    if isinstance(value, Module):
        return value.tensors()
    items = value.items() if isinstance(value, dict) else ()
    return {name: item.value for name, item in items if isinstance(item, Tensor) and isinstance(name, str)}


class Module:
    """A pickled object whose class keeps its source text in the file, as StyleGAN2-ADA's networks do.

    Attributes:
        class_name: Name of its class.
        source: The text, which is never executed.
        state: Dictionary of its attributes.
    """

    def __init__(self, meta):
        if not isinstance(meta, dict) or meta.get('type') != 'class' or not isinstance(meta.get('state'), dict):
            raise UserError('corrupt: an object with its source that is no object of a class')
        self.class_name, self.source, self.state = meta.get('class_name'), meta.get('module_src'), meta['state']

    def tensors(self):
        """Arrays of all parameters and buffers, by the names that PyTorch gives them."""
        found = {}
        for path, state in self.parts():
            for key in ('_parameters', '_buffers'):
                items = state.get(key)
                found.update((path + name, value.value) for name, value in (
                    items.items() if isinstance(items, dict) else ()) if isinstance(value, Tensor))
        return found

    def parts(self):
        """(path, attributes) of the module and all that are in it; paths are empty or end with a dot."""
        found, waiting = [], [('', self)]
        while waiting:
            path, module = waiting.pop()
            found.append((path, module.state))
            if len(found) > _MAX_PARTS or path.count('.') > _MAX_DEPTH:
                raise UserError('refused: modules that hold each other over and over')
            modules = module.state.get('_modules')
            waiting += [(path + name + '.', item) for name, item in (
                modules.items() if isinstance(modules, dict) else ()) if isinstance(item, Module)]
        return found


class Tensor:
    """A tensor: a window into a storage; `value` makes the array."""

    def __init__(self, budget, storage, offset, shape, strides):
        self._budget = budget
        self._storage, self._offset, self._shape, self._strides = storage, offset, tuple(shape), tuple(strides)
        numbers, size = self._shape + self._strides + (offset,), 1
        for axis in self._shape[:33]:
            size *= max(axis, 1)
        if not isinstance(storage, Storage) or not all(type(n) is int and n >= 0 for n in numbers) or len(
                self._shape) != len(self._strides) or len(self._shape) > 32 or size > _MAX_TENSOR:
            raise UserError('corrupt: a tensor of shape {:.80}'.format(safe_pickle.short(shape)))
        budget.take(0 if 0 in self._shape else size * storage.dtype.itemsize)

    @property
    def value(self):
        """The tensor as a contiguous array, a copy every time."""
        values = self._storage.values
        if values is None:
            raise UserError('truncated: a tensor has no values')
        if 0 in self._shape:
            return np.zeros(self._shape, values.dtype)
        if self._offset + sum((size - 1) * stride for size, stride in zip(self._shape, self._strides)) >= len(values):
            raise UserError('corrupt: a tensor reaches beyond its values')
        self._budget.copy(int(np.prod(self._shape, dtype=np.int64)) * values.itemsize)
        strides = [stride * values.itemsize for stride in self._strides]
        return np.array(np.lib.stride_tricks.as_strided(values[self._offset:], self._shape, strides))


class Storage:
    """Numbers of one type that tensors share; filled in when the file has been read that far."""

    def __init__(self, dtype):
        self.dtype, self.values = np.dtype(dtype), None


def stand_ins(budget):
    """Functions that stand in for the classes and functions which pickles with tensors and modules name."""
    counted = budget.counted
    found = {
        'torch._utils._rebuild_tensor_v2': lambda storage, offset, shape, strides, *_rest: Tensor(
            budget, storage, offset, shape, strides),
        'torch._utils._rebuild_parameter': lambda data, *_gradient_and_hooks: data,
        'torch.storage._load_from_bytes': lambda data: _load_storage(data, budget),
        'torch_utils.persistence._reconstruct_persistent_obj': Module,
        'builtins.set': counted(_set), '__builtin__.set': counted(_set)}
    found.update(('torch.' + name, _no_storage) for name in _STORAGES)  # never called: only their names are used
    return found


def _no_storage():
    raise UserError('refused: an empty storage')


def _set(items=()):
    return {pickle_machine.check_key(item) for item in items}


class _Attributes(dict):
    """Stands in for an OrderedDict, whose attributes are dropped."""

    def set_state(self, state):
        """Drops them."""


class _Namespace(dict):
    """Stands in for argparse.Namespace, the options that training was started with."""

    def set_state(self, state):
        """Keeps them; once, since the same ones could be copied again and again."""
        if self:
            raise UserError('corrupt: options with two states')
        self.update(state)


class _Reader:
    """Reads pickles that share storages."""

    def __init__(self, budget, refused=None):
        self.storages, self._refused = {}, refused
        self._known = dict(stand_ins(budget), **{
            'collections.OrderedDict': budget.counted(_Attributes), 'argparse.Namespace': _Namespace})
        del self._known['torch.storage._load_from_bytes']  # files in files in files

    def read(self, data, start=0):
        """The object of one pickle, and where it ends."""
        return safe_pickle.load(data, self._find_global, self._persistent_load, encoding='utf-8', start=start)

    def _find_global(self, name):
        """The stand-in of a global object."""
        if name in self._known:
            return self._known[name]
        if self._refused is None:
            raise UserError('refused: the file refers to {}, which does not belong in a weight file'.format(name))
        self._refused.append(name)
        return lambda *args: safe_pickle.Refused(name, args)

    def _persistent_load(self, pid):
        """The storage that a reference names: ('storage', type, key, device, number of elements[, view])."""
        kind = getattr(pid[1], 'name', '')[6:] if isinstance(pid, tuple) and len(pid) >= 5 else ''
        if kind not in _STORAGES or pid[0] != 'storage' or not isinstance(pid[2], (str, int)):
            raise UserError('refused: the file refers to something that is no storage of numbers')
        if len(pid) > 5 and pid[5] is not None:
            raise UserError('a view of a storage, as PyTorch before 0.4 wrote them, is not supported')
        return self.storages.setdefault(str(pid[2]), Storage(_STORAGES[kind]))


def _load_storage(data, budget):
    """A storage alone, saved in the older form inside another pickle."""
    storage = _load_legacy(data, budget)
    if not isinstance(storage, Storage):
        raise UserError('corrupt: a {} instead of a storage'.format(type(storage).__name__))
    return storage


def _load_legacy(data, budget=None, refused=None):
    """Magic number, protocol, system, state, list of keys: five pickles; then size and values of each storage."""
    head = data if budget is None else bytes(data[:_MAX_STORAGE_HEAD])
    if budget is not None:
        budget.take(len(head))  # the same bytes can be read again and again
    reader, parts, at = _Reader(budget or safe_pickle.Budget(len(data)), refused), [], 0
    for _ in range(5):
        part, at = reader.read(head, at)
        parts.append(part)
    if parts[:2] != [_MAGIC_NUMBER, _PROTOCOL] or not parts[2].get('little_endian', True):
        raise UserError('not a PyTorch weight file: it does not begin like one')
    for key in parts[4]:
        if not isinstance(key, (str, int)):
            raise UserError('corrupt: a storage without a name')
        count, = struct.unpack_from('<q', data, at)
        storage = reader.storages[str(key)]
        at += 8
        size = count * storage.dtype.itemsize
        if count < 0 or len(data) - at < size:
            raise UserError('truncated: {} of {} values'.format((len(data) - at) // storage.dtype.itemsize, count))
        storage.values = np.frombuffer(data, storage.dtype, count, at)
        at += size
    return parts[3]


def _load_zip(file_obj, refused):
    """`<name>/data.pkl` is the state, `<name>/data/<key>` the values of each storage; nothing is compressed."""
    size = file_obj.seek(0, io.SEEK_END)
    reader = _Reader(safe_pickle.Budget(size), refused)
    with zipfile.ZipFile(file_obj) as archive:
        items = archive.infolist()
        if any(item.compress_type != zipfile.ZIP_STORED for item in items) or sum(i.file_size for i in items) > size:
            raise UserError('refused: a compressed archive, which PyTorch does not write')
        pickles = [name for name in archive.namelist() if name.endswith('/data.pkl')]
        if len(pickles) != 1:
            raise UserError('not a PyTorch weight file: a zip without data.pkl')
        folder = pickles[0][:-len('data.pkl')]
        if folder + 'byteorder' in archive.namelist() and archive.read(folder + 'byteorder') != b'little':
            raise UserError('the byte order of this file is not supported')
        state, _ = reader.read(archive.read(pickles[0]))
        for key, storage in reader.storages.items():
            storage.values = np.frombuffer(archive.read('{}data/{}'.format(folder, key)), storage.dtype)
    return state
