"""Image files of a folder or a zip: their names, sizes, pixels and labels."""

import collections
import concurrent.futures
import contextlib
import glob
import os

from PIL import Image

from dnnlib.util import UserError
from training.data.classes import CLASSES_FILE
from training.data.files import by_reason, Files, HIDDEN, SKIPPED_FILE
from training.data.images import FORMATS, MODES, open_image, unreadable, upright_size, wrong_mode
from training.data.labels import from_folders, from_json, LABELS_FILE
from training.data.rules import check_resolution, RESOLUTION_OPTION

EXTENSIONS = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.gif', '.ppm', '.pgm',
              '.jfif', '.jpe', '.jif', '.dib', '.apng', '.pbm', '.pnm')
OTHER_PICTURES = ('.heic', '.heif', '.hif', '.avif', '.jxl', '.jp2', '.j2k', '.psd', '.svg', '.ico', '.tga',
                  '.exr', '.hdr', '.dng', '.cr2', '.cr3', '.nef', '.arw', '.orf', '.rw2', '.raf', '.raw', '.xcf',
                  '.eps', '.pdf')
VIDEOS = ('.mp4', '.mov', '.avi', '.mkv', '.webm', '.m4v')
ARCHIVES = ('.zip', '.tar', '.gz', '.tgz', '.bz2', '.xz', '.rar', '.7z')
TAIL_BYTES = 2 ** 16
LATE_TAGS = (b'eXIf', b'Raw profile type', b'XML:com.adobe.xmp')  # chunks of PNG files that may hold the EXIF tag


_keeping = []  # not empty in `keeping_headers`
_kept = {}  # {(path, stamp): header}


@contextlib.contextmanager
def keeping_headers():
    """Context manager: headers of images that are read in it are kept until `forget_headers`.

    A training looks at its data before it opens it, and on a network disk reading all headers takes minutes.
    """
    _keeping.append(True)
    try:
        yield
    finally:
        _keeping.pop()


def forget_headers():
    """Drops the headers that were kept; those of a million images take hundreds of MB."""
    _kept.clear()


class ImageFiles(Files):
    """The image files among `Files`; the others, apart from `dataset.json`, are added to `not_taken`.

    `dataset.json` is that of the folder of all images: at the top, or in the single folder that is there.

    Raises: UserError if there is no such folder or zip, or no image in it.
    """

    def __init__(self, path):
        super().__init__(path)
        names = self.names
        all_names = set(names)
        sheets = ('grid.png',) if 'run.txt' in all_names else ()  # written by our programs into a run directory
        self.names = [name for name in names if name.lower().endswith(EXTENSIONS) and name not in sheets]
        if not self.names:
            self.not_taken += [(name, self._why_not(name)) for name in names]
            self.close()
            if any(name.endswith('.tfrecords') and '/' not in name for name in names):
                raise UserError(f'{path}: a dataset of TFRecords where a folder or zip of images is expected; '
                                'dataset_tool.py extract makes one of it')
            counted = ', '.join(line.strip().replace('  ', ' ') for line in by_reason(
                reason for _, reason in self.not_taken))
            raise UserError('{}: no images among {} files{}; expected files that end in {}'.format(
                path, len(names), counted and f' ({counted})', ' '.join(EXTENSIONS)))
        top = os.path.commonprefix([name.split('/')[:-1] for name in self.names])
        places = ['/'.join(top[:level] + [LABELS_FILE]) for level in range(len(top) + 1)]
        self.labels_name = next((name for name in places if name in all_names), None)
        taken = set(self.names) | {self.labels_name}
        self.not_taken += [(name, 'a sheet of pictures that a run wrote' if name in sheets else self._why_not(name))
                           for name in names if name not in taken]
        self.not_taken.sort()

    def _why_not(self, name):
        is_broken = self._archive is None and not os.path.exists(self.where(name))
        return 'a link to nothing' if is_broken else why_not_taken(name)

    def read_header(self, name):
        """Mode and upright size `(mode, (width, height))` of the image `name` without decoding it; else Unreadable."""
        if not _keeping and not _kept:
            return self._read_header(name)
        try:
            key = self.where(name), self.stamp(name)
        except OSError:
            return self._read_header(name)
        header = _kept.get(key) or self._read_header(name)
        if _keeping:
            _kept[key] = header
        return header

    def _read_header(self, name):
        try:
            with self._lock, self._open(name) as file, Image.open(file, formats=FORMATS) as image:
                mode, size = image.mode, upright_size(image, lambda: self._may_have_late_tags(name, file))
        except (MemoryError, UserError):  # the first says nothing about the file
            raise
        except Exception as error:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
            raise unreadable(self.where(name), error, self.read_bytes(name)) from None
        if size is None:
            image = self.open_image(name)
            return image.mode, image.size
        return mode, size

    def _open(self, name):
        if self._archive is None:
            return open(self.where(name), 'rb')
        return self._archive.open(self._stored.get(name, name))

    def _may_have_late_tags(self, name, file):
        if self._archive is None:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            end = file.read()
        else:
            end = self._archive.read(self._stored.get(name, name))
        return any(tag in end for tag in LATE_TAGS)

    def open_image(self, name):
        """The image `name`: upright, loaded PIL.Image of any mode. Raises Unreadable if it can't be decoded."""
        return open_image(self.read_bytes(name), self.where(name))

    def find_labels(self):
        """Labels from `dataset.json` if there is one; otherwise one class per folder if there are several.

        Returns: labels.Found.
        Raises: UserError if `dataset.json` is malformed or lacks an image.
        """
        if self.labels_name is None:
            return from_folders(self.names)
        return from_json(self.read_bytes(self.labels_name), self.names, self.where(self.labels_name),
                         self.labels_name[:-len(LABELS_FILE)])


