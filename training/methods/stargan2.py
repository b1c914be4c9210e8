"""StarGAN v2: one translator for several domains, and many styles of each (Choi et al. 2020)."""

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random
from dnnlib.util import UserError
from training.blocks import landmarks
from training.methods import domains, translating
from training.networks.stargan2 import unused_variables
from training.terms import criteria, penalties
from training.train_step import Between, Group, Method, Net, report_mean

ADAM = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.0, beta2=0.99, epsilon=1e-8, weight_decay=1e-4)
NETWORKS = 'training.networks.stargan2.'
AVERAGED = ('G', 'F', 'E')


class Options(NamedTuple):
    """Options of StarGAN v2; defaults are the published ones for faces."""
    G_args: dict = None            # generator: keyword arguments
    F_args: dict = None            # network that makes styles of latents
    E_args: dict = None            # encoder that finds styles in images
    D_args: dict = None            # discriminator
    H_args: dict = None            # network of the heat maps of landmarks, see `masked`
    G_opt_args: dict = None        # tflib.Optimizer of the generator
    F_opt_args: dict = None        # tflib.Optimizer of F
    E_opt_args: dict = None        # tflib.Optimizer of the encoder
    D_opt_args: dict = None        # tflib.Optimizer of the discriminator
    masked: bool = True            # let masks made of landmarks pass details of faces? Animals: no
    fan_file: str = None           # network of the landmarks, such as wing.ckpt; needed by `masked`
    lambda_reg: float = 1.0        # weight of R1
    lambda_sty: float = 1.0        # weight of finding the style again
    lambda_ds: float = 1.0         # weight of the difference of two styles at the start; animals: 2
    lambda_cyc: float = 1.0        # weight of the way back
    ds_iter: int = 100000          # iterations in which lambda_ds falls to 0
    ema_beta: float = 0.999        # decay of the moving averages per iteration


def stargan2(streams, schedule, **options):
    """The method, for the streams 'source' and 'reference'.

    Args:
        streams: {'source': Stream, 'reference': Stream}; an image of the second is two of one domain, side by side in
            its channels.
        schedule: Schedule with the fields `lrate` and `F_lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options or data that don't fit.
    """
    options, data = Options(**options), domains.data_of(streams, ('source', 'reference'), at_least=2)
    if options.masked and not options.fan_file:
        raise UserError('masks are made of the landmarks of faces: give the network that finds them, such as '
                        'wing.ckpt, by --fan=FILE; for other pictures --config=stargan-v2-afhq has no masks')
    nets = nets_of(options, data)
    size = schedule.last.minibatch_gpu
    groups = {name: Group((name,), args or ADAM, 'F_lrate' if name == 'F' else 'lrate') for name, args in (
        ('G', options.G_opt_args), ('F', options.F_opt_args), ('E', options.E_opt_args), ('D', options.D_opt_args))}
    if options.masked:
        groups['G'] = groups['G']._replace(frozen=lambda networks: unused_variables(networks['G']))
    latent_size = nets['F'].options['latent_size']
    return Method(
        'stargan2', nets, groups, stages=lambda step: make_stages(step, options, latent_size),
        pictures=lambda networks, cells: pictures(networks, cells, size),
        latents=lambda networks, count: np.random.randn(count, latent_size), between=(between(latent_size, size),))


def nets_of(options, data):
    """The networks.

    Args:
        options: Options.
        data: Dataset of the sources.
    Returns: OrderedDict of Nets.
    """
    shape = dict(num_domains=data.label_size)
    F_args = dict(dict(latent_size=16, **shape), **(options.F_args or {}))
    func_name, style = F_args.pop('func_name', NETWORKS + 'F_stargan2'), dict(style_size=F_args.get('style_size', 64))
    G = 'G_stargan2_masked' if options.masked else 'G_stargan2'
    nets = OrderedDict([
        ('G', translating.net(options.G_args, NETWORKS + G, data, **style)),
        ('F', Net(func_name, F_args, role='mapping')),
        ('E', translating.net(options.E_args, NETWORKS + 'E_stargan2', data, 'encoder', **dict(shape, **style))),
        ('D', translating.net(options.D_args, NETWORKS + 'D_stargan2', data, 'discriminator', **shape))])
    if options.masked:
        nets['H'] = translating.net(options.H_args, 'training.networks.fan.H_fan', data, 'landmarks')._replace(
            file=options.fan_file)
    for name in AVERAGED:
        nets[name + '_ema'] = nets[name]._replace(average_of=name)
    return nets


class Batch(NamedTuple):
    """The data of an iteration."""
    images: tf.Tensor      # that are translated
    domains: tf.Tensor     # of these
    masks: tf.Tensor       # of these; None = there are none
    references: list       # two images of the target domain for each of them
    targets: tf.Tensor     # target domains


