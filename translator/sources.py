"""What is translated: pictures, frames of videos, label maps with maps of instances, as arrays for a network."""

import os
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import PIL.Image

from dnnlib import label_maps, video
from dnnlib.util import UserError
from projector import inputs
from training.data import images
from training.data.sources import VIDEOS
from training.data.translation import pictures as kinds


class Layout(NamedTuple):
    """What the channels of a network's input are."""
    colors: int      # channels of a picture, 1, 3 or 4; 0 = labels instead
    labels: int      # number of labels
    instances: bool  # is a plane of edges between instances next?
    features: int    # channels that describe instances, the last


def layout_of(kind, has_instances):
    """Layout of a translator's input.

    Args:
        kind: networks.Kind.
        has_instances: Were maps of instances given?
    Raises: UserError if that makes no sense.
    """
    count = kind.channels
    if not kind.maps:
        if has_instances:
            raise UserError('this network takes pictures alone; leave out --instances')
        if count not in images.MODES:
            raise UserError(f'this network takes images of {count} channels; pictures have 1, 3 or 4')
        return Layout(count, 0, False, 0)
    count -= kind.features + has_instances
    if count == 3:
        return Layout(3, 0, has_instances, kind.features)
    if count < 1:
        raise UserError(f'this network takes {kind.channels} channels, too few for labels and what is given')
    return Layout(0, count, has_instances, kind.features)


def told_by(layout, pictures):
    """Layout, of three labels if the first picture is a map of these: as many channels may also be colors.

    Args:
        layout: Layout.
        pictures: List of inputs.Picture.
    """
    if layout.colors != 3 or not pictures:
        return layout
    try:
        image = inputs.open_picture(pictures[0])
    except UserError:  # it will be said
        return layout
    is_map = image.mode == 'P' or kinds.is_gray(image.mode) and image.mode != 'LA'
    return layout._replace(colors=0, labels=3) if is_map and np.asarray(image).max() < 3 else layout


def find(paths):
    """(list of inputs.Picture, list of paths of videos) of files, folders and zips, in order.

    Raises: UserError if a path is missing or a folder or zip has no pictures.
    """
    videos = [path for path in paths if path.lower().endswith(VIDEOS) and os.path.isfile(path)]
    others = [path for path in paths if path not in videos]
    return inputs.find_pictures(others) if others else [], videos


def read(picture, layout):
    """A picture as a network takes it: float32 [C, H, W], colors in [-1, 1] or one plane of 0 and 1 for each label.

    Raises: UserError naming the file if it can't be read, or has a label that is too large.
    """
    if layout.colors:
        return inputs.to_target(images.to_array(kinds.to_mode(
            inputs.open_picture(picture), layout.colors, picture.file)))
    labels = read_map(picture)
    if labels.max() >= layout.labels:
        raise UserError(f'{picture.file}: label {labels.max()}, but the network knows 0 to {layout.labels - 1}; are '
                        'these label maps, and is there a map of --instances beside them?')
    return label_maps.one_hot(labels, layout.labels)


def read_photo(picture):
    """A picture as an encoder takes it: float32 [3, H, W] in [-1, 1]; raises UserError as `read`."""
    return read(picture, Layout(3, 0, False, 0))


def read_map(picture):
    """A map of labels or instances, int32 [1, H, W]; see `to_numbers` of `training.data.translation.pictures`.

    Raises: UserError naming the file if it can't be read, or holds other things than such numbers.
    """
    return np.asarray(kinds.to_numbers(inputs.open_picture(picture), kinds.MAX_NUMBER, picture.file))[np.newaxis]


def join(image, instances, features=None):
    """The input of a network of pix2pixHD: float32 [C, H, W].

    Args:
        image: See `read`.
        instances: Numbers of instances [1, H, W].
        features: See `Translator.describe`; None = none.
    """
    return np.concatenate([image, label_maps.edges(instances)] + ([] if features is None else [features]))


