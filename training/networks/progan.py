"""Networks of ProGAN (Karras et al. 2018, table 2): grown level by level, without styles, noise or blurs.

Variable names, shapes and their order are those of the published networks. `fused_scale` decides how the layers are
called that change the resolution, the order of the axes of the kernel, and in the discriminator also whether averaging
comes before or after the activation, which is another function.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.files.network_file import OLD_CLASS_MODULE
from dnnlib.tflib import layout
from dnnlib.tflib.network_state import Published
from dnnlib.tflib.ops.upfirdn_2d import downsample_2d, upsample_conv_2d
from training import image_size, networks_stylegan
from training.blocks import growing, layers, layers_stylegan
from training.blocks.layers_stylegan import GAIN, bias_act_layer, conv2d_layer, pixel_norm

PUBLISHED = Published('networks', 2, OLD_CLASS_MODULE)


def G_paper(
        latents_in,                     # Z [N, latent_size].
        labels_in,                      # Labels [N, label_size].
        num_channels=1,                 # Channels of the images.
        resolution=32,                  # Side of the images, or (height, width): see image_size.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        fmap_base=8192,                 # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_max=512,
        latent_size=None,               # Dimensions of Z; None = feature maps of the base block, as published.
        normalize_latents=True,         # Normalize latents and labels together to unit second moment?
        use_wscale=True,                # See layers.get_weight.
        use_pixelnorm=True,             # Normalize each pixel after the activation?
        pixelnorm_epsilon=1e-8,         # Added to the second moments.
        use_leakyrelu=True,             # Leaky ReLU instead of ReLU?
        dtype='float32',                # Published option; activations are float32 whatever it is.
        fused_scale=True,               # Name and layout of the kernels that double the resolution, see above.
        structure=None,                 # 'linear', 'recursive' or 'fixed'; None = 'auto': see growing.choose_structure.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Generator: images [N, C, H, W], around [-1, 1]."""
    del dtype, components
    structure = growing.choose_structure(structure or 'auto', is_template_graph, is_template_graph)
    size, act = image_size.parse(resolution), 'lrelu' if use_leakyrelu else 'relu'

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    def finish(x):
        x = bias_act_layer(x, act=act)
        return pixel_norm(x, pixelnorm_epsilon) if use_pixelnorm else x

    def first_block(x):
        shape = [nf(1)] + size.at(2)
        with tf.variable_scope('Dense'):
            x = layers.dense_layer(x, int(np.prod(shape)), GAIN / 4, use_wscale)
            x = finish(layout.from_nchw(tf.reshape(x, [-1] + shape)))
        with tf.variable_scope('Conv'):
            return finish(conv2d_layer(x, nf(1), use_wscale=use_wscale))

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            with tf.variable_scope('Conv0_up' if fused_scale else 'Conv0'):
                x = finish(_upscale_conv2d(x, nf(r - 1), use_wscale, fused_scale))
            with tf.variable_scope('Conv1'):
                return finish(conv2d_layer(x, nf(r - 1), use_wscale=use_wscale))

    def to_rgb(x, r):
        with tf.variable_scope('ToRGB_lod%d' % (size.num_levels - r)):
            return bias_act_layer(conv2d_layer(x, num_channels, kernel=1, gain=1, use_wscale=use_wscale))

    latents_in.set_shape([None, nf(0) if latent_size is None else latent_size])
    labels_in.set_shape([None, label_size])
    lod = growing.get_lod()
    x = tf.concat([latents_in, labels_in], axis=1)
    if normalize_latents:
        x = pixel_norm(x, pixelnorm_epsilon)
    with tf.variable_scope('4x4'):
        x = first_block(x)
    y = growing.synthesize(x, block, to_rgb, size.num_levels, structure, lod)
    return tf.identity(layout.to_nchw(y), name='images_out')


