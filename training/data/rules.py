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
    """Number of levels of images [C, H, W], see `image_size`.

    Raises: UserError, which starts with `name`, unless there are 1, 3 or 4 channels and networks support the size.
    """
    channels, height, width = shape
    if channels not in (1, 3, 4):
        raise UserError(f'{name}: {channels} channels; expected 1 (gray), 3 (RGB) or 4 (RGBA), so convert the images')
    size = image_size.find(height, width)
    if size is None:
        nearest = ', '.join('%dx%d' % size for size in image_size.nearest(height, width))
        raise UserError(
            f'{name}: no network has images {height} pixels high and {width} wide; the nearest sizes (height x width) '
            f'are {nearest}; resize the images, or set {RESOLUTION_OPTION}')
    return size.num_levels
