"""StarGAN v2 (Choi et al. 2020, appendix), as its PyTorch release computes it.

A generator that is told the style of the result, a mapping network that makes styles of latents, an encoder that finds
them in images, and a discriminator; these three have one branch for each domain. Domains are [N, num_domains], 1 for
the domain that is meant and 0 for the others, so that branches that are not meant have gradients of zero.
"""

import math

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from training.blocks import plain
from training.blocks.norm import ada_in, instance_norm_layer
from training.blocks.padding import pad
from training.blocks.resample import mean_down, nearest_up, resize_bilinear

MASKED_SIZES = (32, 64, 128)  # of feature maps that a mask lets pass from the encoder to the decoder
MASK_NUMBERS = (32, 64)  # sizes that the two masks are for; the second also for larger ones
UNUSED = 'Decode{}/Shortcut/weight'  # of G_stargan2_masked
SHARED_LAYERS, OWN_LAYERS = 4, 3  # of the mapping network


def G_stargan2(
        images_in,                  # Images [N, num_channels, H, W].
        styles_in,                  # Styles of the results [N, style_size].
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images, a power of two.
        style_size=64,              # Size of a style; as published.
        fmap_base=2 ** 14,          # Feature maps of the first layer, times the resolution; as published.
        fmap_max=512,               # Maximum number of feature maps; as published.
        init='kaiming',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Translates images to what styles say: [N, num_channels, H, W] around [-1, 1]; nothing bounds them."""
    widths = widths_of(resolution, resolution // 16, fmap_base, fmap_max)
    images_in.set_shape([None, num_channels, resolution, resolution])
    styles_in.set_shape([None, style_size])
    setting = plain.Setting(init=init, bias=True)
    x = encode_layers(layout.from_nchw(images_in), widths, setting)[0]
    for i, (fmaps, up) in enumerate(decoder_of(widths)):
        with tf.variable_scope(f'Decode{i}'):
            x = shortcut_layer(x, fmaps, setting, up=up) + styled_layer(x, styles_in, fmaps, setting, up)
            x /= math.sqrt(2)
    return to_images_layer(x, num_channels, setting)


def G_stargan2_masked(
        images_in,                  # Images [N, num_channels, H, W].
        styles_in,                  # Styles of the results [N, style_size].
        masks_in,                   # What must stay [N, 2, height, width]: for sizes of 32, and of 64 and 128.
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images, a power of two.
        style_size=64,              # Size of a style; as published.
        mask_size=256,              # Side of the masks; as published.
        w_hpf=1.0,                  # Weights of the high-pass filter are divided by this; as published for faces.
        fmap_base=2 ** 14,          # Feature maps of the first layer, times the resolution; as published.
        fmap_max=512,               # Maximum number of feature maps; as published.
        init='kaiming',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """The same for faces: masks let fine details of the encoder's feature maps pass to the decoder (appendix A).

    The decoder's blocks have no shortcuts; weights of shortcuts that its file has are kept and not used.
    """
    widths = widths_of(resolution, resolution // 8, fmap_base, fmap_max)
    images_in.set_shape([None, num_channels, resolution, resolution])
    styles_in.set_shape([None, style_size])
    masks_in.set_shape([None, len(MASK_NUMBERS), mask_size, mask_size])
    setting = plain.Setting(init=init, bias=True)
    x, kept = encode_layers(layout.from_nchw(images_in), widths, setting)
    for i, (fmaps, up) in enumerate(decoder_of(widths)):
        with tf.variable_scope(f'Decode{i}'):
            if fmaps != x.shape.as_list()[layout.channel_axis()]:
                shortcut_layer(x, fmaps, setting, up=up)
            x = styled_layer(x, styles_in, fmaps, setting, up)
        size = x.shape.as_list()[2]
        if size in kept:
            number = MASK_NUMBERS.index(min(size, 64))
            mask = resize_bilinear(masks_in[:, number:number + 1], size, size)
            x += high_pass(layout.per_pixel(mask) * kept[size], w_hpf)
    return to_images_layer(x, num_channels, setting)


def unused_variables(network):
    """Local names of the variables of a G_stargan2_masked that nothing depends on: list of str."""
    numbers = range(len(network.vars))
    return [UNUSED.format(i) for i in numbers if UNUSED.format(i) in network.vars]


def widths_of(resolution, factor, fmap_base, fmap_max):
    """Feature maps from the first layer on, doubled with each halving of the size.

    Args:
        resolution: Side of the images.
        factor: How much smaller the last size is.
        fmap_base, fmap_max: See G_stargan2.
    Raises: UserError for a side that is no power of two, or smaller than 16.
    """
    if not isinstance(resolution, int) or resolution < 16 or resolution & (resolution - 1):
        raise UserError(f'StarGAN v2 takes square images whose side is a power of two from 16 on, not {resolution}; '
                        'choose another --resolution')
    count = max(int(factor), 1).bit_length()
    return [max(min((fmap_base // resolution) << i, fmap_max), 1) if i else max(fmap_base // resolution, 1)
            for i in range(count)]


def decoder_of(widths):
    """(feature maps, double the size?) of the decoder's blocks."""
    return [(widths[-1], False)] * 2 + [(fmaps, True) for fmaps in widths[-2::-1]]


def encode_layers(x, widths, setting):
    """The encoder of a generator.

    Args:
        x: Images in the layout of the graph.
        widths: See widths_of.
        setting: plain.Setting.
    Returns: (feature maps, {size: input of the last block with that size}).
    """
    kept = {}
    with tf.variable_scope('Input'):
        x = plain.conv_layer(x, widths[0], 3, setting, pad=1)
    blocks = [(fmaps, True) for fmaps in widths[1:]] + [(widths[-1], False)] * 2
    for i, (fmaps, down) in enumerate(blocks):
        size = x.shape.as_list()[2]
        if size in MASKED_SIZES:
            kept[size] = x
        with tf.variable_scope(f'Encode{i}'):
            x = residual_layer(x, fmaps, setting, normalize=True, down=down)
    return x, kept


def residual_layer(x, fmaps, setting, normalize=False, down=False):
    """Shortcut and two 3x3 convolutions, each after normalization and ReLU; sum of unit variance."""
    y, width = x, x.shape.as_list()[layout.channel_axis()]
    for i, out in enumerate((width, fmaps)):
        if normalize:
            with tf.variable_scope(f'Norm{i}'):
                y = instance_norm_layer(y)
        with tf.variable_scope(f'Conv{i}'):
            layer = plain.conv_down_layer if down and not i else plain.conv_3x3_layer
            y = layer(plain.lrelu(y), out, setting)
    return (shortcut_layer(x, fmaps, setting, down=down) + y) / math.sqrt(2)


def shortcut_layer(x, fmaps, setting, up=False, down=False):
    """x in another size, with a 1x1 convolution where it has another number of feature maps.

    The convolution, whose place does not matter, is where there are fewer pixels.
    """
    x = mean_down(x) if down else x
    if x.shape.as_list()[layout.channel_axis()] != fmaps:
        with tf.variable_scope('Shortcut'):
            x = plain.conv_layer(x, fmaps, 1, setting, use_bias=False)
    return nearest_up(x) if up else x


def styled_layer(x, styles, fmaps, setting, up):
    """Two 3x3 convolutions, each after adaptive normalization and ReLU."""
    for i in range(2):
        with tf.variable_scope(f'Norm{i}'):
            scales = plain.dense_layer(styles, 2 * x.shape.as_list()[layout.channel_axis()], setting)
            x = plain.lrelu(ada_in(x, *tf.split(scales, 2, axis=1)))
        with tf.variable_scope(f'Conv{i}'):
            x = (plain.up_conv_layer if up and not i else plain.conv_3x3_layer)(x, fmaps, setting)
    return x


def to_images_layer(x, num_channels, setting):
    """Normalization, ReLU, 1x1 convolution: images."""
    with tf.variable_scope('Output'):
        x = plain.conv_layer(plain.lrelu(instance_norm_layer(x)), num_channels, 1, setting)
    return tf.identity(layout.to_nchw(x), name='images_out')


def high_pass(x, w_hpf):
    """What differs from the eight pixels around it: 8 times the pixel minus these, divided by w_hpf; zeros outside."""
    total = pad(x, 1)
    for axis in layout.spatial_axes():
        parts = [[slice(None)] * axis + [slice(first, first + x.shape.as_list()[axis])] for first in range(3)]
        total = tf.add_n([total[tuple(part)] for part in parts])
    return (9 * x - total) / w_hpf


def F_stargan2(
        latents_in,                 # Latents [N, latent_size], N(0, 1).
        domains_in,                 # Domains [N, num_domains].
        latent_size=16,             # Size of a latent; as published.
        num_domains=2,              # Number of domains.
        style_size=64,              # Size of a style; as published.
        fmaps=512,                  # Size of the hidden layers; as published.
        init='kaiming',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Styles of a domain from latents: [N, style_size]."""
    latents_in.set_shape([None, latent_size])
    domains_in.set_shape([None, num_domains])
    setting, x = plain.Setting(init=init), latents_in
    for i in range(SHARED_LAYERS):
        with tf.variable_scope(f'Dense{i}'):
            x = tf.nn.relu(plain.dense_layer(x, fmaps, setting))
    found = []
    for domain in range(num_domains):
        y = x
        for i in range(OWN_LAYERS):
            with tf.variable_scope(f'Domain{domain}/Dense{i}'):
                y = tf.nn.relu(plain.dense_layer(y, fmaps, setting))
        with tf.variable_scope(f'Domain{domain}/Output'):
            found.append(plain.dense_layer(y, style_size, setting))
    return tf.identity(chosen(found, domains_in), name='styles_out')


def chosen(rows, domains):
    """What belongs to the domain of each image.

    Args:
        rows: List of [N, C], one for each domain.
        domains: [N, num_domains].
    Returns: [N, C].
    """
    return tf.reduce_sum(tf.stack(rows, axis=1) * domains[:, :, tf.newaxis], axis=1)


def E_stargan2(
        images_in,                  # Images [N, num_channels, H, W].
        domains_in,                 # Domains [N, num_domains].
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images, a power of two.
        num_domains=2,              # Number of domains.
        style_size=64,              # Size of a style; as published.
        fmap_base=2 ** 14,          # Feature maps of the first layer, times the resolution; as published.
        fmap_max=512,               # Maximum number of feature maps; as published.
        init='kaiming',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Styles of images, for one domain each: [N, style_size]."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    domains_in.set_shape([None, num_domains])
    setting = plain.Setting(init=init, bias=True)
    x = trunk_layers(images_in, widths_of(resolution, resolution // 4, fmap_base, fmap_max), setting)
    x, found = tf.reshape(x, [-1, x.shape.as_list()[layout.channel_axis()]]), []
    for domain in range(num_domains):
        with tf.variable_scope(f'Domain{domain}'):
            found.append(plain.dense_layer(x, style_size, setting))
    return tf.identity(chosen(found, domains_in), name='styles_out')


def trunk_layers(images, widths, setting):
    """What encoder and discriminator have in common: images to feature maps of 1x1 pixels."""
    x = layout.from_nchw(images)
    with tf.variable_scope('Input'):
        x = plain.conv_layer(x, widths[0], 3, setting, pad=1)
    for i, fmaps in enumerate(widths[1:]):
        with tf.variable_scope(f'Block{i}'):
            x = residual_layer(x, fmaps, setting, down=True)
    with tf.variable_scope('Conv'):
        x = plain.conv_layer(plain.lrelu(x), widths[-1], 4, setting)
    return plain.lrelu(x)


def D_stargan2(
        images_in,                  # Images [N, num_channels, H, W].
        domains_in,                 # Domains [N, num_domains].
        num_channels=3,             # Channels of the images.
        resolution=256,             # Side of the images, a power of two.
        num_domains=2,              # Number of domains.
        fmap_base=2 ** 14,          # Feature maps of the first layer, times the resolution; as published.
        fmap_max=512,               # Maximum number of feature maps; as published.
        init='kaiming',             # Initial weights: see plain.initializers; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Is an image a real one of its domain? Scores [N, 1]."""
    images_in.set_shape([None, num_channels, resolution, resolution])
    domains_in.set_shape([None, num_domains])
    setting = plain.Setting(init=init, bias=True)
    x = trunk_layers(images_in, widths_of(resolution, resolution // 4, fmap_base, fmap_max), setting)
    with tf.variable_scope('Output'):
        x = plain.conv_layer(x, num_domains, 1, setting)
    scores = tf.reshape(x, [-1, num_domains])
    return tf.identity(tf.reduce_sum(scores * domains_in, axis=1, keepdims=True), name='scores_out')
