"""One of each defect is found, named and counted; a good dataset has none."""

import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError
from training.data.levels import box_downscale
from training.data.making import check as dataset_check
from training.data.making.findings import KINDS, table
from training.data.tfrecords import frame_record, serialize_image


def picture(seed=0, size=(16, 16), mode='RGB'):
    """An image of noise."""
    channels = {'L': 1, 'RGB': 3, 'RGBA': 4, 'CMYK': 4}[mode]
    pixels = np.random.RandomState(seed).randint(256, size=[size[1], size[0], channels]).astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode)


@pytest.fixture
def good(tmp_path):
    """A folder of six different pictures."""
    folder = tmp_path / 'set'
    folder.mkdir()
    for i in range(6):
        picture(i).save(str(folder / 'good{}.png'.format(i)))
    return folder


def deep_png():
    """A PNG file of 16x16 RGB pixels of 16 bits, which Pillow reads as 8 bits and can't write."""
    def part(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))
    rows = b''.join(b'\0' + os.urandom(16 * 6) for _ in range(16))
    return b'\x89PNG\r\n\x1a\n' + part(b'IHDR', struct.pack('>IIBBBBB', 16, 16, 16, 2, 0, 0, 0)) + part(
        b'IDAT', zlib.compress(rows)) + part(b'IEND', b'')


