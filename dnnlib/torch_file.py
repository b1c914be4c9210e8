"""Weight files of PyTorch (`.pth`) read without PyTorch, and without running anything that they contain.

Both forms are read: the older sequence of pickles, and the zip archive of PyTorch 1.6 and later. Only dictionaries,
numbers, texts and tensors are known; a file that asks for anything else is refused.
"""

import struct
import zipfile

import numpy as np

from dnnlib import safe_pickle
from dnnlib.util import UserError

_MAGIC_NUMBER = 0x1950a86a20f9469cfc6c
_PROTOCOL = 1001
_STORAGES = {'FloatStorage': '<f4', 'DoubleStorage': '<f8', 'HalfStorage': '<f2', 'LongStorage': '<i8',
             'IntStorage': '<i4', 'ShortStorage': '<i2', 'CharStorage': '<i1', 'ByteStorage': '<u1',
             'BoolStorage': '?'}


def load_state_dict(file_obj):
    """Reads the tensors of a state dictionary.

    Args:
        file_obj: Seekable binary file object.
    Returns: Dictionary of arrays by name, in the file's order.
    Raises: UserError for another kind of file, a damaged one, and one with objects of other kinds.
    """
    try:
        state = _load_zip(file_obj) if _is_zip(file_obj) else _load_legacy(file_obj)
        if not isinstance(state, dict):
            raise UserError('holds a {}, expected a dictionary of tensors'.format(type(state).__name__))
        tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, _Tensor)}
        storages = {id(tensor.storage): tensor.storage for tensor in tensors.values()}
        if sum(tensor.size for tensor in tensors.values()) > 2 * sum(s.size for s in storages.values()):
            raise UserError('refused: the tensors are larger than the file')
        arrays = {name: tensor.array() for name, tensor in tensors.items()}
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError('not a PyTorch weight file, or damaged or cut off ({}: {})'.format(
            type(error).__name__, error)) from error
    if not arrays:
        raise UserError('holds no tensors by name')
    return arrays


class _State(dict):
    """Stands in for OrderedDict; takes the attributes that PyTorch adds, and drops them."""

    def set_state(self, state):
        """Drops the attributes."""


class _Tensor:
    """A tensor: a window into a storage."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self._offset, self._shape, self._strides = storage, offset, tuple(shape), tuple(strides)

    @property
    def size(self):
        """Number of elements."""
        size = 1
        for axis in self._shape:
            size *= axis
        return size

    def array(self):
        """The tensor as a contiguous array."""
        values = self.storage.values
        if values is None:
            raise UserError('cut off: a tensor has no values')
        last = self._offset + sum((size - 1) * stride for size, stride in zip(self._shape, self._strides))
        if min(self._shape + self._strides + (self._offset, 0)) < 0 or (0 not in self._shape and last >= len(values)):
            raise UserError('damaged: a tensor reaches beyond its values')
        strides = [stride * values.itemsize for stride in self._strides]
        return np.array(np.lib.stride_tricks.as_strided(values[self._offset:], self._shape, strides))


class _Storage:
    """Numbers of one type that tensors share; filled in when the file has been read that far."""

    def __init__(self, dtype):
        self.dtype, self.values = np.dtype(dtype), None

    @property
    def size(self):
        """Number of values that were read."""
        return 0 if self.values is None else len(self.values)


def _no_storage():
    raise UserError('refused: an empty storage')


def _rebuild_tensor(storage, offset, shape, strides, *_gradient_and_hooks):
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(data, *_gradient_and_hooks):
    return data


class _Reader:
    """Reads pickles that share storages; knows dictionaries, tensors and the types of their numbers."""

    def __init__(self):
        self.storages = {}

    def read(self, data):
        """The object of one pickle and its length in bytes."""
        return safe_pickle.load(data, self._find_global, self._persistent_load, encoding='utf-8')

    def _find_global(self, name):
        """The stand-in of a global object."""
        if name == 'collections.OrderedDict':
            return _State
        if name in ('torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_parameter'):
            return _rebuild_tensor if name.endswith('_tensor_v2') else _rebuild_parameter
        if name.startswith('torch.') and name[6:] in _STORAGES:
            return _no_storage  # never called: only its name is used
        raise UserError('refused: the file asks for {}, which is no part of a weight file'.format(name))

    def _persistent_load(self, pid):
        """The storage that a reference names: ('storage', type, key, device, number of elements[, view])."""
        kind = getattr(pid[1], 'name', '')[6:] if isinstance(pid, tuple) and len(pid) >= 5 else ''
        if kind not in _STORAGES or pid[0] != 'storage' or not isinstance(pid[2], (str, int)):
            raise UserError('refused: the file refers to something that is no storage of numbers')
        if len(pid) > 5 and pid[5] is not None:
            raise UserError('a view of a storage, as PyTorch before 0.4 wrote them, is not supported')
        return self.storages.setdefault(str(pid[2]), _Storage(_STORAGES[kind]))


def _is_zip(file_obj):
    start = file_obj.read(4)
    file_obj.seek(0)
    return start == b'PK\x03\x04'


def _load_legacy(file_obj):
    """Magic number, protocol, system, state, list of keys: five pickles; then size and values of each storage."""
    data, reader, parts = safe_pickle.read_all(file_obj), _Reader(), []
    for _ in range(5):
        part, size = reader.read(data)
        parts.append(part)
        data = data[size:]
    if parts[:2] != [_MAGIC_NUMBER, _PROTOCOL] or not parts[2].get('little_endian', True):
        raise UserError('not a PyTorch weight file: it does not begin like one')
    at = 0
    for key in parts[4]:
        count, = struct.unpack_from('<q', data, at)
        storage = reader.storages[str(key)]
        at += 8
        size = count * storage.dtype.itemsize
        if count < 0 or len(data) - at < size:
            raise UserError('cut off: {} of {} values'.format((len(data) - at) // storage.dtype.itemsize, count))
        storage.values = np.frombuffer(data, storage.dtype, count, at)
        at += size
    return parts[3]


def _load_zip(file_obj):
    """`<name>/data.pkl` is the state, `<name>/data/<key>` the values of each storage; nothing is compressed."""
    reader, size = _Reader(), file_obj.seek(0, 2)
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
