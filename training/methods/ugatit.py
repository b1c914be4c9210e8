"""U-GAT-IT: two translators that attend to what tells the domains apart (Kim et al. 2020), as published for PyTorch.

Networks with release='tensorflow' and kernel_decay=1e-4 are those of the release for TensorFlow.
"""

from collections import OrderedDict
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from training.methods import cyclegan, judging, translating
from training.methods.plateau import Plateau
from training.terms import content, criteria
from training.train_step import Group, Method, report_mean

ADAM = dict(translating.ADAM, weight_decay=1e-4)  # as published: also of biases and of rho
LOCAL_LAYERS = 2  # that a local discriminator has less than a global one, whose patches it sees a part of
SIDES = ('global', 'local')


class Options(NamedTuple):
    """Options of U-GAT-IT; defaults are the published ones."""
    G_args: dict = None            # both generators: func_name and keyword arguments; light=True = few weights
    D_args: dict = None            # all discriminators; num_layers is that of the global ones
    G_opt_args: dict = None        # tflib.Optimizer of the generators
    D_opt_args: dict = None        # tflib.Optimizer of the discriminators
    adv_weight: float = 1.0        # weight of the scores, and of those of the discriminators' classifiers
    cycle_weight: float = 10.0     # weight of the way to the other domain and back
    identity_weight: float = 10.0  # weight of leaving alone what is in the target domain
    cam_weight: float = 1000.0     # weight of the generators' classifiers, which tell whose image they are given
    criterion: str = 'lsgan'       # what scores are worth: lsgan, vanilla, hinge or wgangp
    lambda_gp: float = 0.0         # weight of the discriminators' gradient penalty, which wgangp was made for: 10 there
    penalty: str = 'gp'            # which one: gp, lp (norms above 1 alone) or dragan (around reals)
    n_critic: int = 1              # steps of the discriminators for each of the generators
    kernel_decay: float = 0.0      # weight of half of the squares of weights but for biases; for TensorFlow: 1e-4
    augment_args: dict = None      # what discriminators see of images, see `judging`; None = all


