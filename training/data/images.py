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
from training.data import area

MAX_PIXELS = 10 ** 8
ORIENTATION = 0x0112  # the EXIF tag
WIDTH, HEIGHT = 256, 257  # TIFF's tags
GRAY_MODES = ('1', 'L', 'LA')
CONVERTIBLE_MODES = GRAY_MODES + ('P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
MODES = {1: 'L', 3: 'RGB', 4: 'RGBA'}  # by number of channels
FITS = ('crop', 'pad', 'stretch', 'random')
FILTERS = {'area': area.resize, 'lanczos': lambda image, size: image.resize(size, Image.LANCZOS)}
FORMATS = ('PNG', 'JPEG', 'BMP', 'WEBP', 'TIFF', 'GIF', 'PPM')  # for some others Pillow would run external programs
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# first bytes of these formats; a file that starts otherwise is not an image, rather than a damaged one
SIGNATURES = (PNG_SIGNATURE, b'\xff\xd8\xff', b'GIF8', b'BM', b'RIFF', b'II*\0', b'MM\0*', b'P1', b'P2', b'P3', b'P4',
              b'P5', b'P6')
BRANDS = ((b'avif', 'an AVIF picture'), (b'avis', 'an AVIF picture'), (b'hei', 'a HEIC picture'),
          (b'hevc', 'a HEIC picture'), (b'mif1', 'a HEIC picture'), (b'crx ', 'a raw photo'))
OTHER_CONTENTS = (  # first bytes of files that are found under the name of a picture
    (b'version https://git-lfs', 'a Git LFS pointer, not the file itself (fetch it with git lfs pull)'),
    (b'PK\3\4', 'a zip file'), (b'PK\5\6', 'a zip file'), (b'%PDF', 'a PDF file'), (b'\x1f\x8b', 'a gzip file'),
    (b'Rar!', 'a RAR file'), (b'7z\xbc\xaf', 'a 7z file'), (b'8BPS', 'a Photoshop picture'),
    (b'\0\0\0\x0cJXL ', 'a JPEG XL picture'), (b'\xff\x0a', 'a JPEG XL picture'),
    (b'\0\0\0\x0cjP  ', 'a JPEG 2000 picture'), (b'\xff\x4f\xff\x51', 'a JPEG 2000 picture'),
    (b'RIFF', 'a video or sound'), (b'\x1aE\xdf\xa3', 'a video'))
DEEP_MODES = (('I;16', 'gray of 16 bits'), ('I', 'gray of more than 8 bits'), ('F', 'gray of floating-point numbers'))


class Fit(NamedTuple):
    """How pictures become images of a dataset."""

    resolution: object = None            # see image_size.parse; None = keep the size
    fit: str = 'crop'                    # crop = largest center crop, pad = add borders, stretch = ignore proportions,
    #                                      random = crop at a random place after scaling
    channels: int = None                 # 1, 3 or 4; None = 1 if all pictures are gray, otherwise 3
    background: tuple = (255, 255, 255)  # RGB behind transparency and of the borders
    resample: str = 'lanczos'            # or 'area', the mean of the covered pixels; lanczos is sharper
    short_side: int = None               # random: the shorter side after scaling, pixels; None = that of the resolution


class Unreadable(UserError):
    """A file that can't be read as a picture.

    Attributes:
        kind: 'zero bytes', 'not an image', 'truncated', 'corrupt' or 'over 100 MP'.
        reason: What exactly is wrong, one line.
    """

    def __init__(self, where, kind, reason, advice='replace or remove it'):
        super().__init__(f'{where}: unreadable image ({reason}); {advice}')
        self.kind, self.reason = kind, reason


def open_image(data, where):
    """Decodes an image file and rotates it according to its EXIF tag.

    Args:
        data: Content of the file, bytes.
        where: Name of the file, for messages.
    Returns: Loaded PIL.Image of any mode.
    Raises: Unreadable if it can't be decoded completely and reliably, or has over 100 megapixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise Image.DecompressionBombError('{}x{}'.format(*image.size))
        problem = png_problem(data)
        if problem is not None:
            raise OSError(problem)
        if image.format in ('JPEG', 'MPO'):
            image.decodermaxblock = len(data)  # all at once: threads meet only between the pieces
        image.load()
        # Pillow rotates TIFF itself, and older versions would do so twice; without a tag, it would copy the picture
        if image.format != 'TIFF' and image.getexif().get(ORIENTATION, 1) != 1:
            image = ImageOps.exif_transpose(image)
        return image
    except MemoryError:  # says nothing about the file
        raise
    except Exception as error:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
        raise unreadable(where, error, data) from None


def unreadable(where, error, data):
    """Unreadable of a file with the content `data`, bytes, that Pillow can't open or decode because of `error`."""
    if isinstance(error, Image.DecompressionBombError):  # Pillow raises it itself above twice its own limit
        size = re.match(r'\d+x\d+$', str(error))
        return Unreadable(where, 'over 100 MP', 'over 100 megapixels' + (f': {size.group()}' if size else ''))
    if not data:
        return Unreadable(where, 'zero bytes', 'the file is empty')
    found = contents(data)
    if found is not None:
        advice = 'convert it to PNG or JPEG' if 'picture' in found or 'photo' in found else 'replace or remove it'
        return Unreadable(where, 'not an image', f'it is {found}', advice)
    problem = png_problem(data)
    if is_truncated(data) or 'truncated' in str(error):
        return Unreadable(where, 'truncated', 'the end of the file is missing')
    return Unreadable(where, 'corrupt', problem or 'its data is damaged')


def contents(data):
    """What a file is by its first bytes, such as 'a HEIC picture'; `None` if it is a picture that can be read."""
    if not data:
        return 'an empty file'
    if data.startswith(SIGNATURES) and (not data.startswith(b'RIFF') or data[8:12] == b'WEBP'):
        return None
    if data[4:8] == b'ftyp':
        brands = data[8:64]
        kinds = [kind for brand, kind in BRANDS if brand in brands]
        return kinds[0] if kinds else 'a video'
    for begin, kind in OTHER_CONTENTS:
        if data.startswith(begin):
            return kind
    text = data[:1024].lower()
    if b'<html' in text or b'<!doctype html' in text:
        return 'an HTML page'
    if b'<svg' in text:
        return 'an SVG drawing'
    is_text = not any(byte < 9 or 13 < byte < 32 and byte != 27 for byte in data[:1024])
    return 'text' if is_text else 'no known picture format'


def upright_size(image, is_late=None):
    """Size of a picture rotated according to its EXIF tag, which is not decoded for that.

    Args:
        image: PIL.Image, just opened.
        is_late: Function that says whether a PNG file may have the tag behind its pixels; `None` = no such file.
    Returns: (width, height); `None` if only decoding can tell.
    """
    width, height = image.size
    if width == height:
        return image.size
    if image.format == 'TIFF':  # newer versions of Pillow give the size upright, older ones as stored
        width, height = image.tag_v2.get(WIDTH, width), image.tag_v2.get(HEIGHT, height)
    # the method of PNG files would decode them; without any information there is no tag, which takes time to find out
    orientation = Image.Image.getexif(image).get(ORIENTATION, 1) if image.info or image.format == 'TIFF' else 1
    if image.format == 'PNG' and orientation == 1 and is_late is not None and is_late():
        return None
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


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


def wrong_mode(where, mode, expected, option):
    """UserError about an image whose color mode is `mode` instead of `expected` (PIL's names)."""
    if mode not in CONVERTIBLE_MODES:
        kind = next((f', which is {kind}' for begin, kind in DEEP_MODES if mode.startswith(begin)), '')
        return UserError(f'{where}: color mode {mode}{kind}; expected 8 bits per channel, so convert the image')
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


def fit_image(image, fit, rnd=None):
    """Resizes a picture.

    Args:
        image: PIL.Image of mode L, RGB or RGBA.
        fit: Fit; without a resolution the picture is unchanged.
        rnd: RandomState that draws the place of a random crop; `None` = the center.
    Returns: PIL.Image.
    """
    if fit.resolution is None:
        return image
    size = tuple(image_size.parse(fit.resolution).shape[::-1])
    resize = FILTERS[fit.resample]
    if fit.fit == 'pad' and image.size != size:
        scale = min(side / whole for side, whole in zip(size, image.size))
        inner = tuple(max(1, int(round(whole * scale))) for whole in image.size)
        color = tuple(fit.background) + (0,)  # transparent where there is transparency
        padded = Image.new('RGBA', size, color).convert('RGBA' if image.mode == 'RGBA' else 'RGB').convert(image.mode)
        inside = image if inner == image.size else resize(image, inner)
        padded.paste(inside, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
        return padded
    if fit.fit == 'random':
        factor = (fit.short_side or min(size)) / min(size)
        scale = max(factor * side / whole for side, whole in zip(size, image.size))
        scaled = tuple(max(side, int(round(whole * scale))) for side, whole in zip(size, image.size))
        image = image if scaled == image.size else resize(image, scaled)
        left, top = ((whole - side) // 2 if rnd is None else rnd.randint(whole - side + 1)
                     for side, whole in zip(size, image.size))
        return image.crop((left, top, left + size[0], top + size[1]))
    if fit.fit == 'crop':
        scale = min(whole / side for side, whole in zip(size, image.size))
        box = [min(int(round(side * scale)), whole) for side, whole in zip(size, image.size)]
        if tuple(box) != image.size:
            left, top = (image.size[0] - box[0]) // 2, (image.size[1] - box[1]) // 2
            image = image.crop((left, top, left + box[0], top + box[1]))
    return image if image.size == size else resize(image, size)


def to_array(image):
    """PIL.Image of mode L, RGB or RGBA as uint8 [C, H, W]."""
    bands = image.getbands()
    pixels = np.empty((len(bands),) + image.size[::-1], np.uint8)
    for band, plane in zip(bands, pixels):  # several times as fast as to transpose
        plane[:] = np.frombuffer(image.tobytes('raw', band), np.uint8).reshape(plane.shape)
    return pixels
