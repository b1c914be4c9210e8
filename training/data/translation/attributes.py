"""CelebA's list of attributes: which of them each picture has, and which pictures are there to test with."""

import os
import random
from typing import NamedTuple

import numpy as np

from dnnlib.arguments import did_you_mean
from dnnlib.util import UserError
from training.data.files import decode_text
from training.data.labels import name_key

SEED = 1234  # of the order from which the pictures to test with are taken; as published
NUM_TESTS = 1999  # as published, where there are at least ten times as many pictures


class Attributes(NamedTuple):
    """What a list says."""
    names: list     # of the attributes that were chosen
    rows: dict      # {name of a picture: list of 0 and 1}, in the order of the list
    tests: set      # names of the pictures to test with


def read(path, chosen):
    """Reads a list: the number of pictures, names of attributes, then a line for each picture: its name, 1 or -1.

    Args:
        path: The list.
        chosen: Names of the attributes that are wanted; `None` = all.
    Returns: Attributes.
    Raises: UserError naming the place of an error, or an unknown attribute.
    """
    try:
        with open(path, 'rb') as file:
            lines = decode_text(file.read(), path).splitlines()
    except OSError as error:
        raise UserError(f'{path}: {error.strerror}; give a list of attributes such as list_attr_celeba.txt') from None
    start = 1 if lines and lines[0].strip().isdigit() else 0
    names = lines[start].split() if len(lines) > start else []
    if not names:
        raise UserError(f'{path}: no names of attributes; expected a list such as list_attr_celeba.txt')
    for name in chosen or ():
        if name not in names:
            raise UserError(f'{path}: no attribute {name!r}; {did_you_mean(name, names)}it has {", ".join(names)}')
    columns = [names.index(name) for name in chosen or names]
    rows = {}
    for number, line in enumerate(lines[start + 1:], start + 2):
        picture, *values = line.split() or ['']
        if picture:
            if len(values) != len(names) or not set(values) <= {'1', '-1', '0'}:
                raise UserError(f'{path}, line {number}: expected a name and {len(names)} times 1 or -1, got '
                                f'{line:.60}')
            rows[name_key(picture)] = [int(values[column] == '1') for column in columns]
    order = list(rows)
    random.Random(SEED).shuffle(order)
    return Attributes([names[column] for column in columns], rows, set(order[:min(NUM_TESTS, len(order) // 10)]))


def find(attributes, pictures, path):
    """The labels of pictures.

    Args:
        attributes: Attributes.
        pictures: Names of the pictures, with their folders or not in the list.
        path: Of the list, for messages.
    Returns: (float32 [N, attributes], numbers of the pictures to train with, those to test with); pictures that are not
        in the list have neither.
    Raises: UserError if none is.
    """
    rows, train, test = np.zeros([len(pictures), len(attributes.names)], np.float32), [], []
    for number, picture in enumerate(pictures):
        key = name_key(picture)
        key = key if key in attributes.rows else os.path.basename(key)
        if key in attributes.rows:
            rows[number] = attributes.rows[key]
            (test if key in attributes.tests else train).append(number)
    if not train:
        raise UserError(f'{path}: none of the {len(pictures)} pictures is in it, such as {pictures[0]}')
    return rows, train, test
