"""The methods that StyleGAN2-ADA was compared with (its appendix C): `--cmethod` of its configurations."""

from dnnlib import UserError
from training.options import augmentation, augmenting

NAMES = ('nocmethod', 'bcr', 'zcr', 'pagan', 'wgangp', 'auxrot', 'spectralnorm', 'shallowmap', 'adropout')
WITHOUT_AUGMENTATION = ('pagan', 'wgangp', 'adropout')  # as published
IN_FLOAT32 = ('zcr', 'wgangp')  # as published
HEURISTIC_TARGETS = dict(pagan=0.95, adropout=0.6)  # D adapts to p, which follows rt; as published
WGAN_LRATE = 0.001  # as published
SHALLOW = 2  # layers of the mapping network
G_COMPARED, D_COMPARED = 'training.loss.G_compared', 'training.loss.D_compared'

CHANGES = dict(  # name -> {group: options that are added}; numbers as published
    bcr=dict(D_loss_args=dict(  # Zhao et al. 2020, "Improved consistency regularization for GANs"
        func_name=D_COMPARED, bcr_real_weight=10, bcr_fake_weight=10,
        bcr_augment=dict(func_name=augmentation.PIPELINE, xint=1, xint_max=1 / 32))),
    zcr=dict(  # the same paper
        G_loss_args=dict(func_name=G_COMPARED, zcr_gen_weight=0.02),
        D_loss_args=dict(func_name=D_COMPARED, zcr_dis_weight=0.2)),
    pagan=dict(D_args=dict(use_pagan=True)),  # Zhang and Khoreva 2019
    auxrot=dict(  # Chen et al. 2019
        D_args=dict(score_max=5),  # the score, and one for each of four rotations
        G_loss_args=dict(func_name=G_COMPARED, auxrot_alpha=10),
        D_loss_args=dict(func_name=D_COMPARED, auxrot_beta=5)),
    spectralnorm=dict(D_args=dict(use_spectral_norm=True)),  # Miyato et al. 2018
    shallowmap=dict(G_args=dict(mapping_layers=SHALLOW)),
    adropout=dict(D_args=dict(adaptive_dropout=1)))


def add(parser):
    """Adds the options to an argparse parser or group."""
    parser.add_argument('--cmethod', choices=NAMES, default='nocmethod', metavar='NAME',
                        help=f'method that ADA was compared with: {", ".join(NAMES)} (default: %(default)s)')


def check(args, aug):
    """Refuses what does not go together; `aug` = value of `--aug`. Raises UserError."""
    if args.cmethod in WITHOUT_AUGMENTATION and aug != 'noaug':
        raise UserError(f'--cmethod={args.cmethod}: does not go together with augmentation; add --aug=noaug')
    if args.cmethod == 'wgangp' and args.gamma is not None:
        raise UserError(f'--gamma={args.gamma}: --cmethod=wgangp does not use gamma; drop --gamma')


def check_data(name, label_size, mapping_layers):
    """Refuses a comparison that the data or the networks don't allow.

    Args:
        name: Value of `--cmethod`.
        label_size: Number of label columns of the data.
        mapping_layers: Layers of the mapping network that the configuration has.
    Raises: UserError.
    """
    if name == 'auxrot' and label_size:
        raise UserError(f'--cmethod=auxrot: only for data without labels, and these have {label_size}; add --set '
                        'dataset.max_label_size=0')
    if name == 'shallowmap' and mapping_layers == SHALLOW:
        raise UserError(f'--cmethod=shallowmap: this configuration has {SHALLOW} mapping layers anyway; choose another '
                        '--config')


def apply(options, args):
    """Changes the options of a training as `--cmethod` asks.

    Args:
        options: Options of the training loop; changed.
        args: Parsed command line.
    """
    for group, changes in CHANGES.get(args.cmethod, {}).items():
        options[group].update(changes)
    if args.cmethod in HEURISTIC_TARGETS:  # nothing is augmented, but p is there
        options['augment_args'] = dict(augmenting.control(args, 'rt', HEURISTIC_TARGETS[args.cmethod]), func_name=None)
    if args.cmethod == 'wgangp':  # Gulrajani et al. 2017, with the constants of progressive growing
        options.update(G_loss_args=dict(func_name='training.loss.G_wgan'),
                       D_loss_args=dict(func_name='training.loss.D_wgan_gp'), lazy_regularization=False)
