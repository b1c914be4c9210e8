"""Creating datasets from pictures: fitting, filters, boxes, bad files, order, labels, and continuing."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError, cli
from training.data.images import convert, Fit, fit_image, Unreadable
from training.data.making import export
from training.data.making.boxes import read_boxes
from training.data.making.writer import TFRecordExporter
from training.dataset import TFRecordDataset


def _run(*args):
    return dataset_tool.main([str(arg) for arg in args])


def _noise(seed, width=16, height=16, channels=3):
    return np.random.RandomState(seed).randint(256, size=[height, width, channels]).astype(np.uint8)


def _pictures(folder, count, **options):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(_noise(i, **options)).save(str(folder / '{:03d}.png'.format(i)))


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _reasons(folder):
    with open(str(folder / 'skipped.csv'), newline='') as file:
        return {row['file']: row['reason'] for row in csv.DictReader(file)}


def test_fits():
    wide = np.zeros([8, 16, 3], np.uint8)
    wide[:, 4:12] = [200, 0, 0]
    picture = Image.fromarray(wide)
    crop = np.asarray(fit_image(picture, Fit(8)))
    np.testing.assert_array_equal(crop, wide[:, 4:12])  # original pixels
    pad = np.asarray(fit_image(picture, Fit(16, 'pad', background=(0, 0, 250))))
    np.testing.assert_array_equal(pad[4:12], wide)
    assert (pad[:4] == [0, 0, 250]).all() and (pad[12:] == [0, 0, 250]).all()
    stretched = np.asarray(fit_image(picture, Fit(8, 'stretch', resample='area')))
    np.testing.assert_array_equal(stretched[:, 2:6], wide[:, 4:8])
    assert not stretched[:, :2].any()
    assert np.asarray(fit_image(picture, Fit(8, 'stretch', resample='lanczos')))[:, 1].any()  # it rings
    see_through = fit_image(Image.new('RGBA', (8, 4), (10, 20, 30, 255)), Fit(8, 'pad', background=(1, 2, 3)))
    assert see_through.getpixel((0, 0)) == (1, 2, 3, 0) and see_through.getpixel((3, 4)) == (10, 20, 30, 255)
    assert fit_image(Image.new('L', (8, 4), 9), Fit(8, 'pad', background=(255, 255, 255))).getpixel((0, 0)) == 255


def test_area_is_the_mean_of_the_pixels():
    pixels = _noise(0, 16, 16)
    got = np.asarray(fit_image(Image.fromarray(pixels), Fit(4, resample='area')), np.float64)
    assert np.abs(got - pixels.reshape(4, 4, 4, 4, 3).mean(axis=(1, 3))).max() <= 1  # it rounds twice


@pytest.mark.parametrize('mode, channels, expected', [
    ('L', 3, (100, 100, 100)), ('LA', 1, 100), ('LA', 3, (100, 100, 100)), ('RGB', 1, 100),
    ('RGB', 4, (100,) * 3 + (255,)), ('P', 1, 100), ('P', 4, (100,) * 3 + (255,)), ('CMYK', 1, 100),
    ('CMYK', 4, (100,) * 3 + (255,)), ('1', 3, (0, 0, 0)), ('RGBA', 4, (100,) * 3 + (255,)),
    ('YCbCr', 3, (100, 100, 100))])
def test_channels(mode, channels, expected):
    image = Image.new('RGB' if mode in ('RGBA', 'LA') else 'L', (4, 4), (100,) * 3 if mode in ('RGBA', 'LA') else 100)
    image = image.convert('RGB').convert(mode, dither=Image.NONE) if mode == '1' else image.convert('RGB').convert(mode)
    got = convert(image, channels, (255, 255, 255)).getpixel((1, 1))
    assert np.abs(np.subtract(got, expected)).max() <= (2 if mode == 'P' else 1)  # the nearest of a palette
    if mode == 'RGBA':
        clear = Image.new('RGBA', (4, 4), (9, 9, 9, 0))
        assert convert(clear, 3, (255, 128, 0)).getpixel((0, 0)) == (255, 128, 0)


def test_options_of_the_command_line(tmp_path):
    folder = tmp_path / 'in'
    folder.mkdir()
    picture = np.zeros([10, 20, 4], np.uint8)
    picture[:, 10:] = [0, 255, 0, 255]
    Image.fromarray(picture).save(str(folder / 'a.png'))
    _run('create_from_images', tmp_path / 'x', folder, '--resolution=8', '--fit=stretch', '--background=#ff0000',
         '--resample=area', '--channels=3')
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        image = dataset.read(0)
    assert image[:, 0, 0].tolist() == [255, 0, 0] and image[:, 7, 7].tolist() == [0, 255, 0]
    for channels in (1, 4):
        name = tmp_path / 'x{}'.format(channels)
        _run('create_from_images', name, folder, '--resolution=8', '--channels={}'.format(channels))
        with TFRecordDataset(str(name)) as dataset:
            assert dataset.shape == [channels, 8, 8]


def test_filters_bad_files_order_and_labels(tmp_path):
    _pictures(tmp_path / 'in' / 'a', 5)
    _pictures(tmp_path / 'in' / 'b', 4)
    (tmp_path / 'in' / 'a' / '001.png').write_bytes(b'\x89PNG\r\n\x1a\n nothing')
    Image.fromarray(_noise(9, 7, 9)).save(str(tmp_path / 'in' / 'a' / '002.png'))
    Image.fromarray(_noise(9, 40, 16)).save(str(tmp_path / 'in' / 'b' / '003.png'))
    options = ['--resolution=16', '--min-size=8', '--aspect-range=0.5,2']
    with pytest.raises(UserError, match='001.png: unreadable image.*--bad=skip'):
        _run('create_from_images', tmp_path / 'x', tmp_path / 'in', *options)
    assert not (tmp_path / 'x').exists()
    for workers in (1, 3):
        out = tmp_path / 'x{}'.format(workers)
        _run('create_from_images', out, tmp_path / 'in', '--bad=skip', '--workers={}'.format(workers), *options)
        order = np.arange(9)
        np.random.RandomState(123).shuffle(order)
        kept = [i for i in order if i not in (1, 2, 8)]
        with TFRecordDataset(str(out), max_label_size='full') as dataset:
            assert dataset.num_images == 6 and dataset.label_names == ['a', 'b']
            for i, number in enumerate(kept):
                np.testing.assert_array_equal(dataset.read(i).transpose(1, 2, 0), _noise(number % 5))
            assert dataset.read_labels(range(6)).argmax(axis=1).tolist() == [int(i >= 5) for i in kept]
        reasons = _reasons(out)
        assert 'unreadable image' in reasons['a/001.png'] and 'below --min-size=8' in reasons['a/002.png']
        assert 'outside --aspect-range=0.5,2 (40x16 pixels, 2.500)' in reasons['b/003.png'] and len(reasons) == 3
    assert {n.replace('x1-', 'x3-'): d for n, d in _contents(tmp_path / 'x1').items()} == _contents(tmp_path / 'x3')


def test_without_resolution_odd_pictures_stop_or_are_left_out(tmp_path):
    _pictures(tmp_path / 'in', 5)
    Image.fromarray(_noise(0, 8, 8)).save(str(tmp_path / 'in' / '000.png'))
    with pytest.raises(UserError, match='5 of 5|4 of 5 images differ from the first'):
        _run('create_from_images', tmp_path / 'x', tmp_path / 'in')
    _run('create_from_images', tmp_path / 'x', tmp_path / 'in', '--bad=skip', '--shuffle=0')
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        assert dataset.num_images == 4 and dataset.shape == [3, 16, 16]
    assert '8x8 pixels instead of 16x16' in _reasons(tmp_path / 'x')['000.png']


def test_nothing_left_is_an_error_and_no_data_set(tmp_path):
    _pictures(tmp_path / 'in', 3)
    with pytest.raises(UserError, match='none of the 3 images can be used'):
        _run('create_from_images', tmp_path / 'x', tmp_path / 'in', '--resolution=8', '--min-size=100')
    assert [path.name for path in tmp_path.iterdir()] == ['in']


@pytest.mark.parametrize('text, expected', [
    ('a.png,1,2,5,6\n', {'a.png': [(1, 2, 5, 6)]}),
    ('file,x,y,width,height\nd/a.png,1,2,5,6\n\nd/a.png,0,0,1,1\n', {'d/a.png': [(1, 2, 6, 8), (0, 0, 1, 1)]}),
    ('# a, b, c, d\n\na.png;1,5;2;5;6\n', {'a.png': [(1.5, 2, 5, 6)]}),
    ('#;;;;;;;;\nfile,x,y,width,height\na.png,1,2,5,6\n', {'a.png': [(1, 2, 6, 8)]}),
    ('score,Bottom,image,left,top,right\n.5,6,a.png,1.5,2,5\n', {'a.png': [(1.5, 2, 5, 6)]})])
def test_boxes(tmp_path, text, expected):
    (tmp_path / 'boxes.csv').write_text(text)
    assert read_boxes(str(tmp_path / 'boxes.csv')) == expected


@pytest.mark.parametrize('text, message', [
    ('', 'no boxes in this file'), ('a.png,1,2,3\n', 'line 1'),
    ('a.png,0,0,4,4\na.png,5,5,4,9\n', 'line 2: the box is empty'),
    ('a.png,0,0,4,nan\n', 'line 1'), ('x,y,z\n', 'no known columns'),
    ('a.png,1,2,3,4\nb,x,1,2,3\n', 'line 2')])
def test_bad_boxes(tmp_path, text, message):
    (tmp_path / 'boxes.csv').write_text(text)
    with pytest.raises(UserError, match='boxes.csv.*' + message):
        read_boxes(str(tmp_path / 'boxes.csv'))


def test_boxes_are_cut_out_with_a_margin(tmp_path):
    _pictures(tmp_path / 'in', 3, width=40, height=30)
    (tmp_path / 'b.csv').write_text('000.png,10,4,18,12\n000.png,0,0,8,8\n001.png,100,100,110,110\n')
    options = ['--resolution=8', '--shuffle=0', '--bad=skip']
    _run('create_from_images', tmp_path / 'x', tmp_path / 'in', '--bbox={}'.format(tmp_path / 'b.csv'), *options)
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        first, second = dataset.read(0), dataset.read(1)
    pixels = _noise(0, 40, 30).transpose(2, 0, 1)
    np.testing.assert_array_equal(first, pixels[:, 4:12, 10:18])
    np.testing.assert_array_equal(second, pixels[:, :8, :8])
    reasons = _reasons(tmp_path / 'x')
    assert 'outside the 40x30 pixels' in reasons['001.png'] and reasons['002.png'] == 'no box in b.csv'
    _run('create_from_images', tmp_path / 'y', tmp_path / 'in', '--bbox={}:0.5'.format(tmp_path / 'b.csv'),
         *['--resolution=16'] + options[1:])
    with TFRecordDataset(str(tmp_path / 'y')) as dataset:
        np.testing.assert_array_equal(dataset.read(0), pixels[:, 0:16, 6:22])
    (tmp_path / 'in' / '003.png').write_bytes(b'broken')
    _run('create_from_images', tmp_path / 'z', tmp_path / 'in', '--bbox={}'.format(tmp_path / 'b.csv'), '--fit=random',
         '--crops=2', *options)
    reasons = _reasons(tmp_path / 'z')
    assert reasons['002.png'] == 'no box in b.csv' and reasons['003.png'] == 'no box in b.csv, and unreadable'
    listed = (tmp_path / 'z' / 'skipped.csv').read_text()
    assert [listed.count(name) for name in ('001.png', '002.png')] == [1, 1]  # nothing to take two crops of
    (tmp_path / 'in' / 'dataset.json').write_text(json.dumps(dict(labels=[[f'00{i}.png', i % 2] for i in range(4)])))
    _run('create_from_images', tmp_path / 'v', tmp_path / 'in', '--fit=random', '--crops=2', *options)
    with TFRecordDataset(str(tmp_path / 'v'), max_label_size='full') as dataset:
        assert dataset.read_labels(np.arange(6)).argmax(axis=1).tolist() == [0, 0, 1, 1, 0, 0]
    assert list(_reasons(tmp_path / 'v')) == ['003.png']
    assert len((tmp_path / 'v' / 'skipped.csv').read_text().splitlines()) == 2
    with pytest.raises(UserError, match='--bbox=nothere.csv: No such file'):
        _run('create_from_images', tmp_path / 'w', tmp_path / 'in', '--bbox=nothere.csv', *options)


def test_an_error_is_followed_by_continuing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, 'SAVE_SECONDS', 0)
    _pictures(tmp_path / 'in', 12)
    good = (tmp_path / 'in' / '007.png').read_bytes()
    (tmp_path / 'in' / '007.png').write_bytes(good[:300])
    command = ['create_from_images', tmp_path / 'x', tmp_path / 'in', '--resolution=8', '--shuffle=0']
    with pytest.raises(UserError, match='007.png'):
        _run(*command)
    assert 'after that, the same command resumes' in capsys.readouterr().out and not (tmp_path / 'x').exists()
    (tmp_path / 'in' / '007.png').write_bytes(good)
    _run(*command)
    assert 'Resuming an interrupted export at image 7 of 12' in capsys.readouterr().out
    _run('create_from_images', tmp_path / 'y', *command[2:])
    assert {n.replace('x-', 'y-'): d for n, d in _contents(tmp_path / 'x').items()} == _contents(tmp_path / 'y')


class Flaky:
    """Two crops of each of four pictures, some of which can't be read once; labels are the numbers."""

    num_items, label_names, key, stops_at = 8, None, ['flaky'], None

    def __init__(self, bad, label_size=1):
        self.bad, self.label_size, self.named = bad, label_size, []

    def read(self, number):
        if number == self.stops_at:
            raise KeyboardInterrupt
        if number in self.bad:
            raise Unreadable(self.name(number), 'corrupt', 'Input/output error')
        return np.full([1, 4, 4], number, np.uint8)

    def name(self, number):
        return f'{number // 2}.png'

    def name_of(self, number):
        self.named.append(number)
        return self.name(number)

    def first_of(self, number):
        return number // 2 * 2

    def labels_at(self, numbers):
        return np.float32(numbers)[:, np.newaxis]

    def stamp(self, number):
        return str(number)

    def close(self):
        pass


