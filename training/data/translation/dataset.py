"""One side of the data of a method that translates: pictures in other sizes and crops at every reading, or maps."""

import os
import zipfile
from functools import partial

import numpy as np

from dnnlib import cli
from dnnlib.memory import free_host_memory
from dnnlib.seeds import step_seed
from dnnlib.util import UserError
from training.data.base import Dataset
from training.data.translation import pictures, transforms
from training.data.translation.sheets import any_size, Sheet
from training.dataset import IMAGE_CACHE_BYTES, PRELOAD_IMAGES


class TranslationDataset(Dataset):
    """Pictures of one side. What is drawn of the n-th of the endless stream is a function of (seed, n).

    Args:
        tfrecord_dir: Path, see `pictures.open_source`.
        train: Folder in it with the pictures that are trained on; `None` = all of it.
        test: The same of those that the sheets show; `None` = those held out or, without any, trained on.
        half: 'left' or 'right' half of each picture; `None` = all of it.
        max_id: Maps of numbers up to this one are read instead of pictures, see the package; `None` = pictures.
        channels: 1 or 3; `None` = 1 if all pictures are gray.
        settle_images: Position in the stream from which pictures are no longer scaled to more than the crop; `None` =
            never.
        paired: Does it belong to the other streams, picture by picture? See `pairs.join`.
        kwargs: Fields of transforms.Transform, and arguments of Dataset.
    Attributes:
        source, headers: Of the pictures; (mode, size) of each, `None` if it is unreadable and may be skipped.
        test_source: Of the pictures for sheets, or `None`.
        numbers, test_numbers: Which pictures of the sources the images are; without a test source, or where a partner
            has none, `test_numbers` is `None`.
        view_shape: [C, H, W] of what `view` returns.
        max_id, paired: As given.
    Raises: UserError for options, or pictures of sizes, that don't fit.
    """

    _check_shape = staticmethod(any_size)
    _labels_read = 0  # see `pictures.open_source`

    def __init__(self, tfrecord_dir, train=None, test=None, half=None, max_id=None, channels=None, settle_images=None,
                 paired=False, **kwargs):
        given = {name: kwargs.pop(name) for name in transforms.Transform._fields if name in kwargs}
        self._transform = transforms.Transform(**given)
        self._shows_whole = self._transform.preprocess in transforms.WHOLE
        transforms.check(self._transform)
        if channels not in (None, 1, 3):
            raise UserError(f'channels must be 1 (gray), 3 (RGB) or None (by the pictures), not {channels!r}')
        if max_id is not None and not 0 < max_id <= pictures.MAX_NUMBER:
            raise UserError(f'max_id must be from 1 to {pictures.MAX_NUMBER}, not {max_id!r}')
        self.max_id, self.paired, self._settle, self._partners = max_id, paired, settle_images, ()
        self._cache, self.test_numbers = {}, None
        self.source, self.test_source = pictures.open_source(tfrecord_dir, train, half, self._labels_read), None
        try:
            if test is not None:
                self.test_source = pictures.open_source(tfrecord_dir, test, half, self._labels_read)
            self.headers = self._read_headers(kwargs.get('bad') == 'skip')
            name = os.path.basename(os.path.abspath(tfrecord_dir))
            name = '/'.join([name[:-len('.zip')] if name.endswith('.zip') else name] + [train] * (train is not None))
            super().__init__(name, len(self.headers), self._common_shape(channels), **kwargs)
            if test is not None:
                self.test_numbers = self._usable_tests()
            self.view_shape = self._shape_of_views()
        except (UserError, zipfile.BadZipFile):
            self._close_sources()
            raise
        self.numbers, self._max_images = list(range(len(self.headers))), kwargs.get('max_images')
        self.not_taken = list(self.source.not_taken)
        self._cache_fits = self._cached_bytes() <= min(IMAGE_CACHE_BYTES, (free_host_memory() or 2 ** 40) // 8)

    def _read_headers(self, skips_bad):
        headers = []
        for index in range(len(self.source.names)):
            try:
                headers.append(self._header(self.source, index))
            except UserError:
                if not skips_bad:
                    raise
                headers.append(None)
        return headers

    def _header(self, source, number):
        """(mode, size) of a picture; raises UserError if they can't be read, or not that mode."""
        mode, size = source.header(number)
        pictures.check_mode(mode, source.where(number), self.max_id is not None)
        return mode, size

    def _usable_tests(self):
        """Places of the pictures to test with; raises UserError for one that can't be used, if that is not skipped."""
        usable, errors, count = [], [], len(self.test_source.names)
        for number in range(count):
            try:
                size = transforms.output_size(self._header(self.test_source, number)[1], self._view_transform())
                if not self._shows_whole and size != (self.shape[2], self.shape[1]):
                    becomes = 'is too small for crops' if size is None else 'becomes {}x{} pixels'.format(*size)
                    raise UserError(f'{self.test_source.where(number)}: it {becomes}, but those to train with become '
                                    f'{self.shape[2]}x{self.shape[1]}; scale it to the size of the others')
                usable.append(number)
            except UserError as error:
                errors.append(error)
        if errors and not (usable and self._skip_bad):
            raise errors[0]
        if errors:
            self.remarks.append(f'Left out: {errors[0]} ({len(errors)} of {count} pictures to test with)')
        return usable

    def _common_shape(self, channels):
        """[C, H, W] of the images; raises UserError naming two pictures that differ, or one that is too small."""
        usable = [index for index, header in enumerate(self.headers) if header is not None]
        if not usable:
            raise UserError(f'{self.source.where(0)} and {len(self.headers) - 1} more: none of them can be read')
        sizes = [transforms.output_size(self.headers[index][1], self._transform) for index in usable]
        for index, size in zip(usable, sizes):
            if size is None:
                raise UserError('{}: {}x{} pixels, too small for crops of {}; choose another preprocess, such as '
                                'resize_and_crop, or smaller crops'.format(
                                    self.source.where(index), *self.headers[index][1] + (self._transform.crop_size,)))
            if size != sizes[0]:
                raise UserError('{}: with preprocess={} it becomes {}x{} pixels, but {} becomes {}x{}; scale them to '
                                'one size, or choose --preprocess=resize_and_crop'.format(
                                    self.source.where(index), self._transform.preprocess, *size
                                    + (self.source.where(usable[0]),) + sizes[0]))
        if self.max_id is not None:
            channels = 1 if self.max_id <= pictures.MAX_LABEL else 3
        elif channels is None:
            channels = 1 if all(pictures.is_gray(self.headers[index][0]) for index in usable) else 3
        return [channels, sizes[0][1], sizes[0][0]]

    def _cached_bytes(self):
        """Of all pictures as they are kept."""
        if self._transform.preprocess == 'zoom_and_patch':  # scaled again at every reading
            return float('inf')
        pixels = sum(np.prod(transforms.scaled_size(header[1], self._transform)) for header in self.headers if header)
        return pixels * (self.shape[0] if self.max_id is None else 4)

    def select(self, numbers, test_numbers=None):
        """Keeps only these pictures, in this order; to be called before anything is read.

        Args:
            numbers: Places in the source, list of int.
            test_numbers: The same of the test source.
        """
        self.numbers, self.test_numbers = numbers[:self._max_images], test_numbers
        self.num_images = len(self.numbers)
        self._stream = np.arange(self.num_images)
        self.held_out = self._stream[:0]

    def join(self, partners, seed):
        """Makes the dataset one of pairs: it is read in the order of `seed`, and skips what a partner can't read."""
        self._partners, self.seed = partners, seed

    def can_open(self, index, shown=False):
        """Raises UserError if the picture of an image, or of the one that the sheet shows, can't be read."""
        source, numbers = self.shown() if shown else (self.source, self.numbers)
        self._open(source, numbers[index])

    def _open(self, source, number):
        """A PIL image: gray, RGB or, of a map, of mode I."""
        image, where = source.open(number), source.where(number)
        if self.max_id is not None:
            return pictures.to_numbers(image, self.max_id, where)
        return pictures.to_mode(image, self.shape[0], where)

    def _scaled(self, index, transform, drawn):
        """The picture of an image in the size that is cropped, [C, h, w]."""
        key = index, transform.load_size
        found = self._cache.get(key)
        if found is None:
            if self._skip_bad:
                for partner in self._partners:
                    partner.can_open(index)
            found = transforms.to_array(transforms.scale(
                self._open(self.source, self.numbers[index]), transform, drawn))
            if self._cache_fits:
                self._cache[key] = found
        return found

    def _finished(self, pixels, transform, drawn, where):
        """The image of a picture that is scaled, uint8 [C, H, W]."""
        pixels = transforms.cut(pixels, transform, drawn)
        if list(pixels.shape[1:]) != self.shape[1:]:
            raise UserError(f'{where}: it becomes {pixels.shape[2]}x{pixels.shape[1]} pixels instead of '
                            f'{self.shape[2]}x{self.shape[1]}; scale it to the size of the others')
        return pixels if self.max_id is None else pictures.to_bytes(pixels, self.shape[0])

    def _draw(self, position, index):
        """An image as it is at a position of the stream."""
        drawn = transforms.draw(np.random.RandomState(step_seed(self.seed, position, 'crop', 0)))
        is_settled = self._settle is not None and position >= self._settle
        transform = transforms.settled(self._transform) if is_settled else self._transform
        pixels = self._scaled(index, transform, drawn)
        return self._finished(pixels, transform, drawn, self.source.where(self.numbers[index]))

    def view(self, source, number):
        """A picture as the published programs test with it: uint8 `view_shape`.

        Args:
            source: `source` or `test_source`.
            number: Place in it.
        """
        image = self._open(source, number)
        if not self._shows_whole:
            return self._center(image, source.where(number))
        return transforms.to_array(transforms.resized(image, tuple(self.view_shape[:0:-1]), self._transform))

    def _center(self, image, where):
        """All of a picture that is scaled to the crop, else its center."""
        transform = self._view_transform()
        pixels = transforms.to_array(transforms.scale(image, transform))
        return self._finished(pixels, transform, transforms.CENTER, where)

    def _view_transform(self):
        return transforms.settled(self._transform)._replace(flip=False)

    def _shape_of_views(self):
        """`view_shape`: pictures that are shown whole get the size of the first."""
        if not self._shows_whole:
            return self.shape
        size = next(header for header in self.headers if header is not None)[1] if self.test_numbers is None else (
            self.test_source.header(self.test_numbers[0])[1])
        return [self.shape[0]] + list(transforms.whole_size(size, self._transform)[::-1])

    def _read(self, index, lod):
        number = self.numbers[index]
        return self._center(self._open(self.source, number), self.source.where(number))

    def read_into(self, images, indices, positions, lod):
        """See Dataset."""
        for i, position in enumerate(positions):
            read = partial(lambda n, index, _: self._draw(n, index), position)
            indices[i], images[i] = self.read_good(indices[i], lod, read)
        return self.read_labels(indices)

    def name_of(self, index):
        """Name of the file of an image, relative to the folder or zip."""
        return self.source.names[self.numbers[index]]

    def preload(self):
        """Decodes every picture if there are few and they fit the cache, to find damaged ones now."""
        if self._cache_fits and self.num_images <= PRELOAD_IMAGES:
            print(f'Decoding {self.num_images} pictures of {self.name}...')
            self._ahead.read_each(cli.progress(range(self.num_images), 'pictures'), partial(
                self.read_good, read=lambda number, lod: self._scaled(number, self._transform, transforms.CENTER)))

    def shown(self):
        """(source, places in it) of what sheets show: pictures to test with, those held out, or those trained on."""
        if self.test_numbers is not None:
            return self.test_source, self.test_numbers
        return self.source, [self.numbers[i] for i in (self.held_out if len(self.held_out) else self._stream)]

    def sheet(self):
        """Dataset of what the fixed sheets show; skips unreadable pictures, with their partners, if `bad` says so."""
        return Sheet(self, *self.shown(), partners=self._partners, bad='skip' if self._skip_bad else 'stop')

    @property
    def num_shown(self):
        """See Dataset."""
        return len(self.shown()[1])

    @property
    def opens_sheet(self):
        """Further options of load_dataset that open what `sheet` shows, for metrics."""
        source, numbers = self.shown()
        found = dict(class_name='training.data.translation.dataset.open_sheet')
        return found if len(numbers) == len(source.names) else dict(found, numbers=sorted(map(int, numbers)))

    def _close_sources(self):
        for source in (self.source, self.test_source):
            if source is not None:
                source.close()

    def close(self):
        """Drops what was read ahead and closes the zip files."""
        super().close()
        self._close_sources()


def open_sheet(numbers=None, bad='stop', resolution=None, **kwargs):
    """What `sheet` of a TranslationDataset returns, in a random order, for metrics: a dataset of its own.

    Args:
        numbers: Places in the source, such as those of held-out pictures; `None` = all.
        bad, kwargs: Of TranslationDataset.
        resolution: Side of what is shown whole, or [height, width]; `None` = as in sheets.
    """
    data = TranslationDataset(bad=bad, **kwargs)
    if resolution is not None:
        data.view_shape = data.shape[:1] + (
            list(resolution) if isinstance(resolution, (list, tuple)) else [resolution] * 2)
    source, found = data.shown()
    found = found if numbers is None else numbers
    order = np.random.RandomState(0).permutation(len(found))
    return Sheet(data, source, [found[index] for index in order], bad=bad)
