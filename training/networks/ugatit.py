"""U-GAT-IT (Kim et al. 2020), as its PyTorch release computes it, or as its TensorFlow release does.

An auxiliary classifier weighs feature maps by how much they say about the domain; the generator's normalization takes
its scales from them.
"""

import functools
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import layout
from training.blocks import plain, spectral
from training.blocks.norm import ada_lin
from training.blocks.resample import nearest_up
from training.blocks.residual import residual_layer
from training.networks.resnet import check_size, down_steps_reflected, first_steps

NUM_DOWNS = 2


class Release(NamedTuple):
    """In what the official releases differ; of the generator but for `is_shared` and `border`."""
    bias: bool        # have all layers biases?
    norm: str         # of the encoder, see plain.Setting
    is_shared: bool   # does one classifier with a bias judge averages and maxima, and weigh maps by weight + bias?
    is_unbiased: bool  # estimates of variances in (adaptive) layer-instance normalization
    rho: float        # initial share of the instance norm there
    smoothing: float  # what is taken off that share before it is used
    is_lopsided: bool  # is the border of a layer wider at the end where kernel and stride make it uneven?

    def border(self, kernel, stride):
        """Pixels around the input of a layer, see `padding.pad`."""
        return (1, kernel - stride - 1) if self.is_lopsided and (kernel - stride) % 2 else 1


RELEASES = dict(pytorch=Release(False, 'instance', False, True, 0.9, 0.0, False),
                tensorflow=Release(True, 'instance_affine', True, False, 1.0, 0.1, True))


def find_release(name):
    """The Release of a name; raises UserError for an unknown one."""
    if name not in RELEASES:
        raise UserError(f'release must be {" or ".join(RELEASES)}, not {name!r}')
    return RELEASES[name]


