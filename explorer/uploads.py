"""Pictures that the page sends: decoded with limits, kept in memory without the original file, the last few."""

import collections
import io
import threading
from typing import NamedTuple

import PIL.Image
import PIL.ImageOps

from explorer.errors import Refused
from projector import inputs

MAX_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE = 10 << 20, 40 * 10 ** 6, 2048, 8
FORMATS = {'image/png': 'PNG', 'image/jpeg': 'JPEG', 'image/webp': 'WEBP'}
KEPT, PREVIEW = 8, 1024
_PLAIN = ('L', 'RGB', 'RGBA')


class _Memory:
    """Stands in for a folder or zip of pictures: one picture in memory."""

    def __init__(self, data):
        self._data = data

    def read_bytes(self, _name):
        """Its PNG file as bytes."""
        return self._data


class Upload(NamedTuple):
    """A picture that was sent."""
    picture: inputs.Picture  # as projector and translator take it
    image: PIL.Image.Image   # the same, decoded; label maps stay gray or palettes
    size: tuple              # (width, height)


def decode(data, kind):
    """A picture from the bytes of its file.

    Args:
        data: Bytes, at most MAX_BYTES.
        kind: Content type, one of FORMATS.
    Returns: PIL.Image of mode L, P, RGB or RGBA, upright, its sides at most MAX_SIDE.
    Raises: Refused for everything else.
    """
    if kind not in FORMATS:
        raise Refused(f'send {", ".join(FORMATS)}', 400)
    try:
        image = PIL.Image.open(io.BytesIO(data), formats=[FORMATS[kind]])
        if image.size[0] * image.size[1] > MAX_PIXELS:  # before anything is decoded
            raise Refused(f'{image.size[0]}x{image.size[1]} pixels are too many; send at most {MAX_PIXELS // 10 ** 6} '
                          'megapixels')
        if image.mode in ('I', 'F') or image.mode.startswith('I;'):
            raise Refused('the picture has more than 8 bits a channel; send one of 8')
        image.load()
        image = PIL.ImageOps.exif_transpose(image)
        if image.mode not in _PLAIN + ('P',):
            has_alpha = image.mode in ('LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info
            image = image.convert('RGBA' if has_alpha else 'L' if image.mode == '1' else 'RGB')
        elif image.mode == 'P' and 'transparency' in image.info:
            image = image.convert('RGBA')
    except Refused:
        raise
    except MemoryError:
        raise
    except Exception:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
        raise Refused(f'this is no {FORMATS[kind]} picture, or it is damaged; send another file') from None
    if min(image.size) < MIN_SIDE:
        raise Refused(f'{image.size[0]}x{image.size[1]} pixels are too few; send at least {MIN_SIDE} on each side')
    if max(image.size) > MAX_SIDE:
        scale = MAX_SIDE / max(image.size)
        size = tuple(max(int(round(side * scale)), MIN_SIDE) for side in image.size)
        image = image.resize(size, PIL.Image.NEAREST if image.mode == 'P' else PIL.Image.LANCZOS)
    return image


class Uploads:
    """The last pictures that were sent, by number."""

    def __init__(self):
        self._lock, self._kept, self._count = threading.Lock(), collections.OrderedDict(), 0

    def add(self, data, kind):
        """Takes a picture; returns (number, Upload). Raises Refused, see `decode`."""
        image = decode(data, kind)
        image.info = {}  # no profile, no comment, no place where it was taken
        file = io.BytesIO()
        image.save(file, format='PNG', compress_level=1)
        with self._lock:
            self._count += 1
            name = f'picture {self._count}'
            upload = Upload(inputs.Picture(name, name, _Memory(file.getvalue()), name), image, image.size)
            self._kept[self._count] = upload
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._count, upload

    def get(self, number):
        """The Upload of a number; raises Refused if it is no longer kept."""
        with self._lock:
            if number not in self._kept:
                raise Refused(f'picture {number} is gone; drop it again', 409)
            return self._kept[number]

    def preview(self, number):
        """The picture as an image of at most PREVIEW pixels, PIL.Image."""
        image = self.get(number).image.copy()
        image.thumbnail((PREVIEW, PREVIEW))
        return image
