"""What is wrong with a data set: every image file of a folder or zip, or every record of TFRecords, looked at once."""

import collections
import concurrent.futures
import glob
import hashlib
import io
import os
import warnings

import numpy as np
from PIL import Image

from dnnlib.util import UserError
from training import image_size
from training.dataset_sources import EXTENSIONS, GREY_MODES, LABELS_FILE, UNREADABLE, Files
from training.tfrecords import RecordFile

MAX_PIXELS = 10 ** 8
EXIF_ORIENTATION = 0x0112

# kind of problem -> what it means for a training
KINDS = collections.OrderedDict([
    ('empty', 'no bytes'),
    ('not an image', 'ignored by the training'),
    ('corrupt', 'cannot be decoded; stops a training'),
    ('huge', 'over 100 megapixels; not decoded'),
    ('mode', 'another colour mode than most; --resolution converts it'),
    ('alpha', 'has transparency; --resolution puts it over white'),
    ('grey', 'grey among colour images; --resolution converts it'),
    ('CMYK', 'print colours; --resolution converts it'),
    ('16-bit', 'more than 8 bits a channel; convert it'),
    ('EXIF rotation', 'stored turned; it is turned back when read'),
    ('size', 'another size than most; --resolution scales it'),
    ('impossible size', 'no network has such images; cropped and scaled by --resolution'),
    ('animated', 'only the first frame is read'),
    ('duplicate', 'the same pixels as an earlier image'),
    ('records', 'damaged or missing records; create the data set anew'),
])


class Finding(collections.namedtuple('Finding', 'name kind detail')):
    """One problem of one file: its name, a key of KINDS, and what exactly."""


class _Facts(collections.namedtuple('_Facts', 'name mode size digest findings')):
    """What is known of a decoded image; mode, size and digest are None if it could not be decoded."""


def check(path, workers=4, progress=iter):
    """Looks at every file of a data set.

    Args:
        path: Folder of `*.tfrecords`, or folder or zip of images.
        workers: Threads that decode.
        progress: Wraps the list of names, such as a progress bar.
    Returns: (number of files or records looked at, list of Finding in the order of the files).
    Raises: UserError if there is no such folder or zip, or it is empty.
    """
    if os.path.isdir(path) and glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        return _check_records(path, progress)
    source = Files(path)
    names = [name for name in source.names if name != LABELS_FILE]
    if not names:
        source.close()
        raise UserError('{}: there are no files; give a data set'.format(path))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        facts = [future.result() for future in progress([pool.submit(_look_at, source, name) for name in names])]
    findings = {fact.name: list(fact.findings) for fact in facts}
    for finding in _odd_ones(facts):
        findings[finding.name].append(finding)
    source.close()
    return len(facts), [finding for fact in facts for finding in findings[fact.name]]


def table(num_files, findings):
    """The findings as lines of text: one per problem, then a count of each kind and what it means."""
    lines = []
    if findings:
        width = min(max(len(finding.name) for finding in findings), 60)
        lines = ['{:{}}  {:13}  {}'.format(f.name, width, f.kind, f.detail).rstrip() for f in findings] + ['']
    counts = collections.Counter(finding.kind for finding in findings)
    lines += ['{:13} {:7}  {}'.format(kind, counts[kind], meaning) for kind, meaning in KINDS.items() if counts[kind]]
    bad = len(set(finding.name for finding in findings))
    return lines + ['{} looked at, {} with a problem'.format(num_files, bad)]


def _look_at(source, name):
    """Facts of one file; its findings are those that need no comparison with others."""
    def failed(kind, detail=''):
        return _Facts(name, None, None, None, [Finding(name, kind, detail)])

    try:
        data = source.read_bytes(name)
    except UNREADABLE + (RuntimeError,) as error:  # encrypted, or an unknown compression
        return failed('corrupt', _reason(error))
    if not data:
        return failed('empty')
    if not name.lower().endswith(EXTENSIONS):
        return failed('not an image', 'its name ends with none of ' + ' '.join(EXTENSIONS))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # Pillow warns of large images, which are reported here
            with Image.open(io.BytesIO(data)) as image:
                if image.size[0] * image.size[1] > MAX_PIXELS:
                    return failed('huge', '{}x{}'.format(*image.size))
                findings = [Finding(name, *item) for item in _peculiarities(image)]
                image.load()
                digest = hashlib.sha256(image.tobytes()).hexdigest()
                return _Facts(name, image.mode, image.size, digest, findings)
    except Image.DecompressionBombError as error:
        return failed('huge', _reason(error))
    except UNREADABLE + (MemoryError, OverflowError, IndexError, KeyError, TypeError) as error:  # from Pillow
        known = 'cannot identify' not in str(error)
        return failed('corrupt', _reason(error) if known else 'no image format that is known here')


