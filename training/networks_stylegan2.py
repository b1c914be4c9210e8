"""StyleGAN2's networks (Karras et al. 2020): mapping, synthesis and discriminator of configs E and F.

Build functions take the network's inputs as positional arguments and options as keywords; `tflib.Network` adds
`is_template_graph` and `components`. Variable names, shapes and their order are those of the published networks.
"""

import inspect

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout, random
from dnnlib.tflib.ops.upfirdn_2d import downsample_2d, upsample_2d
from training import layers


def G_main(
        latents_in,                             # Z [N, latent_size].
        labels_in,                              # Labels [N, label_size].
        truncation_psi=0.5,                     # Strength of the truncation, None = none.
        truncation_cutoff=None,                 # Truncate only layers below this index, None = all.
        truncation_psi_val=None,                # truncation_psi during validation.
        truncation_cutoff_val=None,             # truncation_cutoff during validation.
        dlatent_avg_beta=0.995,                 # Decay of the running mean of W in training, None = not updated.
        style_mixing_prob=0.9,                  # Probability of mixing two latents' styles in training, None = never.
        is_training=False,                      # Training: no truncation, mixing, running mean of W.
        is_validation=False,                    # Validation: the *_val truncation.
        return_dlatents=False,                  # Also return the dlatents that synthesis was given?
        is_template_graph=False,                # Set by tflib.Network.
        components=dnnlib.EasyDict(),           # Sub-networks, kept between calls.
        mapping_func='G_mapping',               # Build function of the mapping network, in this module.
        synthesis_func='G_synthesis_stylegan2',  # Build function of the synthesis network, in this module.
        **kwargs):                              # Options of both sub-networks.
    """Generator: mapping, style mixing, truncation, synthesis (StyleGAN2, figure 2): images [N, C, H, W]."""
    if is_training and is_validation:
        raise ValueError('is_training and is_validation exclude each other')
    if is_validation:
        truncation_psi, truncation_cutoff = truncation_psi_val, truncation_cutoff_val
    if is_training or _is_number(truncation_psi, lambda psi: psi == 1):
        truncation_psi = None
    if is_training:
        truncation_cutoff = None
    if not is_training or _is_number(dlatent_avg_beta, lambda beta: beta == 1):
        dlatent_avg_beta = None
    if not is_training or _is_number(style_mixing_prob, lambda prob: prob <= 0):
        style_mixing_prob = None

    _build_components(components, mapping_func, synthesis_func, kwargs)
    num_layers, dlatent_size = components.synthesis.input_shape[1:]
    zeros = tf.initializers.zeros()
    lod = tf.get_variable('lod', shape=[], initializer=zeros, trainable=False)
    dlatent_avg = tf.get_variable('dlatent_avg', shape=[dlatent_size], initializer=zeros, trainable=False)

    def mapping(latents):
        dlatents = components.mapping.get_output_for(latents, labels_in, is_training=is_training, **kwargs)
        return tf.cast(dlatents, tf.float32)  # [N, layers, dlatent_size]

    dlatents = mapping(latents_in)
    if dlatent_avg_beta is not None:
        with tf.variable_scope('DlatentAvg'):
            mean = tf.reduce_mean(dlatents[:, 0], axis=0)
            with tf.control_dependencies([tf.assign(dlatent_avg, tflib.lerp(mean, dlatent_avg, dlatent_avg_beta))]):
                dlatents = tf.identity(dlatents)
    if style_mixing_prob is not None:
        with tf.variable_scope('StyleMix'):
            others = mapping(random.normal(tf.shape(latents_in)))
            dlatents = mix_styles(dlatents, others, style_mixing_prob, num_layers - 2 * tf.cast(lod, tf.int32))
    if truncation_psi is not None:
        with tf.variable_scope('Truncation'):
            dlatents = truncate(dlatents, dlatent_avg, truncation_psi, truncation_cutoff)

    dependencies = []
    if 'lod' in components.synthesis.vars:
        dependencies.append(tf.assign(components.synthesis.vars['lod'], lod))
    with tf.control_dependencies(dependencies):
        images_out = components.synthesis.get_output_for(
            dlatents, is_training=is_training, force_clean_graph=is_template_graph, **kwargs)
    images_out = tf.identity(images_out, name='images_out')
    return (images_out, dlatents) if return_dlatents else images_out


def _is_number(value, condition):
    """Is `value` a plain number (not a TensorFlow expression) that fulfils the condition?"""
    return isinstance(value, (int, float, np.number)) and condition(value)


