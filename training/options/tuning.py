"""Options of the command line that all configurations of StyleGAN share: gamma, minibatch, rates, frozen layers."""

import argparse

from dnnlib import UserError, cli
from training.options import lrates, width
from training.options.saving import check_numbers, check_positive


class TwoNames(argparse.Action):
    """An option with two names, ours and that of the StyleGAN2-ADA release; both with different values is an error."""

    _given = None

    def __call__(self, parser, namespace, values, option_string=None):
        before = self._given or (option_string, values)
        if before[0] != option_string and before[1] != values:
            raise argparse.ArgumentError(self, f'{before[0]} and {option_string} are the same option, but got '
                                               f'{before[1]!r} and {values!r}; give one of them')
        self._given = option_string, values
        setattr(namespace, self.dest, values)


def kimg(text):
    """Argument type: a whole number of thousands of images."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected a whole number of thousands of images, got {text!r}; --epochs '
                                         'takes fractions of a pass over the data') from None


def gamma(text):
    """Argument type: a finite number, or `auto`."""
    return text if text == 'auto' else cli.finite_float(text)


def minibatch_gpu(text):
    """Argument type: a number of images from 1 on, or `auto`."""
    if text == 'auto':
        return text
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'expected a number of images or auto, got {text!r}')
    return int(text)


def add(parser):
    """Adds the options to an argparse parser or group."""
    p = parser
    p.add_argument('--gamma', type=gamma, metavar='FLOAT',
                   help='weight of R1 or R2, or auto = 0.0002 * pixels / minibatch (default: by config)')
    p.add_argument('--batch', type=int, metavar='N', help='images per step, over all rounds (default: by config)')
    p.add_argument('--minibatch-gpu', type=minibatch_gpu, metavar='N',
                   help='images per device and round, or auto = the largest number that fits in memory; the minibatch '
                   'stays the same (default: by config)')
    p.add_argument('--lr', type=cli.finite_float, metavar='FLOAT',
                   help='learning rate of both networks (default: by config)')
    lrates.add(p)
    width.add(p)
    p.add_argument('--freeze-d', '--freezed', type=int, default=0, metavar='N', action=TwoNames,
                   help='do not train the first N layers of the discriminator (default: %(default)s)')
    p.add_argument('--freeze-mapping', action='store_true', help='do not train the mapping network')


def check(args):
    """Refuses bad values; raises UserError."""
    check_numbers(args, freeze_d=0, batch=1)
    if args.gamma != 'auto':
        check_numbers(args, gamma=0)
    check_positive(args, 'lr')
    frozen = '--freeze-d' if args.freeze_d else '--freeze-mapping' if args.freeze_mapping else None
    if frozen and args.resume in ('auto', 'none'):
        raise UserError(f'{frozen}: untrained layers would stay random; give --resume=PKL as well')


def sched_args(args, published):
    """Options of the schedule: those of the configuration, with the minibatch and the rates that were asked for.

    Tables by resolution give way to numbers of the command line; prints which.

    Args:
        args: Parsed command line.
        published: Options of training.schedule.training_schedule of the configuration.
    Returns: Plain dictionary.
    Raises: UserError if the minibatch can't be split into rounds.
    """
    sched, replaced = dict(published), []

    def put(flag, **values):
        tables = [sched.pop(name.replace('_base', '_dict'), None) for name in values]
        replaced.extend([flag] if any(tables) else [])
        sched.update(values)

    if args.batch is not None:
        put('--batch', minibatch_size_base=args.batch,
            minibatch_gpu_base=images_per_round(args.batch, sched['minibatch_gpu_base'], num_workers(args)))
    if args.minibatch_gpu is not None:
        put('--minibatch-gpu', minibatch_gpu_base=args.minibatch_gpu)
    if args.lr is not None:
        put('--lr', G_lrate_base=args.lr, D_lrate_base=args.lr)
    sched.update(lrates.of(args))
    if replaced:
        print(f'{" and ".join(replaced)}: at every resolution, instead of the table of {args.config}')
    if num_workers(args) > 1:
        share(sched, args)
    check_rounds(sched, args)
    return sched


def num_workers(args):
    """Among how many processes a parsed command line divides each minibatch."""
    return max(args.num_gpus, args.num_workers)


def images_per_round(batch, largest, num_workers):
    """Images per device and round so that a minibatch of `batch` is a whole number of rounds.

    More than one, for the sake of the minibatch standard deviation, and at most `largest`; if there is no such number,
    the next larger one that several workers can have, else `largest`, or what a device gets of a smaller minibatch.
    """
    per_worker = batch // num_workers
    largest = max(min(largest, per_worker), 1)
    larger = range(largest + 1, per_worker + 1) if num_workers > 1 else ()
    return next((size for sizes in (range(largest, 1, -1), larger) for size in sizes
                 if batch % (size * num_workers) == 0), largest)


def share(sched, args):
    """Makes the minibatches of every resolution whole numbers of rounds on several workers.

    Args:
        sched: Options of the schedule; changed, unless the images per round were asked for.
        args: Parsed command line.
    Raises: UserError if a minibatch does not divide by the number of workers.
    """
    count, sizes = num_workers(args), dict(sched.get('minibatch_size_dict') or {}, base=sched['minibatch_size_base'])
    for size in sizes.values():
        if size % count:
            below = f'{size // count * count} or ' if size > count else ''
            raise UserError(f'minibatch {size} does not divide by {count}: use {below}{size // count * count + count} '
                            '(--batch), or another number of workers')
    if args.minibatch_gpu is None:
        table = dict(sched.get('minibatch_gpu_dict') or {}, base=sched['minibatch_gpu_base'])
        fitted = {key: images_per_round(sizes.get(key, sizes['base']), table.get(key, table['base']), count)
                  for key in set(sizes) | set(table)}
        if fitted['base'] != table['base']:
            print(f'{count} workers: {fitted["base"]} images per device and round, so that a minibatch is a whole '
                  'number of rounds')
        sched['minibatch_gpu_base'] = fitted.pop('base')
        if fitted:
            sched['minibatch_gpu_dict'] = {key: fitted[key] for key in sorted(fitted)}


def note_single_images(options):
    """Says what becomes of the path lengths where there is one image per device and round: the release fails there."""
    loss = options['G_loss_args']
    measured = loss['func_name'].endswith(('_pathreg', '.G_compared'))  # the second is of --cmethod=zcr and auxrot
    if options['sched_args']['minibatch_gpu_base'] == 1 and measured and loss.get('pl_weight') != 0:
        print('One image per device and round: path lengths are measured on each image, instead of on half of them')


def shared_batch(args, batch):
    """(images per step, workers that share them) of a parsed command line; `batch` = images that are usual.

    Raises: UserError if the first does not divide by the second.
    """
    batch, workers = args.batch or batch, num_workers(args)
    if batch % workers:
        raise UserError(f'a minibatch of {batch} does not divide by {workers} workers: use --batch='
                        f'{-(-batch // workers) * workers}')
    return batch, workers


def check_rounds(sched, args):
    """Raises UserError if the minibatch of a schedule without tables can't be split over devices and rounds."""
    size, per_gpu = sched['minibatch_size_base'], sched['minibatch_gpu_base']
    if per_gpu == 'auto' or 'minibatch_size_dict' in sched:
        return
    count = num_workers(args)
    if per_gpu < 1 or size % (per_gpu * count):
        on = '1 GPU' if count == 1 else f'{count} workers'
        raise UserError(f'--config={args.config}: a minibatch of {size} images cannot be split into rounds of '
                        f'{max(per_gpu, 1)} on {on}; give '
                        '--minibatch-gpu or --batch so that it can')
