"""BigBiGAN: a generator, and an encoder that finds the latents of images (Donahue and Simonyan 2019).

Losses and shapes are those of the published notebook. The rest is not published: see `networks.bigbigan`, and the steps
of the optimizers are BigGAN's.
"""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import latents
from dnnlib.tflib import latents as graph_latents
from dnnlib.tflib import random
from dnnlib.util import UserError
from training.methods import classes, translating
from training.report.fakes import Random
from training.terms import encoding
from training.train_step import Group, Method, Net, report_mean, Stage


class Options(NamedTuple):
    """Options of the method."""
    G_args: dict = None        # generator: func_name and keyword arguments
    E_args: dict = None        # encoder, which is given images of twice the size
    D_args: dict = None        # discriminator
    G_opt_args: dict = None    # tflib.Optimizer of the generator
    E_opt_args: dict = None    # tflib.Optimizer of the encoder
    D_opt_args: dict = None    # tflib.Optimizer of the discriminator
    num_D_steps: int = 2       # steps of D for each of the others; the paper's
    ema_decay: float = 0.9999  # decay of the averages Gs and Es per iteration; that of the published networks
    ema_start: int = 20000     # iterations before which they are copies; BigGAN's


def bigbigan(streams, schedule, **options):
    """The method, for one stream of images.

    Args:
        streams: {'reals': Stream}; the images drawn have half their size.
        schedule: Schedule with the fields `G_lrate`, of generator and encoder, and `D_lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or images that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    if data.shape[1] != data.shape[2] or data.shape[1] % 2:
        raise UserError(f'these networks take square images, not {data.shape[1]}x{data.shape[2]}; give a --resolution')
    if data.label_size:
        raise UserError(f'BigBiGAN knows no classes, but the dataset has {data.label_size}; give '
                        '--set dataset.max_label_size=0')
    nets, latent_size = OrderedDict(), (options.G_args or {}).get('latent_size', 120)
    for name, module, role in (('G', 'biggan', 'generator'), ('E', 'bigbigan', 'encoder'),
                               ('D', 'bigbigan', 'discriminator')):
        args = dict(num_channels=data.shape[0], resolution=data.shape[1] // (1 if name == 'E' else 2),
                    latent_size=latent_size, func_name=f'training.networks.{module}.{name}_{module}')
        args.update(getattr(options, name + '_args') or {})
        nets[name] = Net(args.pop('func_name'), args, role=role)
    nets['Gs'], nets['Es'] = nets['G']._replace(average_of='G'), nets['E']._replace(average_of='E')
    prior, size = nets['G'].options.get('latents', 'normal'), schedule.last.minibatch_gpu
    groups = {name: Group((name,), getattr(options, name + '_opt_args') or {},
                          ('D' if name == 'D' else 'G') + '_lrate') for name in 'GED'}
    return Method(
        'bigbigan', nets, groups, stages=lambda step: make_stages(step, options, prior),
        pictures=lambda networks, cells: pictures(networks, cells, size),
        fakes=lambda networks, count, seed: classes.draw_seed(
            networks['Gs'], data, Random(count, seed, size), prior),
        latents=lambda networks, count: latents.draw(np.random, [count] + networks['G'].input_shape[1:], prior))


def make_stages(step, options, prior):
    """Steps of D, then generator and encoder at once, then their averages."""
    translating.is_static(step.sched['minibatch_gpu'])
    stages = []
    for i in range(options.num_D_steps):
        with step.losses(f'D{i}'):
            loss = report_mean('Loss/D', encoding.D_loss(*scores_of(step, prior, is_fixed=True)))
        stages.append(step.train(f'D{i}', {'D': loss}, batch='next'))
    with step.losses('GE'):
        encoded, drawn = scores_of(step, prior)
        losses = dict(G=report_mean('Loss/G', encoding.G_loss(drawn)),
                      E=report_mean('Loss/E', encoding.E_loss(encoded)))
    stages.append(step.train('GE', losses, batch='next', joint=True))
    beta = step.sched.derive('average_beta', lambda sched: (
        0.0 if sched['kimg'] * 1000 / sched['minibatch_size'] + 1 < options.ema_start else options.ema_decay))
    return stages + [Stage(name + 's', step.nets[name + 's'].setup_as_moving_average_of(
        step.nets[name], beta, beta_nontrainable=beta), rounds=False) for name in 'GE']


def scores_of(step, prior, is_fixed=False):
    """Scores [N, 3] of images with their encodings, and of drawn images with their latents.

    Args:
        step: Step.
        prior: What latents are drawn from.
        is_fixed: Have generator and encoder no gradients?
    """
    G, E, D = (step.nets[name] for name in 'GED')
    images, size = next(iter(step.batch.values())).images, step.sched['minibatch_gpu']
    z = graph_latents.draw([size] + G.input_shape[1:], prior)
    drawn = translating.in_training(G, z, tf.zeros([size, 0]))
    means, deviations, _ = translating.in_training(E, images)
    encodings = means + deviations * random.normal([size] + G.input_shape[1:])
    if is_fixed:
        drawn, encodings = tf.stop_gradient(drawn), tf.stop_gradient(encodings)
    scores = translating.in_training(D, tf.concat([halved(images), drawn], 0), tf.concat([encodings, z], 0))
    return tf.split(scores, 2)


def halved(images):
    """Images [N, C, H, W] of half the size: the mean of every 2x2 pixels."""
    height, width = images.shape.as_list()[2:]
    return tf.reduce_mean(tf.reshape(images, [-1, images.shape.as_list()[1], height // 2, 2, width // 2, 2]), [3, 5])


def pictures(networks, cells, minibatch_size):
    """Rows of images, of what is drawn from their encodings, and of what is drawn at random."""
    images = next(iter(cells.batch.values()))[0]
    count, channels, height, width = images.shape
    small = images.reshape(count, channels, height // 2, 2, width // 2, 2).mean(axis=(3, 5))
    means = networks['Es'].run(images / np.float32(127.5) - 1, minibatch_size=minibatch_size)[0]
    no_labels = np.zeros([count, 0], np.float32)
    drawn = [classes.draw(networks['Gs'], z, no_labels, minibatch_size) for z in (means, cells.latents)]
    return translating.rows(cells, np.uint8(np.rint(small)), *drawn)