def make_stages(step, options, latent_size):
    """Two steps of D, with styles made of latents and found in references; two of G likewise, the first of which trains
    F and E as well; moving averages; lambda_ds.
    """
    size = translating.is_static(step.sched['minibatch_gpu'])
    images, targets = step.batch['reference']
    batch = Batch(step.batch['source'].images, step.batch['source'].labels, masks_of(step, step.batch['source'].images),
                  tf.split(images, 2, axis=1), targets)
    lambda_ds = step.state('lambda_ds', [], initial=float(options.lambda_ds))
    step.progress['Progress/lambda_ds'] = lambda_ds

    def latent_styles():
        return step.nets['F'].get_output_for(random.normal([size, latent_size]), targets)

    def found_styles(number):
        return step.nets['E'].get_output_for(batch.references[number], targets)
    with step.losses('D'):
        D_loss = D_losses(step, batch, latent_styles(), ('D_latent', options.lambda_reg))
    with step.losses('D_ref'):
        D_ref_loss = D_losses(step, batch, found_styles(0), ('D_ref', options.lambda_reg))
    weights = options._replace(lambda_ds=lambda_ds.read_value())
    with step.losses('G'):
        G_loss = G_losses(step, batch, (latent_styles(), latent_styles()), ('G_latent', weights))
    with step.losses('G_ref'):
        G_ref_loss = G_losses(step, batch, (found_styles(0), found_styles(1)), ('G_ref', weights))
    smaller = tf.where(weights.lambda_ds > 0, weights.lambda_ds - options.lambda_ds / options.ds_iter,
                       weights.lambda_ds)
    kimg = domains.half_life(options.ema_beta, step.sched['minibatch_size'])
    return [step.train('D', {'D': D_loss}, batch='this'), step.train('D_ref', {'D': D_ref_loss}, batch='this'),
            step.train('G', {('G', 'F', 'E'): G_loss}, batch='this', joint=True),
            step.train('G_ref', {'G': G_ref_loss}, batch='this')] + [
                step.average(name + '_ema', of=name, kimg=kimg) for name in AVERAGED] + [
                    step.run('lambda_ds', lambda_ds.assign(smaller))]


def masks_of(step, images):
    """Masks of what must stay of images, without gradient; `None` where no network finds landmarks."""
    if 'H' not in step.nets:
        return None
    maps = step.nets['H'].get_output_for(images, resolution=images.shape.as_list()[2:], return_as_list=True)
    return tf.stop_gradient(landmarks.masks_of(*maps))


def translate(step, images, styles, masks):
    """Images in other styles."""
    return step.nets['G'].get_output_for(images, styles, *([] if masks is None else [masks]))


def D_losses(step, batch, styles, report):
    """Logistic loss and R1 of the discriminator.

    Args:
        step: Step.
        batch: Batch.
        styles: Of the fakes.
        report: (beginning of the tags, weight of R1).
    """
    tag, weight = report
    D, criterion = step.nets['D'], criteria.TRANSLATION['vanilla']
    fakes = tf.stop_gradient(translate(step, batch.images, styles, batch.masks))
    real_scores = D.get_output_for(batch.images, batch.domains)
    loss = report_mean(f'Loss/{tag}_real', criterion.real(real_scores))
    loss += report_mean(f'Loss/{tag}_fake', criterion.fake(D.get_output_for(fakes, batch.targets)))
    penalty = 0.5 * penalties.gradient_penalty(real_scores, batch.images)
    return loss + weight * report_mean(f'Loss/{tag}_reg', penalty)


def G_losses(step, batch, styles, report):
    """Loss of the generator; also that of F and E, where the styles are theirs.

    Args:
        step: Step.
        batch: Batch.
        styles: Of the translations, and others that must give something else.
        report: (beginning of the tags, Options with the weights).
    """
    (style, other), (tag, weights), E = styles, report, step.nets['E']
    fakes = translate(step, batch.images, style, batch.masks)
    others = tf.stop_gradient(translate(step, batch.images, other, batch.masks))
    back = translate(step, fakes, E.get_output_for(batch.images, batch.domains), masks_of(step, fakes))
    scored = criteria.TRANSLATION['vanilla'].real(step.nets['D'].get_output_for(fakes, batch.targets))
    parts = [('adv', 1, scored), ('sty', weights.lambda_sty, tf.abs(E.get_output_for(fakes, batch.targets) - style)),
             ('ds', -weights.lambda_ds, tf.abs(fakes - others)),
             ('cyc', weights.lambda_cyc, tf.abs(back - batch.images))]
    return tf.add_n([weight * report_mean(f'Loss/{tag}_{name}', loss) for name, weight, loss in parts])


def pictures(networks, cells, minibatch_size):
    """Rows of sources, of their translations to every domain with one latent each, and of references with the
    translations that have their styles."""
    images = cells.batch['source'][0]
    references, targets = cells.batch['reference']
    run = partial(draw, networks, images, minibatch_size)
    latent = [run(styles_of_latents(networks, cells.latents, np.eye(targets.shape[1])[[k] * len(images)]))
              for k in range(targets.shape[1])]
    return translating.rows(cells, images, *(latent + [references, run(styles_of_images(
        networks, references, targets, minibatch_size))]))


def between(latent_size, minibatch_size):
    """The train_step.Between of the averages; latents [N, latent_size] or pictures of the target are given."""
    def run(networks, images, targets, given):
        if given.ndim == 2:
            styles = styles_of_latents(networks, given, targets)
        else:
            styles = styles_of_images(networks, given, targets, minibatch_size)
        return draw(networks, images, minibatch_size, styles)
    return Between(run, latent_size=latent_size)


def styles_of_latents(networks, latents, targets):
    """Styles [N, style_size] of latents [N, latent_size] for domains [N, num_domains]."""
    return networks['F_ema'].run(latents, targets)


def styles_of_images(networks, images, targets, minibatch_size):
    """Styles [N, style_size] of pictures uint8 [N, C, H, W] for domains [N, num_domains]."""
    return networks['E_ema'].run(images / 127.5 - 1, targets, minibatch_size=minibatch_size)


def draw(networks, images, minibatch_size, styles):
    """Pictures uint8 [N, C, H, W] in these styles [N, style_size]: uint8 like the pictures."""
    given = [images.astype(np.float32) / 127.5 - 1, styles]
    if 'H' in networks:
        given.append(networks['H'].run(given[0], resolution=list(images.shape[2:]), minibatch_size=minibatch_size,
                                       output_transform=dict(func=landmarks.masks_of)))
    return domains.to_pictures(networks['G_ema'].run(*given, minibatch_size=minibatch_size))
