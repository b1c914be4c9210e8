"""Sets of several domains made of the built-in cats, whose true translations are known.

The true translation of a picture to a domain is the same cat with another layer, or, of attributes, other layers.
"""

import json
import os
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError
from training.data.cats import cat_attributes, split_numbers

TRUTH_FILE = 'cats_domains.json'  # in the folder of a set
LIST_FILE = 'list_attr.txt'  # of a set of attributes
BODY, FUR, EYES, ACCESSORY = 0, 1, 2, 4  # groups of layers
DOMAINS = {  # layers of the bodies
    'families': OrderedDict([('candy', (1, 4, 6, 8)), ('dark', (2, 3, 11)), ('warm', (5, 7, 10, 12, 14))]),
    'coats': OrderedDict([('black', (2,)), ('blue', (8,)), ('cream', (13,)), ('green', (1,)), ('orange', (14,))])}
ATTRIBUTES = OrderedDict([  # (group, layers that have it)
    ('black', (BODY, (2, 11))), ('blue', (BODY, (8,))), ('orange', (BODY, (10, 12, 14))),
    ('glasses', (EYES, (12,))), ('hat', (ACCESSORY, (5, 11, 13))), ('scarf', (ACCESSORY, (0, 7))),
    ('spots', (FUR, (8, 9))), ('stripes', (FUR, (0, 1)))])
SETS = tuple(DOMAINS) + ('attributes',)


class Truth(NamedTuple):
    """What is known about the pictures of a set."""
    name: str        # one of SETS
    folder: str      # of the set
    pictures: dict   # name of a file, with `/` -> attributes of its cat, five layer numbers
    resolution: int  # width and height of a cat, pixels

    def cat_of(self, path):
        """Layer numbers of the cat in a picture, list of five; raises UserError for one that is not in the set."""
        name = os.path.relpath(path, self.folder).replace(os.sep, '/')
        if name not in self.pictures:
            raise UserError(f'{path}: {os.path.join(self.folder, TRUTH_FILE)} knows no picture of this name')
        return self.pictures[name]


def choose(name, held_out, count):
    """The cats of a set.

    Args:
        name: One of SETS.
        held_out: Cats that are in no set to train with?
        count: How many.
    Returns: OrderedDict {domain: int64 [N, 5], the layer numbers}; of attributes one, ''.
    Raises: UserError if there are not as many, or a domain has none of them.
    """
    use = 'test' if held_out else 'train'
    cats = cat_attributes(split_numbers(held_out))
    if name in DOMAINS:
        cats = cats[np.isin(cats[:, BODY], sum(DOMAINS[name].values(), ()))]
    if count > len(cats):
        raise UserError(f'{count} pictures to {use} with are too many: there are {len(cats)} such cats')
    if name not in DOMAINS:
        return OrderedDict([('', cats[:count])])
    places = OrderedDict((domain, np.flatnonzero(np.isin(cats[:, BODY], layers)))
                         for domain, layers in DOMAINS[name].items())
    last = max(places, key=lambda domain: places[domain][0])  # whose first cat comes last
    if count <= places[last][0]:
        raise UserError(f'{count} pictures to {use} with are too few: none is of the domain {last}; give at least '
                        f'--{use}={places[last][0] + 1}')
    return OrderedDict((domain, cats[found[found < count]]) for domain, found in places.items())


def attributes_of(cats):
    """Which ATTRIBUTES cats have: bool [N, attributes] of layer numbers [N, 5]."""
    return np.stack([np.isin(np.asarray(cats)[:, group], layers) for group, layers in ATTRIBUTES.values()], axis=1)


def folder_of(path):
    """The folder of the set that a picture belongs to; `None` if there is none."""
    folder = os.path.dirname(os.path.abspath(path))
    for _ in range(3):  # of the domain, of those to test with, of the set
        if os.path.isfile(os.path.join(folder, TRUTH_FILE)):
            return folder
        folder = os.path.dirname(folder)
    return None


def read_truth(folder):
    """The Truth of a set.

    Args:
        folder: That `dataset_tool.py create_cats_domains` wrote.
    Raises: UserError if its file is missing or damaged.
    """
    path = os.path.join(folder, TRUTH_FILE)
    try:
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
        if data['set'] not in SETS:
            raise ValueError('unknown set')
        return Truth(data['set'], folder, dict(data['pictures']), int(data['resolution']))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path}: not a file of create_cats_domains ({type(error).__name__}: {error})') from None
