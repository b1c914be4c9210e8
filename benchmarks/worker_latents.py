"""What benchmarks/workers.py trains of the methods that draw from latents: tiny networks, with classes and without."""

from collections import OrderedDict

ADAM = dict(beta1=0.0, beta2=0.99, epsilon=1e-8)
NARROW = dict(fmap_base=64, fmap_max=8, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8)
WIDTHS, FMAPS = dict(fmap_base=64, fmap_max=8), dict(fmaps=4)
LEVELS = dict(fmaps=4, base_units=16)  # of LAPGAN's networks
CLASSES = 15  # coats of the cats


def _method(name, networks, G, D, losses=('logistic_ns', 'logistic_ns'), **more):
    """Options of a method.

    Args:
        name: Of its function, below `training.methods.`.
        networks: Names of the build functions of G and D, below `training.networks.`.
        G, D: Their options.
        losses: Of G and D.
        more: Further options of the method.
    """
    found = dict(more, func_name='training.methods.' + name)
    for of, function, options, terms in zip('GD', networks, (G, D), losses):
        found[f'{of}_args'] = dict(options, func_name='training.networks.' + function)
        found[f'{of}_opt_args'], found[f'{of}_loss_args'] = ADAM, dict(terms=terms)
    return found


def num_classes(method):
    """Columns of the labels that a method is given, see METHODS."""
    return CLASSES if '+ac' in method['D_loss_args']['terms'] or 'condition' in method['D_args'] else 0


def _progan(ac):
    return _method('progan.progan', ('progan.G_paper', 'progan.D_paper'), dict(WIDTHS, latent_size=8), WIDTHS,
                   ('wgan' + ac, 'wgan+gp:10+drift:0.001' + ac), Gs_beta=0.9)


def _latent(module, D_loss, D=FMAPS, **more):
    networks = [f'{module}.{name}_{"dcgan" if module == "dcgan" else "wgan_resnet"}' for name in 'GD']
    G_loss = D_loss.split('+')[0] + ('+ac:0.1' if '+ac' in D_loss else '')
    return _method('latent.latent', networks, FMAPS, dict(FMAPS, **D), (G_loss, D_loss), **more)


def _osgan(losses=('logistic_ns', 'logistic_ns'), norm='group', **more):
    return _method('osgan.osgan', ('dcgan.G_dcgan', 'dcgan.D_dcgan'), dict(fmaps=2, latent_size=8),
                   dict(fmaps=2, norm=norm), losses, Gs_kimg=0.1, **more)


def _lapgan(D=LEVELS):
    return _method('lapgan.lapgan', ('lapgan.G_lapgan', 'lapgan.D_lapgan'), LEVELS, D)


GP = 'wgan+gp:10'
METHODS = OrderedDict([  # name -> (options of the method, side of the images)
    ('ProGAN', (_progan(''), 8)),
    ('ProGAN, classes', (_progan('+ac:1'), 8)),
    ('MSG-GAN', (_method('msg.msg', ('msg_stylegan.G_style', 'msg_stylegan.D_basic'), NARROW, WIDTHS, (
        'logistic_ns', 'logistic_ns+r1')), 8)),
    ('MSG-GAN, form of ProGAN', (_method('msg.msg', ('msg_progan.G_msg', 'msg_progan.D_msg'), dict(
        WIDTHS, latent_size=8), WIDTHS, ('rahinge_nohalf', 'rahinge_nohalf'), Gs_beta=0.9), 16)),
    ('OSGAN', (_osgan(clip=0.1), 8)),
    ('OSGAN, two stages', (_osgan(num_stages=2), 8)),
    ('OSGAN, WGAN', (_osgan(('wgan', 'wgan'), 'batch', together=True, clip=0.01), 8)),
    ('DCGAN', (_latent('dcgan', 'logistic_ns'), 8)),
    ('WGAN', (_latent('dcgan', 'wgan', num_D_steps=2, clip=0.1, slow_start=True), 8)),
    ('WGAN-GP, residual', (_latent('wgan', GP, dict(norm='layer'), num_D_steps=2), 8)),
    ('WGAN-GP, classifier', (_latent('wgan', GP + '+ac_reals:1', dict(norm='layer', condition='classifier'),
                                     num_D_steps=2, G_images=2), 8)),
    ('DCGAN, concat', (_latent('dcgan', 'logistic_ns', dict(condition='concat')), 8)),
    ('DCGAN, dot', (_latent('dcgan', 'logistic_ns', dict(condition='dot')), 8)),
    ('DCGAN, projection', (_latent('dcgan', 'logistic_ns', dict(condition='projection')), 8)),
    ('LAPGAN', (_lapgan(), 16))])
