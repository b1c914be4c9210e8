"""What is translated: pictures, frames of videos, label maps with maps of instances, as arrays for a network."""

import os
from typing import NamedTuple

import numpy as np
import PIL.Image

from dnnlib import video
from dnnlib.util import UserError
from projector import inputs
from training.data import images
from training.data.sources import VIDEOS


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
        return inputs.to_target(images.to_array(images.convert(
            inputs.read_picture(picture), layout.colors, (255, 255, 255))))
    labels = read_map(picture)
    if labels.max() >= layout.labels:
        raise UserError(f'{picture.file}: label {labels.max()}, but the network knows 0 to {layout.labels - 1}; are '
                        'these label maps, and is there a map of --instances beside them?')
    return np.float32(labels == np.arange(layout.labels)[:, np.newaxis, np.newaxis])


def read_map(picture):
    """A map of labels or instances, gray of 8, 16 or 32 bits or with a palette: integers [1, H, W].

    Raises: UserError naming the file if it can't be read or is in color.
    """
    image = inputs.open_picture(picture)
    if image.mode not in ('1', 'L', 'P', 'I') and not image.mode.startswith('I;16'):
        raise UserError(f'{picture.file}: color mode {image.mode}; a map of labels or instances is gray, or has a '
                        'palette')
    return np.asarray(image).astype(np.int64)[np.newaxis]


def edges(instances):
    """1 where one of the four neighbors belongs to another instance, else 0: float32 [1, H, W], as label_maps.edges."""
    found = np.zeros(instances.shape, bool)
    for axis in (1, 2):
        changes = np.diff(instances, axis=axis) != 0
        for side in ((1, 0), (0, 1)):
            found |= np.pad(changes, [side if i == axis else (0, 0) for i in range(3)], mode='constant')
    return np.float32(found)


def join(image, instances, features=None):
    """The input of a network of pix2pixHD: float32 [C, H, W].

    Args:
        image: See `read`.
        instances: Numbers of instances [1, H, W].
        features: See `Translator.describe`; None = none.
    """
    return np.concatenate([image, edges(instances)] + ([] if features is None else [features]))


def size_of(picture):
    """(height, width) of an array [C, H, W] or a PIL.Image."""
    return picture.shape[1:] if isinstance(picture, np.ndarray) else picture.size[::-1]


def beside(pictures, path, option):
    """The files of a folder or zip that belong to pictures by their names, or one file to a single picture.

    Args:
        pictures: List of inputs.Picture.
        path: File, folder or zip.
        option: Name of the option, for messages.
    Returns: List of inputs.Picture, in the order of the pictures.
    Raises: UserError naming a picture without one.
    """
    others = inputs.find_pictures([path])
    if len(pictures) == len(others) == 1:
        return others
    by_key = {other.key: other for other in others}
    for picture in pictures:
        if picture.key not in by_key:
            raise UserError(f'{option}={path}: no file called {picture.key} for {picture.file}')
    return [by_key[picture.key] for picture in pictures]


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