def D_paper(
        images_in,                      # Images [N, C, H, W], around [-1, 1].
        num_channels=1,                 # Channels of the images.
        resolution=32,                  # Side of the images, or (height, width): see image_size.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        fmap_base=8192,                 # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_max=512,
        use_wscale=True,                # See layers.get_weight.
        mbstd_group_size=4,             # Group size of the minibatch stddev; 0 or 1 = off.
        dtype='float32',                # Published option; activations are float32 whatever it is.
        fused_scale=True,               # Average before the bias and activation? Decides a name, too, see above.
        structure=None,                 # 'linear', 'recursive' or 'fixed'; None = 'auto': see growing.choose_structure.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator with an auxiliary classifier (Odena et al. 2017): scores [N, 1] and logits of the labels [N, L]."""
    del dtype, components
    structure = growing.choose_structure(structure or 'auto', is_template_graph, is_template_graph)
    size = image_size.parse(resolution)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    def conv(x, fmaps, kernel=3):
        return bias_act_layer(conv2d_layer(x, fmaps, kernel, use_wscale=use_wscale), act='lrelu')

    def dense(x, fmaps, gain=GAIN, act='lrelu'):
        return bias_act_layer(layers.dense_layer(x, fmaps, gain, use_wscale), act=act)

    def from_rgb(images, r):
        with tf.variable_scope('FromRGB_lod%d' % (size.num_levels - r)):
            return conv(images, nf(r - 1), kernel=1)

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            with tf.variable_scope('Conv0'):
                x = conv(x, nf(r - 1))
            if not fused_scale:
                with tf.variable_scope('Conv1'):
                    return downsample_2d(conv(x, nf(r - 2)), data_format=layout.data_format())
            with tf.variable_scope('Conv1_down'):
                return bias_act_layer(layers_stylegan.conv2d_downscale_layer(x, nf(r - 2), use_wscale), act='lrelu')

    images_in.set_shape([None, num_channels] + size.shape)
    lod = growing.get_lod()
    x = growing.analyze(layout.from_nchw(images_in), block, from_rgb, size.num_levels, structure, lod)
    x = networks_stylegan.last_block(x, conv, dense, (nf(1), nf(0), 1 + label_size), (mbstd_group_size, 1))
    return tf.identity(x[:, :1], name='scores_out'), tf.identity(x[:, 1:], name='labels_out')


def _upscale_conv2d(x, fmaps, use_wscale, fused_scale):
    """Doubles the resolution (nearest neighbor) and convolves 3x3, without bias: [N, 2 H, 2 W, fmaps].

    The kernel of the published fused form is that of a transposed convolution: [3, 3, outputs, inputs], not flipped.
    """
    if not fused_scale:
        return layers_stylegan.upscale_conv2d_layer(x, fmaps, use_wscale, fused_scale=False)
    in_channels = x.shape.as_list()[layout.channel_axis()]
    w = layers.get_weight([3, 3, fmaps, in_channels], GAIN, use_wscale, fan_in=9 * in_channels)
    w = tf.transpose(tf.reverse(w, [0, 1]), [0, 1, 3, 2])
    return upsample_conv_2d(x, tf.cast(w, x.dtype), data_format=layout.data_format())


def fit_options(options, names):
    """Options of a network file that fit its variables: `fused_scale` as these are called, as files may lack it.

    Args:
        options: `static_kwargs` of the file, dictionary.
        names: Names of its variables.
    Returns: (options, list of sentences that say what was changed).
    """
    options, notes = dict(options), []
    layers_found = {name.split('/')[1] for name in names if name.count('/') == 2}
    if layers_found & {'Conv0', 'Conv1'}:  # there are levels above 4x4
        is_fused = bool(layers_found & {'Conv0_up', 'Conv1_down'})
        if bool(options.get('fused_scale', True)) != is_fused:
            given = f'instead of {options["fused_scale"]!r} ' if 'fused_scale' in options else ''
            notes.append(f'fused_scale is {is_fused} {given}by the names of the variables')
            options['fused_scale'] = is_fused
    if options.get('dtype', 'float32') != 'float32':
        notes.append(f'dtype={options["dtype"]!r:.20} is computed in float32')
    return options, notes
