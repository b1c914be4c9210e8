"""Configurations of the methods that translate between domains, without TensorFlow: `--config=stargan-v2-afhq`, ...

Numbers are those of the published programs, under their names.
"""

import os
from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError, cli, util
from training.data.translation import layouts
from training.options import data, epochs, saving, settings, tuning, width

NETWORKS = 'training.networks.'
ADAM = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.5, beta2=0.999, epsilon=1e-8)
DECAYING = dict(ADAM, beta1=0.0, beta2=0.99, weight_decay=0.0001)
DATASETS = 'training.data.translation.'
FROM_DATA = ('num_channels', 'resolution', 'num_domains', 'label_size', 'label_sizes', 'num_landmarks', 'size')
AT_EACH_CALL = ('is_training', 'is_template_graph', 'components')
SNAPSHOTS = 20  # of a training, at least; pictures and networks of a tick have the thousands of images in their names
MIN_BATCH = 8  # below this StarGAN v2 is known to train badly
TICK_IMAGES = 1000


class Config(NamedTuple):
    """A published configuration."""
    adds: str            # what it is for
    method: str          # function of the method, below `training.methods.`
    nets: dict           # {name: func_name and options of networks}; each has an optimizer <name>_opt
    options: dict = {}   # of the method, where its default is not meant
    data: dict = {}      # of the datasets, the same
    opt: dict = ADAM     # of all networks
    batch: int = 8       # images per step
    iterations: int = 100000  # length of the training
    resolution: int = 256  # side of the images


def _stargan2(G):
    return OrderedDict((name, dict(func_name=f'{NETWORKS}stargan2.{function}')) for name, function in (
        ('G', G), ('F', 'F_stargan2'), ('E', 'E_stargan2'), ('D', 'D_stargan2')))


CROPPED = dict(crop_prob=0.5)
CONFIGS = OrderedDict([
    ('stargan-v2-celeba', Config('faces, many styles; masks by --fan', 'stargan2.stargan2', _stargan2(
        'G_stargan2_masked'), dict(masked=True), CROPPED, DECAYING)),
    ('stargan-v2-afhq', Config('anything, many styles', 'stargan2.stargan2', _stargan2('G_stargan2'),
                               dict(masked=False, lambda_ds=2.0), CROPPED, DECAYING)),
    ('stargan', Config('classes or attributes', 'stargan.stargan', OrderedDict(
        G=dict(func_name=NETWORKS + 'stargan.G_stargan'), D=dict(func_name=NETWORKS + 'stargan.D_stargan')),
        data=dict(square=True), batch=16, iterations=200000, resolution=128)),
    ('fan', Config('landmarks of faces, for masks', 'fan.fan', dict(H=dict(func_name=NETWORKS + 'fan.H_fan')),
                   opt=dict(tf_optimizer='dnnlib.tflib.optimizers.RMSProp'), iterations=225000))])


def table():
    """The configurations: list of lines."""
    row = '{:<17} {:<17} {:<9} {:<10} {:<10}  {}'.format
    lines = [row('config', 'network', 'minibatch', 'iterations', 'resolution', 'for')]
    for name, c in CONFIGS.items():
        network = next(iter(c.nets.values()))['func_name'].split('.')[-1]
        lines.append(row(name, network, c.batch, c.iterations, c.resolution, c.adds))
    return lines + ['domains are folders of pictures, in the dataset or in its folders train and val or test; '
                    '--width=1/8 and --resolution=32 make trainings for a CPU']


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--attributes', metavar='FILE', help='stargan: list of attributes of the pictures, as '
                   'list_attr_celeba.txt, instead of a folder for each class')
    p.add_argument('--labels', type=cli.comma_list, metavar='LIST', help='stargan: names of the attributes that are '
                   'trained (default: all of the list)')
    p.add_argument('--exclusive', type=cli.comma_list, metavar='LIST', help='stargan: names of attributes of which a '
                   'picture has one at most, as colors of hair are; the pictures show it')
    p.add_argument('--dataset-b', metavar='NAME', help='stargan: a second dataset, with a folder for each class')
    p.add_argument('--fan', metavar='FILE', help='stargan-v2-celeba: network that finds landmarks of faces, such as '
                   'the published wing.ckpt')
    p.add_argument('--landmarks', metavar='FILE', help='fan: list of landmarks, a line for each picture: its name, '
                   'x and y of each in pixels; or as in WFLW')
    p.add_argument('--no-flip', action='store_true', help='do not mirror half of the images left to right')
    p.add_argument('--batch', type=int, metavar='N', help='images of each dataset per step, over all rounds (default: '
                   'by config)')
    p.add_argument('--minibatch-gpu', type=int, metavar='N', help='images per device and round (default: all)')
    p.add_argument('--iterations', type=int, metavar='N', help='length of the training in steps; the diversity of '
                   'StarGAN v2 loses its weight over all of it, as published (default: by config)')
    p.add_argument('--lr', type=cli.finite_float, metavar='FLOAT', help='learning rate; that of the network that makes '
                   'styles of latents is a hundredth (default: 0.0001)')
    p.add_argument('--width', type=width.argument, default=1, metavar='FACTOR', help='multiplies the feature maps of '
                   'all networks, such as 1/8 (default: %(default)s)')


