"""Checks two sides of pictures: every file; of pairs also partners and sizes, of label maps the numbers."""

import contextlib
import os
from collections import OrderedDict
from typing import NamedTuple

from dnnlib.util import UserError
from training.data.making.check import check, look_at
from training.data.making.findings import Finding, Report
from training.data.sources import ordered_map
from training.data.translation import layouts, pairs, pictures
from training.data.translation.pictures import open_source

HARMLESS = {'alpha', 'CMYK', '16-bit', 'EXIF rotation'}  # what training converts


class Side(NamedTuple):
    """One side of some pairs."""
    source: pictures.PictureFiles
    folder: str      # what names in findings begin with
    is_map: bool     # numbers instead of colors?


def check_pairs(path, other=None, workers=4, progress=iter):
    """Checks the pairs of a dataset.

    Args:
        path: Folder or zip in one of the layouts of `layouts.find`, or one side.
        other: The other side, whose files have the same names; `None` = `path` holds both.
        workers: Number of decoding threads.
        progress: Wraps the list of names, for example in a progress bar.
    Returns: findings.Report.
    Raises: UserError if there are no two sides, or files of one name but for the ending.
    """
    found, notes, count = [], [], 0
    with contextlib.ExitStack() as stack:
        for part, sides in open_sides(path, other).items():
            for side in sides:
                stack.callback(side.source.close)
            for side in sides:
                _needs_files(side.source, path if other is None else side.folder)
            paired = pairs.find([side.source for side in sides])
            own = _sides_of_files(sides)
            for side in own:
                problems, note = _check_files(side, workers, progress)
                found += problems
                notes += note
                count += len(side.source.names)
            found += [Finding(_name(sides[number], place), 'partner', f'none of {len(sides) - 1} is there' if len(
                sides) > 2 else f'not in {sides[1 - number].folder or other or path}')
                      for number, place in paired.single]
            found += _sizes(sides, paired.found)
            number = len(paired.found)
            notes.append(f'{number} pair{"" if number == 1 else "s"}' + (f' in {part}' if part else ''))
    return Report(count, found, tuple(notes))


def check_unpaired(path, workers=4, progress=iter, resolution=None):
    """Checks a dataset; if it holds trainA and trainB, these and testA and testB, which are no classes.

    Sizes of such sides may differ, as training scales them.

    Args:
        path, workers, progress, resolution: See `check.check`, which it is for other datasets, or to be converted.
    Returns: findings.Report.
    """
    if resolution is not None or not {'trainA', 'trainB'} <= set(layouts.folders_of(path)):
        return check(path, workers, progress, resolution)
    found, notes, count = [], [], 0
    with contextlib.ExitStack() as stack:
        for side in layouts.find(path, layouts.UNPAIRED).values():
            for folder in (side[part] for part in ('train', 'test') if part in side):
                source = open_source(path, folder)
                stack.callback(source.close)
                _needs_files(source, os.path.join(path, folder))
                found += _check_files(Side(source, folder + '/', False), workers, progress)[0]
                number = len(source.names)
                notes.append(f'{number} picture{"" if number == 1 else "s"} in {folder}')
                count += number
    return Report(count, found, tuple(notes) + ('Two sides; --pairs also checks whether they are pairs',))


def _needs_files(source, path):
    """Raises UserError for a source whose pictures are no files."""
    if not isinstance(source, pictures.PictureFiles):
        raise UserError(f'{path}: expected a folder or zip of pictures; check each folder of TFRecords by itself, '
                        'without --pairs_with')


def open_sides(path, other=None):
    """{part, such as `train`: list of Side}, opened; for arguments see `check_pairs`."""
    if other is not None:
        return {'': [Side(open_source(name), os.path.basename(os.path.abspath(name)) + '/', False)
                     for name in (path, other)]}
    is_labeled = 'train_label' in layouts.folders_of(path)
    streams = layouts.find(path, layouts.LABELS if is_labeled else layouts.PAIRED)
    parts = OrderedDict()
    for part in ('train', 'test'):
        if all(part in side for side in streams.values()) or part == 'train':
            parts[part if 'train' in streams['a'] else ''] = [
                Side(open_source(path, side.get(part), side.get('half')), side[part] + '/' if part in side else '',
                     is_labeled and name != 'b') for name, side in streams.items()]
    return parts


def _name(side, place):
    name = side.source.names[place]
    return name if name.startswith(side.folder) else side.folder + name


def _sides_of_files(sides):
    """Those with files of their own: of pictures side by side only the first."""
    return sides[:1] if sides[0].source.half is not None else sides


def _check_files(side, workers, progress):
    """(list of Finding about the files of a side, list of lines about its numbers)."""
    source, numbers = side.source, []

    def look(place):
        problems = [finding for finding in look_at(source.files, source.names[place]).findings
                    if finding.kind not in HARMLESS]
        try:
            if not problems and side.is_map:
                numbers.append(max(pictures.to_numbers(source.open(place), pictures.MAX_NUMBER, 'it').getextrema()))
        except UserError as error:
            problems.append(Finding('', 'numbers', str(error).split('; ')[0]))
        return [finding._replace(name=_name(side, place)) for finding in problems]
    found = ordered_map(look, range(len(source.names)), workers)
    problems = [finding for _, some in zip(progress(source.names), found) for finding in some]
    return problems, [f'{side.folder} holds numbers up to {max(numbers)}'] if numbers else []


def _sizes(sides, paired):
    """Findings about pairs of different sizes."""
    found = []
    for pair in paired:
        try:
            headers = [side.source.header(place) for side, place in zip(sides, pair)]
        except UserError as error:
            if 'pixels wide' in str(error):  # others were found by decoding
                found.append(Finding(_name(sides[0], pair[0]), 'pair', str(error).split(': ')[-1]))
            continue
        others = [f'{_name(side, place)} is {pairs.size_text(header)}' for side, place, header in list(zip(
            sides, pair, headers))[1:] if header[1] != headers[0][1]]
        if others:
            found.append(Finding(_name(sides[0], pair[0]), 'pair', f'{pairs.size_text(headers[0])} pixels, but '
                                 + ', '.join(others)))
    return found
