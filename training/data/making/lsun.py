"""LSUN (Yu et al. 2015), or any LMDB database of image files: sources for `export.export`."""

import functools
import os
import threading

from PIL import Image

from dnnlib.util import UserError
from training.data.images import convert, CONVERTIBLE_MODES, Fit, fit_image, open_image, to_array, wrong_mode
from training.data.making.pictures import Skipped
from training.data.rules import RESOLUTION_OPTION

DATA_FILE = 'data.mdb'


class LmdbSource:
    """Images from the values of an LMDB database, in key order; each value is read when needed.

    Args:
        folder: Folder that holds `data.mdb`.
        make_image: Function of a PIL.Image of mode RGB; returns one in the dataset's size or raises Skipped.
        settings: List of everything `make_image` depends on.
    Raises: UserError if lmdb is not installed, or the folder holds no database or an empty one.
    """

    label_names, label_size = None, 0

    def __init__(self, folder, make_image, settings):
        self._folder, self._make_image = folder, make_image
        self._lock = threading.Lock()
        self._lmdb, self._env = _open(folder)
        self.num_items = self._env.stat()['entries']
        if not self.num_items:
            self._env.close()
            raise UserError(f'{folder}: the database is empty')
        self._cursor, self._at = self._env.begin().cursor(), -1
        status = os.stat(os.path.join(folder, DATA_FILE))
        self.key = [os.path.abspath(folder), status.st_size, status.st_mtime_ns, settings]

    def _entry(self, number):
        """Key (str) and value of entry `number`; LMDB has no index by number, so the cursor walks there."""
        try:
            with self._lock:
                while self._at != number:
                    forward = number > self._at  # also from -1, before the first entry
                    if not (self._cursor.next() if forward else self._cursor.prev()):
                        raise self._lmdb.Error(f'it ends at entry {self._at}')
                    self._at += 1 if forward else -1
                return self._cursor.key().decode('utf-8', 'backslashreplace'), self._cursor.value()
        except self._lmdb.Error as error:  # not one image's fault, so not skipped
            raise OSError(f'{self._folder}: the database is damaged ({error}); download it again') from None

    def name_of(self, number):
        """Key of image `number`."""
        return self._entry(number)[0]

    def stamp(self, number):
        """Text that changes when the image does; here `key` alone decides."""
        return str(number)

    def read(self, number):
        """Image `number`: uint8 [3, H, W].

        Raises: Skipped if it is too small, UserError if it can't be decoded, OSError if the database is damaged.
        """
        key, data = self._entry(number)
        where = f'{self._folder} {key}'
        image = open_image(data, where)
        if image.mode not in CONVERTIBLE_MODES:
            raise wrong_mode(where, image.mode, 'RGB', RESOLUTION_OPTION)
        return to_array(self._make_image(convert(image, 3, Fit().background)))

    def close(self):
        """Closes the database."""
        with self._lock:
            self._env.close()


def _open(folder):
    """The lmdb module and an open environment that writes nothing into the folder."""
    try:
        import lmdb
    except ImportError as error:
        raise UserError(f'LMDB databases need the package lmdb ({error}); install it with pip') from None
    path = os.path.join(folder, DATA_FILE)
    if not os.path.isfile(path):
        raise UserError(f'{path}: no such file; expected the folder of an LMDB database')
    try:
        env = lmdb.open(folder, readonly=True, lock=False)
    except lmdb.Error as error:
        raise UserError(f'{folder}: not an LMDB database ({error})') from None
    size = (env.info()['last_pgno'] + 1) * env.stat()['psize']
    if os.path.getsize(path) < size:  # LMDB maps the file into memory; reading past its end would kill the process
        env.close()
        raise UserError(f'{path}: the file is truncated, {os.path.getsize(path)} of {size} bytes; download it again')
    return lmdb, env


def lsun(folder, resolution):
    """LSUN at `resolution` (see image_size.parse): the largest center crop of each picture, resized."""
    fit = Fit(resolution)
    return LmdbSource(folder, lambda image: fit_image(image, fit), ['lsun', resolution])


def lsun_wide(folder, width, height):
    """LSUN as squares of `width` pixels with a picture `height` pixels high between black bars."""
    if width < 4 or width & (width - 1) or not 1 <= height <= width:
        raise UserError(
            f'--width={width} --height={height}: expected a power of two of at least 4 and a height up to the width')
    make_image = functools.partial(wide_image, width=width, height=height)
    return LmdbSource(folder, make_image, ['lsun_wide', width, height])


def wide_image(image, width, height):
    """A wide picture on a black square.

    Args:
        image: PIL.Image of mode RGB.
        width: Side of the square, pixels.
        height: Height of the picture on it, pixels.
    Returns: PIL.Image of mode RGB.
    Raises: Skipped if the picture is narrower than the square, or less than `height` high when scaled to its width.
    """
    # As published, the number of rows kept of the original picture is the height that the whole picture would have when
    # scaled: a picture wider than the square loses more rows than necessary and is stretched vertically.
    rows = int(round(width * image.size[1] / image.size[0]))
    if image.size[0] < width or rows < height:
        raise Skipped('too small or too narrow for {}x{} ({}x{} pixels)'.format(width, height, *image.size))
    top = (image.size[1] - rows) // 2
    square = Image.new('RGB', (width, width))
    square.paste(image.crop((0, top, image.size[0], top + rows)).resize((width, height), Image.LANCZOS),
                 (0, (width - height) // 2))
    return square
