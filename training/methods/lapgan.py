"""LAPGAN: a pyramid of adversarial pairs, each of which learns from real images alone (Denton et al. 2015).

The first pair draws the smallest images, every other one the difference between images and enlarged smaller ones.
Stages are a step of D and one of G for each level, with optimizers of their own; `gate` decides from scores which one.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import latents, tflib
from dnnlib.tflib import collectives
from dnnlib.tflib import latents as graph_latents
from dnnlib.util import UserError
from training import image_size, loss_names
from training.methods import by_name, classes, translating
from training.networks import lapgan as networks
from training.report.fakes import Random
from training.terms import criteria
from training.train_step import Group, Method, Net, report_mean

ADDED, SMALLEST_DEVIATION = 1e-7, 1 / 127.5  # as published; of pixels that never change, which would be divided by that
WITH_MOMENTUM = ('dnnlib.tflib.optimizers.SGD', 'tf.train.MomentumOptimizer')


class Options(NamedTuple):
    """Options of the method; defaults are those published for CIFAR."""
    G_args: dict = None        # generators of all levels: func_name and keyword arguments
    D_args: dict = None        # discriminators of all levels
    G_opt_args: dict = None    # tflib.Optimizer of the generator of each level
    D_opt_args: dict = None    # tflib.Optimizer of the discriminator of each level
    G_loss_args: dict = None   # loss of the generators: func_name and keyword arguments
    D_loss_args: dict = None   # loss of the discriminators; fakes have labels and smaller images of the reals
    G_images: int = 2          # fakes in a step of G for each in a step of D, made of as many fresh smaller images
    levels: tuple = None       # heights of the images of those levels that are trained; None = all together
    gate: tuple = None         # (how far D's loss of fakes may be above that of reals, how large that may be) for D to
    #                            rest and G to step; otherwise D alone; None = both step; (0.3, 0.7) for LSUN
    momentum: float = 0.5      # of the optimizers at the start, where they have one; the smallest images begin at 0
    momentum_growth: float = 0.0008  # added in each pass over the data
    max_momentum: float = 0.7  # ceiling of the momentum
    standardized: bool = True  # divide every pixel by its standard deviation over the data?


def lapgan(streams, schedule, **options):
    """The method, for one stream of reals.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule with the fields `G_lrate` and `D_lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or images that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    shape = dict(num_channels=data.shape[0], resolution=image_size.option(*data.shape[1:]), label_size=data.label_size)
    nets, size = OrderedDict(), schedule.last.minibatch_gpu
    for name, role in (('G', 'generator'), ('D', 'discriminator')):
        usual = dict(shape, latents='uniform') if name == 'G' else shape  # in the file, so that all draw the same
        args = dict(usual, **(getattr(options, name + '_args') or {}))
        nets[name] = Net(args.pop('func_name', f'training.networks.lapgan.{name}_lapgan'), args, role=role)
    translating.check_count('G_images', options.G_images)
    options = options._replace(**{name + '_loss_args': by_name.complete(name, getattr(options, name + '_loss_args'))
                                  for name in 'GD'})
    bases = [net.options.get('base', 8) for net in nets.values()]
    if bases[0] != bases[1]:
        raise UserError(f'G and D need the same base, not {bases[0]} and {bases[1]}')
    sizes = networks.level_sizes(shape['resolution'], bases[0])
    chosen, prior = chosen_levels(options.levels, sizes), nets['G'].options['latents']
    latents.parse(prior)
    groups = {f'{name}{sizes[i][0]}': make_group(options, name, sizes[i], i) for i in chosen for name in 'DG'}
    return Method(
        'lapgan', nets, groups, stages=lambda step: make_stages(step, options, data, chosen),
        pictures=lambda nets, cells: translating.rows(
            cells, classes.draw(nets['G'], cells.latents, cells.labels, size)),
        fakes=lambda nets, count, seed: classes.draw_seed(nets['G'], data, Random(count, seed, size), prior),
        latents=lambda nets, count: latents.draw(np.random, [count] + nets['G'].input_shape[1:], prior),
        logits=by_name.parsed('D', options.D_loss_args).criterion in loss_names.LOGISTIC)


def chosen_levels(heights, sizes):
    """Numbers of the levels that are trained; raises UserError for a height that no level has."""
    if heights is None:
        return list(range(len(sizes)))
    known = [height for height, _ in sizes]
    wrong = [height for height in heights if height not in known]
    if wrong or not heights:
        raise UserError(f'there is no level of {wrong[0] if wrong else "no"} pixels; choose from '
                        f'{", ".join(map(str, known))}')
    return sorted({known.index(height) for height in heights})


def make_group(options, name, size, level):
    """Group of one network of one level; name: 'G' or 'D'."""
    opt, begin = getattr(options, name + '_opt_args') or {}, networks.name_of(size) + '/'
    has_momentum = opt.get('tf_optimizer') in WITH_MOMENTUM
    scheduled = dict(momentum='momentum' if level else 'momentum_base') if has_momentum else {}
    return Group((name,), {key: value for key, value in opt.items() if key not in scheduled}, name + '_lrate',
                 frozen=lambda nets: [var for var in nets[name].trainables if not var.startswith(begin)],
                 scheduled=scheduled, minibatches=options.G_images if name == 'G' else 1)


class OfLevel:
    """A network as that of one level, for losses.

    Args:
        network: G or D.
        level: Number of the level.
        size: [height, width] of its images.
        options: Further options of the network's calls.
    """

    def __init__(self, network, level, size, **options):
        self._network, self._options = network, dict(options, level=level)
        self.static_kwargs, self.option_names = network.static_kwargs, network.option_names
        self.num_inputs, self.components = network.num_inputs, {}
        begin = networks.name_of(size) + '/'
        self.trainables = OrderedDict((name, var) for name, var in network.trainables.items() if name.startswith(begin))
        static = network.static_kwargs
        numbers = static.get('base_latent_size', 100) if level == 0 else size[0] * size[1]
        self.input_shapes = [[None, numbers]] + network.input_shapes[1:]

    def get_output_for(self, *inputs, **options):
        """See Network."""
        return self._network.get_output_for(*inputs, **dict(self._options, **options))


def make_stages(step, options, data, chosen):
    """The stages, see above; chosen: numbers of the levels."""
    G, D = step.nets['G'], step.nets['D']
    size = translating.is_static(step.sched['minibatch_gpu'])
    if options.gate is not None and step.sched['rounds'] != 1:
        raise UserError('gate looks at all images of a step, but they come in rounds; give a larger --minibatch-gpu')
    if options.standardized:
        set_statistics(G, data)
    for name, start in (('momentum', options.momentum), ('momentum_base', 0.0)):
        step.sched.derive(name, lambda sched, start=start: min(start + options.momentum_growth * int(
            sched['kimg'] * 1000 / data.num_images), options.max_momentum))
    images, labels = next(iter(step.batch.values()))
    images = (images - G.vars['mean']) / G.vars['deviation']
    sizes = networks.level_sizes(G.static_kwargs['resolution'], G.static_kwargs.get('base', 8))
    pyramid, stages = networks.pyramid(images, len(sizes)), []
    for i in chosen:
        coarse = None if i == 0 else networks.enlarge(pyramid[i - 1])
        pair = dict(G=OfLevel(G, i, sizes[i], coarse=coarse), D=OfLevel(D, i, sizes[i]), reals=pyramid[i],
                    labels=labels, minibatch_size=size)
        stages += stages_of_level(step, options, sizes[i][0], dict(pair, equalized=False, training_set=None))
    return stages


def stages_of_level(step, options, height, pair):
    """Stages of one level.

    Args:
        step, options: Step, Options.
        height: Of its images.
        pair: Arguments of the losses.
    """
    with step.losses(f'D{height}'):
        D_loss = by_name.value('D', dict(pair, **options.D_loss_args))
    with step.losses(f'G{height}'):
        G_loss = by_name.value('G', dict(pair, **options.G_loss_args))
    D_stage = step.train(f'D{height}', {f'D{height}': D_loss}, batch='this')
    G_stage = step.train(f'G{height}', {f'G{height}': G_loss}, batch='next')
    if options.gate is None:
        return [D_stage, G_stage]
    is_due = [step.state(f'{name}{height}_due', [], initial=True) for name in 'DG']
    with step.losses(f'gate{height}'):
        real, fake = errors_of(pair)
        found = tf.group(*[tf.assign(variable, value) for variable, value in zip(
            is_due, gate(real, fake, options.gate))])
    gate_stage = step.run(f'gate{height}', found)._replace(batch='this', rounds=True)
    return [gate_stage, D_stage._replace(when=is_due[0]), G_stage._replace(when=is_due[1])]


def errors_of(pair):
    """Mean cross entropies of D's scores of reals and fakes, over all workers; see `gate`."""
    z = graph_latents.draw([pair['minibatch_size']] + pair['G'].input_shapes[0][1:],
                           pair['G'].static_kwargs['latents'])
    fakes = pair['G'].get_output_for(z, pair['labels'])
    errors = [criteria.LOGISTIC.real(pair['D'].get_output_for(pair['reals'], pair['labels'], is_training=True), 1),
              criteria.LOGISTIC.fake(pair['D'].get_output_for(fakes, pair['labels'], is_training=True), 1)]
    found = tf.stack([report_mean('Loss/gate/' + kind, error) for kind, error in zip(('real', 'fake'), errors)])
    return tf.unstack(tf.add_n(collectives.all_gather(found)) / collectives.num_workers())


def gate(real_error, fake_error, limits):
    """Which steps are made: (that of D, that of G); D's if it confuses fakes with reals, else G's, as published.

    Args:
        real_error, fake_error: Mean cross entropies of scores of reals and fakes.
        limits: See Options.
    """
    margin, largest = limits
    is_D = tf.logical_or(fake_error > real_error + margin, real_error > largest)
    return is_D, tf.logical_not(is_D)


def set_statistics(G, data):
    """Gives G mean and deviation of a dataset, unless it has those of a network file, in whose units it draws."""
    found, given = statistics_of(data), {name: G.get_var(name) for name in ('mean', 'deviation')}
    if not given['mean'].any() and (given['deviation'] == 1).all():
        tflib.set_vars({G.vars[name]: value for name, value in found.items()})
    elif not all(np.array_equal(given[name], value) for name, value in found.items()):
        print('Mean and deviation of the pixels stay those of the network file, though these images have others')


def statistics_of(data):
    """{'mean', 'deviation'}: of every pixel over the first images of a dataset, float32 [C, H, W], of [-1, 1]."""
    numbers = data.indices_at(0, min(data.num_images - len(data.held_out), by_name.LOOKED_AT))
    images = np.stack([data.read(number) for number in numbers]).astype(np.float32) / 127.5 - 1
    return dict(mean=images.mean(axis=0), deviation=np.maximum(images.std(axis=0) + ADDED, SMALLEST_DEVIATION))
