"""The runs below `--result-dir`: which there are, how they are, their statistics and pictures; files are only read."""

import os
import re
import threading

import numpy as np
import PIL.Image

from dnnlib.run import run_dir as run_dirs
from dnnlib.util import UserError
from explorer import encoding, plane, run_files
from explorer.errors import Refused
from explorer.run_files import modified
from generator import info, network_data
from training import pretrained
from training.report import grid as grids
from training.report import steering
from training.state import network_files

OPTIONS, STATS, LOG = 'training_options.json', 'stats.jsonl', run_dirs.LOG_FILE
PICTURE = re.compile(r'(fakes(_init|[0-9]{6,})|reals[\w-]*)\.png')
LINES, READ_BYTES = 500, 16 << 20  # of stats.jsonl in a reply
MOST_RUNS = 200  # that are listed, the newest
KEPT_PICTURES = 6  # reduced ones, of up to 50 MB each
_LIKELY = {base << level for base in range(4, 17) for level in range(9)}  # sides of images that networks make
SIDES = 512, 1024, 2048, 4096  # to which pictures are reduced once


class Numbers:
    """Gives out numbers for things, the same one for the same thing."""

    def __init__(self):
        self._lock, self._numbers, self._things = threading.Lock(), {}, []

    def of(self, thing):
        """The number of a thing that can be a key."""
        with self._lock:
            if thing not in self._numbers:
                self._numbers[thing] = len(self._things)
                self._things.append(thing)
            return self._numbers[thing]

    def get(self, number, what):
        """The thing of a number that was given out; raises Refused naming `what` it is otherwise."""
        with self._lock:
            if not 0 <= number < len(self._things):
                raise Refused(f'there is no {what} {number}', 404)
            return self._things[number]


