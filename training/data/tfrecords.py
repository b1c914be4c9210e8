"""TFRecord files of the published datasets, byte for byte and without TensorFlow: framing, checksums, payload."""

import array
import functools
import os
import re
import struct
import threading
from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError
from training.data.crc32c import crc32c
from training.data.handles import SharedFile

FRAME_BYTES = 16  # length, its checksum, the checksum of the payload
HEADER_BYTES = 12  # the first two of them


class RecordError(UserError):
    """A damaged or invalid record; `kind` is one of 'corrupt', 'truncated', 'not an image', '16-bit', 'zero bytes'."""

    def __init__(self, kind, text):
        super().__init__(text + '; copy it again or re-create the dataset')
        self.kind = kind


def stem(path):
    """Name of the dataset in that of one of its files, such as `cats` of `cats-r08.tfrecords`; None without a level."""
    match = re.match(r'(.*)-r[0-9]+\.tfrecords$', os.path.basename(path), re.DOTALL)
    return match and match.group(1)


def stems(paths):
    """List of the names of datasets that files are of, sorted; more than one if they are mixed in one folder."""
    return sorted({stem(path) for path in paths} - {None})


def masked_crc32c(data):
    """The checksum that TFRecord files store: CRC-32C rotated right by 15 bits plus a constant."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


@functools.lru_cache(maxsize=256)
def _length_header(size):
    length = struct.pack('<Q', size)
    return length + struct.pack('<I', masked_crc32c(length))


def frame_record(payload):
    """One record as stored in the file: length, masked checksum, payload, masked checksum."""
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
    value = 0
    for shift in range(0, 70, 7):
        byte = buffer[offset]
        value |= (byte & 127) << shift
        offset += 1
        if byte < 128:
            return value, offset
    raise ValueError('a number of more than 64 bits')


def _fields(buffer):
    """Yields number and content of the fields of a protobuf message: an int for varints, else a slice of the buffer."""
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
        payload: Serialized `tf.train.Example`, bytes or uint8 [N].
        where: File and record, the start of the error message.
    Returns: uint8 [C, H, W], read-only.
    Raises: RecordError if the payload is not such an image.
    """
    try:
        features = dict(_features(payload))
        shape = _int64_list(features[b'shape'])
        data, = (content for number, bytes_list in _fields(features[b'data']) if number == 1
                 for _, content in _fields(bytes_list))
        if len(shape) != 3:
            raise ValueError(shape)
        if len(data) == 2 * shape[0] * shape[1] * shape[2] > 0:
            raise RecordError('16-bit', f'{where}: 16 bits per value; expected 8')
        return np.frombuffer(data, np.uint8).reshape(shape)
    except RecordError:
        raise
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        raise RecordError('not an image', "{}: not an image record (a tf.train.Example with 'shape' of 3 ints and "
                          "'data' of as many bytes)".format(where)) from None


class Form(NamedTuple):
    """What the payloads of a file have in common, so that not every one is taken apart."""
    size: int     # of a payload, bytes
    begin: bytes  # before the pixels
    end: bytes    # behind them
    shape: tuple  # of the image, (C, H, W)

    @classmethod
    def of(cls, payload, image):
        """Of a payload, uint8 [N], and the image that was found in it."""
        begin = image.__array_interface__['data'][0] - payload.__array_interface__['data'][0]
        return cls(len(payload), payload[:begin].tobytes(), payload[begin + image.size:].tobytes(), image.shape)

    def image(self, payload):
        """The image of a payload of this form; `None` if it is not of this form."""
        begin, end = len(self.begin), self.size - len(self.end)
        is_alike = (len(payload) == self.size and payload[:begin].tobytes() == self.begin
                    and payload[end:].tobytes() == self.end)
        return payload[begin:end].reshape(self.shape) if is_alike else None


