"""Sets of two sides made of the built-in cats: what is drawn, and what the true translation of each picture is.

The true translation of a picture of side A is the same cat with a layer of side B in the group that differs. The layers
that both have in common are divided between the sides, so that no picture of one side is the translation of one of the
other, and none of the pictures to test with is learned from.
"""

import json
import os
from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError
from training.data.cats import cat_attributes, GROUP_SIZES, GROUPS, split_numbers

TRUTH_FILE = 'cats.json'  # in the folder of a set
SOURCES = ('testA', 'test', 'test_label')  # folders of what translators are tested with, in the layouts of sets
SHEET_CELLS = 8  # columns and rows of a contact sheet


class Pair(NamedTuple):
    """What the two sides of a set are."""
    text: str             # for the help
    group: str = None     # the group of layers that differs; None = A is made of B
    layers_a: tuple = ()  # its layers on side A
    layers_b: tuple = ()  # and on side B


GINGER, COOL = (4, 5, 9, 10, 12, 14), (1, 2, 8, 11)
PAIRS = {
    'coats': Pair('ginger and cool coats, unpaired', 'body', GINGER, COOL),
    'accessory': Pair('without and with an accessory, unpaired', 'accessory', (15,), (0, 3, 6, 7, 11, 13)),
    'outline': Pair('outlines and their cats'),
    'gray': Pair('gray and color'),
    'masks': Pair('maps of labels and instances, and their cats'),
    'sheets': Pair('one sheet of 64 cats of one coat, one of another', 'body', (12,), (8,))}


class Truth(NamedTuple):
    """What is known about the pictures of a set."""
    pair: str       # key of PAIRS
    folder: str     # of the set
    pictures: dict  # name of a file, with `/` -> attributes of its cat, five layer numbers; of a sheet a list of them
    resolution: int  # width and height of a cat, pixels

    def cats_of(self, paths):
        """Attributes of the cats in pictures: int [N, 5], or of sheets [N, 64, 5].

        Args:
            paths: Paths of pictures of the set; or, in another folder, of translations under the same file names, which
                are taken for those of the pictures to test with.
        Raises: UserError for one that is not in the set.
        """
        found = []
        for path in paths:
            name = os.path.relpath(path, self.folder).replace(os.sep, '/')
            names = [name] + [f'{folder}/{os.path.basename(path)}' for folder in SOURCES]
            known = [self.pictures[name] for name in names if name in self.pictures]
            if not known:
                raise UserError(f'{path}: {os.path.join(self.folder, TRUTH_FILE)} knows no picture of this name')
            found.append(known[0])
        return np.asarray(found)


def choose(pair, side, held_out, count):
    """The cats of one side.

    Args:
        pair: Key of PAIRS.
        side: 'a' or 'b'; the same cats where B is made of A.
        held_out: Cats that are in no set to train with?
        count: How many.
    Returns: int64 [count, 5], the layer numbers.
    Raises: UserError if there are not as many.
    """
    pair, cats = PAIRS[pair], cat_attributes(split_numbers(held_out))
    if pair.group is not None:
        group = [name for name, _ in GROUPS].index(pair.group)
        others = [number for number in range(len(GROUPS)) if number != group]
        sizes = [GROUP_SIZES[number] for number in others]
        mine = np.random.RandomState(2019).permutation(np.prod(sizes)) % 2 == (side == 'b')
        is_mine = mine[np.ravel_multi_index(tuple(cats[:, others].T), sizes)]
        cats = cats[is_mine & np.isin(cats[:, group], pair.layers_a if side == 'a' else pair.layers_b)]
    if count > len(cats):
        raise UserError(f'{count} pictures to {"test" if held_out else "train"} with are too many: there are '
                        f'{len(cats)} such cats of side {side.upper()}')
    return cats[:count]


def outline(labels):
    """Where the labels of neighbors differ, black on white: uint8 [R, R] of uint8 [R, R]; both pixels are marked."""
    edges = np.zeros(labels.shape, bool)
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = labels[a] != labels[b]
        edges[a] |= differ
        edges[b] |= differ
    return np.where(edges, 0, 255).astype(np.uint8)


def luminance(image):
    """Gray of an image by Rec. 601, in all three channels: uint8 [3, H, W] of uint8 [3, H, W]."""
    gray = np.rint(np.tensordot([0.299, 0.587, 0.114], image.astype(np.float64), 1))
    return np.broadcast_to(gray.astype(np.uint8), image.shape)


def instances(labels):
    """Connected parts of a map of labels as pix2pixHD numbers them: int32 [R, R], 1000 x label + number of the part.

    Pixels are connected with the four beside them. Parts of a label are numbered from 0 on, from the top.
    """
    size = labels.size
    found = np.arange(size, dtype=np.int64).reshape(labels.shape)  # the smallest pixel known of each pixel's part
    while True:
        before = found.copy()
        for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            same = labels[a] == labels[b]
            for one, other in ((a, b), (b, a)):
                found[one] = np.where(same, np.minimum(found[one], found[other]), found[one])
        found = found.ravel()[found]  # what that pixel knows of its own part, so that few rounds are needed
        if np.array_equal(found, before):
            break
    result = np.zeros(labels.shape, np.int32)
    for label in np.unique(labels):
        _, numbers = np.unique(found[labels == label], return_inverse=True)
        result[labels == label] = 1000 * int(label) + numbers
    return result


def folder_of(path):
    """The folder of the set that a picture or a folder of pictures belongs to; `None` if there is none."""
    path = os.path.abspath(path)
    around = (path, os.path.dirname(path), os.path.dirname(os.path.dirname(path)))
    return next((folder for folder in around if os.path.isfile(os.path.join(folder, TRUTH_FILE))), None)


def read_truth(folder):
    """The Truth of a set.

    Args:
        folder: That `dataset_tool.py create_cats_pairs` wrote.
    Raises: UserError if its file is damaged.
    """
    path = os.path.join(folder, TRUTH_FILE)
    try:
        with open(path, encoding='utf-8') as file:
            data = json.load(file)
        if data['pair'] not in PAIRS:
            raise ValueError('unknown pair')
        return Truth(data['pair'], folder, dict(data['pictures']), int(data['resolution']))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path}: not a file that create_cats_pairs wrote ({type(error).__name__}: {error})') from None
