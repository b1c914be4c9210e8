"""Images of any size for networks that take some sizes only: borders, and tiles whose seams are blended. NumPy only."""

import numpy as np


def pad(image, multiple):
    """An image with a reflected border, so that its sides are multiples of a number.

    Args:
        image: [C, H, W], any type.
        multiple: The number.
    Returns: (image, (top, left)): the larger one, and where the given one begins in it.
    """
    sizes = [-(-size // multiple) * multiple for size in image.shape[1:]]
    before = [(size - old) // 2 for size, old in zip(sizes, image.shape[1:])]
    after = [size - old - first for size, old, first in zip(sizes, image.shape[1:], before)]
    return np.pad(image, [(0, 0)] + list(zip(before, after)), mode='reflect'), tuple(before)


def crop(image, corner, size):
    """The part of an image [C, H, W] that begins at corner = (top, left) and has size = (height, width)."""
    return image[:, corner[0]:corner[0] + size[0], corner[1]:corner[1] + size[1]]


def starts(size, tile, overlap, multiple):
    """Where tiles begin along an axis, so that they cover it and neighbors share at least `overlap` pixels.

    Args:
        size, tile: Length of the axis and of a tile, multiples of `multiple`.
        overlap: Pixels, below `tile`.
        multiple: All tiles begin at multiples of it, as halving images would do it in one piece.
    Returns: List of ints.
    """
    if tile >= size:
        return [0]
    step = max((tile - overlap) // multiple, 1) * multiple
    return list(range(0, size - tile, step)) + [size - tile]


def in_tiles(image, tile, overlap, multiple, function):
    """The results of a function of parts of an image, put together; where parts overlap, one fades into the other.

    Args:
        image: [C, H, W], sides multiples of `multiple`.
        tile: Side of the parts, a multiple of `multiple`; they are smaller where the image is.
        overlap, multiple: See `starts`.
        function: Function of a part, and of its number, that returns an image of its size.
    Returns: float32 image of the size of the given one.
    """
    height, width = (min(tile, size) for size in image.shape[1:])
    rows, columns = (starts(size, side, overlap, multiple) for size, side in zip(image.shape[1:], (height, width)))
    weight = np.outer(*(_window(side, overlap) for side in (height, width)))
    total, weights = None, np.zeros(image.shape[1:], np.float32)
    for number, (top, left) in enumerate((top, left) for top in rows for left in columns):
        part = (slice(None), slice(top, top + height), slice(left, left + width))
        result = function(image[part], number)
        total = np.zeros((len(result),) + image.shape[1:], np.float32) if total is None else total
        total[part] += result * weight
        weights[part[1:]] += weight
    return total / weights


def _window(side, overlap):
    """Weights along a tile: they grow from its ends inward over the pixels that it shares with others."""
    near = np.arange(side)
    return np.minimum(np.minimum(near, near[::-1]) + 1, overlap + 1).astype(np.float32)
