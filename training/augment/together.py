"""Images that belong to each other, such as a photo and its label map, to be augmented alike."""

from typing import NamedTuple


class Together(NamedTuple):
    """What the pipelines of this package take instead of images: every tuple has the same N, H and W.

    Everything that is drawn is drawn once, but for the values of noise. Colors are changed of pictures alone.
    """
    pictures: tuple    # of [N, C, H, W] float32 in about [-1, 1]; C is 1, 3 or 4
    maps: tuple = ()   # of [N, C, H, W] float32: planes of labels, edges; moved to the nearest pixel, and cut out


def parts_of(images):
    """(tuple of pictures, tuple of maps) of images [N, C, H, W], or of a Together."""
    return tuple(map(tuple, images)) if isinstance(images, Together) else ((images,), ())


def like(images, pictures, maps):
    """The same kind of thing as `images`, of these parts."""
    return Together(tuple(pictures), tuple(maps)) if isinstance(images, Together) else pictures[0]