def _peculiarities(image):
    """(kind, detail) of what a PIL image has by itself."""
    if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
        yield 'alpha', 'mode ' + image.mode
    elif image.mode == 'CMYK':
        yield 'CMYK', ''
    elif image.mode.startswith(('I', 'F')):
        yield '16-bit', 'mode ' + image.mode
    orientation = image.getexif().get(EXIF_ORIENTATION, 1) if hasattr(image, 'getexif') else 1
    if orientation != 1:
        yield 'EXIF rotation', 'orientation {}'.format(orientation)
    if getattr(image, 'n_frames', 1) > 1:
        yield 'animated', '{} frames'.format(image.n_frames)


def _odd_ones(facts):
    """Findings that come from comparing images: mode, size, duplicates."""
    decoded = [fact for fact in facts if fact.mode is not None]
    if not decoded:
        return
    usual_mode = collections.Counter(fact.mode for fact in decoded).most_common(1)[0][0]
    usual_size = collections.Counter(fact.size for fact in decoded).most_common(1)[0][0]
    seen = {}
    for fact in decoded:
        reported = [finding.kind for finding in fact.findings]
        if fact.mode != usual_mode and not {'alpha', 'CMYK', '16-bit'} & set(reported):
            grey = fact.mode in GREY_MODES and usual_mode not in GREY_MODES
            yield Finding(fact.name, 'grey' if grey else 'mode', 'mode {}, most have {}'.format(fact.mode, usual_mode))
        if fact.size != usual_size:
            yield Finding(fact.name, 'size', '{}x{}, most are {}x{}'.format(*(fact.size + usual_size)))
        elif image_size.find(fact.size[1], fact.size[0]) is None:
            yield Finding(fact.name, 'impossible size', '{}x{}'.format(*fact.size))
        first = seen.setdefault((fact.digest, fact.size, fact.mode), fact.name)
        if first != fact.name:
            yield Finding(fact.name, 'duplicate', 'of ' + first)


def _check_records(path, progress):
    """Reads every record of every file of a TFRecord data set, and its labels."""
    findings, counts, seen, total = [], {}, {}, 0
    for file_path in sorted(glob.glob(os.path.join(glob.escape(path), '*.tfrecords'))):
        name = os.path.basename(file_path)
        file, problem = _open_records(file_path)
        if problem is not None:
            findings.append(Finding(name, 'records', problem))
            continue
        counts[name] = len(file)
        largest = file.first.shape[1] == max(int(n) for n in _sizes(path, file))
        for index in progress(list(range(counts[name]))):
            where, total = '{} record {}'.format(name, index), total + 1
            try:
                image = file.read(index)
            except UserError as error:
                findings.append(Finding(where, 'records', _reason(error, file_path)))
                continue
            if image.shape != file.first.shape:
                findings.append(Finding(where, 'size', 'shape {}, the first has {}'.format(
                    list(image.shape), list(file.first.shape))))
            first = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), where) if largest else where
            if first != where:
                findings.append(Finding(where, 'duplicate', 'of ' + first))
        file.close()
    most = max(counts.values()) if counts else 0
    findings += [Finding(name, 'records', '{} images, another level has {}'.format(count, most))
                 for name, count in counts.items() if count != most]
    return total, findings + list(_check_labels(path, most))


def _open_records(path):
    """Returns (RecordFile, None), or (None, what is wrong) if its records can't be told apart."""
    file = None
    try:
        file = RecordFile(path)
        len(file)
        return file, None
    except UserError as error:
        if file is not None:
            file.close()
        return None, _reason(error, path)


def _sizes(path, file):
    """Heights of the images of all files that can be opened, at least that of `file`."""
    sizes = [file.first.shape[1]]
    for other in glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        try:
            with_first = RecordFile(other)
            sizes.append(with_first.first.shape[1])
            with_first.close()
        except UserError:
            pass
    return sizes


def _check_labels(path, num_images):
    for label_path in sorted(glob.glob(os.path.join(glob.escape(path), '*.labels'))):
        name = os.path.basename(label_path)
        try:
            labels = np.load(label_path, allow_pickle=False)
            if labels.ndim != 2 or len(labels) != num_images:
                yield Finding(name, 'records', 'labels {} for {} images'.format(list(labels.shape), num_images))
        except (OSError, ValueError, EOFError) as error:
            yield Finding(name, 'records', _reason(error))


def _reason(error, path=None):
    """First line of an error, without the name of the file."""
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if path is None else text.replace(path + ': ', '').split(';')[0]
