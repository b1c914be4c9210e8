"""Boxes around objects in pictures: how they are read, which picture they belong to, what is cut out."""

import csv
import io
import json
import math
import os
import xml.etree.ElementTree
from typing import NamedTuple

from dnnlib.util import UserError
from training.data.files import decode_text
from training.data.labels import name_key
from training.data.sources import EXTENSIONS

FILE_COLUMNS = ('file', 'filename', 'file_name', 'name', 'image', 'image_id', 'path')
CORNER_COLUMNS = (('left', 'top', 'right', 'bottom'), ('x1', 'y1', 'x2', 'y2'), ('xmin', 'ymin', 'xmax', 'ymax'),
                  ('x_min', 'y_min', 'x_max', 'y_max'))
SIZE_COLUMNS = (('x', 'y', 'width', 'height'), ('x', 'y', 'w', 'h'), ('x_1', 'y_1', 'width', 'height'),
                ('left', 'top', 'width', 'height'))
POLICIES = ('boxes', 'whole', 'both')
WHOLE_SHARE = 0.75  # of a picture that its only box covers, for the policy 'whole'
JSON_FORMS = ('expected annotations of COCO, a list of records such as {"file": "a.png", "left": 1, "top": 2, "right": '
              '5, "bottom": 6}, or {"a.png": [[1, 2, 5, 6]]}')
MAX_XML_BYTES = 2 ** 20


class _BadBox(Exception):
    """An entry of a file of boxes that is none; the text says why."""


class Margin(NamedTuple):
    """What a box is enlarged by on each side."""
    share: float = 0.0   # of its width and height
    pixels: float = 0.0


def read_boxes(path):
    """Boxes of a file, or of a folder of files.

    Args:
        path: A CSV file, see `of_csv`, a JSON file (JSON_FORMS), or an XML file or a folder of these as VOC has them,
            with or without an ending; there the name of the file says which picture it is.
    Returns: Dictionary of file name to list of (left, top, right, bottom), float.
    Raises: UserError naming the file and line or entry.
    """
    if os.path.isdir(path):
        boxes = _of_folder(path)
    else:
        with open(path, 'rb') as file:
            data = file.read()
        ending = os.path.splitext(path)[1].lower()
        if ending == '.xml':
            boxes = {os.path.basename(path)[:-len(ending)]: _of_xml(data, path)}
        elif ending == '.json':
            boxes = _of_json(decode_text(data, path), path)
        else:
            boxes = of_csv(decode_text(data, path), path)
    if not any(boxes.values()):
        raise UserError(f'{path}: no boxes in this {"folder" if os.path.isdir(path) else "file"}')
    return {name: found for name, found in boxes.items() if found}


def of_csv(text, path):
    """Boxes of the text of a CSV file; `path` is its name, for messages.

    If its first line names the columns, they are a file name and either corners (left, top, right, bottom) or corner
    and size (x, y, width, height), in pixels of the upright picture. Without such a line the columns are file, left,
    top, right, bottom. Empty lines and those that begin with `#` don't count.
    """
    line = next((line for line in text.splitlines() if line.strip() and not line.startswith('#')), ',')
    separator = max(';\t,', key=line.count)  # where there are as many ';' as ',' those are decimal
    boxes, columns, with_size, number, first = {}, (0, 1, 2, 3, 4), False, 1, True
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=''), delimiter=separator), 1):
            if not ''.join(row).strip() or row[0].startswith('#'):
                continue
            first, is_first = False, first
            if is_first and not _is_number(row[-1]):
                columns, with_size = _columns([cell.strip().lower() for cell in row])
                continue
            name = name_key(row[columns[0]].strip())
            boxes.setdefault(name, []).append(_box([row[column] for column in columns[1:]], with_size))
    except (_BadBox, IndexError, csv.Error) as error:
        problem = error if isinstance(error, _BadBox) else (
            'too few columns' if isinstance(error, IndexError) else 'not a line of a CSV file')
        raise UserError('{}, line {}: {}; expected a file name and left, top, right, bottom in pixels, or a first line '
                        'that names the columns'.format(path, number, problem)) from None
    return boxes


def _columns(names):
    """Indices of the file column and the four number columns, and whether the last two are a size."""
    file_column = next((names.index(name) for name in FILE_COLUMNS if name in names), None)
    for group, with_size in [(g, False) for g in CORNER_COLUMNS] + [(g, True) for g in SIZE_COLUMNS]:
        if file_column is not None and set(group) <= set(names):
            return [file_column] + [names.index(name) for name in group], with_size
    raise _BadBox(f"no known columns among {', '.join(names)}")


def _box(values, with_size=False):
    """(left, top, right, bottom) of four numbers or texts, the last two of which may be width and height."""
    left, top, right, bottom = map(_number, values)
    if with_size:
        right, bottom = left + right, top + bottom
    if not (math.isfinite(left + top + right + bottom) and left < right and top < bottom):
        raise _BadBox('the box is empty')
    return left, top, right, bottom


def _number(value):
    try:
        return float(value.replace(',', '.') if isinstance(value, str) else value)  # commas left over are decimal
    except (ValueError, TypeError):
        raise _BadBox(f'{value!r} is not a number') from None


def _is_number(text):
    try:
        return _number(text) is not None
    except _BadBox:
        return False


