"""Files of a run: pictures, tables that survive an interruption, contact sheets, and finding the run to continue."""

import csv
import json
import os

import numpy as np
from PIL import Image

from dnnlib import images, util
from dnnlib.run import run_dir
from projector.inputs import to_pixels

OPTIONS_FILE, COMPLETE_FILE = 'options.json', 'complete.txt'
FREE_OPTIONS = ('tf_config', 'minibatch', 'error_rates')  # may differ when a run is continued, wherever they are
SHEET_PICTURES, SHEET_SIDE = 64, 4096  # pictures on a contact sheet, at most; its longer side in pixels


class Table:
    """Rows of results, kept in `<name>.csv` and `<name>.jsonl` after every addition; rows already there are read.

    Args:
        folder: Where the files are.
        name: Their name without extension.
    """

    def __init__(self, folder, name):
        self._path = os.path.join(folder, name)
        self.rows = []
        if os.path.isfile(self._path + '.jsonl'):
            with open(self._path + '.jsonl', encoding='utf-8') as file:
                self.rows = [json.loads(line) for line in file]

    def find(self, **values):
        """The first row with these values, or None."""
        return next((row for row in self.rows if all(row.get(key) == value for key, value in values.items())), None)

    def add(self, rows):
        """Adds dictionaries, whose keys are the columns, and writes both files."""
        self.replace(self.rows + list(rows))

    def replace(self, rows):
        """Writes both files with these rows instead of the present ones."""
        self.rows = rows
        if not rows:
            return
        with util.atomic_path(self._path + '.csv') as temp_path:
            with open(temp_path, 'w', newline='', encoding='utf-8', errors='backslashreplace') as file:
                writer = csv.DictWriter(file, list(self.rows[0]))
                writer.writeheader()
                writer.writerows(self.rows)
        util.write_text(self._path + '.jsonl', ''.join(json.dumps(row) + '\n' for row in self.rows))


def find_interrupted(run_dir_root, run_desc, options):
    """The newest run of a command with the same options that was not completed.

    Args:
        run_dir_root: Folder of the run directories.
        run_desc: Name of the command.
        options: Dictionary of the options.
    Returns: Path of the run directory, None if there is none.
    """
    def comparable(found):
        if sorted(found) == ['folder', 'name', 'path']:
            return found['name']  # of a network, all that older versions wrote
        return {key: comparable(value) if isinstance(value, dict) else value for key, value in found.items()
                if key not in FREE_OPTIONS and value is not None}

    wanted = comparable(json.loads(json.dumps(util.plain(options))))
    for _, path in reversed(run_dir.list_runs(run_dir_root)):
        file_name = os.path.join(path, OPTIONS_FILE)
        if not path.endswith('-' + run_desc) or not os.path.isfile(file_name):
            continue
        with open(file_name, encoding='utf-8') as file:
            if comparable(json.load(file)) == wanted:
                return None if os.path.exists(os.path.join(path, COMPLETE_FILE)) else path
    return None


def write_lines(path, lines):
    """Prints lines and writes them to a text file."""
    print('\n'.join(lines))
    util.write_text(path, '\n'.join(lines) + '\n')


def mark_complete(folder, text):
    """Notes that a run is complete; the same command then starts a new one."""
    util.write_text(os.path.join(folder, COMPLETE_FILE), text + '\n')


def save_picture(pixels, path):
    """Writes a PNG of uint8 [C, H, W], C = 1, 3 or 4."""
    images.save_png(Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(
        pixels.transpose(1, 2, 0))), path)


def difference(target, image):
    """Half the difference of two uint8 images [C, H, W] around gray: uint8 [1 or 3, H, W], 128 where they are equal."""
    halved = (image[:3].astype(np.int32) - target[:3]) / 2
    return np.uint8(np.clip(np.rint(128 + halved), 0, 255))


def triple(target, image):
    """Target, image and their difference side by side: uint8 [3, H, 3 W], of uint8 images [C, H, W]."""
    return np.concatenate([as_rgb(part) for part in (target, image, difference(target, image))], axis=2)


def as_rgb(pixels):
    """Gray, RGB or RGBA image over white, uint8 [C, H, W], as RGB."""
    return images.as_rgb(pixels.transpose(1, 2, 0)).transpose(2, 0, 1)


def save_triples(target, image, folder, key):
    """Writes `<key>-target.png`, `-projection.png`, `-difference.png` of uint8 images [C, H, W]."""
    parts = (('target', target), ('projection', image), ('difference', difference(target, image)))
    for kind, pixels in parts:
        save_picture(pixels, os.path.join(folder, '{}-{}.png'.format(key, kind)))


def save_sheet(entries, path):
    """Writes a contact sheet.

    Args:
        entries: List of (caption, list of uint8 images [C, H, W], all of one size and number); the first
            SHEET_PICTURES are drawn, each in a cell of its own.
        path: The PNG file.
    """
    entries = entries[:SHEET_PICTURES]
    strips = [np.concatenate([as_rgb(image) for image in pictures], axis=2) for _, pictures in entries]
    height, width = strips[0].shape[1:]
    captions = [caption for caption, _ in entries]
    pitch, below = _caption_space(captions, width)
    columns = max(1, int(round(np.sqrt(len(entries) * (height + below) / pitch))))
    rows = (len(entries) - 1) // columns + 1
    scale = min(1, SHEET_SIDE / (columns * pitch), SHEET_SIDE / (rows * (height + below)))
    width, height = max(int(width * scale), 1), max(int(height * scale), 1)
    pitch, below = _caption_space(captions, width)
    canvas = Image.new('RGB', (columns * (pitch + 4), rows * (height + below)), (255, 255, 255))
    for index, (caption, strip) in enumerate(zip(captions, strips)):
        left, top = index % columns * (pitch + 4), index // columns * (height + below)
        picture = Image.fromarray(np.ascontiguousarray(strip.transpose(1, 2, 0)))
        canvas.paste(picture if scale == 1 else picture.resize((width, height), Image.LANCZOS), (left, top))
        images.draw_text(canvas, (left, top + height, pitch, below), images.wrap(caption, pitch - 2))
    images.save_png(canvas, path)


def _caption_space(captions, width):
    """(width of a cell of pictures `width` pixels wide, height of the captions below them)."""
    pitch = images.caption_width(captions, width)
    return pitch, images.caption_height([images.wrap(caption, pitch - 2) for caption in captions])


class SnapshotStrip:
    """Images on the way of one projection: writes `<name>-step%04d.png` and keeps them for the contact sheet."""

    def __init__(self, folder, name, target):
        self._prefix = os.path.join(folder, name)
        self.shown = [to_pixels(target)]
        save_picture(self.shown[0], self._prefix + '-target.png')

    def add(self, image, step):
        """Adds the image [C, H, W], about [-1, 1], after a step."""
        self.shown.append(to_pixels(image))
        save_picture(self.shown[-1], '{}-step{:04d}.png'.format(self._prefix, step))
