"""Levels of detail of images: averages of blocks of pixels, as in the published files."""

import numpy as np


def halve(pixels):
    """Averages blocks of 2 x 2 pixels: float32 [C, H, W] to float32 [C, H / 2, W / 2]."""
    return (pixels[:, 0::2, 0::2] + pixels[:, 0::2, 1::2] + pixels[:, 1::2, 0::2] + pixels[:, 1::2, 1::2]) / 4


def quantize(pixels):
    """Rounds half to even and clips: float32 to uint8 of the same shape."""
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def box_downscale(image, lod):
    """Level of detail `lod` (int >= 0) of an image: uint8 [C, H, W] to uint8 [C, H / 2^lod, W / 2^lod].

    Each level is the 2 x 2 average of the unrounded level above it, as in the published files.
    """
    if lod == 0:
        return image
    pixels = image.astype(np.float32)
    for _ in range(lod):
        pixels = halve(pixels)
    return quantize(pixels)