def _of_json(text, path):
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UserError(f'{path}: not a JSON file ({error})') from None
    boxes, entry = {}, None
    try:
        if isinstance(content, dict) and isinstance(content.get('annotations'), list):
            names = {image['id']: name_key(image['file_name']) for image in content['images']}
            for entry in content['annotations']:
                boxes.setdefault(names[entry['image_id']], []).append(_box(entry['bbox'], with_size=True))
        elif isinstance(content, dict):
            for entry in content.items():
                several = entry[1] if entry[1] and isinstance(entry[1][0], list) else [entry[1]]
                boxes.setdefault(name_key(entry[0]), []).extend(_box(values) for values in several if values)
        else:
            for entry in content:
                names = list(entry)
                columns, with_size = _columns([name.lower() for name in names])
                name, *values = [entry[names[column]] for column in columns]
                boxes.setdefault(name_key(name), []).append(_box(values, with_size))
    except (_BadBox, LookupError, TypeError, ValueError, AttributeError) as error:
        problem = error if isinstance(error, _BadBox) else 'no box'
        shown = '' if entry is None else f', entry {json.dumps(entry)[:80]}'
        raise UserError(f'{path}{shown}: {problem}; {JSON_FORMS}') from None
    return boxes


def _of_folder(path):
    """Boxes of all files of a folder and its subfolders, by their names without the ending .xml."""
    boxes = {}
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            if name.startswith('.') or name.lower().endswith(EXTENSIONS):
                continue
            file_path = os.path.join(folder, name)
            key = name_key(os.path.relpath(file_path, path).replace(os.sep, '/'))
            with open(file_path, 'rb') as file:
                boxes[key[:-4] if key.lower().endswith('.xml') else key] = _of_xml(
                    file.read(MAX_XML_BYTES + 1), file_path)
    return boxes


def _of_xml(data, path):
    """Boxes of all objects of an annotation as PASCAL VOC's."""
    try:
        if len(data) > MAX_XML_BYTES or b'<!ENTITY' in data:  # which can grow to any size
            raise _BadBox('not an annotation')
        tree = xml.etree.ElementTree.fromstring(data)
        return [_box([found.findtext(name, '') for name in ('xmin', 'ymin', 'xmax', 'ymax')])
                for found in tree.findall('object/bndbox')]
    except (_BadBox, xml.etree.ElementTree.ParseError) as error:
        raise UserError(f'{path}: {error}; expected XML with annotation/object/bndbox and xmin, ymin, xmax, ymax in '
                        'it, as PASCAL VOC has it') from None


def match(keys, names):
    """Which entries of a list belong to which pictures.

    Args:
        keys: Names in the list, see `name_key`; endings and folders of pictures may be missing in them, or be too many,
            if only one picture is meant.
        names: Names of the pictures.
    Returns: {name of a picture: key}, of those that the list has.
    """
    exact, by_base, found = {name_key(name): name for name in names}, {}, {}
    for name in names:
        by_base.setdefault(_stem(name).rpartition('/')[2], []).append(name)
    found.update((exact[key], key) for key in keys if key in exact)
    for key in keys:
        if key not in exact:
            stem = _stem(key)
            meant = [name for name in by_base.get(stem.rpartition('/')[2], ()) if _is_end(stem, _stem(name))]
            if len(meant) == 1:
                found.setdefault(meant[0], key)
    return found


def _stem(name):
    """The name of a picture without its ending."""
    key = name_key(name)
    stem, ending = os.path.splitext(key)
    return stem if ending.lower() in EXTENSIONS else key


def _is_end(one, other):
    return one == other or one.endswith('/' + other) or other.endswith('/' + one)


def read_names(path):
    """Names of a text file, one in a line: {name: None}; empty lines and those that begin with `#` don't count."""
    with open(path, 'rb') as file:
        lines = [line.strip() for line in decode_text(file.read(), path).splitlines()]
    names = {name_key(line): None for line in lines if line and not line.startswith('#')}
    if not names:
        raise UserError(f'{path}: no names in this file; expected one in each line')
    return names


def place(box, size, margin, square=False):
    """What is cut out of a picture for a box, in whole pixels.

    The box is clipped to the picture, enlarged by the margin, made square if that is wanted, and truncated. To become
    square its short side grows by half of what is missing at both ends, and where the picture ends, once more by all of
    it; what still lies outside is clipped, so that it may stay longer than wide, as in the published program.

    Args:
        box: (left, top, right, bottom) in pixels.
        size: (width, height) of the picture.
        margin: Margin.
        square: Make it square?
    Returns: (left, top, right, bottom), int.
    Raises: ValueError if nothing is left.
    """
    sides = [_clipped([box[0], box[2]], size[0]), _clipped([box[1], box[3]], size[1])]
    if any(begin >= end for begin, end in sides):
        raise ValueError('the box {:g},{:g},{:g},{:g} is outside the {}x{} pixels'.format(*tuple(box) + tuple(size)))
    sides = [_clipped(_grown(side, (side[1] - side[0]) * margin.share + margin.pixels), whole)
             for side, whole in zip(sides, size)]
    for share in (0.5, 1) if square else ():
        lengths = [end - begin for begin, end in sides]
        short = 0 if lengths[0] < lengths[1] else 1
        sides[short] = _clipped(_grown(sides[short], abs(lengths[0] - lengths[1]) * share), size[short])
    left, top, right, bottom = (int(side[end]) for end in (0, 1) for side in sides)
    if left >= right or top >= bottom:
        raise ValueError('the box {:g},{:g},{:g},{:g} has no whole pixel'.format(*box))
    return left, top, right, bottom


def _grown(side, by):
    return [side[0] - by, side[1] + by]


def _clipped(side, whole):
    return [max(side[0], 0), min(side[1], whole)]


def covers_picture(boxes, size):
    """Is there a single box, and does it cover most of a picture of (width, height)? See WHOLE_SHARE."""
    if len(boxes) != 1:
        return False
    (left, right), (top, bottom) = _clipped(boxes[0][::2], size[0]), _clipped(boxes[0][1::2], size[1])
    return (right - left) * (bottom - top) >= WHOLE_SHARE * size[0] * size[1]
