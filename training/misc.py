"""Published names: images, network files and a few small helpers."""

import os
from collections import OrderedDict

import numpy as np

from dnnlib import util
from dnnlib.files.named_networks import Contents, Role
from dnnlib.images import adjust_dynamic_range, convert_to_pil_image, create_image_grid, save_image_grid
from dnnlib.run import run_dir as run_dirs
from dnnlib.tflib import network_pickle
from training.pretrained import get_path_or_url, load_object, save_file
from training.report.grid import setup_snapshot_image_grid

__all__ = ['adjust_dynamic_range', 'apply_mirror_augment', 'convert_to_pil_image', 'create_image_grid', 'load_pkl',
           'open_file_or_url', 'parse_config_for_previous_run', 'save_image_grid', 'save_pkl',
           'setup_snapshot_image_grid']


def open_file_or_url(file_or_url):
    """Opens a path, a URL (through the cache folder) or a published short name; returns a binary file object."""
    path = get_path_or_url(os.fspath(file_or_url))
    if util.is_url(path, allow_file_urls=True):
        return util.open_url(path, cache_dir=util.cache_dir())
    return open(path, 'rb')


def load_pkl(file_or_url):
    """Loads the networks of a path or URL into the default session; see `network_pickle.load`."""
    with open_file_or_url(file_or_url) as f:
        return load_object(f)


def save_pkl(obj, filename):
    """Writes networks in the published format; see `network_pickle.save`."""
    network_pickle.save(obj, filename)


def save_networks(networks, method, filename):
    """Writes the networks of a training: the published tuple, or by name with what each is for.

    Args:
        networks: {name: tflib.Network}.
        method: train_step.Method.
        filename: Path.
    """
    if method.saved_as is not None:
        save_pkl(tuple(networks[name] for name in method.saved_as), filename)
        return
    roles = OrderedDict((name, Role(net.role, net.average_of, tuple(
        text[:-len('_in')] if text.endswith('_in') else text for text in networks[name].input_names)))
        for name, net in method.nets.items())
    save_file(Contents(method.name, OrderedDict((name, networks[name]) for name in roles), roles), filename)


def apply_mirror_augment(minibatch):
    """Flips each image with probability 1/2, drawn from NumPy's global generator.

    Args:
        minibatch: [N, C, H, W], any type.
    Returns: A new array.
    """
    flip = np.random.rand(minibatch.shape[0]) < 0.5
    minibatch = np.array(minibatch)
    minibatch[flip] = minibatch[flip, :, :, ::-1]
    return minibatch


def parse_config_for_previous_run(run_dir):
    """Options of a training run, from its `submit_config.pkl`, ours or one of the published code.

    Args:
        run_dir: The run directory.
    Returns: EasyDict of `train` (keyword arguments of the run function) and `dataset` (their `dataset_args`).
    Raises: OSError if the file cannot be read; UserError if it is something else.
    """
    train = util.EasyDict(run_dirs.load_submit_config(run_dir).get('run_func_kwargs') or {})
    return util.EasyDict(train=train, dataset=util.EasyDict(train.get('dataset_args') or {}))