def G_ugatit(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        out_channels=None,          # Channels of the translations, None = the same.
        resolution=256,             # Side of the images, or (height, width); if not light, of these alone.
        fmaps=64,                   # Feature maps of the first layer, doubled where the size is halved; as published.
        num_blocks=4,               # Residual blocks of the encoder and of the decoder; as published.
        light=False,                # Scales from averages of the feature maps instead of all values? Far fewer weights.
        release='pytorch',          # Official release that it computes like: 'pytorch' or 'tensorflow'.
        init='uniform',             # Initial weights: see plain.initializers; as published ('normal' for TensorFlow).
        init_gain=0.02,             # Their gain, where there is one.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Translates images: [N, out_channels, H, W] in [-1, 1]; classifier's logits [N, 2], attention [N, 1, h, w]."""
    check_size(resolution, NUM_DOWNS, images_in, num_channels)
    release = find_release(release)
    setting = plain.Setting(release.norm, init=init, gain=init_gain, bias=release.bias)
    x = layout.from_nchw(images_in)
    for step in first_steps(setting, fmaps) + [step for i in range(NUM_DOWNS) for step in down_steps_reflected(
            setting, f'Down{i}', fmaps << (i + 1), release.border(3, 2))]:
        x = step(x)
    for i in range(num_blocks):
        with tf.variable_scope(f'EncoderBlock{i}'):
            x = residual_layer(x, setting)
    width = fmaps << NUM_DOWNS
    x, logits = class_activation_layer(x, setting, setting, tf.nn.relu, release.is_shared)
    attention = tf.reduce_sum(x, axis=layout.channel_axis(), keepdims=True)
    gamma, beta = scales_layer(x, width, setting, light)
    for i in range(num_blocks):
        with tf.variable_scope(f'DecoderBlock{i}'):
            x = adaptive_block_layer(x, gamma, beta, setting, release)
    for i in range(NUM_DOWNS):
        with tf.variable_scope(f'Up{i}'):
            x = plain.conv_layer(nearest_up(x), fmaps << (NUM_DOWNS - 1 - i), 3, setting, pad=1, kind='reflect')
            x = tf.nn.relu(layer_instance_norm_layer(x, release.is_unbiased))
    with tf.variable_scope('Output'):
        x = plain.conv_layer(x, out_channels or num_channels, 7, setting, pad=3, kind='reflect')
    return (tf.identity(layout.to_nchw(tf.tanh(x)), name='images_out'), tf.identity(logits, name='logits_out'),
            tf.identity(layout.to_nchw(attention), name='attention_out'))


def class_activation_layer(x, setting, mixing, act, is_shared=False):
    """Feature maps weighed by a classifier of their averages and maxima (the paper, section 2.1.1).

    Args:
        x: Feature maps.
        setting: plain.Setting of the classifier; the maps are weighed by its weights without normalization, unless it
            is shared.
        mixing: plain.Setting of the 1x1 convolution that follows.
        act: Activation after it.
        is_shared: See Release.
    Returns: (feature maps, logits [N, 2]).
    """
    axis, maps, logits = layout.channel_axis(), [], []
    if is_shared:
        with tf.variable_scope('Classifier'):
            w, b = plain.variables([x.shape.as_list()[axis], 1], 1, setting, True)
        for pooled in (tf.reduce_mean, tf.reduce_max):
            logits.append(tf.matmul(pooled(x, axis=layout.spatial_axes()), w) + b)
            maps.append(x * layout.per_channel(w[:, 0] + b))
    for name, pooled in () if is_shared else (('Average', tf.reduce_mean), ('Maximum', tf.reduce_max)):
        with tf.variable_scope(name):
            logits.append(plain.dense_layer(pooled(x, axis=layout.spatial_axes()), 1, setting, use_bias=False))
        with tf.variable_scope(name, reuse=True):
            maps.append(x * layout.per_channel(tf.get_variable('weight')[:, 0]))
    with tf.variable_scope('Mix'):
        x = act(plain.conv_layer(tf.concat(maps, axis=axis), x.shape.as_list()[axis], 1, mixing, use_bias=True))
    return x, tf.concat(logits, axis=1)


def scales_layer(x, width, setting, light):
    """gamma and beta [N, width] of the decoder's blocks, by two matrix products; `light`: see G_ugatit."""
    if light:
        x = tf.reduce_mean(x, axis=layout.spatial_axes())
    else:
        height, columns = [x.shape.as_list()[axis] for axis in layout.spatial_axes()]
        x = tf.reshape(layout.to_nchw(x), [-1, width * height * columns])
    for i in range(2):
        with tf.variable_scope(f'Dense{i}'):
            x = tf.nn.relu(plain.dense_layer(x, width, setting, use_bias=setting.bias))
    found = []
    for name in ('Gamma', 'Beta'):
        with tf.variable_scope(name):
            found.append(plain.dense_layer(x, width, setting, use_bias=setting.bias))
    return found


def adaptive_block_layer(x, gamma, beta, setting, release):
    """x + two 3x3 convolutions with adaptive layer-instance normalization (the paper, section 2.1.1)."""
    fmaps, y = x.shape.as_list()[layout.channel_axis()], x
    for i in range(2):
        with tf.variable_scope(f'Conv{i}'):
            y = plain.conv_layer(y, fmaps, 3, setting, pad=1, kind='reflect')
            rho = _rho(fmaps, release.rho)
            rho = tf.clip_by_value(rho - release.smoothing, 0, 1) if release.smoothing else rho
            y = ada_lin(y, rho, gamma, beta, release.is_unbiased)
        y = y if i else tf.nn.relu(y)
    return x + y


def layer_instance_norm_layer(x, is_unbiased):
    """Layer-instance normalization with learned scales, which begins as layer normalization."""
    fmaps = x.shape.as_list()[layout.channel_axis()]
    rho = _rho(fmaps, 0.0)
    gamma = tf.get_variable('gamma', [fmaps], initializer=tf.initializers.ones())
    return ada_lin(x, rho, gamma, tf.get_variable('beta', [fmaps], initializer=tf.initializers.zeros()), is_unbiased)


def _rho(fmaps, initial):
    return tf.get_variable('rho', [fmaps], initializer=tf.initializers.constant(initial))


def D_ugatit(
        images_in,                  # Images [N, num_channels, H, W].
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the first layer, doubled in each; as published.
        num_layers=7,               # Layers: 7 for the global discriminator, 5 for the local one; as published.
        release='pytorch',          # Official release that it computes like: 'pytorch' or 'tensorflow'.
        init='uniform',             # Initial weights: see plain.initializers; as published ('normal' for TensorFlow).
        init_gain=0.02,             # Their gain, where there is one.
        is_training=False,          # Training: steps of the power iteration of spectral normalization.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Scores of patches [N, 1, h, w]; logits of the classifier [N, 2], attention [N, 1, h', w']."""
    images_in.set_shape([None, num_channels] + plain.sides(resolution))
    release = find_release(release)
    plain_setting = plain.Setting(init=init, gain=init_gain)
    setting = plain_setting._replace(normalize=functools.partial(spectral.normalize_torch, is_training=is_training))
    x = layout.from_nchw(images_in)
    for i in range(num_layers - 1):
        stride = 2 if i < num_layers - 2 else 1
        with tf.variable_scope(f'Conv{i}'):
            x = plain.conv_layer(x, fmaps << i, 4, setting, stride=stride, pad=release.border(4, stride),
                                 kind='reflect')
            x = plain.lrelu(x)
    x, logits = class_activation_layer(x, setting, plain_setting, plain.lrelu, release.is_shared)
    attention = tf.reduce_sum(x, axis=layout.channel_axis(), keepdims=True)
    with tf.variable_scope('Output'):
        x = plain.conv_layer(x, 1, 4, setting, pad=release.border(4, 1), kind='reflect', use_bias=release.bias)
    return (tf.identity(layout.to_nchw(x), name='scores_out'), tf.identity(logits, name='logits_out'),
            tf.identity(layout.to_nchw(attention), name='attention_out'))
