"""Pictures of a dataset as metrics look at them: opened, in their order, hashed."""

import hashlib
import os

import numpy as np

from training import dataset
from training.data import ahead, cats
from training.data.files import SKIPPED_FILE
from training.data.skipped import list_skipped
from training.dataset import ImageDataset

MIRROR_SEED = 0  # the same pictures are mirrored every time, so that their statistics can be cached
ORDER_SEED = 0


def open_dataset(dataset_args, resolution=None, result_dir=None):
    """Opens a dataset, at a resolution other than its own if need be.

    Args:
        dataset_args: Arguments of `dataset.load_dataset`.
        resolution: Size to read it in where the arguments do not say; `None` = as it is.
        result_dir: Folder to list in what is not read, see `list_skipped`; `None` = nowhere.
    Returns: Dataset.
    Raises: UserError if it cannot be read, or not at that resolution.
    """
    data = _open(dataset_args, resolution)
    if result_dir is not None:
        list_skipped(data, os.path.join(result_dir, SKIPPED_FILE))
    return data


def _open(dataset_args, resolution):
    if resolution is None or dataset_args.get('resolution') is not None or dataset_args.get('crop') is not None:
        return dataset.load_dataset(**dataset_args)
    if 'class_name' in dataset_args:  # it may not take a resolution
        data = dataset.load_dataset(**dataset_args)
        if data.resolution == resolution:
            return data
        data.close()
    return dataset.load_dataset(**dict(dataset_args, resolution=resolution))


def image_minibatches(data, count, minibatch_size, mirror, order_seed=ORDER_SEED, wanted=None):
    """The first pictures of a dataset; of a folder or zip, whose order may be by class, a fixed random choice.

    Args:
        data: Dataset.
        count: Number of pictures, at most `data.num_images`.
        minibatch_size: Pictures at a time; the last time fewer.
        mirror: Flip half of them left to right?
        order_seed: Seed of the choice.
        wanted: Function of the number of a minibatch: is it wanted? `None` = all are.
    Yields: uint8 [N, C, H, W]; `None` for what is not wanted.
    """
    prepare_order(data, order_seed)
    rnd = np.random.RandomState(MIRROR_SEED)
    numbers = range(-(-count // minibatch_size))
    sizes = [min(minibatch_size, count - number * minibatch_size) for number in numbers]
    read = ahead.read_minibatches(data, ((number * minibatch_size, sizes[number]) for number in numbers
                                         if wanted is None or wanted(number)))
    for number in numbers:
        flip = rnd.rand(sizes[number]) < 0.5 if mirror else []
        if wanted is not None and not wanted(number):
            yield None
            continue
        images = next(read)
        if mirror:
            images[flip] = images[flip, :, :, ::-1]
        yield images


def prepare_order(data, seed=ORDER_SEED):
    """Seeks the start of the order in which metrics look at a dataset."""
    data.shuffle, data.seed = isinstance(data, ImageDataset), seed
    data.seek(0)


def content_hash(data, count, tracked=iter):
    """SHA-256 of the first `count` pictures that `image_minibatches` gives, in hex.

    Args:
        data: Dataset.
        count: Number of pictures, at most `data.num_images`.
        tracked: Function that yields the items of the sequence of their numbers, such as one with a progress bar.
    """
    prepare_order(data)
    cropped = (data.stored_shape,) if data.stored_shape != data.shape else ()  # the same files in two ways
    digest = hashlib.sha256(repr((type(data).__name__, data.shape, count) + cropped).encode('utf-8'))
    if isinstance(data, cats.CatsDataset):  # drawn from one file
        with open(cats.LAYERS_FILE, 'rb') as file:
            digest.update(file.read())
        digest.update(data.read(0).tobytes())  # the two splits differ
    else:
        for index in tracked(data.indices_at(0, count)):
            if isinstance(data, ImageDataset):
                digest.update(data.files.read_bytes(data.files.names[index]))
            else:
                digest.update(data.read(index).tobytes())
    return digest.hexdigest()
