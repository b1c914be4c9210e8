"""Checks a dataset: reads every image file of a folder or zip, or every record, once."""

import glob
import hashlib
import io
import os

from PIL import Image

from dnnlib.util import UserError
from training.data.images import FORMATS, has_alpha, is_truncated, MAX_PIXELS, open_image, SIGNATURES
from training.data.making.check_records import check_records
from training.data.making.findings import add_comparisons, Facts, Finding
from training.data.sources import EXTENSIONS, Files, ImageFiles, LABELS_FILE, ordered_map

EXIF_ORIENTATION = 0x0112


def check(path, workers=4, progress=iter):
    """Checks every file of a dataset.

    Args:
        path: Folder of `*.tfrecords`, or folder or zip of images.
        workers: Number of decoding threads; a few keep a typical disk busy.
        progress: Wraps the list of names, for example in a progress bar.
    Returns: (number of files or records checked, list of Finding in file order).
    Raises: UserError if the folder or zip is missing or empty.
    """
    if os.path.isdir(path) and glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        return check_records(path, workers, progress)
    source = Files(path)
    names = [name for name in source.names if name != LABELS_FILE]
    if not names:
        source.close()
        raise UserError(f'{path}: no files here; expected a dataset')
    found = ordered_map(lambda name: _look_at(source, name), names, workers)
    facts = [fact for _, fact in zip(progress(names), found)]
    source.close()
    add_comparisons(facts)
    return len(facts), [finding for fact in facts for finding in fact.findings] + list(_check_labels(path, source))


def _check_labels(path, source):
    if LABELS_FILE not in source.names:
        return
    try:
        files = ImageFiles(path)
        try:
            files.read_labels()
        finally:
            files.close()
    except UserError as error:
        yield Finding(LABELS_FILE, 'labels', _reason(error, source.where(LABELS_FILE)))


def _look_at(source, name):
    """Facts of one file; its findings are those that need no comparison with other files."""
    def failed(kind, detail=''):
        return Facts(name, None, None, None, [Finding(name, kind, detail)])

    try:
        data = source.read_bytes(name)
    except UserError as error:
        return failed('corrupt', _reason(error, source.where(name)))
    if not data:
        return failed('zero bytes')
    if not name.lower().endswith(EXTENSIONS):
        return failed('not an image', 'its name ends in none of ' + ' '.join(EXTENSIONS))
    if not data.startswith(SIGNATURES):
        return failed('not an image', 'wrong first bytes')
    try:
        findings = [Finding(name, *item) for item in _peculiarities(data)]
        if [finding.kind for finding in findings] == ['over 100 MP']:
            return Facts(name, None, None, None, findings)
        image = open_image(data, name)
    except Image.DecompressionBombError as error:
        return failed('over 100 MP', str(error))
    except Exception as error:  # pylint: disable=broad-except  # Pillow raises nearly everything for damaged files
        return failed('truncated' if is_truncated(data) or 'truncated' in str(error) else 'corrupt',
                      _reason(error, name))
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    return Facts(name, image.mode, image.size, digest, findings)


def _peculiarities(data):
    """(kind, detail) of every problem that an image file has by itself."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.size[0] * image.size[1] > MAX_PIXELS:
            return [('over 100 MP', '{}x{}'.format(*image.size))]
        found = []
        if has_alpha(image):
            found.append(('alpha', 'mode ' + image.mode))
        if image.mode == 'CMYK':
            found.append(('CMYK', ''))
        if image.mode.startswith(('I', 'F')) or ';16' in str(image.tile):  # Pillow's names for how pixels are stored
            found.append(('16-bit', 'mode ' + image.mode))
        orientation = Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)  # the method of PNG files would decode them
        if orientation in range(2, 9):
            found.append(('EXIF rotation', f'orientation {orientation}'))
        if getattr(image, 'n_frames', 1) > 1:
            found.append(('animated', f'{image.n_frames} frames'))
        return found


def _reason(error, where):
    """First line of an error, without the file name and the advice."""
    text = (str(error) or type(error).__name__).splitlines()[0].replace(where + ': ', '')
    for begin, end in (('unreadable image (', '); replace or remove it'), ('', '; correct or remove the file')):
        if text.startswith(begin) and text.endswith(end):
            text = text[len(begin):-len(end)]
    return text
