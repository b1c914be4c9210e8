"""What happens to pictures on their way: JPEG, rescaling, cropping, blur, shifts of color."""

import io

import numpy as np
from PIL import Image, ImageFilter

from dnnlib.util import UserError

# Rows of the robustness table: text of the options, as `apply` takes them.
ROBUSTNESS = ('jpeg=90', 'jpeg=75', 'jpeg=50', 'resize=0.75', 'resize=0.5', 'crop=0.95', 'crop=0.9', 'blur=0.5',
              'blur=1', 'color=0.1')


def jpeg(pixels, quality):
    """The picture after saving as JPEG of a quality from 1 to 95; alpha is kept as it is."""
    file = io.BytesIO()
    image = _image(pixels[:3])
    image.save(file, 'JPEG', quality=int(quality))
    return np.concatenate([_pixels(Image.open(io.BytesIO(file.getvalue()))), pixels[3:]])


def resize(pixels, factor):
    """The picture after scaling by a factor in (0, 1] and back (Lanczos)."""
    image = _image(pixels)
    small = [max(1, int(round(side * factor))) for side in image.size]
    return _pixels(image.resize(small, Image.LANCZOS).resize(image.size, Image.LANCZOS))


def crop(pixels, share):
    """The central part, `share` of each side in (0, 1], scaled up to the whole."""
    image = _image(pixels)
    left, top = [(1 - share) / 2 * side for side in image.size]
    return _pixels(image.resize(image.size, Image.BICUBIC, box=(left, top, image.size[0] - left, image.size[1] - top)))


def blur(pixels, radius):
    """The picture after a Gaussian blur with that standard deviation in pixels."""
    return _pixels(_image(pixels).filter(ImageFilter.GaussianBlur(radius)))


def color(pixels, shift):
    """First channel brighter, last color darker by `shift` of the range; gray pictures get brighter."""
    colors = pixels[:3].astype(np.float32)
    signs = np.linspace(1, -1, len(colors)) if len(colors) > 1 else np.ones(1)
    colors += np.float32(255 * shift * signs)[:, np.newaxis, np.newaxis]
    return np.concatenate([np.uint8(np.clip(np.rint(colors), 0, 255)), pixels[3:]])


KINDS = {'jpeg': (jpeg, 1, 95), 'resize': (resize, 0.05, 1), 'crop': (crop, 0.1, 1), 'blur': (blur, 0, 100),
         'color': (color, -1, 1)}


def parse(text):
    """Pairs (kind, amount) of a text such as `jpeg=75,resize=0.5`; empty for an empty text.

    Raises: UserError for an unknown kind or an amount out of its range.
    """
    steps = []
    for part in filter(None, text.split(',')):
        kind, _, amount = part.partition('=')
        if kind not in KINDS:
            raise UserError(f"unknown change of pictures {kind!r}; choose from {', '.join(KINDS)}")
        low, high = KINDS[kind][1:]
        try:
            value = float(amount)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise UserError(f'{kind}={amount}: expected a number from {low} to {high}')
        steps.append((kind, value))
    return steps


def apply(pixels, text):
    """A picture, uint8 [C, H, W], after the changes of a text, see `parse`; same shape and type."""
    for kind, amount in parse(text):
        pixels = KINDS[kind][0](pixels, amount)
    return pixels


def _image(pixels):
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _pixels(image):
    pixels = np.asarray(image, np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
