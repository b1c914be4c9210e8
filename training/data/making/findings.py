"""What can be wrong with a file or record of a dataset, and the table that lists it."""

import collections
from typing import NamedTuple

from training import image_size
from training.data.images import GRAY_MODES

# kind of problem -> what it means for training
KINDS = collections.OrderedDict([
    ('zero bytes', 'empty files; replace or remove them'),
    ('not an image', 'unknown format or name; such files are ignored, such records stop training'),
    ('truncated', 'the end is missing; stops training'),
    ('corrupt', 'damaged; stops training'),
    ('over 100 MP', 'over 100 megapixels; refused'),
    ('mode', 'differs from the usual color mode; --resolution converts it'),
    ('alpha', 'has transparency; --resolution puts white behind it'),
    ('gray', 'gray among color images; --resolution converts it'),
    ('CMYK', 'colors for print; --resolution converts it'),
    ('16-bit', 'more than 8 bits per channel; convert it'),
    ('EXIF rotation', 'stored rotated; rotated back when read'),
    ('size', 'differs from the usual size, or no network has it; --resolution crops and scales it'),
    ('animated', 'only the first frame is read'),
    ('duplicate', 'the same pixels as an earlier image'),
    ('levels', 'the levels of detail do not match; re-create the dataset'),
    ('labels', 'invalid labels; correct or remove the file'),
])


class Finding(NamedTuple):
    """One problem of one file or record."""
    name: str    # of the file or record
    kind: str    # key of KINDS
    detail: str  # what exactly, '' if `kind` says it all


class Facts(NamedTuple):
    """What is known about one image; mode, size and digest are `None` if it can't be decoded."""
    name: str       # of the file or record
    mode: str       # color mode, PIL's name
    size: tuple     # (width, height)
    digest: bytes   # hash of the pixels
    findings: list  # of Finding


def table(num_files, findings):
    """The findings as lines of text: one line per problem, then the count and the meaning of each kind."""
    lines = []
    if findings:
        width = min(max(len(finding.name) for finding in findings), 60)
        lines = ['{:{}}  {:13}  {}'.format(f.name, width, f.kind, f.detail).rstrip() for f in findings] + ['']
    counts = collections.Counter(finding.kind for finding in findings)
    lines += [f'{kind:13} {counts[kind]:7}  {meaning}' for kind, meaning in KINDS.items() if counts[kind]]
    bad = len(set(finding.name for finding in findings))
    return lines + [f'{num_files} checked, {bad} with problems']


def add_comparisons(facts):
    """Adds the findings that need a comparison with the other images: mode, size, duplicates.

    Args:
        facts: List of Facts whose findings are lists.
    """
    decoded = [fact for fact in facts if fact.mode is not None]
    modes = collections.Counter(fact.mode for fact in decoded if fact.mode in ('L', 'RGB')) or {'RGB': 1}
    usual_mode = max(sorted(modes), key=modes.get)
    sizes = collections.Counter(fact.size for fact in decoded)
    usual_size = sizes.most_common(1)[0][0] if sizes else None
    seen = {}
    for fact in decoded:
        reported = [finding.kind for finding in fact.findings]
        if fact.mode != usual_mode and not {'alpha', 'CMYK', '16-bit'} & set(reported):
            kind = 'gray' if fact.mode in GRAY_MODES and usual_mode == 'RGB' else 'mode'
            fact.findings.append(Finding(fact.name, kind, f'mode {fact.mode} instead of {usual_mode}'))
        width, height = fact.size
        if fact.size != usual_size:
            fact.findings.append(Finding(fact.name, 'size', '{}x{} (height x width), most are {}x{}'.format(
                height, width, *usual_size[::-1])))
        elif image_size.find(height, width) is None:
            fact.findings.append(Finding(fact.name, 'size', f'{height}x{width} (height x width), which no network has'))
        first = seen.setdefault((fact.digest, fact.size, fact.mode), fact.name)
        if first != fact.name:
            fact.findings.append(Finding(fact.name, 'duplicate', 'of ' + first))
