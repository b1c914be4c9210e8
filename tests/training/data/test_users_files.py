"""Files as users have them: of phones, Macs, Windows, spreadsheets and browsers, with links and with stray ones."""

import csv
import io
import os
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError
from training.data import files
from training.data.images import contents, open_image
from training.data.making import check as dataset_check
from training.data.making.findings import table
from training.data.making.boxes import read_boxes
from training.data.sources import ImageFiles
from training.data.streams import open_streams
from training.options.data import look
from training.dataset import ImageDataset, TFRecordDataset, load_dataset


def _run(*args):
    return dataset_tool.main([str(arg) for arg in args])


def _png(path, seed=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(256, size=[size[1], size[0], 3]).astype(np.uint8)
    Image.fromarray(pixels).save(str(path))


def _with_json(folder, content, names):
    folder.mkdir()
    for seed, name in enumerate(names):
        _png(folder / name, seed)
    (folder / 'dataset.json').write_bytes(content)
    return str(folder)


NAMES = ['img{:02d}.png'.format(i) for i in range(12)]


def _file(size, kind, orientation):
    """A picture of this kind with a tag, as bytes; 'late PNG': behind its pixels."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    pixels = np.random.RandomState(0).randint(256, size=[size[1], size[0], 3]).astype(np.uint8)
    Image.fromarray(pixels).save(file, kind.split()[-1], exif=exif)
    data = file.getvalue()
    if kind == 'late PNG':
        at = data.index(b'eXIf') - 4
        end = at + 12 + int.from_bytes(data[at:at + 4], 'big')
        data = data[:at] + data[end:-12] + data[at:end] + data[-12:]
    return data


@pytest.mark.skipif(not hasattr(Image, 'Exif'), reason='this Pillow cannot write EXIF')
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'late PNG', 'WEBP', 'TIFF'])
def test_the_size_in_the_header_is_that_of_the_upright_picture(tmp_path, kind):
    path = str(tmp_path / 'x.zip')
    with zipfile.ZipFile(path, 'w') as archive:
        for orientation in range(1, 9):
            archive.writestr('{}.png'.format(orientation), _file((12, 16), kind, orientation))
    (tmp_path / 'x').mkdir()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(str(tmp_path / 'x'))
    for source in (ImageFiles(path), ImageFiles(str(tmp_path / 'x'))):
        for name in source.names:
            assert source.read_header(name) == ('RGB', source.open_image(name).size)
            assert source.read_header(name)[1] == ((12, 16) if int(name[0]) < 5 else (16, 12))
        source.close()


def test_pictures_of_phones(tmp_path, data_dir):
    folder = str(data_dir / 'users' / 'exif-turned')
    with ImageDataset(folder) as dataset:
        assert dataset.num_images == 2 and dataset.shape == [3, 128, 160]
        dataset.preload()
    _run('create_from_images', tmp_path / 'x', folder, '--workers=1')
    with TFRecordDataset(str(tmp_path / 'x')) as dataset:
        assert dataset.num_images == 2 and dataset.shape == [3, 128, 160]
    assert [finding.kind for finding in dataset_check.check(folder).findings] == ['EXIF rotation']  # of both, no sizes


def test_a_change_after_the_start_is_said_only_if_there_was_one(tmp_path, monkeypatch):
    _png(tmp_path / 'x' / 'a.png')
    with ImageDataset(str(tmp_path / 'x')) as dataset:
        _png(tmp_path / 'x' / 'a.png', size=(16, 16))
        with pytest.raises(UserError, match='a.png: 16x16 pixels instead of 8x8; the file has changed since the start'):
            dataset.read(0)
        _png(tmp_path / 'x' / 'a.png')
        monkeypatch.setattr(dataset.files, 'open_image', lambda name: Image.new('RGB', (4, 8)))
        with pytest.raises(UserError, match='a.png: 4x8 pixels instead of 8x8; its header says otherwise'):
            dataset.read(0)


def test_links_are_followed_and_loops_end(tmp_path):
    for name, count in (('data/own', 3), ('data/own/deep', 1), ('elsewhere/cats', 6), ('elsewhere/dogs', 2)):
        for i in range(count):
            _png(tmp_path / name / '{}.png'.format(i), i)
    data = tmp_path / 'data'
    os.symlink('../elsewhere/cats', str(data / 'cats'))
    os.symlink('../elsewhere/cats', str(data / 'kittens'))  # the second link to one folder
    os.symlink('own', str(data / 'a_link'))  # to a folder that is here under its own name
    os.symlink('../../data', str(data / 'own' / 'loop'))
    os.symlink('..', str(data / 'up'))
    os.symlink('../../data', str(tmp_path / 'elsewhere' / 'cats' / 'loop'))
    os.symlink('nowhere', str(data / 'broken'))
    os.symlink(str(data), str(tmp_path / 'link'))
    for path in (data, tmp_path / 'link'):
        with ImageDataset(str(path), max_label_size='full', shuffle_mb=0) as dataset:
            assert dataset.num_images == 10 and dataset.label_names == ['cats', 'own']
            assert dataset.label_text == (
                "2 classes: cats (6), own (4), from folders at level 1, such as 'cats' of cats/0.png")
            already, around = 'a link to a folder that is read already', 'a link to a folder around it'
            assert dataset.not_taken == [
                ('a_link/', already), ('broken', 'a link to nothing'), ('cats/loop/', around), ('kittens/', already),
                ('own/loop/', around), ('up/', around)]


def test_a_link_behind_a_link_to_a_folder_around_it(tmp_path):
    for name in ('data', 'elsewhere/cats', 'elsewhere/others'):
        _png(tmp_path / name / 'a.png')
    os.symlink('../elsewhere/cats', str(tmp_path / 'data' / 'cats'))
    os.symlink('..', str(tmp_path / 'elsewhere' / 'cats' / 'up'))
    with ImageDataset(str(tmp_path / 'data'), shuffle_mb=0) as dataset:
        assert dataset.num_images == 2 and dataset.not_taken == [('cats/up/', 'a link to a folder around it')]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    _png(tmp_path / 'x' / 'a.png')
    denied = PermissionError(13, 'Permission denied', str(tmp_path / 'x' / 'b'))

    def walk(top, onerror):
        onerror(denied)
        return []

    monkeypatch.setattr(files.os, 'walk', walk)
    with pytest.raises(UserError, match='x/b: this folder cannot be listed .Permission denied.; make it readable'):
        ImageFiles(str(tmp_path / 'x'))


def test_other_names_are_pictures_and_the_rest_is_counted_and_listed(tmp_path, data_dir, capsys):
    folder = tmp_path / 'x'
    shutil.copytree(str(data_dir / 'users' / 'jfif'), str(folder))
    shutil.copy(str(folder / 'p0.jpg'), str(folder / 'p1.JPE'))
    for name in ('a.heic', 'b.HEIC', 'c.avif', '.hidden', 'Thumbs.db', '.git/config', '.git/index', 'movie.mp4', 'p2'):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b'x')
    _run('create_from_images', tmp_path / 'out', folder)
    out = capsys.readouterr().out
    unread = ': a picture in a format that is not read; convert it to PNG or JPEG'
    assert 'Wrote 5 images' in out and 'Skipped images: 0, other files: 8; listed in ' in out
    for line in ('     2  .heic' + unread, '     1  .avif' + unread, '     2  hidden', '     1  .db: not a picture',
                 '     1  .mp4: a video; extract its frames as pictures', '     1  a name without an ending'):
        assert line + '\n' in out
    with open(str(tmp_path / 'out' / 'skipped.csv'), newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['file'] for row in rows] == [
        '.git/', '.hidden', 'Thumbs.db', 'a.heic', 'b.HEIC', 'c.avif', 'movie.mp4', 'p2']
    load_dataset(tfrecord_dir=str(folder), verbose=True).close()
    out = capsys.readouterr().out
    assert 'Not taken: 8\n' in out and '     2  .heic' + unread in out
    report = dataset_check.check(str(folder))
    assert [finding.name for finding in report.findings if finding.kind == 'other format'] == [
        'a.heic', 'b.HEIC', 'c.avif']
    (tmp_path / 'only').mkdir()
    (tmp_path / 'only' / 'a.heic').write_bytes(b'x')
    with pytest.raises(UserError, match='only: no images among 1 files .1 .heic: a picture in a format that is not'):
        ImageDataset(str(tmp_path / 'only'))


def test_headers_are_read_once_before_a_training(tmp_path, monkeypatch, capsys):
    for i in range(3):
        _png(tmp_path / 'x' / '{}.png'.format(i), i)
    args = SimpleNamespace(dataset=str(tmp_path / 'x'), data_dir=None, bad='stop', resolution=None, assignments=())
    shape = look(args).shape
    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, '_read_header', lambda files, name: pytest.fail(name))
        with open_streams({'reals': dict(tfrecord_dir=args.dataset)}, seed=0) as streams:
            assert streams['reals'].dataset.shape == shape
    read = []
    monkeypatch.setattr(ImageFiles, '_read_header', lambda files, name: read.append(name) or ('RGB', (16, 16)))
    ImageDataset(args.dataset).close()  # nothing is kept for longer
    assert len(read) == 3 and capsys.readouterr().out.count('Dataset shape') == 1


def test_a_training_lists_what_is_not_taken_in_its_run_directory(tmp_path, capsys):
    for i in range(4):
        _png(tmp_path / 'x' / '{}.png'.format(i), i)
    (tmp_path / 'x' / 'notes.txt').write_bytes(b'x')
    (tmp_path / 'x' / '2.png').write_bytes((tmp_path / 'x' / '2.png').read_bytes()[:60])
    (tmp_path / 'run').mkdir()
    for _ in range(2):  # the second time it is resumed
        with open_streams({'reals': dict(tfrecord_dir=str(tmp_path / 'x')), 'b': dict(tfrecord_dir='cats')}, seed=0,
                          bad='skip', run_dir=str(tmp_path / 'run')):
            pass
        with open(str(tmp_path / 'run' / 'skipped.csv'), newline='') as file:
            rows = [row[:2] for row in csv.reader(file)]
        assert rows == [['number', 'file'], ['', 'notes.txt'], ['2', '2.png']]
        assert os.listdir(str(tmp_path / 'run')) == ['skipped.csv']


@pytest.mark.parametrize('kind, names, expected', [
    ('bom', None, [0, 1, 2] * 4), ('str', ['cat', 'dog', 'fox'], [0, 1, 2] * 4), ('back', None, [0] * 6 + [1] * 6)])
def test_label_files_of_other_programs(tmp_path, data_dir, kind, names, expected):
    places = NAMES if kind != 'back' else [('dog/' if i % 2 else 'cat/') + name for i, name in enumerate(NAMES)]
    content = (data_dir / 'users' / 'json-{}.json'.format(kind)).read_bytes()
    with ImageDataset(_with_json(tmp_path / 'x', content, places), max_label_size='full') as dataset:
        assert dataset.read_labels(range(12)).argmax(axis=1).tolist() == expected
        assert dataset.label_names == names
    for encoding in ('utf-16', 'utf-16-le', 'utf-8-sig'):
        text = content.decode('utf-8-sig').encode(encoding)
        with ImageDataset(_with_json(tmp_path / encoding, text, places), max_label_size='full') as dataset:
            assert dataset.read_labels(range(12)).argmax(axis=1).tolist() == expected


def test_a_comma_too_many_is_named_with_its_place(tmp_path, data_dir):
    path = _with_json(tmp_path / 'x', (data_dir / 'users' / 'json-comma.json').read_bytes(), NAMES)
    with pytest.raises(UserError, match='dataset.json, line 14, column 18: a comma before ]; correct or remove'):
        ImageDataset(path, max_label_size='full')
    ImageDataset(path).close()
    with pytest.raises(UserError, match='a comma before ].*; or leave labels out with --labels=0'):
        _run('create_from_images', tmp_path / 'y', path)
    _run('create_from_images', tmp_path / 'y', path, '--labels=0')
    with TFRecordDataset(str(tmp_path / 'y'), max_label_size='any') as dataset:
        assert dataset.num_images == 12 and dataset.label_size == 0


def test_a_zip_of_a_mac(tmp_path):
    for i, name in enumerate(NAMES[:3] + ['Mu\u0308ller.png']):  # Macs write letters and accents apart
        _png(tmp_path / 'photos' / name, i)
    with zipfile.ZipFile(str(tmp_path / 'x.zip'), 'w') as archive:
        for name in sorted(os.listdir(str(tmp_path / 'photos'))):
            stored = 'photos/' + name.encode('utf-8').decode('cp437')  # and do not say that names are in UTF-8
            archive.writestr(stored, (tmp_path / 'photos' / name).read_bytes())
            archive.writestr('__MACOSX/photos/._' + name[-5:], b'x')
        archive.writestr('photos/.DS_Store', b'x')
        archive.writestr('photos/dataset.json', '{"labels": [["img00.png", 0], ["img01.png", 1], ["img02.png", 2], '
                         '["M\u00fcller.png", 1]]}'.encode('utf-8'))
    with ImageDataset(str(tmp_path / 'x.zip'), max_label_size='full') as dataset:
        assert dataset.num_images == 4 and dataset.label_size == 3
        assert dataset.read_labels(range(4)).argmax(axis=1).tolist() in ([1, 0, 1, 2], [0, 1, 2, 1])
        assert dataset.not_taken == [('__MACOSX/', 'hidden'), ('photos/.DS_Store', 'hidden')]


def test_a_zip_of_windows_with_backslashes(tmp_path):
    _png(tmp_path / 'a.png')
    with zipfile.ZipFile(str(tmp_path / 'x.zip'), 'w') as archive:
        for name in ('cat\\1.png', 'dog\\1.png'):
            info = zipfile.ZipInfo()
            info.filename = name
            archive.writestr(info, (tmp_path / 'a.png').read_bytes())
    with ImageDataset(str(tmp_path / 'x.zip'), max_label_size='full') as dataset:
        assert dataset.label_names == ['cat', 'dog'] and dataset.read(1).shape == (3, 8, 8)


def test_names_in_label_files_that_are_no_images_are_told(tmp_path):
    text = b'{"labels": [["a.png", 1], ["gone.png", 0], ["b.png", 0]]}'
    report = dataset_check.check(_with_json(tmp_path / 'x', text, ['a.png', 'b.png']))
    assert [finding[:3] for finding in report.findings] == [
        ('dataset.json', 'labels', '1 of its names are no images, gone.png is the first')]
    assert report.notes == ('Labels: 2 classes: 0 (1), 1 (1), from dataset.json',)


def test_what_lies_beside_records_is_counted(tmp_path, capsys):
    for name in 'ab':
        _png(tmp_path / 'in' / name / '0.png')
    _run('create_from_images', tmp_path / 'x', tmp_path / 'in')
    for name in ('photo.JPG', 'y-rxx.labels', 'notes.txt', '.DS_Store', 'dataset.json'):
        (tmp_path / 'x' / name).write_bytes(b'x')
    (tmp_path / 'x' / 'old').mkdir()
    with load_dataset(tfrecord_dir=str(tmp_path / 'x'), max_label_size='full', verbose=True) as dataset:
        assert dataset.not_taken == [
            ('.DS_Store', 'hidden'),
            ('dataset.json', 'dataset.json beside TFRecords, whose labels are in a .labels file'),
            ('notes.txt', '.txt: not a picture'), ('old/', 'a folder beside TFRecords'),
            ('photo.JPG', 'a picture beside TFRecords'), ('y-rxx.labels', 'another label file')]
    out = capsys.readouterr().out
    assert 'Labels: 2 classes: a (1), b (1), from x-rxx.labels' in out and 'Not taken: 6' in out
    for args in (('display', tmp_path / 'x', '--output=' + str(tmp_path / 'd.png')),
                 ('extract', tmp_path / 'x', tmp_path / 'e'), ('compare', tmp_path / 'x', tmp_path / 'in')):
        _run(*args)
        out = capsys.readouterr().out
        assert out.count('Not taken: 6\n') == 1 and '     1  hidden\n' in out, args


def test_labels_that_are_asked_for_and_missing_are_an_error_that_names_the_cause(tmp_path):
    for number, (names, text) in enumerate((
            (['1.png'], 'no folders with images lie side by side'), (['a/1.png', 'a/2.png'], 'no folders with images'),
            (['a/1.png', 'b/3.png', '2.png'],
             '1 of 3 images lies outside the folders of the classes .a, b., 2.png is the first; move or remove it'),
            (['x.png', 'all/y.png', 'all/a/1.png', 'all/b/3.png'], '2 of 4 images lie .*, all/y.png is the first'))):
        path = str(tmp_path / str(number))
        for name in names:
            _png(tmp_path / str(number) / name)
        for wanted in ('full', 3):
            asked = f'no labels, but --classes or max_label_size={wanted} asks for them: {text}'
            with pytest.raises(UserError, match=f'{number}: {asked}'):
                ImageDataset(path, max_label_size=wanted)
        for wanted in ('any', 0):
            with ImageDataset(path, max_label_size=wanted) as dataset:
                assert (dataset.label_size, dataset.label_names) == (0, None)
    _run('create_from_images', tmp_path / 'y', tmp_path / '0')
    with pytest.raises(UserError, match='asks for them: no [*].labels file beside the [*].tfrecords'):
        TFRecordDataset(str(tmp_path / 'y'), max_label_size='full')


def test_check_reports_labels_and_files_without(tmp_path):
    for i, name in enumerate(['set/ant/1.png', 'set/ant/x/2.png', 'set/bee/3.png']):
        _png(tmp_path / name, i)
    report = dataset_check.check(str(tmp_path))
    assert report.findings == [] and report.notes == (
        "Labels: 2 classes: ant (2), bee (1), from folders at level 2, such as 'ant' of set/ant/1.png",)
    _png(tmp_path / 'set' / 'stray.png', 9)
    report = dataset_check.check(str(tmp_path))
    assert [finding[:3] for finding in report.findings] == [
        ('set/stray.png', 'labels', 'outside the folders of the classes')]
    assert 'Labels: none; 1 of 4 images lies outside the folders of the classes (ant, bee), ' in report.notes[0]
    with pytest.raises(UserError, match='no labels: 1 of 4 images lies outside'):
        _run('create_from_images', tmp_path / 'out', tmp_path / 'set', '--labels=1')
    os.remove(str(tmp_path / 'set' / 'stray.png'))
    _run('create_from_images', tmp_path / 'out', tmp_path / 'set', '--shuffle=0')
    assert dataset_check.check(str(tmp_path / 'out')).notes == (
        'Labels: 2 classes: ant (2), bee (1), from out-rxx.labels',)


def test_check_of_an_ordinary_folder_of_photos(tmp_path, capsys):
    for i in range(9):
        _png(tmp_path / 'x' / '{}.png'.format(i), i, (12 + i, 20 - i))
    (tmp_path / 'x' / 'notes.txt').write_bytes(b'x')
    Image.new('RGBA', (9, 30)).save(str(tmp_path / 'x' / 'alpha.png'))
    assert _run('check', tmp_path / 'x') == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if ' size ' in line] == [
        '10 files   size           differ: 20x12 to 30x9 (height x width)']
    assert sum('alpha' in line for line in lines) == 2  # the file and the table
    assert _run('check', tmp_path / 'x', '--resolution=8') == 0
    assert capsys.readouterr().out.splitlines()[-1] == '10 checked, 0 with problems'
    assert _run('check', tmp_path / 'x', '--resolution=12x10') == 1
    assert [line.split() for line in capsys.readouterr().out.splitlines() if 'small' in line][0] == [
        '1', 'files', 'small', '30x9']
    _run('create_from_images', tmp_path / 'y', tmp_path / 'x', '--resolution=8')
    with pytest.raises(UserError, match='--resolution is for folders and zips'):
        _run('check', tmp_path / 'y', '--resolution=8')


def test_most_are_is_true(tmp_path):
    for i in range(20):
        _png(tmp_path / '{:02d}.png'.format(i), i, (8, 16 if i < 2 else 8))
    report = dataset_check.check(str(tmp_path))
    assert [finding[:3] for finding in report.findings] == [
        (name, 'size', '16x8 (height x width), most are 8x8') for name in ('00.png', '01.png')]
    for i in range(8):
        _png(tmp_path / '1{}.png'.format(i), 100 + i, (8, 24))
    report = dataset_check.check(str(tmp_path))
    assert [finding[:3] for finding in report.findings] == [
        ('20 files', 'size', 'differ: 8x8 to 24x8 (height x width)')]
    assert table(report)[-1] == '20 checked, 20 with problems'


def test_sizes_that_no_network_has_are_one_line(tmp_path):
    for i in range(3):
        _png(tmp_path / '{}.png'.format(i), i, (9, 18))
    finding, = dataset_check.check(str(tmp_path)).findings
    assert finding[:2] == ('3 files', 'size')
    assert finding.detail.startswith('18x9 (height x width), which no network has; the nearest are 18x10')


@pytest.mark.parametrize('data, kind', [
    (b'<!DOCTYPE html><html>', 'an HTML page'), (b'version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer'),
    (b'hello', 'text'), (b'PK\3\4x', 'a zip'), (b'RIFF\0\0\0\0AVI ', 'a video'), (b'\0\0\0\x20ftypavif', 'an AVIF'),
    (b'\0\0\0\x20ftypisom', 'a video'), (b'\0\1\2\3', 'no known picture format'), (b'<svg xmlns', 'an SVG drawing')])
def test_what_a_file_really_is(data, kind):
    assert contents(data).startswith(kind)
    with pytest.raises(UserError, match='x.png: unreadable image [(]it is ' + kind):
        open_image(data, 'x.png')


def test_files_that_are_not_what_their_names_say(tmp_path, data_dir):
    shutil.copy(str(data_dir / 'users' / 'heic-named-jpg.jpg'), str(tmp_path / 'a.jpg'))
    with pytest.raises(UserError, match='a.jpg: unreadable image .it is a HEIC picture.; convert it to PNG or JPEG'):
        ImageDataset(str(tmp_path), resolution=8)
    with pytest.raises(UserError, match='a.jpg: not a zip file, but a HEIC picture; expected a folder or zip'):
        ImageFiles(str(tmp_path / 'a.jpg'))
    os.remove(str(tmp_path / 'a.jpg'))
    shutil.copy(str(data_dir / 'users' / 'grey16.png'), str(tmp_path / 'a.png'))
    with pytest.raises(UserError, match='a.png: color mode I.*, which is gray of (16|more than 8) bits; expected'):
        ImageDataset(str(tmp_path), resolution=8)


@pytest.mark.parametrize('damage, text', [
    (lambda data: data[:-30], 'the end of the file is missing'), (lambda data: b'', 'the file is empty'),
    (lambda data: data[:150] + b'????????' + data[158:], 'checksum mismatch of the chunk at byte'),
    (lambda data: b'GIF8' + data[4:], 'the end of the file is missing'),
    (lambda data: b'\xff\xd8\xff' + data[3:] + b'\xff\xd9', 'its data is damaged')])
def test_messages_are_not_those_of_a_decoder(tmp_path, damage, text):
    _png(tmp_path / 'a.png')
    data = damage((tmp_path / 'a.png').read_bytes())
    (tmp_path / 'a.png').write_bytes(data)
    with pytest.raises(UserError) as error:
        ImageDataset(str(tmp_path)).read(0)
    assert 'a.png: unreadable image (' + text in str(error.value)
    finding, = dataset_check.check(str(tmp_path)).findings
    assert finding.detail.startswith(text)


def test_damage_in_a_zip_is_told_in_words(tmp_path):
    _png(tmp_path / 'a.png')
    data = (tmp_path / 'a.png').read_bytes()
    with zipfile.ZipFile(str(tmp_path / 'x.zip'), 'w') as archive:
        archive.writestr('a.png', data)
    content = (tmp_path / 'x.zip').read_bytes()
    at = content.index(data)
    for change, text in ((lambda c: c[:at + 60] + b'?' + c[at + 61:], 'checksum mismatch in the zip'),
                         (lambda c: c[:6] + b'\1' + c[7:-(22 + 51) + 8] + b'\1' + c[-(22 + 51) + 9:], 'encrypted in')):
        (tmp_path / 'x.zip').write_bytes(change(content))
        source = ImageFiles(str(tmp_path / 'x.zip'))
        with pytest.raises(UserError, match='a.png: unreadable image .' + text):
            source.read_bytes('a.png')
        source.close()
    (tmp_path / 'x.zip').write_bytes(content[:-30])
    with pytest.raises(UserError, match='x.zip: a damaged zip file; expected'):
        ImageFiles(str(tmp_path / 'x.zip'))


@pytest.mark.parametrize('name', ['boxes-backslash.csv', 'boxes-semicolon.csv'])
def test_boxes_of_windows_and_of_spreadsheets(tmp_path, data_dir, name, capsys):
    data = (data_dir / 'users' / name).read_bytes()
    boxes = read_boxes(str(data_dir / 'users' / name))
    assert boxes['cat/img00.png'] == [(2, 3, 30, 31)] and all('\\' not in key for key in boxes)
    for encoding in ('utf-16', 'cp1252'):
        text = data.decode('utf-8-sig').replace('cat', 'k\u00e4tzchen').replace(';3;', ';3,5;')
        (tmp_path / 'x.csv').write_bytes(text.encode(encoding))
        box, = read_boxes(str(tmp_path / 'x.csv'))['k\u00e4tzchen/img00.png']
        assert box == (2, 3.5 if 'semicolon' in name else 3, 30, 31)
    _png(tmp_path / 'in' / 'cat' / 'img00.png', 0, (32, 32))
    _png(tmp_path / 'in' / 'cat' / 'none.png', 1, (32, 32))
    _run('create_from_images', tmp_path / 'out', tmp_path / 'in', '--resolution=8',
         '--bbox={}'.format(data_dir / 'users' / name))
    out = capsys.readouterr().out
    assert 'Wrote 1 images' in out and '     1  no box in ' + name in out
    assert '{} names of files that are not in'.format(len(boxes) - 1) in out
    (tmp_path / 'bad.csv').write_text('a.png;1;2;x;4\n')
    with pytest.raises(UserError, match="bad.csv, line 1: 'x' is not a number; expected"):
        read_boxes(str(tmp_path / 'bad.csv'))


def test_damaged_published_files_are_told_in_words(tmp_path):
    (tmp_path / 'in').mkdir()
    for name in ('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz'):
        (tmp_path / 'in' / name).write_bytes(b'<html>')  # not gzip, which Python says in its own words
    with pytest.raises(UserError, match='idx3-ubyte.gz: not the expected file; download it again$'):
        _run('create_mnist', tmp_path / 'x', tmp_path / 'in')