def _build_components(components, mapping_func, synthesis_func, kwargs):
    """Creates the sub-networks that are missing; refuses options that neither of them has."""
    for name in (mapping_func, synthesis_func):
        if name not in BUILD_FUNCTIONS:
            raise dnnlib.UserError('unknown build function %r, known are %s' % (
                name, ', '.join(sorted(BUILD_FUNCTIONS))))
    mapping_func, synthesis_func = BUILD_FUNCTIONS[mapping_func], BUILD_FUNCTIONS[synthesis_func]
    known = set(_option_names(mapping_func)) | set(_option_names(synthesis_func))
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise dnnlib.UserError('unknown generator option %s; known are %s' % (
            ', '.join(unknown), ', '.join(sorted(known))))
    if 'synthesis' not in components:
        components.synthesis = tflib.Network('G_synthesis', func_name=synthesis_func, **kwargs)
    if 'mapping' not in components:
        num_layers = components.synthesis.input_shape[1]
        components.mapping = tflib.Network('G_mapping', func_name=mapping_func, dlatent_broadcast=num_layers, **kwargs)


def _option_names(func):
    parameters = inspect.signature(func).parameters.values()
    return [p.name for p in parameters if p.default is not p.empty]


def mix_styles(dlatents, others, probability, num_layers):
    """Style mixing (StyleGAN, section 3.1): layers from a random crossover on take the styles of `others`.

    Args:
        dlatents, others: [N, layers, dlatent_size].
        probability: Chance that the minibatch is mixed at all; one draw for all samples.
        num_layers: Layers in use (fewer than all while growing), number or int32 scalar.
    Returns: [N, layers, dlatent_size].
    """
    num_layers = tf.cast(num_layers, tf.float32)
    crossover = 1 + tf.floor(random.uniform([]) * (num_layers - 1))  # uniform over the integers in [1, num_layers)
    crossover = tf.where(random.uniform([]) < probability, crossover, num_layers)
    layer = tf.range(dlatents.shape.as_list()[1], dtype=tf.float32)[np.newaxis, :, np.newaxis]
    return tf.where(tf.broadcast_to(layer < crossover, tf.shape(dlatents)), dlatents, others)


def truncate(dlatents, dlatent_avg, truncation_psi, truncation_cutoff=None):
    """Truncation trick in W (StyleGAN, appendix B): moves the layers below the cutoff towards the mean of W.

    Args:
        dlatents: [N, layers, dlatent_size].
        dlatent_avg: [dlatent_size].
        truncation_psi: 0 = the mean, 1 = no change; number or tensor.
        truncation_cutoff: Number of layers that are truncated, None = all.
    Returns: [N, layers, dlatent_size].
    """
    layer = np.arange(dlatents.shape.as_list()[1])[np.newaxis, :, np.newaxis]
    coefs = tf.ones(layer.shape) * truncation_psi
    if truncation_cutoff is not None:
        coefs = tf.where(tf.constant(layer) < truncation_cutoff, coefs, tf.ones(layer.shape))
    return tflib.lerp(dlatent_avg, dlatents, coefs)


def G_mapping(
        latents_in,                 # Z [N, latent_size].
        labels_in,                  # Labels [N, label_size].
        latent_size=512,            # Dimensions of Z.
        label_size=0,               # Dimensions of the labels, 0 = unlabelled.
        dlatent_size=512,           # Dimensions of W.
        dlatent_broadcast=None,     # Copies of w, one per synthesis layer; None = one without the layer axis.
        mapping_layers=8,           # Dense layers.
        mapping_fmaps=512,          # Width of the hidden layers.
        mapping_lrmul=0.01,         # Learning-rate multiplier.
        mapping_nonlinearity='lrelu',  # Activation, also of the last layer.
        normalize_latents=True,     # Normalise the input to unit second moment?
        dtype='float32',            # Type of the activations.
        **_kwargs):                 # The synthesis network's options, which the published format keeps here too.
    """Mapping network Z -> W (StyleGAN, section 2): dlatents [N, dlatent_size] or [N, layers, dlatent_size]."""
    if mapping_layers < 1:
        raise dnnlib.UserError('mapping_layers must be at least 1, got %r' % (mapping_layers,))
    latents_in.set_shape([None, latent_size])
    labels_in.set_shape([None, label_size])
    x = tf.cast(latents_in, dtype)
    if label_size:
        with tf.variable_scope('LabelConcat'):
            w = tf.get_variable('weight', shape=[label_size, latent_size], initializer=tf.initializers.random_normal())
            x = tf.concat([x, tf.matmul(tf.cast(labels_in, dtype), tf.cast(w, dtype))], axis=1)
    if normalize_latents:
        with tf.variable_scope('Normalize'):
            x *= tf.rsqrt(tf.reduce_mean(tf.square(x), axis=1, keepdims=True) + layers.EPSILON)
    for index in range(mapping_layers):
        with tf.variable_scope('Dense%d' % index):
            fmaps = dlatent_size if index == mapping_layers - 1 else mapping_fmaps
            x = layers.dense_layer(x, fmaps, lrmul=mapping_lrmul)
            x = layers.bias_act_layer(x, act=mapping_nonlinearity, lrmul=mapping_lrmul)
    if dlatent_broadcast is not None:
        with tf.variable_scope('Broadcast'):
            x = tf.tile(x[:, np.newaxis], [1, dlatent_broadcast, 1])
    return tf.identity(x, name='dlatents_out')