def why_not_taken(name):
    """Why a file is not an image, by its name."""
    if os.path.basename(name) == LABELS_FILE:
        return f'{LABELS_FILE} in a subfolder'
    ending = os.path.splitext(name)[1].lower()
    for endings, reason in ((OTHER_PICTURES, 'a picture in a format that is not read; convert it to PNG or JPEG'),
                            (VIDEOS, 'a video; extract its frames as pictures'), (ARCHIVES, 'an archive; unpack it'),
                            (('.tfrecords',), 'TFRecords; give their own folder as the dataset')):
        if ending in endings:
            return f'{ending}: {reason}'
    return f'{ending}: not a picture' if ending else 'a name without an ending'


def beside_records(folder, label_file):
    """List of (name, reason) of what else is in a folder of TFRecords and is not read; of folders only their names."""
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            found.append((name + '/', 'hidden' if name.startswith(HIDDEN) else 'a folder beside TFRecords'))
        elif path != label_file and not name.endswith('.tfrecords') and name not in (CLASSES_FILE, SKIPPED_FILE):
            found.append((name, _why_not_beside_records(name)))
    return found


def _why_not_beside_records(name):
    if name.startswith(HIDDEN):
        return 'hidden'
    if name.endswith('.labels'):
        return 'another label file'
    if name == LABELS_FILE:
        return f'{LABELS_FILE} beside TFRecords, whose labels are in a .labels file'
    return 'a picture beside TFRecords' if name.lower().endswith(EXTENSIONS) else why_not_taken(name)


def first_labels(folder):
    """The label file of a folder of TFRecords; None if it has none."""
    return next(iter(sorted(glob.glob(os.path.join(glob.escape(folder), '*.labels')))), None)


def not_taken_of(path):
    """What is not taken of a folder of TFRecords, or a folder or zip of images: list of (name, reason)."""
    if glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        return beside_records(path, first_labels(path))
    with contextlib.closing(ImageFiles(path)) as files:
        return files.not_taken


def tell_not_taken(not_taken):
    """Prints what is not taken, a list of (name, reason): see `not_taken_lines`."""
    for line in not_taken_lines(not_taken):
        print(line)


def where(dataset, index):
    """Path of the file of an image of a Dataset; of images that are no files of their own a name."""
    if hasattr(dataset, 'where'):
        return dataset.where(index)
    name = dataset.name_of(index)
    return dataset.files.where(name) if hasattr(dataset, 'files') else name


def describe(dataset):
    """Prints what a Dataset is, and what `tell` prints."""
    print('Dataset class =', type(dataset).__name__)
    print('Dataset shape =', dataset.shape)
    print('Dynamic range =', dataset.dynamic_range)
    print('Label size    =', dataset.label_size)
    if dataset.label_text:
        print(f'Labels: {dataset.label_text}')
    tell(dataset)


def tell(dataset):
    """Prints the remarks on a Dataset, and what is not taken of it."""
    for line in dataset.remarks:
        print(line)
    tell_not_taken(dataset.not_taken)


def check_some(items, read):
    """Calls `read` with items until it works.

    Args:
        items: List, not empty.
        read: Function of an item.
    Raises: UserError, the first one, if it works with none.
    """
    first = None
    for item in items:
        try:
            read(item)
            return
        except UserError as error:
            first = first or error
    raise first


def not_taken_lines(not_taken):
    """Lines that count what is not taken by reason; `not_taken` is a list of (name, reason)."""
    if not not_taken:
        return []
    return [f'Not taken: {len(not_taken)}'] + by_reason(reason for _, reason in not_taken)


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
