"""StyleGAN and StyleGAN2: G, its moving average Gs, D; growing or not; lazy regularization or not.

Stages are G, its regularization, Gs, D, its regularization. Growing networks are told the level of detail before, and
the optimizers forget their moments at a new level.
"""

import functools
import re
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.images import adjust_dynamic_range
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import UserError, call_func_by_name
from training import image_size, loss_names
from training.methods import augmented, growing
from training.report.fakes import Later
from training.report.held_out import ScoreMonitor
from training.train_step import Group, Method, Net


class Options(NamedTuple):
    """Keyword arguments of the published training loop that are about this method; see `training_loop`."""
    G_args: dict = None                 # generator: func_name and keyword arguments
    D_args: dict = None                 # discriminator
    G_opt_args: dict = None             # tflib.Optimizer of the generator
    D_opt_args: dict = None             # tflib.Optimizer of the discriminator
    G_loss_args: dict = None            # loss of the generator: func_name and keyword arguments
    D_loss_args: dict = None            # loss of the discriminator
    G_smoothing_kimg: float = 10.0      # half-life of Gs, thousand images; as published
    G_smoothing_rampup: float = None    # at most this share of the images shown; None = from the start, as StyleGAN2
    lazy_regularization: bool = True    # regularize in stages of their own? Cheaper at the same quality
    G_reg_interval: int = 4             # iterations between two regularizations of G, as published
    D_reg_interval: int = 16            # the same of D
    reset_opt_for_new_lod: bool = True  # forget the moments where a level begins? They are of other gradients
    drange_net: tuple = (-1, 1)         # range of the networks' images
    freeze_d: int = 0                   # first layers of D that are not trained
    freeze_mapping: bool = False        # don't train the mapping network?
    augment_args: dict = None           # what D sees of its images, see augmented.Augmentation; None = all of them


