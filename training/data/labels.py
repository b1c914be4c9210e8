"""Labels of images: from the folders they lie in, from `dataset.json`, from the `.npy` file of a TFRecord dataset."""

import json
import os
import unicodedata
from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError
from training.data.files import decode_text

LABELS_FILE = 'dataset.json'
MAX_CLASSES = 2 ** 16
MAX_LISTED = 12  # classes that are counted one by one
EXPECTED = f'all class numbers up to {MAX_CLASSES - 1}, all class names, or all lists of the same number of numbers'


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

    def counts(self):
        """Number of images of each class: int [label_size]; `None` unless each image has one column of 1, others 0."""
        if self._rows is None:
            return np.bincount(self._classes, minlength=self.label_size)
        counts = np.zeros([self.label_size], np.int64)
        for begin in range(0, len(self._rows), 4096):
            part = np.asarray(self._rows[begin:begin + 4096])
            if not (np.isin(part, (0, 1)).all() and (part.sum(axis=1) == 1).all()):
                return None
            counts += part.sum(axis=0).astype(np.int64)
        return counts

    def text(self, names=None):
        """How many classes there are, and how many images of each: one line."""
        counts = self.counts()
        if counts is None:
            return f'{self.label_size} columns of numbers'
        names = names or [str(number) for number in range(self.label_size)]
        listed = [f'{name} ({count})' for name, count in zip(names, counts)]
        if len(listed) > MAX_LISTED:
            listed = [f'{listed[counts.argmin()]} is the smallest', f'{listed[counts.argmax()]} the largest']
        return f"{self.label_size} class{'es' * (self.label_size != 1)}: {', '.join(listed)}"


class Found(NamedTuple):
    """Labels of the pictures of a folder or zip."""

    labels: object = None    # Labels; None = there are none
    names: list = None       # of the classes; None = they have none
    source: str = ''         # where the labels come from, or why there are none
    without: tuple = ()      # names of the images that keep the folders from being classes, since they lie outside
    unused: tuple = ()       # names in dataset.json that no image has

    def text(self):
        """How many classes there are, how many images of each, and where that comes from: one line."""
        return f'none; {self.source}' if self.labels is None else f'{self.labels.text(self.names)}, from {self.source}'


class IncompleteLabels(UserError):
    """`dataset.json` lacks images; `without` are their names."""

    def __init__(self, text, without):
        super().__init__(text)
        self.without = tuple(without)


def from_folders(names):
    """One class per folder: those of the highest level at which there are several.

    Args:
        names: Names of the images, with `/`.
    Returns: Found; without labels if all images lie in one folder, or some of them beside the folders of the classes.
    """
    paths = [name.split('/') for name in names]
    inside, without = list(range(len(names))), []
    while True:
        level = len(os.path.commonprefix([paths[i][:-1] for i in inside]))
        deeper = [i for i in inside if len(paths[i]) > level + 1]
        without = sorted(set(without + inside) - set(deeper))
        classes = sorted({paths[i][level] for i in deeper})
        if not deeper:
            return Found(source=f'no folders with images lie side by side; make one per class, or {LABELS_FILE}')
        if len(classes) > 1:
            break
        inside = deeper
    if without:
        listed = ', '.join(classes[:3]) + ', ...' * (len(classes) > 3)
        return Found(without=tuple(names[i] for i in without), source=(
            '{} of {} images {} outside the folders of the classes ({}), {} is the first; move or remove {}'.format(
                len(without), len(names), 'lies' if len(without) == 1 else 'lie', listed, names[without[0]],
                'it' if len(without) == 1 else 'them')))
    numbers = {name: number for number, name in enumerate(classes)}
    return Found(Labels(classes=[numbers[path[level]] for path in paths], num_classes=len(classes)), classes,
                 f"folders at level {level + 1}, such as '{paths[0][level]}' of {names[0]}")


