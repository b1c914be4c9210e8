"""Cats: the built-in dataset, 360,000 drawings composed on the fly from 66 layers by David Revoy (CC BY 4.0)."""

import functools
import os
import zipfile

import numpy as np
from PIL import Image

from dnnlib.util import UserError
from training.data.base import check_int, Dataset
from training.data.levels import box_downscale

GROUPS = (('body', 15), ('fur', 10), ('eyes', 15), ('mouth', 10), ('accessory', 16))  # in drawing order
GROUP_SIZES = tuple(count for _, count in GROUPS)
NUM_CATS = int(np.prod(GROUP_SIZES))
LABEL_SIZE = sum(GROUP_SIZES)
LABEL_NAMES = [f'{group} {number}' for group, count in GROUPS for number in range(count)]
STORED_RESOLUTION = 128
LAYERS_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'cats_layers.zip')
HELD_OUT_EVERY = 10
NUM_HELD_OUT = NUM_CATS // HELD_OUT_EVERY


def cat_attributes(numbers):
    """Splits the numbers of cats into layer numbers.

    Args:
        numbers: int [N], 0 <= number < NUM_CATS.
    Returns: int64 [N, 5], the layer number within each group of GROUPS.
    """
    return np.stack(np.unravel_index(np.asarray(numbers, np.int64), GROUP_SIZES), axis=1)


def cat_labels(attributes):
    """One-hot vectors of the five layer numbers `attributes` (int [N, 5]), side by side: float32 [N, LABEL_SIZE]."""
    columns = np.asarray(attributes) + np.cumsum((0,) + GROUP_SIZES[:-1])
    labels = np.zeros([len(columns), LABEL_SIZE], np.float32)
    labels[np.arange(len(columns))[:, np.newaxis], columns] = 1
    return labels


def split_numbers(held_out):
    """Numbers of the cats in the training split or, if `held_out`, in the test split: int64 [324000] or [36000].

    The split is a fixed shuffle; no cat is in both. The first N cats of a split are a fair sample of it.
    """
    shuffled = np.random.RandomState(2019).permutation(NUM_CATS)
    is_held_out = np.arange(NUM_CATS) % HELD_OUT_EVERY == 0
    return shuffled[is_held_out == held_out]


@functools.lru_cache(maxsize=8)
def _layers(resolution):
    """All layers: premultiplied color [66, 3, R, R] in [0, 255] and transmission [66, 1, R, R] in [0, 1], float32."""
    colors, transmissions = [], []
    with zipfile.ZipFile(LAYERS_FILE) as archive:
        for group, count in GROUPS:
            for number in range(count):
                with archive.open(f'{group}/{number:02d}.png') as png:
                    rgba = np.asarray(Image.open(png).convert('RGBA'), np.float32)
                alpha = rgba[:, :, 3] / 255
                planes = [rgba[:, :, 0] * alpha, rgba[:, :, 1] * alpha, rgba[:, :, 2] * alpha, alpha]
                planes = [np.asarray(Image.fromarray(plane).resize((resolution, resolution), Image.LANCZOS))
                          for plane in planes]
                colors.append(np.clip(planes[:3], 0, 255))
                transmissions.append(1 - np.clip(planes[3:], 0, 1))
    return np.float32(colors), np.float32(transmissions)


def compose(attributes, resolution=STORED_RESOLUTION):
    """Draws one cat on white.

    Args:
        attributes: Five layer numbers, one of each group of GROUPS.
        resolution: Width and height in pixels, 1 to STORED_RESOLUTION.
    Returns: uint8 [3, R, R].
    Raises: UserError if a number or the resolution is out of range.
    """
    if not 1 <= resolution <= STORED_RESOLUTION:
        raise UserError(
            f'cats: resolution {resolution}; expected at most {STORED_RESOLUTION}, the size of the drawings')
    if len(attributes) != len(GROUPS) or not all(0 <= a < size for a, size in zip(attributes, GROUP_SIZES)):
        raise UserError('cats: attributes {}; expected one number for each of {}'.format(
            list(attributes), ', '.join('{} (0 to {})'.format(group, count - 1) for group, count in GROUPS)))
    colors, transmissions = _layers(resolution)
    canvas = np.full([3, resolution, resolution], 255, np.float32)
    first = 0
    for number, size in zip(attributes, GROUP_SIZES):
        canvas *= transmissions[first + number]
        canvas += colors[first + number]
        first += size
    return np.uint8(np.clip(np.rint(canvas), 0, 255))


def variations(attributes, group, resolution=STORED_RESOLUTION):
    """One cat with every layer of one group: what `compose` draws for each of them.

    Args:
        attributes: See `compose`.
        group: Number of the group in GROUPS whose layers are exchanged.
        resolution: See `compose`.
    Returns: uint8 [layers of the group, 3, R, R].
    """
    colors, transmissions = _layers(resolution)
    firsts = np.cumsum((0,) + GROUP_SIZES[:-1])
    canvas = np.full([1, 3, resolution, resolution], 255, np.float32)
    for number, (first, size) in enumerate(zip(firsts, GROUP_SIZES)):
        chosen = slice(first, first + size) if number == group else [first + attributes[number]]
        canvas = canvas * transmissions[chosen] + colors[chosen]
    return np.uint8(np.clip(np.rint(canvas), 0, 255))


def label_map(attributes, resolution=STORED_RESOLUTION):
    """What each pixel of a cat shows: the topmost layer that is more than half opaque.

    Args:
        attributes, resolution: See `compose`.
    Returns: uint8 [R, R]: 0 = background, 1 = body, 2 = eyes, 3 = mouth, 4 = accessory. Fur counts as body, since its
        layers are thin or translucent.
    """
    _, transmissions = _layers(resolution)
    labels = np.zeros([resolution, resolution], np.uint8)
    for number, (first, layer) in enumerate(zip(np.cumsum((0,) + GROUP_SIZES[:-1]), attributes)):
        labels[transmissions[first + layer, 0] < 0.5] = max(number, 1)
    return labels


class CatsDataset(Dataset):
    """One split of the cats as a dataset.

    Args:
        resolution: Width and height in pixels, see `image_size`, at most STORED_RESOLUTION; `None` is the largest.
        held_out: Use the cats that training never sees?
        kwargs: Arguments of `Dataset`: max_label_size, max_images, repeat, shuffle_mb, seed, crop, jitter, noise,
            moves.
    Raises: UserError if an argument is out of range.
    """

    def __init__(self, resolution=None, held_out=False, **kwargs):
        check_int('resolution', resolution, 4, optional=True)
        resolution = STORED_RESOLUTION if resolution is None else resolution
        if resolution > STORED_RESOLUTION:
            raise UserError(
                f'cats: resolution {resolution}; expected at most {STORED_RESOLUTION}, the size of the drawings')
        self._numbers = split_numbers(held_out)
        super().__init__('cats', len(self._numbers), [3, resolution, resolution], label_names=LABEL_NAMES,
                         full_label_size=LABEL_SIZE, **kwargs)

    def _read(self, index, lod):
        attributes, = cat_attributes(self._numbers[[index]])
        return box_downscale(compose(attributes, self.stored_shape[1]), lod)

    def _labels_of(self, indices):
        return cat_labels(cat_attributes(self._numbers[indices]))