def check(args):
    """Refuses bad values of them; raises UserError."""
    if args.dataset is None:
        raise UserError(f'--config={args.config}: give --dataset, a folder with a folder of pictures for each domain')
    of_stargan = [flag for flag, value in (('--attributes', args.attributes), ('--labels', args.labels), (
        '--exclusive', args.exclusive), ('--dataset-b', args.dataset_b)) if value is not None]
    if of_stargan and args.config != 'stargan':
        raise UserError(f'{of_stargan[0]}: an option of --config=stargan; drop it')
    if args.fan is not None and args.config != 'stargan-v2-celeba':
        raise UserError('--fan: an option of --config=stargan-v2-celeba; drop it')
    if args.config == 'stargan-v2-celeba' and args.fan is None:
        raise UserError('--config=stargan-v2-celeba: give the network that finds landmarks of faces, such as the '
                        'published wing.ckpt, by --fan=FILE; --config=stargan-v2-afhq needs none')
    if (args.config == 'fan') != (args.landmarks is not None):
        raise UserError('--landmarks: the list of landmarks that --config=fan trains on, and only that; '
                        + ('give --landmarks=FILE' if args.config == 'fan' else 'drop it'))
    for flag, path in (('--fan', args.fan), ('--attributes', args.attributes), ('--landmarks', args.landmarks)):
        if path is not None and not os.path.isfile(path):
            raise UserError(f'{flag}={path}: there is no such file')
    if (args.labels or args.exclusive) and args.attributes is None:
        raise UserError(f'{"--labels" if args.labels else "--exclusive"}: names attributes of a list; give '
                        '--attributes=FILE as well')
    if args.mirror_augment:
        raise UserError('--mirror-augment: half of the images are mirrored anyway; drop it (--no-flip mirrors none)')
    if isinstance(args.resolution, list):
        raise UserError('--resolution: images of these methods are square; give one side')
    saving.check_numbers(args, batch=1, minibatch_gpu=1, iterations=1)
    if args.iterations is not None and (args.total_kimg is not None or args.epochs is not None):
        raise UserError('--iterations, --total-kimg and --epochs are all the length of the training; give one of them')
    saving.check_positive(args, 'lr')
    data.check_path(args, 'dataset_b')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    c = CONFIGS[args.config]
    method = dict(c.options, func_name='training.methods.' + c.method)
    for name, net in c.nets.items():
        method[name + '_args'], method[name + '_opt_args'] = dict(net), dict(c.opt)
    if args.fan is not None:
        method['fan_file'] = os.path.abspath(args.fan)
    if args.config == 'stargan':
        method['kinds'] = ['attributes' if args.attributes else 'classes'] + ['classes'] * (args.dataset_b is not None)
        if args.exclusive is not None:
            method['exclusive'] = args.exclusive
    apply_width(method, args.width)
    side = args.resolution or c.resolution
    of_images = dict(c.data, preprocess='resize_and_crop', load_size=side, crop_size=side, resample='bilinear',
                     flip=not args.no_flip and args.config != 'fan')
    return dict(method_args=method, dataset_args=of_images, stream_args=stream_args(args),
                sched_args=sched_args(args, c), minibatch_repeats=1, grid_args=dict(size='8x1', layout='random'))


def stream_args(args):
    """{stream: options of its dataset}."""
    if args.config == 'fan':
        return dict(faces=dict(folders_of(args, args.dataset), tfrecord_dir=args.dataset, landmarks=os.path.abspath(
            args.landmarks), class_name=DATASETS + 'landmarks.LandmarkDataset'))
    if args.config == 'stargan':
        found = OrderedDict(a=dict(folders_of(args, args.dataset), tfrecord_dir=args.dataset))
        if args.attributes is not None:
            found['a'].update(attributes=os.path.abspath(args.attributes), chosen=args.labels)
        if args.dataset_b is not None:
            found['b'] = dict(folders_of(args, args.dataset_b), tfrecord_dir=args.dataset_b)
    else:
        side = dict(folders_of(args, args.dataset), tfrecord_dir=args.dataset, balanced=True)
        found = OrderedDict(source=side, reference=dict(side, pairs=True))
    for options in found.values():
        options['class_name'] = DATASETS + 'domains.DomainDataset'
    return found


