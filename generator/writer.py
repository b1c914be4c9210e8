"""Files of the pictures that commands draw: PNG, JPEG, WebP, one npz of all, and contact sheets."""

import os

import numpy as np
import PIL.Image

from dnnlib import images, util

KINDS = ('png', 'jpg', 'webp', 'npz')
MAX_SHEET_SIZE = 4096  # of a contact sheet's longer side in pixels; more pictures are shrunk to fit
_PILLOW = {'png': dict(format='PNG'), 'jpg': dict(format='JPEG', quality=95, subsampling=0),
           'webp': dict(format='WEBP', quality=95)}


def to_uint8(pictures):
    """Bytes [N, H, W, C] of float32 images [N, C, H, W] in [-1, 1], by the rule of `tflib.convert_images_to_uint8`."""
    return np.clip(pictures.transpose(0, 2, 3, 1) * np.float32(127.5) + np.float32(128), 0, 255).astype(np.uint8)


def as_pixels(picture):
    """A picture, float32 [C, H, W] or uint8 [H, W, C], as the latter."""
    return picture if picture.dtype == np.uint8 else to_uint8(picture[np.newaxis])[0]


class PictureWriter:
    """Writes pictures one by one.

    Args:
        folder: Where they go.
        outputs: Some of KINDS.
        dtype: Of the arrays in `images.npz`: `uint8` [N, H, W, C] or `float32` [N, C, H, W].
    """

    def __init__(self, folder, outputs=('png',), dtype='uint8'):
        self._folder, self._outputs, self._dtype = folder, outputs, dtype
        self._names, self._arrays = [], []

    def add(self, name, picture):
        """Writes a picture, float32 [C, H, W] or uint8 [H, W, C], as `<name>.png` and so on; returns it as bytes."""
        pixels = as_pixels(picture)
        for kind in self._outputs:
            if kind != 'npz':
                save(pixels, os.path.join(self._folder, name + '.' + kind))
        if 'npz' in self._outputs:
            self._names.append(name)
            self._arrays.append(pixels if self._dtype == 'uint8' else picture)
        return pixels

    def close(self, **arrays):
        """Writes `images.npz` if it is asked for: `images`, `names`, and the arrays given."""
        if 'npz' in self._outputs:
            with util.atomic_path(os.path.join(self._folder, 'images.npz')) as temp_path:
                np.savez(temp_path, images=np.stack(self._arrays), names=np.array(self._names), **arrays)


def save(pixels, path):
    """Writes a uint8 image [H, W, 1 or 3] through a temporary name; the extension says how."""
    picture = PIL.Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    with util.atomic_path(path) as temp_path:
        picture.save(temp_path, **_PILLOW[path.rsplit('.', 1)[1]])


class ContactSheet:
    """One RGB image of equal cells, filled row by row.

    Args:
        count: Number of cells.
        size: [height, width] of the pictures.
        columns: Cells of a row, None = as many as rows.
    """

    def __init__(self, count, size, columns=None):
        self._columns = columns or int(np.ceil(np.sqrt(count)))
        rows = (count - 1) // self._columns + 1
        scale = min(1, MAX_SHEET_SIZE / max(self._columns * size[1], rows * size[0]))
        self._cell = [max(int(side * scale), 1) for side in (size[1], size[0])]
        self._filled = 0
        self.canvas = PIL.Image.new('RGB', (self._columns * self._cell[0], rows * self._cell[1]))

    def add(self, pixels):
        """Fills the next cell with a uint8 image [H, W, 1 or 3]."""
        picture = PIL.Image.fromarray(np.broadcast_to(pixels, pixels.shape[:2] + (3,)).copy())
        if picture.size != tuple(self._cell):
            picture = picture.resize(self._cell, PIL.Image.LANCZOS)
        row, column = divmod(self._filled, self._columns)
        self.canvas.paste(picture, (column * self._cell[0], row * self._cell[1]))
        self._filled += 1

    def skip(self):
        """Leaves the next cell black."""
        self._filled += 1

    def save(self, path):
        """Writes the sheet as PNG."""
        images.save_png(self.canvas, path)
