"""OSGAN: G and D are trained in one stage, by the gradients of one backward pass (Shen et al. 2021); or in two.

One stage is a joint step of both; two are a step of D, then one of G. Then D's variables may be clipped, and the moving
average Gs of G follows.
"""

from typing import NamedTuple

from dnnlib.util import UserError
from training import adversarial, loss_names
from training.methods import by_name, progan
from training.train_step import report_mean

NETWORKS = dict(G='training.networks.dcgan.G_dcgan', D='training.networks.dcgan.D_dcgan')
OF_REALS = ('r1', 'drift')  # terms of losses that look at the scores of reals


class Options(NamedTuple):
    """Options of the method."""
    G_args: dict = None        # generator: func_name and keyword arguments
    D_args: dict = None        # discriminator
    G_opt_args: dict = None    # tflib.Optimizer of the generator
    D_opt_args: dict = None    # tflib.Optimizer of the discriminator
    G_loss_args: dict = None   # loss of the generator: keyword arguments of training.adversarial.G_loss
    D_loss_args: dict = None   # loss of the discriminator
    num_stages: int = 1        # 1 = a joint step, 2 = a step of D, then one of G
    together: bool = False     # one stage: show D reals and fakes in one minibatch, as published for WGAN?
    clip: float = None         # largest absolute value of D's variables; 0.01 for WGAN; None = any
    Gs_kimg: float = 0.0       # half-life of Gs in thousand images; 0 = there is none, as published


def osgan(streams, schedule, **options):
    """The method, for one stream of reals.

    Args:
        streams: {'reals': Stream}.
        schedule: Schedule.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit.
    """
    options, data = Options(**options), next(iter(streams.values())).dataset
    if options.num_stages not in (1, 2):
        raise UserError(f'num_stages must be 1 or 2, got {options.num_stages!r}')
    if options.clip is not None and not options.clip > 0:
        raise UserError(f'clip must be a number above 0, or None, got {options.clip!r}')
    by_name.check_classes(data, progan.make_losses(options))
    nets = progan.make_nets(options, NETWORKS, data)
    if options.Gs_kimg > 0:
        nets['Gs'] = nets['G']._replace(average_of='G')
    if options.num_stages == 1:
        check_one_stage(options, nets['D'].options.get('norm', 'batch'))
    return progan.make_method('osgan', nets, options, schedule, data, lambda step: make_stages(step, data, options),
                              saved_as=None)


def terms_of(options):
    """Names of the losses of (G, D)."""
    return tuple(args.get('terms', 'logistic_ns') for args in (options.G_loss_args or {}, options.D_loss_args or {}))


def check_one_stage(options, norm):
    """Refuses losses that can't be trained in one stage, and says where the gradients are not those of two stages.

    Args:
        options: Options.
        norm: Normalization of D.
    Raises: UserError.
    """
    for text, network in zip(terms_of(options), 'GD'):
        loss = loss_names.check_one_stage(text, network)
        for term in [term for term in OF_REALS if term in loss.terms and options.together and norm == 'batch']:
            raise UserError(f'loss {text!r}: with batch norm, and reals and fakes in one minibatch, the term {term} of '
                            'D would train G as well; leave it out, or give --set D.norm=group or --stages=2')
    criteria = [loss_names.parse(text, network).criterion for text, network in zip(terms_of(options), 'GD')]
    is_symmetric = criteria in (['logistic_saturating'] * 2, ['logistic_saturating', 'logistic_ns'], ['wgan'] * 2)
    if norm == 'batch' and (options.together or not is_symmetric):
        print('One stage with batch norm in D: scores depend on other images of the minibatch, so G is not trained by '
              'the gradient of its loss; --set D.norm=group or --stages=2 does that')


def make_stages(step, data, options):
    """The stages, see above.

    Args:
        step: Step.
        data: Dataset, gives random labels in two stages.
        options: Options.
    """
    G, D = step.nets['G'], step.nets['D']
    reals, labels = next(iter(step.batch.values()))

    clip = () if options.clip is None else [lambda: by_name.clipped(D, options.clip)]
    inputs = dict(G=G, D=D, minibatch_size=step.sched['minibatch_gpu'])
    with_reals = dict(inputs, reals=reals, labels=labels)
    if options.num_stages == 1:
        with step.losses('GD'):
            loss, reg = adversarial.one_stage_loss(terms=terms_of(options), together=options.together, **with_reals)
            total = report_mean('Loss/D', loss)
            if reg is not None:
                total += report_mean('Loss/D_reg', reg)
        stages = [step.train('GD', {('D', 'G'): total}, batch='this', joint=True, at_step=clip)]
    else:
        losses = progan.make_losses(options)
        inputs, with_reals = (dict(args, training_set=data, equalized=False) for args in (inputs, with_reals))
        stages = [progan.train(step, 'D', dict(with_reals, **losses['D']), 'this', clip),
                  progan.train_G(step, inputs, with_reals, losses['G'])]
    return stages + ([step.average('Gs', of='G', kimg=options.Gs_kimg)] if options.Gs_kimg > 0 else [])
