"""Images as arrays and files: dynamic range, grids, PNG. NumPy and Pillow only."""

import os
import re

import numpy as np
import PIL.Image

from dnnlib import util
from dnnlib.util import UserError

MAX_SHEET_SIZE = 4096  # of a contact sheet's longer side in pixels; more pictures are shrunk to fit
LINE_HEIGHT = 14  # of captions, pixels
MAX_MARGIN = 160  # widest column of row names, pixels
MAX_CAPTION = 80  # so wide small pictures are set apart for the longest word of their captions, pixels
MAX_LINES = 4  # of a caption


def adjust_dynamic_range(data, drange_in, drange_out):
    """Maps values linearly from one dynamic range to another, without clipping.

    Args:
        data: Array of any shape and number type.
        drange_in: (lowest, highest) value of the data's range.
        drange_out: (lowest, highest) value of the new range.
    Returns: float32 array of the same shape; `data` itself if the two ranges are equal.
    """
    if list(drange_in) == list(drange_out):
        return data
    scale = (np.float32(drange_out[1]) - np.float32(drange_out[0])) / (
        np.float32(drange_in[1]) - np.float32(drange_in[0]))
    bias = np.float32(drange_out[0]) - np.float32(drange_in[0]) * scale
    return np.asarray(data, dtype=np.float32) * scale + bias


def create_image_grid(images, grid_size=None):
    """Tiles images row by row.

    Args:
        images: [N, H, W] or [N, C, H, W], any type.
        grid_size: (columns, rows), at least N cells; `None` = the squarest grid that is at least as wide as high.
    Returns: [rows * H, columns * W] or [C, rows * H, columns * W] of the same type; cells without an image are zero.
    Raises: UserError if the grid is too small.
    """
    images = np.asarray(images)
    if images.ndim not in (3, 4) or not len(images):
        raise UserError(f'expected images of shape [N, H, W] or [N, C, H, W], got {list(images.shape)}')
    if grid_size is None:
        columns = int(np.ceil(np.sqrt(len(images))))
        rows = (len(images) - 1) // columns + 1
    else:
        columns, rows = grid_size
    if columns * rows < len(images):
        raise UserError(f'a grid of {columns} x {rows} cells is too small for {len(images)} images')
    height, width = images.shape[-2:]
    grid = np.zeros(list(images.shape[1:-2]) + [rows * height, columns * width], dtype=images.dtype)
    for i, image in enumerate(images):
        y, x = i // columns * height, i % columns * width
        grid[..., y:y + height, x:x + width] = image
    return grid


def convert_to_pil_image(image, drange=(0, 1)):
    """Converts an array to a Pillow image.

    Args:
        image: [H, W], [1, H, W] (both gray), [3, H, W] (RGB) or [4, H, W] (RGBA), any number type.
        drange: (black, white) of the values; values outside are clipped.
    Returns: PIL.Image of mode L, RGB or RGBA.
    Raises: UserError for another shape.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[np.newaxis]
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        raise UserError(f'expected an image of shape [H, W] or [1, 3 or 4, H, W], got {list(image.shape)}')
    image = adjust_dynamic_range(image, drange, [0, 255])
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if image.shape[0] == 1:
        return PIL.Image.fromarray(image[0])
    return PIL.Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))


def save_png(image, path):
    """Writes a PNG file through a temporary name.

    Args:
        image: uint8 array [H, W] or [H, W, 1, 3 or 4], or a PIL.Image.
        path: The file; its folder must exist.
    Raises: OSError if it cannot be written.
    """
    if not isinstance(image, PIL.Image.Image):
        image = np.asarray(image)
        image = PIL.Image.fromarray(np.ascontiguousarray(image[:, :, 0] if image.shape[2:] == (1,) else image))
    with util.atomic_path(os.fspath(path)) as temp_path:
        image.save(temp_path, format='PNG')


def as_rgb(pixels):
    """A picture, uint8 [H, W, 1, 3 or 4], as [H, W, 3]; what is transparent becomes white."""
    if pixels.shape[2] == 4:
        alpha = pixels[:, :, 3:].astype(np.float32) / 255
        pixels = np.rint(pixels[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.broadcast_to(pixels, pixels.shape[:2] + (3,))


def save_image_grid(images, filename, drange=(0, 1), grid_size=None):
    """Writes images [N, C, H, W] as one PNG file; see `create_image_grid` and `convert_to_pil_image`."""
    save_png(convert_to_pil_image(create_image_grid(images, grid_size), drange), filename)


def draw_text(canvas, box, text):
    """Draws black text on white into a box (left, top, width, height) of a PIL.Image, cut off where it doesn't fit."""
    from PIL import ImageDraw, ImageFont  # only what has captions needs them
    left, top, width, height = box
    area = PIL.Image.new('RGB', (width, height), (255, 255, 255))
    for number, line in enumerate(text.split('\n')):
        ImageDraw.Draw(area).text(
            (1, 1 + number * LINE_HEIGHT), _ascii(line), fill=(0, 0, 0), font=ImageFont.load_default())
    canvas.paste(area, (left, top))


