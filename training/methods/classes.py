"""BigGAN, BigGAN-deep and SAGAN: images of classes (Brock et al. 2019; Zhang et al. 2019).

Stages are one step of D or several, each with fresh images, then one of G, then its moving average Gs.
"""

import functools
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import latents, tflib
from dnnlib.images import adjust_dynamic_range
from dnnlib.tflib import latents as graph_latents
from dnnlib.tflib import random
from dnnlib.util import UserError
from training import loss_names
from training.methods import by_name, translating
from training.report.fakes import of_labels, Random
from training.terms import criteria, named, penalties
from training.train_step import Group, Method, Net, report_mean, Stage

LOSSES = {'hinge': (criteria.D_HINGE, criteria.G_wasserstein),
          'logistic': (criteria.TRANSLATION['vanilla'], criteria.G_non_saturating)}
SHARED = 'Shared/weight'  # G's embedding of the classes, which is not made orthogonal


class Options(NamedTuple):
    """Options of the method; defaults are those published for BigGAN at 128 pixels."""
    G_args: dict = None            # generator: func_name and keyword arguments
    D_args: dict = None            # discriminator
    G_opt_args: dict = None        # tflib.Optimizer of the generator
    D_opt_args: dict = None        # tflib.Optimizer of the discriminator
    loss: str = 'hinge'            # what scores are worth: hinge or logistic
    G_loss: str = None             # the same of G, as training.loss_names writes it, instead of `loss`
    D_loss: str = None             # the same of D
    num_D_steps: int = 1           # steps of D for each of G
    split_D: bool = False          # show D fakes and reals one after the other, instead of together?
    G_ortho: float = 0.0           # weight of the orthogonal regularization of G; the paper has 0.0001
    D_ortho: float = 0.0           # the same of D
    ema_decay: float = 0.9999      # decay of Gs per iteration; None = there is no Gs
    ema_start: int = 20000         # iterations before which Gs is a copy of G
    G_first: bool = False          # is G trained before D, as in SAGAN?
    reals_only: bool = False       # do only reals move the singular vectors of D, as in SAGAN?


def classes(streams, schedule, **options):
    """The method, for one stream of images of classes; without labels all are of one class.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule with the fields `G_lrate` and `D_lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or labels that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    check(options, data)
    shape = dict(num_channels=data.shape[0], resolution=data.shape[1], label_size=data.label_size)
    nets = OrderedDict()
    for name, role in (('G', 'generator'), ('D', 'discriminator')):
        args = dict(shape, **(getattr(options, name + '_args') or {}))
        nets[name] = Net(args.pop('func_name', f'training.networks.biggan.{name}_biggan'), args, role=role)
    prior = nets['G'].options.get('latents', 'normal')
    latents.parse(prior)
    if options.ema_decay is not None:
        nets['Gs'] = nets['G']._replace(average_of='G')
    drawn, size = 'G' if options.ema_decay is None else 'Gs', schedule.last.minibatch_gpu
    return Method(
        'classes', nets, groups={name: Group((name,), getattr(options, name + '_opt_args') or {}, name + '_lrate')
                                 for name in 'GD'},
        stages=lambda step: make_stages(step, options, prior),
        pictures=lambda networks, cells: translating.rows(cells, draw(networks[drawn], cells.latents, cells.labels,
                                                                      size)),
        fakes=lambda networks, count, seed: draw_seed(
            networks[drawn], data, Random(count, seed, size), prior),
        latents=lambda networks, count: latents.draw(np.random, [count] + networks['G'].input_shape[1:], prior),
        logits=(options.loss if options.D_loss is None else named_loss(options, 'D').criterion) in (
            'logistic',) + loss_names.LOGISTIC)


def check(options, data):
    """Raises UserError for options that don't fit each other or the images and labels of a dataset."""
    if options.loss not in LOSSES:
        raise UserError(f'loss must be {" or ".join(LOSSES)}, not {options.loss!r}')
    for name in 'GD':
        named_loss(options, name)
    translating.check_count('num_D_steps', options.num_D_steps)
    if options.ema_decay is not None and not 0 <= options.ema_decay < 1:
        raise UserError(f'ema_decay must be a number from 0 to below 1, or None, got {options.ema_decay!r}')
    if data.shape[1] != data.shape[2]:
        raise UserError(f'these networks draw square images, not {data.shape[1]}x{data.shape[2]}; give a --resolution')
    if data.label_size:
        by_name.check_one_class(data)


