"""What augmentation does to each image: `Options` of a pipeline, and the `Parameters` that are drawn for a minibatch.

Source: StyleGAN2-ADA (Karras et al. 2020), appendix B, algorithm 1.
"""

import inspect
import math
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import random


class Options(NamedTuple):
    """Keyword arguments of the pipeline: multipliers of the probability of each operation (0 = off), and ranges."""
    xflip: float = 0              # mirror
    rotate90: float = 0           # quarter turns
    xint: float = 0               # shift by whole pixels
    scale: float = 0              # enlarge or shrink
    rotate: float = 0             # rotate by any angle, before and after `aniso`
    aniso: float = 0              # stretch one axis, shrink the other
    xfrac: float = 0              # shift by any distance
    brightness: float = 0         # add a constant
    contrast: float = 0           # scale around mid-gray
    lumaflip: float = 0           # invert the luma, keep the chroma
    hue: float = 0                # rotate colors around the gray axis
    saturation: float = 0         # scale the distance from the gray axis
    imgfilter: float = 0          # change the gain of four frequency bands
    noise: float = 0              # add white noise
    cutout: float = 0             # gray out a rectangle
    xint_max: float = 0.125       # largest shift by whole pixels, share of width and height
    scale_std: float = 0.2        # standard deviation of log2 of the scale
    rotate_max: float = 1         # largest angle, 1 = a half turn
    aniso_std: float = 0.2        # standard deviation of log2 of the stretching
    xfrac_std: float = 0.125      # standard deviation of the shift, share of width and height
    brightness_std: float = 0.2   # standard deviation of what is added
    contrast_std: float = 0.5     # standard deviation of log2 of the contrast
    hue_max: float = 1            # largest angle, 1 = a half turn
    saturation_std: float = 1     # standard deviation of log2 of the saturation
    imgfilter_bands: tuple = (1, 1, 1, 1)  # multipliers of the four bands, low frequencies first
    imgfilter_std: float = 1      # standard deviation of log2 of a band's gain
    noise_std: float = 0.1        # standard deviation of the noise's standard deviation
    cutout_size: float = 0.5      # sides of the rectangle, share of width and height
    warp_gradient: str = 'exact'  # gradient of the warp: 'exact' adjoint or 'published' inverse warp


def takes(options):
    """Decorator: `**options` of the function are the fields of this NamedTuple; `inspect.signature` shows them."""
    def show(function):
        signature = inspect.signature(function)
        named = [p for p in signature.parameters.values() if p.kind != inspect.Parameter.VAR_KEYWORD]
        named += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
                  for name, default in options._field_defaults.items()]
        function.__signature__ = signature.replace(parameters=named)
        return function
    return show


class Parameters(NamedTuple):
    """What happens to each of N images; None = the operation is left out. Float32 tensors, in order of execution."""
    xflip_i: object = None        # [N], 1 = mirrored
    rotate90_i: object = None     # [N], counter-clockwise quarter turns, 0 to 3
    xint_t: object = None         # [N, 2], (x, y), share of width and height, rounded to pixels when it is applied
    scale_s: object = None        # [N], > 1 enlarges
    rotate_pre: object = None     # [N], counter-clockwise angle in radians
    aniso_s: object = None        # [N], > 1 widens
    rotate_post: object = None    # [N], as rotate_pre
    xfrac_t: object = None        # [N, 2], (x, y), share of width and height
    brightness_b: object = None   # [N], added to every color
    contrast_c: object = None     # [N], factor
    lumaflip_i: object = None     # [N], 1 = inverted
    hue_theta: object = None      # [N], radians
    saturation_s: object = None   # [N], factor
    imgfilter_t: object = None    # [N, 4], gain of each band before normalization
    noise_sigma: object = None    # [N], standard deviation
    noise_map: object = None      # [N, C, H, W], standard normal
    cutout_size: object = None    # [N, 2], (x, y), share of width and height, 0 = nothing is cut out
    cutout_center: object = None  # [N, 2], (x, y), share of width and height


