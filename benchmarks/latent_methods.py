"""What benchmarks/loss_study.py trains: methods that draw from latents, on tiny networks and gray pictures."""

from typing import NamedTuple

ADAM = dict(beta1=0.0, beta2=0.99)
RMSPROP = dict(tf_optimizer='dnnlib.tflib.optimizers.RMSProp', decay=0.99, epsilon=1e-8)
SGD = dict(tf_optimizer='dnnlib.tflib.optimizers.SGD')
NARROW = dict(fmap_base=64, fmap_max=16, latent_size=8)


class Trained(NamedTuple):
    """A method on pictures of the two modes."""
    resolution: int   # of the pictures
    options: dict     # keyword arguments of the training loop but for data and schedule
    lrate: float = 0.002  # of all networks
    kimg: float = 10  # length of the training


def _latent(networks, D_terms, opt, further=None, **method):
    """Method `latent`; networks: (module, end of the names, options of both)."""
    module, name, both = networks
    args = {of + '_args': dict(both, func_name=f'training.networks.{module}.{of}_{name}') for of in 'GD'}
    args['G_args']['latent_size'] = 8
    args['D_args'].update(further or {})
    return dict(method_args=dict(
        args, func_name='training.methods.latent.latent', G_opt_args=opt, D_opt_args=opt,
        G_loss_args=dict(terms=D_terms.split('+')[0]), D_loss_args=dict(terms=D_terms),
        **dict(dict(ema_decay=0.99), **method)))


def _style(G_loss, D_loss, **more):
    return dict(
        G_args=dict(func_name='training.networks_stylegan2.G_main', fmap_max=32, latent_size=16, dlatent_size=16,
                    mapping_layers=2, mapping_fmaps=32),
        D_args=dict(func_name='training.networks_stylegan2.D_stylegan2', fmap_max=32, architecture='skip'),
        G_opt_args=ADAM, D_opt_args=ADAM, G_loss_args=dict(func_name='training.loss.' + G_loss),
        D_loss_args=dict(func_name='training.loss.' + D_loss), G_smoothing_kimg=1, **more)


MLP, DCGAN = ('mlp', 'mlp', dict(hidden=[32, 32])), ('dcgan', 'dcgan', dict(fmaps=16))
RESNET, SMALL = (('wgan', 'wgan_resnet', dict(fmaps=8, **more)) for more in ({}, dict(small=True)))
BIGGAN = dict(func_name='training.methods.classes.classes', G_args=dict(fmaps=4, attention=[], latent_size=16),
              D_args=dict(fmaps=4, attention=[]), G_opt_args=ADAM, D_opt_args=ADAM, ema_decay=0.99, ema_start=0)
PROGAN = dict(func_name='training.methods.progan.progan', G_args=NARROW, D_args=dict(fmap_base=64, fmap_max=16),
              G_opt_args=ADAM, D_opt_args=ADAM, G_loss_args=dict(terms='wgan'), Gs_beta=0.99,
              D_loss_args=dict(terms='wgan+gp:10+drift:0.001'))
MSG = dict(func_name='training.methods.msg.msg', G_args=dict(fmap_base=64, fmap_max=16, latent_size=8, dlatent_size=8,
                                                             mapping_layers=2), D_args=dict(fmap_base=64, fmap_max=16),
           G_opt_args=ADAM, D_opt_args=ADAM, Gs_kimg=1, G_loss_args=dict(terms='logistic_ns'),
           D_loss_args=dict(terms='logistic_ns+r1:10'))
OSGAN = dict(func_name='training.methods.osgan.osgan', G_args=dict(fmaps=16, latent_size=8), Gs_kimg=1,
             D_args=dict(fmaps=16, norm='group'), G_opt_args=ADAM, D_opt_args=ADAM)
LAPGAN = dict(func_name='training.methods.lapgan.lapgan', G_args=dict(fmaps=8, base_units=64, base_latent_size=8),
              D_args=dict(fmaps=8, base_units=64), G_opt_args=SGD, D_opt_args=SGD)
METHODS = {
    'StyleGAN2': Trained(4, _style('G_logistic_ns_pathreg', 'D_logistic_r1')),
    'StyleGAN2, augmented': Trained(4, _style('G_logistic_ns_pathreg', 'D_logistic_r1', augment_args=dict(
        brightness=1, initial_strength=0.5))),
    'ProGAN': Trained(8, dict(method_args=PROGAN), 0.001),
    'MLP, logistic': Trained(4, _latent(MLP, 'logistic_ns', ADAM), 0.001),
    'DCGAN': Trained(8, _latent(DCGAN, 'logistic_ns', dict(beta1=0.5, beta2=0.999)), 0.0002),
    'WGAN, MLP': Trained(4, _latent(MLP, 'wgan', RMSPROP, num_D_steps=5, clip=0.01, slow_start=True), 0.00005),
    'WGAN, MLP, faster': Trained(4, _latent(MLP, 'wgan', RMSPROP, num_D_steps=5, clip=0.05), 0.0005),
    'WGAN, DCGAN': Trained(8, _latent(DCGAN, 'wgan', RMSPROP, num_D_steps=5, clip=0.01), 0.0005),
    'WGAN-GP, MLP': Trained(4, _latent(MLP, 'wgan+gp', ADAM, num_D_steps=5), 0.001),
    'WGAN-GP, DCGAN': Trained(8, _latent(DCGAN, 'wgan+gp', ADAM, dict(norm='layer'), num_D_steps=5), 0.001),
    'WGAN-GP, residual': Trained(8, _latent(RESNET, 'wgan+gp', ADAM, num_D_steps=5), 0.001),
    'WGAN-GP, residual, small': Trained(8, _latent(SMALL, 'wgan+gp', ADAM, dict(norm='none'), num_D_steps=5), 0.001),
    'MSG-GAN': Trained(8, dict(method_args=MSG)),
    'OSGAN': Trained(8, dict(method_args=OSGAN), 0.0005),
    'OSGAN, two stages': Trained(8, dict(method_args=dict(OSGAN, num_stages=2)), 0.0005),
    'BigGAN': Trained(32, dict(method_args=BIGGAN), 0.001, 10),
    'LAPGAN': Trained(16, dict(method_args=LAPGAN), 0.02),
    'LAPGAN, Adam': Trained(16, dict(method_args=dict(LAPGAN, G_opt_args=ADAM, D_opt_args=ADAM)), 0.001),
}
