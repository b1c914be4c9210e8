"""Image files of a folder or a zip: their names, their labels and their bytes."""

import collections
import concurrent.futures
import json
import os
import threading
import zipfile

import numpy as np
from PIL import Image

from dnnlib.util import UserError
from training.data.images import FORMATS, MODES, open_image, unreadable, wrong_mode
from training.data.rules import check_resolution, RESOLUTION_OPTION

EXTENSIONS = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.gif', '.ppm', '.pgm')
LABELS_FILE = 'dataset.json'
MAX_FILE_BYTES = 2 ** 30
MAX_CLASSES = 2 ** 16


class Files:
    """The files of a folder and its subfolders, or of a zip, in sorted order and without hidden ones.

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
            raise UserError(f'{path}: no such file or folder; expected a folder or zip of images')
        else:
            try:
                self._archive = zipfile.ZipFile(path)
            except Exception as error:  # pylint: disable=broad-except  # zipfile raises many things for damaged files
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise UserError('{}: not a zip file, or a damaged one; expected a folder or zip of images'.format(
                    path)) from None
            names = [name for name in self._archive.namelist() if not name.endswith('/')]
        self.names = sorted(name for name in names
                            if not any(part.startswith(('.', '__MACOSX')) for part in name.split('/')))

    def where(self, name):
        """Full name of the file `name`, for messages."""
        return os.path.join(self.path, *name.split('/'))

    def read_bytes(self, name):
        """Content of the file `name`. Raises UserError if it can't be read or is over 1 GiB."""
        try:
            if self.size_of(name) > MAX_FILE_BYTES:
                raise OSError('over 1 GiB')
            if self._archive is None:
                with open(self.where(name), 'rb') as file:
                    return file.read()
            with self._lock:
                return self._archive.read(name)
        except MemoryError:  # says nothing about the file
            raise
        except Exception as error:  # pylint: disable=broad-except  # zipfile raises many things for damaged files
            raise unreadable(self.where(name), error) from None

    def size_of(self, name):
        """Size of the file `name` in bytes, uncompressed. Raises OSError if there is no such file."""
        if self._archive is None:
            return os.path.getsize(self.where(name))
        return self._archive.getinfo(name).file_size

    def stamp(self, name):
        """Text that changes when the content of the file `name` does."""
        if self._archive is not None:
            return '{0.file_size} {0.CRC}'.format(self._archive.getinfo(name))
        status = os.stat(self.where(name))
        return f'{status.st_size} {status.st_mtime_ns}'

    def close(self):
        """Closes the zip file."""
        if self._archive is not None:
            self._archive.close()


