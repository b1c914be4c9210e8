"""Configurations of the methods that translate pictures, without TensorFlow: `--config=cyclegan` and so on.

Numbers are those of the published programs, under their names. A further method is one more Config. Options about the
data are those of translation_data.py.
"""

import math
from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError, cli, util
from training.data.translation import layouts, transforms
from training.options import augmenting, saving, settings, translation_data, translation_sizes, tuning, width

RESNET, UNET, PATCHGAN = (f'training.networks.{name}' for name in (
    'resnet.G_resnet', 'unet.G_unet', 'patchgan.D_patchgan'))
NETWORKS = 'training.networks.'
ADAM = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.5, beta2=0.999, epsilon=1e-8)
SMOOTH = dict(antialias=True, init='xavier')
MAX_DOWNS, MIN_DOWNS = 8, 5  # how often a U-Net halves the size
SNAP_EPOCHS = 5  # between snapshots; as published
TICK_IMAGES = 1000  # at least, between two reports; pictures and networks of a tick have the thousands in their names
MAX_INSTANCE = 2 ** 24 - 1  # number of an instance, of three bytes
POLICIES = ('linear', 'step', 'plateau', 'cosine', 'linear_late', 'linear_steps')
AUG, WAYS = 'noaug', ('ada', 'fixed', 'noaug')  # of --aug; published: nothing that discriminators see
FROM_DATA = ('num_channels', 'out_channels', 'resolution', 'widths', 'input_names')
AT_EACH_CALL = ('is_training', 'evaluate', 'is_template_graph', 'components', 'taps', 'encode_only', 'return_features')


class Config(NamedTuple):
    """A published configuration."""
    adds: str           # what it is for
    method: str         # function of the method, below `training.methods.`
    kind: str           # what data it takes: layouts.UNPAIRED, PAIRED or LABELS
    nets: dict          # {name: func_name and options of networks}; each has an optimizer <name>_opt
    options: dict = {}  # of the method, where its default is not meant; with layouts.LABELS also label_nc
    data: dict = {}     # of the datasets, the same
    sched: dict = {}    # of the schedule, the same; not what has a field here
    n_epochs: int = 100        # passes at the full learning rate
    n_epochs_decay: int = 100  # passes in which it falls
    lrate: float = 0.0002      # learning rate
    policy: str = 'linear'     # how it falls, one of POLICIES
    opt: dict = ADAM           # of all networks
    batch: int = 1             # images per step
    settles: bool = False      # are pictures no longer enlarged before cropping, once the rate falls?
    margin: object = None      # function of the crop size: pixels that pictures are larger before; None = in proportion


CUT = Config('unpaired, one direction', 'cut.cut', layouts.UNPAIRED, OrderedDict(
    G=dict(func_name=RESNET, **SMOOTH), F=dict(func_name='training.networks.patch_mlp.F_mlp'),
    D=dict(func_name=PATCHGAN, **SMOOTH)), n_epochs=200, n_epochs_decay=200, settles=True)
UGATIT = Config(
    'unpaired, other shapes', 'ugatit.ugatit', layouts.UNPAIRED, OrderedDict(
        G=dict(func_name=NETWORKS + 'ugatit.G_ugatit'), D=dict(func_name=NETWORKS + 'ugatit.D_ugatit')),
    data=dict(resample='bilinear'), sched=dict(epoch_images=1000), n_epochs=500, n_epochs_decay=500, lrate=0.0001,
    policy='linear_steps', opt=dict(ADAM, weight_decay=0.0001), margin=lambda crop: 30)
OF_TF = dict(release='tensorflow', init='normal')
UGATIT_TF = UGATIT._replace(
    adds='the same, as published for TensorFlow', nets=OrderedDict(
        (name, dict(net, **OF_TF)) for name, net in UGATIT.nets.items()), options=dict(kernel_decay=0.0001),
    sched=dict(epoch_images=10000), n_epochs=50, n_epochs_decay=50, policy='linear_late', opt=dict(
        ADAM, tf_optimizer='tf.train.AdamOptimizer'), margin=lambda crop: 30 if crop == 256 else 15)