def ugatit(streams, schedule, **options):
    """The method, for the streams 'a' and 'b'.

    Args:
        streams: {'a': Stream, 'b': Stream}.
        schedule: Schedule with the field `lrate`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, (a, b) = Options(**options), translating.data_of(streams)
    translating.criterion(options.criterion)
    judging.check(options.augment_args, options.criterion)
    if options.penalty not in judging.PENALTIES:
        raise UserError(f'penalty must be {", ".join(judging.PENALTIES)}, not {options.penalty!r}')
    if options.penalty != 'gp' and not options.lambda_gp:
        raise UserError(f'penalty={options.penalty} needs a weight, such as lambda_gp=10')
    if not isinstance(options.n_critic, int) or options.n_critic < 1:
        raise UserError(f'n_critic must be a whole number of at least 1, not {options.n_critic!r}')
    G, D = 'training.networks.ugatit.G_ugatit', 'training.networks.ugatit.D_ugatit'
    nets = OrderedDict([('G_ab', translating.net(options.G_args, G, a, out_channels=b.shape[0])),
                        ('G_ba', translating.net(options.G_args, G, b, out_channels=a.shape[0]))])
    for name, data in (('a', a), ('b', b)):
        whole = translating.net(options.D_args, D, data, 'discriminator', num_layers=7)
        part = dict(whole.options, num_layers=whole.options['num_layers'] - LOCAL_LAYERS)
        nets[f'D_{name}_global'], nets[f'D_{name}_local'] = whole, whole._replace(options=part)
    size, judges = schedule.last.minibatch_gpu, tuple(name for name in nets if name[0] == 'D')
    return Method(
        'ugatit', nets, dict(G=Group(('G_ab', 'G_ba'), options.G_opt_args or ADAM, 'lrate'),
                             D=Group(judges, options.D_opt_args or ADAM, 'lrate')),
        stages=lambda step: make_stages(step, options),
        pictures=lambda networks, cells: cyclegan.pictures(networks, cells, size),
        sheets=lambda cells: judging.sheets(options.augment_args, [cells.batch[name][0] for name in 'ab']),
        translation=translating.translation('G_ab', size))  # the way back is in the pictures


def make_stages(step, options):
    """A step of D, then one of G with the D that made it, after which the shares of the normalizations stay in [0, 1].

    Every evaluation of a discriminator moves the singular vectors of its weights, reals first; with several rounds each
    begins where the first did, since several workers move the same vectors.
    """
    a, b = step.batch['a'].images, step.batch['b'].images
    rate, judges = Plateau(step), judging.Judging(step, options.augment_args, options.criterion)
    with step.losses('D'):
        fakes = [tf.stop_gradient(step.nets[name].get_output_for(image, return_as_list=True)[0])
                 for name, image in (('G_ba', b), ('G_ab', a))]
        D_loss = options.adv_weight * D_losses(step, (a, b), fakes, options, judges)
        if options.kernel_decay:
            D_loss += decay(step, 'D', options.kernel_decay)
    with step.losses('G'):
        G_loss = G_losses(step, a, b, options, judges)
        if options.kernel_decay:
            G_loss += decay(step, 'G', options.kernel_decay)

    def bounded():
        shares = [var for name in ('G_ab', 'G_ba') for local, var in step.nets[name].trainables.items()
                  if local.split('/')[-1] == 'rho']
        return tf.group(*[tf.assign(var, tf.clip_by_value(var.read_value(), 0, 1)) for var in shares])
    trained = [step.train('D', {'D': D_loss}, batch='this', post=judges.post),
               step.train('G', {'G': G_loss}, options.n_critic, batch='this', post=[bounded] + rate.post(G_loss))]
    vectors = tuple(var for name, network in step.nets.items() if name[0] == 'D' for local, var in network.vars.items()
                    if local.endswith(('/weight_u', '/weight_v')))
    return rate.stages() + [stage._replace(rewound=vectors) for stage in trained] + judges.stages()


def decay(step, kind, weight):
    """Half of the squares of the weights of all discriminators, or all generators, times a weight.

    Args:
        step: Step.
        kind: 'D' or 'G'.
        weight: Number.
    """
    kernels = [var for name, network in step.nets.items() if name[0] == kind
               for local, var in network.trainables.items() if local.split('/')[-1] == 'weight']
    return report_mean(f'Loss/{kind}_decay', weight * tf.add_n([tf.nn.l2_loss(var) for var in kernels]))


def scores(step, name, images):
    """(scores of patches, logits of the classifier) of a discriminator in training."""
    return translating.in_training(step.nets[name], images, return_as_list=True)[:2]


def D_losses(step, reals, fakes, options, judges):
    """Sum over all discriminators of what their scores and those of their classifiers are worth.

    Args:
        step: Step.
        reals, fakes: Images of (A, B).
        options: Options.
        judges: judging.Judging.
    """
    losses = []
    for domain, real, fake in zip('ab', reals, fakes):
        (real,), (fake,) = judges.see(real), judges.see(fake)
        for side in SIDES:
            name, criterion = f'D_{domain}_{side}', criteria.TRANSLATION[options.criterion]
            real_scores = scores(step, name, real)
            judges.count(real_scores[0])
            for tag, found in (('real', [criterion.real(x) for x in real_scores]),
                               ('fake', [criterion.fake(x) for x in scores(step, name, fake)])):
                losses += [report_mean(f'Loss/{name}_{tag}', found[0]), report_mean(f'Loss/{name}_cam_{tag}', found[1])]
            if options.lambda_gp:
                losses.append(report_mean(f'Loss/{name}_gp', penalty(step, name, real, fake, options)))
    return tf.add_n(losses)


def penalty(step, name, real, fake, options):
    """Gradient penalty of a discriminator's scores and of its classifier's logits, each on points of its own, [N]."""
    return tf.add_n([judging.gradient_penalty(lambda image, index=i: step.nets[name].get_output_for(
        image, return_as_list=True)[index], real, fake, options.lambda_gp, kind=options.penalty) for i in range(2)])


def G_losses(step, a, b, options, judges):
    """Loss of both generators; parts have their weights.

    Args:
        step: Step.
        a, b: Images of the domains.
        options: Options.
        judges: judging.Judging.
    """
    (fake_b, cam_ab), (same_b, cam_bb) = (call(step, 'G_ab', image) for image in (a, b))
    (fake_a, cam_ba), (same_a, cam_aa) = (call(step, 'G_ba', image) for image in (b, a))
    losses = [('cycle_A', options.cycle_weight * content.difference(call(step, 'G_ba', fake_b)[0], a)),
              ('cycle_B', options.cycle_weight * content.difference(call(step, 'G_ab', fake_a)[0], b)),
              ('idt_A', options.identity_weight * content.difference(same_a, a)),
              ('idt_B', options.identity_weight * content.difference(same_b, b))]
    entropy = criteria.TRANSLATION['vanilla']
    losses += [(tag, options.cam_weight * loss) for tag, loss in (
        ('cam_BA', entropy.real(cam_ba)), ('cam_AA', entropy.fake(cam_aa)),
        ('cam_AB', entropy.real(cam_ab)), ('cam_BB', entropy.fake(cam_bb)))]
    for domain, fake in (('a', *judges.see(fake_a)), ('b', *judges.see(fake_b))):
        for side in SIDES:
            found = [options.adv_weight * criteria.TRANSLATION[options.criterion].fooled(x) for x in scores(
                step, f'D_{domain}_{side}', fake)]
            losses += [(f'G_{domain}_{side}', found[0]), (f'G_{domain}_cam_{side}', found[1])]
    return tf.add_n([report_mean('Loss/' + tag, loss) for tag, loss in losses])


def call(step, name, images):
    """(translations, logits of the classifier) of a generator."""
    return step.nets[name].get_output_for(images, return_as_list=True)[:2]
