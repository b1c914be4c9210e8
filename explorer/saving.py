"""Files that the page asks for: pictures with their recipe, what draws them again, animations; never over another."""

import errno
import os
import re

import numpy as np
import PIL.PngImagePlugin

from dnnlib import shell
from explorer import encoding
from explorer.errors import Refused

FOLDER = 'explorer'  # below --result-dir


class Files:
    """Numbered files in a folder below `--result-dir`.

    Args:
        result_dir: The folder of the results.
    """

    def __init__(self, result_dir):
        self._folder = os.path.join(result_dir, FOLDER)

    def reserve(self, ending):
        """Makes an empty file of the next free number; returns its path."""
        try:
            os.makedirs(self._folder, exist_ok=True)
            found = map(re.compile('[0-9]{1,9}').match, os.listdir(self._folder))
            taken = [int(match.group()) for match in found if match]
            number = max(taken + [0]) + 1
            while True:
                path = os.path.join(self._folder, f'{number:05d}{ending}')
                try:
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
                    return path
                except FileExistsError:
                    number += 1
        except OSError as error:
            raise _refused(error) from None

    def save(self, artist, view, pixels, arrays):
        """Writes the picture of a view with its recipe, and what draws it again.

        Args:
            artist: Artist that drew it.
            view: View.
            pixels: uint8 [H, W, C].
            arrays: {name: array} for the npz file, None = none.
        Returns: The reply of `api/save`.
        Raises: Refused if they can't be written.
        """
        path = self.reserve('.png')
        files = [path]
        try:
            if arrays is not None:
                files.append(os.path.splitext(path)[0] + '.npz')
                with open(files[1], 'xb') as file:
                    np.savez(file, view=np.array(view.query()), **arrays)
            words, is_whole = artist.command(view)
            if not is_whole and arrays is not None:
                words, _ = artist.command(view, shell.short(files[1]))
            recipe = dict(Software='stylegan2-tf', Command=shell.line(words), View=view.query(), Network=artist.name,
                          NetworkHash=artist.hash)
            with open(path, 'wb') as file:
                encoding.to_image(pixels).save(file, format='PNG', pnginfo=_text(recipe))
        except OSError as error:
            for file in files:
                _remove_empty(file)
            raise _refused(error) from None
        return dict(files=[public(file) for file in files], command=shell.line(words))


def public(path):
    """A saved file as the page shows it: its folder and name."""
    return FOLDER + '/' + os.path.basename(path)


def _text(fields):
    """What PNG files hold as text; names of files may be any."""
    info = PIL.PngImagePlugin.PngInfo()
    for name, value in fields.items():
        info.add_itxt(name, value.encode('utf-8', 'replace').decode('utf-8'))
    return info


def _remove_empty(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _refused(error):
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Refused('the disk is full; nothing was saved' if full else
                   f'the result folder cannot be written ({error.strerror}); nothing was saved', 409)
