"""TFRecord files: the same bytes as TensorFlow's own reader and writer."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from training.data import tfrecords


def _images(count, size=4, channels=3):
    return np.random.RandomState(0).randint(256, size=[count, channels, size, size]).astype(np.uint8)


def _example(image):
    return tf.train.Example(features=tf.train.Features(feature={
        'shape': tf.train.Feature(int64_list=tf.train.Int64List(value=image.shape)),
        'data': tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()]))}))


def _write(path, images):
    with open(str(path), 'wb') as file:
        for image in images:
            file.write(tfrecords.frame_record(tfrecords.serialize_image(image)))


@pytest.mark.parametrize('data, crc', [  # RFC 3720, appendix B.4; the last one is the usual check value
    (b'', 0), (b'\0' * 32, 0x8a9136aa), (b'\xff' * 32, 0x62a8ab43), (bytes(range(32)), 0x46dd794e),
    (bytes(range(31, -1, -1)), 0x113fdb5c), (b'123456789', 0xe3069283)])
def test_crc32c_of_the_standard(data, crc):
    assert tfrecords.crc32c(data) == crc


def test_records_are_the_bytes_tensorflow_writes(tmp_path):
    payloads = [tfrecords.serialize_image(image) for image in _images(3)] + [b'', b'x', bytes(range(256)) * 401]
    payloads += [np.random.RandomState(size).bytes(size) for size in (6776, 6777, 6778, 13555)]  # see crc32c.DEGREE
    with tf.python_io.TFRecordWriter(str(tmp_path / 'theirs')) as writer:
        for payload in payloads:
            writer.write(payload)
    ours = b''.join(tfrecords.frame_record(payload) for payload in payloads)
    assert ours == (tmp_path / 'theirs').read_bytes()


def test_payload_is_the_published_one():
    image = _images(1)[0]
    payload = tfrecords.serialize_image(image)
    assert len(payload) == 82 and len(tfrecords.frame_record(payload)) == 98
    assert tf.train.Example.FromString(payload) == _example(image)


@pytest.mark.parametrize('shape', [(1, 4, 4), (3, 64, 64), (3, 256, 256)])
def test_large_payloads_are_understood_by_tensorflow(shape):
    image = np.random.RandomState(1).randint(256, size=shape).astype(np.uint8)
    assert tf.train.Example.FromString(tfrecords.serialize_image(image)) == _example(image)


def test_tensorflow_reads_our_file(tmp_path):
    images = _images(5, size=16)
    _write(tmp_path / 'ours', images)
    records = [tf.train.Example.FromString(record)
               for record in tf.python_io.tf_record_iterator(str(tmp_path / 'ours'))]
    assert records == [_example(image) for image in images]


def test_we_read_tensorflows_file(tmp_path):
    images = _images(5, size=16)
    with tf.python_io.TFRecordWriter(str(tmp_path / 'theirs')) as writer:
        for image in images:
            writer.write(_example(image).SerializeToString())
    file = tfrecords.RecordFile(str(tmp_path / 'theirs'))
    assert len(file) == 5
    for index in (4, 0, 2, 2):
        np.testing.assert_array_equal(file.read(index), images[index])
    file.close()


def test_both_orders_of_features_and_unpacked_sizes_are_read():
    image = _images(1)[0]
    payload = tfrecords.serialize_image(image)
    start, size = 2, 2 + payload[3]  # the shape entry follows the two bytes of the outer message
    swapped = payload[:start] + payload[start + size:] + payload[start:start + size]
    assert swapped != payload and tf.train.Example.FromString(swapped) == _example(image)
    np.testing.assert_array_equal(tfrecords.parse_image(swapped), image)
    unpacked = payload.replace(b'\x12\x07\x1a\x05\x0a\x03\x03\x04\x04', b'\x12\x08\x1a\x06\x08\x03\x08\x04\x08\x04')
    unpacked = payload[:1] + bytes([payload[1] + 1, payload[2], payload[3] + 1]) + unpacked[4:]
    assert tf.train.Example.FromString(unpacked) == _example(image)
    np.testing.assert_array_equal(tfrecords.parse_image(unpacked), image)


@pytest.mark.parametrize('payload', [
    b'', b'hello world', b'\n\x00', b'\n\x05', b'\xff' * 20, tfrecords.serialize_image(_images(1)[0])[:-1],
    tf.train.Example().SerializeToString(),
    _example(np.zeros([4, 4], np.uint8)).SerializeToString(),
    _example(_images(1)[0]).SerializeToString().replace(b'\x03\x04\x04', b'\x03\x04\x05'),
    _example(_images(1)[0]).SerializeToString().replace(b'data', b'dada')], ids=range(10))
def test_other_payloads_are_refused(payload):
    with pytest.raises(UserError, match='some.tfrecords: record 7'):
        tfrecords.parse_image(payload, 'some.tfrecords: record 7')


def _damaged(tmp_path, change):
    _write(tmp_path / 'x.tfrecords', _images(4))
    data = bytearray((tmp_path / 'x.tfrecords').read_bytes())
    (tmp_path / 'x.tfrecords').write_bytes(bytes(change(data)))
    return str(tmp_path / 'x.tfrecords')


def _flip(position):
    def change(data):
        data[position] ^= 1
        return data
    return change


def test_wrong_checksum_names_file_and_record(tmp_path):
    file = tfrecords.RecordFile(_damaged(tmp_path, _flip(2 * 98 + 50)))
    np.testing.assert_array_equal(file.read(3), _images(4)[3])
    for _ in range(2):
        with pytest.raises(UserError, match='x.tfrecords: record 2: checksum mismatch'):
            file.read(2)
    file.close()


@pytest.mark.parametrize('change, text', [
    (lambda data: data[:-1], 'record 3 is truncated or damaged at byte 294'),
    (lambda data: data[:3 * 98 + 5], 'record 3 is truncated'),
    (_flip(98), 'record 1 is truncated or damaged at byte 98'),
    (_flip(98 + 9), 'record 1 is truncated or damaged')])
def test_cut_or_damaged_files_are_found(tmp_path, change, text):
    file = tfrecords.RecordFile(_damaged(tmp_path, change))
    with pytest.raises(UserError, match=text):
        len(file)
    file.close()


@pytest.mark.parametrize('change, text', [
    (lambda data: b'', 'empty'), (lambda data: b'this is a text file\n', 'not a TFRecord file'),
    (lambda data: data[:50], 'record 0 is truncated'), (_flip(50), 'record 0: checksum mismatch'), (_flip(0), 'not a')])
def test_files_that_do_not_begin_with_a_record_are_refused(tmp_path, change, text):
    with pytest.raises(UserError, match=text):
        tfrecords.RecordFile(_damaged(tmp_path, change))
