"""Converts images to a TFRecord dataset with several threads; an interrupted export resumes."""

import contextlib
import hashlib
import os
import time

import numpy as np

from dnnlib import cli
from dnnlib.util import UserError
from training.data import classes
from training.data.files import by_reason, SKIPPED_FILE
from training.data.images import Unreadable
from training.data.making.pictures import Skipped
from training.data.making.writer import encode_image, NUMBERS_FILE, TFRecordExporter
from training.data.sources import ordered_map

SAVE_SECONDS = 5  # between two saves of the progress
UNREADABLE = 'unreadable image'  # beginning of the reason why such a picture is skipped


class DatasetSource:
    """The images of a `Dataset` as a source of `export`.

    Args:
        dataset: Dataset.
        key: List of everything the images depend on; an interrupted export resumes only if it is unchanged.
    """

    def __init__(self, dataset, key):
        self.num_items, self.label_size, self.label_names = dataset.num_images, dataset.label_size, dataset.label_names
        self.key = key
        self.read, self.labels_at, self.close = dataset.read, dataset.read_labels, dataset.close

    def name_of(self, number):
        """Name of image `number`, for messages."""
        return f'image {number}'

    def stamp(self, number):
        """Text that changes when the image does; here `key` alone decides."""
        return str(number)


def export(source, tfrecord_dir, shuffle=True, skip_bad=False, max_images=None, workers=1):
    """Writes the images of a source, and its labels if there are any, as TFRecords.

    An interrupted export resumes if the source is the same. Skipped images are listed in `skipped.csv` in the folder.

    Args:
        source: PictureSource or another object with its attributes; closed at the end.
        tfrecord_dir: Folder to write.
        shuffle: Shuffle the images as the published tool does, so that any prefix is a fair sample?
        skip_bad: Print and skip unusable images? By default they raise UserError, so none goes missing unnoticed.
        max_images: Stop after this many images, not counting skipped ones; `None` = all.
        workers: Number of threads; 1 keeps errors easy to read.
    """
    with contextlib.closing(source), TFRecordExporter(tfrecord_dir, source.num_items, keep_partial=True) as exporter:
        order = exporter.choose_shuffled_order() if shuffle else np.arange(source.num_items)
        fingerprint = _Fingerprint(source, order, max_images)
        done = exporter.resume(fingerprint.at)
        if done:
            print(f'Resuming an interrupted export at image {done} of {source.num_items}')
        problem, listed = None, _Listed(source, exporter.skipped())
        try:
            for number, (shape, records, problem) in _prepared(source, order[done:], workers):
                if exporter.num_images == max_images:
                    break
                if problem is None:
                    exporter.add_records(shape, records, number if source.label_size else None)
                elif skip_bad or isinstance(problem, Skipped):
                    name = source.name_of(number)
                    if not listed.has(number, name):
                        if not isinstance(problem, Skipped):
                            print(f'Skipped {problem}')
                        exporter.add_skipped(number, name, _reason(problem, name))
                        listed.add(number, name, _reason(problem, name))
                else:
                    raise UserError(f'{problem}; or skip such images with --bad=skip')
                done += 1
                fingerprint.save_if_due(exporter, done)
        except BaseException as error:
            _save_after_error(exporter, done, fingerprint, error)
            raise
        if exporter.num_images == 0:
            exporter.keep_partial = False
            raise UserError('none of the {} images can be used{}'.format(
                len(order), '' if problem is None else '; the last: {}'.format(problem)))
        _finish(exporter, source, tfrecord_dir)


class _Listed:
    """Which images need no further line in the list of what is skipped.

    That has one for a picture that can't be read, and one for a part with several crops. It doesn't say which images
    are taken: if a picture can't be read once, others of it may be.

    Args:
        source: PictureSource or another.
        found: List of (number, name, reason) of an interrupted export.
    """

    def __init__(self, source, found):
        self._numbers, self._names, self._first_of = set(), set(), getattr(source, 'first_of', int)
        for row in found:
            self.add(*row)

    def add(self, number, name, reason):
        """Notes an image that is listed."""
        self._numbers.add(self._first_of(number))
        if reason.startswith(UNREADABLE):
            self._names.add(name)

    def has(self, number, name):
        """Is image `number`, from the file `name`, listed, or something that it is of?"""
        return self._first_of(number) in self._numbers or name in self._names


def _prepared(source, numbers, workers):
    """Yields every number with (shape, records, `None`) or (`None`, `None`, what is wrong)."""
    def prepare(number):
        try:
            image = source.read(number)
            return image.shape, encode_image(image), None
        except (UserError, Skipped) as problem:
            return None, None, problem

    return zip(cli.progress(list(numbers), 'images'), ordered_map(prepare, numbers, workers))


def _reason(problem, name):
    """Why an image is skipped, without the name of its file."""
    if isinstance(problem, Unreadable):
        return f'{UNREADABLE}: {problem.reason}'
    return str(problem).split(f'{name}: ', 1)[-1]


def _save_after_error(exporter, done, fingerprint, error):
    """Keeps what was written so far and says so, unless it is nothing or the disk is full."""
    if exporter.num_images == 0:
        return
    with contextlib.suppress(OSError):
        exporter.save_progress(done, fingerprint.at(done))
        if not isinstance(error, GeneratorExit):
            todo = 'correct what the error says; after that, the same command' if isinstance(error, UserError) else (
                'the same command')
            print(f'Kept {exporter.num_images} images in {exporter.partial_dir}; {todo} resumes')


def _finish(exporter, source, tfrecord_dir):
    skipped = exporter.skipped()
    if source.label_size:
        exporter.add_labels(source.labels_at(exporter.numbers()))
    if source.label_names:
        classes.save_names(exporter.partial_dir, source.label_names)
    not_taken = getattr(source, 'not_taken', [])
    for name, reason in not_taken:
        exporter.add_skipped('', name, reason)
    print('Wrote {} images {} and {} label columns to {}'.format(
        exporter.num_images, list(exporter.shape), source.label_size, tfrecord_dir))
    if skipped or not_taken:
        print(f'Skipped images: {len(skipped)}, other files: {len(not_taken)}; listed in '
              + os.path.join(tfrecord_dir, SKIPPED_FILE))
        print('\n'.join(by_reason([reason for *_, reason in skipped + not_taken])))


class _Fingerprint:
    """Identifies the first images of a source and everything they depend on."""

    def __init__(self, source, order, max_images):
        self._source, self._order, self._max_images = source, order, max_images
        self._last_save = time.time()
        self._restart()

    def _restart(self):
        self._count = 0
        self._hash = hashlib.sha256(repr((
            self._source.key, len(self._order), list(self._order[:8]), self._max_images)
            + ((NUMBERS_FILE,) if self._source.label_size else ())).encode('utf-8', 'surrogateescape'))

    def at(self, done):
        """Digest of the first `done` images, in hex."""
        if done < self._count:
            self._restart()
        for number in self._order[self._count:done]:
            self._hash.update((self._source.stamp(number) + '\n').encode('utf-8', 'surrogateescape'))
        self._count = done
        return self._hash.copy().hexdigest()

    def save_if_due(self, exporter, done):
        """Saves the progress in the exporter's folder every few seconds."""
        if time.time() - self._last_save >= SAVE_SECONDS:
            exporter.save_progress(done, self.at(done))
            self._last_save = time.time()
