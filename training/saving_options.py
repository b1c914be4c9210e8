"""Options of the command line about what a training begins from and what it saves."""

import os

from dnnlib import UserError, cli
from training import pretrained


def add(parser):
    """Adds the options to an argparse parser."""
    p = parser
    p.add_argument('--resume', default='auto', metavar='WHAT',
                   help='auto = continue the same unfinished run if there is one; none = start anew; a run directory; '
                   'a network pickle to start from (default: %(default)s)')
    p.add_argument('--snap', type=int, default=10, metavar='TICKS',
                   help='ticks between snapshots (default: %(default)s)')
    p.add_argument('--checkpoint-minutes', type=cli.finite_float, default=10, metavar='MIN',
                   help='minutes between saved states (default: %(default)s)')


def check(args):
    """Refuses bad values; raises UserError."""
    check_numbers(args, snap=1, checkpoint_minutes=0)
    is_path = args.resume not in ('auto', 'none') and '://' not in pretrained.get_path_or_url(args.resume)
    if is_path and not os.path.exists(args.resume):
        raise UserError('--resume={}: expected auto, none, a run directory or a network pickle'.format(args.resume))


def check_numbers(args, **minima):
    """Refuses numbers below their minima {name: minimum} or of 2^32 and more; `None` is no number. Raises UserError."""
    for name, minimum in minima.items():
        value = getattr(args, name)
        if value is not None and not minimum <= value < 2 ** 32:
            raise UserError('--{}={}: expected {} to 4294967295'.format(name.replace('_', '-'), value, minimum))
