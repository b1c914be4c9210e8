"""Weight files of PyTorch (`.pth`) read without PyTorch, and without running anything that they contain.

Both forms are read: the older sequence of pickles, and the zip archive of PyTorch 1.6 and later. Only dictionaries,
numbers, texts and tensors are known; a file that asks for anything else is refused.
"""

import io
import pickle
import struct
import zipfile

import numpy as np

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
        arrays = {name: tensor.array() for name, tensor in state.items() if isinstance(tensor, _Tensor)}
    except (UserError, OSError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError('not a PyTorch weight file, or damaged or cut off ({}: {})'.format(
            type(error).__name__, error)) from error
    if not arrays:
        raise UserError('holds no tensors by name')
    return arrays


class _State(dict):
    """Stands in for OrderedDict; unlike dict it takes the attributes that PyTorch adds."""


class _Tensor:
    """A tensor: a window into a storage."""

    def __init__(self, storage, offset, shape, strides):
        self._storage, self._offset, self._shape, self._strides = storage, offset, tuple(shape), tuple(strides)

    def array(self):
        """The tensor as a contiguous array."""
        values = self._storage.values
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


class _StorageType:
    def __init__(self, dtype):
        self.dtype = dtype


def _rebuild_tensor(storage, offset, shape, strides, *_gradient_and_hooks):
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(data, *_gradient_and_hooks):
    return data


class _Unpickler(pickle.Unpickler):
    """Knows dictionaries, tensors and the types of their numbers, and nothing else."""

    def __init__(self, file_obj, storages):
        super().__init__(file_obj, encoding='utf-8')
        self._storages = storages

    def find_class(self, module, name):
        """The stand-in of a global object."""
        if (module, name) == ('collections', 'OrderedDict'):
            return _State
        if module == 'torch._utils' and name in ('_rebuild_tensor_v2', '_rebuild_parameter'):
            return _rebuild_tensor if name == '_rebuild_tensor_v2' else _rebuild_parameter
        if module == 'torch' and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        raise UserError('refused: the file asks for {}.{}, which is no part of a weight file'.format(module, name))

    def persistent_load(self, pid):
        """The storage that a reference names: ('storage', type, key, device, number of elements[, view])."""
        if len(pid) < 5 or pid[0] != 'storage' or not isinstance(pid[1], _StorageType):
            raise UserError('refused: the file refers to {!r}'.format(pid[:1]))
        if len(pid) > 5 and pid[5] is not None:
            raise UserError('a view of a storage, as PyTorch before 0.4 wrote them, is not supported')
        return self._storages.setdefault(str(pid[2]), _Storage(pid[1].dtype))


def _is_zip(file_obj):
    start = file_obj.read(4)
    file_obj.seek(0)
    return start == b'PK\x03\x04'


def _load_legacy(file_obj):
    """Magic number, protocol, system, state, list of keys: five pickles; then size and values of each storage."""
    storages = {}
    header = [_Unpickler(file_obj, storages).load() for _ in range(3)]
    if header[:2] != [_MAGIC_NUMBER, _PROTOCOL] or not header[2].get('little_endian', True):
        raise UserError('not a PyTorch weight file: it begins with {!r}'.format(header[:2]))
    state = _Unpickler(file_obj, storages).load()
    for key in _Unpickler(file_obj, storages).load():
        count, = struct.unpack('<q', file_obj.read(8))
        storage = storages[str(key)]
        data = file_obj.read(count * storage.dtype.itemsize)
        if count < 0 or len(data) < count * storage.dtype.itemsize:
            raise UserError('cut off: {} of {} values'.format(len(data) // storage.dtype.itemsize, count))
        storage.values = np.frombuffer(data, storage.dtype)
    return state


def _load_zip(file_obj):
    """`<name>/data.pkl` is the state, `<name>/data/<key>` the values of each storage."""
    storages = {}
    with zipfile.ZipFile(file_obj) as archive:
        pickles = [name for name in archive.namelist() if name.endswith('/data.pkl')]
        if len(pickles) != 1:
            raise UserError('not a PyTorch weight file: a zip without data.pkl')
        folder = pickles[0][:-len('data.pkl')]
        if folder + 'byteorder' in archive.namelist() and archive.read(folder + 'byteorder') != b'little':
            raise UserError('the byte order of this file is not supported')
        state = _Unpickler(io.BytesIO(archive.read(pickles[0])), storages).load()
        for key, storage in storages.items():
            storage.values = np.frombuffer(archive.read('{}data/{}'.format(folder, key)), storage.dtype)
    return state
