"""Configurations of StyleGAN2-ADA (Karras et al. 2020), without TensorFlow: `--config=auto` and so on.

They train with the method of StyleGAN2, with other networks and numbers, and augment by default.
"""

from collections import OrderedDict
from typing import NamedTuple

from dnnlib import UserError, cli, util
from training import image_size
from training.options import augmenting, comparison, continuing, data, losses, saving, stylegan2, tuning, width

AUG = 'ada'  # default of --aug
SMALL_SIDES = 32, 128  # pixels that `small` is for
SMALL_PIXELS = 8.5 * 10 ** 4  # those that it trains on in a second on two cores: 21 images of 64x64, as measured


class Config(NamedTuple):
    """Numbers of a configuration, those of the published program."""
    adds: str                  # what it is for
    minibatch_size: int        # images per step
    minibatch_gpu: int         # images per device and round, those of the published number of devices
    mbstd_group_size: int      # images that share the minibatch standard deviation
    fmap_base: int             # feature maps: this divided by the resolution, at most FMAP_MAX
    lrate: float               # learning rate of G and D
    gamma: float               # weight of R1
    G_smoothing_kimg: float    # half-life of the generator's average
    G_smoothing_rampup: float  # of the images shown, the share that half-life is at most; None = no limit
    mapping_layers: int        # of G
    total_kimg: int = 25000    # default length of the training
    tuned: dict = {}           # {group: further options}
    fmap_max: int = width.FMAP_MAX
    snap: int = None           # ticks between snapshots; None = as everywhere
    tune_kimg: float = None    # thousand images in which p can move by 1; None = as published


CIFAR = Config('CIFAR-10 at 32x32, tuned', 64, 32, 32, 8192, 0.0025, 0.01, 500, 0.05, 2, 100000, dict(
    G_args=dict(style_mixing_prob=None), D_args=dict(architecture='orig'), G_loss_args=dict(pl_weight=0)))
CONFIGS = OrderedDict([
    ('auto', None), ('small', None),  # by the data
    ('stylegan2', Config('config-f, which the ADA release trains in mixed precision', 32, 4, 4, 16384, 0.002, 10, 10,
                         None, 8)),
    ('paper256', Config('FFHQ and LSUN Cat at 256x256', 64, 8, 8, 8192, 0.0025, 1, 20, None, 8)),
    ('paper512', Config('BreCaHAD and AFHQ at 512x512', 64, 8, 8, 16384, 0.0025, 0.5, 20, None, 8)),
    ('paper1024', Config('MetFaces at 1024x1024', 32, 4, 4, 16384, 0.002, 2, 10, None, 8)),
    ('cifar', CIFAR),
    ('cifarbaseline', CIFAR._replace(adds='CIFAR-10 at 32x32, as StyleGAN2', mapping_layers=8, tuned={}))])


