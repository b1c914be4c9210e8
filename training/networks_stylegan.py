"""StyleGAN's networks (Karras et al. 2019), config A of the StyleGAN2 paper.

They are built like those of `networks_stylegan2` and share what they have in common with them. Variable names, shapes
and their order are those of the published networks.
"""

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout
from training import image_size, networks_stylegan2
from training.blocks import growing, layers, layers_stylegan, styles
from training.blocks.layers_stylegan import bias_act_layer, conv2d_layer


def G_style(
        latents_in,                     # Z [N, latent_size].
        labels_in,                      # Labels [N, label_size].
        truncation_psi=0.7,             # Strength of the truncation; None = off.
        truncation_cutoff=8,            # Truncate only layers below this index; None or 0 = none.
        truncation_psi_val=None,        # truncation_psi during validation.
        truncation_cutoff_val=None,     # truncation_cutoff during validation.
        dlatent_avg_beta=0.995,         # Decay of the running mean of W in training; None = not updated.
        style_mixing_prob=0.9,          # Probability of mixing the styles of two latents in training; None = never.
        is_training=False,              # Training: no truncation, mixing, running mean of W.
        is_validation=False,            # Validation: the *_val truncation.
        return_dlatents=False,          # Also return the dlatents used by synthesis?
        is_template_graph=False,        # Set by tflib.Network.
        components=dnnlib.EasyDict(),   # Subnetworks, kept between calls.
        **kwargs):                      # Options of both subnetworks.
    """Generator: mapping, style mixing, truncation, synthesis (StyleGAN, figure 1): images [N, C, H, W]."""
    for name in ('mapping_func', 'synthesis_func'):
        if name in kwargs:
            raise dnnlib.UserError('G_style has no option %s' % name)
    if is_validation:
        truncation_psi, truncation_cutoff = truncation_psi_val, truncation_cutoff_val
    if truncation_cutoff is None or (not tflib.is_tf_expression(truncation_cutoff) and truncation_cutoff <= 0):
        truncation_psi = None  # G_main truncates all layers where there is no cutoff
    return networks_stylegan2.G_main(
        latents_in, labels_in, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff,
        truncation_psi_val=truncation_psi, truncation_cutoff_val=truncation_cutoff, dlatent_avg_beta=dlatent_avg_beta,
        style_mixing_prob=style_mixing_prob, is_training=is_training, is_validation=is_validation,
        return_dlatents=return_dlatents, is_template_graph=is_template_graph, components=components,
        mapping_func=G_mapping, synthesis_func=G_synthesis, **kwargs)


def G_mapping(
        latents_in,                 # Z [N, latent_size].
        labels_in,                  # Labels [N, label_size].
        latent_size=512,            # Dimensions of Z.
        label_size=0,               # Dimensions of the labels, 0 = unlabeled.
        dlatent_size=512,           # Dimensions of W.
        dlatent_broadcast=None,     # Copies of w, one per synthesis layer; None = one without the layer axis.
        mapping_layers=8,           # Dense layers.
        mapping_fmaps=512,          # Width of the hidden layers.
        mapping_lrmul=0.01,         # Learning-rate multiplier.
        mapping_nonlinearity='lrelu',  # 'relu' or 'lrelu', also of the last layer.
        use_wscale=True,            # See layers.get_weight.
        normalize_latents=True,     # Normalize the input to unit second moment?
        dtype='float32',            # Type of the activations.
        **_kwargs):                 # Options of the synthesis network, passed here too as published.
    """Mapping network Z -> W (StyleGAN, section 2): dlatents [N, dlatent_size] or [N, layers, dlatent_size]."""
    layers_stylegan.check_options(mapping_nonlinearity)

    def dense(x, fmaps):
        x = layers.dense_layer(x, fmaps, gain=layers_stylegan.GAIN, use_wscale=use_wscale, lrmul=mapping_lrmul)
        return bias_act_layer(x, act=mapping_nonlinearity, lrmul=mapping_lrmul)

    x = styles.join_label(latents_in, labels_in, [latent_size, label_size], normalize_latents, dtype)
    return styles.map_latents(x, dense, mapping_layers, mapping_fmaps, dlatent_size, dlatent_broadcast)


