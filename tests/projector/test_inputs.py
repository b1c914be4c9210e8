"""Pictures from files, folders and zips; how they get the shape of a network; what is refused."""

import csv
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from dnnlib.util import UserError
from projector import inputs
from tests.projector.pictures import write_picture
from training.data.skipped import SkippedList


def test_pictures_are_named_by_their_files(tmp_path):
    for name in ('b.png', 'a b.png', 'c.png'):
        write_picture(tmp_path / name)
    with zipfile.ZipFile(str(tmp_path / 'more.zip'), 'w') as archive:
        archive.write(str(tmp_path / 'c.png'), 'x/c2.png')
    (tmp_path / 'folder').mkdir()
    write_picture(tmp_path / 'folder' / 'd.png')
    paths = [str(tmp_path / name) for name in ('b.png', 'a b.png', 'more.zip', 'folder')]
    found = inputs.find_pictures(paths)
    assert [picture.key for picture in found] == ['b', 'a_b', 'c2', 'd']
    assert [os.path.basename(picture.file) for picture in found] == ['b.png', 'a b.png', 'c2.png', 'd.png']
    for picture in found:
        assert inputs.read_picture(picture).size == (16, 16)


@pytest.mark.parametrize('names, keys', [
    (['x/a.png', 'y/a.png'], ['x-a', 'y-a']), (['a.png', 'a.bmp'], ['a.png', 'a.bmp']),
    (['a.png', 'b.png'], ['a', 'b'])])
def test_names_are_longer_where_short_ones_are_not_unique(tmp_path, names, keys):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_picture(tmp_path / name)
    found = inputs.find_pictures([str(tmp_path)])
    assert sorted(picture.key for picture in found) == sorted(keys)


def _open(path):
    return inputs.read_picture(inputs.Picture('', str(path), None, ''))


@pytest.mark.parametrize('size, part', [((1, 1), '1x1 pixels'), ((20000, 8), '20000x8 pixels'), ((7, 100), '7x100')])
def test_sizes_that_make_no_sense_are_refused(tmp_path, size, part):
    Image.new('L', size).save(str(tmp_path / 'a.png'))
    with pytest.raises(UserError, match=r'a\.png: ' + part):
        _open(tmp_path / 'a.png')


def test_a_bomb_is_refused(tmp_path):
    Image.new('1', (20000, 20000)).save(str(tmp_path / 'a.png'))
    with pytest.raises(UserError, match=r'a\.png.*over 100 megapixels'):
        _open(tmp_path / 'a.png')


def test_unreadable_files_are_named_and_the_others_kept(tmp_path):
    write_picture(tmp_path / 'good.png')
    data = (tmp_path / 'good.png').read_bytes()
    (tmp_path / 'half.png').write_bytes(data[:len(data) // 2])
    (tmp_path / 'text.png').write_text('not a picture')
    table = SkippedList(str(tmp_path) + '.csv')
    good, messages = inputs.check_pictures(inputs.find_pictures([str(tmp_path)], table), skipped=table)
    assert [picture.key for picture in good] == ['good'] and len(messages) == 2
    assert 'half.png' in messages[0] and 'text.png: unreadable image (it is text' in messages[1]
    with open(str(tmp_path) + '.csv', newline='') as file:
        rows = [tuple(row[:2]) for row in csv.reader(file)]
    assert rows[1:] == [(str(i), str(tmp_path / name)) for i, name in ((1, 'half.png'), (2, 'text.png'))]
    os.remove(str(tmp_path / 'good.png'))
    with pytest.raises(UserError, match=r'half\.png.*and 1 more'):
        inputs.check_pictures(inputs.find_pictures([str(tmp_path)]))
    with pytest.raises(UserError, match='no such file'):
        inputs.find_pictures([str(tmp_path / 'none')])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='no images'):
        inputs.find_pictures([str(tmp_path / 'empty')])


def test_pictures_stand_upright(tmp_path):
    image = Image.new('RGB', (16, 32), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 16, 16))
    exif = image.getexif()
    exif[0x0112] = 3  # turned by half
    image.save(str(tmp_path / 'a.jpg'), exif=exif.tobytes(), quality=95)
    pixels = np.asarray(_open(tmp_path / 'a.jpg'))
    assert pixels[4, 8, 0] > 200 and pixels[28, 8, 2] > 200


