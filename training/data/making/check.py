"""Checks a dataset: reads every image file of a folder or zip, or every record, once."""

import contextlib
import glob
import hashlib
import io
import os

from PIL import Image

from dnnlib.util import UserError
from training.data.images import FORMATS, has_alpha, open_image, ORIENTATION, unreadable, Unreadable
from training.data.labels import IncompleteLabels
from training.data.making.check_records import check_records
from training.data.making.findings import compare, Facts, Finding, Report, several
from training.data.sources import ImageFiles, not_taken_lines, ordered_map, OTHER_PICTURES

LISTED = 20  # files without a label that are listed one by one


def check(path, workers=4, progress=iter, resolution=None):
    """Checks every file of a dataset.

    Args:
        path: Folder of `*.tfrecords`, or folder or zip of images.
        workers: Number of decoding threads; a few keep a typical disk busy.
        progress: Wraps the list of names, for example in a progress bar.
        resolution: Size that the images will be converted to: what that solves is not reported; `None` = none.
    Returns: findings.Report.
    Raises: UserError if the folder or zip is missing or has no images.
    """
    if os.path.isdir(path) and glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        if resolution is not None:
            raise UserError('--resolution is for folders and zips of images; leave it out for TFRecords')
        return check_records(path, workers, progress)
    with contextlib.closing(ImageFiles(path)) as files:
        found = ordered_map(lambda name: look_at(files, name), files.names, workers)
        facts = [fact for _, fact in zip(progress(files.names), found)]
        others = [Finding(name, 'other format', reason) for name, reason in files.not_taken
                  if name.lower().endswith(OTHER_PICTURES)]
        shared = compare(facts, resolution)
        about_labels, text = _check_labels(files)
        findings = [finding for fact in facts for finding in fact.findings] + others + shared + about_labels
        checked = set(files.names).union(finding.name for finding in findings if not finding.files)
        return Report(len(checked), findings, tuple(not_taken_lines(files.not_taken)) + ('Labels: ' + text,))


def _check_labels(files):
    """(list of Finding, a line about the labels)."""
    name = files.labels_name
    try:
        found = files.find_labels()
    except IncompleteLabels as error:
        return _without(error.without, f'not in {name}'), _reason(error, files.where(name))
    except UserError as error:
        return [Finding(name, 'labels', _reason(error, files.where(name)))], f'none; {name} is invalid'
    if found.labels is None:
        return _without(found.without, 'outside the folders of the classes'), found.text()
    unused = [Finding(name, 'labels', f'{len(found.unused)} of its names are no images, {found.unused[0]} is the first')
              ] if found.unused else []
    return unused, found.text()


def _without(names, detail):
    """Findings about images without a label."""
    if len(names) > LISTED:
        return [several(names, 'labels', f'{detail}, {names[0]} is the first')]
    return [Finding(name, 'labels', detail) for name in names]


def look_at(files, name):
    """Facts of one file of an ImageFiles; its findings are those that need no comparison with other files."""
    try:
        data = files.read_bytes(name)
        image = open_image(data, name)
        findings = [Finding(name, *item) for item in _peculiarities(data)]
    except MemoryError:  # says nothing about the file
        raise
    except Exception as error:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
        error = error if isinstance(error, Unreadable) else unreadable(name, error, data)
        return Facts(name, None, None, None, [Finding(name, error.kind, error.reason)])
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    return Facts(name, image.mode, image.size, digest, findings)


def _peculiarities(data):
    """(kind, detail) of every problem that an image file has by itself."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        found = []
        if has_alpha(image):
            found.append(('alpha', 'mode ' + image.mode))
        if image.mode == 'CMYK':
            found.append(('CMYK', ''))
        if image.mode.startswith(('I', 'F')) or ';16' in str(image.tile):  # Pillow's names for how pixels are stored
            found.append(('16-bit', 'mode ' + image.mode))
        orientation = Image.Image.getexif(image).get(ORIENTATION, 1)  # the method of PNG files would decode them
        if orientation in range(2, 9):
            found.append(('EXIF rotation', f'orientation {orientation}'))
        if getattr(image, 'n_frames', 1) > 1:
            found.append(('animated', f'{image.n_frames} frames'))
        return found


def _reason(error, where):
    """Text of an error without the file name and the advice."""
    return str(error).replace(where + ': ', '').replace(where + ', ', '').split('; ')[0]
