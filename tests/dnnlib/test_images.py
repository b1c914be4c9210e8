"""Dynamic range, grids and PNG files against hand-made arrays."""

import os

import numpy as np
import PIL.Image
import pytest

import dnnlib
from dnnlib import images


def test_adjust_dynamic_range():
    data = np.array([0, 127.5, 255], np.float32)
    adjusted = images.adjust_dynamic_range(data, [0, 255], [-1, 1])
    assert adjusted.dtype == np.float32
    np.testing.assert_allclose(adjusted, data / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(images.adjust_dynamic_range(np.uint8([0, 255]), [0, 255], [-1, 1]), [-1, 1])
    assert images.adjust_dynamic_range(data, [0, 1], (0, 1)) is data


def test_grid_is_filled_row_by_row():
    tiles = np.arange(5)[:, None, None, None] + np.zeros([5, 3, 2, 4], np.uint8)
    grid = images.create_image_grid(tiles)
    assert grid.shape == (3, 4, 12)  # 3 columns, 2 rows
    np.testing.assert_array_equal(grid[0, ::2, ::4], [[0, 1, 2], [3, 4, 0]])
    np.testing.assert_array_equal(images.create_image_grid(tiles[:, 0], (2, 3))[::2, ::4], [[0, 1], [2, 3], [4, 0]])
    with pytest.raises(dnnlib.UserError, match='too small'):
        images.create_image_grid(tiles, (2, 2))
    with pytest.raises(dnnlib.UserError, match='shape'):
        images.create_image_grid(tiles[0, 0])


def test_convert_to_pil_image_rounds_and_clips():
    values = np.array([[[-2, -1, 0, 0.999, 1, 3]]], np.float32)  # [1, 1, 6]
    picture = images.convert_to_pil_image(values, [-1, 1])
    assert picture.mode == 'L' and list(np.asarray(picture)[0]) == [0, 0, 128, 255, 255, 255]
    color = images.convert_to_pil_image(np.arange(12).reshape(3, 2, 2), [0, 255])
    assert color.mode == 'RGB' and color.getpixel((1, 0)) == (1, 5, 9)
    with pytest.raises(dnnlib.UserError, match='shape'):
        images.convert_to_pil_image(np.zeros([2, 4, 4]))


def test_png_files_keep_every_byte(tmp_path):
    color = np.random.RandomState(0).randint(0, 256, [5, 7, 3]).astype(np.uint8)
    for array in [color, color[:, :, 0], color[:, :, :1]]:
        images.save_png(array, str(tmp_path / 'a.png'))
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(str(tmp_path / 'a.png'))), array.squeeze())
    images.save_image_grid(np.full([3, 1, 2, 2], 0.5, np.float32), str(tmp_path / 'b.png'))
    grid = np.asarray(PIL.Image.open(str(tmp_path / 'b.png')))
    np.testing.assert_array_equal(grid[::2, ::2], [[128, 128], [128, 0]])
    assert sorted(os.listdir(str(tmp_path))) == ['a.png', 'b.png']


def test_png_into_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        images.save_png(np.zeros([2, 2], np.uint8), str(tmp_path / 'nowhere' / 'a.png'))


def ink(picture):
    """How much of a white picture is black, in pixels."""
    return (255 - np.asarray(picture.convert('L'), np.float64)).sum() / 255


@pytest.mark.parametrize('size', [4, 32, 64])
def test_captions_of_small_pictures_are_all_there(size):
    columns, rows = ['seed0005: 0-3', 'my_holiday_2024: 4-9,11'], ['taken from', 'seed0001\nbefore, after']
    sheet = images.ContactSheet(4, [3, size, size], 2, columns, rows)
    for shade in (255, 255, 255, 0):
        sheet.add(np.full([size, size, 3], shade, np.uint8))
    wanted = 0
    for name in columns + rows:
        text = PIL.Image.new('RGB', (400, 60))
        images.draw_text(text, (0, 0, 400, 60), name)
        wanted += ink(text)
    assert ink(sheet.canvas) - size ** 2 == pytest.approx(wanted, rel=0.05)  # glyphs are rounded where they begin
    assert np.asarray(sheet.canvas).shape[1] < 400


def test_captions_that_are_too_long_end_in_dots():
    lines = images.wrap('a-name-of-a-file-that-nobody-can-remember.png', 40).split('\n')
    assert len(lines) == images.MAX_LINES and lines[-1].endswith('...') and lines[0] and 'a-n' in lines[0]
    assert all(images.text_width(line) <= 40 for line in lines)
    for width, text in ((400, 'psi 0.5'), (images.text_width('psi 0.'), 'psi\n0.5')):
        assert images.wrap('psi 0.5', width) == text
