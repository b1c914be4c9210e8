"""Image sizes that networks support: a base block doubled several times.

The base block is 4x4 for the published networks, whose images are square with a side that is a power of two. Any block
with a shorter side of 4 to 7 and a longer side of up to 16 works too: 5x4 doubled five times gives images 160 pixels
high and 128 wide, 7x7 doubled five times gives 224x224. Each size has at most one base block.
"""

import argparse
import math
from typing import NamedTuple

from dnnlib.util import UserError

MIN_BASE, MAX_BASE = 4, 16  # sides of the base block, pixels; the shorter one is below 2 * MIN_BASE


class ImageSize(NamedTuple):
    """Height and width of the base block, and how often it is doubled."""

    base_height: int
    base_width: int
    doublings: int

    @property
    def num_levels(self):
        """Like `resolution_log2` of a square network: the levels are 2 (base block), 3, ..., `num_levels`."""
        return self.doublings + 2

    def at(self, level):
        """[height, width] of the feature maps at a level; level 2 is the base block."""
        return [self.base_height << level - 2, self.base_width << level - 2]

    @property
    def shape(self):
        """[height, width] of the images."""
        return self.at(self.num_levels)


def parse(resolution):
    """The ImageSize of a network's or dataset's option `resolution`.

    Args:
        resolution: Side of square images, or (height, width), in pixels.
    Raises: UserError if it is neither, or networks don't support that size; the message suggests sizes.
    """
    sides = list(resolution) if isinstance(resolution, (list, tuple)) else [resolution, resolution]
    if len(sides) != 2 or not all(_is_positive_int(side) for side in sides):
        raise UserError('resolution must be a number of pixels or (height, width), not %r' % (resolution,))
    size = find(*sides)
    if size is None:
        raise UserError('no network has images of %dx%d pixels: height and width must be a base block with sides of %d '
                        'to %d pixels, doubled; the nearest sizes are %s' % (
                            sides[0], sides[1], MIN_BASE, MAX_BASE, ', '.join('%dx%d' % s for s in nearest(*sides))))
    return size


def argument(text):
    """Argument type: a side such as 256, or height x width such as 160x128; the value of an option `resolution`.

    Raises: argparse.ArgumentTypeError for another text or a size that networks don't support.
    """
    sides = [int(side) for side in text.split('x') if side.isdigit()]
    if len(sides) != text.count('x') + 1 or len(sides) > 2:
        raise argparse.ArgumentTypeError(
            f'expected a side such as 256 or height x width such as 160x128, got {text!r}')
    try:
        return option(*parse(sides[0] if len(sides) == 1 else sides).shape)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def find(height, width):
    """The ImageSize of images of this height and width in pixels, or None if networks don't support it."""
    doublings = 0
    while height % 2 == 0 and width % 2 == 0 and min(height, width) >= 2 * MIN_BASE:
        height, width, doublings = height // 2, width // 2, doublings + 1
    legal = MIN_BASE <= min(height, width) < 2 * MIN_BASE and max(height, width) <= MAX_BASE
    return ImageSize(int(height), int(width), doublings) if legal else None


def nearest(height, width, count=3):
    """(height, width) of the `count` supported sizes that differ least in sides and proportions, best first."""
    scale = math.floor(math.log2(max(min(height, width), MIN_BASE) / MIN_BASE))
    proposals = set()
    for doublings in {max(scale + step, 0) for step in (-1, 0, 1)}:
        sides = [[min(max(rounded(side / 2 ** doublings), MIN_BASE), MAX_BASE) << doublings
                  for rounded in (math.floor, math.ceil)] for side in (height, width)]
        proposals.update((h, w) for h in sides[0] for w in sides[1] if find(h, w))

    def difference(size):
        h, w = math.log(size[0] / height), math.log(size[1] / width)
        return abs(h) + abs(w) + abs(h - w), size
    return sorted(proposals, key=difference)[:count]


def option(height, width):
    """Value of the networks' option `resolution` for images of this size: an int if they are square."""
    return int(height) if height == width else [int(height), int(width)]


def _is_positive_int(value):
    return not isinstance(value, bool) and hasattr(value, '__index__') and value > 0