class Runs:
    """The runs of trainings in a folder and in the folders in it.

    Args:
        result_dir: The folder.
        run_dir: One more run; None = none.
        networks: Numbers of network files, which are given out here, too.
    """

    def __init__(self, result_dir, run_dir, networks):
        self._result_dir, self._run_dir, self._networks = result_dir, run_dir, networks
        self._numbers, self._pictures = Numbers(), Numbers()
        self._reduced = plane.Kept(self._read, KEPT_PICTURES)
        self._lock, self._known = threading.Lock(), {}  # the latter: {run directory: sides of its images}

    def paths(self):
        """Run directories of trainings, newest first."""
        folders = [self._result_dir] + [entry.path for entry in run_files.folders(self._result_dir)
                                        if not run_files.RUN.match(entry.name)]
        found = [path for folder in folders for path in run_files.runs_in(folder)]
        found += [self._run_dir] if self._run_dir is not None else []
        found = {os.path.realpath(path): path for path in found if os.path.isfile(os.path.join(path, OPTIONS)) or
                 os.path.isfile(os.path.join(path, STATS))}
        return sorted(found.values(), key=lambda path: -(modified(path) or 0))[:MOST_RUNS]

    def number(self, path):
        """Number of a run directory."""
        return self._numbers.of(os.path.realpath(path))

    def path(self, number):
        """Run directory of a number; raises Refused if there is none, or it is gone."""
        path = self._numbers.get(number, 'run')
        if not os.path.isdir(path):
            raise Refused(f'the folder of run {number} is gone', 404)
        return path

    def name(self, path):
        """Name of a run directory for people: of the folder, after that around it unless this is `--result-dir`."""
        folder, name = os.path.split(path)
        is_below = os.path.realpath(folder) != os.path.realpath(self._result_dir)
        return f'{os.path.basename(folder)}/{name}' if is_below else name

    def list(self):
        """The reply of `api/runs`."""
        return [self.describe(path) for path in self.paths()]

    def describe(self, path):
        """How a run is, dictionary."""
        last, options = run_files.last_line(os.path.join(path, STATS)), run_files.read_json(os.path.join(path, OPTIONS))
        total, kimg = options.get('total_kimg'), run_files.kimg_reached(path, last.get('Progress/kimg'))
        speed, name = last.get('Timing/sec_per_kimg'), os.path.basename(path)
        tick = last.get('Progress/tick')
        has_eta = None not in (total, kimg, speed) and tick != 0  # tick 0 is the slow first iteration alone
        return dict(
            run=self.number(path), name=self.name(path), state=run_files.state_of(path),
            config=name.rpartition('gpu-')[2] if 'gpu-' in name else None, kimg=kimg, total_kimg=total,
            tick=tick, eta=max(total - kimg, 0) * speed if has_eta else None, sec_per_kimg=speed,
            updated=modified(os.path.join(path, STATS)), alarms=last.get('alarms') or {},
            waiting=steering.waiting(path))

    def details(self, number):
        """The reply of `api/runs/NUMBER`."""
        path = self.path(number)
        try:
            return self._details(path)
        except OSError as error:
            raise Refused(f'run {number} cannot be read, or is gone ({error.strerror})', 404) from None

    def _details(self, path):
        names = sorted(entry.name for entry in os.scandir(path) if PICTURE.fullmatch(entry.name) and entry.is_file())
        pictures = [dict(number=self._pictures.of(os.path.join(path, name)), name=name[:-len('.png')],
                         kimg=run_files.kimg_of(name)) for name in names]
        options = run_files.read_json(os.path.join(path, OPTIONS))
        return dict(
            self.describe(path), method=(options.get('method_args') or {}).get('func_name', 'stylegan2').split('.')[-1],
            started=modified(os.path.join(path, OPTIONS)), log=run_files.log_lines(os.path.join(path, LOG)),
            options=options,
            pictures=sorted((item for item in pictures if item['name'].startswith('fakes')),
                            key=lambda item: (item['kimg'], item['name'] != 'fakes_init')),
            sheets=[item for item in pictures if not item['name'].startswith('fakes')],
            snapshots=self.snapshots(path), grid=self.grid(path, options), resume=run_files.command_of(path))

    def snapshots(self, path):
        """Network files of a run directory, oldest first: list of {'number', 'name', 'kimg'}."""
        try:
            files = network_files.snapshots(path)
        except OSError:  # the folder is gone
            files = []
        found = [dict(number=self._networks.of(file), name=os.path.basename(file), kimg=kimg) for kimg, file in files]
        final = os.path.join(path, network_files.FINAL)
        if os.path.isfile(final):
            found.append(dict(number=self._networks.of(final), name=network_files.FINAL, kimg=None))
        return found

    def networks(self):
        """Network files of all runs, newest first: list as of `api/networks`."""
        return [dict(item, run=self.number(path), name=f'{self.name(path)}/{item["name"]}')
                for path in self.paths() for item in reversed(self.snapshots(path))]

    def grid(self, path, options):
        """Cells of the picture grids: {'columns', 'rows', 'width', 'height'}; None if they are no equal cells."""
        first = next(iter(sorted(name for name in os.listdir(path) if PICTURE.fullmatch(name))), None)
        if first is None or 'stream_args' in options:
            return None
        size, whole = (options.get('grid_args') or {}).get('size'), run_files.size_of(os.path.join(path, first))
        sides = [_sides(pixels, size, axis) for axis, pixels in enumerate(whole)]
        known = (options.get('dataset_args') or {}).get('resolution')
        if known is None and max(map(len, sides)) > 1:
            known = self._resolution(path)
        if known is not None:
            height, width = known if isinstance(known, (list, tuple)) else (known, known)
            sides = [[side] for side, found in zip((width, height), sides) if side in found]
        if len(sides) != 2 or [len(found) for found in sides] != [1, 1]:
            return None
        (width,), (height,) = sides
        return dict(columns=whole[0] // width, rows=whole[1] // height, width=width, height=height)

    def _resolution(self, path):
        """Sides of the images of a run, from its first network file, which takes a while; None if there is none."""
        files = network_files.snapshots(path)
        if path not in self._known and files:
            try:
                contents = pretrained.read_contents(info.read_file(files[0][1]))
                state = contents.networks[pretrained.name_of_generator(contents)].state or {}
                self._known[path] = network_data.options_of(state).get('resolution')
            except (UserError, OSError):
                self._known[path] = None
        return self._known.get(path)

    def stats(self, number, start, file):
        """The reply of `api/runs/NUMBER/stats`."""
        path = os.path.join(self.path(number), STATS)
        try:
            with open(path, 'rb') as f:
                state = os.fstat(f.fileno())
                known = state.st_ino % 2 ** 53  # larger numbers are rounded in the page
                reset = bool(start) and (known != file or start > state.st_size)
                start = 0 if reset else start
                f.seek(start)
                data = f.read(READ_BYTES)
        except OSError:
            return dict(file=0, next=0, lines=[], more=False, reset=bool(start))
        lines, position = [], start
        for line in data.split(b'\n')[:-1]:
            if len(lines) == LINES:
                break
            position += len(line) + 1
            found = run_files.loads(line)
            if found is not None:
                lines.append(found)
        more = data.find(b'\n', position - start) >= 0
        return dict(file=known, next=position, lines=lines, reset=reset, more=more)

    def picture(self, number, picture, size):
        """(bytes, content type) of a picture of a run, at most `size` pixels wide; 0 = the file itself."""
        path = self._picture_path(number, picture)
        if size == 0:
            with open(path, 'rb') as f:
                return f.read(), 'image/png'
        return encoding.jpeg(self._reduce(path, size), size), 'image/jpeg'

    def _picture_path(self, number, picture):
        run, path = self.path(number), self._pictures.get(picture, 'picture')
        if os.path.dirname(path) != run or not os.path.isfile(path):
            raise Refused(f'run {number} has no picture {picture}', 404)
        return path

    def _reduce(self, path, size):
        with self._lock:  # two large ones at once would need too much memory
            pixels = self._reduced.get((path, modified(path), next(side for side in SIDES
                                                                    if size <= side)))
        return PIL.Image.fromarray(pixels)

    @staticmethod
    def _read(key):
        path, _, size = key
        image = run_files.open_picture(path)
        image.thumbnail((size, size), PIL.Image.BOX if hasattr(PIL.Image, 'BOX') else PIL.Image.BILINEAR)
        return np.asarray(image)

    def strip(self, number, cell, count, size):
        """(JPEG of the same cell of picture grids over time, list of their kimg)."""
        details = self.details(number)
        grid = details['grid']
        if grid is None:
            raise Refused('the pictures of this run are no grid of equal cells', 409)
        if cell >= grid['columns'] * grid['rows']:
            raise Refused(f'the grid has cells 0 to {grid["columns"] * grid["rows"] - 1}')
        pictures = details['pictures']
        chosen = sorted(set(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int)))
        row, column = divmod(cell, grid['columns'])
        box = [column * grid['width'], row * grid['height'], (column + 1) * grid['width'], (row + 1) * grid['height']]
        height = max(int(round(size * grid['height'] / grid['width'])), 1)
        sheet = PIL.Image.new('RGB', (size * len(chosen), height))
        for place, index in enumerate(chosen):
            with self._lock:
                image = run_files.open_picture(self._picture_path(number, pictures[index]['number']))
            part = image.crop(box).resize((size, height), PIL.Image.NEAREST if size >= grid['width'] else
                                          PIL.Image.LANCZOS)
            sheet.paste(part, (size * place, 0))
        return encoding.jpeg(sheet), [pictures[index]['kimg'] for index in chosen]

    def control(self, number, name):
        """Asks a training for something; returns what waits.

        Raises: Refused unless it is running and its folder can be written.
        """
        path = self.path(number)
        if run_files.state_of(path) not in ('running', 'paused', 'starting'):
            raise Refused('this training is not running', 409)
        try:
            return steering.command(path, name)
        except OSError as error:
            raise Refused(f'the command cannot be written into the folder of the run ({error.strerror})', 409) from None


def _sides(whole, size, axis):
    """Sides that the images of a grid may have along an axis, from its pixels: see `grid.parse_grid_size`; list of int.

    Args:
        whole: Width or height of the whole grid in pixels.
        size: Value of the option.
        axis: 0 = columns, 1 = rows.
    """
    try:
        return [side for side in range(4, whole + 1) if whole % side == 0 and side in _LIKELY | {whole} and
                grids.parse_grid_size(size, [3, side, side])[axis] * side == whole]
    except UserError:
        return []