def auto(shape, num_gpus=1, batch=None):
    """The configuration `auto`, which depends on the data and the machine.

    Sizes that are no square powers of two count as the square one of as many levels; gamma goes by the pixels.

    Args:
        shape: [C, H, W] of the images.
        num_gpus: Number of devices.
        batch: Images per step; None = by the rule.
    Returns: Config.
    """
    pixels, resolution = shape[1] * shape[2], 2 ** image_size.parse(shape[1:]).num_levels
    size = max(min(num_gpus * min(4096 // resolution, 32), 64), num_gpus)
    per_gpu = size // num_gpus
    if batch is not None:
        size, per_gpu = batch, tuning.images_per_round(batch, per_gpu, num_gpus)
    return Config(
        'by the data and the number of GPUs, here one', minibatch_size=size, minibatch_gpu=per_gpu,
        mbstd_group_size=_group_size(per_gpu),
        fmap_base=16384 if resolution >= 512 else 8192, lrate=0.002 if resolution >= 1024 else 0.0025,
        gamma=0.0002 * pixels / size, G_smoothing_kimg=size * 10 / 32, G_smoothing_rampup=0.05, mapping_layers=2)


def _fitting_group(config, per_round):
    """Images that share the minibatch standard deviation, where a worker's round has other ones than the rule's."""
    usual = config.mbstd_group_size
    if per_round == 'auto' or per_round <= usual or per_round % usual == 0:
        return usual
    return _group_size(per_round)


def _group_size(per_round):
    """The published rule, for all numbers of images: the largest group of at most four that divides them."""
    return max(count for count in (1, 2, 3, 4) if per_round % count == 0)


def small(shape, num_gpus=1, batch=None):
    """The configuration `small`: `auto` with networks for two processor cores and a training of some hours.

    The networks are like those of `make demo`: 32 feature maps at full size, at most 128. With
    the rule's gamma (0.1 at 64x64) D gets far ahead of them, and in short trainings steps are what counts.

    Args:
        shape, num_gpus, batch: See `auto`.
    Returns: Config.
    """
    resolution = 2 ** image_size.parse(shape[1:]).num_levels
    ticks = dict(tick_kimg_base=max(round(256 / resolution) / 2, 0.5))  # of one to three minutes
    return auto(shape, num_gpus, 8 if batch is None else batch)._replace(
        gamma=1, adds=f'{SMALL_SIDES[0]} to {SMALL_SIDES[1]} pixels on a CPU', fmap_base=16 * resolution, fmap_max=128,
        total_kimg=200, snap=4, tune_kimg=augmenting.TUNE_KIMG_FROM_NETWORKS,  # else p would still rise at the end
        tuned=dict(G_args=dict(latent_size=128, dlatent_size=128), sched_args=ticks,
                   grid_args=dict(size='12x8', layout='random')))


def expect(shape, total_kimg, own_width=1):
    """What to expect of `small`: list of lines.

    Args:
        shape: [C, H, W] of the images.
        total_kimg: Length of the training, thousand images.
        own_width: Value of `--width`; the times were measured at 1.
    """
    seconds = shape[1] * shape[2] * 1000 / SMALL_PIXELS
    narrow = '' if own_width == 1 else ' at --width=1'
    lines = [f'--config=small: 1000 images of {shape[2]}x{shape[1]} pixels take about {util.format_time(seconds)} on '
             f'two processor cores{narrow}, {total_kimg:g} thousand about {util.format_time(seconds * total_kimg)}; '
             'fakes*.png in the run directory show how far it is']
    if not min(shape[1:]) >= SMALL_SIDES[0] or not max(shape[1:]) <= SMALL_SIDES[1]:
        lines.append('--config=small is for {} to {} pixels; with --resolution=64 pictures are cropped and scaled, '
                     'larger ones are for --config=auto and a GPU'.format(*SMALL_SIDES))
    return lines


def table():
    """The configurations: list of lines."""
    row = '{:<13} {:<9} {:<7} {:<5} {:<9} {:<6} {:<5} {:<7} {:<7} {:<7} {:<6}  {}'.format
    lines = [row('config', 'minibatch', 'per GPU', 'group', 'fmap_base', 'rate', 'gamma', 'average', 'ramp-up',
                 'mapping', 'kimg', 'for')]
    shown = [(f'auto at {size}', auto((3, size, size))) for size in (256, 1024)] + [('small at 64', small((3, 64, 64)))]
    for name, c in shown + list(CONFIGS.items())[2:]:
        lines.append(row(name, c.minibatch_size, c.minibatch_gpu, c.mbstd_group_size, c.fmap_base, c.lrate,
                         round(c.gamma, 2), c.G_smoothing_kimg, c.G_smoothing_rampup or 'none', c.mapping_layers,
                         c.total_kimg, c.adds))
    return lines + ['augment by default (--aug=ada), train with labels if the data have any; cifar also without path '
                    'lengths and style mixing, with an orig discriminator']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    tuning.add(parser)
    augmenting.add(parser, AUG)
    comparison.add(parser)
    losses.add(parser, dict(G=(), D=()), dict(G='logistic_ns+pl', D='logistic_ns+r1'))
    parser.add_argument('--dcap', type=cli.finite_float, default=1, metavar='FACTOR',
                        help='multiplies the feature maps of the discriminator (default: %(default)s)')


def check(args):
    """Refuses bad values of them; raises UserError."""
    tuning.check(args)
    tuning.check_numbers(args, total_kimg=1)
    augmenting.check(args, AUG, args.cmethod in comparison.HEURISTIC_TARGETS)
    comparison.check(args, augmenting.chosen(args, AUG))
    if args.cmethod != 'nocmethod' and (args.g_loss or args.d_loss):
        raise UserError(f'--cmethod={args.cmethod}: has losses of its own; drop --g-loss and --d-loss')
    saving.check_positive(args, 'dcap')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for data, or a number of devices, that the configuration is not for.
    """
    if args.num_gpus & args.num_gpus - 1:
        raise UserError(f'--num-gpus={args.num_gpus}: --config={args.config} is for 1, 2, 4, 8, ... GPUs')
    found = data.look(args, 'any')
    by_data = dict(auto=auto, small=small)
    c = CONFIGS[args.config] or by_data[args.config](found.shape, args.num_gpus, args.batch)
    comparison.check_data(args.cmethod, found.label_size, c.mapping_layers)
    lrate = comparison.WGAN_LRATE if args.cmethod == 'wgangp' else c.lrate
    options = dict(
        freeze_mapping=args.freeze_mapping, G_smoothing_kimg=c.G_smoothing_kimg,
        G_args=dict(func_name='training.networks_ada.G_main', fmap_base=c.fmap_base, fmap_max=c.fmap_max,
                    mapping_layers=c.mapping_layers),
        D_args=dict(func_name='training.networks_ada.D_main', fmap_base=max(int(c.fmap_base * args.dcap), 1),
                    fmap_max=max(int(c.fmap_max * args.dcap), 1), mbstd_group_size=c.mbstd_group_size),
        G_opt_args=dict(stylegan2.ADAM), D_opt_args=dict(stylegan2.ADAM),
        G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
        D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma=c.gamma if args.gamma is None else args.gamma),
        sched_args=tuning.sched_args(args, dict(
            minibatch_size_base=c.minibatch_size, minibatch_gpu_base=c.minibatch_gpu, G_lrate_base=lrate,
            D_lrate_base=lrate, tick_kimg_base=4, tick_kimg_dict={})),
        dataset_args=dict(max_label_size='any'))
    if args.config in by_data:
        options['D_args']['mbstd_group_size'] = _fitting_group(c, options['sched_args']['minibatch_gpu_base'])
        if options['D_args']['mbstd_group_size'] != c.mbstd_group_size:
            print('The minibatch standard deviation is that of {mbstd_group_size} images, since {} do not divide the '
                  'images of a round'.format(c.mbstd_group_size, **options['D_args']))
    for group, further in c.tuned.items():
        options.setdefault(group, {}).update(further)
    usual = dict(G='' if options['G_loss_args'].get('pl_weight') == 0 else '+pl', D='+r1')
    for name, loss in losses.of_criteria(args, usual, c.gamma if args.gamma in (None, 'auto') else args.gamma).items():
        options[name + '_loss_args'] = loss
    width.apply(options, args.width)
    if args.config == 'small':
        total_kimg = c.total_kimg if args.total_kimg is None else args.total_kimg
        print('\n'.join(expect(found.shape, total_kimg, args.width)))
    if args.freeze_d:
        options['D_args']['freeze_layers'] = args.freeze_d
    if args.total_kimg is None:
        options['total_kimg'] = c.total_kimg
    if args.snap is None and c.snap is not None:
        options.update(image_snapshot_ticks=c.snap, network_snapshot_ticks=c.snap)
    if c.G_smoothing_rampup is not None and not continuing.starts_from_networks(args.resume):
        options['G_smoothing_rampup'] = c.G_smoothing_rampup
    augment_args = augmenting.augment_args(args, AUG)
    if augment_args is not None:
        options['augment_args'] = augment_args
    comparison.apply(options, args)
    if c.tune_kimg is not None and 'tune_kimg' in options.get('augment_args', ()):
        options['augment_args']['tune_kimg'] = c.tune_kimg
    tuning.note_single_images(options)
    return options
