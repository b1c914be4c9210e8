"""MSG-GAN's networks in the form of StyleGAN (Karnewar and Wang 2020): G draws images of all sizes, D looks at all.

Layers of G are those of `networks_stylegan`. Variable names, shapes and their order are those of the published
networks, whose functions have the same names as StyleGAN's.
"""

import functools

import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout
from dnnlib.tflib.network_state import Published
from training import image_size, networks_stylegan, networks_stylegan2
from training.blocks import layers, layers_stylegan, styles
from training.blocks.layers_stylegan import bias_act_layer, conv2d_layer

PUBLISHED = Published('training.networks_stylegan', 3, counts_inputs=True)


def G_style(
        latents_in,                     # Z [N, latent_size].
        labels_in,                      # Labels [N, label_size].
        truncation_psi=0.7,             # Strength of the truncation; None = off.
        truncation_cutoff=8,            # Truncate only layers below this index; None or 0 = none.
        truncation_psi_val=None,        # truncation_psi during validation.
        truncation_cutoff_val=None,     # truncation_cutoff during validation.
        dlatent_avg_beta=0.995,         # Decay of the running mean of W in training; None = not updated.
        is_training=False,              # Training: no truncation, running mean of W.
        is_validation=False,            # Validation: the *_val truncation.
        return_dlatents=False,          # Also return the dlatents used by synthesis?
        all_sizes=False,                # Return the images of all sizes, 4x4 first, as published, not the last alone?
        is_template_graph=False,        # Set by tflib.Network.
        components=dnnlib.EasyDict(),   # Subnetworks, kept between calls.
        **kwargs):                      # Options of both subnetworks.
    """Generator: mapping, truncation, synthesis: images [N, C, H, W], or a tuple of them."""
    if is_validation:
        truncation_psi, truncation_cutoff = truncation_psi_val, truncation_cutoff_val
    networks_stylegan2.build_components(components, G_mapping, G_synthesis, kwargs)
    dlatent_avg = tf.get_variable('dlatent_avg', shape=[components.synthesis.input_shape[2]],
                                  initializer=tf.initializers.zeros(), trainable=False)
    dlatents = tf.cast(components.mapping.get_output_for(latents_in, labels_in, **kwargs), tf.float32)
    if is_training and dlatent_avg_beta not in (None, 1):
        dlatents = networks_stylegan2.track_mean(dlatents, dlatent_avg, dlatent_avg_beta)
    cuts = tflib.is_tf_expression(truncation_cutoff) or (truncation_cutoff or 0) > 0
    if not is_training and truncation_psi is not None and cuts:
        with tf.variable_scope('Truncation'):
            dlatents = styles.truncate(dlatents, dlatent_avg, truncation_psi, truncation_cutoff)
    options = dict(kwargs, structure='pyramid' if all_sizes else None, force_clean_graph=is_template_graph)
    images = components.synthesis.get_output_for(dlatents, return_as_list=True, **options)
    outputs = [tf.identity(image, name='images_out') for image in images] + [dlatents] * bool(return_dlatents)
    return tuple(outputs) if len(outputs) > 1 else outputs[0]


@functools.wraps(networks_stylegan.G_mapping, assigned=())  # for its signature
def G_mapping(*inputs, **options):
    """Mapping network Z -> W, StyleGAN's."""
    return networks_stylegan.G_mapping(*inputs, **options)


@functools.wraps(networks_stylegan.G_synthesis, assigned=())
def G_synthesis(dlatents_in, structure=None, **options):
    """Synthesis network W -> images [N, C, H, W], a tuple of all sizes if `structure` is 'pyramid'."""
    images = networks_stylegan.G_synthesis(dlatents_in, structure='pyramid', **options)
    return images if structure == 'pyramid' else tf.identity(images[-1], name='images_out')


def D_basic(
        *inputs,                        # Images [N, C, h, w] of all sizes, 4x4 first, and labels [N, label_size].
        num_channels=1,                 # Channels of the images.
        resolution=32,                  # Side of the largest images, or (height, width): see image_size.
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
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator: scores [N, 1], logits of being real; images join the feature maps of their size."""
    del is_template_graph, components
    layers_stylegan.check_options(nonlinearity, fused_scale)
    size, images, labels_in = image_size.parse(resolution), inputs[:-1], inputs[-1]
    check_inputs(images, size, num_channels)
    labels_in.set_shape([None, label_size])
    images = [layout.from_nchw(tf.cast(image, dtype)) for image in images]

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, 0, fmap_max)

    def layer(x, name, fmaps, kernel=3):
        with tf.variable_scope(name):
            return bias_act_layer(conv2d_layer(x, fmaps, kernel, use_wscale=use_wscale), act=nonlinearity)

    def dense(x, name, fmaps, gain, act):
        with tf.variable_scope(name):
            return bias_act_layer(layers.dense_layer(x, fmaps, gain, use_wscale), act=act)

    def joined(x, r):
        if r < size.num_levels:
            with tf.variable_scope('combine'):
                x = conv2d_layer(tf.concat([x, images[r - 2]], layout.channel_axis()), nf(r - 1), 1,
                                 use_wscale=use_wscale)
        return networks_stylegan2.minibatch_stddev(x, mbstd_group_size, mbstd_num_features)

    x = layer(images[-1], 'FromRGB_lod0', nf(size.num_levels - 1), kernel=1)
    for r in range(size.num_levels, 2, -1):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            x = layer(joined(x, r), 'Conv0', nf(r - 1))
            with tf.variable_scope('Conv1_down'):
                x = layers_stylegan.conv2d_downscale_layer(layers_stylegan.blur(x, blur_filter), nf(r - 2), use_wscale)
                x = bias_act_layer(x, act=nonlinearity)
    with tf.variable_scope('4x4'):
        x = layout.to_nchw(layer(joined(x, 2), 'Conv', nf(1)))
        x = dense(x, 'Dense0', nf(0), layers_stylegan.GAIN, nonlinearity)
        x = dense(x, 'Dense1', max(label_size, 1), 1, 'linear')
    return networks_stylegan2.select_scores(x, labels_in, label_size)


def check_inputs(images, size, num_channels):
    """Sets the shapes of images of all sizes; raises UserError if there are not as many as levels.

    Args:
        images: List of [N, C, h, w].
        size: ImageSize of the largest.
        num_channels: Their channels.
    """
    levels = size.num_levels - 1
    if len(images) != levels:
        raise dnnlib.UserError(f'a discriminator of images of {levels} sizes is given {len(images)}')
    for index, image in enumerate(images):
        image.set_shape([None, num_channels] + size.at(index + 2))