CONFIGS = OrderedDict([
    ('cyclegan', Config('unpaired, both directions', 'cyclegan.cyclegan', layouts.UNPAIRED, OrderedDict(
        G=dict(func_name=RESNET), D=dict(func_name=PATCHGAN)))),
    ('cut', CUT),
    ('fastcut', CUT._replace(
        adds='unpaired, one direction, faster', n_epochs=150, n_epochs_decay=50,
        options=dict(lambda_NCE=10.0, nce_idt=False, flip_equivariance=True))),
    ('pix2pix', Config('pairs', 'pix2pix.pix2pix', layouts.PAIRED, OrderedDict(
        G=dict(func_name=UNET), D=dict(func_name=PATCHGAN, norm='batch')))),
    ('sincut', Config(
        'two pictures', 'sincut.sincut', layouts.UNPAIRED, OrderedDict(
            G=dict(func_name=NETWORKS + 'sincut.G_sincut', fmaps=10), F=CUT.nets['F'],
            D=dict(func_name=NETWORKS + 'sincut.D_sincut', fmaps=8)),
        data=dict(preprocess='zoom_and_patch', load_size=64, crop_size=64, resample='bilinear'),
        sched=dict(epoch_images=100000, tick_images=20000), n_epochs=8, n_epochs_decay=8, lrate=0.002,
        opt=dict(ADAM, beta1=0.0, beta2=0.99), batch=16)),
    ('ugatit', UGATIT),
    ('ugatit-light', UGATIT._replace(adds='the same, a smaller network', nets=OrderedDict(
        UGATIT.nets, G=dict(UGATIT.nets['G'], light=True)))),
    ('ugatit-tf', UGATIT_TF),
    ('pix2pixhd', Config('large photos from maps', 'pix2pixhd.pix2pixhd', layouts.LABELS, OrderedDict(
        G=dict(func_name=NETWORKS + 'pix2pixhd.G_pix2pixhd'),
        E=dict(func_name=NETWORKS + 'pix2pixhd.E_pix2pixhd'), D=dict(func_name=NETWORKS + 'patchgan.D_multiscale')),
        options=dict(label_nc=35), data=dict(preprocess='scale_width', load_size=1024, crop_size=512),
        policy='linear_late'))])


def table():
    """The configurations: list of lines."""
    row = '{:<12} {:<9} {:<11} {:<9} {:<7} {:<9}  {}'.format
    lines = [row('config', 'data', 'generator', 'minibatch', 'rate', 'epochs', 'for')]
    for name, c in CONFIGS.items():
        lines.append(row(name, c.kind, c.nets['G']['func_name'].split('.')[-1], c.batch, c.lrate,
                         f'{c.n_epochs}+{c.n_epochs_decay}', c.adds))
    data = transforms.Transform()
    return lines + [f'pictures are scaled to {data.load_size} pixels and cropped to {data.crop_size}; epochs: at the '
                    'full rate + while it falls; --width=1/4 and --resolution=64 make trainings for a CPU']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    translation_data.add(p)
    p.add_argument('--batch', type=int, metavar='N', help='images of each side per step, over all rounds (default: by '
                   'config)')
    p.add_argument('--minibatch-gpu', type=int, metavar='N', help='images per device and round (default: all)')
    p.add_argument('--lr', type=cli.finite_float, metavar='FLOAT', help='learning rate at the start (default: by '
                   'config)')
    p.add_argument('--lr-policy', choices=POLICIES, help='how it falls: linear after --n-epochs (linear_late: an epoch '
                   'later; linear_steps: with every step), step = to a tenth every 50 epochs, plateau = to a fifth '
                   "where the generator's loss has not fallen in 6 epochs, cosine = half a wave in --n-epochs "
                   '(default: by config)')
    p.add_argument('--n-epochs', type=int, metavar='N', help='epochs at the full rate (default: by config; --epochs is '
                   'divided as the configuration is): passes over the longer side, but 1,000 images with ugatit, '
                   '10,000 with ugatit-tf, 100,000 with sincut')
    p.add_argument('--n-epochs-decay', type=int, metavar='N', help='epochs in which the rate falls (default: by '
                   'config)')
    p.add_argument('--width', type=width.argument, default=1, metavar='FACTOR', help='multiplies the feature maps of '
                   'generators and discriminators, such as 1/4 (default: %(default)s)')
    augmenting.add(p, AUG, WAYS)


def check(args):
    """Refuses bad values of them; raises UserError."""
    translation_data.check(args, CONFIGS[args.config])
    augmenting.check(args, AUG, ways=WAYS)
    if args.epochs is not None and not (args.n_epochs is args.n_epochs_decay is None):
        raise UserError('--epochs: the sum of --n-epochs and --n-epochs-decay; give either it or these')
    saving.check_numbers(args, batch=1, minibatch_gpu=1, n_epochs=0, n_epochs_decay=0)
    saving.check_positive(args, 'lr')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for data without two sides, or a minibatch that can't be divided.
    """
    c = CONFIGS[args.config]
    method = dict(c.options, func_name='training.methods.' + c.method)
    for name, net in c.nets.items():
        method[name + '_args'], method[name + '_opt_args'] = dict(net), dict(c.opt)
    if c.kind == layouts.PAIRED:
        method['direction'] = args.direction
    augment_args = augmenting.augment_args(args, AUG)
    if augment_args is not None:
        method['augment_args'] = augment_args
    options = dict(method_args=method, dataset_args=translation_data.data_args(args, c),
                   stream_args=translation_data.stream_args(args, c), sched_args=sched_args(args, c),
                   minibatch_repeats=1, grid_args=dict(translation_sizes.SHEET))
    apply_width(method, args.width)
    return options


def sched_args(args, c):
    """Options of the schedule; raises UserError for a minibatch that can't be divided."""
    batch, workers = tuning.shared_batch(args, c.batch)
    n_epochs, n_epochs_decay = c.n_epochs, c.n_epochs_decay
    if args.epochs is not None:
        n_epochs = max(int(round(args.epochs * n_epochs / (n_epochs + n_epochs_decay))), 1)
        n_epochs_decay = max(int(math.ceil(args.epochs)) - n_epochs, 0)
    return dict(func_name='training.schedule.translation_schedule', minibatch_size=batch,
                minibatch_gpu=args.minibatch_gpu or batch // workers, lrate=args.lr or c.lrate,
                lr_policy=args.lr_policy or c.policy, n_epochs=n_epochs if args.n_epochs is None else args.n_epochs,
                n_epochs_decay=n_epochs_decay if args.n_epochs_decay is None else args.n_epochs_decay, **c.sched)


