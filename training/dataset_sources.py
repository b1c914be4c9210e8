"""Image files of a folder or a zip: their names, their classes and their pixels."""

import io
import json
import os
import re
import struct
import threading
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps

from dnnlib.util import UserError
from training.dataset_base import RESOLUTION_OPTION

EXTENSIONS = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.gif', '.ppm', '.pgm')
LABELS_FILE = 'dataset.json'
GREY_MODES = ('1', 'L', 'LA')
MODES = {1: 'L', 3: 'RGB', 4: 'RGBA'}  # by number of channels
CONVERTIBLE_MODES = GREY_MODES + ('P', 'PA', 'RGB', 'RGBA', 'CMYK', 'YCbCr')
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, zipfile.BadZipFile,
              Image.DecompressionBombError)


class Files:
    """The files of a folder, its sub-folders included, or of a zip, in sorted order, hidden ones left out.

    Args:
        path: Folder or zip file.
    Attributes:
        names: Names relative to `path`, with `/`.
    Raises: UserError if there is no such folder or zip.
    """

    def __init__(self, path):
        self.path = path
        self._lock = threading.Lock()
        self._archive = None
        if os.path.isdir(path):
            names = [os.path.relpath(os.path.join(folder, name), path).replace(os.sep, '/')
                     for folder, _, files in os.walk(path) for name in files]
        elif not os.path.exists(path):
            raise UserError('{}: there is no such file or folder; give a folder or a zip of images'.format(path))
        else:
            try:
                self._archive = zipfile.ZipFile(path)
            except zipfile.BadZipFile:
                raise UserError('{}: not a zip file; give a folder or a zip of images'.format(path)) from None
            names = [name for name in self._archive.namelist() if not name.endswith('/')]
        self.names = sorted(name for name in names
                            if not any(part.startswith(('.', '__MACOSX')) for part in name.split('/')))

    def where(self, name):
        """Full name of the file `name`, for messages."""
        return os.path.join(self.path, *name.split('/'))

    def read_bytes(self, name):
        """Content of the file `name`."""
        if self._archive is None:
            with open(self.where(name), 'rb') as file:
                return file.read()
        with self._lock:
            return self._archive.read(name)

    def close(self):
        """Closes the zip file."""
        if self._archive is not None:
            self._archive.close()


class ImageFiles(Files):
    """The image files among `Files`.

    Attributes:
        num_ignored: Number of other files, hidden ones and `dataset.json` not counted.
    Raises: UserError if there is no such folder or zip, or no image in it.
    """

    def __init__(self, path):
        super().__init__(path)
        names = self.names
        self.names = [name for name in names if name.lower().endswith(EXTENSIONS)]
        self._labels_name = LABELS_FILE if LABELS_FILE in names else None
        self.num_ignored = len(names) - len(self.names) - (self._labels_name is not None)
        if not self.names:
            self.close()
            raise UserError('{}: no images among {} files; expected files ending with {}'.format(
                path, len(names), ' '.join(EXTENSIONS)))

    def read_header(self, name):
        """Mode and size `(mode, (width, height))` of the image `name` without decoding it; UserError if it is none."""
        try:
            if self._archive is None:
                with Image.open(self.where(name)) as image:
                    return image.mode, image.size
            with self._lock, self._archive.open(name) as file, Image.open(file) as image:
                return image.mode, image.size
        except UNREADABLE as error:
            raise _unreadable(self.where(name), error) from None

    def read_image(self, name, channels, resolution=None):
        """Pixels of the image `name`, see `decode_image`."""
        try:
            data = self.read_bytes(name)
        except UNREADABLE as error:
            raise _unreadable(self.where(name), error) from None
        return decode_image(data, self.where(name), channels, resolution)

    def read_labels(self):
        """Labels from `dataset.json` if there is one, else one class for each sub-folder if there are several.

        `dataset.json` holds `{"labels": [[name, label], ...]}`, a label being a class number or a list of numbers.
        Returns: `(labels, names)`: float32 [num_images, label_size] and a list of texts; both or only the names may be
            `None`.
        Raises: UserError if `dataset.json` is malformed or lacks an image.
        """
        if self._labels_name is not None:
            return self._labels_from_json(), None
        folders = [name.split('/')[:-1] for name in self.names]
        common = len(os.path.commonprefix(folders))
        classes = [folder[common] if len(folder) > common else None for folder in folders]
        names = sorted(set(classes) - {None})
        if None in classes or len(names) < 2:
            return None, None
        return one_hot([names.index(name) for name in classes], len(names)), names

    def _labels_from_json(self):
        where = self.where(self._labels_name)
        try:
            entries = json.loads(self.read_bytes(self._labels_name).decode('utf-8'))['labels']
            if entries is None:
                return None
            by_name = {name: label for name, label in entries}
        except (ValueError, KeyError, TypeError):
            raise UserError('{}: expected {{"labels": [["name", label], ...]}}; correct or remove the file'.format(
                where)) from None
        missing = [name for name in self.names if name not in by_name]
        if missing:
            raise UserError('{}: {} of {} images have no label, the first is {}; add them or remove the file'.format(
                where, len(missing), len(self.names), missing[0]))
        labels = [by_name[name] for name in self.names]
        if all(type(label) is int and label >= 0 for label in labels):  # a bool is no class
            return one_hot(labels, max(labels) + 1)
        try:
            labels = np.asarray(labels, np.float32)
        except (ValueError, TypeError):
            labels = np.zeros([0])
        if labels.ndim != 2:
            raise UserError('{}: labels must be all class numbers or all lists of equally many numbers'.format(where))
        return labels