def test_crop_takes_the_center_and_stretch_takes_all(tmp_path):
    pixels = write_picture(tmp_path / 'a.png', size=(20, 16))
    image = _open(tmp_path / 'a.png')
    found = inputs.fit_picture(image, [3, 16, 16], 'crop')
    np.testing.assert_array_equal(found.pixels, pixels[:, 2:18].transpose(2, 0, 1))
    assert found.mask.shape == (1, 16, 16) and found.mask.all()
    wide = inputs.fit_picture(image, [3, 8, 16], 'crop').pixels  # 20 x 10 of 20 x 16
    part = image.crop((0, 3, 20, 13)).resize((16, 8), Image.LANCZOS)
    np.testing.assert_array_equal(wide, np.asarray(part).transpose(2, 0, 1))
    found = inputs.fit_picture(image, [3, 16, 16], 'stretch')
    np.testing.assert_array_equal(found.pixels, np.asarray(image.resize((16, 16), Image.LANCZOS)).transpose(2, 0, 1))


def test_pad_keeps_all_and_masks_the_borders(tmp_path):
    pixels = write_picture(tmp_path / 'a.png', size=(16, 8))
    found = inputs.fit_picture(_open(tmp_path / 'a.png'), [3, 16, 16], 'pad')
    np.testing.assert_array_equal(found.pixels[:, 4:12], pixels.transpose(2, 0, 1))
    assert found.mask[0, 4:12].all() and not found.mask[0, :4].any() and not found.mask[0, 12:].any()
    border = found.pixels[:, 0, 0]
    assert (found.pixels[:, :4] == border[:, np.newaxis, np.newaxis]).all() and abs(int(border[0]) - 128) < 60


def test_colors_become_those_of_the_network(tmp_path):
    write_picture(tmp_path / 'gray.png', mode='L')
    rgba = write_picture(tmp_path / 'rgba.png', mode='RGBA')
    assert inputs.fit_picture(_open(tmp_path / 'gray.png'), [3, 16, 16]).pixels.shape == (3, 16, 16)
    kept = inputs.fit_picture(_open(tmp_path / 'rgba.png'), [4, 16, 16]).pixels
    np.testing.assert_array_equal(kept, rgba.transpose(2, 0, 1))
    over_white = inputs.fit_picture(_open(tmp_path / 'rgba.png'), [3, 16, 16]).pixels.transpose(1, 2, 0)
    opacity = rgba[:, :, 3:] / 255.0
    np.testing.assert_allclose(over_white, rgba[:, :, :3] * opacity + 255 * (1 - opacity), atol=1.01)
    assert inputs.fit_picture(_open(tmp_path / 'rgba.png'), [1, 16, 16]).pixels.shape == (1, 16, 16)


def test_masks(tmp_path):
    Image.fromarray(np.repeat(np.uint8([[0, 255]]), 8, axis=0).repeat(4, axis=1)).save(str(tmp_path / 'm.png'))
    mask = inputs.read_mask(str(tmp_path / 'm.png'), [3, 8, 8])
    np.testing.assert_array_equal(mask, np.tile([0, 0, 0, 0, 1, 1, 1, 1], [1, 8, 1]))
    Image.new('L', (8, 8)).save(str(tmp_path / 'black.png'))
    with pytest.raises(UserError, match='mask is all black'):
        inputs.read_mask(str(tmp_path / 'black.png'), [3, 8, 8])


def test_pixels_and_targets_are_inverse():
    pixels = np.arange(256, dtype=np.uint8)
    targets = inputs.to_target(pixels)
    assert targets.dtype == np.float32 and (targets[0], targets[-1]) == (-1, 1)
    np.testing.assert_array_equal(inputs.to_pixels(targets), pixels)
    np.testing.assert_array_equal(inputs.to_pixels([-3, 3]), [0, 255])
