"""Names of the label columns: stored next to datasets and networks, and used to name a class on the command line."""

import json
import os

import numpy as np

from dnnlib.arguments import did_you_mean
from dnnlib.util import UserError, atomic_path

CLASSES_FILE = 'classes.json'


def save_names(folder, names):
    """Writes the names of the label columns, a list of str, to `classes.json` in a folder."""
    with atomic_path(os.path.join(folder, CLASSES_FILE)) as temp_path:
        with open(temp_path, 'w', encoding='utf-8', errors='backslashreplace') as f:  # what JSON reads back
            json.dump(list(names), f, indent=1, ensure_ascii=False)


def load_names(folder, label_size):
    """Names of the label columns from `classes.json` in a folder.

    Args:
        folder: The folder; None for a network or dataset without one, such as a URL.
        label_size: Number of label columns; further names are ignored.
    Returns: List of str; None if there is no folder or no such file.
    Raises: UserError if the file is not a list of enough names.
    """
    path = None if folder is None else os.path.join(folder, CLASSES_FILE)
    if path is None or not os.path.isfile(path):
        return None
    try:
        with open(path, encoding='utf-8') as f:
            names = json.load(f)
    except ValueError:
        names = None
    if not isinstance(names, list) or len(names) < label_size or not all(isinstance(name, str) for name in names):
        raise UserError(f'{path}: expected a list of at least {label_size} class names; fix or remove the file')
    return names[:label_size]


def parse_label(text, label_size, names=None):
    """Label of the classes named by a user.

    A name goes before a number: `3` is the class called 3 where there is one. Where some of the names are numbers, only
    names are meant, whatever zeros they begin with. Of names that contain commas the longest counts.

    Args:
        text: Names or numbers of classes, separated by commas, such as `tabby` or `3,eyes 2`.
        label_size: Number of label columns, int.
        names: Their names; `None` = numbers only.
    Returns: float32 [label_size], 1 in the columns named, 0 elsewhere.
    Raises: UserError if the network has no labels or no such class.
    """
    if label_size == 0:
        raise UserError(f'class {text!r}: the network was trained without labels; leave the class out')
    label = np.zeros([label_size], np.float32)
    parts = text.split(',')
    while parts:
        count = next((count for count in range(len(parts), 1, -1)
                      if _column(','.join(parts[:count]), label_size, names) is not None), 1)
        part = ','.join(parts[:count]).strip()
        column = _column(part, label_size, names)
        if column is None:
            raise UserError(f'there is no class {part!r}; {did_you_mean(part, names or ())}expected '
                            f'{choice(label_size, names)}')
        label[column] = 1
        parts = parts[count:]
    return label


def _column(text, label_size, names):
    """Column of one class by its name or number; `None` if there is no such class."""
    text, names = text.strip(), [name.strip() for name in names or ()]
    if text in names:
        return names.index(text)
    if not text.isdecimal() or len(text) > 9:
        return None
    numbers = [int(name) if name.isdecimal() else None for name in names]
    if any(number is not None for number in numbers):
        return numbers.index(int(text)) if numbers.count(int(text)) == 1 else None
    return int(text) if int(text) < label_size else None


def choice(label_size, names):
    """The classes there are, for messages: the first 20 names; see `parse_label`."""
    if names is None:
        return f'0 to {label_size - 1}'
    known = ', '.join(names[:20]) + (', ...' if label_size > 20 else '')
    return known if any(name.strip().isdecimal() for name in names) else f'0 to {label_size - 1} or one of {known}'
