"""One of each defect is found, named and counted; a good data set has none."""

import os
import zipfile

import numpy as np
import pytest
from PIL import Image

import dataset_tool
from dnnlib import UserError
from training import dataset_check


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


def add_defects(folder):
    """Adds one file of each defect; returns {name: kind}."""
    def path(name):
        return str(folder / name)

    open(path('a_empty.png'), 'wb').close()
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
    picture(18).convert('P').save(path('o_palette.png'))
    return {'a_empty.png': 'empty', 'b_notes.txt': 'not an image', 'c_text.png': 'corrupt', 'd_short.png': 'corrupt',
            'e_flipped.png': 'corrupt', 'f_alpha.png': 'alpha', 'g_grey.png': 'grey', 'h_cmyk.jpg': 'CMYK',
            'i_deep.tif': '16-bit', 'j_turned.jpg': 'EXIF rotation', 'k_size.png': 'size', 'l_moving.gif': 'animated',
            'm_again.bmp': 'duplicate', 'n_huge.png': 'huge', 'o_palette.png': 'mode'}


needs_exif = pytest.mark.skipif(not hasattr(Image, 'Exif'), reason='this Pillow cannot write EXIF')


@needs_exif
def test_each_defect_is_found(good):
    expected = add_defects(good)
    count, findings = dataset_check.check(str(good))
    assert count == 6 + len(expected)
    found = {}
    for finding in findings:
        found.setdefault(finding.name, []).append(finding.kind)
    for name, kind in expected.items():
        assert kind in found[name], name
    assert set(found) == set(expected)
    assert set(expected.values()) <= set(dataset_check.KINDS)


@needs_exif
def test_zips_are_checked_like_folders(good, tmp_path):
    add_defects(good)
    with zipfile.ZipFile(str(tmp_path / 'set.zip'), 'w') as archive:
        for name in os.listdir(str(good)):
            archive.write(str(good / name), name)
    assert dataset_check.check(str(tmp_path / 'set.zip')) == dataset_check.check(str(good))


def test_a_good_folder_has_no_findings(good, capsys):
    assert dataset_check.check(str(good), workers=1) == (6, [])
    assert dataset_tool.main(['check', str(good)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == '6 looked at, 0 with a problem'


def test_the_command_prints_a_table_and_returns_1(good, capsys):
    (good / 'z.png').write_bytes(b'')
    assert dataset_tool.main(['check', str(good)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['z.png', 'empty']
    assert 'no bytes' in lines[-2] and lines[-1] == '7 looked at, 1 with a problem'


def test_records(tmp_path, good):
    folder = tmp_path / 'records'
    dataset_tool.main(['create_from_images', str(folder), str(good)])
    count, findings = dataset_check.check(str(folder))
    assert (count, findings) == (18, [])  # three levels of detail
    path = str(folder / 'records-r04.tfrecords')
    with open(path, 'r+b') as file:
        file.seek(100)
        file.write(b'\xff\x00\xff')
    os.truncate(str(folder / 'records-r02.tfrecords'), 200)
    np.save(str(folder / 'records-rxx.labels'), np.zeros([5, 2], np.float32))
    os.rename(str(folder / 'records-rxx.labels.npy'), str(folder / 'records-rxx.labels'))
    _, findings = dataset_check.check(str(folder))
    assert [finding.kind for finding in findings] == ['records'] * 3
    assert 'checksum' in findings[1].detail or 'damaged' in findings[1].detail
    assert 'labels [5, 2] for 6 images' in findings[2].detail


@pytest.mark.parametrize('name, text', [('nope', 'no such file'), ('file', 'not a zip'), ('empty', 'no files')])
def test_what_is_no_data_set_is_one_line(tmp_path, name, text):
    (tmp_path / 'file').write_text('text')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=text):
        dataset_check.check(str(tmp_path / name))
