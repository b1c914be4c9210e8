"""Pictures of a folder or a zip as images of a new dataset: boxes, filters, fitting, labels."""

import csv
import io
import math
import os
from typing import NamedTuple

from dnnlib import cli
from dnnlib.util import UserError
from training import image_size
from training.data.files import decode_text
from training.data.images import (convert, CONVERTIBLE_MODES, crop_box, fit_image, GRAY_MODES, MODES, to_array,
                                  wrong_mode)
from training.data.labels import name_key
from training.data.rules import RESOLUTION_OPTION
from training.data.sources import ImageFiles, uniform_shape

FILE_COLUMNS = ('file', 'filename', 'file_name', 'name', 'image', 'image_id', 'path')
CORNER_COLUMNS = (('left', 'top', 'right', 'bottom'), ('x1', 'y1', 'x2', 'y2'), ('xmin', 'ymin', 'xmax', 'ymax'),
                  ('x_min', 'y_min', 'x_max', 'y_max'))
SIZE_COLUMNS = (('x', 'y', 'width', 'height'), ('x', 'y', 'w', 'h'), ('x_1', 'y_1', 'width', 'height'),
                ('left', 'top', 'width', 'height'))


class Skipped(Exception):
    """The options exclude an image; the text is the reason."""


class _BadBox(Exception):
    """A line of a box file that is no box; the text says why."""


class Filters(NamedTuple):
    """Which pictures become images, and which part of them."""

    min_size: int = None         # smallest shorter side, pixels; None = any
    aspect_range: tuple = None   # (smallest, largest) width / height; None = any
    bbox: tuple = None           # (CSV file of boxes, margin per side as a fraction of the box); None = no boxes


class PictureSource:
    """Images from the pictures of a folder or zip; a picture with several boxes in a CSV file gives several images.

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
        self._filters = filters
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
            boxes = {name: [None] for name in names} if filters.bbox is None else self._find_boxes(filters.bbox[0])
            self._items = [(index, box) for index, name in enumerate(names) for box in boxes.get(name, [None])]
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

    def _find_boxes(self, path):
        """{name of a file: its boxes}; a line says how many boxes belong to no file."""
        boxes = read_boxes(path)
        own = {name: boxes[key] for name, key in ((name, name_key(name)) for name in self._files.names)
               if key in boxes}
        if not own:
            raise UserError('{}: no box belongs to a file in {}; expected file names such as {}'.format(
                path, self._files.path, self._files.names[0]))
        unused = sorted(set(boxes) - {name_key(name) for name in own})
        if unused:
            print(f'{path}: {len(unused)} names of files that are not in {self._files.path}, {unused[0]} is the first')
        return own

    def name_of(self, number):
        """Name of the file of image `number`."""
        return self._files.names[self._items[number][0]]

    def stamp(self, number):
        """Text that changes when the file of an image does."""
        index, box = self._items[number]
        return f'{self._files.names[index]} {self._files.stamp(self._files.names[index])} {box}'

    def labels_at(self, numbers):
        """Labels of images: float32 [N, label_size]."""
        return self._labels.at([self._items[number][0] for number in numbers])

    def read(self, number):
        """Image `number`: uint8 [C, H, W].

        Raises: Skipped if the filters exclude it, UserError if it is unusable.
        """
        index, box = self._items[number]
        name, fit = self._files.names[index], self.fit
        image = self._files.open_image(name)
        if self._filters.bbox is not None:
            image = self._cut_out(image, box, self._files.where(name))
        self._filter(image.size)
        mode = MODES[fit.channels]
        if image.mode != mode and (self._same_mode or image.mode not in CONVERTIBLE_MODES):
            raise wrong_mode(self._files.where(name), image.mode, mode, RESOLUTION_OPTION)
        if not self._same_mode:
            image = fit_image(convert(image, fit.channels, fit.background), fit)
        if list(image.size[::-1]) != self._shape:
            raise UserError('{}: {}x{} pixels instead of {}x{}; resize it, or set {}'.format(
                self._files.where(name), image.size[0], image.size[1], self._shape[1], self._shape[0],
                RESOLUTION_OPTION))
        return to_array(image)

    def _cut_out(self, image, box, where):
        path, margin = self._filters.bbox
        if box is None:
            raise Skipped('no box in ' + os.path.basename(path))
        left, top, right, bottom = box
        x, y = (right - left) * margin, (bottom - top) * margin
        try:
            return crop_box(image, (left - x, top - y, right + x, bottom + y))
        except ValueError as error:
            raise UserError(f'{where}: {error}; correct {path}') from None

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


def read_boxes(path):
    """Boxes from a CSV file.

    Args:
        path: Name of the file. If its first line names the columns, they are a file name and either corners (left, top,
            right, bottom) or corner and size (x, y, width, height), in pixels of the upright picture. Without such a
            line the columns are file, left, top, right, bottom. Empty lines and those that begin with `#` don't count.
    Returns: Dictionary of file name to list of (left, top, right, bottom), float.
    Raises: UserError naming the file and line.
    """
    with open(path, 'rb') as file:
        text = decode_text(file.read(), path)
    line = next((line for line in text.splitlines() if line.strip() and not line.startswith('#')), ',')
    separator = max(';\t,', key=line.count)  # where there are as many ';' as ',' those are decimal
    boxes, columns, with_size, number, first = {}, (0, 1, 2, 3, 4), False, 1, True
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=''), delimiter=separator), 1):
            if not ''.join(row).strip() or row[0].startswith('#'):
                continue
            first, is_first = False, first
            if is_first and not _is_number(row[-1]):
                columns, with_size = _columns([cell.strip().lower() for cell in row])
                continue
            name = name_key(row[columns[0]].strip())
            left, top, right, bottom = [_number(row[column]) for column in columns[1:]]
            if with_size:
                right, bottom = left + right, top + bottom
            if not (math.isfinite(left + top + right + bottom) and left < right and top < bottom):
                raise _BadBox('the box is empty')
            boxes.setdefault(name, []).append((left, top, right, bottom))
    except (_BadBox, IndexError, csv.Error) as error:
        problem = error if isinstance(error, _BadBox) else (
            'too few columns' if isinstance(error, IndexError) else 'not a line of a CSV file')
        raise UserError('{}, line {}: {}; expected a file name and left, top, right, bottom in pixels, or a first line '
                        'that names the columns'.format(path, number, problem)) from None
    if not boxes:
        raise UserError(f'{path}: no boxes in this file')
    return boxes


def _columns(names):
    """Indices of the file column and the four number columns, and whether the last two are a size."""
    file_column = next((names.index(name) for name in FILE_COLUMNS if name in names), None)
    for group, with_size in [(g, False) for g in CORNER_COLUMNS] + [(g, True) for g in SIZE_COLUMNS]:
        if file_column is not None and set(group) <= set(names):
            return [file_column] + [names.index(name) for name in group], with_size
    raise _BadBox(f"no known columns among {', '.join(names)}")


def _number(text):
    try:
        return float(text.replace(',', '.'))  # where commas do not separate columns they are decimal
    except ValueError:
        raise _BadBox(f'{text!r} is not a number') from None


def _is_number(text):
    try:
        return _number(text) is not None
    except _BadBox:
        return False
