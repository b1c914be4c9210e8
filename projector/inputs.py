"""Pictures to project: files, folders and zips, checked before anything long begins and brought to a network's size."""

import contextlib
import io
import os
import zipfile
from typing import NamedTuple

import numpy as np
from PIL import Image

from dnnlib.util import UserError
from training.data import images, sources
from training.data.images import MODES, to_array

FITS = ('crop', 'pad', 'stretch')
MIN_SIDE, MAX_SIDE = 8, 16384  # pixels


class Picture(NamedTuple):
    """A picture: `key`, by which its files are called, `file`, its full name, and how to get at its bytes."""

    key: str
    file: str
    source: object  # ImageFiles, or None for a file of its own
    name: str


class Fitted(NamedTuple):
    """A picture of a network's size: pixels uint8 [C, H, W]; mask float32 [1, H, W], 1 where they are the picture's."""

    pixels: np.ndarray
    mask: np.ndarray


def find_pictures(paths, skipped=None):
    """Pictures of files, folders (sub-folders included) and zips, in the order given, sorted within each.

    Args:
        paths: List of paths.
        skipped: skipped.SkippedList for what is not taken, or None.
    Returns: List of Picture; keys are the names without folder and extension where that is unique.
    Raises: UserError if a path is missing or a folder or zip has no pictures.
    """
    found, not_taken = list_files(paths)
    sources.tell_not_taken(not_taken)
    if skipped is not None:
        skipped.add_not_taken(not_taken)
    keys = unique_keys([name for name, _, _, _ in found])
    return [Picture(key, file, source, name) for key, (_, file, source, name) in zip(keys, found)]


def list_files(paths):
    """What `find_pictures` makes pictures of: list of (short name, full name, source, name in it); what is not taken.

    Raises: UserError as there.
    """
    found, not_taken = [], []
    for path in paths:
        if os.path.isfile(path) and not zipfile.is_zipfile(path):
            found.append((os.path.basename(path), path, None, path))
        else:
            source = sources.ImageFiles(path)
            not_taken += source.not_taken
            found += [(name, source.where(name), source, name) for name in source.names]
    return found, not_taken


def check_some_usable(paths):
    """Reads pictures until one can be used, so that wrong paths fail at once; prints nothing.

    Args:
        paths: See `find_pictures`.
    Raises: UserError if a path is missing, a folder or zip has no pictures, or none of the pictures can be used.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        pictures = find_pictures(paths)
    sources.check_some(pictures, read_picture)


def unique_keys(names):
    """Shortest names that differ from each other: stem, path, path with extension, else with a number."""
    paths = [name.replace('/', '-').replace(' ', '_') for name in names]
    candidates = [[os.path.splitext(os.path.basename(name))[0].replace(' ', '_') for name in names],
                  [os.path.splitext(path)[0] for path in paths], paths,
                  ['{}-{}'.format(path, index) for index, path in enumerate(paths)]]
    return next(keys for keys in candidates if len({key.lower() for key in keys}) == len(keys))


def open_picture(picture):
    """The picture, upright by its EXIF tag, as PIL.Image of any mode.

    Raises: UserError naming the file if it can't be decoded, or has a side below MIN_SIDE or above MAX_SIDE.
    """
    if picture.source is not None:
        data = picture.source.read_bytes(picture.name)
    else:
        with open(picture.file, 'rb') as file:
            data = file.read()
    image = images.open_image(data, picture.file)
    if not MIN_SIDE <= min(image.size) or not max(image.size) <= MAX_SIDE:
        raise UserError('{}: {}x{} pixels; expected sides of {} to {}'.format(
            picture.file, *image.size, MIN_SIDE, MAX_SIDE))
    return image


def read_picture(picture):
    """The picture, upright by its EXIF tag, as PIL.Image of mode L, RGB or RGBA.

    Raises: UserError naming the file if it can't be used, see `open_picture`, or has more than 8 bits per channel.
    """
    image = open_picture(picture)
    if images.has_alpha(image):
        return image.convert('RGBA')
    if image.mode not in images.CONVERTIBLE_MODES:
        raise images.wrong_mode(picture.file, image.mode, 'RGB', '')
    return image.convert('L' if image.mode in ('1', 'L') else 'RGB')


def check_pictures(pictures, aligner=None, skipped=None):
    """Decodes all pictures once.

    Args:
        pictures: List of Picture.
        aligner: align.FaceAligner if they will be aligned, or None.
        skipped: skipped.SkippedList for the others, or None.
    Returns: (the good ones, list of Picture; messages about the others, each naming its file).
    Raises: UserError, the first message, if there is no good one.
    """
    good, messages, rows = [], [], []
    for number, picture in enumerate(pictures):
        try:
            image = read_picture(picture)
            if aligner is not None:
                aligner.align(image, picture.file)
            good.append(picture)
        except UserError as error:
            messages.append(str(error))
            rows.append((number, picture.file, error))
    if not good:
        more = '' if len(messages) == 1 else ' (and {} more)'.format(len(messages) - 1)
        raise UserError(messages[0] + more)
    if skipped is not None:
        skipped.add(rows)
    return good, messages


def read_fitted(picture, shape, fit, aligner=None):
    """A picture read, aligned unless `aligner` is None, and brought to a network's size: Fitted; see the others."""
    image = read_picture(picture)
    if aligner is not None:
        image = aligner.align(image, picture.file)
    return fit_picture(image, shape, fit)