class _Draws:
    """Values for N images, from `dnnlib.tflib.random` or, for debugging, at a percentile of their distributions."""

    def __init__(self, count, strength, percentile):
        self.count, self.strength, self.percentile = count, strength, percentile

    def _fixed(self, value, parts):
        return tf.fill([self.count] + parts, tf.constant(value, tf.float32))

    def uniform(self, limit, parts=()):
        """U(-limit, limit), [N] + parts."""
        parts = list(parts)
        if self.percentile is not None:
            return self._fixed((2 * self.percentile - 1) * limit, parts)
        return random.uniform([self.count] + parts, -limit, limit)

    def normal(self, std, parts=()):
        """N(0, std), [N] + parts."""
        parts = list(parts)
        if self.percentile is not None:
            return self._fixed(_erfinv(2 * self.percentile - 1) * std, parts)
        return random.normal([self.count] + parts) * std

    def half_normal(self, std):
        """|N(0, std)|, [N]."""
        return tf.abs(self.normal(std)) if self.percentile is None else self._fixed(_erfinv(self.percentile) * std, [])

    def integer(self, choices):
        """One of 0 to choices - 1, [N]."""
        if self.percentile is not None:
            return self._fixed(math.floor(self.percentile * choices), [])
        return tf.floor(random.uniform([self.count], 0, choices))

    def fraction(self, parts):
        """U(0, 1), [N] + parts."""
        return self._fixed(self.percentile, parts) if self.percentile is not None else random.uniform(
            [self.count] + parts)

    def gated(self, value, identity, multiplier):
        """`value` with the probability multiplier * strength, else `identity`; one decision for an image, [N]."""
        return self.gated_by(value, identity, multiplier * self.strength)

    def gated_by(self, value, identity, probability):
        """As `gated`; the probability is given."""
        if self.percentile is not None:
            return value
        is_open = random.uniform([self.count] + [1] * (value.shape.ndims - 1)) < probability
        return tf.where(tf.broadcast_to(is_open, tf.shape(value)), value, tf.fill(tf.shape(value), float(identity)))


def draw(options, count, strength=1, debug_percentile=None):
    """Draws the parameters of a minibatch; their laws are those of the published pipeline.

    Args:
        options: Options.
        count: N, int or scalar int32 tensor.
        strength: p, the probability of each operation, times its multiplier; number or scalar float32 tensor, >= 0.
        debug_percentile: None = random numbers; a number in [0, 1] = every parameter is at this point of its range.
    Returns: Parameters; None where a multiplier is 0, and for noise_map.
    Raises: UserError if the percentile is no number in [0, 1].
    """
    if debug_percentile is not None and not 0 <= debug_percentile <= 1:
        raise UserError(f'debug_percentile={debug_percentile!r}: expected a number in [0, 1]')
    draws = _Draws(count, strength, debug_percentile)
    found = dict(_draw_geometry(options, draws), **_draw_colors(options, draws))
    if options.imgfilter > 0:
        found['imgfilter_t'] = tf.stack([_band_gain(options, draws, band) for band in options.imgfilter_bands], axis=1)
    if options.noise > 0:
        found['noise_sigma'] = draws.gated(draws.half_normal(options.noise_std), 0, options.noise)
    if options.cutout > 0:
        size = tf.fill([count, 2], float(options.cutout_size))
        found.update(cutout_size=draws.gated(size, 0, options.cutout), cutout_center=draws.fraction([2]))
    return Parameters(**found)


def _draw_geometry(options, draws):
    found = {}
    if options.xflip > 0:
        found['xflip_i'] = draws.gated(draws.integer(2), 0, options.xflip)
    if options.rotate90 > 0:
        found['rotate90_i'] = draws.gated(draws.integer(4), 0, options.rotate90)
    if options.xint > 0:
        found['xint_t'] = draws.gated(draws.uniform(options.xint_max, [2]), 0, options.xint)
    if options.scale > 0:
        found['scale_s'] = draws.gated(_exp2(draws.normal(options.scale_std)), 1, options.scale)
    if options.rotate > 0:  # each of the two with a probability such that either happens with rotate * strength
        probability = 1 - tf.sqrt(tf.maximum(1 - options.rotate * tf.convert_to_tensor(draws.strength, tf.float32), 0))
        angle = math.pi * options.rotate_max
        found['rotate_pre'] = draws.gated_by(draws.uniform(angle), 0, probability)
        found['rotate_post'] = draws.gated_by(draws.uniform(angle), 0, probability)
        if draws.percentile is not None:
            found['rotate_post'] = tf.zeros([draws.count])
    if options.aniso > 0:
        found['aniso_s'] = draws.gated(_exp2(draws.normal(options.aniso_std)), 1, options.aniso)
    if options.xfrac > 0:
        found['xfrac_t'] = draws.gated(draws.normal(options.xfrac_std, [2]), 0, options.xfrac)
    return found


def _draw_colors(options, draws):
    found = {}
    if options.brightness > 0:
        found['brightness_b'] = draws.gated(draws.normal(options.brightness_std), 0, options.brightness)
    if options.contrast > 0:
        found['contrast_c'] = draws.gated(_exp2(draws.normal(options.contrast_std)), 1, options.contrast)
    if options.lumaflip > 0:
        found['lumaflip_i'] = draws.gated(draws.integer(2), 0, options.lumaflip)
    if options.hue > 0:
        found['hue_theta'] = draws.gated(draws.uniform(math.pi * options.hue_max), 0, options.hue)
    if options.saturation > 0:
        found['saturation_s'] = draws.gated(_exp2(draws.normal(options.saturation_std)), 1, options.saturation)
    return found


def _band_gain(options, draws, band):
    if band <= 0:
        return tf.ones([draws.count])
    return draws.gated(_exp2(draws.normal(options.imgfilter_std)), 1, options.imgfilter * band)


def _exp2(x):
    return tf.exp(x * math.log(2))


def _erfinv(y):
    from scipy import special  # slow to load, and needed for debugging only
    return float(special.erfinv(y))
