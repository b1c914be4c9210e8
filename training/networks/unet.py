"""The U-Net generator of pix2pix (Isola et al. 2017, appendix 6.1.1)."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import plain
from training.blocks.norm import norm_layer
from training.networks.resnet import check_size

MIN_DOWNS = 5  # four levels of growing width and the innermost


def G_unet(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        out_channels=None,          # Channels of the translations, None = the same.
        resolution=256,             # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the outermost level, doubled up to eightfold; as published.
        num_downs=8,                # How often the size is halved, to 1x1 at 256; published are 7 for 128x128, and 8.
        norm='batch',               # Normalization: 'instance', 'batch', 'none'; as published.
        dropout=True,               # Dropout in the inner levels, also without training unless `evaluate`?
        init='normal',              # Initial weights: see plain.initializers.
        init_gain=0.02,             # Their gain; as published.
        is_training=False,          # Training: batch norm stores what it sees.
        evaluate=False,             # Statistics that training stored, no dropout; False = as the published test does.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Translates images: [N, out_channels, H, W] in [-1, 1]."""
    if num_downs < MIN_DOWNS:
        raise UserError(f'num_downs must be at least {MIN_DOWNS}, not {num_downs}')
    check_size(resolution, num_downs, images_in, num_channels)
    setting = plain.make_setting(norm, init, init_gain, is_training, evaluate, dropout)
    widths = [fmaps * min(2 ** i, 8) for i in range(num_downs)]
    x, skips = layout.from_nchw(images_in), []
    for i, width in enumerate(widths):
        with tf.variable_scope(f'Down{i}'):
            x = plain.conv_layer(plain.lrelu(x) if i else x, width, 4, setting, stride=2, pad=1)
            x = norm_layer(x, setting) if 0 < i < num_downs - 1 else x
        skips.append(x)
    for i in reversed(range(num_downs)):
        # what skips a level is added before a ReLU, so that the published lrelu on it makes no difference
        x = tf.nn.relu(x if i == num_downs - 1 else tf.concat([skips[i], x], axis=layout.channel_axis()))
        width = widths[i - 1] if i else out_channels or num_channels
        with tf.variable_scope(f'Up{i}'):
            x = plain.conv_transpose_layer(x, width, 4, setting, use_bias=None if i else True)
            x = norm_layer(x, setting) if i else x
        if setting.dropout and 4 <= i < num_downs - 1:
            x = plain.dropout(x)
    return tf.identity(layout.to_nchw(tf.tanh(x)), name='images_out')
