"""Image files to pixels: decodes pictures, detects damage, and converts to one size and number of channels."""

import io
import re
import struct
import zlib
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from dnnlib.util import UserError
from training import image_size

MAX_PIXELS = 10 ** 8
GRAY_MODES = ('1', 'L', 'LA')
CONVERTIBLE_MODES = GRAY_MODES + ('P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
MODES = {1: 'L', 3: 'RGB', 4: 'RGBA'}  # by number of channels
FITS = ('crop', 'pad', 'stretch')
FILTERS = {'area': Image.BOX, 'lanczos': Image.LANCZOS}
FORMATS = ('PNG', 'JPEG', 'BMP', 'WEBP', 'TIFF', 'GIF', 'PPM')  # for some others Pillow would run external programs
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# first bytes of these formats; a file that starts otherwise is not an image, rather than a damaged one
SIGNATURES = (PNG_SIGNATURE, b'\xff\xd8\xff', b'GIF8', b'BM', b'RIFF', b'II*\0', b'MM\0*', b'P1', b'P2', b'P3', b'P4',
              b'P5', b'P6')


class Fit(NamedTuple):
    """How pictures become images of a dataset."""

    resolution: object = None            # see image_size.parse; None = keep the size
    fit: str = 'crop'                    # crop = largest center crop, pad = add borders, stretch = ignore proportions
    channels: int = None                 # 1, 3 or 4; None = 1 if all pictures are gray, otherwise 3
    background: tuple = (255, 255, 255)  # RGB behind transparency and of the borders
    resample: str = 'lanczos'            # or 'area', the mean of the covered pixels; lanczos is sharper


def open_image(data, where):
    """Decodes an image file and rotates it according to its EXIF tag.

    Args:
        data: Content of the file, bytes.
        where: Name of the file, for messages.
    Returns: Loaded PIL.Image of any mode.
    Raises: UserError if it can't be decoded completely and reliably, or has over 100 megapixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise Image.DecompressionBombError('{}x{}'.format(*image.size))
        problem = png_problem(data)
        if problem is not None:
            raise OSError(problem)
        image = ImageOps.exif_transpose(image)
        image.load()
        return image
    except MemoryError:  # says nothing about the file
        raise
    except Image.DecompressionBombError as error:  # Pillow itself raises this above twice its own limit
        raise unreadable(where, f'over 100 megapixels: {error}') from None
    except Exception as error:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
        raise unreadable(where, error) from None


def png_problem(data):
    """What is wrong with the chunks of a PNG file, whose checksums Pillow ignores: str, or `None`."""
    if not data.startswith(PNG_SIGNATURE):
        return None
    offset = len(PNG_SIGNATURE)
    while offset + 12 <= len(data):
        length, kind = struct.unpack_from('>I4s', data, offset)
        end = offset + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(memoryview(data)[offset + 4:end]) != struct.unpack_from('>I', data, end)[0]:
            return f'checksum mismatch of the chunk at byte {offset}'
        if kind == b'IEND':
            return None
        offset = end + 4
    return 'the file is truncated'


def is_truncated(data):
    """Is the end of an image file that can't be decoded missing? False where the format doesn't show it."""
    if data.startswith(PNG_SIGNATURE):
        return b'IEND\xaeB`\x82' not in data[-4096:]
    if data.startswith(b'\xff\xd8'):
        return b'\xff\xd9' not in data[-4096:]
    if data.startswith(b'GIF8'):
        return not data.rstrip(b'\0').endswith(b';')
    if data.startswith((b'BM', b'RIFF')) and len(data) >= 8:
        size = struct.unpack_from('<I', data, 2 if data.startswith(b'BM') else 4)[0]
        return len(data) < size
    return False


def unreadable(where, error):
    """UserError about a file that can't be read as an image."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    reason = re.sub(r'\s*<[\w.]+ [^>]*>', '', reason)  # drops the file object that PIL names
    return UserError(f'{where}: unreadable image ({reason}); replace or remove it')


def wrong_mode(where, mode, expected, option):
    """UserError about an image whose color mode is `mode` instead of `expected` (PIL's names)."""
    if mode not in CONVERTIBLE_MODES:
        return UserError(f'{where}: color mode {mode}; expected 8 bits per channel, so convert the image')
    return UserError('{}: color mode {} instead of {}; convert the image, or set {} to convert all'.format(
        where, mode, expected, option))


def has_alpha(image):
    """Does a PIL image have transparent parts?"""
    return image.mode in ('LA', 'PA', 'RGBA') or 'transparency' in image.info and image.mode in CONVERTIBLE_MODES


def convert(image, channels, background):
    """Converts a PIL image of a mode in CONVERTIBLE_MODES to L, RGB or RGBA.

    Args:
        image: PIL.Image.
        channels: 1, 3 or 4.
        background: RGB behind transparency, unless it is kept.
    """
    if image.mode == MODES[channels] and (channels == 4 or not has_alpha(image)):
        return image
    if has_alpha(image) and channels != 4:
        behind = Image.new('RGBA', image.size, tuple(background) + (255,))
        image = Image.alpha_composite(behind, image.convert('RGBA')).convert('RGB')
    elif image.mode in ('P', 'CMYK', 'YCbCr'):  # Pillow can't convert these to every other mode directly
        image = image.convert('RGB')
    return image.convert(MODES[channels])


def fit_image(image, fit):
    """Resizes a PIL image of mode L, RGB or RGBA as `fit`, a Fit, says; without a resolution it is unchanged."""
    if fit.resolution is None:
        return image
    size = tuple(image_size.parse(fit.resolution).shape[::-1])
    resample = FILTERS[fit.resample]
    if fit.fit == 'pad' and image.size != size:
        scale = min(side / whole for side, whole in zip(size, image.size))
        inner = tuple(max(1, int(round(whole * scale))) for whole in image.size)
        color = tuple(fit.background) + (0,)  # transparent where there is transparency
        padded = Image.new('RGBA', size, color).convert('RGBA' if image.mode == 'RGBA' else 'RGB').convert(image.mode)
        inside = image if inner == image.size else image.resize(inner, resample)
        padded.paste(inside, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
        return padded
    if fit.fit == 'crop':
        scale = min(whole / side for side, whole in zip(size, image.size))
        box = [min(int(round(side * scale)), whole) for side, whole in zip(size, image.size)]
        if tuple(box) != image.size:
            left, top = (image.size[0] - box[0]) // 2, (image.size[1] - box[1]) // 2
            image = image.crop((left, top, left + box[0], top + box[1]))
    return image if image.size == size else image.resize(size, resample)


def crop_box(image, box):
    """The part of a PIL image inside box = (left, top, right, bottom) in pixels, clipped to the image.

    Raises: ValueError if nothing is left.
    """
    left, top = max(int(round(box[0])), 0), max(int(round(box[1])), 0)
    right, bottom = min(int(round(box[2])), image.size[0]), min(int(round(box[3])), image.size[1])
    if left >= right or top >= bottom:
        raise ValueError('the box {:g},{:g},{:g},{:g} is outside the {}x{} pixels'.format(
            *(tuple(box) + image.size)))
    return image if (left, top, right, bottom) == (0, 0) + image.size else image.crop((left, top, right, bottom))


def to_array(image):
    """PIL.Image of mode L, RGB or RGBA as uint8 [C, H, W]."""
    pixels = np.asarray(image, np.uint8)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
