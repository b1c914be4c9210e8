"""What can be wrong with a file or record of a dataset, and the table that lists it."""

import collections
from typing import NamedTuple

from training import image_size
from training.data.images import GRAY_MODES

# kind of problem -> what it means for training
KINDS = collections.OrderedDict([
    ('zero bytes', 'empty files; replace or remove them'),
    ('not an image', 'something else under the name of an image; stops training'),
    ('other format', 'pictures in a format that is not read; they are left out, so convert them'),
    ('truncated', 'the end is missing; stops training'),
    ('corrupt', 'damaged; stops training'),
    ('over 100 MP', 'over 100 megapixels; refused'),
    ('mode', 'differs from the usual color mode; --resolution converts it'),
    ('alpha', 'has transparency; --resolution puts white behind it'),
    ('gray', 'gray among color images; --resolution converts it'),
    ('CMYK', 'colors for print; --resolution converts it'),
    ('16-bit', 'more than 8 bits per channel; convert it'),
    ('EXIF rotation', 'stored rotated; rotated back when read'),
    ('size', 'sizes differ, or no network has them; --resolution crops and scales'),
    ('small', 'smaller than --resolution; would be enlarged'),
    ('animated', 'only the first frame is read'),
    ('duplicate', 'the same pixels as an earlier image'),
    ('levels', 'the levels of detail do not match; re-create the dataset'),
    ('partner', 'no file of this name on the other side; add it, or remove this one'),
    ('pair', 'sizes of a pair differ; scale both to one'),
    ('numbers', 'no map of numbers, or too large ones'),
    ('labels', 'invalid or missing labels; correct them, or train without labels'),
])
SOLVED = {'mode', 'alpha', 'gray', 'CMYK', 'EXIF rotation'}  # by converting to one resolution
FEW = 20  # images of other sizes than most, or up to a tenth of all, are listed one by one


class Finding(NamedTuple):
    """One problem of one file or record, or of several."""
    name: str          # of the file or record, or how many there are
    kind: str          # key of KINDS
    detail: str        # what exactly, '' if `kind` says it all
    files: tuple = ()  # names, if there are several


class Facts(NamedTuple):
    """What is known about one image; mode, size and digest are `None` if it can't be decoded."""
    name: str       # of the file or record
    mode: str       # color mode, PIL's name
    size: tuple     # (width, height)
    digest: bytes   # hash of the pixels
    findings: list  # of Finding


class Report(NamedTuple):
    """Result of a check."""
    num_files: int      # files, those of the findings included; of TFRecords the images
    findings: list      # of Finding, in file order
    notes: tuple = ()   # lines about labels and files that are not taken
    levels: int = None  # TFRecord files, which hold the images in several sizes; None = not TFRecords


def several(names, kind, detail):
    """One Finding about several files."""
    return Finding(f'{len(names)} files', kind, detail, tuple(names))


def table(report):
    """A Report as lines of text: one line per problem, the count and the meaning of each kind, the notes."""
    lines, findings = [], report.findings
    if findings:
        width = min(max(len(finding.name) for finding in findings), 60)
        lines = ['{:{}}  {:13}  {}'.format(f.name, width, f.kind, f.detail).rstrip() for f in findings] + ['']
    counts = collections.Counter()
    for finding in findings:
        counts[finding.kind] += len(finding.files) or 1
    lines += [f'{kind:13} {counts[kind]:7}  {meaning}' for kind, meaning in KINDS.items() if counts[kind]]
    bad = set().union(*(finding.files or (finding.name,) for finding in findings))
    if report.levels is None:
        return lines + list(report.notes) + [f'{report.num_files} checked, {len(bad)} with problems']
    levels = f'{report.levels} level{"" if report.levels == 1 else "s"}'
    return lines + list(report.notes) + [
        f'{report.num_files} images in {levels} checked, {len(bad)} records or files with problems']


def compare(facts, resolution=None):
    """Findings that need a comparison with the other images: modes, sizes, duplicates.

    Args:
        facts: List of Facts; findings about single images are added to their lists. Where a resolution is given, those
            that converting to it solves are removed.
        resolution: See `image_size.parse`, or `None` if images are to be used as they are.
    Returns: List of Finding about several images at once.
    """
    decoded = [fact for fact in facts if fact.mode is not None]
    if not decoded:
        return []
    _compare_pixels(decoded)
    if resolution is None:
        _compare_modes(decoded)
        return _rotated(decoded) + _compare_sizes(decoded)
    size = tuple(image_size.parse(resolution).shape[::-1])
    small = [fact for fact in decoded if fact.size[0] < size[0] or fact.size[1] < size[1]]
    for fact in facts:
        fact.findings[:] = [finding for finding in fact.findings if finding.kind not in SOLVED]
    return [several([fact.name for fact in small], 'small', _range(small))] if small else []


def _compare_pixels(decoded):
    seen = {}
    for fact in decoded:
        first = seen.setdefault((fact.digest, fact.size, fact.mode), fact.name)
        if first != fact.name:
            fact.findings.append(Finding(fact.name, 'duplicate', 'of ' + first))


def _compare_modes(decoded):
    modes = collections.Counter(fact.mode for fact in decoded if fact.mode in ('L', 'RGB')) or {'RGB': 1}
    usual = max(sorted(modes), key=modes.get)
    for fact in decoded:
        if fact.mode != usual and not {'alpha', 'CMYK', '16-bit'} & {finding.kind for finding in fact.findings}:
            kind = 'gray' if fact.mode in GRAY_MODES and usual == 'RGB' else 'mode'
            fact.findings.append(Finding(fact.name, kind, f'mode {fact.mode} instead of {usual}'))


def _rotated(decoded):
    """One Finding instead of those about files that are stored rotated."""
    rotated = [fact for fact in decoded if 'EXIF rotation' in [finding.kind for finding in fact.findings]]
    for fact in rotated if len(rotated) > 1 else ():
        fact.findings[:] = [finding for finding in fact.findings if finding.kind != 'EXIF rotation']
    return [several([fact.name for fact in rotated], 'EXIF rotation', '')] if len(rotated) > 1 else []


def _compare_sizes(decoded):
    (size, count), = collections.Counter(fact.size for fact in decoded).most_common(1)
    others = [fact for fact in decoded if fact.size != size]
    usual = '{1}x{0}'.format(*size)
    if count * 2 <= len(decoded) or len(others) > max(FEW, len(decoded) // 10):
        return [several([fact.name for fact in decoded], 'size', f'differ: {_range(decoded)} (height x width)')]
    for fact in others:
        detail = '{1}x{0} (height x width), most are {2}'.format(*fact.size, usual)
        fact.findings.append(Finding(fact.name, 'size', detail))
    if image_size.find(*size[::-1]) is None:
        nearest = ', '.join('%dx%d' % shape for shape in image_size.nearest(*size[::-1]))
        return [several([fact.name for fact in decoded if fact.size == size], 'size',
                        f'{usual} (height x width), which no network has; the nearest are {nearest}')]
    return []


def _range(facts):
    """The smallest and the largest size by area, as height x width."""
    sizes = sorted((fact.size[0] * fact.size[1], fact.size) for fact in facts)
    texts = ['{1}x{0}'.format(*size) for _, size in (sizes[0], sizes[-1])]
    return texts[0] if texts[0] == texts[1] else ' to '.join(texts)
