"""Reads numeric arrays from MATLAB files, version 5; SciPy's reader crashes on some damaged files."""

import struct
import zlib

import numpy as np

from dnnlib.util import UserError

MAX_BYTES = 1 << 30  # of one variable
NUMBERS = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8', 13: 'u8'}
MATRIX, COMPRESSED = 14, 15
NUMERIC_CLASSES = range(6, 16)


def read(data):
    """Real numeric arrays by name, in their stored types; other variables are ignored.

    Args:
        data: Content of the file, bytes.
    Raises: UserError, ValueError, KeyError, struct.error or zlib.error if the file is damaged or not a MATLAB file.
    """
    if data[124:128] != b'\0\1IM':
        raise UserError('not a MATLAB file of version 5, little-endian')
    arrays = {}
    for kind, body in _elements(memoryview(data)[128:]):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(body, MAX_BYTES)
            if not unpacker.eof:
                raise UserError(f'a variable is truncated or over {MAX_BYTES >> 20} MiB')
            (kind, body), = _elements(memoryview(unpacked))
        parts = list(_elements(body)) if kind == MATRIX else ()
        if len(parts) == 4 and struct.unpack_from('<I', parts[0][1])[0] & 255 in NUMERIC_CLASSES:
            sizes = np.frombuffer(parts[1][1], '<i4').tolist()
            values = np.frombuffer(parts[3][1], '<' + NUMBERS[parts[3][0]])
            if min(sizes) < 0:
                raise UserError('a variable with a negative size')
            arrays[bytes(parts[2][1]).decode('ascii')] = values.reshape(sizes, order='F')
    return arrays


def _elements(data):
    """Yields type and content of each element; elements of up to four bytes have a shorter header."""
    offset = 0
    while offset < len(data):
        kind, size = struct.unpack_from('<II', data, offset)
        begin, end = offset + 8, offset + 8 + size
        if kind >> 16:
            begin, end, kind = offset + 4, offset + 4 + (kind >> 16), kind & 0xffff
        if end > len(data) or begin == offset + 4 and end > offset + 8:
            raise UserError('the file is truncated or damaged')
        yield kind, data[begin:end]
        offset = end if kind == COMPRESSED else offset + 8 + (end - offset - 1) // 8 * 8  # padded to eight bytes
