"""SinCUT: CUT on crops of one picture of each domain, with StyleGAN2's layers (Park et al. 2020, section 4.3)."""

from typing import NamedTuple

from dnnlib.util import UserError
from training.methods import cut, translating

ADAM = dict(translating.ADAM, beta1=0.0, beta2=0.99)  # StyleGAN2's betas; as published


class Options(NamedTuple):
    """Options of SinCUT, those of CUT; defaults are the published ones."""
    G_args: dict = None              # generator: func_name and keyword arguments; None = of StyleGAN2's layers
    F_args: dict = None              # what patches are compared by; None = two layers for each tap
    D_args: dict = None              # discriminator; None = of StyleGAN2's layers
    G_opt_args: dict = None          # tflib.Optimizer of the generator
    F_opt_args: dict = None          # tflib.Optimizer of F
    D_opt_args: dict = None          # tflib.Optimizer of the discriminator
    criterion: str = 'nonsaturating'  # what scores are worth: nonsaturating, vanilla, lsgan, hinge or wgangp
    lambda_GAN: float = 1.0          # weight of the scores
    lambda_NCE: float = 4.0          # weight of the contrast of patches
    nce_idt: bool = True             # contrast B and its translation, too?
    nce_layers: tuple = (0, 2, 4)    # layers of the generator that are compared
    netF: str = 'mlp_sample'         # how they are, see `cut.Options`
    nce_T: float = 0.07              # temperature of the contrast
    num_patches: int = 1             # samples of each layer: a crop is hardly more than a patch
    nce_includes_all_negatives_from_minibatch: bool = True  # look for negatives in all images, not one?
    flip_equivariance: bool = False  # mirror half of the minibatches?
    lambda_R1: float = 1.0           # weight of the discriminator's gradients at reals, times 1/2, in every step
    lambda_identity: float = 1.0     # weight of leaving B as it is
    lambda_gp: float = 0.0           # weight of the gradient penalty, which wgangp was made for: 10 there
    pool_size: int = 0               # earlier fakes that the discriminator is shown again; 0 = none, as published
    augment_args: dict = None        # what the discriminator sees of crops, see `judging`; None = all


def sincut(streams, schedule, **options):
    """The method, for the streams 'a' and 'b' of crops; see `cut.cut`.

    Raises: UserError for options that don't fit, or crops whose side is no power of two.
    """
    options, (_, b) = Options(**options), translating.data_of(streams)
    options = options._replace(**{name: getattr(options, name) or ADAM for name in options._fields
                                  if name.endswith('_opt_args')})
    height, width = b.shape[1:]
    if height != width or height & (height - 1):
        raise UserError(f'SinCUT needs square crops whose side is a power of two, not {width}x{height}; give a '
                        '--resolution such as 64')
    return cut.make('sincut', streams, schedule, options,
                    ('training.networks.sincut.G_sincut', dict(width_resolution=int(height))),
                    ('training.networks.sincut.D_sincut', {}))
