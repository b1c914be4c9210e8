"""Scaling pictures down by areas, as OpenCV's INTER_AREA does."""

import numpy as np
from PIL import Image


def shares(size, new_size):
    """Weights of pixels in the longer ones that cover them, float64 [new_size, size]; each row adds up to 1."""
    edges = np.arange(new_size + 1) * (size / new_size)
    begin = np.maximum(edges[:-1, np.newaxis], np.arange(size))
    end = np.minimum(edges[1:, np.newaxis], np.arange(size) + 1)
    return np.maximum(end - begin, 0) * (new_size / size)


def can_shrink(size, new_size):
    """Is no side of a picture (width, height) to grow?"""
    return all(side >= new for side, new in zip(size, new_size))


def resize(image, new_size):
    """The picture in another size: each pixel is the mean of the rectangle that it covers, rounded to the nearest.

    Where a side grows there are no rectangles to average: OpenCV interpolates in a way of its own there, this function
    by Pillow's BILINEAR.

    Args:
        image: PIL.Image of mode L, RGB or RGBA; colors count as much as they are opaque.
        new_size: (width, height), pixels.
    Returns: PIL.Image of the same mode.
    """
    if not can_shrink(image.size, new_size):
        return image.resize(new_size, Image.BILINEAR)
    premultiplied = image.convert('RGBa') if image.mode == 'RGBA' else image
    columns, rows = (shares(side, new) for side, new in zip(image.size, new_size))
    pixels = np.frombuffer(premultiplied.tobytes(), np.uint8).reshape(image.size[1], image.size[0], -1)  # any Pillow
    found = np.moveaxis(np.tensordot(columns, np.tensordot(rows, np.float64(pixels), 1), (1, 1)), 0, 1)
    is_half = image.size == (2 * new_size[0], 2 * new_size[1])  # where OpenCV adds up integers and rounds halves up
    found = np.floor(found + 0.5) if is_half else np.rint(found)
    found = Image.frombytes(premultiplied.mode, tuple(new_size), found.astype(np.uint8).tobytes())
    return found.convert(image.mode)
