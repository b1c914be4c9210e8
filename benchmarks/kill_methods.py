"""What benchmarks/kill_study.py kills: options of tiny trainings of each method."""

from collections import OrderedDict

USUAL = ['--dataset=cats', '--device=cpu', '--no-selftest', '--checkpoint-minutes=0.001', '--snap=2']


def options(*flags, settings=()):
    """Options of run_training.py: `flags` and, for --set, `settings`, besides those that all methods have."""
    found = USUAL + list(flags)
    for setting in ('grid.size=3x2', 'sched.tick_kimg_base=0.2', 'sched.tick_kimg_dict={}') + tuple(settings):
        found += ['--set', setting]
    return found


def _of(config, *flags, size=8, settings=()):
    return options(f'--config={config}', f'--resolution={size}', '--batch=8', *flags, settings=settings)


STYLEGAN2 = options(settings=(
    'dataset.resolution=8', 'G.fmap_max=8', 'D.fmap_max=8', 'G.mapping_layers=2', 'G.mapping_fmaps=8',
    'G.latent_size=8', 'G.dlatent_size=8', 'sched.minibatch_size_base=8', 'sched.minibatch_gpu_base=8'))
GROWING = ('--width=1/64', '--phase-kimg=0.3')
LEVELS = ('--width=1/32', '--lr=0.001')
METHODS = OrderedDict([
    ('StyleGAN2', STYLEGAN2),
    ('ProGAN', _of('progan', *GROWING, size=16)),
    ('ProGAN, classes', _of('progan', '--classes=15', *GROWING, size=16)),
    ('MSG-GAN, form of StyleGAN', _of('msg-stylegan', '--width=1/64')),
    ('MSG-GAN, form of ProGAN', _of('msg-progan', '--width=1/64')),
    ('OSGAN', _of('osgan', '--width=1/32')),
    ('OSGAN, two stages', _of('osgan', '--stages=2', '--width=1/32')),
    ('OSGAN, WGAN', _of('osgan-wgan', '--width=1/32')),
    ('DCGAN', _of('dcgan', '--width=1/16')),
    ('WGAN, clipped', _of('wgan', '--width=1/16')),
    ('WGAN-GP, residual', _of('wgan-gp', '--width=1/16')),
    ('WGAN-GP, residual, CIFAR', _of('wgan-gp-cifar', '--width=1/16')),
    ('LAPGAN', _of('lapgan', *LEVELS, size=16)),
    ('LAPGAN, gate', _of('lapgan-lsun', '--base=8', *LEVELS, size=16)),
    ('LAPGAN, classes', _of('lapgan', '--classes=15', *LEVELS, size=16)),
    ('DCGAN, concat', _of('dcgan', '--classes=15', '--condition=concat', '--width=1/16')),
    ('DCGAN, dot', _of('dcgan', '--classes=15', '--condition=dot', '--width=1/16')),
    ('DCGAN, projection', _of('dcgan', '--classes=15', '--condition=projection', '--width=1/16')),
    ('WGAN-GP, classifier', _of('wgan-gp', '--classes=15', '--width=1/16'))])
