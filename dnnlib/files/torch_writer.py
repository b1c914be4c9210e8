"""Files that PyTorch opens, also by `torch.load(path, weights_only=True)`, written without it: a zip archive of a
pickle and of the numbers of each tensor. The pickle makes dictionaries, texts, numbers and tensors only."""

import pickle
import struct
import zipfile

import numpy as np

from dnnlib import util
from dnnlib.util import UserError

_STORAGES = {'<f4': b'FloatStorage', '<f8': b'DoubleStorage', '<f2': b'HalfStorage', '<i8': b'LongStorage'}
_FOLDER = 'archive/'


def save(content, path):
    """Writes dictionaries, texts, whole numbers and arrays.

    Args:
        content: Dictionary whose keys are texts.
        path: The file; its folder must exist. An existing file is replaced when all is written.
    Raises: UserError for a value of another kind.
    """
    pickler = _Pickler()
    pickler.put(content)
    with util.atomic_path(path) as temp_path:
        with zipfile.ZipFile(temp_path, 'w') as archive:
            _add(archive, 'data.pkl', b'\x80\x02' + b''.join(pickler.parts) + pickle.STOP)
            _add(archive, 'byteorder', b'little')
            for key, array in enumerate(pickler.arrays):
                _add(archive, 'data/{}'.format(key), array.tobytes())
            _add(archive, 'version', b'3\n')


def _add(archive, name, data):
    archive.writestr(zipfile.ZipInfo(_FOLDER + name), data)  # without the date, so that equal networks are equal files


class _Pickler:
    """The instructions of a pickle, protocol 2, and the arrays outside of it."""

    def __init__(self):
        self.parts, self.arrays = [], []

    def put(self, value):
        """Adds a value."""
        if isinstance(value, dict):
            self.parts += [pickle.EMPTY_DICT, pickle.MARK]
            for key, item in value.items():
                self.put(key)
                self.put(item)
            self.parts.append(pickle.SETITEMS)
        elif isinstance(value, str):
            data = value.encode('utf-8')
            self.parts.append(pickle.BINUNICODE + struct.pack('<I', len(data)) + data)
        elif isinstance(value, int):
            data = value.to_bytes(9, 'little', signed=True)
            self.parts.append(pickle.LONG1 + bytes([len(data)]) + data)
        elif isinstance(value, (np.ndarray, np.generic)):
            self._put_array(np.asarray(value))
        else:
            raise UserError('a {} cannot be written to a PyTorch file'.format(type(value).__name__))

    def _put_array(self, array):
        """A call of the function that makes a tensor of a storage."""
        code = array.dtype.newbyteorder('<').str
        if code not in _STORAGES:
            raise UserError('an array of type {} cannot be written to a PyTorch file'.format(array.dtype))
        array = np.ascontiguousarray(array, code).reshape(array.shape)
        strides = [stride // array.itemsize for stride in array.strides]
        self.parts += [b'ctorch._utils\n_rebuild_tensor_v2\n', pickle.MARK, pickle.MARK]
        self.put('storage')
        self.parts.append(b'ctorch\n' + _STORAGES[code] + b'\n')
        self.put(str(len(self.arrays)))
        self.put('cpu')
        self.put(array.size)
        self.parts += [pickle.TUPLE, pickle.BINPERSID]
        self.put(0)
        for sizes in (array.shape, strides):
            self.parts.append(pickle.MARK)
            for size in sizes:
                self.put(int(size))
            self.parts.append(pickle.TUPLE)
        self.parts += [pickle.NEWFALSE, b'ccollections\nOrderedDict\n', pickle.EMPTY_TUPLE, pickle.REDUCE]
        self.parts += [pickle.TUPLE, pickle.REDUCE]
        self.arrays.append(array)
