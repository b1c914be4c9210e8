"""Configurations of the methods that draw images of classes, without TensorFlow: `--config=biggan-128` and so on.

Numbers are those of the published programs.
"""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

from dnnlib import UserError, latents
from training import loss_names, rates
from training.options import contest, losses, lrates, plain, saving, settings, tuning

ADAM = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.0, beta2=0.999, epsilon=1e-6)
SAGAN_ADAM = dict(tf_optimizer='tf.train.AdamOptimizer', beta1=0.0, beta2=0.999)
CAT_COATS = 15  # the first columns of the labels of the built-in cats
NETWORKS = 'training.networks.'
LATENTS_OF_A_LEVEL = 20  # dimensions of Z that the first layer and each block are given
SMALLEST_ATTENTION = 8  # size of feature maps
FROM_DATA = ('num_channels', 'resolution', 'label_size')
AT_EACH_CALL = ('is_training', 'sums', 'is_template_graph', 'components')


class Config(NamedTuple):
    """A published configuration."""
    adds: str           # what it is for
    networks: str       # module and end of the names of the build functions, below `training.networks.`
    resolution: int     # of the images
    fmaps: int          # feature maps of G's last block and D's first
    attention: int      # attention is where the images are so many times smaller
    G: dict = {}        # further options of the generator
    both: dict = {}     # the same of both networks
    method: dict = {}   # options of the method
    opt: dict = ADAM    # of both networks
    batch: int = 2048   # images per step
    batch_gpu: int = 256  # images per device and round
    iterations: int = 150000  # length of the training
    function: str = 'classes.classes'  # of the method, below `training.methods.`
    encodes: bool = False     # is there an encoder, which is given images of twice the size?
    d_steps: int = 1          # steps of the discriminator for each of the generator
    D: dict = {}              # further options of the discriminator
    lrates: tuple = (0.0001, 0.0004)  # of G and D
    losses: tuple = ('', '')  # of G and D, as training.loss_names writes them; '' = the method's
    schedule: str = ''        # of both rates, as training.rates writes it; '' = they don't change
    epochs: int = 0           # length of the training; 0 = `iterations` decide
    data: dict = {}           # further options of the dataset


BIGGAN = Config('classes', 'biggan', 128, 96, 2)
CONFIGS = OrderedDict([
    ('biggan-128', BIGGAN),
    ('biggan-256', BIGGAN._replace(adds='the same, larger images', resolution=256)),
    ('biggan-deep-128', BIGGAN._replace(
        adds='the same, deeper networks', networks='biggan_deep', fmaps=128, G=dict(latent_size=128))),
    ('sagan-128', Config(
        'classes, with attention', 'biggan', 128, 64, 4,
        G=dict(latent_size=128, shared_size=None, hierarchical=False, norm='slow'),
        both=dict(init='xavier_zero', through=True, sn_epsilon=1e-12),
        method=dict(ema_decay=None, G_first=True, reals_only=True), opt=SAGAN_ADAM, batch=256, batch_gpu=64,
        iterations=1000000)),
    ('bigbigan-128', BIGGAN._replace(
        adds='no classes, with an encoder', networks='bigbigan', function='bigbigan.bigbigan', encodes=True,
        d_steps=2))])
