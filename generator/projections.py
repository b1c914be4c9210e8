"""Files of projected pictures: npz with the dlatents, the noise maps, and where they come from."""

import zipfile

import numpy as np

from dnnlib import util
from dnnlib.util import UserError


def save(path, projection, network_hash, source):
    """Writes a projection as npz: `dlatents` [1, layers, D], `noise0`, ... [1, 1, H, W], and where it comes from.

    Args:
        path: The file.
        projection: Object with `dlatents`, `noises` (list) and `distance`, such as `projector.session.Projection`.
        network_hash: Hash of the network's weights.
        source: Name of the picture's file.
    """
    arrays = {f'noise{i}': noise for i, noise in enumerate(projection.noises)}
    with util.atomic_path(path) as temp_path:
        np.savez(temp_path, dlatents=projection.dlatents, distance=np.float32(projection.distance),
                 network_hash=np.array(network_hash), source=np.array(source), **arrays)


def load(path):
    """Reads a file of `save`, or any npz that holds `dlatents` [N, layers, D].

    Returns: Dictionary of arrays: `dlatents` float32, and whatever else there is.
    Raises: UserError if the file is something else; OSError if it cannot be read.
    """
    try:
        with open(path, 'rb') as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, ValueError, EOFError, AttributeError, TypeError) as error:
        raise UserError(f'{path}: not an npz file of a projection ({error})') from None
    if found.get('dlatents', np.zeros(0)).ndim != 3:
        raise UserError(f'{path}: expected dlatents of shape [N, layers, size] in it; give the npz of a projection')
    return dict(found, dlatents=np.float32(found['dlatents']))
