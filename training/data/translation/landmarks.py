"""Pictures with landmarks, which a list names."""

import os

import numpy as np

from dnnlib.util import UserError
from training.data.files import decode_text
from training.data.labels import name_key
from training.data.translation.dataset import TranslationDataset
from training.data.translation.domains import LabeledSheet

WFLW_COLUMNS, WFLW_NUMBERS = 206, 196  # numbers in front of the name of a picture; those of them that are landmarks


class LandmarkDataset(TranslationDataset):
    """Whole pictures, scaled to one size, with labels x and y of each landmark as shares of width and height.

    Args:
        tfrecord_dir: Folder or zip of pictures.
        landmarks: List of landmarks, see `read`.
        kwargs: Arguments of TranslationDataset; nothing is mirrored.
    Raises: UserError for pictures without landmarks, or options that don't fit.
    """

    def __init__(self, tfrecord_dir, landmarks, **kwargs):
        super().__init__(tfrecord_dir, **dict(kwargs, flip=False))
        try:
            rows, numbers = read(landmarks), []
            self._rows = np.zeros([len(self.source.names), len(next(iter(rows.values())))], np.float32)
            for number, name in enumerate(self.source.names):
                key = name_key(name)
                key = key if key in rows else os.path.basename(key)
                if key in rows and self.headers[number] is not None:
                    self._rows[number] = np.float32(rows[key]) / np.tile(self.headers[number][1], len(rows[key]) // 2)
                    numbers.append(number)
            if not numbers:
                raise UserError(f'{landmarks}: none of the {len(self.source.names)} pictures is in it, such as '
                                f'{self.source.names[0]}')
        except UserError:
            self._close_sources()
            raise
        if len(numbers) < len(self.source.names):
            left = len(self.source.names) - len(numbers)
            self.remarks.append(f'Left out: {left} pictures that are not in {landmarks}')
        self.select(numbers)
        self.label_size, self.label_names = self._rows.shape[1], None
        self.label_text = f'{self.label_size // 2} landmarks'

    def _labels_of(self, indices):
        return self._rows[[self.numbers[index] for index in indices]]

    def sheet(self):
        """See TranslationDataset."""
        return LabeledSheet(self, *self.shown(), rows=self._rows)


def read(path):
    """Landmarks of pictures: {name: list of x, y, x, y, ... in pixels}.

    Args:
        path: List with a line for each picture: its name, then x and y of each landmark, or, as in WFLW, these, perhaps
            ten further numbers, then its name.
    Raises: UserError naming the line of an error.
    """
    try:
        with open(path, 'rb') as file:
            lines = decode_text(file.read(), path).splitlines()
    except OSError as error:
        raise UserError(f'{path}: {error.strerror}; give a list of landmarks') from None
    found, count = {}, None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        name, values = (words[-1], words[:-1]) if _is_number(words[0]) else (words[0], words[1:])
        values = values[:WFLW_NUMBERS] if len(values) == WFLW_COLUMNS else values
        if not values or len(values) % 2 or not all(map(_is_number, values)) or count not in (None, len(values)):
            raise UserError(f'{path}, line {number}: expected the name of a picture and x and y of as many landmarks '
                            f'as the first one has, got {line:.60}')
        count = len(values)
        found[name_key(name)] = [float(value) for value in values]
    if not found:
        raise UserError(f'{path}: no landmarks; expected a line for each picture: its name, then x and y of each one')
    return found


def _is_number(text):
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
