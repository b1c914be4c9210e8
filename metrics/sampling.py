"""Reals and fakes as minibatches: generated pictures, pictures of a data set, random labels."""

import hashlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from dnnlib.tflib import random
from training.data import cats
from training.dataset import ImageDataset

MIRROR_SEED = 0  # the same pictures are mirrored every time, so that their statistics can be kept
ORDER_SEED = 0


class Generator:
    """Draws pictures of a generator from a seed: the same seed gives the same pictures on the same device.

    Args:
        Gs: Generator.
        Gs_kwargs: Options of it.
        labels_from: Data set whose labels are drawn at random; `None` if the network has none.
        minibatch_size: Pictures at a time and GPU.
        num_gpus: Number of GPUs.
        seed: int, 0 <= seed < 2^31.
    """

    def __init__(self, Gs, Gs_kwargs, labels_from, minibatch_size, num_gpus, seed):
        self._Gs, self._kwargs, self._labels_from = Gs, Gs_kwargs, labels_from
        self._minibatch_size, self._num_gpus, self._seed = minibatch_size, num_gpus, seed
        self.per_round = minibatch_size * num_gpus

    def build(self, function):
        """Builds the graph of one round.

        Args:
            function: Function of (latents [N, D], labels [N, L], dlatents [N, layers, D], float images [N, C, H, W] in
                [-1, 1]) that returns a list of tensors with N rows.
        Returns: Function of the number of the round that returns the list as arrays, the GPUs' rows side by side.
        """
        seed_in = tf.placeholder(tf.int64, [2])
        outputs = []
        with random.seeded(seed_in):
            for gpu in range(self._num_gpus):
                with tf.device('/gpu:{}'.format(gpu)):
                    latents = random.normal([self._minibatch_size] + self._Gs.input_shape[1:])
                    labels = random_labels(self._labels_from, self._minibatch_size)
                    dlatents = self._Gs.components.mapping.get_output_for(latents, labels, **self._kwargs)
                    images = self._Gs.get_output_for(latents, labels, **self._kwargs)
                    outputs.append(function(latents, labels, dlatents, tf.cast(images, tf.float32)))

        def run_round(index):
            found = tflib.run(outputs, {seed_in: [self._seed, index]})
            return [np.concatenate(parts) for parts in zip(*found)]

        return run_round


def random_labels(data, minibatch_size):
    """Labels of random pictures of a data set, [N, L]; [N, 0] for no data set (`None`)."""
    return tf.zeros([minibatch_size, 0]) if data is None else data.get_random_labels_tf(minibatch_size)


def check_labels(metric_name, data, label_size):
    """Raises UserError unless the data set has as many labels as the network."""
    if data.label_size != label_size:
        raise UserError('metric {}: the network has {} labels, the data set {}; give the data set it was trained '
                        'on'.format(metric_name, label_size, data.label_size))


def image_minibatches(data, count, minibatch_size, mirror, order_seed=ORDER_SEED):
    """The first pictures of a data set; of a folder or a zip, whose order may be by class, a fixed random choice.

    Args:
        data: Data set.
        count: Number of pictures, at most `data.num_images`.
        minibatch_size: Pictures at a time; the last time fewer.
        mirror: Flip half of them left to right?
        order_seed: Seed of the choice.
    Yields: uint8 [N, C, H, W].
    """
    prepare_order(data, order_seed)
    rnd = np.random.RandomState(MIRROR_SEED)
    for begin in range(0, count, minibatch_size):
        size = min(minibatch_size, count - begin)
        images = data.get_minibatch_np(size)[0]
        if mirror:
            flip = rnd.rand(size) < 0.5
            images[flip] = images[flip, :, :, ::-1]
        yield images


def prepare_order(data, seed=ORDER_SEED):
    """Seeks the start of the order in which metrics look at a data set."""
    data.shuffle, data.seed = isinstance(data, ImageDataset), seed
    data.seek(0)


def content_hash(data, count, tracked=iter):
    """SHA-256 of the first `count` pictures that `image_minibatches` gives, in hex.

    Args:
        data: Data set.
        count: Number of pictures, at most `data.num_images`.
        tracked: Function that yields the items of the sequence of their numbers, such as one with a progress bar.
    """
    prepare_order(data)
    digest = hashlib.sha256(repr((type(data).__name__, data.shape, count)).encode('utf-8'))
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
