"""What can be wrong with a file or record of a dataset, and how it is told."""

import collections

from training import image_size
from training.data.images import GRAY_MODES

# kind of problem -> what it means for a training
KINDS = collections.OrderedDict([
    ('zero bytes', 'empty files; replace or remove them'),
    ('not an image', 'of no known format or name; other files are ignored, records stop a training'),
    ('truncated', 'the end is missing; stops a training'),
    ('corrupt', 'damaged; stops a training'),
    ('over 100 MP', 'over 100 megapixels; refused'),
    ('mode', 'another color mode than most; --resolution converts it'),
    ('alpha', 'has transparency; --resolution puts it over white'),
    ('gray', 'gray among color images; --resolution converts it'),
    ('CMYK', 'print colors; --resolution converts it'),
    ('16-bit', 'more than 8 bits a channel; convert it'),
    ('EXIF rotation', 'stored turned; it is turned back when read'),
    ('size', 'another size than most, or none that networks have; --resolution crops and scales it'),
    ('animated', 'only the first frame is read'),
    ('duplicate', 'the same pixels as an earlier image'),
    ('levels', 'the levels of detail do not belong together; create the dataset anew'),
    ('labels', 'cannot be used as labels; correct or remove the file'),
])


class Finding(collections.namedtuple('Finding', 'name kind detail')):
    """One problem of one file or record: its name, a key of KINDS, and what exactly."""


class Facts(collections.namedtuple('Facts', 'name mode size digest findings')):
    """What is known of one image; mode, size and digest are `None` if it can't be decoded."""


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


def add_comparisons(facts):
    """Adds to the findings of each image what comes from comparing it with the others: mode, size, duplicates.

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
            fact.findings.append(Finding(fact.name, kind, 'mode {} instead of {}'.format(fact.mode, usual_mode)))
        width, height = fact.size
        if fact.size != usual_size:
            fact.findings.append(Finding(fact.name, 'size', '{}x{} (height x width), most are {}x{}'.format(
                height, width, *usual_size[::-1])))
        elif image_size.find(height, width) is None:
            fact.findings.append(Finding(fact.name, 'size', '{}x{} (height x width), which no network has'.format(
                height, width)))
        first = seen.setdefault((fact.digest, fact.size, fact.mode), fact.name)
        if first != fact.name:
            fact.findings.append(Finding(fact.name, 'duplicate', 'of ' + first))