class ImageFiles(Files):
    """The image files among `Files`.

    Attributes:
        num_ignored: Number of other files, not counting hidden ones and `dataset.json`.
    Raises: UserError if there is no such folder or zip, or no image in it.
    """

    def __init__(self, path):
        super().__init__(path)
        names = self.names
        sheets = ('grid.png',) if 'run.txt' in names else ()  # written by our programs into a run directory
        self.names = [name for name in names if name.lower().endswith(EXTENSIONS) and name not in sheets]
        self._labels_name = LABELS_FILE if LABELS_FILE in names else None
        self.num_ignored = len(names) - len(self.names) - (self._labels_name is not None)
        if not self.names:
            self.close()
            raise UserError('{}: no images among {} files; expected files that end in {}'.format(
                path, len(names), ' '.join(EXTENSIONS)))

    def read_header(self, name):
        """Mode and size `(mode, (width, height))` of the image `name` without decoding it; else UserError."""
        try:
            if self._archive is None:
                with Image.open(self.where(name), formats=FORMATS) as image:
                    return image.mode, image.size
            with self._lock, self._archive.open(name) as file, Image.open(file, formats=FORMATS) as image:
                return image.mode, image.size
        except MemoryError:  # says nothing about the file
            raise
        except Exception as error:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
            raise unreadable(self.where(name), error) from None

    def open_image(self, name):
        """The image `name`: upright, loaded PIL.Image of any mode. Raises UserError if it can't be decoded."""
        return open_image(self.read_bytes(name), self.where(name))

    def read_labels(self):
        """Labels from `dataset.json` if there is one; otherwise one class per subfolder if there are several.

        `dataset.json` holds `{"labels": [[name, label], ...]}`, where a label is a class number or a list of numbers.
        Returns: `(Labels, names)`, names being a list of str; both, or only the names, may be `None`.
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
        numbers = {name: number for number, name in enumerate(names)}
        return Labels(classes=[numbers[name] for name in classes], num_classes=len(names)), names

    def _labels_from_json(self):
        where = self.where(self._labels_name)
        try:
            entries = json.loads(self.read_bytes(self._labels_name).decode('utf-8'))['labels']
            if entries is None:
                return None
            by_name = {name: label for name, label in entries}
        except UserError:
            raise
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UserError('{}: expected {{"labels": [["name", label], ...]}}; correct or remove the file'.format(
                where)) from None
        missing = [name for name in self.names if name not in by_name]
        if missing:
            raise UserError('{}: {} of {} images have no label, {} is the first; add them or remove the file'.format(
                where, len(missing), len(self.names), missing[0]))
        labels = [by_name[name] for name in self.names]
        if all(type(label) is int and 0 <= label < MAX_CLASSES for label in labels):  # a bool is not a class
            return Labels(classes=labels, num_classes=max(labels) + 1)
        try:
            rows = np.asarray(labels, np.float32)
        except (ValueError, TypeError, OverflowError):
            rows = np.zeros([0])
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise UserError('{}: labels must be either all class numbers up to {} or all lists of the same number '
                            'of numbers'.format(where, MAX_CLASSES - 1))
        return Labels(rows=rows)


def ordered_map(function, items, workers):
    """Yields `function(item)` of each item in order, computed by `workers` threads that run only a little ahead."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        waiting = collections.deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 3 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def uniform_shape(files, headers, skip_odd=False):
    """The shape that all images have in common.

    Args:
        files: ImageFiles.
        headers: (mode, (width, height)) of each image; `None` = ignore it.
        skip_odd: Use the most common shape, instead of raising an error where they differ?
    Returns: [C, H, W].
    Raises: UserError if they differ, or datasets don't support that mode or size.
    """
    usable = [i for i, header in enumerate(headers) if header is not None]
    if not usable:
        raise UserError(f'{files.path}: none of the {len(headers)} images can be read')
    first = usable[0]
    if skip_odd:
        common = collections.Counter(headers[i] for i in usable).most_common(1)[0][0]
        first = headers.index(common)
    mode, size = headers[first]
    if mode not in MODES.values():
        raise wrong_mode(files.where(files.names[first]), mode, 'L, RGB or RGBA', RESOLUTION_OPTION)
    others = [i for i in usable if headers[i] != headers[first]]
    if others and not skip_odd:
        other_mode, other_size = headers[others[0]]
        raise UserError(
            '{}: {} of {} images differ from the first, {} ({}x{} {}); {} is {}x{} {}. Remove them, or set '
            '{} to crop and convert all'.format(
                files.path, len(others), len(headers), files.names[first], size[0], size[1], mode,
                files.names[others[0]], other_size[0], other_size[1], other_mode, RESOLUTION_OPTION))
    shape = [{name: channels for channels, name in MODES.items()}[mode], size[1], size[0]]
    check_resolution(shape, files.where(files.names[first]))
    return shape


class Labels:
    """Labels of all images, converted to float32 rows only when used.

    Args:
        classes: Number of the class of every image, int [N], with `num_classes`; or
        rows: Array [N, label_size] of numbers, for example memory-mapped.
    Attributes:
        label_size: Number of columns.
    """

    def __init__(self, classes=None, num_classes=None, rows=None):
        self._rows = rows
        self._classes = None if classes is None else np.asarray(classes, np.int32)
        self.label_size = num_classes if rows is None else rows.shape[1]

    def at(self, indices):
        """Labels of the images `indices` (int [N]): float32 [N, label_size]."""
        if self._rows is None:
            return one_hot(self._classes[indices], self.label_size)
        return np.asarray(self._rows[indices], np.float32)


def load_labels(path, num_images, more=False):
    """Labels of a TFRecord dataset, from a memory-mapped `.npy` file: Labels.

    Args:
        path: Name of the file.
        num_images: Expected number of rows.
        more: Allow more rows, because images are missing?
    Raises: UserError if the file is not an array of labels or has the wrong number of rows.
    """
    try:
        labels = np.load(path, mmap_mode='r', allow_pickle=False)
    except Exception as error:  # pylint: disable=broad-except  # NumPy parses the header as Python, which can fail in many ways
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f'{path}: not a label file; expected a .npy array of numbers') from None
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or labels.dtype.kind not in 'fiub':
        raise UserError(f'{path}: not a label file; expected a .npy array [images, columns] of numbers')
    if not all(np.isfinite(labels[begin:begin + 4096]).all() for begin in range(0, len(labels), 4096)):
        raise UserError(f'{path}: some labels are not finite numbers; re-create the dataset')
    if len(labels) != num_images and not (more and len(labels) > num_images):
        raise UserError(f'{path}: {len(labels)} rows for {num_images} images; re-create the dataset')
    return Labels(rows=labels)


def one_hot(classes, num_classes):
    """Rows with a 1 at the class: int [N] to float32 [N, num_classes]."""
    return np.float32(np.asarray(classes)[:, np.newaxis] == np.arange(num_classes))
