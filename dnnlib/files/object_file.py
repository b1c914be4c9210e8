"""What `numpy.save` makes of an object, such as a dictionary of arrays: a pickle behind a header, read as data."""

import numpy as np

from dnnlib.files import network_file, safe_pickle
from dnnlib.util import UserError

MAX_BYTES = 1 << 28


class _Objects:
    """Stands in for the type of objects."""

    def set_state(self, state):
        """Its byte order, which means nothing."""


class _Array(network_file.Array):
    """An array of numbers, or one without axes that holds an object."""

    item = None

    def set_state(self, state):
        """See network_file.Array."""
        _version, shape, dtype, _is_fortran, data = state
        if not isinstance(dtype, _Objects):
            super().set_state(state)
        elif shape != () or not isinstance(data, list) or len(data) != 1:
            raise UserError(f'refused: objects of shape {safe_pickle.short(shape)}, expected one')
        else:
            self.item = data


def load(path):
    """The object of a file.

    Args:
        path: Of an .npy file.
    Returns: Containers, numbers, texts and arrays; nothing of the file is executed.
    Raises: UserError for another file, a damaged one, or one that holds anything else.
    """
    try:
        with open(path, 'rb') as f:
            header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}[
                np.lib.format.read_magic(f)[0]](f)
            if header[0] != () or not header[2].hasobject:
                raise UserError(f'numbers of shape {list(header[0])}, expected an object')
            data = bytes(safe_pickle.read_all(f, MAX_BYTES))
        return _plain(safe_pickle.load(data, _finder(data))[0])
    except (UserError, KeyError, ValueError) as error:
        raise UserError(f'{path}: not an object written by numpy.save, or damaged ({error})') from error


def _finder(data):
    budget = safe_pickle.Budget(len(data))
    known = network_file.known_globals(budget)
    known['numpy.dtype'] = lambda code, *flags: _Objects() if code in ('O', 'O4', 'O8') else network_file.DType(
        code, *flags)
    for module in ('__builtin__', 'builtins'):  # what Python 3 writes of no bytes at protocol 2
        known[module + '.bytes'] = lambda: b''
    for core in ('numpy.core', 'numpy._core'):
        known[core + '.multiarray._reconstruct'] = lambda *_empty: _Array(budget)

    def find(name):
        if name not in known:
            raise UserError(f'refused: the file asks for {name}, which is no array')
        return known[name]
    return find


def _plain(value):
    """Arrays instead of what stands in for them, one level deep: an object, or a dictionary or list of arrays."""
    value = value.item[0] if isinstance(value, _Array) and value.item is not None else value
    if isinstance(value, dict):
        return {key: item.value if isinstance(item, network_file.Array) else item for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [item.value if isinstance(item, network_file.Array) else item for item in value]
    return value.value if isinstance(value, network_file.Array) else value