def from_json(data, names, where, folder=''):
    """Labels from `dataset.json`: `{"labels": [[name, label], ...]}`.

    A label is the number or the name of a class, or a list of numbers. What the meaning of is clear is taken: marks of
    an encoding, backslashes, whole numbers with a fraction of 0, either form of accented letters.

    Args:
        data: Content of the file, bytes.
        names: Names of the images, with `/`.
        where: Name of the file, for messages.
        folder: Folder of the file, relative like the names, ending in `/` unless it is ''.
    Returns: Found; without labels if the file says that there are none.
    Raises: UserError naming the place or the first bad entry; IncompleteLabels.
    """
    by_name = _entries(decode_text(data, where), where)
    if by_name is None:
        return Found(source=f'{LABELS_FILE} says there are none')
    keys = [next((key for key in _keys(name, folder) if by_name.get(key) is not None), None) for name in names]
    missing = [name for name, key in zip(names, keys) if key is None]
    if missing:
        example = next(iter(by_name), '')
        raise IncompleteLabels('{}: {} of {} images have no label, {} is the first{}; add labels or remove the file'
                               .format(where, len(missing), len(names), missing[0],
                                       example and f' (the file has names such as {example})'), missing)
    labels, used = [by_name[key] for key in keys], set(keys)
    unused = tuple(key for key in by_name if key not in used)
    kinds = [_kind(label) for label in labels]
    odd = next((i for i, kind in enumerate(kinds) if kind is None or kind != kinds[0]), None)
    if odd is not None:
        odd = kinds.index(None) if None in kinds else odd
        more = '' if kinds[odd] is None else f' and that of {names[0]} {_short(labels[0])}'
        raise UserError(f'{where}: the label of {names[odd]} is {_short(labels[odd])}{more}; labels must be {EXPECTED}')
    if kinds[0] == 'number':
        return Found(Labels(classes=labels, num_classes=int(max(labels)) + 1), None, LABELS_FILE, unused=unused)
    if kinds[0] == 'name':
        classes = sorted(set(labels))
        numbers = {name: number for number, name in enumerate(classes)}
        return Found(Labels(classes=[numbers[name] for name in labels], num_classes=len(classes)), classes, LABELS_FILE,
                     unused=unused)
    return Found(Labels(rows=np.asarray(labels, np.float32)), None, LABELS_FILE, unused=unused)


def _entries(text, where):
    """{key of a name: label} of the text of a `dataset.json`; `None` if its labels are null."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise UserError(f'{where}: nested too deeply; expected {{"labels": [["name", label], ...]}}') from None
    except ValueError as error:
        raise UserError('{}{}; correct or remove the file'.format(
            where, _syntax_error(text, getattr(error, 'pos', 0)))) from None
    entries = content.get('labels', ()) if isinstance(content, dict) else ()
    if entries is None:
        return None
    if not isinstance(entries, list):
        raise UserError(f'{where}: expected {{"labels": [["name", label], ...]}}; correct or remove the file')
    by_name = {}
    for number, entry in enumerate(entries, 1):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise UserError(f'{where}: entry {number} of the labels is {_short(entry)}; expected ["name", label]')
        name, label = name_key(entry[0]), entry[1]
        if by_name.setdefault(name, label) != label:
            raise UserError(f'{where}: {name} has the labels {_short(by_name[name])} and {_short(label)}; remove one')
    return by_name


def _syntax_error(text, position):
    """Line, column and what is there, for JSON that ends being JSON at a position."""
    before, after = text[:position].rstrip(), text[position:].lstrip()
    if before.endswith(',') and after[:1] in (']', '}'):  # Python before 3.13 names what follows the comma
        position, after = len(before) - 1, ',' + after
    line, column = text.count('\n', 0, position) + 1, position - text.rfind('\n', 0, position)
    place = f', line {line}, column {column}: '
    if after[:1] == ',' and after[1:].lstrip()[:1] in (']', '}'):
        return f'{place}a comma before {after[1:].lstrip()[0]}'
    rest = _short(after.split('\n')[0])
    return place + (f'not JSON from {rest} on' if after else 'the end of the file is missing')


def name_key(name):
    """The name of an image as it is compared with names in lists: with `/`, accented letters as one character."""
    name = unicodedata.normalize('NFC', name.replace('\\', '/'))
    return name[2:] if name.startswith('./') else name


def _keys(name, folder):
    """Keys that an image may have in a file in `folder`: relative to it or not; misread as by Macs' zips or not."""
    relative = name[len(folder):] if name.startswith(folder) else name
    for text in (relative, name):
        yield name_key(text)
        try:
            yield name_key(text.encode('cp437').decode('utf-8'))
        except ValueError:
            pass


def _kind(label):
    """Kind of a label: 'number', 'name', or the length of a list of numbers; `None` if it is none of these."""
    if isinstance(label, str):
        return 'name' if label else None
    if isinstance(label, list):
        return len(label) if label and all(_is_number(value) for value in label) else None
    return 'number' if _is_number(label) and 0 <= label < MAX_CLASSES and label == int(label) else None


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 3e38


def _short(value):
    """JSON of a value, cut to fit a message."""
    text = value if isinstance(value, str) and not value.isprintable() else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + '...'


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
