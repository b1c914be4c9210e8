"""Makes `training/data/cats_layers.zip` from the originals: `python -m training.data.making.cats_layers SET4_FOLDER`.

`SET4_FOLDER` is `robohash/sets/set4` of the unpacked PyPI wheel `robohash` 2.0 (1024 px RGBA drawings, five folders).
"""

import argparse
import io
import os
import re
import sys
import zipfile

from PIL import Image

from dnnlib.util import UserError, atomic_path
from training.data.cats import GROUPS, LAYERS_FILE, STORED_RESOLUTION

README = """Cat layers
==========
{count} transparent layers of hand-drawn cats, in drawing order: {groups}.

Artwork: "Cat Avatar Generator" by David Revoy (https://www.peppercarrot.com), licence Creative Commons
Attribution 4.0 (CC BY 4.0, https://creativecommons.org/licenses/by/4.0/).
Taken from set4 of RoboHash 2.0 (https://robohash.org, PyPI package `robohash`).

Changes: scaled from 1024 x 1024 to {size} x {size} pixels (Lanczos, premultiplied alpha) and renamed.
"""


def _numbered_pngs(folder):
    names = [name for name in os.listdir(folder) if name.endswith('.png')]
    return sorted(names, key=lambda name: int(re.search(r'(\d+)\.png$', name).group(1)))


def make_layers(set4_dir, zip_path):
    """Scales down all layers and writes them, with their attribution, into a zip file whose bytes never vary.

    Args:
        set4_dir: Folder with one subfolder per group, in drawing order when sorted.
        zip_path: The zip file to write.
    Raises: UserError if the folder does not hold the expected number of groups and layers.
    """
    folders = sorted(os.listdir(set4_dir))
    if len(folders) != len(GROUPS):
        raise UserError('{}: expected {} folders of layers, found {}; use the folder set4 of robohash 2.0'.format(
            set4_dir, len(GROUPS), len(folders)))
    entries = [('README.txt', README.format(
        count=sum(count for _, count in GROUPS), groups=', '.join(name for name, _ in GROUPS),
        size=STORED_RESOLUTION).encode('utf-8'))]
    for folder, (group, count) in zip(folders, GROUPS):
        names = _numbered_pngs(os.path.join(set4_dir, folder))
        if len(names) != count:
            raise UserError('{}: expected {} layers, found {}; use the folder set4 of robohash 2.0'.format(
                os.path.join(set4_dir, folder), count, len(names)))
        for index, name in enumerate(names):
            image = Image.open(os.path.join(set4_dir, folder, name)).convert('RGBa')  # premultiplied
            image = image.resize((STORED_RESOLUTION, STORED_RESOLUTION), Image.LANCZOS).convert('RGBA')
            png = io.BytesIO()
            image.save(png, 'PNG', optimize=True)
            entries.append((f'{group}/{index:02d}.png', png.getvalue()))
    with atomic_path(zip_path) as temp_path, zipfile.ZipFile(temp_path, 'w', zipfile.ZIP_STORED) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def main(argv=None):
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog='make_cats_layers', description=__doc__.splitlines()[0])
    parser.add_argument('set4_dir', metavar='SET4_FOLDER', help='folder robohash/sets/set4 of the unpacked wheel')
    args = parser.parse_args(argv)
    try:
        make_layers(args.set4_dir, LAYERS_FILE)
    except (UserError, OSError) as error:
        print(f'make_cats_layers: error: {error}', file=sys.stderr)
        return 2
    print(f'Wrote {LAYERS_FILE}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
