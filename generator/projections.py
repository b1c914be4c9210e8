"""Files of projected pictures: our npz with the dlatents, the noise maps and where they come from, and those of others.

Other projectors write `projected_w.npz` (an array `w`), or one array alone as `.npz` or `.npy`.
"""

import tokenize
import zipfile
import zlib

import numpy as np

from dnnlib import util
from dnnlib.files import file_kinds
from dnnlib.util import UserError

ENDINGS = ('.npz', '.npy')
_NAMES = ('dlatents', 'w')  # of the array, first choice first
_NPY, _ZIP = b'\x93NUMPY', b'PK\x03\x04'


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


def load(path, or_latents=False):
    """Reads dlatents: a file of `save`, or an `.npz` or `.npy` file of another projector.

    Args:
        path: The file.
        or_latents: May it hold latents instead, for a network without W?
    Returns: Dictionary of arrays: `dlatents` float32 as they are in the file, see `fit`, and whatever else there is;
        or, without `dlatents`, `latents` [N, latent_size] and perhaps `labels` [N, label_size].
    Raises: UserError if the file is something else; OSError if it cannot be read.
    """
    with open(path, 'rb') as file:
        start = file.read(file_kinds.START)
        file.seek(0)
        if start[:6] != _NPY and start[:4] != _ZIP:
            raise UserError(f'{path}: not an .npz or .npy file of dlatents: it '
                            f'{file_kinds.is_what(start, "begins like no such file")}')
        try:
            if start[:4] == _ZIP:
                zipfile.ZipFile(file)  # NumPy 1.16 prints a traceback if this fails in np.load
                file.seek(0)
            found = np.load(file, allow_pickle=False)
            found = {name: found[name] for name in found.files} if start[:4] == _ZIP else {'dlatents': found}
            found = {name: array for name, array in found.items() if isinstance(array, np.ndarray)}  # not other files
        except (zipfile.BadZipFile, zlib.error, tokenize.TokenError, ValueError, EOFError, AttributeError, TypeError,
                KeyError, MemoryError, RuntimeError, SyntaxError) as error:
            objects = ': it holds Python objects, which are never loaded' if 'allow_pickle' in str(error) else ''
            raise UserError(f'{path}: corrupt, or not an .npz or .npy file of numbers{objects}') from None
    if or_latents and 'latents' in found and not set(_NAMES) & set(found):
        for name in set(found) & {'latents', 'labels'}:
            if found[name].ndim != 2 or found[name].dtype.kind != 'f' or not np.isfinite(found[name]).all():
                raise UserError(f'{path}: its {name} must be finite numbers [N, size], but it holds {_listed(found)}')
        return found
    usable = [name for name in found if name in _NAMES]
    usable = usable and [min(usable, key=_NAMES.index)] or [
        name for name, array in found.items() if array.dtype.kind == 'f' and array.ndim > 0]
    if len(usable) != 1:
        raise UserError(f'{path}: expected dlatents under the name {" or ".join(_NAMES)}, or one array alone, but it '
                        f'holds {_listed(found)}')
    dlatents = found[usable[0]]
    if dlatents.dtype.kind not in 'fiu' or dlatents.ndim not in (1, 2, 3, 4) or not dlatents.size:
        raise UserError(f'{path}: expected dlatents of shape [N, layers, size], but it holds {_listed(found)}')
    if not np.isfinite(dlatents).all():
        raise UserError(f'{path}: its dlatents contain NaN or infinity')
    return dict(found, dlatents=np.float32(dlatents))


def _listed(arrays):
    """Arrays of a file for messages."""
    return ', '.join(f'{name:.40} {array.dtype} {list(array.shape)}' for name, array in list(arrays.items())[:8]) or (
        'none')


def fit(title, dlatents, shape):
    """Dlatents of a file as those of a network, [N, layers, D].

    Args:
        title: File or whatever they are from, for messages.
        dlatents: [N, layers, D]; [layers, D] of one picture; or without layers, [N, 1, D], [N, D] or [D]: one w for all
            layers. An axis of 1 in front of these is left out.
        shape: [layers, D] of the network.
    Raises: UserError if they are of another network.
    """
    values, (num_layers, size) = dlatents, shape
    while values.ndim > 3 and len(values) == 1:
        values = values[0]
    if values.ndim == 2 and len(values) == num_layers:
        values = values[np.newaxis]  # as many w as layers: the layers of one picture
    elif values.ndim < 3:
        values = np.atleast_2d(values)[:, np.newaxis]
    if values.ndim != 3 or values.shape[1] not in (1, num_layers) or values.shape[2] != size:
        raise UserError(f'{title}: dlatents of shape {list(dlatents.shape)}, but those of the network are '
                        f'[N, {num_layers}, {size}]')
    return np.repeat(values, num_layers, axis=1) if values.shape[1] != num_layers else values