def G_synthesis(
        dlatents_in,                    # W [N, layers, dlatent_size], [N, 1, dlatent_size] without use_styles.
        dlatent_size=512,               # Dimensions of W.
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        fmap_base=8 << 10,              # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_max=512,
        use_styles=True,                # Modulate each layer by its w?
        const_input_layer=True,         # Start from a learned constant? False = from a dense layer of the first w.
        use_noise=True,                 # Add noise?
        randomize_noise=True,           # Fresh noise at every evaluation? False = the stored noise.
        nonlinearity='lrelu',           # 'relu' or 'lrelu'.
        use_wscale=True,                # See layers.get_weight.
        use_pixel_norm=False,           # Normalize each pixel after the activation?
        use_instance_norm=True,         # Normalize each feature map after the activation?
        dtype='float32',                # Type of the activations.
        fused_scale='auto',             # See layers_stylegan.upscale_conv2d_layer.
        blur_filter=(1, 2, 1),          # Filter after upsampling; None = none.
        structure='auto',               # 'fixed', 'linear', 'recursive' or 'auto': see growing.choose_structure.
        is_template_graph=False,        # Set by tflib.Network.
        force_clean_graph=False,        # Build without random noise and, if 'auto', without conditionals?
        **_kwargs):                     # Options of the mapping network, passed here too as published.
    """Synthesis network W -> images [N, C, H, W] (StyleGAN, figure 1b)."""
    layers_stylegan.check_options(nonlinearity, fused_scale)
    force_clean_graph = force_clean_graph or is_template_graph
    if structure != 'pyramid':  # that of MSG-GAN, which does not grow
        structure = growing.choose_structure(structure, force_clean_graph, is_template_graph)
    size = image_size.parse(resolution)
    num_layers = size.num_levels * 2 - 2

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    dlatents_in.set_shape([None, num_layers if use_styles else 1, dlatent_size])
    dlatents = tf.cast(dlatents_in, dtype)
    lod = None if structure == 'pyramid' else growing.get_lod()
    noises = [networks_stylegan2.noise_input(index, size.at(index // 2 + 2))
              for index in range(num_layers if use_noise else 0)]

    def epilogue(x, index):
        if use_noise:
            x = layers_stylegan.noise_layer(x, noises[index] if force_clean_graph or not randomize_noise else None)
        x = bias_act_layer(x, act=nonlinearity)
        if use_pixel_norm:
            x = layers_stylegan.pixel_norm(x)
        if use_instance_norm:
            x = layers_stylegan.instance_norm(x)
        return layers_stylegan.style_mod_layer(x, dlatents[:, index], use_wscale) if use_styles else x

    def first_block():
        shape = [nf(1)] + size.at(2)
        with tf.variable_scope('Const' if const_input_layer else 'Dense'):
            if const_input_layer:
                x = networks_stylegan2.constant_input(dlatents, shape, tf.initializers.ones())
            else:
                x = layers.dense_layer(dlatents[:, 0], int(np.prod(shape)), layers_stylegan.GAIN / 4, use_wscale)
                x = layout.from_nchw(tf.reshape(x, [-1] + shape))
            x = epilogue(x, 0)
        with tf.variable_scope('Conv'):
            return epilogue(conv2d_layer(x, nf(1), use_wscale=use_wscale), 1)

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            with tf.variable_scope('Conv0_up'):
                x = layers_stylegan.upscale_conv2d_layer(x, nf(r - 1), use_wscale, fused_scale)
                x = epilogue(layers_stylegan.blur(x, blur_filter), r * 2 - 4)
            with tf.variable_scope('Conv1'):
                return epilogue(conv2d_layer(x, nf(r - 1), use_wscale=use_wscale), r * 2 - 3)

    def to_rgb(x, r):
        with tf.variable_scope('ToRGB_lod%d' % (size.num_levels - r)):
            return bias_act_layer(conv2d_layer(x, num_channels, kernel=1, gain=1, use_wscale=use_wscale))

    with tf.variable_scope('4x4'):
        x = first_block()
    y = growing.synthesize(x, block, to_rgb, size.num_levels, structure, lod)
    if structure == 'pyramid':
        return tuple(layout.to_nchw(image) for image in y)
    return tf.identity(layout.to_nchw(y), name='images_out')


def D_basic(
        images_in,                      # Images [N, C, H, W], around [-1, 1].
        labels_in,                      # Labels [N, label_size].
        num_channels=1,                 # Channels of the images.
        resolution=32,                  # Side of the images, or (height, width): see image_size.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        fmap_base=8 << 10,              # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_max=512,
        nonlinearity='lrelu',           # 'relu' or 'lrelu'.
        use_wscale=True,                # See layers.get_weight.
        mbstd_group_size=4,             # Group size of the minibatch stddev; 0 or 1 = off.
        mbstd_num_features=1,           # Feature maps of the minibatch stddev.
        dtype='float32',                # Type of the activations.
        fused_scale='auto',             # Published option; down-sampling has the same values either way.
        blur_filter=(1, 2, 1),          # Filter in front of the down-sampling, None = none.
        structure='auto',               # 'fixed', 'linear', 'recursive' or 'auto': see growing.choose_structure.
        is_training=False,              # No effect; part of the published interface.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator (Karras et al. 2018, table 2): scores [N, 1], logits of being real."""
    del is_training, components
    layers_stylegan.check_options(nonlinearity, fused_scale)
    structure = growing.choose_structure(structure, is_template_graph, is_template_graph)
    size = image_size.parse(resolution)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    def conv(x, fmaps, kernel=3):
        return bias_act_layer(conv2d_layer(x, fmaps, kernel, use_wscale=use_wscale), act=nonlinearity)

    def dense(x, fmaps, gain=layers_stylegan.GAIN, act=nonlinearity):
        return bias_act_layer(layers.dense_layer(x, fmaps, gain, use_wscale), act=act)

    images_in.set_shape([None, num_channels] + size.shape)
    labels_in.set_shape([None, label_size])
    lod = growing.get_lod()

    def from_rgb(images, r):
        with tf.variable_scope('FromRGB_lod%d' % (size.num_levels - r)):
            return conv(images, nf(r - 1), kernel=1)

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            with tf.variable_scope('Conv0'):
                x = conv(x, nf(r - 1))
            with tf.variable_scope('Conv1_down'):
                x = layers_stylegan.conv2d_downscale_layer(
                    layers_stylegan.blur(x, blur_filter), nf(r - 2), use_wscale)
                return bias_act_layer(x, act=nonlinearity)

    x = growing.analyze(layout.from_nchw(tf.cast(images_in, dtype)), block, from_rgb, size.num_levels, structure, lod)
    x = last_block(x, conv, dense, (nf(1), nf(0), max(label_size, 1)), (mbstd_group_size, mbstd_num_features))
    return networks_stylegan2.select_scores(x, labels_in, label_size)


def last_block(x, conv, dense, fmaps, mbstd):
    """The 4x4 block of a discriminator of 2018 (Karras et al. 2018, table 2), ProGAN's or StyleGAN's: [N, outputs].

    Args:
        x: Feature maps of 4x4 pixels, in the layout of the device.
        conv: Function of (x, feature maps) that convolves 3x3 and activates.
        dense: Function of (x, feature maps), and gain and act where they are not those of the other layers, for a dense
            layer.
        fmaps: Feature maps of the convolution and of the dense layer after it, outputs.
        mbstd: Group size and number of features of the minibatch stddev.
    """
    with tf.variable_scope('4x4'):
        x = networks_stylegan2.minibatch_stddev(x, *mbstd)
        with tf.variable_scope('Conv'):
            x = conv(x, fmaps[0])
        with tf.variable_scope('Dense0'):
            x = dense(layout.to_nchw(x), fmaps[1])
        with tf.variable_scope('Dense1'):
            return dense(x, fmaps[2], gain=1, act='linear')