SMOOTHED = ('logistic_ns', 'logistic_ns:0.9')
FEW = BIGGAN._replace(resolution=64, batch=32, batch_gpu=32)
CONFIGS.update([  # see contest.py
    ('dogs-biggan-1st', FEW._replace(
        adds='first of a contest', fmaps=35, both=dict(nonlinearity='lrelu'), G=dict(latent_size=120), D=dict(fmaps=41),
        method=dict(ema_decay=None), lrates=(0.0003, 0.0003), losses=SMOOTHED, epochs=130)),
    ('dogs-biggan-5th', FEW._replace(
        adds='fifth of it', fmaps=32, both=dict(sn_epsilon=1e-8), D=dict(fmaps=64), method=dict(ema_start=30000),
        epochs=60, data=dict(moves=[0.06, 0.06, 0.18, 6]))),
    ('dogs-sagan-3rd', CONFIGS['sagan-128']._replace(
        adds='third of it', resolution=64, attention=2, G=dict(CONFIGS['sagan-128'].G, latent_size=180),
        D=dict(attention=[16]), batch=32, batch_gpu=32, lrates=(0.0002, 0.0004), losses=SMOOTHED,
        schedule='cosine_restarts:length=165,min=5e-05', epochs=170)),
    ('dogs-biggan-lb42', FEW._replace(
        adds='another of it', fmaps=48, opt=dict(ADAM, beta1=0.2, beta2=0.9), lrates=(0.0003, 0.0003),
        schedule='exponential:gamma=0.9997,length=0.032,start=1024', iterations=40000))])


