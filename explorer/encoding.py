"""Pictures as bytes of files, as the page gets them."""

import io

import numpy as np
import PIL.Image

from dnnlib import images

QUALITY = 90  # of JPEG; 64x64 pixels take 0.4 ms


def to_image(pixels):
    """PIL.Image of a picture, uint8 [H, W, 1, 3 or 4]."""
    return PIL.Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def png(pixels):
    """Bytes of a PNG file, the same as those of `run_generator.py`."""
    file = io.BytesIO()
    to_image(pixels).save(file, format='PNG')
    return file.getvalue()


def jpeg(image, size=0, quality=QUALITY):
    """Bytes of a JPEG file.

    Args:
        image: Pixels as `to_image`, or a PIL.Image; what is transparent becomes white.
        size: Longest side at most, pixels; 0 = as it is.
        quality: 1 to 95.
    """
    if not isinstance(image, PIL.Image.Image):
        image = to_image(images.as_rgb(image) if image.shape[2] == 4 else image)
    if image.mode not in ('L', 'RGB'):
        image = to_image(images.as_rgb(np.asarray(image.convert('RGBA'))))
    if size and max(image.size) > size:
        scale = size / max(image.size)
        image = image.resize([max(int(round(side * scale)), 1) for side in image.size], PIL.Image.BILINEAR)
    file = io.BytesIO()
    image.save(file, format='JPEG', quality=quality, subsampling=0)
    return file.getvalue()
