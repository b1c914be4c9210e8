"""dataset_tool.py from the outside: each command, and one line for bad input."""

import os

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError, cli
from training.data.cats import CatsDataset
from training.dataset import TFRecordDataset


def _run(*args):
    return dataset_tool.main([str(arg) for arg in args])


def _pictures(folder, count, size=8):
    folder.mkdir(parents=True)
    images = np.random.RandomState(0).randint(256, size=[count, size, size, 3]).astype(np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(image).save(str(folder / '{:03d}.png'.format(i)))
    return images.transpose(0, 3, 1, 2)


def test_create_from_images_in_the_published_order(tmp_path):
    images = _pictures(tmp_path / 'in', 12)
    order = np.arange(12)
    np.random.RandomState(123).shuffle(order)
    for options, expected in (([], order), (['--shuffle=1'], order), (['--shuffle', '0'], np.arange(12))):
        name = 'out{}'.format(len(os.listdir(str(tmp_path))))
        _run('create_from_images', tmp_path / name, tmp_path / 'in', *options)
        with TFRecordDataset(str(tmp_path / name)) as dataset:
            np.testing.assert_array_equal(np.stack([dataset.read(i) for i in range(12)]), images[expected])


def test_create_from_images_writes_classes_in_the_same_order(tmp_path):
    for name in ('a', 'b'):
        _pictures(tmp_path / 'in' / name, 3)
    Image.new('RGB', (8, 8)).save(str(tmp_path / 'in' / 'b' / '003.png'))
    _run('create_from_images', tmp_path / 'out', tmp_path / 'in')
    order = np.arange(7)
    np.random.RandomState(123).shuffle(order)
    with TFRecordDataset(str(tmp_path / 'out'), max_label_size='full') as dataset:
        assert dataset.read_labels(range(7)).tolist() == [[1, 0] if i < 3 else [0, 1] for i in order]


def test_names_of_classes_are_kept_beside_the_records(tmp_path):
    for name in ('bird', 'ant'):
        _pictures(tmp_path / 'pictures' / name, 2)
    _run('create_from_images', str(tmp_path / 'records'), str(tmp_path / 'pictures'))
    with TFRecordDataset(str(tmp_path / 'records'), max_label_size='full') as dataset:
        assert dataset.label_names == ['ant', 'bird']
    with TFRecordDataset(str(tmp_path / 'records')) as dataset:
        assert dataset.label_names is None and dataset.label_size == 0


def test_create_from_images_with_resolution(tmp_path):
    _pictures(tmp_path / 'in', 2, size=11)
    _run('create_from_images', tmp_path / 'out', tmp_path / 'in', '--resolution=8')
    assert sorted(os.listdir(str(tmp_path / 'out'))) == ['out-r02.tfrecords', 'out-r03.tfrecords']


def test_create_cats(tmp_path):
    _run('create_cats', tmp_path / 'out', '--resolution=16', '--max_images=5', '--held_out')
    with TFRecordDataset(str(tmp_path / 'out'), max_label_size='full') as written, \
            CatsDataset(16, held_out=True, max_label_size='full') as cats:
        assert written.num_images == 5
        for i in range(5):
            np.testing.assert_array_equal(written.read(i), cats.read(i))
        np.testing.assert_array_equal(written.read_labels(range(5)), cats.read_labels(range(5)))


def test_create_cats_pairs(tmp_path, capsys):
    _run('create_cats_pairs', tmp_path / 'out', '--pair=gray', '--resolution=8', '--train=2', '--test=1',
         '--layout=folders')
    assert 'Wrote 6 pictures to ' in capsys.readouterr().out
    assert sorted(os.listdir(str(tmp_path / 'out'))) == ['cats.json', 'testA', 'testB', 'trainA', 'trainB']


def test_extract_writes_what_was_put_in(tmp_path, capsys):
    images = _pictures(tmp_path / 'in', 3)
    _run('create_from_images', tmp_path / 'records', tmp_path / 'in', '--shuffle=0')
    _run('extract', tmp_path / 'records', tmp_path / 'out' / 'deep')
    assert sorted(os.listdir(str(tmp_path / 'out' / 'deep'))) == ['img{:08d}.png'.format(i) for i in range(3)]
    extracted = np.asarray(Image.open(str(tmp_path / 'out' / 'deep' / 'img00000002.png')))
    np.testing.assert_array_equal(extracted.transpose(2, 0, 1), images[2])
    capsys.readouterr()
    _run('compare', tmp_path / 'records', tmp_path / 'out' / 'deep')
    assert capsys.readouterr().out.splitlines()[-2:] == ['Identical images: 3 / 3', 'Identical labels: 3 / 3']


def test_compare_counts_and_describes_differences(tmp_path, capsys):
    for name, count in (('a', 4), ('b', 3)):
        _pictures(tmp_path / name, count)
    changed = np.asarray(Image.open(str(tmp_path / 'b' / '001.png'))).copy()
    changed[3, 4, 0] ^= 8
    Image.fromarray(changed).save(str(tmp_path / 'b' / '001.png'))
    _run('compare', tmp_path / 'a', tmp_path / 'b', '--ignore_labels=1')
    assert capsys.readouterr().out.splitlines() == [
        'Different number of images: 4 and 3', 'Image 1 differs: 1 of 192 values, by at most 8',
        'Identical images: 2 / 4']


def test_compare_other_shapes_and_labels(tmp_path, capsys):
    _pictures(tmp_path / 'a', 2)
    _run('create_cats', tmp_path / 'cats', '--resolution=16', '--max_images=2')
    capsys.readouterr()
    _run('compare', tmp_path / 'a', tmp_path / 'cats')
    assert capsys.readouterr().out.splitlines() == [
        'Different image shapes: [3, 8, 8] and [3, 16, 16]', 'Different label sizes: 0 and 66',
        'Identical images: 0 / 2', 'Identical labels: 0 / 2']


def test_display_writes_a_contact_sheet(tmp_path):
    images = _pictures(tmp_path / 'in', 5)
    _run('display', tmp_path / 'in', '--output', tmp_path / 'sheet.png', '--num_images=4')
    sheet = np.asarray(Image.open(str(tmp_path / 'sheet.png'))).transpose(2, 0, 1)
    assert sheet.shape == (3, 16, 16)
    np.testing.assert_array_equal(sheet[:, 8:, :8], images[2])


def test_the_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        cli.run_main(dataset_tool.main, ['--help'])
    out = capsys.readouterr().out
    assert all(name in out for name in ('create_from_images', 'create_cats', 'display', 'extract', 'compare'))


def test_a_bad_image_leaves_no_data_set(tmp_path):
    _pictures(tmp_path / 'in', 5, size=32)
    with open(str(tmp_path / 'in' / '003.png'), 'r+b') as file:
        file.truncate(500)
    with pytest.raises(UserError, match='003.png: unreadable image'):
        _run('create_from_images', tmp_path / 'out', tmp_path / 'in')
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('args, text', [
    (['display', 'nope'], 'nope: no such dataset'),
    (['create_from_images', 'out', 'nope'], 'nope: no such file or folder'),
    (['create_cats', 'out', '--resolution=50'], 'the nearest sizes are 48x48'),
    (['create_from_images', 'out', 'file', '--resolution=8x'], "such as 160x128, got '8x'"),
    (['create_cats', 'out', '--resolution=256'], 'at most 128'),
    (['create_cats', 'out', '--max_images=-3'], "got '-3'"),
    (['create_cats', 'file/out'], 'is not a folder'),
    (['create_cats_pairs', '.'], 'expected the name of a new folder'),
    (['create_cats_pairs', 'out', '--test=99999'], 'are too many: there are 7168 such cats of side A'),
    (['create_from_images', 'out', 'file', '--shuffle=2'], 'invalid choice'),
    (['create_from_images', 'out', 'file'], 'file: not a zip file'),
    (['frobnicate'], 'invalid choice'), ([], 'expected a command: create_')])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, args, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').write_text('text')
    with pytest.raises(SystemExit) as exit_info:
        cli.run_main(dataset_tool.main, args)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and text in error
    assert os.listdir(str(tmp_path)) == ['file']
