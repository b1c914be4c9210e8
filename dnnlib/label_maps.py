"""Label maps and maps of instances as arrays: what networks are given of them, and colors for people. NumPy only.

The same in graphs: `training.blocks.label_maps`.
"""

import numpy as np

COLOR_STEPS = (67, 149, 211)  # between the colors of neighboring labels, so that they differ


def one_hot(labels, count):
    """One plane for each of `count` labels: float32 [..., count, H, W] of whole numbers [..., 1, H, W]."""
    return np.float32(labels == np.arange(count)[:, np.newaxis, np.newaxis])


def edges(instances):
    """1 where one of the four neighbors belongs to another instance, else 0: float32 of numbers, both [..., H, W]."""
    found = np.zeros(instances.shape, bool)
    down, right = instances[..., 1:, :] != instances[..., :-1, :], instances[..., 1:] != instances[..., :-1]
    found[..., 1:, :] |= down
    found[..., :-1, :] |= down
    found[..., 1:] |= right
    found[..., :-1] |= right
    return np.float32(found)


def colors(labels):
    """Colors of labels [..., 1, H, W]: uint8 [..., 3, H, W]; the first label is black."""
    return np.uint8(labels.astype(int) * np.array(COLOR_STEPS)[:, np.newaxis, np.newaxis] % 256)