def one_hot(classes, num_classes):
    """Rows with a 1 at the class: int [N] to float32 [N, num_classes]."""
    return np.float32(np.asarray(classes)[:, np.newaxis] == np.arange(num_classes))


def decode_image(data, where, channels, resolution=None):
    """Decodes an image file, upright by its EXIF tag.

    Args:
        data: Content of the file, bytes.
        where: Name of the file, for messages.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        resolution: Crop the centre and scale it (Lanczos) to this [height, width] and convert from any mode,
            transparency over white; `None` takes only images of the right mode, as they are.
    Returns: uint8 [C, H, W].
    Raises: UserError if the image can't be decoded or, without `resolution`, has another mode.
    """
    try:
        image = Image.open(io.BytesIO(data))
        image = ImageOps.exif_transpose(image)
        image.load()
    except UNREADABLE as error:
        raise _unreadable(where, error) from None
    if resolution is not None:
        image = fit_image(_without_alpha(image), resolution)
    mode = MODES[channels]
    if image.mode != mode:
        if resolution is None or image.mode not in CONVERTIBLE_MODES:
            raise UserError(wrong_mode(where, image.mode, mode))
        image = image.convert(mode)
    pixels = np.asarray(image)
    return pixels[np.newaxis] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def fit_image(image, shape):
    """Crops the largest centre part of a PIL image that has the proportions of [height, width], scales it (Lanczos)."""
    height, width = shape
    scale = min(image.size[0] / width, image.size[1] / height)
    box = [min(int(round(side * scale)), whole) for side, whole in zip((width, height), image.size)]
    if tuple(box) != image.size:
        left, top = (image.size[0] - box[0]) // 2, (image.size[1] - box[1]) // 2
        image = image.crop((left, top, left + box[0], top + box[1]))
    return image if image.size == (width, height) else image.resize((width, height), Image.LANCZOS)


def _without_alpha(image):
    """Palettes, bitmaps and transparency (over white) to L or RGB, which can be scaled."""
    if image.mode in ('LA', 'PA', 'RGBA') or 'transparency' in image.info and image.mode in CONVERTIBLE_MODES:
        rgba = image.convert('RGBA')
        white = Image.new('RGBA', image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert('L' if image.mode in GREY_MODES else 'RGB')
    return image.convert({'1': 'L', 'P': 'RGB'}[image.mode]) if image.mode in ('1', 'P') else image


def wrong_mode(where, mode, expected):
    """Message about an image whose colour mode `mode` is not the `expected` one (PIL's names)."""
    if mode not in CONVERTIBLE_MODES:
        return '{}: colour mode {}; expected 8 bits a channel, so convert the image'.format(where, mode)
    return '{}: colour mode {} instead of {}; convert the image or give {}, which converts all'.format(
        where, mode, expected, RESOLUTION_OPTION)


def _unreadable(where, error):
    reason = (str(error) or type(error).__name__).splitlines()[0]
    reason = re.sub(r'\s*<[\w.]+ [^>]*>', '', reason)  # PIL names the file object
    return UserError('{}: unreadable image ({}); replace or remove it'.format(where, reason))
