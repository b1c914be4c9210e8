"""Pictures of a folder or a zip as images of a new dataset: boxes, filters, fitting, labels."""

import os
import zlib
from typing import NamedTuple

import numpy as np

from dnnlib import cli
from dnnlib.util import UserError
from training import image_size
from training.data import area
from training.data.images import convert, CONVERTIBLE_MODES, fit_image, GRAY_MODES, MODES, to_array, wrong_mode
from training.data.making import boxes as box_files
from training.data.rules import RESOLUTION_OPTION
from training.data.sources import ImageFiles, uniform_shape

CROP_SEED = 123  # of the places of random crops, as of the published order


class Skipped(Exception):
    """The options exclude an image; the text is the reason."""


class Filters(NamedTuple):
    """Which pictures become images, and which part of them."""

    min_size: int = None         # smallest shorter side, pixels; None = any
    aspect_range: tuple = None   # (smallest, largest) width / height; None = any
    bbox: tuple = None           # (file or folder of boxes, boxes.Margin); None = no boxes
    square: bool = False         # make boxes square?
    box_policy: str = 'boxes'    # boxes = the boxes; whole = the whole picture where its only box covers most of it;
    #                              both = the boxes and all whole pictures
    exclude: str = None          # text file with names of pictures that are left out; None = none are
    crops: int = 1               # random crops of each picture or box


class _Part(NamedTuple):
    """What of a picture becomes an image."""

    index: int         # number of the picture
    box: tuple = None  # (left, top, right, bottom); None = the whole picture
    crop: int = 0      # number of the random crop
    lacks: bool = False  # is there no box, though boxes are wanted?