@pytest.mark.parametrize('stops_at', [None, 4])
def test_a_crop_that_could_be_read_is_kept_with_its_label(tmp_path, monkeypatch, stops_at):
    monkeypatch.setattr(export, 'SAVE_SECONDS', 0)
    source = Flaky(bad=(1, 2, 6, 7))
    if stops_at is not None:
        source.stops_at = stops_at
        with pytest.raises(KeyboardInterrupt):
            export.export(source, str(tmp_path / 'x'), shuffle=False, skip_bad=True)
        source = Flaky(bad=source.bad)
    export.export(source, str(tmp_path / 'x'), shuffle=False, skip_bad=True)
    with TFRecordDataset(str(tmp_path / 'x'), max_label_size='full') as dataset:
        assert dataset.read_labels(np.arange(4)).ravel().tolist() == [0, 3, 4, 5]
        assert [dataset.read(i).max() for i in range(4)] == [0, 3, 4, 5]
    assert sorted(_reasons(tmp_path / 'x')) == ['0.png', '1.png', '3.png']
    assert sorted(os.listdir(str(tmp_path / 'x'))) == ['skipped.csv', 'x-r02.tfrecords', 'x-rxx.labels']


def test_names_are_asked_for_what_is_skipped_only(tmp_path):
    source = Flaky(bad=(6, 7), label_size=0)
    export.export(source, str(tmp_path / 'x'), shuffle=False, skip_bad=True)
    assert source.named == [6, 7]


