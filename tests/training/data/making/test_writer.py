"""Writing datasets: file names, levels of detail, labels, and nothing half-written."""

import numpy as np
import pytest

from dnnlib import UserError
from training.data.making.writer import TFRecordExporter
from training.dataset import TFRecordDataset


def _images(count, size=8, channels=3):
    return np.random.RandomState(0).randint(256, size=[count, channels, size, size]).astype(np.uint8)


def _write(folder, images, labels=None):
    with TFRecordExporter(str(folder), len(images)) as exporter:
        for image in images:
            exporter.add_image(image)
        if labels is not None:
            exporter.add_labels(labels)


@pytest.mark.parametrize('suffix', ['', '/'])
def test_names_are_the_published_ones(tmp_path, suffix):
    _write(str(tmp_path / 'dogs') + suffix, _images(2, 16), np.eye(2))
    assert sorted(path.name for path in (tmp_path / 'dogs').iterdir()) == [
        'dogs-r02.tfrecords', 'dogs-r03.tfrecords', 'dogs-r04.tfrecords', 'dogs-rxx.labels']


@pytest.mark.parametrize('channels', [1, 3])
def test_what_is_written_is_read(tmp_path, channels):
    images, labels = _images(5, 16, channels), np.random.RandomState(1).rand(5, 3).astype(np.float32)
    _write(tmp_path / 'x', images, labels)
    with TFRecordDataset(str(tmp_path / 'x'), max_label_size='full', shuffle_mb=0) as dataset:
        assert dataset.shape == [channels, 16, 16]
        got_images, got_labels = dataset.get_minibatch_np(5)
    np.testing.assert_array_equal(got_images, images)
    np.testing.assert_array_equal(got_labels, labels)


def test_levels_average_before_rounding(tmp_path):
    images = _images(3, 16)
    _write(tmp_path / 'x', images)
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        for lod in (1, 2):
            size = 2 ** lod
            exact = images.reshape(3, 3, 16 // size, size, 16 // size, size).astype(np.float64).mean(axis=(3, 5))
            got = np.stack([dataset.read(i, lod) for i in range(3)])
            np.testing.assert_array_equal(got, np.rint(exact))  # half to even


def test_halves_are_rounded_to_even(tmp_path):
    image = np.zeros([1, 8, 8], np.uint8)
    image[0, 0:2, 0:2] = [[0, 1], [0, 1]]
    image[0, 0:2, 2:4] = [[1, 2], [1, 2]]
    _write(tmp_path / 'x', [image])
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        assert dataset.read(0, 1)[0, 0, :2].tolist() == [0, 2]


def test_labels_are_a_float32_npy_stream_of_format_1(tmp_path):
    _write(tmp_path / 'x', _images(2), [[1, 0, 0], [0, 0, 1]])
    data = (tmp_path / 'x' / 'x-rxx.labels').read_bytes()
    assert data[:8] == b'\x93NUMPY\x01\x00'
    labels = np.load(str(tmp_path / 'x' / 'x-rxx.labels'))
    assert labels.dtype == np.float32 and labels.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_shuffled_order_is_the_published_one(tmp_path):
    expected = list(range(10))
    np.random.RandomState(123).shuffle(expected)
    with TFRecordExporter(str(tmp_path / 'x'), 10) as exporter:
        assert exporter.choose_shuffled_order().tolist() == expected


def test_an_error_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), TFRecordExporter(str(tmp_path / 'x'), 3) as exporter:
        exporter.add_image(_images(1)[0])
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_files_appear_only_at_the_end(tmp_path):
    with TFRecordExporter(str(tmp_path / 'x'), 1) as exporter:
        exporter.add_image(_images(1)[0])
        assert not list((tmp_path / 'x').glob('*.tfrecords'))
    assert len(list((tmp_path / 'x').iterdir())) == 2


def test_an_existing_data_set_is_not_touched(tmp_path):
    _write(tmp_path / 'x', _images(2))
    before = (tmp_path / 'x' / 'x-r03.tfrecords').read_bytes()
    with pytest.raises(UserError, match='already holds a dataset'):
        _write(tmp_path / 'x', _images(1))
    assert (tmp_path / 'x' / 'x-r03.tfrecords').read_bytes() == before


@pytest.mark.parametrize('bad, text', [
    (np.zeros([3, 8, 16], np.uint8), 'image 1'), (np.zeros([1, 8, 8], np.uint8), 'image 1'),
    (np.zeros([3, 8, 8], np.float32), 'float32')])
def test_images_must_be_alike(tmp_path, bad, text):
    with pytest.raises(UserError, match=text):
        _write(tmp_path / 'x', [_images(1)[0], bad])


@pytest.mark.parametrize('shape, text', [
    ([3, 9, 18], '9 pixels high and 18 wide'), ([2, 8, 8], '2 channels'), ([3, 2, 2], '4x4')])
def test_first_image_must_be_legal(tmp_path, shape, text):
    with pytest.raises(UserError, match=text):
        _write(tmp_path / 'x', [np.zeros(shape, np.uint8)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('labels', [np.eye(3), np.zeros([2])])
def test_labels_must_match_the_images(tmp_path, labels):
    with pytest.raises(UserError, match=r'expected labels \[2, columns\]'):
        _write(tmp_path / 'x', _images(2), labels)