def add_defects(folder):
    """Adds one file of each defect; returns {name: kind}."""
    def path(name):
        return str(folder / name)

    open(path('a_empty.png'), 'wb').close()
    open(path('dataset.json'), 'w').write('{"labels": [["good0.png", 1]]}')
    (folder / 'b_photo.heic').write_text('hello')
    (folder / 'b_notes.txt').write_text('hello')
    (folder / 'c_text.png').write_text('hello')
    data = (folder / 'good0.png').read_bytes()
    (folder / 'd_short.png').write_bytes(data[:len(data) // 2])
    (folder / 'e_flipped.png').write_bytes(data[:60] + bytes([data[60] ^ 255]) + data[61:])
    picture(11, mode='RGBA').save(path('f_alpha.png'))
    picture(12, mode='L').save(path('g_grey.png'))
    picture(13, mode='CMYK').save(path('h_cmyk.jpg'))
    Image.fromarray(np.random.RandomState(3).randint(2 ** 16, size=[16, 16]).astype(np.int32)).save(path('i_deep.tif'))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(14).save(path('j_turned.jpg'), exif=exif)
    picture(15, size=(16, 12)).save(path('k_size.png'))
    picture(16, mode='L').save(path('l_moving.gif'), save_all=True, append_images=[picture(17, mode='L')])
    picture(2).save(path('m_again.bmp'))
    Image.new('1', (10001, 10000)).save(path('n_huge.png'))
    Image.new('1', (20000, 10000)).save(path('r_bomb.png'))
    picture(18).convert('P').save(path('o_palette.png'))
    (folder / 'p_short.jpg').write_bytes((folder / 'h_cmyk.jpg').read_bytes()[:-300])
    (folder / 'q_deep.png').write_bytes(deep_png())
    return {'a_empty.png': 'zero bytes', 'b_photo.heic': 'other format', 'c_text.png': 'not an image',
            'd_short.png': 'truncated', 'p_short.jpg': 'truncated', 'q_deep.png': '16-bit',
            'e_flipped.png': 'corrupt', 'f_alpha.png': 'alpha', 'g_grey.png': 'gray', 'h_cmyk.jpg': 'CMYK',
            'i_deep.tif': '16-bit', 'j_turned.jpg': 'EXIF rotation', 'k_size.png': 'size', 'l_moving.gif': 'animated',
            'm_again.bmp': 'duplicate', 'n_huge.png': 'over 100 MP', 'r_bomb.png': 'over 100 MP',
            'o_palette.png': 'mode'}


needs_exif = pytest.mark.skipif(not hasattr(Image, 'Exif'), reason='this Pillow cannot write EXIF')


@needs_exif
def test_each_defect_is_found(good):
    expected = add_defects(good)
    report = dataset_check.check(str(good))
    assert report.num_files == 6 + len(expected)
    found = {}
    for finding in report.findings:
        for name in finding.files or (finding.name,):
            found.setdefault(name, []).append(finding.kind)
    unlabeled = set(name for name, kinds in found.items() if 'labels' in kinds)
    assert len(unlabeled) == report.num_files - 2 and 'good0.png' not in unlabeled
    expected.update({name: 'labels' for name in unlabeled - set(expected)})
    for name, kind in expected.items():
        assert kind in found[name], name
    assert set(found) == set(expected)
    others = {'levels', 'small', 'partner', 'pair', 'numbers'}  # those of records, with a resolution, of pairs
    assert set(expected.values()) == set(KINDS) - others
    assert report.notes[0] == 'Not taken: 2' and 'b_notes.txt' not in found
    text = '\n'.join(table(report))
    assert not [word for word in ('0x', '<', 'Error', 'cannot identify') if word in text]


@needs_exif
def test_zips_are_checked_like_folders(good, tmp_path):
    add_defects(good)
    with zipfile.ZipFile(str(tmp_path / 'set.zip'), 'w') as archive:
        for name in os.listdir(str(good)):
            archive.write(str(good / name), name)
    assert dataset_check.check(str(tmp_path / 'set.zip')) == dataset_check.check(str(good))


def test_a_good_folder_has_no_findings(good, capsys):
    assert dataset_check.check(str(good), workers=1)[:2] == (6, [])
    assert dataset_tool.main(['check', str(good)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == '6 checked, 0 with problems'


def test_the_command_prints_a_table_and_returns_1(good, capsys):
    (good / 'z.png').write_bytes(b'')
    assert dataset_tool.main(['check', str(good)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['z.png', 'zero', 'bytes', 'the', 'file', 'is', 'empty']
    assert 'empty files' in lines[-3] and lines[-2].startswith('Labels: none')
    assert lines[-1] == '7 checked, 1 with problems'


def test_records(tmp_path, good):
    folder = tmp_path / 'records'
    dataset_tool.main(['create_from_images', str(folder), str(good)])
    report = dataset_check.check(str(folder))
    assert report[:2] == (6, [])
    assert table(report)[-1] == '6 images in 3 levels checked, 0 records or files with problems'
    path = str(folder / 'records-r04.tfrecords')
    with open(path, 'r+b') as file:
        file.seek(100)
        file.write(b'\xff\x00\xff')
    os.truncate(str(folder / 'records-r02.tfrecords'), 200)
    np.save(str(folder / 'records-rxx.labels'), np.zeros([5, 2], np.float32))
    os.rename(str(folder / 'records-rxx.labels.npy'), str(folder / 'records-rxx.labels'))
    findings = dataset_check.check(str(folder)).findings
    assert [finding[:2] for finding in findings] == [
        ('records-r02.tfrecords', 'truncated'), ('records-r02.tfrecords', 'truncated'),
        ('records-r04.tfrecords record 0', 'corrupt'), ('records-rxx.labels', 'labels')]
    assert 'record 2 is truncated' in findings[0].detail and 'only 2 of 6 images' in findings[1].detail
    assert 'checksum' in findings[2].detail and '5 rows for 6 images' in findings[3].detail


def test_each_defect_of_records_is_found(tmp_path, monkeypatch):
    images = np.random.RandomState(0).randint(256, size=[14, 3, 8, 8]).astype(np.uint8)
    coarse = [box_downscale(image, 1) for image in images]
    deep = serialize_image(np.zeros([6, 8, 8], np.uint8)).replace(b'\x06\x08\x08', b'\x03\x08\x08')  # 2 bytes a value
    full = [frame_record(serialize_image(image)) for image in images]
    full[1] = full[1][:50] + b'????' + full[1][54:]
    full[2] = b'?' * 12 + full[2][12:]  # the header
    full[3] = frame_record(b'no image')
    full[4] = frame_record(serialize_image(images[4][:1]))
    full[5] = frame_record(serialize_image(np.concatenate([images[5], images[5][:1]])))
    full[6] = frame_record(serialize_image(images[6][:2]))
    full[7] = frame_record(serialize_image(images[7][:, :4]))
    full[8] = full[0]
    full[9] = frame_record(deep)
    full[10] = frame_record(serialize_image(np.zeros([1, 16, 16], np.uint8)))
    coarse[11] = 255 - coarse[11]
    folder = tmp_path / 'x'
    folder.mkdir()
    (folder / 'x-r03.tfrecords').write_bytes(b''.join(full)[:-5])
    (folder / 'x-r02.tfrecords').write_bytes(b''.join(frame_record(serialize_image(image)) for image in coarse))
    (folder / 'y.tfrecords').write_bytes(b'')
    (folder / 'z.tfrecords').write_bytes(b'this is some text')
    np.save(str(folder / 'x.npy'), np.full([14, 2], np.nan))
    os.rename(str(folder / 'x.npy'), str(folder / 'x-rxx.labels'))
    monkeypatch.setattr('training.data.making.check_records.MAX_PIXELS', 8 * 8)
    findings = dataset_check.check(str(folder), workers=2).findings
    found = {(finding.name.replace('x-r03.tfrecords record ', ''), finding.kind) for finding in findings}
    assert found >= {
        ('1', 'corrupt'), ('2', 'corrupt'), ('3', 'not an image'), ('4', 'gray'), ('5', 'alpha'), ('6', 'mode'),
        ('7', 'size'), ('8', 'duplicate'), ('9', '16-bit'), ('10', 'over 100 MP'), ('x-r03.tfrecords', 'truncated'),
        ('x-r02.tfrecords record 11', 'levels'), ('y.tfrecords', 'zero bytes'), ('z.tfrecords', 'not an image'),
        ('x-rxx.labels', 'labels')}
    assert not {name for name, _ in found} & {'0', '12', '13', 'x-r02.tfrecords record 0'}


@pytest.mark.parametrize('name, text', [
    ('nope', 'no such file'), ('file', 'not a zip'), ('empty', 'no images among 0 files')])
def test_what_is_no_data_set_is_one_line(tmp_path, name, text):
    (tmp_path / 'file').write_text('text')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=text):
        dataset_check.check(str(tmp_path / name))
