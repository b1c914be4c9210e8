"""The pipelines of `--augpipe`: which function augments, and which of its operations are on; without TensorFlow."""

from collections import OrderedDict

from dnnlib import UserError
from dnnlib.arguments import did_you_mean

PIPELINE, DIFFAUGMENT = 'training.augment.augment_pipeline', 'training.augment.diffaugment'

BLIT = ('xflip', 'rotate90', 'xint')
GEOM = ('scale', 'rotate', 'aniso', 'xfrac')
COLOR = ('brightness', 'contrast', 'lumaflip', 'hue', 'saturation')
FILTER, NOISE, CUTOUT = ('imgfilter',), ('noise',), ('cutout',)
MULTIPLIERS = BLIT + GEOM + COLOR + FILTER + NOISE + CUTOUT  # of `augment_pipeline`, 0 = the operation is off

PRESETS = OrderedDict([  # name -> operations of `augment_pipeline` that are on (StyleGAN2-ADA, appendix B)
    ('blit', BLIT),
    ('geom', GEOM),
    ('color', COLOR),
    ('filter', FILTER),
    ('noise', NOISE),
    ('cutout', CUTOUT),
    ('bg', BLIT + GEOM),
    ('bgc', BLIT + GEOM + COLOR),
    ('bgcf', BLIT + GEOM + COLOR + FILTER),
    ('bgcfn', BLIT + GEOM + COLOR + FILTER + NOISE),
    ('bgcfnc', MULTIPLIERS),
])
NAMES = tuple(PRESETS) + ('diffaugment',)
DEFAULT = 'bgc'  # the best of the paper's, section 2.3: filter, noise and cutout do not help beyond it


def pipeline(name):
    """The function of a pipeline and its operations.

    Args:
        name: One of NAMES, what `--augpipe` is given.
    Returns: {'func_name': ..., operation: 1, ...}, to be completed by `--set augment.*`.
    Raises: UserError for an unknown name.
    """
    if name == 'diffaugment':
        return dict(func_name=DIFFAUGMENT)  # all of its operations are on by default
    if name not in PRESETS:
        raise UserError(f'--augpipe: unknown pipeline {name!r}; {did_you_mean(name, NAMES)}choose from '
                        f'{", ".join(NAMES)}')
    return dict({operation: 1 for operation in PRESETS[name]}, func_name=PIPELINE)
