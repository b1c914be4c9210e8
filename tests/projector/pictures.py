"""Pictures for the tests of inputs."""

import numpy as np
from PIL import Image


def write_picture(path, size=(16, 16), seed=0, mode='RGB'):
    """Writes a random PNG of `size` (width, height); returns its pixels, uint8 [H, W, C] or [H, W]."""
    channels = {'L': [], 'RGB': [3], 'RGBA': [4]}[mode]
    pixels = np.random.RandomState(seed).randint(256, size=[size[1], size[0]] + channels).astype(np.uint8)
    Image.fromarray(pixels).save(str(path))
    return pixels