def beside(pictures, path, option):
    """The files of a folder or zip that belong to pictures by their names, or one file to a single picture.

    Names are compared as in training, without ending and what Cityscapes adds; folders only where names need them.

    Args:
        pictures: List of inputs.Picture.
        path: File, folder or zip.
        option: Name of the option, for messages.
    Returns: List of inputs.Picture, in the order of the pictures.
    Raises: UserError naming a picture without one, or two files of which one is too much.
    """
    others = inputs.find_pictures([path])
    if len(pictures) == len(others) == 1:
        return others
    names = [os.path.basename(_pair_key(other)) for other in others]
    has_folders = len(set(names)) < len(names)
    known, given = _by_key(others, has_folders), _by_key(pictures, has_folders)
    for key, picture in given.items():
        if key not in known:
            raise UserError(f'{option}={path}: no file called {key} for {picture.file}')
    return [known[key] for key in given]


def _pair_key(picture):
    return kinds.pair_key(os.path.basename(picture.file) if picture.source is None else picture.name)


def _by_key(pictures, has_folders):
    """Pictures by what the files of a pair have in common; raises UserError naming two that have it in common, too."""
    found = OrderedDict()
    for picture in pictures:
        key = _pair_key(picture) if has_folders else os.path.basename(_pair_key(picture))
        if key in found:
            raise UserError(f'{picture.file}: its partner is unclear, as {found[key].file} has the same name but for '
                            'its ending; remove one')
        found[key] = picture
    return found


def check_all(pictures, read_one, skip_bad=False):
    """Reads all pictures once, so that bad ones are known before anything long begins.

    Args:
        pictures: List of inputs.Picture.
        read_one: Function that reads one, an array [C, H, W].
        skip_bad: Leave out the bad ones, with a line for each?
    Returns: (list of the good ones, list of their sizes (height, width)).
    Raises: UserError, the first one, if there are bad ones that may not be skipped, or no good ones.
    """
    good, sizes, messages = [], [], []
    for picture in pictures:
        try:
            sizes.append(read_one(picture).shape[1:])
            good.append(picture)
        except UserError as error:
            messages.append(str(error))
    if messages and (not good or not skip_bad):
        more = '' if len(messages) == 1 else f' (and {len(messages) - 1} more)'
        raise UserError(messages[0] + more + ('' if skip_bad or not good else '; --bad=skip leaves such pictures out'))
    for message in messages:
        print(f'Skipped {message}')
    return good, sizes


def open_video(path):
    """Frames of a video.

    Returns: ((width, height), frames per second, iterator of uint8 [H, W, 3]).
    Raises: UserError without imageio-ffmpeg, or for a file that it can't read.
    """
    ffmpeg = video.load_ffmpeg()
    if ffmpeg is None:
        raise UserError(f'{path}: videos are read by imageio-ffmpeg, which is not installed (pip install '
                        'imageio-ffmpeg); or give a folder of its frames as pictures')
    reader = ffmpeg.read_frames(path)
    try:
        meta = next(reader)
    except (OSError, RuntimeError, StopIteration) as error:
        raise UserError(f'{path}: not a video that ffmpeg can read') from error
    width, height = meta['size']
    return (width, height), meta['fps'], (np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader)


def convert_frame(frame, layout):
    """A frame of a video, uint8 [H, W, 3], as a network takes it."""
    return inputs.to_target(images.to_array(images.convert(PIL.Image.fromarray(frame), layout.colors, (255,) * 3)))


def remark(kind, layout):
    """What the network takes, as one line."""
    what = {1: 'gray pictures', 3: 'pictures in color', 4: 'pictures with transparency'}.get(
        layout.colors, f'label maps of {layout.labels} labels')
    what += ', edges of instances' if layout.instances else ''
    what += f', {layout.features} features of instances' if layout.features else ''
    size = 'of any size' if kind.fixed is None else 'resized to {}x{} and back'.format(*kind.fixed)
    return f'Network {kind.name} takes {what}, {size}'
