"""Names of the label columns: stored next to datasets and networks, and used to name a class on the command line."""

import json
import os

import numpy as np

from dnnlib.util import UserError, atomic_path

CLASSES_FILE = 'classes.json'


def save_names(folder, names):
    """Writes the names of the label columns, a list of str, to `classes.json` in a folder."""
    with atomic_path(os.path.join(folder, CLASSES_FILE)) as temp_path:
        with open(temp_path, 'w', encoding='utf-8') as f:
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
    for part in (part.strip() for part in text.split(',')):
        if names is not None and part in names:
            label[names.index(part)] = 1
        elif part.isdigit() and int(part) < label_size:
            label[int(part)] = 1
        else:
            more = ', ...' if label_size > 20 else ''
            known = '' if names is None else ' or one of ' + ', '.join(names[:20]) + more
            raise UserError(f'there is no class {part!r}; expected 0 to {label_size - 1}{known}')
    return label
