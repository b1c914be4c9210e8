"""Datasets from files: TFRecords, folders, zips; labels; damaged and unsuitable input."""

import io
import json
import os
import zipfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from dnnlib import UserError
from training.data.cats import CatsDataset
from training.data.images import open_image
from training.data.making.check import check
from training.data.making.writer import TFRecordExporter
from training.data.tfrecords import frame_record, serialize_image
from training.dataset import ImageDataset, TFRecordDataset, load_dataset


def _images(count, size=8, channels=3):
    return np.random.RandomState(0).randint(256, size=[count, channels, size, size]).astype(np.uint8)


def _records(folder, images, labels=None):
    with TFRecordExporter(str(folder), len(images)) as exporter:
        for image in images:
            exporter.add_image(image)
        if labels is not None:
            exporter.add_labels(labels)
    return str(folder)


def _picture(image):
    return Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))


def _png(picture, kind='PNG', **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _folder(path, files):
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return str(path)


def _zip(path, files):
    with zipfile.ZipFile(str(path), 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


def _pngs(images):
    return {'{:02d}.png'.format(i): _png(_picture(image)) for i, image in enumerate(images)}


def test_tfrecords_written_by_tensorflow_are_read(tmp_path, session):
    (tmp_path / 'x').mkdir()
    images = _images(3, 4)
    with tf.python_io.TFRecordWriter(str(tmp_path / 'x' / 'other-name.tfrecords')) as writer:
        for image in images:
            writer.write(tf.train.Example(features=tf.train.Features(feature={
                'shape': tf.train.Feature(int64_list=tf.train.Int64List(value=image.shape)),
                'data': tf.train.Feature(bytes_list=tf.train.BytesList(value=[image.tobytes()]))})).SerializeToString())
    with load_dataset(tfrecord_dir='x', data_dir=str(tmp_path)) as dataset:
        assert isinstance(dataset, TFRecordDataset) and (dataset.name, dataset.shape) == ('x', [3, 4, 4])
        np.testing.assert_array_equal(np.stack([dataset.read(i) for i in range(3)]), images)


def test_static_parsers_agree(session):
    image = _images(1)[0]
    payload = serialize_image(image)
    np.testing.assert_array_equal(TFRecordDataset.parse_tfrecord_np(payload), image)
    np.testing.assert_array_equal(session.run(TFRecordDataset.parse_tfrecord_tf(tf.constant(payload))), image)


def test_smaller_resolution_is_chosen_from_the_files(tmp_path):
    path = _records(tmp_path / 'x', _images(2, 16))
    with TFRecordDataset(path, resolution=8) as dataset, TFRecordDataset(path) as full:
        assert (dataset.resolution, dataset.resolution_log2) == (8, 3)
        np.testing.assert_array_equal(dataset.read(1), full.read(1, lod=1))


def test_labels_of_tfrecords(tmp_path):
    labels = np.random.RandomState(0).rand(4, 3).astype(np.float32)
    path = _records(tmp_path / 'x', _images(4), labels)
    np.save(str(tmp_path / 'mine.npy'), labels[:, ::-1])
    np.save(str(tmp_path / 'x' / 'inside.npy'), -labels)
    for options, expected in (({}, labels[:, :0]), ({'max_label_size': 2}, labels[:, :2]),
                              ({'max_label_size': 'full'}, labels),
                              ({'max_label_size': 'full', 'label_file': str(tmp_path / 'mine.npy')}, labels[:, ::-1]),
                              ({'max_label_size': 'full', 'label_file': 'inside.npy'}, -labels)):
        with TFRecordDataset(path, **options) as dataset:
            np.testing.assert_array_equal(dataset.read_labels(range(4)), expected)


@pytest.mark.parametrize('content, text', [
    (b'text', 'not a label file'), (b'', 'not a label file'), (b'\x93NUMPY\x01\x00', 'not a label file'),
    (np.zeros([3, 2]), '3 rows for 2 images'), (np.zeros([2]), 'images, columns'),
    (np.array([['a'], ['b']]), 'of numbers'), (np.array([[None], [None]]), 'not a label file')])
def test_bad_label_files(tmp_path, content, text):
    path = _records(tmp_path / 'x', _images(2))
    with open(os.path.join(path, 'x-rxx.labels'), 'wb') as file:
        file.write(content) if isinstance(content, bytes) else np.save(file, content)
    with TFRecordDataset(path) as dataset:
        assert dataset.label_size == 0
    with pytest.raises(UserError, match='x-rxx.labels.*' + text):
        TFRecordDataset(path, max_label_size='full')


def test_missing_label_file(tmp_path):
    with pytest.raises(UserError, match='nope.npy: no such label file'):
        TFRecordDataset(_records(tmp_path / 'x', _images(2)), label_file='nope.npy')


@pytest.mark.parametrize('resolution, text', [
    (32, 'no file of 32x32 px images, only 4x4, 8x8, 16x16;'), (12, '12x12 px'), ('8', "'8'")])
def test_wrong_resolution_of_tfrecords(tmp_path, resolution, text):
    with pytest.raises(UserError, match=text):
        TFRecordDataset(_records(tmp_path / 'x', _images(2, 16)), resolution=resolution)


def test_missing_levels_are_computed_to_the_same_bytes(tmp_path, capsys):
    images = _images(2, 16)
    path = _records(tmp_path / 'x', images)
    with TFRecordDataset(path) as dataset:
        levels = [dataset.read(1, lod) for lod in range(3)]
    assert capsys.readouterr().out == ''
    os.remove(os.path.join(path, 'x-r03.tfrecords'))
    load_dataset(tfrecord_dir=path, verbose=True).close()
    assert 'no files of 8x8 px images; computed where needed' in capsys.readouterr().out
    os.remove(os.path.join(path, 'x-r02.tfrecords'))
    with TFRecordDataset(path) as dataset:
        assert 'no files of 8x8, 4x4 px' in dataset.remarks[0] and capsys.readouterr().out == ''
        for lod in range(3):
            np.testing.assert_array_equal(dataset.read(1, lod), levels[lod])


def test_two_files_of_one_level_are_refused(tmp_path):
    path = _records(tmp_path / 'x', _images(2, 8))
    with open(os.path.join(path, 'y-r03.tfrecords'), 'wb') as file:
        file.write(frame_record(serialize_image(_images(1, 8)[0])))
    for options in ({}, {'resolution': 4}):
        with pytest.raises(UserError, match='y-r03.tfrecords: images 8 px high as in x-r03.tfrecords; a folder'):
            TFRecordDataset(path, **options)


def test_levels_of_two_datasets_are_not_mixed(tmp_path):
    path = _records(tmp_path / 'x', _images(2, 8))
    os.rename(os.path.join(path, 'x-r02.tfrecords'), os.path.join(path, 'y-r02.tfrecords'))
    with pytest.raises(UserError, match='x: files of x and y in one folder; move those of one away'):
        TFRecordDataset(path)
    assert [(finding.kind, finding.detail) for finding in check(path).findings] == [
        ('levels', 'files of x and y in one folder')]


def test_levels_of_different_length_and_channels(tmp_path):
    path = _records(tmp_path / 'x', _images(3, 8))
    with open(os.path.join(path, 'x-r02.tfrecords'), 'wb') as file:
        file.write(frame_record(serialize_image(_images(1, 4)[0])))
    with TFRecordDataset(path) as dataset:
        with pytest.raises(UserError, match='x-r02.tfrecords: only 1 of 3 images'):
            dataset.read(2, lod=1)
    with open(os.path.join(path, 'x-r02.tfrecords'), 'wb') as file:
        file.write(frame_record(serialize_image(_images(1, 4, 1)[0])))
    with pytest.raises(UserError, match='1 channels at 4x4 px but 3 at 8x8 px'):
        TFRecordDataset(path)


def test_record_of_another_shape(tmp_path):
    path = _records(tmp_path / 'x', _images(2, 4))
    with open(os.path.join(path, 'x-r02.tfrecords'), 'ab') as file:
        file.write(frame_record(serialize_image(_images(1, 8)[0])))
    with TFRecordDataset(path) as dataset, pytest.raises(UserError, match=r'record 2 has shape \[3, 8, 8\]'):
        dataset.read(2)


@pytest.mark.parametrize('change, text', [
    (lambda data: data[:-3], 'x-r02.tfrecords: record 2 is truncated'),
    (lambda data: data[:140] + b'?' + data[141:], 'x-r02.tfrecords: record 1: checksum mismatch'),
    (lambda data: b'some text', 'x-r02.tfrecords: not a TFRecord file')])
def test_damaged_tfrecords(tmp_path, change, text):
    path = _records(tmp_path / 'x', _images(3, 4))
    name = os.path.join(path, 'x-r02.tfrecords')
    with open(name, 'rb') as file:
        data = file.read()
    with open(name, 'wb') as file:
        file.write(change(data))
    with pytest.raises(UserError, match=text), TFRecordDataset(path) as dataset:
        dataset.get_minibatch_np(3)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('make', [_folder, _zip])
def test_images_are_read_in_sorted_order(tmp_path, make, channels):
    images = _images(4, 8, channels)
    files = dict(_pngs(images), **{'.DS_Store': b'x', '__MACOSX/._00.png': b'x', 'notes.txt': b'x'})
    path = make(tmp_path / 'pictures.zip', files)
    with load_dataset(tfrecord_dir=path) as dataset:
        assert isinstance(dataset, ImageDataset) and dataset.name == 'pictures'
        assert (dataset.num_images, dataset.shape, dataset.not_taken) == (4, [channels, 8, 8], [
            ('.DS_Store', 'hidden'), ('__MACOSX/', 'hidden'), ('notes.txt', '.txt: not a picture')])
        np.testing.assert_array_equal(np.stack([dataset.read(i) for i in range(4)]), images)
        exact = images[2].reshape(channels, 4, 2, 4, 2).mean(axis=(2, 4))
        np.testing.assert_array_equal(dataset.read(2, lod=1), np.rint(exact))


def test_images_are_decoded_once(tmp_path):
    path = _folder(tmp_path / 'x', _pngs(_images(2)))
    with ImageDataset(path) as dataset:
        first = dataset.read(0)
        os.remove(os.path.join(path, '00.png'))
        np.testing.assert_array_equal(dataset.read(0), first)


def test_sub_folders_are_classes(tmp_path):
    images = _images(4)
    files = {name: _png(_picture(image))
             for name, image in zip(('all/cat/1.png', 'all/cat/2.png', 'all/dog/1.png', 'all/ant/x/1.png'), images)}
    with load_dataset(tfrecord_dir=_zip(tmp_path / 'x.zip', files), max_label_size='full') as dataset:
        assert dataset.label_names == ['ant', 'cat', 'dog']
        assert dataset.read_labels(range(4)).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
        np.testing.assert_array_equal(dataset.read(0), images[3])


@pytest.mark.parametrize('labels, expected', [
    ([2, 0, 1], np.eye(3)[[2, 0, 1]]), ([[0.5, 1], [0, 0], [-1, 3]], [[0.5, 1], [0, 0], [-1, 3]]),
    ([2.0, 0, 1.0], np.eye(3)[[2, 0, 1]]), (['b', 'c', 'a'], np.eye(3)[[1, 2, 0]]), (None, np.zeros([3, 0]))])
@pytest.mark.parametrize('make', [_folder, _zip])
def test_labels_from_json(tmp_path, make, labels, expected):
    files = _pngs(_images(3))
    content = labels and [[name, label] for name, label in zip(sorted(files), labels)]
    files['dataset.json'] = json.dumps({'labels': content}).encode()
    with ImageDataset(make(tmp_path / 'x.zip', files), max_label_size='any') as dataset:
        np.testing.assert_array_equal(dataset.read_labels(range(3)), np.float32(expected))


@pytest.mark.parametrize('content, text', [
    ('{', ', line 1, column 2: the end of the file is missing'), ('[]', ': expected {"labels"'),
    ('{"labels":\n [["00.png", 1],]}', ', line 2, column 16: a comma before ]'),
    ('{"labels": [["00.png", 01]]}', ', line 1, column 25: not JSON from "1]]}" on'),
    ('{"labels": [["00.png", 1], ["01.png"]]}', ': entry 2 of the labels is ["01.png"]; expected ["name", label]'),
    ('{"labels": [["00.png", 1], ["00.png", 2]]}', ': 00.png has the labels 1 and 2; remove one'),
    ('{"labels": [["00.png", 1], ["00.jpg", 1]]}',
     ': 1 of 2 images have no label, 01.png is the first (the file has names such as 00.png)'),
    ('{"labels": [["00.png", 1], ["01.png", [1]]]}', ': the label of 01.png is [1] and that of 00.png 1; labels'),
    ('{"labels": [["00.png", [1, 2]], ["01.png", [1]]]}', ': the label of 01.png is [1] and that of 00.png [1, 2]'),
    ('{"labels": [["00.png", "a"], ["01.png", true]]}', ': the label of 01.png is true; labels must be all class'),
    ('{"labels": [["00.png", 1.5], ["01.png", 1]]}', ': the label of 00.png is 1.5; labels must be all class')])
def test_bad_json(tmp_path, content, text):
    path = _folder(tmp_path / 'x', dict(_pngs(_images(2)), **{'dataset.json': content.encode()}))
    with pytest.raises(UserError) as error:
        ImageDataset(path, max_label_size='full')
    assert 'dataset.json' + text in str(error.value)
    ImageDataset(path).close()  # no obstacle to a training without labels


def test_resolution_crops_scales_and_converts(tmp_path):
    stripes = np.zeros([12, 24, 3], np.uint8)
    stripes[:, 6:18] = [255, 0, 0]  # only the center is red
    rgba = np.zeros([9, 9, 4], np.uint8)
    rgba[:, :, 3] = 0
    palette = Image.fromarray(np.full([8, 8, 3], [0, 0, 255], np.uint8)).convert('P', palette=Image.ADAPTIVE, colors=4)
    files = {'0.png': _png(Image.fromarray(stripes)), '1.png': _png(Image.fromarray(rgba)), '2.png': _png(palette),
             '3.png': _png(Image.fromarray(np.full([16, 16], 100, np.uint8))),
             '4.jpg': _png(Image.fromarray(np.full([16, 20, 4], 0, np.uint8), 'CMYK'), 'JPEG'),
             '5.png': _png(Image.fromarray(np.full([8, 8], 255, np.uint8)).convert('1'))}
    with ImageDataset(_folder(tmp_path / 'x', files), resolution=8) as dataset:
        assert dataset.shape == [3, 8, 8] and not dataset.remarks
        colors = [dataset.read(i).reshape(3, -1) for i in range(6)]
    assert np.abs(colors[0].mean(axis=1) - [255, 0, 0]).max() < 1
    assert (colors[1] == 255).all()
    assert colors[2].mean(axis=1).tolist() == [0, 0, 255]
    assert (colors[3] == 100).all() and (colors[4] == 255).all() and (colors[5] == 255).all()


def test_resolution_keeps_grey_images_grey(tmp_path):
    files = {'0.png': _png(Image.fromarray(np.full([9, 7], 3, np.uint8))),
             '1.png': _png(Image.fromarray(np.full([8, 8, 2], [0, 0], np.uint8), 'LA'))}
    with ImageDataset(_folder(tmp_path / 'x', files), resolution=4) as dataset:
        assert dataset.shape == [1, 4, 4] and not dataset.remarks
        assert (dataset.read(0) == 3).all() and (dataset.read(1) == 255).all()
    with ImageDataset(str(tmp_path / 'x'), resolution=8) as dataset:
        assert dataset.remarks == ['Enlarged to 8x8: 1 of 2 pictures, which are smaller, such as 7x9']


def test_pictures_are_turned_upright(tmp_path):
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    with ImageDataset(_folder(tmp_path / 'x', {'0.png': _png(picture, exif=exif)})) as dataset:
        np.testing.assert_array_equal(dataset.read(0)[0], np.rot90(np.asarray(picture), -1))


@pytest.mark.parametrize('files, text', [
    ({'a.png': b'this is a text file'}, 'a.png: unreadable image'),
    ({'a.png': b''}, 'a.png: unreadable image'),
    ({'a.txt': b'x'}, 'no images among 1 files'),
    ({}, 'no images among 0 files'),
    ({'a.png': _png(Image.new('RGB', (9, 18)))},
     'a.png: no network has images 18 pixels high and 9 wide; .* nearest sizes .height x width. are 18x10, '),
    ({'a.png': _png(Image.new('LA', (8, 8)))}, 'a.png: color mode LA instead of L, RGB or RGBA'),
    ({'a.png': _png(Image.new('I;16', (8, 8)))}, 'a.png: color mode I'),
    ({'a.png': _png(Image.new('RGB', (8, 8))), 'b.png': _png(Image.new('RGB', (16, 16))),
      'c.png': _png(Image.new('L', (8, 8)))}, '2 of 3 images differ from the first, a.png .8x8 RGB.; b.png is 16x16')])
@pytest.mark.parametrize('make', [_folder, _zip])
def test_unsuitable_images(tmp_path, make, files, text):
    (tmp_path / 'x').mkdir()
    with pytest.raises(UserError, match=text):
        ImageDataset(make(tmp_path / 'x' / 'x', files))


def test_sixteen_bits_are_refused_even_with_a_resolution(tmp_path):
    with pytest.raises(UserError, match='a.png: color mode I.*8 bits'):
        ImageDataset(_folder(tmp_path / 'x', {'a.png': _png(Image.new('I;16', (8, 8)))}), resolution=8)


@pytest.mark.parametrize('make', [_folder, _zip])
def test_cut_off_image_is_named_when_read(tmp_path, make):
    files = _pngs(_images(3, 32))
    files['01.png'] = files['01.png'][:1000]
    with ImageDataset(make(tmp_path / 'x.zip', files), shuffle_mb=0) as dataset:
        dataset.read(2)
        with pytest.raises(UserError, match='01.png: unreadable image'):
            dataset.get_minibatch_np(3)


def test_few_images_are_decoded_before_the_training(tmp_path, monkeypatch, capsys):
    files = _pngs(_images(3, 32))
    path = _folder(tmp_path / 'x', files)
    with ImageDataset(path) as dataset:
        dataset.preload()
        assert 'Decoding 3 images' in capsys.readouterr().out
        os.remove(os.path.join(path, '01.png'))
        dataset.read(1)
    files['01.png'] = files['01.png'][:1000]
    with ImageDataset(_folder(tmp_path / 'x', files)) as dataset:
        with pytest.raises(UserError, match='01.png: unreadable image'):
            dataset.preload()
        monkeypatch.setattr('training.dataset.PRELOAD_IMAGES', 2)
        dataset.preload()


@pytest.mark.parametrize('make', [_folder, _zip])
def test_messages_name_no_file_objects(tmp_path, make):
    files = dict(_pngs(_images(1)), **{'01.png': b'no picture'})
    with pytest.raises(UserError, match='01.png: unreadable image') as error:
        ImageDataset(make(tmp_path / 'x.zip', files))
    assert '<' not in str(error.value)
    with pytest.raises(UserError, match='x.png: unreadable image [(]it is text[)]; replace or remove it'):
        open_image(b'no picture', 'x.png')


def test_damaged_zips(tmp_path):
    path = tmp_path / 'x.zip'
    path.write_bytes(b'no zip')
    with pytest.raises(UserError, match='x.zip: not a zip file'):
        load_dataset(tfrecord_dir=str(path))
    files = _pngs(_images(1, 32))
    data = bytearray(open(_zip(path, files), 'rb').read())
    data[1500] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match='00.png: unreadable image'), load_dataset(tfrecord_dir=str(path)) as dataset:
        dataset.read(0)


@pytest.mark.parametrize('resolution, text', [
    (18, 'no network has images of 18x18 pixels: .* 16x16'), (2, 'are 4x4'), ('8', "not '8'")])
def test_wrong_resolution_of_images(tmp_path, resolution, text):
    with pytest.raises(UserError, match=text):
        ImageDataset(_folder(tmp_path / 'x', _pngs(_images(1))), resolution=resolution)


def test_cats_are_built_in_unless_there_is_such_a_folder(tmp_path):
    with load_dataset(tfrecord_dir='cats', data_dir=str(tmp_path), resolution=16) as dataset:
        assert isinstance(dataset, CatsDataset)
    _records(tmp_path / 'cats', _images(2))
    with load_dataset(tfrecord_dir='cats', data_dir=str(tmp_path)) as dataset:
        assert isinstance(dataset, TFRecordDataset)
    with load_dataset(tfrecord_dir='cats', resolution=16) as dataset:
        assert isinstance(dataset, CatsDataset)


def test_class_by_name(tmp_path):
    _records(tmp_path / 'x', _images(2))
    name = 'training.dataset.TFRecordDataset'
    with load_dataset(class_name=name, data_dir=str(tmp_path), tfrecord_dir='x') as dataset:
        assert dataset.num_images == 2


def test_verbose_prints_the_published_lines(capsys):
    load_dataset(tfrecord_dir='cats', resolution=8, max_label_size=3, verbose=True).close()
    assert capsys.readouterr().out.splitlines()[1:] == [
        'Dataset shape = [3, 8, 8]', 'Dynamic range = [0, 255]', 'Label size    = 3']


@pytest.mark.parametrize('name, text', [('nope', 'nope: no such dataset'), (None, 'no dataset given')])
def test_missing_data_set(tmp_path, name, text):
    with pytest.raises(UserError, match=text):
        load_dataset(tfrecord_dir=name, data_dir=str(tmp_path))


def test_options_of_another_kind_of_data_set_are_refused(tmp_path):
    path = _folder(tmp_path / 'x', _pngs(_images(1)))
    with pytest.raises(UserError, match='unknown to ImageDataset: held_out'):
        load_dataset(tfrecord_dir=path, held_out=True)
    with pytest.raises(UserError, match='unknown to CatsDataset: color, label_file'):
        load_dataset(tfrecord_dir='cats', label_file='x', color=3)


def test_skipping_damaged_records(tmp_path):
    images = _images(6, 4)
    path = _records(tmp_path / 'x', images, np.eye(6))
    name = os.path.join(path, 'x-r02.tfrecords')
    with open(name, 'rb') as file:
        data = bytearray(file.read())
    size = len(data) // 6
    data[0 * size + 50] ^= 1  # payload of record 0
    data[2 * size + 3] ^= 1  # header of record 2
    for cut, expected in ((len(data), [1, 1, 3, 3, 4, 5]), (len(data) - 7, [1, 1, 3, 3, 4])):
        with open(name, 'wb') as file:
            file.write(data[:cut])
        with TFRecordDataset(path, bad='skip', shuffle_mb=0, max_label_size='full') as dataset:
            got, labels = dataset.get_minibatch_np(dataset.num_images)
            np.testing.assert_array_equal(got, images[expected])
            np.testing.assert_array_equal(labels, np.eye(6)[expected])
            assert dataset.bad_images == {0, 2}
            assert any('record 5 is truncated' in line for line in dataset.remarks) == (cut < len(data))
        with pytest.raises(UserError, match='record 0'):
            TFRecordDataset(path)


def test_a_file_cut_between_two_records_is_told_by_the_other_levels(tmp_path):
    path = _records(tmp_path / 'x', _images(4, 8), np.eye(4))
    name = os.path.join(path, 'x-r03.tfrecords')
    os.truncate(name, os.path.getsize(name) // 4 * 3)
    with pytest.raises(UserError, match='x-r03.tfrecords: only 3 images, but x-r02.tfrecords has 4'):
        TFRecordDataset(path)
    with TFRecordDataset(path, bad='skip', max_label_size='full') as dataset:
        assert dataset.num_images == 3 and dataset.read_labels([2]).tolist() == [[0, 0, 1, 0]]
        assert 'the missing images are skipped' in dataset.remarks[0]


@pytest.mark.parametrize('make', [_folder, _zip])
def test_skipping_damaged_pictures(tmp_path, make):
    images = _images(6, 32)
    files = _pngs(images)
    files['00.png'] = b'no image'
    files['02.png'] = files['02.png'][:1000]
    files['05.png'] = _png(Image.new('I;16', (32, 32)))
    path = make(tmp_path / 'x.zip', files)
    with pytest.raises(UserError, match='00.png'):
        ImageDataset(path)
    for options in ({}, {'resolution': 32}):
        with ImageDataset(path, bad='skip', shuffle_mb=0, **options) as dataset:
            dataset.preload()
            assert dataset.bad_images == {0, 2, 5}
            np.testing.assert_array_equal(dataset.get_minibatch_np(6)[0], images[[1, 1, 3, 3, 4, 1]])


@pytest.mark.parametrize('position', [20, 45, 60, 300, 600, -3])
def test_every_changed_byte_of_a_png_is_noticed(position):
    data = bytearray(_png(_picture(_images(1, 16)[0])))
    open_image(bytes(data), 'x.png')
    data[position] ^= 1
    with pytest.raises(UserError, match='x.png: unreadable image'):
        open_image(bytes(data), 'x.png')


def test_over_100_megapixels_are_refused():
    for width in (10001, 20000):
        with pytest.raises(UserError, match='x.png: unreadable image .over 100 megapixels'):
            open_image(_png(Image.new('1', (width, 10000))), 'x.png')


def test_labels_that_would_need_all_memory_are_refused(tmp_path):
    for number, text in enumerate(('{"labels": [["00.png", 1000000000000]]}', '{"labels": [["00.png", [NaN]]]}',
                                   '{"labels": [["00.png", [1e999]]]}', '[' * 100000)):
        files = dict(_pngs(_images(1)), **{'dataset.json': text.encode()})
        with pytest.raises(UserError, match='dataset.json'):
            ImageDataset(_folder(tmp_path / str(number), files), max_label_size='full')