def test_other_options_or_files_begin_anew(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, 'SAVE_SECONDS', 0)
    _pictures(tmp_path / 'in', 6)
    (tmp_path / 'in' / '005.png').write_bytes(b'')
    command = ['create_from_images', tmp_path / 'x', tmp_path / 'in', '--resolution=8', '--shuffle=0']
    for change in (lambda: None, lambda: command.append('--fit=pad'),
                   lambda: Image.fromarray(_noise(77)).save(str(tmp_path / 'in' / '001.png'))):
        change()
        with pytest.raises(UserError):
            _run(*command)
        assert 'Resuming' not in capsys.readouterr().out
    _run(*command + ['--bad=skip'])
    assert 'Resuming an interrupted export at image 5' in capsys.readouterr().out


def test_killed_at_any_moment_it_continues_to_the_same_files(tmp_path):
    _pictures(tmp_path / 'in', 60)
    (tmp_path / 'in' / '050.png').write_bytes(b'\xff\xd8\xff')
    program = ('import sys, dataset_tool; from training.data.making import export; export.SAVE_SECONDS = 0; '
               'sys.exit(dataset_tool.main(sys.argv[1:]))')
    command = [sys.executable, '-c', program, 'create_from_images', str(tmp_path / 'x'), str(tmp_path / 'in'),
               '--resolution=8', '--bad=skip', '--workers=2']
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))
    progress, kills, rnd = tmp_path / 'x.partial' / 'progress.json', 0, np.random.RandomState(0)
    while kills < 2:
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, universal_newlines=True)
        before = progress.read_text() if progress.exists() else None
        while process.poll() is None and (not progress.exists() or progress.read_text() == before):
            time.sleep(0.01)
        time.sleep(rnd.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (tmp_path / 'x').exists():
            break
        kills += 1
    if kills == 2:
        assert 'Resuming' in subprocess.check_output(command, cwd=root).decode()
    assert kills and not (tmp_path / 'x.partial').exists()
    _run('create_from_images', tmp_path / 'y', *command[5:])
    assert {n.replace('x-', 'y-'): d for n, d in _contents(tmp_path / 'x').items()} == _contents(tmp_path / 'y')


def test_two_processes_do_not_write_one_data_set(tmp_path):
    with TFRecordExporter(str(tmp_path / 'x'), 1) as exporter:
        with pytest.raises(UserError, match=r'another process is running in .*x\.partial'):
            TFRecordExporter(str(tmp_path / 'x'), 1)
        exporter.add_image(np.zeros([1, 4, 4], np.uint8))


@pytest.mark.parametrize('args, text', [
    (['--fit=pad'], '--fit has no effect without --resolution'), (['--background=red'], '--background has no effect'),
    (['--bbox=x.csv'], '--bbox has no effect'), (['--background=reddish'], "got 'reddish'"),
    (['--aspect-range=2,1'], "got '2,1'"), (['--aspect-range=.5.5,2'], 'got'), (['--channels=2'], 'invalid choice'),
    (['--min-size=0'], "got '0'"), (['--workers=0'], "got '0'"), (['--resolution=8', '--bbox=nope.csv'], 'nope.csv'),
    (['--resolution=8', '--bbox=nope.csv:0.1.2'], 'nope.csv')])
def test_bad_options_are_one_line(tmp_path, monkeypatch, capsys, args, text):
    monkeypatch.chdir(tmp_path)
    _pictures(tmp_path / 'in', 1)
    with pytest.raises(SystemExit) as exit_info:
        cli.run_main(dataset_tool.main, ['create_from_images', 'out', 'in'] + args)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and text in error
    assert os.listdir(str(tmp_path)) == ['in']


def test_a_folder_that_is_used_is_refused_before_the_work(tmp_path):
    _pictures(tmp_path / 'in', 1)
    with pytest.raises(UserError, match='expected the name of a new folder'):
        _run('create_from_images', tmp_path / 'in', tmp_path / 'in')
    (tmp_path / 'empty').mkdir()
    _run('create_from_images', tmp_path / 'empty', tmp_path / 'in')
    with pytest.raises(UserError, match='already holds a dataset'):
        _run('create_from_images', tmp_path / 'empty', tmp_path / 'in')
