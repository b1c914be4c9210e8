"""Losses by names in the stages of a method, see `training.adversarial`, and the labels that they need."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.util import call_func_by_name, UserError
from training import loss_names
from training.train_step import report_mean

LOOKED_AT = 1000  # images of a dataset whose labels are checked


def value(network, loss_args):
    """Scalar that a network minimizes; reported under its name, its regularization apart.

    Args:
        network: 'G' or 'D'.
        loss_args: func_name and keyword arguments of the loss.
    """
    loss, reg = call_func_by_name(**loss_args)
    total = report_mean('Loss/' + network, loss)
    if reg is not None:
        total += report_mean(f'Loss/{network}_reg', reg)
    return total


def complete(network, loss_args):
    """Arguments of a loss with the function that computes losses by name, unless they have another."""
    return dict(dict(func_name=f'training.adversarial.{network}_loss'), **(loss_args or {}))


def parsed(network, loss_args):
    """loss_names.Loss of the arguments of a loss."""
    return loss_names.parse(loss_args.get('terms', 'logistic_ns'), network)


def check_classes(data, losses):
    """Raises UserError if a loss tells classes apart and images of a dataset are of several, or of none.

    The cross entropy, and so its gradient, is that of one class of each image.

    Args:
        data: Dataset.
        losses: {'G': arguments of the loss, 'D': ...}.
    """
    if data.label_size and any({'ac', 'ac_reals'} & set(parsed(name, args).terms) for name, args in losses.items()):
        check_one_class(data)


def check_one_class(data):
    """Raises UserError unless each image of a dataset, as far as is looked, is of exactly one class."""
    labels = data.read_labels(np.arange(min(data.num_images, LOOKED_AT)))
    if not ((labels == 0) | (labels == 1)).all() or (labels.sum(axis=1) != 1).any():
        raise UserError('each image must be of one class, but the labels of this dataset combine several; '
                        '--classes=N takes the first N columns of them (for the built-in cats --classes=15, coats)')


def clipped(network, limit):
    """Operation that brings all trained weights of a network into [-limit, limit] (Arjovsky et al. 2017, algorithm 1).

    To be run after a step, see `Step.train`.
    """
    return tf.group(*[tf.assign(var, tf.clip_by_value(var.read_value(), -limit, limit))
                      for var in network.trainables.values()])