def stylegan2(streams, schedule, **options):
    """The method, for one stream of reals.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    for name in ('G_reg_interval', 'D_reg_interval'):
        check_interval(name, getattr(options, name))
    check_augmentation(options)
    D_loss_args = choose_gamma(options.D_loss_args, data, schedule.levels[-1])
    options = options._replace(D_loss_args=D_loss_args)
    shape = dict(num_channels=data.shape[0], resolution=image_size.option(*data.shape[1:]), label_size=data.label_size)
    nets = [('G', dict(shape, **(options.G_args or {}))), ('D', dict(shape, **(options.D_args or {})))]
    nets = OrderedDict((name, Net(args.pop('func_name', None), args)) for name, args in nets)
    nets.update(D=nets['D']._replace(role='discriminator'), Gs=nets['G']._replace(average_of='G'))
    lazy = options.lazy_regularization
    minibatch_size = schedule.last.minibatch_gpu
    return Method(
        name='stylegan2', nets=nets, saved_as=('G', 'D', 'Gs'), drange=tuple(options.drange_net),
        groups=dict(G=Group(('G',), options.G_opt_args or {}, 'G_lrate', options.G_reg_interval if lazy else None,
                            lambda networks: frozen_mapping(networks['G']) if options.freeze_mapping else ()),
                    D=Group(('D',), options.D_opt_args or {}, 'D_lrate', options.D_reg_interval if lazy else None,
                            lambda networks: frozen_layers(networks['D'], options.freeze_d))),
        stages=lambda step: make_stages(step, data, options),
        pictures=lambda networks, cells: draw(networks['Gs'], cells, options.drange_net, minibatch_size),
        fakes=lambda networks, count, seed: draw_seed(networks['Gs'], data, RandomPictures(
            count, seed, minibatch_size, options.drange_net)),
        latents=lambda networks, count: np.random.randn(count, *networks['G'].input_shape[1:]),
        logits=is_logistic(D_loss_args or {}),
        monitors=lambda networks: [ScoreMonitor(networks['G'], networks['D'], data, options.drange_net,
                                                minibatch_size)] if len(data.held_out) else [],
        sheets=lambda cells: augmented.sheets(options.augment_args, cells, options.drange_net, minibatch_size))


def make_stages(step, data, options):
    """The stages, see above.

    Args:
        step: Step.
        data: Dataset, gives random labels.
        options: Options.
    Returns: List of Stage.
    Raises: UserError if the schedule grows but a network can't.
    """
    G, D, lod = step.nets['G'], step.nets['D'], step.sched['lod']
    reals, labels = next(iter(step.batch.values()))
    grows = tflib.is_tf_expression(lod)
    if grows:
        growing.check_growing(OrderedDict([('G', G), ('D', D)]))
        reals = growing.fade_reals(reals, lod, data.shape)
    inputs = dict(G=G, D=D, training_set=data, minibatch_size=step.sched['minibatch_gpu'])
    augmentation = None if options.augment_args is None else augmented.Augmentation(step, options.augment_args)
    if augmentation is not None:
        inputs.update(D=augmented.AugmentedDiscriminator(D, augmentation))
    G_loss_args = options.G_loss_args or {}
    if 'terms' in G_loss_args and loss_names.parse(G_loss_args['terms'], 'G').needs_reals:
        stages = network_stages(step, 'G', options, dict(inputs, reals=reals, labels=labels, **G_loss_args), 'this')
    else:
        stages = network_stages(step, 'G', options, dict(inputs, **G_loss_args))
    stages.append(step.average('Gs', of='G', kimg=options.G_smoothing_kimg, rampup=options.G_smoothing_rampup))
    if augmentation is not None:
        inputs.update(D=augmented.AugmentedDiscriminator(D, augmentation, reals))
    inputs.update(reals=reals, labels=labels)
    stages += network_stages(step, 'D', options, dict(inputs, **(options.D_loss_args or {})), 'this')
    if augmentation is not None:
        stages += augmentation.stages(D, data, options.drange_net)
    before = []
    if growing.can_grow(G) or growing.can_grow(D):
        before.append(step.run('lod', growing.set_lod([G, D], lod)))
    if grows and options.reset_opt_for_new_lod:
        before.append(step.reset_moments('reset'))
    return before + stages


def network_stages(step, name, options, loss_args, batch=None):
    """Main stage of a network and, if its loss has a regularization and that is lazy, the regularization stage.

    Args:
        step: Step.
        name: 'G' or 'D', of network and group.
        options: Options.
        loss_args: func_name and keyword arguments of the loss.
        batch: See Stage.
    Returns: List of Stage.
    """
    interval = options.G_reg_interval if name == 'G' else options.D_reg_interval
    with step.losses(name):
        loss, reg = call_func_by_name(**loss_args)
        loss = autosummary('Loss/' + name, loss)
        targets = [(name, tf.reduce_mean(loss), 1)]
        if reg is not None and options.lazy_regularization:
            targets.append((name + '_reg', tf.reduce_mean(reg * interval), interval))
        elif reg is not None:  # another mean, as ever: the noise of the pictures depends on the number of operations
            targets = [(name, tf.reduce_mean(loss) + tf.reduce_mean(reg), 1)]
    # regularizations score images that a main stage has scored, so these are not counted again
    D = loss_args['D']
    post = [D.count] if isinstance(D, augmented.AugmentedDiscriminator) else []
    return [step.train(stage, {name: target}, every, batch, post=post if stage == name else ())
            for stage, target, every in targets]


def check_interval(name, value):
    """Raises UserError if an option is no whole number of at least 1."""
    if not isinstance(value, int) or value < 1:
        raise UserError(f'{name} must be a whole number of at least 1, got {value!r}')


def check_augmentation(options):
    """Raises UserError for augmentation or an average that can't be; the arguments of the function come later."""
    ramp = options.G_smoothing_rampup
    if ramp is not None and not (isinstance(ramp, (int, float)) and ramp > 0):
        raise UserError(f'G_smoothing_rampup must be a number above 0 or None, got {ramp!r}')
    if options.augment_args is not None:
        control, _ = augmented.parse(options.augment_args)
        D_loss = (options.D_loss_args or {}).get('func_name', '')
        terms = (options.D_loss_args or {}).get('terms')
        means_nothing = 'wgan' in D_loss if terms is None else (
            loss_names.parse(terms, 'D').criterion not in loss_names.SIGNED)
        if control.tune_heuristic == 'rt' and means_nothing:
            raise UserError('--aug=ada: it follows the signs of the scores of reals, which mean nothing with '
                            f'{terms or D_loss}; use --aug=fixed or a logistic loss')
        if tuple(options.drange_net) != (-1, 1):
            raise UserError(f'augmentation expects images in [-1, 1], but drange_net is {list(options.drange_net)}')


def is_logistic(D_loss_args):
    """Are scores logits, with these options of the loss of D?"""
    if 'terms' in D_loss_args:
        return loss_names.parse(D_loss_args['terms'], 'D').criterion in loss_names.LOGISTIC
    return 'logistic' in D_loss_args.get('func_name', '')


def gamma_heuristic(shape, minibatch_size):
    """Weight of R1 for images [C, H, W]: 0.0002 * H * W / minibatch size, the rule of StyleGAN2-ADA."""
    return 0.0002 * shape[1] * shape[2] / minibatch_size


