"""Options of the command line about what a training starts from, what it saves and when it goes back."""

import os

from dnnlib import UserError, cli
from training import pretrained
from training.options import continuing
from training.state import pairs


def add(parser):
    """Adds the options to an argparse parser."""
    p = parser
    p.add_argument('--resume', default='auto', metavar='WHAT',
                   help='auto = resume the same unfinished run if there is one; none = start over; a run directory; '
                   'a saved state (RUN/state/NUMBER), from which a new run continues; path, URL or published name, '
                   'such as ffhq256, of a network pickle to start from; two published generators, joined by a comma, '
                   'for cyclegan (default: %(default)s)')
    p.add_argument('--strict', action='store_true',
                   help='refuse a network pickle whose variables are not exactly those of the networks')
    p.add_argument('--nan-patience', type=int, default=100, metavar='N',
                   help='after N steps in a row whose gradients are not finite, go back to the last good state, once, '
                   'then stop; 0 = never (default: %(default)s)')
    p.add_argument('--snap', type=int, metavar='TICKS', help='ticks between snapshots (default: 10; small: 4)')
    p.add_argument('--checkpoint-minutes', type=cli.finite_float, default=10, metavar='MIN',
                   help='minutes between saved states (default: %(default)s)')
    p.add_argument('--max-hours', type=cli.finite_float, metavar='HOURS',
                   help='stop after so many hours, with a saved state; the same command goes on (default: no limit)')
    p.add_argument('--keep', type=int, default=2, metavar='N', help='newest states to keep (default: %(default)s)')
    p.add_argument('--keep-best', metavar='METRIC',
                   help='keep the state of the best snapshot by one of --metrics as well (default: none)')


def check(args, is_first=True):
    """Refuses bad values; raises UserError.

    Args:
        args: Parsed command line.
        is_first: Is this worker 0, or the only one? The others get the weights from it and need no such file.
    """
    check_numbers(args, snap=1, checkpoint_minutes=0, keep=1, nan_patience=0)
    check_positive(args, 'max_hours')
    if args.strict and args.resume in ('auto', 'none'):
        raise UserError('--strict: there is nothing to compare with; give --resume=PKL as well')
    path = None if args.resume in ('auto', 'none') or not is_first else pretrained.get_path_or_url(args.resume)
    if path is not None and '://' not in path and not os.path.exists(path) and pairs.split(path) is None:
        raise UserError(f'--resume={args.resume}: expected auto, none, a run directory, a saved state or a network '
                        'pickle')
    if path is not None:
        continuing.check_start(args.resume)


def check_numbers(args, **minima):
    """Refuses numbers below their minima {name: minimum} or of 2^32 and more; `None` is no number. Raises UserError."""
    for name, minimum in minima.items():
        value = getattr(args, name)
        if value is not None and not minimum <= value < 2 ** 32:
            raise UserError(f'--{name.replace("_", "-")}={value}: expected {minimum} to 4294967295')


def check_positive(args, *names):
    """Refuses numbers, by the names of their options, that are not above 0; `None` is no number. Raises UserError."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value <= 0:
            raise UserError(f'--{name.replace("_", "-")}={value:g}: expected a number above 0')
