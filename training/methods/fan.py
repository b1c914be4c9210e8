"""The network of landmarks that StarGAN v2 makes masks with, trained with the adaptive wing loss (Wang et al. 2019)."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from training.blocks import landmarks
from training.methods import translating
from training.networks.fan import REDUCTION
from training.terms import wing
from training.train_step import Group, Method, report_mean

RMSPROP = dict(tf_optimizer='dnnlib.tflib.optimizers.RMSProp')  # as published; its rate is that of the schedule
SHOWN = 0.5  # brightness of a picture under its landmarks


class Options(NamedTuple):
    """Options of the training."""
    H_args: dict = None        # the network: keyword arguments
    H_opt_args: dict = None    # its tflib.Optimizer
    weight: float = 10.0       # added to that of pixels near landmarks; as published


def fan(streams, schedule, **options):
    """The method, for the stream 'faces', whose labels are x and y of landmarks.

    Args:
        streams: {'faces': Stream}; see LandmarkDataset.
        schedule: Schedule with the field `lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for data without landmarks.
    """
    options = Options(**options)
    if list(streams) != ['faces']:
        raise UserError(f'this method needs the stream faces of data, not {", ".join(streams)}')
    data = streams['faces'].dataset
    count, size = data.label_size // 2, schedule.last.minibatch_gpu
    H = translating.net(options.H_args, 'training.networks.fan.H_fan', data, 'landmarks', num_landmarks=count,
                        size=max(data.shape[1:]))
    return Method('fan', OrderedDict(H=H), dict(H=Group(('H',), options.H_opt_args or RMSPROP, 'lrate')),
                  stages=lambda step: make_stages(step, options),
                  pictures=lambda networks, cells: pictures(networks, cells, size))


def make_stages(step, options):
    """A step of the network; all hourglasses have the same target."""
    images, labels = step.batch['faces']
    with step.losses('H'):
        found = step.nets['H'].get_output_for(images, is_training=True, return_as_list=True)
        points = tf.reshape(labels, [-1, labels.shape.as_list()[1] // 2, 2])
        targets = landmarks.heat_maps(points, found[0].shape.as_list()[2])
        weights = wing.boundary_weights(targets, options.weight)
        loss = tf.add_n([tf.reduce_mean(weights * wing.adaptive_wing(maps, targets), axis=[1, 2, 3])
                         for maps in found])
        loss = report_mean('Loss/H', loss)
    return [step.train('H', {'H': loss}, batch='this')]


def pictures(networks, cells, minibatch_size):
    """Rows of pictures, darker, with the landmarks that are found in white and those of the data in red."""
    images, labels = cells.batch['faces']
    maps = networks['H'].run(images / 127.5 - 1, minibatch_size=minibatch_size, return_as_list=True)[-1]
    found = landmarks.places_of(maps[:, :-1]) * REDUCTION
    shown = np.uint8(np.broadcast_to(images * SHOWN, [len(images), 3] + list(images.shape[2:])))
    size = np.array(images.shape[:1:-1])
    for points, color in ((labels.reshape(len(labels), -1, 2) * size, (255, 0, 0)), (found, (255, 255, 255))):
        for image, places in zip(shown, np.clip(points.astype(int), 0, size - 1)):
            image[:, places[:, 1], places[:, 0]] = np.uint8(color)[:, np.newaxis]
    return translating.rows(cells, shown)