def folders_of(args, name):
    """Where the pictures to train and to test with are in a dataset: {train, test}, see DomainDataset."""
    return layouts.phases(os.path.join(args.data_dir or '', name))


def sched_args(args, c):
    """Options of the schedule; raises UserError for a minibatch that can't be divided."""
    batch, workers = tuning.shared_batch(args, c.batch)
    if args.config.startswith('stargan-v2') and batch < MIN_BATCH:
        print(f'Note: StarGAN v2 is known to train badly with minibatches below {MIN_BATCH}; if memory is short, give '
              f'--batch={MIN_BATCH} --minibatch-gpu={batch}')
    found = dict(func_name='training.schedule.domain_schedule', minibatch_size=batch,
                 minibatch_gpu=args.minibatch_gpu or batch // workers)
    return found if args.lr is None else dict(found, lrate=args.lr, F_lrate=args.lr / 100)


def apply_width(method, factor):
    """Multiplies the widths of all networks, and prints what they become; 1 changes nothing."""
    if factor == 1:
        return
    texts = []
    for name in [name[:-len('_opt_args')] for name in method if name.endswith('_opt_args')]:
        args = method[name + '_args']
        changed = dict(fmaps=max(int(round((64 if 'stargan.' in args['func_name'] else 512) * factor)), 1))
        if name == 'H':  # a block has halves and quarters
            changed = dict(fmaps=max(int(round(256 / 8 * factor)), 1) * 8)
        if 'stargan2' in args['func_name'] and name != 'F':
            changed = dict(fmap_base=max(int(round(2 ** 14 * factor)), 1), fmap_max=max(int(round(512 * factor)), 1))
        args.update(changed)
        texts.append(f'{name} {", ".join(f"{key}={value}" for key, value in changed.items())}')
    print(f'--width={factor:g}: {"; ".join(texts)}')


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}; see `translation.settable`."""
    method, found = options['method_args'], OrderedDict()
    for name in [name[:-len('_args')] for name in method if name.endswith('_args')]:
        args = method[name + '_args']
        found[name] = partial(settings.of_optimizer, args) if name.endswith('_opt') else partial(
            settings.of_network, name, args, FROM_DATA + AT_EACH_CALL + ('style_size',) * (name != 'F'))  # follows F's
    found['sched'] = lambda: settings.defaults_of(util.get_obj_by_name(options['sched_args']['func_name']))
    found['dataset'] = of_dataset
    return found


def of_dataset():
    """Options of the datasets."""
    from training.data.translation import domains
    of_class = domains.Options._field_defaults
    return dict({name: of_class[name] for name in ('square', 'crop_prob')}, channels=None, max_images=None,
                shuffle_mb=4096, flip=True)


def finish(args, options):
    """Enters what depends on the data: the length of the training; prints it.

    Args:
        args: Parsed command line.
        options: Options of the training loop, with those of `--set`; changed.
    Raises: UserError for data that can't be used.
    """
    c, sched, method = CONFIGS[args.config], options['sched_args'], options['method_args']
    found, batch = epochs.look(options), sched['minibatch_size']
    size = max(item.num_images for item in found.values())
    if args.total_kimg is None:
        count = args.epochs * size / batch if args.epochs is not None else args.iterations or c.iterations
        options['total_kimg'] = int(round(count)) * batch / 1000
    count = int(round(options['total_kimg'] * 1000 / batch))
    sched.setdefault('tick_images', batch * max(min(TICK_IMAGES // batch, count // SNAPSHOTS), 1))
    if args.config.startswith('stargan-v2'):
        method.setdefault('ds_iter', max(count, 1))
        print(f'lambda_ds falls to 0 over {method["ds_iter"]} iterations, as published for 100000; --set '
              'train.ds_iter=N changes that')
    if args.snap is None:
        ticks = max(int(count * batch / sched['tick_images'] / SNAPSHOTS), 1)
        options.update(image_snapshot_ticks=ticks, network_snapshot_ticks=ticks)
    sides = ' and '.join(f'{item.num_images} images of {name}' for name, item in found.items())
    print(f'{sides}; the training is {count} iterations of {batch} images or {options["total_kimg"]:g} kimg')
