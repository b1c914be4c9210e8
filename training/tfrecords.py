"""The TFRecord files of the published data sets, byte for byte and without TensorFlow: framing, checksums, payload."""

import functools
import os
import struct
import threading

import numpy as np

from dnnlib.util import UserError

CASTAGNOLI = 0x82f63b78  # the polynomial of CRC-32C, bits reversed
FRAME_BYTES = 16  # length, its checksum, the checksum of the payload


@functools.lru_cache(maxsize=None)
def _byte_table():
    crcs = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crcs = np.where(crcs & 1, (crcs >> 1) ^ np.uint32(CASTAGNOLI), crcs >> 1).astype(np.uint32)
    return crcs


@functools.lru_cache(maxsize=None)
def _zeros_table(log2):
    """What 2^log2 zero bytes do to each byte of a register: uint32 [4, 256]; registers are linear in their bytes."""
    places = np.arange(256, dtype=np.uint32) << (8 * np.arange(4, dtype=np.uint32)[:, np.newaxis])
    if log2 == 0:
        return (places >> 8) ^ _byte_table()[places & 255]
    return _append_zeros(_append_zeros(places, log2 - 1), log2 - 1)


def _append_zeros(crcs, log2):
    table = _zeros_table(log2)
    return table[0][crcs & 255] ^ table[1][(crcs >> 8) & 255] ^ table[2][(crcs >> 16) & 255] ^ table[3][crcs >> 24]


def crc32c(data):
    """CRC-32C (RFC 3720, appendix B.4) of bytes, as int.

    All bytes are looked up at once, then neighbours are joined pairwise: the register of A followed by B is that of
    A followed by zeros, xor that of B.
    """
    crcs = _byte_table()[np.frombuffer(data, np.uint8)]
    log2 = 0
    while len(crcs) > 1:
        if len(crcs) % 2:
            crcs = np.concatenate([np.zeros(1, np.uint32), crcs])
        crcs = _append_zeros(crcs[0::2], log2) ^ crcs[1::2]
        log2 += 1
    start = np.full(1, 0xffffffff, np.uint32)
    for bit in range(len(data).bit_length()):
        if len(data) >> bit & 1:
            start = _append_zeros(start, bit)
    return int(start[0]) ^ (int(crcs[0]) if len(crcs) else 0) ^ 0xffffffff