def choose_gamma(D_loss_args, data, sched):
    """Replaces a gamma of 'auto' and prints how.

    Args:
        D_loss_args: Options of D's loss.
        data: Dataset, gives the shape of the images.
        sched: The schedule's result at full resolution.
    Returns: The options with a number.
    """
    if (D_loss_args or {}).get('gamma') != 'auto':
        return D_loss_args
    gamma, (_, height, width) = gamma_heuristic(data.shape, sched.minibatch_size), data.shape
    print(f'gamma = {gamma:.4g} by --gamma=auto: 0.0002 * {height} * {width} pixels / minibatch of '
          f'{sched.minibatch_size} (a rule of thumb: larger if D wins, smaller if images stay blurred)')
    return dict(D_loss_args, gamma=gamma)


def frozen_layers(D, count):
    """Local names of the variables of D's first layers, in the order in which an image passes through them.

    They are not trained, see Mo et al. 2020, "Freeze the discriminator"; prints which they are.

    Args:
        D: Discriminator.
        count: Number of layers, int.
    Raises: UserError if that leaves no layer to train.
    """
    own = D.static_kwargs.get('freeze_layers', 0)  # of networks_ada, which freezes layers itself
    if own:
        layers = list(OrderedDict.fromkeys(name[:-len('/weight')] for name in D.vars if re.match(
            r'\d+x\d+/\w+/weight$', name)))  # neither the output nor what labels go through
        if own > len(layers):
            raise UserError(f'--freeze-d={own}: this discriminator has {len(layers)} layers that can be frozen')
        print('Not trained in D: ' + ', '.join(layers[:own]))
    layers = list(OrderedDict.fromkeys(name.rpartition('/')[0] for name in D.trainables))
    if not isinstance(count, int) or not 0 <= count < len(layers):
        raise UserError(f'--freeze-d={count}: this discriminator has {len(layers)} layers, so 0 to {len(layers) - 1} '
                        'can be frozen')
    if count:
        print('Not trained in D: ' + ', '.join(layers[:count]))
    return {name for name in D.trainables if name.rpartition('/')[0] in layers[:count]}


def frozen_mapping(G):
    """Local names of the variables of G's mapping network, which is not trained; raises UserError if there is none."""
    mapping = G.components.get('mapping')
    if mapping is None:
        raise UserError('--freeze-mapping: this generator has no mapping network')
    print('Not trained in G: ' + mapping.name)
    return {mapping.name + '/' + name for name in mapping.trainables}


def draw(Gs, cells, drange, minibatch_size):
    """Pictures of the cells of a grid, without truncation.

    Args:
        Gs: Generator.
        cells: grid.Cells with latents.
        drange: [low, high] of its images.
        minibatch_size: Images at a time, so that there is one minibatch of floats.
    Returns: Rows of the grid, list of uint8 [N, C, H, W].
    """
    labels, chunks = cells.labels, []
    for begin in range(0, len(labels), minibatch_size):
        part = slice(begin, begin + minibatch_size)
        fakes = Gs.run(cells.latents[part], labels[part], is_validation=True)
        fakes = np.rint(adjust_dynamic_range(fakes, drange, [0, 255]))
        chunks.append(np.clip(fakes, 0, 255).astype(np.uint8))
    fakes = np.concatenate(chunks)
    return [fakes[begin:begin + cells.size[0]] for begin in range(0, len(fakes), cells.size[0])]


class RandomPictures(NamedTuple):
    """Which pictures `draw_seed` draws."""
    count: int           # how many
    seed: int            # of latents and labels
    minibatch_size: int  # pictures at a time
    drange: tuple        # [low, high] of the generator's images


def draw_seed(Gs, data, pictures):
    """Pictures of random latents and labels, without truncation; see `Method.fakes`.

    Args:
        Gs: Generator.
        data: Dataset whose labels are drawn.
        pictures: RandomPictures.
    Yields: Later.
    """
    rnd = np.random.RandomState(pictures.seed)
    numbers = np.setdiff1d(np.arange(data.num_images), data.held_out) if data.label_size else np.zeros(1, int)
    to_bytes = dict(func=tflib.convert_images_to_uint8, drange=list(pictures.drange))
    for begin in range(0, pictures.count, pictures.minibatch_size):
        size = min(pictures.minibatch_size, pictures.count - begin)
        latents = rnd.randn(size, *Gs.input_shape[1:])
        labels = data.read_labels(numbers[rnd.randint(len(numbers), size=[size])])
        yield Later(size, functools.partial(Gs.run, latents, labels, is_validation=True, output_transform=to_bytes))