def make_stages(step, options, prior):
    """The stages, see above."""
    translating.is_static(step.sched['minibatch_gpu'])
    D_stages = [D_stage(step, options, prior, f'D{i}' if options.num_D_steps > 1 else 'D')
                for i in range(options.num_D_steps)]
    G_stages = [G_stage(step, options, prior)]
    stages = G_stages + D_stages if options.G_first else D_stages + G_stages
    if options.ema_decay is None:
        return stages
    beta = step.sched.derive('Gs_beta', lambda sched: (
        0.0 if sched['kimg'] * 1000 / sched['minibatch_size'] + 1 < options.ema_start else options.ema_decay))
    follow = step.nets['Gs'].setup_as_moving_average_of(step.nets['G'], beta, beta_nontrainable=beta)
    return stages + [Stage('Gs', follow, rounds=False)]


def named_loss(options, network):
    """loss_names.Loss of 'G' or 'D', `None` if `loss` decides; raises UserError for a term that it can't have."""
    text = getattr(options, network + '_loss')
    if text is None:
        return None
    loss_names.check_terms(text, network, loss_names.PLAIN_TERMS)
    return loss_names.parse(text, network)


def G_stage(step, options, prior):
    """A step of G; a relativistic loss compares with the reals of the iteration."""
    G, D, wanted = step.nets['G'], step.nets['D'], named_loss(options, 'G')
    with step.losses('G'):
        fakes, labels = draw_fakes(step, prior)
        is_training, real_scores = not options.reals_only, None
        if wanted is not None and wanted.needs_reals:
            reals, real_labels = next(iter(step.batch.values()))
            scores, real_scores = tf.split(translating.in_training(
                D, tf.concat([fakes, reals], 0), tf.concat([labels, real_labels], 0), is_training=is_training), 2)
        else:
            scores = translating.in_training(D, fakes, labels, is_training=is_training)
        loss = LOSSES[options.loss][1](scores) if wanted is None else criteria.G_loss(
            criteria.ADVERSARIAL[wanted.criterion], scores, real_scores, wanted.target)
        loss = report_mean('Loss/G', loss) + orthogonality(G, weight_of_orthogonality(options.G_ortho, wanted))
    return step.train('G', {'G': loss}, batch=None if real_scores is None else 'this')


def weight_of_orthogonality(usual, wanted):
    """Weight of the orthogonal regularization: the usual one, or that of a loss by name, a loss_names.Loss."""
    return usual if wanted is None else wanted.terms.get('orthogonal', (usual,))[0]


def D_stage(step, options, prior, name):
    """A step of D on fresh reals and as many fakes."""
    D, (reals, labels) = step.nets['D'], next(iter(step.batch.values()))
    wanted = named_loss(options, 'D')

    def judge(points):
        with tf.control_dependencies([real_scores, fake_scores]):  # with the singular vectors that these leave
            return translating.in_training(D, tf.identity(points), labels, is_training=False)
    with step.losses(name):
        fakes, fake_labels = draw_fakes(step, prior)
        fakes = tf.stop_gradient(fakes)
        if options.split_D or options.reals_only:
            fake_scores = translating.in_training(D, fakes, fake_labels, is_training=not options.reals_only)
            with tf.control_dependencies([fake_scores]):  # they begin from the vectors before this step
                real_scores = translating.in_training(D, tf.identity(reals), labels)
        else:
            scores = translating.in_training(D, tf.concat([fakes, reals], 0), tf.concat([fake_labels, labels], 0))
            fake_scores, real_scores = tf.split(scores, 2)
        if wanted is None:
            criterion = LOSSES[options.loss][0]
            loss = report_mean('Loss/D_real', criterion.real(real_scores))
            loss += report_mean('Loss/D_fake', criterion.fake(fake_scores)) + orthogonality(D, options.D_ortho)
        else:
            loss = report_mean('Loss/D', criteria.D_loss(
                criteria.ADVERSARIAL[wanted.criterion], real_scores, fake_scores, wanted.target))
            if 'drift' in wanted.terms:
                loss += report_mean('Loss/epsilon_penalty', criteria.drift(real_scores)) * wanted.terms['drift'][0]
            for penalty in named.D_penalties(wanted.terms, judge, reals, fakes, (real_scores, fake_scores)):
                loss += report_mean('Loss/D_reg', penalty)
            loss += orthogonality(D, weight_of_orthogonality(options.D_ortho, wanted))
    return step.train(name, {'D': loss}, batch='next')


