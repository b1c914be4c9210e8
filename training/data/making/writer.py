"""Writes datasets as multi-resolution TFRecords in the published format; an interrupted one resumes."""

import csv
import io
import json
import os
import shutil

import numpy as np

from dnnlib.run.run_dir import locked
from dnnlib.util import UserError, atomic_path
from training import image_size
from training.data.levels import halve, quantize
from training.data.files import SKIPPED_FILE, SKIPPED_HEADER
from training.data.rules import check_resolution
from training.data.tfrecords import frame_record, serialize_image

PARTIAL = '.partial'  # suffix of the folder while it is being written
PROGRESS_FILE = 'progress.json'
NUMBERS_FILE = 'numbers.int64'  # of the images in their source; not part of the dataset


def encode_image(image):
    """The records of an image uint8 [C, H, W] at every level of detail, full resolution first: list of bytes."""
    pixels, records = image.astype(np.float32), []
    for level in range(image_size.find(*image.shape[1:]).num_levels - 1):
        pixels = halve(pixels) if level else pixels
        records.append(frame_record(serialize_image(quantize(pixels))))
    return records


class TFRecordExporter:
    """Context manager that writes one dataset, into a folder that ends in `.partial` and is renamed once everything is
    written without an error, so a dataset under its final name is always complete.

    Args:
        tfrecord_dir: Folder to write; file names start with its last component.
        expected_images: Number of images that will be added, int.
        keep_partial: Keep what was written when an error occurs, for `resume`? By default it is removed, as published.
    Raises: UserError if the folder is not empty, or another process is writing it.
    """

    def __init__(self, tfrecord_dir, expected_images, keep_partial=False):
        self.tfrecord_dir = os.path.normpath(tfrecord_dir)
        if os.path.basename(self.tfrecord_dir) in (os.curdir, os.pardir):  # has no name of its own
            self.tfrecord_dir = os.path.abspath(tfrecord_dir)
        self.expected_images = expected_images
        self.num_images = 0
        self.shape = None
        self.partial_dir = self.tfrecord_dir + PARTIAL
        self.keep_partial = keep_partial
        self._base = os.path.basename(self.tfrecord_dir)
        self._files = {}  # name: open file
        self._levels = []  # names of the records, full resolution first
        check_new_dir(tfrecord_dir)
        os.makedirs(self.partial_dir, exist_ok=True)
        self._lock = locked(self.partial_dir)
        self._lock.__enter__()
        if not keep_partial:
            self._clear()

    def choose_shuffled_order(self):
        """The published order: numbers 0 to expected_images - 1, shuffled with seed 123."""
        return np.random.RandomState(123).permutation(self.expected_images)

    def add_image(self, image):
        """Appends one image at every level of detail.

        Args:
            image: uint8 [C, H, W], 1, 3 or 4 channels, of a size that networks support, see `image_size`.
        Raises: UserError if it is something else or its shape differs from the first one.
        """
        if self.shape is None:
            check_resolution(image.shape, 'image 0')
        shape = image.shape if self.shape is None else self.shape
        if image.shape != shape or image.dtype != np.uint8:
            raise UserError('image {}: expected uint8 {}, got {} {}'.format(
                self.num_images, list(shape), image.dtype, list(image.shape)))
        self.add_records(image.shape, encode_image(image))

    def add_records(self, shape, records, number=None):
        """Appends an image of this shape that `encode_image` turned into records; `number`: see `numbers`."""
        if self.shape is None:
            self.shape = tuple(shape)
            self._levels = [f'{self._base}-r{level:02d}.tfrecords'
                            for level in range(image_size.find(*shape[1:]).num_levels, 1, -1)]
        for name, record in zip(self._levels, records):
            self._file(name).write(record)
        if number is not None:
            self._file(NUMBERS_FILE).write(np.int64(number).tobytes())
        self.num_images += 1

    def add_skipped(self, number, name, reason):
        """Records in `skipped.csv` why image `number`, from the file `name`, is skipped; number '' = it is no image."""
        rows = [] if SKIPPED_FILE in self._files else [SKIPPED_HEADER]
        text = io.StringIO(newline='')
        csv.writer(text, lineterminator='\n').writerows(rows + [(number, name, reason)])
        self._file(SKIPPED_FILE).write(text.getvalue().encode('utf-8', 'surrogateescape'))

    def skipped(self):
        """What is skipped so far: list of (number, name, reason), in that order."""
        if SKIPPED_FILE not in self._files:
            return []
        self._files[SKIPPED_FILE].flush()
        path = os.path.join(self.partial_dir, SKIPPED_FILE)
        with open(path, encoding='utf-8', errors='surrogateescape', newline='') as file:
            return [(int(row[0]), row[1], row[2]) for row in list(csv.reader(file))[1:]]

    def numbers(self):
        """The numbers that the images were added with, also before an interruption: int64 [num_images]."""
        self._file(NUMBERS_FILE).flush()
        return np.fromfile(os.path.join(self.partial_dir, NUMBERS_FILE), np.int64)

    def add_labels(self, labels):
        """Writes the labels of all images added so far.

        Args:
            labels: [num_images, label_size], stored as float32.
        Raises: UserError if the number of rows differs.
        """
        labels = np.asarray(labels, np.float32)
        if labels.ndim != 2 or len(labels) != self.num_images:
            raise UserError(f'expected labels [{self.num_images}, columns], got {list(labels.shape)}')
        with open(os.path.join(self.partial_dir, self._base + '-rxx.labels'), 'wb') as file:
            np.save(file, labels)

    def save_progress(self, done, fingerprint):
        """Records that the files hold the first `done` items of what the text `fingerprint` describes."""
        sizes = {}
        for name, file in self._files.items():
            file.flush()
            os.fsync(file.fileno())
            sizes[name] = file.tell()
        with atomic_path(os.path.join(self.partial_dir, PROGRESS_FILE)) as temp_path:
            with open(temp_path, 'w', encoding='utf-8') as file:
                json.dump(dict(done=done, fingerprint=fingerprint, num_images=self.num_images, shape=self.shape,
                               levels=self._levels, sizes=sizes), file)
                file.flush()
                os.fsync(file.fileno())

    def resume(self, fingerprint):
        """Resumes where an earlier process was interrupted, if it was writing the same dataset.

        Args:
            fingerprint: Function of a number of items; returns a text that identifies their content.
        Returns: Number of items already in the files, 0 if everything starts over.
        """
        try:
            with open(os.path.join(self.partial_dir, PROGRESS_FILE), encoding='utf-8') as file:
                progress = json.load(file)
            if progress['fingerprint'] == fingerprint(progress['done']) and all(
                    os.path.getsize(os.path.join(self.partial_dir, name)) >= size
                    for name, size in progress['sizes'].items()):
                self._clear(set(progress['sizes']) | {PROGRESS_FILE})
                for name, size in progress['sizes'].items():
                    file = self._files[name] = open(os.path.join(self.partial_dir, name), 'r+b')
                    file.truncate(size)
                    file.seek(size)
                self.num_images, self._levels = progress['num_images'], progress['levels']
                self.shape = None if progress['shape'] is None else tuple(progress['shape'])
                return progress['done']
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self._clear()
        return 0

    def close(self):
        """Closes the files and renames the folder."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self._close_files()
        os.rename(self.partial_dir, self.tfrecord_dir)
        for name in (PROGRESS_FILE, NUMBERS_FILE):
            if os.path.exists(os.path.join(self.tfrecord_dir, name)):
                os.remove(os.path.join(self.tfrecord_dir, name))
        self._lock.__exit__(None, None, None)

    def discard(self):
        """Closes and removes the files, unless they are kept for `resume`."""
        self._close_files()
        if not self.keep_partial or not os.path.exists(os.path.join(self.partial_dir, PROGRESS_FILE)):
            shutil.rmtree(self.partial_dir, ignore_errors=True)
        self._lock.__exit__(None, None, None)

    def _file(self, name):
        if name not in self._files:
            self._files[name] = open(os.path.join(self.partial_dir, name), 'wb')
        return self._files[name]

    def _clear(self, keep=()):
        """Removes all files but those named, such as incomplete ones from a killed process."""
        self._close_files()
        for name in set(os.listdir(self.partial_dir)) - set(keep):
            os.remove(os.path.join(self.partial_dir, name))

    def _close_files(self):
        for file in self._files.values():
            file.close()
        self._files = {}

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        if exc_type is None:
            self.close()
        else:
            self.discard()


def check_new_dir(path):
    """Raises UserError unless the folder `path` is missing or empty and can be replaced by renaming another."""
    if os.path.isdir(path) and any(name.endswith('.tfrecords') for name in os.listdir(path)):
        raise UserError(f'{path}: this folder already holds a dataset; remove it or choose a different folder')
    if os.path.lexists(path) and (os.path.islink(path) or os.path.ismount(path) or not os.path.isdir(path)
                                  or os.listdir(path)):
        raise UserError('{}: expected the name of a new folder; choose a different one, such as {}'.format(
            path, os.path.join(path, 'records') if os.path.isdir(path) else path + '-records'))
