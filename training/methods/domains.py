"""What methods that translate between domains have in common: labeled streams, averages, pictures."""

import math

import numpy as np

from dnnlib.util import UserError


def data_of(streams, names, at_least=1):
    """The dataset of the first stream, whose labels are domains or attributes.

    Args:
        streams: {name: Stream}.
        names: Names of the streams that there must be.
        at_least: Number of labels.
    Raises: UserError if there are other streams, or too few labels.
    """
    if tuple(streams) != tuple(names):
        raise UserError(f'this method needs the streams {", ".join(names)} of data, not {", ".join(streams)}')
    data = streams[names[0]].dataset
    if data.label_size < at_least:
        raise UserError(f'{data.name}: this method needs at least {at_least} domains, one folder of pictures each, and '
                        f'found {data.label_size}')
    return data


def half_life(beta, minibatch_size):
    """Half-life in thousand images of a moving average with this decay per iteration, see `Step.average`."""
    if not 0 <= beta < 1:
        raise UserError(f'ema_beta must be from 0 to below 1, not {beta!r}')
    return minibatch_size * math.log(0.5) / math.log(beta) / 1000 if beta else 0.0


def to_pictures(images):
    """Images [N, C, H, W], cut to [-1, 1], as uint8."""
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