def wrap(text, width):
    """A text with line breaks, so that it fits `width` pixels: after a space, comma or `_`, or else anywhere.

    What is left over after MAX_LINES is replaced by three dots.
    """
    lines = []
    for paragraph in text.split('\n'):
        lines.append('')
        for word in re.findall('[^ ,_]*[ ,_]?', paragraph):
            if text_width((lines[-1] + word).rstrip()) > width and lines[-1]:
                lines.append('')
            for letter in word:
                if text_width((lines[-1] + letter).rstrip()) > width and lines[-1]:
                    lines.append('')
                lines[-1] += letter
    if len(lines) > MAX_LINES:
        lines = lines[:MAX_LINES]
        while text_width(lines[-1] + '...') > width and lines[-1]:
            lines[-1] = lines[-1][:-1]
        lines[-1] += '...'
    return '\n'.join(line.rstrip() for line in lines)


def caption_width(texts, width):
    """Width that captions of pictures of a width take, pixels: more where a word would be broken, to MAX_CAPTION."""
    longest = max((text_width(word) for text in texts for word in re.findall('[^ \n,_]+[,_]?', text)), default=0)
    return max(width, min(longest, MAX_CAPTION) + 3)


def caption_height(texts):
    """Height of the highest of several captions, pixels; 0 if there are none."""
    return LINE_HEIGHT * max((text.count('\n') + 1 for text in texts), default=0)


def text_width(text):
    """Width of a text of one or several lines, in pixels."""
    from PIL import ImageFont
    font = ImageFont.load_default()
    return max(font.getmask(_ascii(line)).size[0] for line in text.split('\n'))  # exists in every version of Pillow


def _ascii(text):
    """A text with a ? for characters that the font lacks."""
    return text.encode('ascii', 'replace').decode('ascii')


class ContactSheet:
    """One RGB or RGBA picture of equal cells, filled row by row.

    Args:
        count: Number of cells.
        shape: [C, H, W] of the images.
        columns: Cells per row; None = at least as many as rows.
        column_names, row_names: Captions in a margin at the top and left, wrapped; pictures smaller than these are set
            apart, on white. None = no margin.
    """

    def __init__(self, count, shape, columns=None, column_names=None, row_names=None):
        self._columns = columns or int(np.ceil(np.sqrt(count)))
        self._channels = max(shape[0], 3)
        rows = (count - 1) // self._columns + 1
        scale = min(1, MAX_SHEET_SIZE / (max(self._columns, rows) * max(shape[1:])))
        self._cell = (max(int(shape[2] * scale), 1), max(int(shape[1] * scale), 1))
        self._filled = 0
        column_names, row_names = column_names or [], row_names or []
        width = caption_width(column_names, self._cell[0]) if column_names else self._cell[0]
        left = min(MAX_MARGIN, 4 + max(map(text_width, row_names))) if row_names else 0
        column_names = [wrap(name, width - 2) for name in column_names]
        row_names = [wrap(name, left - 2) for name in row_names]
        self._corner = left, caption_height(column_names)
        self._pitch = width, max(self._cell[1], caption_height(row_names))
        size = left + self._columns * width, self._corner[1] + rows * self._pitch[1]
        self.canvas = PIL.Image.new('RGBA' if self._channels == 4 else 'RGB', size,
                                    'white' if column_names or row_names else 0)
        for i, name in enumerate(column_names):
            draw_text(self.canvas, (left + i * width, 0, width, self._corner[1]), name)
        for i, name in enumerate(row_names):
            draw_text(self.canvas, (0, self._corner[1] + i * self._pitch[1], left, self._pitch[1]), name)

    def add(self, image):
        """Fills the next cell with a uint8 image [H, W, C]."""
        picture = PIL.Image.fromarray(np.broadcast_to(image, image.shape[:2] + (self._channels,)).copy())
        if picture.size != self._cell:
            picture = picture.resize(self._cell, PIL.Image.LANCZOS)
        row, column = divmod(self._filled, self._columns)
        self.canvas.paste(picture, (self._corner[0] + column * self._pitch[0], self._corner[1] + row * self._pitch[1]))
        self._filled += 1

    def skip(self):
        """Leaves the next cell empty."""
        self._filled += 1
