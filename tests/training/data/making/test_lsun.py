"""LSUN: from small LMDB databases to TFRecords; what has no database needs no package lmdb."""

import csv
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError, cli
from training.data.making import export as dataset_export
from training.data.making import lsun as dataset_lsun
from training.data.making.pictures import Skipped
from training.dataset import TFRecordDataset

try:
    import lmdb
except ImportError:
    lmdb = None
needs_lmdb = pytest.mark.skipif(lmdb is None, reason='the package lmdb is not installed')


def _run(*args):
    return dataset_tool.main([str(arg) for arg in args])


def _pixels(seed, width, height):
    """Smooth colors with some noise, uint8 [H, W, 3]."""
    rnd = np.random.RandomState(seed)
    small = Image.fromarray(rnd.randint(256, size=[4, 4, 3]).astype(np.uint8)).resize((width, height), Image.BILINEAR)
    return np.asarray(small) // 2 + rnd.randint(100, size=[height, width, 3]).astype(np.uint8)


def _file(pixels, kind='PNG'):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def _database(folder, values):
    with lmdb.open(str(folder), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for key in sorted(values, reverse=True):
            txn.put(key, values[key])


def _images(folder):
    with TFRecordDataset(str(folder)) as dataset:
        return [dataset.read(i) for i in range(dataset.num_images)]


def _square(pixels, side):
    """What the published tool makes of a picture, uint8 [3, side, side]."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    cut = pixels[(height - short) // 2:(height + short) // 2, (width - short) // 2:(width + short) // 2]
    return np.asarray(Image.fromarray(cut).resize((side, side), Image.LANCZOS)).transpose(2, 0, 1)


def _wide(pixels, width, height):
    """What the published tool makes of a picture between bars, uint8 [3, width, width]."""
    rows = int(np.round(width * pixels.shape[0] / pixels.shape[1]))
    cut = pixels[(pixels.shape[0] - rows) // 2:(pixels.shape[0] + rows) // 2]
    square = np.zeros([width, width, 3], np.uint8)
    square[(width - height) // 2:(width + height) // 2] = np.asarray(
        Image.fromarray(cut).resize((width, height), Image.LANCZOS))
    return square.transpose(2, 0, 1)


@needs_lmdb
def test_lsun_in_the_order_of_the_keys_without_bad_images(tmp_path, capsys):
    pictures = [_pixels(i, width, height) for i, (width, height) in enumerate(
        [(40, 30), (33, 48), (16, 16), (31, 32), (60, 17), (20, 20)])]
    values = {b'%02d' % (2 * i): _file(picture) for i, picture in enumerate(pictures)}
    values.update({b'01': b'no image', b'03': values[b'00'][:-20], b'99': b''})
    _database(tmp_path / 'in', values)
    for name, options in (('x', ['--workers=1']), ('y', ['--workers=3']), ('z', ['--workers=3', '--max_images=4'])):
        _run('create_lsun', tmp_path / name, tmp_path / 'in', '--resolution=16', *options)
        bad = [b'01', b'03'] + [b'99'] * (name != 'z')
        out = capsys.readouterr().out
        images, expected = _images(tmp_path / name), [_square(picture, 16) for picture in pictures]
        assert len(images) == (4 if name == 'z' else 6)
        for image, picture in zip(images, expected):
            np.testing.assert_array_equal(image, picture)
        told = [line for line in out.splitlines() if 'unreadable image (' in line]
        assert len(told) == len(bad)
        with open(str(tmp_path / name / 'skipped.csv'), newline='') as file:
            rows = list(csv.DictReader(file))
        assert [row['file'].encode() for row in rows] == bad
        for key, line in zip(bad, told):
            assert 'in {}: unreadable image'.format(key.decode()) in line


@needs_lmdb
def test_lsun_converts_other_colors_and_formats(tmp_path):
    gray = _pixels(0, 16, 16)[:, :, 0]
    clear = np.dstack([_pixels(1, 16, 16), np.full([16, 16], 255, np.uint8)])
    clear[:8] = 0
    jpeg = _file(_pixels(2, 16, 16), 'JPEG')
    _database(tmp_path / 'in', {b'a': _file(gray), b'b': _file(clear), b'c': jpeg, b'\xff': _file(np.uint16(gray))})
    _run('create_lsun', tmp_path / 'x', tmp_path / 'in', '--resolution=16')
    images = _images(tmp_path / 'x')
    assert len(images) == 3 and 'color mode I' in (tmp_path / 'x' / 'skipped.csv').read_text()
    assert '\\xff' in (tmp_path / 'x' / 'skipped.csv').read_text()
    np.testing.assert_array_equal(images[0], [gray] * 3)
    assert (images[1][:, :8] == 255).all()
    np.testing.assert_array_equal(images[1][:, 8:], clear[8:, :, :3].transpose(2, 0, 1))
    np.testing.assert_array_equal(images[2], np.asarray(Image.open(io.BytesIO(jpeg))).transpose(2, 0, 1))


@needs_lmdb
def test_lsun_wide_leaves_out_what_is_too_small(tmp_path, capsys):
    sizes = [(32, 24), (31, 31), (48, 36), (40, 25), (64, 64)]
    pictures = [_pixels(i, *size) for i, size in enumerate(sizes)]
    _database(tmp_path / 'in', {b'%d' % i: _file(picture) for i, picture in enumerate(pictures)})
    _run('create_lsun_wide', tmp_path / 'x', tmp_path / 'in', '--width=32', '--height=24', '--max_images=2')
    _run('create_lsun_wide', tmp_path / 'y', tmp_path / 'in', '--width=32', '--height=24')
    out = capsys.readouterr().out
    assert '  2  too small or too narrow for 32x24\n' in out and '31x31' not in out  # it is counted and listed
    assert 'too small or too narrow for 32x24 (31x31 pixels)' in (tmp_path / 'y' / 'skipped.csv').read_text()
    images = _images(tmp_path / 'y')
    assert len(images) == 3 and len(_images(tmp_path / 'x')) == 2
    for image, number in zip(images, (0, 2, 4)):
        np.testing.assert_array_equal(image, _wide(pictures[number], 32, 24))


@pytest.mark.parametrize('size, width, height', [
    ((8, 5), 4, 2), ((8, 7), 4, 3), ((16, 9), 8, 3), ((21, 20), 16, 15), ((16, 40), 16, 16), ((100, 77), 64, 48)])
def test_wide_image(size, width, height):  # 4 * 5 / 8 and 4 * 7 / 8 are rounded to the even number
    pixels = _pixels(0, *size)
    got = np.asarray(dataset_lsun.wide_image(Image.fromarray(pixels), width, height)).transpose(2, 0, 1)
    np.testing.assert_array_equal(got, _wide(pixels, width, height))


@pytest.mark.parametrize('size, width, height', [((15, 15), 16, 8), ((32, 14), 16, 8), ((8, 5), 4, 3)])
def test_too_small_for_a_wide_image(size, width, height):
    with pytest.raises(Skipped, match='too small or too narrow for .*{}x{} pixels'.format(*size)):
        dataset_lsun.wide_image(Image.fromarray(_pixels(0, *size)), width, height)


@needs_lmdb
def test_images_are_read_in_any_order_and_nothing_is_written(tmp_path):
    pictures = [_pixels(i, 8, 8) for i in range(20)]
    _database(tmp_path / 'in', {b'%02d' % i: _file(picture) for i, picture in enumerate(pictures)})
    os.remove(str(tmp_path / 'in' / 'lock.mdb'))
    source = dataset_lsun.lsun(str(tmp_path / 'in'), 8)
    for number in list(np.random.RandomState(0).permutation(20)) + [19, 19, 0]:
        assert source.name_of(number) == '{:02d}'.format(number)
        np.testing.assert_array_equal(source.read(number), pictures[number].transpose(2, 0, 1))
    source.close()
    assert os.listdir(str(tmp_path / 'in')) == ['data.mdb']


@needs_lmdb
def test_an_interrupted_data_set_is_continued(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dataset_export, 'SAVE_SECONDS', 0)
    values = {b'%02d' % i: _file(_pixels(i, 8, 8)) if i % 4 else b'bad' for i in range(12)}
    _database(tmp_path / 'in', values)
    read = dataset_lsun.LmdbSource.read

    def fail(self, number):
        if number == 9:
            raise OSError('unplugged')
        return read(self, number)

    command = ['create_lsun', tmp_path / 'x', tmp_path / 'in', '--resolution=8', '--max_images=8']
    for last in ('--max_images=8', '--max_images=7'):
        command[-1] = last
        with monkeypatch.context() as broken, pytest.raises(OSError, match='unplugged'):
            broken.setattr(dataset_lsun.LmdbSource, 'read', fail)
            _run(*command)
        assert 'Resuming' not in capsys.readouterr().out  # other options begin anew
    _run(*command)
    assert 'Resuming an interrupted export at image 9 of 12' in capsys.readouterr().out
    _run('create_lsun', tmp_path / 'y' / 'x', *command[2:])
    files = {name: (tmp_path / 'x' / name).read_bytes() for name in os.listdir(str(tmp_path / 'x'))}
    assert files == {name: (tmp_path / 'y' / 'x' / name).read_bytes() for name in os.listdir(str(tmp_path / 'y' / 'x'))}
    assert len(_images(tmp_path / 'x')) == 7


@needs_lmdb
def test_a_damaged_database_is_no_bad_image(tmp_path, capsys):
    _database(tmp_path / 'in', {b'%02d' % i: _file(_pixels(i, 8, 8)) for i in range(5)})
    source = dataset_lsun.lsun(str(tmp_path / 'in'), 8)
    source.num_items = 6  # as it would be with a wrong count in the file
    with pytest.raises(OSError, match='in: the database is damaged .it ends at entry 4'):
        dataset_export.export(source, str(tmp_path / 'x'), shuffle=False, skip_bad=True)
    assert not (tmp_path / 'x').exists()


@needs_lmdb
@pytest.mark.parametrize('make, text', [
    (lambda path: path.unlink(), 'data.mdb: no such file'),
    (lambda path: path.write_bytes(b''), 'not an LMDB database'),
    (lambda path: path.write_bytes(b'text' * 5000), 'not an LMDB database'),
    (lambda path: path.write_bytes(path.read_bytes()[:100]), 'not an LMDB database'),
    (lambda path: path.write_bytes(path.read_bytes()[:-4096]), 'the file is truncated'),
    (None, 'the database is empty'), ([b'x', b'y'], 'none of the 2 images can be used; the last: .*unreadable image')],
    ids=range(7))
def test_bad_databases(tmp_path, capsys, make, text):
    values = {b'a': _file(_pixels(0, 64, 64))} if callable(make) else dict.fromkeys(make or [], b'text')
    _database(tmp_path / 'in', values)
    if callable(make):
        make(tmp_path / 'in' / 'data.mdb')
    for command in ('create_lsun', 'create_lsun_wide'):
        with pytest.raises(UserError, match=text):
            _run(command, tmp_path / 'x', tmp_path / 'in')
    assert os.listdir(str(tmp_path)) == ['in']


@pytest.mark.parametrize('args, text', [
    (['create_lsun', 'x', 'in'], 'LMDB databases need the package lmdb ('),
    (['create_lsun', 'x', 'in', '--resolution=50'], 'the nearest sizes are 48x48'),
    (['create_lsun', 'x', 'in', '--max_images=0'], "got '0'"),
    (['create_lsun_wide', 'x', 'in'], 'LMDB databases need the package lmdb ('),
    (['create_lsun_wide', 'x', 'in', '--width=500'], '--width=500 --height=384: expected a power of two'),
    (['create_lsun_wide', 'x', 'in', '--width=2', '--height=1'], 'expected a power of two of at least 4'),
    (['create_lsun_wide', 'x', 'in', '--width=256', '--height=257'], '--height=257: expected')])
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, args, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(SystemExit) as exit_info:
        cli.run_main(dataset_tool.main, args)
    error = capsys.readouterr().err
    assert exit_info.value.code == 2 and error.count('\n') == 1 and text in error
