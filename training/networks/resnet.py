"""The ResNet generator of CycleGAN and CUT (Johnson et al. 2016; Zhu et al. 2017, appendix 7.2).

`steps` lists its layers in the order and with the numbers of the published networks, whose layers CUT taps.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import plain
from training.blocks.antialias import blur_down, blur_up
from training.blocks.norm import norm_layer
from training.blocks.padding import pad
from training.blocks.residual import residual_layer, run_chain, scoped


def G_resnet(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        out_channels=None,          # Channels of the translations, None = the same.
        resolution=256,             # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the first layer, doubled where the size is halved; as published.
        num_blocks=9,               # Residual blocks; published are 9, 6 for small images, and 4.
        num_downs=2,                # How often the size is halved; as published.
        norm='instance',            # Normalization: 'instance', 'batch', 'none'.
        antialias=False,            # Blur before halving and after doubling, as CUT does?
        dropout=False,              # Dropout in the residual blocks, also without training unless `evaluate`?
        init='normal',              # Initial weights: see plain.initializers.
        init_gain=0.02,             # Their gain; as published.
        taps=(),                    # Numbers of layers whose results are returned too, [N, h, w, C]: see CUT.
        encode_only=False,          # Return these alone, computing nothing after the last?
        is_training=False,          # Training: batch norm stores what it sees.
        evaluate=False,             # Statistics that training stored, no dropout; False = as the published test does.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Translates images: [N, out_channels, H, W] in [-1, 1]."""
    check_size(resolution, num_downs, images_in, num_channels)
    setting = plain.make_setting(norm, init, init_gain, is_training, evaluate, dropout)
    chain = steps(setting, out_channels or num_channels, fmaps, num_blocks, num_downs, antialias)
    if encode_only and not taps:
        raise UserError('encode_only needs taps')
    x, found = run_chain(chain, layout.from_nchw(images_in), taps, encode_only)
    found = [tf.transpose(tap, [0, 2, 3, 1]) if layout.data_format() == 'NCHW' else tap for tap in found]
    if encode_only:
        return tuple(found)
    return tuple([tf.identity(layout.to_nchw(x), name='images_out')] + found)


def check_size(resolution, num_downs, images_in, num_channels):
    """Sets the shape of images; raises UserError if their sides can't be halved as often as they must."""
    plain.check_multiple(resolution, 2 ** num_downs)
    images_in.set_shape([None, num_channels] + plain.sides(resolution))


def steps(setting, out_channels, fmaps, num_blocks, num_downs, antialias=False):
    """The layers, functions of feature maps; each creates its variables in a scope of its own.

    Args:
        setting: plain.Setting.
        out_channels: Channels of the result.
        fmaps, num_blocks, num_downs, antialias: See G_resnet.
    Returns: List of functions.
    """
    found = first_steps(setting, fmaps)
    for i in range(num_downs):
        found += down_steps(setting, f'Down{i}', fmaps << (i + 1), antialias)
    for i in range(num_blocks):
        found.append(scoped(f'Block{i}', lambda x: residual_layer(x, setting)))
    for i in range(num_downs):
        found += up_steps(setting, f'Up{i}', fmaps << (num_downs - 1 - i), antialias)
    return found + last_steps(setting, out_channels)


def first_steps(setting, fmaps):
    """Reflected border, 7x7 convolution, normalization, ReLU."""
    return [lambda x: pad(x, 3, 'reflect'),
            scoped('Input', lambda x: plain.conv_layer(x, fmaps, 7, setting))] + _normalized(setting, 'Input')


def down_steps(setting, scope, fmaps, antialias=False):
    """3x3 convolution, normalization, ReLU; to half the size."""
    def conv(x):
        return plain.conv_layer(x, fmaps, 3, setting, stride=1 if antialias else 2, pad=1)
    return [scoped(scope, conv)] + _normalized(setting, scope) + ([blur_down] if antialias else [])


def down_steps_reflected(setting, scope, fmaps, border=1):
    """The same with a reflected border, see `padding.pad`, as in U-GAT-IT."""
    def conv(x):
        return plain.conv_layer(x, fmaps, 3, setting, stride=2, pad=border, kind='reflect')
    return [scoped(scope, conv)] + _normalized(setting, scope)


def up_steps(setting, scope, fmaps, antialias=False):
    """3x3 convolution, normalization, ReLU; to twice the size."""
    def conv(x):
        if antialias:
            return plain.conv_layer(x, fmaps, 3, setting, pad=1)
        return plain.conv_transpose_layer(x, fmaps, 3, setting)
    return ([blur_up] if antialias else []) + [scoped(scope, conv)] + _normalized(setting, scope)


def last_steps(setting, out_channels):
    """Reflected border, 7x7 convolution, tanh."""
    return [lambda x: pad(x, 3, 'reflect'),
            scoped('Output', lambda x: plain.conv_layer(x, out_channels, 7, setting, use_bias=True)), tf.tanh]


def _normalized(setting, scope):
    return [scoped(scope, lambda x: norm_layer(x, setting)), tf.nn.relu]