def num_downs(*sides):
    """How often a U-Net halves images with these sides: up to 8 times, as published for 256 pixels."""
    return max([MIN_DOWNS] + [n for n in range(MIN_DOWNS, MAX_DOWNS + 1) if all(side % 2 ** n == 0 for side in sides)])


def apply_width(method, factor):
    """Multiplies the widths of generators and discriminators, and prints what they become; 1 changes nothing."""
    if factor == 1:
        return
    texts = []
    for name in ('G', 'D'):
        args = method[name + '_args']
        args['fmaps'] = max(int(round(args.get('fmaps', 64) * factor)), 1)
        texts.append(f'{name} fmaps={args["fmaps"]}')
    print(f'--width={factor:g}: {", ".join(texts)}')


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}.

    Args:
        options: Options of the training loop; they decide which functions there are.
    """
    method, found = options['method_args'], OrderedDict()
    for name in [name[:-len('_args')] for name in method if name.endswith('_args') and name != 'augment_args']:
        args = method[name + '_args']
        found[name] = partial(settings.of_optimizer, args) if name.endswith('_opt') else partial(
            settings.of_network, name, args, FROM_DATA + AT_EACH_CALL)
    found['sched'] = lambda: settings.defaults_of(util.get_obj_by_name(options['sched_args']['func_name']))
    found['dataset'] = translation_data.of_dataset
    if 'augment_args' in method:
        found['augment'] = partial(settings.of_augmentation, method['augment_args'])
    return found


def finish(args, options):
    """Enters what depends on the data: the depth of a U-Net, the length of an epoch and of the training; prints it.

    Args:
        args: Parsed command line.
        options: Options of the training loop, with those of `--set`; changed.
    Raises: UserError for data that can't be used.
    """
    data, sched, streams = options['dataset_args'], options['sched_args'], options['stream_args']
    method = options['method_args']
    if method.get('netF', 'mlp_sample') != 'mlp_sample' and method['F_opt_args'] != CONFIGS[args.config].opt:
        raise UserError(f'--set F_opt: with train.netF={method["netF"]} there is no network F to optimize; drop it')
    if CONFIGS[args.config].kind == layouts.LABELS and method['label_nc']:
        streams['a']['max_id'] = method['label_nc'] - 1
    if 'inst' in streams:
        streams['inst']['max_id'] = MAX_INSTANCE
    settles = data.get('settle_images') == 'decay'
    if settles:
        data['settle_images'] = None
    found = translation_sizes.look(options)
    size = sched.setdefault('epoch_images', max(item.num_images for item in found.values()))
    G_args = method['G_args']
    if G_args['func_name'] == UNET:
        G_args.setdefault('num_downs', num_downs(*found['a'].shape[1:]))
    judge = method['D_args']
    if judge['func_name'].endswith('D_ugatit') and min(found['a'].shape[1:]) < 128:  # 3 pixels must be left of them
        judge.setdefault('num_layers', max(int(math.log2(min(found['a'].shape[1:]))), 4))
    if CONFIGS[args.config].kind == layouts.UNPAIRED and found['a'].shape[0] != found['b'].shape[0]:
        data['channels'] = 3
        print('One side is gray and the other in color: both are read as color')
    sched.setdefault('tick_images', size * max(math.ceil(TICK_IMAGES / size), 1))
    if settles:
        data['settle_images'] = size * sched['n_epochs']
    count = args.epochs or sched['n_epochs'] + sched['n_epochs_decay']
    if args.total_kimg is None:
        options['total_kimg'] = count * size / 1000
    if args.snap is None:
        ticks = max(int(round(SNAP_EPOCHS * size / sched['tick_images'])), 1)
        options.update(image_snapshot_ticks=ticks, network_snapshot_ticks=ticks)
    sides = ' and '.join(f'{item.num_images} images of {name}' for name, item in found.items())
    if 'augment_args' in method:
        print(augmenting.describe(method['augment_args']))
    print(f'{sides}; an epoch is {size} images, the training {options["total_kimg"] * 1000 / size:g} epochs or '
          f'{options["total_kimg"]:g} kimg')
