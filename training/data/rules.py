"""Rules for the arguments and images of datasets."""

import numpy as np

from dnnlib.util import UserError
from training import image_size

RESOLUTION_OPTION = 'a resolution, such as --resolution=64'


def check_int(name, value, smallest, optional=False):
    """Raises UserError unless `value` is an int of at least `smallest`, or `None` if that is allowed."""
    if not (optional and value is None) and (not isinstance(value, (int, np.integer)) or value < smallest):
        raise UserError(f'{name} must be an int of at least {smallest}, not {value!r}')


def check_resolution(shape, name):
    """Raises UserError, which starts with `name`, unless `shape` is [1, 3 or 4, H, W] of a size of `image_size`."""
    channels, height, width = shape
    if channels not in (1, 3, 4):
        raise UserError(f'{name}: {channels} channels; expected 1 (gray), 3 (RGB) or 4 (RGBA), so convert the images')
    if image_size.find(height, width) is None:
        nearest = ', '.join('%dx%d' % size for size in image_size.nearest(height, width))
        raise UserError(
            f'{name}: no network has images {height} pixels high and {width} wide; the nearest sizes (height x width) '
            f'are {nearest}; resize the images, or set {RESOLUTION_OPTION}')
