"""Entries of the contest of generative dog images (Kaggle 2019): the options that sources give, and those they don't.

Configurations whose names begin with `dogs-` stand beside those of their method, with its networks and options; this
module holds the words. Of the winners only the fifth published a program; of the others there are notes.
"""

import textwrap
from collections import OrderedDict
from typing import NamedTuple

WIDTH = 120  # of lines
BOXES = '--resolution=64 --bbox=Annotation'


class Contest(NamedTuple):
    """What is known about an entry."""
    rank: str         # in the contest, and what says so
    says: str         # options that the source gives
    unknown: str      # what it does not say, with what is taken instead
    data: str         # options of `dataset_tool.py create_from_images`
    lacks: str = ''   # what it says and this configuration does not do


ENTRIES = OrderedDict([
    ('dogs-biggan-1st', Contest(
        'rank 1; notes, and a summary page that agrees',
        'BigGAN of 10 million weights in G and 8 million in D, leaky ReLU, attention at 32 pixels, 120 normal latents, '
        'cross entropy with 0.9 for reals, Adam 0.0003 (0, 0.999), batch 32, 130 epochs, no moving average, mirrored '
        'pictures; pictures are drawn with latents below 0.8: generate-images --latents=truncated:0.8',
        'feature maps (here 35 and 41, for these numbers of weights), the slope (0.2), whether latents are divided '
        'among the blocks (they are), epsilon of Adam (that of BigGAN)',
        BOXES + ' --aspect-range=0.25,5 --fit=random --exclude=intruders.txt (a list that was not published)')),
    ('dogs-biggan-5th', Contest(
        'rank 5; its program',
        'BigGAN of 32 feature maps in G and 64 in D, attention at 32 pixels, 100 latents in five parts, classes in 128 '
        'numbers, orthogonal initial weights, hinge, Adam 0.0001 and 0.0004 (0, 0.999), batch 32, 60 epochs, moving '
        'average 0.9999 from iteration 30,000, epsilon 1e-8 in singular vectors, mirrored pictures; reals shifted by '
        'up to 6 %, scaled by -6 to 18 %, turned by up to 6 degrees',
        'epsilon of Adam (that of BigGAN)',
        BOXES + ':4% --square, also :6%',
        'crops that depend on the aspect ratio of a box')),
    ('dogs-sagan-3rd', Contest(
        'rank 3; a summary page',
        'SAGAN, attention of G at 32 and of D at 16 pixels, 180 latents, Adam 0.0002 and 0.0004, cross entropy with '
        'smoothing, batch 32, 170 epochs, cosine with restarts; boxes, or whole pictures where they cover most of them',
        'feature maps (64, as SAGAN), how much smoothing (0.9), the waves (165 kimg down to 0.00005, the 8 epochs of '
        'public programs), mirroring (yes), whether it knew classes (yes; --classes=0 for none)',
        BOXES + ' --box-policy=whole')),
    ('dogs-biggan-lb42', Contest(
        'rank unknown, 42 on the public board; notes',
        'BigGAN of 48 feature maps in both, batch 32, Adam 0.0003 (0.2, 0.9), 40,000 iterations, rates that fall '
        'exponentially from 32,000 on',
        'how fast they fall (times 0.9997 each), mirroring (yes), the data, all else (as BigGAN)',
        '--resolution=64')),
    ('dogs-stylegan-8th', Contest(
        'rank 8; notes',
        'StyleGAN at 64 pixels with at most 256 feature maps, boxes, mirrored pictures, no truncation: '
        'generate-images --truncation-psi=1',
        'the table of its parameters, whose tuning took it from 140 to 35 on the public board, is lost (as config-a)',
        BOXES)),
    ('dogs-progan', Contest(
        'rank unknown, 30 on the public board; notes',
        'ProGAN with the 120 breeds as classes, boxes and 10 pixels around them, mirrored pictures, mild color jitter',
        'how mild (0.1 of brightness, contrast and saturation, 0.02 of hue), all else (as ProGAN)',
        BOXES + ':10px')),
])


def describe(name):
    """What is known about a configuration: list of lines; empty for one that is not of the contest."""
    if name not in ENTRIES:
        return []
    entry = ENTRIES[name]
    parts = [('', f'{name}: {entry.rank}'), ('said: ', entry.says), ('not said, and taken: ', entry.unknown),
             ('not here: ', entry.lacks), ('data: ', f'create_from_images {entry.data}')]
    return [line for begin, text in parts if text
            for line in textwrap.wrap(begin + text, WIDTH, initial_indent='  ' * bool(begin), subsequent_indent='    ')]


def describe_all(names):
    """`describe` of those of some configurations that are of the contest."""
    return [line for name in names for line in describe(name)]


def prefer(args):
    """Enters into a parsed command line what all of these have in common and was not given: 64 pixels, mirroring."""
    if args.config in ENTRIES:
        args.resolution = 64 if args.resolution is None else args.resolution
        args.mirror_augment = True if args.mirror_augment is None else args.mirror_augment
        print('\n'.join(describe(args.config)))