def draw_fakes(step, prior):
    """(images, labels) of random latents and, all with the same probability, classes."""
    G, size = step.nets['G'], step.sched['minibatch_gpu']
    labels = draw_labels(size, G.input_shapes[1][1])
    return translating.in_training(G, graph_latents.draw([size] + G.input_shape[1:], prior), labels), labels


def draw_labels(size, label_size):
    """One-hot labels [size, label_size] of random classes."""
    if not label_size:
        return tf.zeros([size, 0])
    return tf.one_hot(random.uniform([size], 0, label_size, tf.int32), label_size)


def orthogonality(network, weight):
    """Weighted penalties of all weights of a network but for G's embedding (Brock et al. 2019, equation 3)."""
    if not weight:
        return 0.0
    return weight * tf.add_n([penalties.orthogonality(tf.transpose(var) if is_table(network, name) else var)
                              for name, var in network.trainables.items() if var.shape.ndims > 1 and name != SHARED])


def is_table(network, name):
    """Has a weight a row for each class, rather than a column for each result?"""
    return name == 'Embed/weight' or name.replace('/weight', '/u0') not in network.vars


def draw(network, latents_in, labels, minibatch_size):
    """Pictures uint8 [N, C, H, W] of latents [N, latent_size] and labels [N, label_size]."""
    found = network.run(latents_in, labels, minibatch_size=minibatch_size)
    return np.clip(np.rint(adjust_dynamic_range(found, [-1, 1], [0, 255])), 0, 255).astype(np.uint8)


def draw_seed(network, data, pictures, prior):
    """Pictures of random latents and of the labels of random images; see `Method.fakes`.

    Args:
        network: Generator.
        data: Dataset whose labels are drawn.
        pictures: Random.
        prior: How latents are drawn, see dnnlib.latents.
    Returns: Iterator of Later.
    """
    return of_labels(
        pictures, data, lambda rnd, size: latents.draw(rnd, [size] + network.input_shape[1:], prior),
        functools.partial(network.run, output_transform=dict(func=tflib.convert_images_to_uint8)))


def standing_statistics(network, passes, prior='normal', minibatch_size=16):
    """Replaces what batch norm stored by the mean over some minibatches (Brock et al. 2019, section 4.2).

    Networks that can't hold sums (norm='batch') move their averages that often instead, as published.

    Args:
        network: Generator; changed.
        passes: Minibatches, list of (latents, labels), or a number of them to be drawn with the seed 0.
        prior, minibatch_size: Of latents that are drawn.
    """
    if isinstance(passes, int):
        rnd, label_size = np.random.RandomState(0), network.input_shapes[1][1]
        passes = [(latents.draw(rnd, [minibatch_size] + network.input_shape[1:], prior), np.eye(
            label_size, dtype=np.float32)[rnd.randint(max(label_size, 1), size=minibatch_size)] if label_size
                   else np.zeros([minibatch_size, 0])) for _ in range(passes)]
    if network.static_kwargs.get('norm') == 'standing':
        tflib.set_vars({var: np.zeros(var.shape.as_list(), np.float32) for name, var in network.vars.items()
                        if name.rsplit('/', 1)[-1] in ('moving_mean', 'moving_variance', 'count')})
    for found, labels in passes:
        network.run(found, labels, is_training=True, sums=True)