class PictureSource:
    """Images from the pictures of a folder or zip; a picture with several boxes gives several images.

    Args:
        path: Folder or zip; subfolders or `dataset.json` give the labels.
        fit: images.Fit; without resolution and channels all pictures must have one size and mode and are kept as is.
        filters: Filters.
        skip_bad: Skip pictures that differ from most, instead of raising an error?
        labels: True = labels are needed, False = leave them out, `None` = take them if there are any; prints which.
    Attributes:
        num_items: Number of images, including bad ones.
        label_size, label_names: See `Dataset`.
        not_taken: (name, reason) of the files that are not images.
    Raises: UserError for unusable files or options.
    """

    def __init__(self, path, fit, filters, skip_bad, labels=None):
        self._files = ImageFiles(path)
        self._filters, self._told = filters, False
        self._shape = None if fit.resolution is None else image_size.parse(fit.resolution).shape
        try:
            names = self._files.names
            if fit.channels is None or fit.resolution is None:
                headers = [self._header(name, fit.channels) for name in cli.progress(names, 'headers')]
            self._same_mode = fit.channels is None and fit.resolution is None
            if fit.resolution is None:
                shape = uniform_shape(self._files, headers, skip_bad)
                self._shape, fit = shape[1:], fit._replace(channels=fit.channels or shape[0])
            elif fit.channels is None:
                known = [header for header in headers if header is not None]
                fit = fit._replace(channels=1 if known and all(mode in GRAY_MODES for mode, _ in known) else 3)
            self._labels, self.label_names = (None, None) if labels is False else self._find_labels(labels is True)
            self._boxes = {} if filters.bbox is None else self._listed(
                '--bbox', filters.bbox[0], box_files.read_boxes)
            self._excluded = {} if filters.exclude is None else self._listed(
                '--exclude', filters.exclude, box_files.read_names)
            self._items = [part._replace(crop=crop) for index, name in enumerate(names)
                           for part in self._parts(index, name)
                           for crop in range(1 if part.lacks else filters.crops)]
        except UserError:
            self._files.close()
            raise
        self.fit, self.not_taken = fit, self._files.not_taken
        self.num_items = len(self._items)
        self.label_size = 0 if self._labels is None else self._labels.label_size
        self.key = [str(os.path.abspath(path)), fit, filters, self.label_size]

    def _header(self, name, channels):
        """Mode and size of a picture; `None` for a bad one, which is reported later, when it is read."""
        try:
            mode, size = self._files.read_header(name)
            return mode if channels is None else 'RGB', size  # any mode if all are converted
        except UserError:
            return None

    def _find_labels(self, needed):
        try:
            found = self._files.find_labels()
        except UserError as error:
            raise UserError(f'{error}; or leave labels out with --labels=0') from None
        if found.labels is None and needed:
            raise UserError(f'{self._files.path}: no labels: {found.source}')
        if found.labels is None:
            print('Labels: none' + (f'; {found.source}' if found.without else ''))
            return None, None
        print(f'Labels: {found.text()}')
        return found.labels, found.names

    def _listed(self, option, path, read):
        """{name of a picture: what the dictionary that `read` finds in a file has of it}.

        A line says how many of its names are not here.
        """
        try:
            entries = read(path)
        except OSError as error:
            raise UserError(f'{option}={path}: {error.strerror or error}') from None
        found = box_files.match(entries, self._files.names)
        if not found:
            raise UserError('{}: no name in it belongs to a file in {}; expected file names such as {}'.format(
                path, self._files.path, self._files.names[0]))
        unused = sorted(set(entries) - set(found.values()))
        if unused:
            print(f'{path}: {len(unused)} names of files that are not in {self._files.path}, {unused[0]} is the first')
        return {name: entries[key] for name, key in found.items()}

    def _parts(self, index, name):
        """List of _Part of a picture."""
        if self._filters.bbox is None:
            return [_Part(index)]
        parts = [_Part(index, box) for box in self._boxes.get(name, ())]
        if self._filters.box_policy == 'both':
            parts.append(_Part(index))
        return parts or [_Part(index, lacks=True)]

    def name_of(self, number):
        """Name of the file of image `number`."""
        return self._files.names[self._items[number].index]

    def first_of(self, number):
        """Number of the first crop of what image `number` is a random crop of, which is used or skipped as a whole."""
        return number - self._items[number].crop

    def stamp(self, number):
        """Text that changes when the file of an image does."""
        part, name = self._items[number], self.name_of(number)
        return f'{name} {self._files.stamp(name)} {tuple(part[1:])} {name in self._excluded}'

    def labels_at(self, numbers):
        """Labels of images: float32 [N, label_size]."""
        return self._labels.at([self._items[number].index for number in numbers])

    def read(self, number):
        """Image `number`: uint8 [C, H, W].

        Raises: Skipped if the filters exclude it, UserError if it is unusable.
        """
        part, name, fit = self._items[number], self.name_of(number), self.fit
        if name in self._excluded:
            raise Skipped('in the list ' + os.path.basename(self._filters.exclude))
        if part.lacks:
            broken = ', and unreadable' if self._header(name, None) is None else ''
            raise Skipped(f'no box in {os.path.basename(self._filters.bbox[0])}{broken}')
        image = self._files.open_image(name)
        if part.box is not None:
            image = self._cut_out(image, part.box, name)
        self._filter(image.size)
        mode = MODES[fit.channels]
        if image.mode != mode and (self._same_mode or image.mode not in CONVERTIBLE_MODES):
            raise wrong_mode(self._files.where(name), image.mode, mode, RESOLUTION_OPTION)
        if not self._same_mode:
            self._tell_enlarged(image.size)
            key = f'{name} {part.box} {part.crop}'.encode('utf-8', 'surrogateescape')
            image = fit_image(convert(image, fit.channels, fit.background), fit,
                              np.random.RandomState([CROP_SEED, zlib.crc32(key)]))
        if list(image.size[::-1]) != self._shape:
            raise UserError('{}: {}x{} pixels instead of {}x{}; resize it, or set {}'.format(
                self._files.where(name), image.size[0], image.size[1], self._shape[1], self._shape[0],
                RESOLUTION_OPTION))
        return to_array(image)

    def _tell_enlarged(self, size):
        """Says once that there are no areas to average in pictures that are enlarged."""
        if self.fit.resample == 'area' and not self._told and not area.can_shrink(size, self._shape[::-1]):
            self._told = True
            print('--resample=area: pictures that are smaller than the images, on one side or both, are enlarged by '
                  'bilinear interpolation')

    def _cut_out(self, image, box, name):
        """The part of a picture that a box with its margin takes, or all of it, see Filters."""
        path, margin = self._filters.bbox
        if self._filters.box_policy == 'whole' and box_files.covers_picture(self._boxes[name], image.size):
            return image
        try:
            return image.crop(box_files.place(box, image.size, margin, self._filters.square))
        except ValueError as error:
            raise UserError(f'{self._files.where(name)}: {error}; correct {path}') from None

    def _filter(self, size):
        smallest, aspects = self._filters.min_size, self._filters.aspect_range
        if smallest is not None and min(size) < smallest:
            raise Skipped(f'below --min-size={smallest} ({size[0]}x{size[1]} pixels)')
        if aspects is not None and not aspects[0] <= size[0] / size[1] <= aspects[1]:
            raise Skipped('outside --aspect-range={:g},{:g} ({}x{} pixels, {:.3f})'.format(
                *aspects, size[0], size[1], size[0] / size[1]))

    def close(self):
        """Closes the zip file."""
        self._files.close()
