"""Options of the command line that all methods without StyleGAN's tables share: minibatch, learning rates, width."""

from dnnlib import cli
from training.options import lrates, saving, width

BY_CONFIG = 'by config'
NORM = '; batch norm sees one round at a time'  # of --minibatch-gpu, where networks have it


def add(parser, batch=BY_CONFIG, rounds='', rate='both networks', rate_default=BY_CONFIG, widths='both networks'):
    """Adds the options to an argparse parser or group.

    Args:
        batch: Usual minibatch, or words about it that end with it in brackets.
        rounds: What is said about --minibatch-gpu; it may end with its default, in brackets.
        rate: Networks that `--lr` is for; `None` = both, and there are `--g-lr` and `--d-lr`.
        rate_default: Usual rate.
        widths: What `--width` multiplies the feature maps of.
    """
    p = parser
    p.add_argument('--batch', type=int, metavar='N', help='images per step, over all rounds' + (
        batch if batch.endswith(')') else f' (default: {batch})'))
    p.add_argument('--minibatch-gpu', type=int, metavar='N', help=f'images per device and round{rounds}' + (
        '' if rounds.endswith(')') else ' (default: all)'))
    rates = dict(lr=rate) if rate else dict(lr='both networks', g_lr='the generator', d_lr='the discriminator')
    for name, of in rates.items():
        usual = rate_default if rate or name == 'lr' else f'--lr, or else {rate_default}'
        p.add_argument('--' + name.replace('_', '-'), type=cli.finite_float, metavar='FLOAT',
                       help=f'learning rate of {of} (default: {usual})')
    lrates.add(p)
    p.add_argument('--width', type=width.argument, default=1, metavar='FACTOR', help='multiplies the feature maps of '
                   f'{widths}, such as 1/4 (default: %(default)s)')


def check(args):
    """Refuses bad values; raises UserError."""
    saving.check_numbers(args, batch=1, minibatch_gpu=1)
    saving.check_positive(args, *[name for name in ('lr', 'g_lr', 'd_lr') if hasattr(args, name)])