def masked_crc32c(data):
    """The checksum that TFRecord files store: CRC-32C rotated right by 15 bits plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


@functools.lru_cache(maxsize=256)
def _length_header(size):
    length = struct.pack('<Q', size)
    return length + struct.pack('<I', masked_crc32c(length))


def frame_record(payload):
    """One record as it stands in the file: length, masked checksum, payload, masked checksum."""
    return b''.join([_length_header(len(payload)), payload, struct.pack('<I', masked_crc32c(payload))])


def _varint(value):
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _message(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def serialize_image(image):
    """Payload of an image uint8 [C, H, W]: a `tf.train.Example` with the features `shape` and `data`."""
    shape = _message(3, _message(1, b''.join(_varint(size) for size in image.shape)))
    data = _message(1, _message(1, image.tobytes()))
    entries = [_message(1, name) + _message(2, feature) for name, feature in ((b'shape', shape), (b'data', data))]
    return _message(1, b''.join(_message(1, entry) for entry in entries))


def _read_varint(buffer, offset):
    value = shift = 0
    while True:
        byte = buffer[offset]
        value |= (byte & 127) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 128:
            return value, offset


def _fields(buffer):
    """Yields number and content of the fields of a protobuf message: an int for varints, else a part of the buffer."""
    offset = 0
    while offset < len(buffer):
        key, offset = _read_varint(buffer, offset)
        kind = key & 7
        if kind == 0:
            content, offset = _read_varint(buffer, offset)
        else:
            size, offset = _read_varint(buffer, offset) if kind == 2 else ({1: 8, 5: 4}[kind], offset)
            if offset + size > len(buffer):
                raise IndexError(offset)
            content, offset = buffer[offset:offset + size], offset + size
        yield key >> 3, content


def _features(payload):
    for number, features in _fields(memoryview(payload)):
        for _, entry in _fields(features) if number == 1 else ():
            parts = dict(_fields(entry))
            yield bytes(parts[1]), parts[2]


def _int64_list(feature):
    values = []
    for content in (content for number, int64_list in _fields(feature) if number == 3
                    for _, content in _fields(int64_list)):
        if isinstance(content, int):  # not packed
            values.append(content)
            continue
        offset = 0
        while offset < len(content):
            value, offset = _read_varint(content, offset)
            values.append(value)
    return values


def parse_image(payload, where='record'):
    """Image of a payload; the two features may come in either order.

    Args:
        payload: Serialised `tf.train.Example`, bytes.
        where: Begins the error message: file and record.
    Returns: uint8 [C, H, W], read-only.
    Raises: UserError if the payload is something else.
    """
    try:
        features = dict(_features(payload))
        shape = _int64_list(features[b'shape'])
        data, = (content for number, bytes_list in _fields(features[b'data']) if number == 1
                 for _, content in _fields(bytes_list))
        if len(shape) != 3:
            raise ValueError(shape)
        return np.frombuffer(data, np.uint8).reshape(shape)
    except (IndexError, KeyError, TypeError, ValueError):
        raise UserError("{}: not an image record (a tf.train.Example with 'shape' of 3 ints and 'data' of as many "
                        'bytes); create the data set anew'.format(where)) from None


class RecordFile:
    """Random access to the records of one file, checked when first read; safe to use from several threads.

    Args:
        path: Name of the file.
    Raises: UserError if the file does not begin with a record.
    """

    def __init__(self, path):
        self.path = path
        self._file = open(path, 'rb')
        self._size = os.path.getsize(path)
        self._lock = threading.Lock()
        self._offsets = None
        self._checked = None
        try:
            if self._size == 0:
                raise UserError('{}: the file is empty; copy or create the data set anew'.format(path))
            self.first = self._parse(0, 0, True)
        except UserError:
            self.close()
            raise

    def __len__(self):
        self._scan()
        return len(self._offsets)

    def read(self, index):
        """Image number `index`: uint8 [C, H, W]. Raises UserError naming file and record if it is damaged."""
        self._scan()
        image = self._parse(self._offsets[index], index, not self._checked[index])
        self._checked[index] = True
        return image

    def close(self):
        """Closes the file."""
        self._file.close()

    def _read_at(self, offset, size):
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)

    def _length_at(self, offset, index):
        header = self._read_at(offset, 12)
        if len(header) == 12 and header == _length_header(struct.unpack('<Q', header[:8])[0]):
            length, = struct.unpack('<Q', header[:8])
            if offset + length + FRAME_BYTES <= self._size:
                return length
        elif index == 0:
            raise UserError('{}: not a TFRecord file; give a folder whose *.tfrecords files were made by '
                            'dataset_tool.py'.format(self.path))
        raise UserError('{}: record {} is cut off or damaged at byte {}; copy or create the data set anew'.format(
            self.path, index, offset))

    def _scan(self):
        if self._offsets is not None:
            return
        offsets, offset = [], 0
        while offset < self._size:
            length = self._length_at(offset, len(offsets))
            offsets.append(offset)
            offset += length + FRAME_BYTES
        self._checked = np.zeros(len(offsets), bool)
        self._offsets = offsets

    def _parse(self, offset, index, check):
        where = '{}: record {}'.format(self.path, index)
        length = self._length_at(offset, index)
        payload = self._read_at(offset + 12, length + 4)
        payload, stored = payload[:length], payload[length:]
        if check and struct.pack('<I', masked_crc32c(payload)) != stored:
            raise UserError('{}: wrong checksum, the file is damaged; copy or create the data set anew'.format(where))
        return parse_image(payload, where)