class RecordFile:
    """Random access to the records of one file, checked when first read; safe to use from several threads.

    Args:
        path: Name of the file.
        skip_bad: Count a record with a damaged header as an unreadable image if the next record can be found, and end
            the file at the last complete one otherwise? By default such a file is an error.
    Attributes:
        first: The first readable image, uint8 [C, H, W].
        cut: If `skip_bad` dropped the end of the file, a message that says why; otherwise `None`.
    Raises: UserError if the file does not start with a record.
    """

    def __init__(self, path, skip_bad=False):
        self.path = path
        self.cut = None
        self._skip_bad = skip_bad
        self._file = SharedFile(path)
        self._size = self._file.size
        self._lock = threading.Lock()  # of the scan
        self._offsets = None  # of every record; the bitwise complement (negative) if its header is damaged
        self._checked = self._form = None
        try:
            if self._size == 0:
                raise RecordError('zero bytes', f'{path}: the file is empty')
            self._first_length = self._length_at(0, 0)
            self.first = self._find_first()
        except UserError:
            self.close()
            raise

    def __len__(self):
        self._scan()
        return len(self._offsets)

    def estimated_len(self):
        """Number of records if all have the size of the first, without reading them."""
        return self._size // (self._first_length + FRAME_BYTES)

    def read(self, index):
        """Image number `index`: uint8 [C, H, W]. Raises UserError naming file and record if it is damaged."""
        self._scan()
        offset = int(self._offsets[index])
        image = self._parse(offset if offset >= 0 else ~offset, index, not self._checked[index])
        self._checked[index] = True
        return image

    def close(self):
        """Closes the file."""
        self._file.close()

    def _find_first(self):
        """The first image, or with `skip_bad` the first readable one of the first hundred."""
        try:
            return self._parse(0, 0, True)
        except UserError:
            for index in range(1, min(len(self), 100) if self._skip_bad else 0):
                try:
                    return self.read(index)
                except UserError:
                    pass
            raise

    def _read_at(self, offset, size, index):
        try:
            return self._file.read(offset, size)
        except OSError as error:
            raise RecordError('corrupt', f'{self.path}: record {index} cannot be read ({error.strerror})') from None

    def _length_at(self, offset, index, header=None):
        header = (self._read_at(offset, HEADER_BYTES, index) if header is None else header).tobytes()
        if len(header) == HEADER_BYTES and header == _length_header(struct.unpack('<Q', header[:8])[0]):
            length, = struct.unpack('<Q', header[:8])
            if offset + length + FRAME_BYTES <= self._size:
                return length
        elif index == 0:
            raise RecordError('not an image', f'{self.path}: not a TFRecord file')
        raise RecordError('corrupt', f'{self.path}: record {index} is truncated or damaged at byte {offset}')

    def _scan(self):
        if self._offsets is None:
            with self._lock:
                if self._offsets is None:
                    self._find_records()

    def _find_records(self):
        offsets, offset = array.array('q'), 0
        while offset < self._size:
            try:
                length = self._length_at(offset, len(offsets))
                offsets.append(offset)
            except UserError as error:
                if not self._skip_bad:
                    raise
                length = self._first_length  # all records of a dataset have the same size
                if not self._is_record_or_end(offset + length + FRAME_BYTES):
                    self.cut = str(error).split(';')[0]
                    break
                offsets.append(~offset)
            offset += length + FRAME_BYTES
        self._checked = np.zeros(len(offsets), bool)
        self._offsets = offsets

    def _is_record_or_end(self, offset):
        try:
            return offset == self._size or self._length_at(offset, 1) >= 0
        except UserError:
            return False

    def _parse(self, offset, index, check):
        where = f'{self.path}: record {index}'
        usual = self._first_length + FRAME_BYTES  # all at once, if it is as long as the first
        record = self._read_at(offset, usual, index)
        length = self._length_at(offset, index, record[:HEADER_BYTES])
        if length + FRAME_BYTES != usual:
            record = self._read_at(offset, length + FRAME_BYTES, index)
        payload, stored = record[HEADER_BYTES:-4], record[-4:].tobytes()
        if check and struct.pack('<I', masked_crc32c(payload)) != stored:
            raise RecordError('corrupt', f'{where}: checksum mismatch, the file is damaged')
        image = None if self._form is None else self._form.image(payload)
        if image is None:
            image = parse_image(payload, where)
            self._form = Form.of(payload, image)
        return image