def G_synthesis_stylegan2(
        dlatents_in,                    # W [N, layers, dlatent_size].
        dlatent_size=512,               # Dimensions of W.
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Height and width of the images, a power of two.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        randomize_noise=True,           # Fresh noise in every evaluation? False = the noise variables.
        architecture='skip',            # 'orig', 'skip' or 'resnet' (StyleGAN2, figure 7).
        nonlinearity='lrelu',           # Activation.
        dtype='float32',                # Type of the activations.
        resample_kernel=(1, 3, 3, 1),   # FIR filter of the up-sampling, None = nearest neighbour.
        fused_modconv=None,             # See layers.modulated_conv2d_layer.
        **_kwargs):                     # The mapping network's options, which the published format keeps here too.
    """Synthesis network W -> images [N, C, H, W] (StyleGAN2, figure 2d)."""
    resolution_log2 = _resolution_log2(resolution)
    _check_architecture(architecture, resolution)
    num_layers = resolution_log2 * 2 - 2

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    dlatents_in.set_shape([None, num_layers, dlatent_size])
    dlatents = tf.cast(dlatents_in, dtype)
    noises = []
    for index in range(num_layers - 1):
        size = 2 ** ((index + 5) // 2)
        noises.append(tf.get_variable(
            'noise%d' % index, shape=[1, 1, size, size], initializer=tf.initializers.random_normal(), trainable=False))

    def styled_conv(x, index, fmaps, up=False):
        x = layers.modulated_conv2d_layer(
            x, dlatents[:, index], fmaps, kernel=3, up=up, resample_kernel=resample_kernel, fused_modconv=fused_modconv)
        x = layers.noise_layer(x, None if randomize_noise else noises[index])
        return layers.bias_act_layer(x, act=nonlinearity)

    def block(x, r):
        t = x
        with tf.variable_scope('Conv0_up'):
            x = styled_conv(x, r * 2 - 5, nf(r - 1), up=True)
        with tf.variable_scope('Conv1'):
            x = styled_conv(x, r * 2 - 4, nf(r - 1))
        if architecture == 'resnet':
            with tf.variable_scope('Skip'):
                t = layers.conv2d_layer(t, nf(r - 1), kernel=1, up=True, resample_kernel=resample_kernel)
                x = (x + t) * (1 / np.sqrt(2))
        return x

    def add_rgb(x, y, r):
        with tf.variable_scope('ToRGB'):
            t = layers.modulated_conv2d_layer(
                x, dlatents[:, r * 2 - 3], num_channels, kernel=1, demodulate=False, fused_modconv=fused_modconv)
            t = layers.bias_act_layer(t)
            return t if y is None else y + t

    y = None
    with tf.variable_scope('4x4'):
        with tf.variable_scope('Const'):
            x = tf.get_variable('const', shape=[1, nf(1), 4, 4], initializer=tf.initializers.random_normal())
            batch = dlatents.shape.as_list()[0] or tf.shape(dlatents)[0]
            x = tf.tile(layout.from_nchw(tf.cast(x, dtype)), [batch, 1, 1, 1])
        with tf.variable_scope('Conv'):
            x = styled_conv(x, 0, nf(1))
        if architecture == 'skip':
            y = add_rgb(x, y, 2)
    for r in range(3, resolution_log2 + 1):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            x = block(x, r)
            if architecture == 'skip':
                with tf.variable_scope('Upsample'):
                    y = upsample_2d(y, k=resample_kernel, data_format=layout.data_format())
            if architecture == 'skip' or r == resolution_log2:
                y = add_rgb(x, y, r)
    return tf.identity(layout.to_nchw(y), name='images_out')


def D_stylegan2(
        images_in,                      # Images [N, C, H, W], around [-1, 1].
        labels_in,                      # Labels [N, label_size].
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Height and width of the images, a power of two.
        label_size=0,                   # Dimensions of the labels, 0 = unlabelled.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        architecture='resnet',          # 'orig', 'skip' or 'resnet' (StyleGAN2, figure 7).
        nonlinearity='lrelu',           # Activation.
        mbstd_group_size=4,             # Group size of the minibatch stddev, 0 or 1 = without.
        mbstd_num_features=1,           # Feature maps of the minibatch stddev.
        dtype='float32',                # Type of the activations.
        resample_kernel=(1, 3, 3, 1),   # FIR filter of the down-sampling, None = box.
        is_training=False,              # The same network either way; part of the published interface.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; has no sub-networks.
    """Discriminator: scores [N, 1], logits of being real (StyleGAN2, section 4.1)."""
    del is_training, is_template_graph, components
    resolution_log2 = _resolution_log2(resolution)
    _check_architecture(architecture, resolution)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    images_in.set_shape([None, num_channels, resolution, resolution])
    labels_in.set_shape([None, label_size])
    y = layout.from_nchw(tf.cast(images_in, dtype))

    def add_from_rgb(x, r):
        with tf.variable_scope('FromRGB'):
            t = layers.bias_act_layer(layers.conv2d_layer(y, nf(r - 1), kernel=1), act=nonlinearity)
            return t if x is None else x + t

    def block(x, r):
        t = x
        with tf.variable_scope('Conv0'):
            x = layers.bias_act_layer(layers.conv2d_layer(x, nf(r - 1), kernel=3), act=nonlinearity)
        with tf.variable_scope('Conv1_down'):
            x = layers.conv2d_layer(x, nf(r - 2), kernel=3, down=True, resample_kernel=resample_kernel)
            x = layers.bias_act_layer(x, act=nonlinearity)
        if architecture == 'resnet':
            with tf.variable_scope('Skip'):
                t = layers.conv2d_layer(t, nf(r - 2), kernel=1, down=True, resample_kernel=resample_kernel)
                x = (x + t) * (1 / np.sqrt(2))
        return x

    x = None
    for r in range(resolution_log2, 2, -1):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            if architecture == 'skip' or r == resolution_log2:
                x = add_from_rgb(x, r)
            x = block(x, r)
            if architecture == 'skip':
                with tf.variable_scope('Downsample'):
                    y = downsample_2d(y, k=resample_kernel, data_format=layout.data_format())
    with tf.variable_scope('4x4'):
        if architecture == 'skip':
            x = add_from_rgb(x, 2)
        if mbstd_group_size > 1:
            _check_minibatch_stddev(x, mbstd_group_size, mbstd_num_features)
            with tf.variable_scope('MinibatchStddev'):
                x = layers.minibatch_stddev_layer(x, mbstd_group_size, mbstd_num_features)
        with tf.variable_scope('Conv'):
            x = layers.bias_act_layer(layers.conv2d_layer(x, nf(1), kernel=3), act=nonlinearity)
        with tf.variable_scope('Dense0'):
            x = layers.bias_act_layer(layers.dense_layer(layout.to_nchw(x), nf(0)), act=nonlinearity)
    with tf.variable_scope('Output'):
        x = layers.bias_act_layer(layers.dense_layer(x, max(label_size, 1)))
        if label_size:
            x = tf.reduce_sum(x * tf.cast(labels_in, x.dtype), axis=1, keepdims=True)
    return tf.identity(x, name='scores_out')


def _resolution_log2(resolution):
    resolution_log2 = int(resolution).bit_length() - 1 if isinstance(resolution, (int, np.integer)) else -1
    if resolution_log2 < 2 or resolution != 2 ** resolution_log2:
        raise dnnlib.UserError('resolution must be a power of two and at least 4, not %r' % (resolution,))
    return resolution_log2


def _check_architecture(architecture, resolution):
    if architecture not in ('orig', 'skip', 'resnet'):
        raise dnnlib.UserError("architecture must be 'orig', 'skip' or 'resnet', not %r" % (architecture,))
    if resolution < 8 and architecture != 'skip':
        raise dnnlib.UserError("resolution %d needs architecture 'skip', not %r" % (resolution, architecture))


def _check_minibatch_stddev(x, group_size, num_features):
    """Refuses what `layers.minibatch_stddev_layer` can't split evenly, as far as the shape of x is known."""
    batch, channels = x.shape.as_list()[0], x.shape.as_list()[layout.channel_axis()]
    if batch is not None and batch % min(group_size, batch):
        raise dnnlib.UserError('a minibatch of %d per GPU is not a multiple of mbstd_group_size %d' % (
            batch, group_size))
    if num_features < 1 or channels % num_features:
        raise dnnlib.UserError('mbstd_num_features must divide the %d feature maps at 4x4, got %r' % (
            channels, num_features))


BUILD_FUNCTIONS = {'G_mapping': G_mapping, 'G_synthesis_stylegan2': G_synthesis_stylegan2}  # sub-networks of G_main