def fit_picture(image, shape, fit='crop'):
    """Brings a picture to a network's size and colors.

    Args:
        image: PIL.Image of mode L, RGB or RGBA.
        shape: [C, H, W] of the network; C is 1, 3 or 4.
        fit: 'crop' = the largest central part of the right proportions, 'pad' = all of it with borders that the mask
            leaves out, 'stretch' = all of it, out of proportion.
    Returns: Fitted. Transparency is laid over white for networks without it.
    """
    channels, height, width = shape
    image = _convert(image, channels)
    if fit == 'pad':
        return _pad(image, channels, height, width)
    if fit == 'crop':
        image = _crop(image, height, width)
    if image.size != (width, height):
        image = image.resize((width, height), Image.LANCZOS)
    return Fitted(to_array(image), np.ones([1, height, width], np.float32))


def _convert(image, channels):
    if channels != 4 and image.mode == 'RGBA':
        image = Image.alpha_composite(Image.new('RGBA', image.size, (255, 255, 255, 255)), image)
    return image.convert(MODES[channels])


def _crop(image, height, width):
    scale = min(image.size[0] / width, image.size[1] / height)
    size = max(1, int(round(width * scale))), max(1, int(round(height * scale)))
    left, top = (image.size[0] - size[0]) // 2, (image.size[1] - size[1]) // 2
    return image if size == image.size else image.crop((left, top, left + size[0], top + size[1]))


def _pad(image, channels, height, width):
    scale = min(width / image.size[0], height / image.size[1])
    size = max(1, int(round(image.size[0] * scale))), max(1, int(round(image.size[1] * scale)))
    content = to_array(image.resize(size, Image.LANCZOS))
    edges = [content[:, 0], content[:, -1], content[:, :, 0], content[:, :, -1]]
    color = np.rint(np.mean(np.concatenate(edges, axis=1), axis=1)).astype(np.uint8)
    pixels = np.empty([channels, height, width], np.uint8)
    pixels[:] = color[:, np.newaxis, np.newaxis]
    mask = np.zeros([1, height, width], np.float32)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    pixels[:, top:top + size[1], left:left + size[0]] = content
    mask[:, top:top + size[1], left:left + size[0]] = 1
    return Fitted(pixels, mask)


def read_mask(path, shape):
    """Mask of a picture file: white = compare, black = leave out, gray in between.

    Args:
        path: Picture of any size, stretched to the network's.
        shape: [C, H, W] of the network.
    Returns: float32 [1, H, W], range [0, 1].
    Raises: UserError if it is unreadable or all black.
    """
    image = read_picture(Picture('mask', path, None, path))
    mask = np.float32(fit_picture(image, [1] + list(shape[1:]), 'stretch').pixels) / 255
    if not mask.any():
        raise UserError(f'{path}: the mask is all black; make it white where pictures are to be compared')
    return mask


def to_target(pixels):
    """uint8 array to float32, range [-1, 1]; same shape."""
    return np.float32(pixels) / np.float32(127.5) - 1


def to_pixels(image):
    """Array in about [-1, 1] to uint8; same shape."""
    return np.uint8(np.clip(np.rint((np.float32(image) + 1) * 127.5), 0, 255))
