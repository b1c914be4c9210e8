"""What the progressive growing of networks needs of a training: fading reals, the level of detail, new levels."""

import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.util import UserError
from training import image_size


def fade_reals(reals, lod, shape):
    """Reals as growing networks see them: partly the next coarser level, pixels repeated up to full size.

    This is the input of the fade in figure 2 of Karras et al. 2018.

    Args:
        reals: [N, C, h, w], at the resolution of the level floor(lod).
        lod: Level of detail, scalar; the coarser level has the share lod - floor(lod).
        shape: [C, H, W] of an image at full size.
    Returns: [N, C, H, W].
    """
    channels, height, width = shape
    num, h, w = reals.shape.as_list()[0] or -1, tf.shape(reals)[2], tf.shape(reals)[3]
    even_h, even_w = h + h % 2, w + w % 2  # of the base block, which does not fade, a side may be odd
    blocks = tf.pad(reals, [[0, 0], [0, 0], [0, h % 2], [0, w % 2]]) if _has_odd_base(height, width) else reals
    blocks = tf.reshape(blocks, [num, channels, even_h // 2, 2, even_w // 2, 2])
    coarse = tf.reduce_mean(blocks, axis=[3, 5], keepdims=True)
    pixels = tf.reshape(tflib.lerp(blocks, coarse, lod - tf.floor(lod)), [num, channels, even_h, even_w])
    pixels = tf.reshape(pixels[:, :, :h, :w], [num, channels, h, 1, w, 1])
    return tf.reshape(tf.tile(pixels, [1, 1, 1, height // h, 1, width // w]), [num, channels, height, width])


def _has_odd_base(height, width):
    size = image_size.find(height, width)
    return size is not None and (size.base_height % 2 or size.base_width % 2)


def can_grow(network):
    """Does the network, or its synthesis part, have the variable `lod`, the level of detail that it works at?"""
    return 'lod' in network.components.get('synthesis', network).vars


def check_growing(networks):
    """Raises UserError if one of some networks, {name: Network}, can't grow."""
    for name, network in networks.items():
        if not can_grow(network):
            raise UserError(f'lod_initial_resolution: network {name} cannot grow; use the networks of config-a to '
                            'config-d, or set lod_initial_resolution to None')


def set_lod(networks, lod):
    """Operation that tells networks the level of detail; in a session call of its own, since nothing orders it before
    the reads within one call.

    Args:
        networks: List of tflib.Networks.
        lod: Scalar.
    """
    lods = [var for network in networks for name, var in network.vars.items() if name.split('/')[-1] == 'lod']
    return tf.group(*[tf.assign(var, lod) for var in lods])
