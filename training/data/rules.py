"""What arguments and images of datasets must be."""

import numpy as np

from dnnlib.util import UserError
from training import image_size

RESOLUTION_OPTION = ('a resolution (dataset_tool.py and run_metrics.py: --resolution=N, run_training.py: --set '
                     'dataset.resolution=N)')


def check_int(name, value, smallest, optional=False):
    """Raises UserError unless `value` is an int of at least `smallest`, or `None` if that is allowed."""
    if not (optional and value is None) and (not isinstance(value, (int, np.integer)) or value < smallest):
        raise UserError('{} must be an int of at least {}, not {!r}'.format(name, smallest, value))


def check_resolution(shape, name):
    """Raises UserError unless `shape` is [1, 3 or 4, H, W] of a size of `image_size`; `name` begins the message."""
    channels, height, width = shape
    if channels not in (1, 3, 4):
        raise UserError('{}: {} channels; expected 1 (gray), 3 (RGB) or 4 (RGBA), so convert the images'.format(
            name, channels))
    if image_size.find(height, width) is None:
        nearest = ', '.join('%dx%d' % size for size in image_size.nearest(height, width))
        raise UserError('{}: images {} pixels high and {} wide, which no network can have; the nearest sizes (height x '
                        'width) are {}; scale the images or give {}'.format(
                            name, height, width, nearest, RESOLUTION_OPTION))
