"""One sheet of pictures beside their translations."""

import numpy as np
import PIL.Image

from dnnlib import images, label_maps
from projector import inputs

MAX_PAIRS, MAX_CELL = 64, 512  # pictures of a sheet; pixels of the longer side of one


class Sheet:
    """Pairs of pictures of any sizes, the first MAX_PAIRS of those that are added."""

    def __init__(self):
        self._cells = []

    def add(self, *pair):
        """Adds a picture and its translation, uint8 [H, W, 1, 3 or 4]."""
        if len(self._cells) >= 2 * MAX_PAIRS:
            return
        for pixels in pair:
            picture = PIL.Image.fromarray(np.ascontiguousarray(images.as_rgb(pixels)))
            picture.thumbnail((MAX_CELL, MAX_CELL), PIL.Image.LANCZOS)
            self._cells.append(picture)

    def save(self, path):
        """Writes the sheet as a PNG file: each picture left of its translation, on white where it is smaller."""
        width, height = (max(picture.size[axis] for picture in self._cells) for axis in (0, 1))
        pairs = int(np.ceil(np.sqrt(len(self._cells) / 4)))  # twice as many rows, as a pair is twice as wide
        canvas = images.ContactSheet(len(self._cells), (3, height, width), 2 * pairs, ['input', 'translation'] * pairs)
        for picture in self._cells:
            cell = PIL.Image.new('RGB', (width, height), 'white')
            cell.paste(picture, ((width - picture.size[0]) // 2, (height - picture.size[1]) // 2))
            canvas.add(np.asarray(cell))
        images.save_png(canvas.canvas, path)


def as_colors(image, layout):
    """An input as a picture for people, uint8 [H, W, C]; each label has a color.

    Args:
        image: float32 [C, H, W], see `sources.read`.
        layout: sources.Layout.
    """
    pixels = inputs.to_pixels(image) if layout.colors else label_maps.colors(np.argmax(image, axis=0)[np.newaxis])
    return pixels.transpose(1, 2, 0)