def table():
    """The configurations: list of lines."""
    row = '{:<16} {:<11} {:<6} {:<5} {:<9} {:<7} {:<7} {:<6}  {}'.format
    lines = [row('config', 'networks', 'pixels', 'fmaps', 'minibatch', 'rate G', 'rate D', 'rounds', 'for')]
    for name, c in CONFIGS.items():
        lines.append(row(name, c.networks, c.resolution, c.fmaps, c.batch, *c.lrates, c.batch // c.batch_gpu, c.adds))
    lines.append('--width=1/4, --resolution=32 and --batch=32 make trainings for a CPU; --resolution: 32, 64, 128 or '
                 '256')
    return lines + contest.describe_all(CONFIGS)


def add_options(parser):
    """Adds the flags that these configurations understand to an argparse parser or group."""
    p = parser
    p.add_argument('--classes', type=int, metavar='N', help='number of classes: the first N columns of the labels, 0 = '
                   'none (default: all; for the built-in cats 15 = coats)')
    p.add_argument('--latents', default='normal', metavar='NAME', help=f'what Z is drawn from: {latents.HELP} '
                   '(default: %(default)s)')
    plain.add(p, rounds=plain.NORM + ' (default: by config, at most all)', rate=None)
    p.add_argument('--d-steps', type=int, metavar='N', help='steps of the discriminator for each of the generator '
                   '(default: 1; bigbigan-128: 2)')
    losses.add(p, dict(G=(), D=()), dict(G='by config, hinge', D='by config, hinge'))


def check(args):
    """Refuses bad values of them; raises UserError."""
    latents.parse(args.latents)
    plain.check(args)
    saving.check_numbers(args, d_steps=1, classes=0)
    if CONFIGS[args.config].encodes and (args.g_loss or args.d_loss):
        raise UserError(f'--{"g" if args.g_loss else "d"}-loss: BigBiGAN has a loss of its own; drop it')
    for network, text in (('G', args.g_loss), ('D', args.d_loss)):
        if text is not None:
            loss_names.check_terms(text, network, loss_names.PLAIN_TERMS)
    if isinstance(args.resolution, list):
        raise UserError('--resolution: these networks draw square images; give one side')


def make_options(args):
    """Options of the training loop that a configuration decides.

    Args:
        args: Parsed command line; `config` is a key of CONFIGS.
    Returns: Plain dictionary of plain values.
    Raises: UserError for a minibatch that can't be divided.
    """
    c = CONFIGS[args.config]
    if not c.epochs:  # the length of the training is a number of steps
        c = c._replace(schedule=rates.stretched(c.schedule, (args.batch or c.batch) / c.batch))
    contest.prefer(args)
    if args.resolution is None:
        args.resolution = c.resolution
    fmaps = max(int(round(c.fmaps * args.width)), 1)
    G, D = generator_args(c, args.resolution, fmaps), dict(networks_args(c, args.resolution, fmaps), **c.D)
    if 'fmaps' in c.D:
        D['fmaps'] = max(int(round(c.D['fmaps'] * args.width)), 1)
    method = dict(c.method, func_name='training.methods.' + c.function, num_D_steps=args.d_steps or c.d_steps)
    method.update(loss_args(args, c))
    networks = [('G', 'biggan' if c.encodes else c.networks, dict(G, latents=args.latents)), ('D', c.networks, D)]
    networks += [('E', c.networks, dict(fmaps=fmaps))] if c.encodes else []
    for name, module, options in networks:
        method[name + '_args'] = dict(options, func_name=f'{NETWORKS}{module}.{name}_{module}')
        method[name + '_opt_args'] = dict(c.opt)
    options = dict(
        method_args=method, sched_args=sched_args(args, c), minibatch_repeats=1,
        grid_args=dict(size='16x16', layout='random' if c.encodes else 'row_per_class'),
        dataset_args=dict(c.data, max_label_size=0 if c.encodes else number_of_classes(args)))
    if c.encodes:
        args.resolution *= 2
        print(f'Images of {args.resolution} pixels are read; those drawn have half the size')
    if args.total_kimg is None and args.epochs is None and c.epochs:
        args.epochs = c.epochs
    if args.total_kimg is None:
        options['total_kimg'] = c.iterations * options['sched_args']['minibatch_size_base'] / 1000
    if args.width != 1:
        print(f'--width={args.width:g}: G fmaps={fmaps}, D fmaps={D["fmaps"]}')
    return options


def networks_args(c, resolution, fmaps):
    """Options of both networks of a Config for images of this side."""
    return dict(c.both, fmaps=fmaps, attention=attention(c, resolution))


def generator_args(c, resolution, fmaps):
    """Options of the generator of a Config, but for what its latents are drawn from."""
    found = dict(networks_args(c, resolution, fmaps), **c.G)
    if c.networks != 'biggan_deep':
        blocks = max(resolution.bit_length() - 3, 1)
        found.setdefault('latent_size', LATENTS_OF_A_LEVEL * (blocks + 1))
    return found


def loss_args(args, c):
    """{'G_loss' or 'D_loss': name} of the losses that were asked for, or are those of the configuration."""
    if args.g_loss or args.d_loss:
        found = losses.of_criteria(args, dict(G='', D=''), loss_names.TERMS['r1'].weight)
        return {f'{network}_loss': loss['terms'] for network, loss in found.items()}
    return {f'{network}_loss': name for network, name in zip('GD', c.losses) if name}


def number_of_classes(args):
    """`max_label_size` of the dataset."""
    if args.classes is None:
        return CAT_COATS if args.dataset == 'cats' and args.data_dir is None else 'any'
    return args.classes


def attention(c, resolution):
    """Sizes after whose block there is attention: list, empty where the images are too small."""
    size = resolution // c.attention
    return [size] if size >= SMALLEST_ATTENTION else []


def sched_args(args, c):
    """Options of the schedule; raises UserError for a minibatch that can't be divided."""
    batch, workers = tuning.shared_batch(args, c.batch)
    size = args.minibatch_gpu or min(c.batch_gpu, batch // workers)
    if batch % (size * workers):
        raise UserError(f'a minibatch of {batch} cannot be split into rounds of {size} on {workers} '
                        f'{"device" if workers == 1 else "workers"}; give --minibatch-gpu or --batch so that it can')
    usual = {f'{network}_lrate_schedule': c.schedule for network in 'GD' if c.schedule}
    return dict(dict(usual, **lrates.of(args)), minibatch_size_base=batch, minibatch_gpu_base=size,
                G_lrate_base=args.g_lr or args.lr or c.lrates[0],
                D_lrate_base=args.d_lr or args.lr or c.lrates[1])


def settable(options):
    """What `--set` can change: {group: function that returns {key: default}}.

    Args:
        options: Options of the training loop; they decide which functions there are.
    """
    method, found = options['method_args'], OrderedDict()
    for name in [name for name in 'GED' if name + '_args' in method]:
        found[name] = partial(settings.of_network, name, method[name + '_args'], FROM_DATA + AT_EACH_CALL)
        found[name + '_opt'] = partial(settings.of_optimizer, method[name + '_opt_args'])
    return found
