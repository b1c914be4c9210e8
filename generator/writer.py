"""Files of the pictures that commands draw: PNG, JPEG, WebP, and one npz of all."""

import hashlib
import os

import numpy as np
import PIL.Image

from dnnlib import images, util

KINDS = ('png', 'jpg', 'webp', 'npz')
_PILLOW = {'png': dict(format='PNG'), 'jpg': dict(format='JPEG', quality=95, subsampling=0),
           'webp': dict(format='WEBP', quality=95)}


def to_uint8(pictures):
    """Bytes [N, H, W, C] of float32 images [N, C, H, W] in [-1, 1], by the rule of `tflib.convert_images_to_uint8`."""
    return np.clip(pictures.transpose(0, 2, 3, 1) * np.float32(127.5) + np.float32(128), 0, 255).astype(np.uint8)


def as_pixels(picture):
    """A picture, float32 [C, H, W] or uint8 [H, W, C], as the latter."""
    return picture if picture.dtype == np.uint8 else to_uint8(picture[np.newaxis])[0]


class PictureWriter:
    """Writes pictures one by one.

    Args:
        folder: Where they go.
        outputs: Some of KINDS.
        dtype: Of the arrays in `images.npz`: `uint8` [N, H, W, C] or `float32` [N, C, H, W].
    """

    def __init__(self, folder, outputs=('png',), dtype='uint8'):
        self._folder, self._outputs, self._dtype = folder, outputs, dtype
        self._names, self._arrays = [], []
        self._written = {}  # name: digest of the picture

    def add(self, name, picture):
        """Writes a picture, float32 [C, H, W] or uint8 [H, W, C], as `<name>.png` and so on; returns it as bytes.

        If another picture has that name, it is `<name>-2.png`, and so on.
        """
        pixels = as_pixels(picture)
        name = self._free_name(name, hashlib.sha256(pixels.tobytes()).digest())
        for kind in self._outputs:
            if kind != 'npz':
                save(pixels, os.path.join(self._folder, name + '.' + kind))
        if 'npz' in self._outputs:
            self._names.append(name)
            self._arrays.append(pixels if self._dtype == 'uint8' else picture)
        return pixels

    def _free_name(self, name, digest):
        number, free = 1, name
        while self._written.setdefault(free, digest) != digest:
            number += 1
            free = '{}-{}'.format(name, number)
        return free

    def close(self, **arrays):
        """Writes `images.npz` if npz is among the outputs: `images`, `names`, and the arrays given."""
        if 'npz' in self._outputs:
            with util.atomic_path(os.path.join(self._folder, 'images.npz')) as temp_path:
                np.savez(temp_path, images=np.stack(self._arrays), names=np.array(self._names), **arrays)


def save(pixels, path):
    """Writes a picture, uint8 [H, W, 1, 3 or 4], through a temporary name; the extension says in which format."""
    kind = path.rsplit('.', 1)[1]
    pixels = images.as_rgb(pixels) if kind == 'jpg' and pixels.shape[2] == 4 else pixels
    picture = PIL.Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    with util.atomic_path(path) as temp_path:
        picture.save(temp_path, **_PILLOW[kind])
