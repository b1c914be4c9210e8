"""StyleGAN2's networks (Karras et al. 2020): mapping, synthesis and discriminators of configs B to F.

Build functions take the network's inputs as positional arguments and options as keywords; `tflib.Network` adds
`is_template_graph` and `components`. Variable names, shapes and their order are those of the published networks.
"""

import inspect

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout, random
from dnnlib.tflib.ops.fused_bias_act import activation_funcs
from dnnlib.tflib.ops.upfirdn_2d import downsample_2d, upsample_2d
from training import image_size
from training.blocks import growing, layers, styles


def G_main(
        latents_in,                             # Z [N, latent_size].
        labels_in,                              # Labels [N, label_size].
        truncation_psi=0.5,                     # Strength of the truncation; None = off.
        truncation_cutoff=None,                 # Truncate only layers below this index; None = all.
        truncation_psi_val=None,                # truncation_psi during validation.
        truncation_cutoff_val=None,             # truncation_cutoff during validation.
        dlatent_avg_beta=0.995,                 # Decay of the running mean of W in training; None = not updated.
        style_mixing_prob=0.9,                  # Probability of mixing two latents' styles in training; None = never.
        is_training=False,                      # Training: no truncation, mixing, running mean of W.
        is_validation=False,                    # Validation: the *_val truncation.
        return_dlatents=False,                  # Also return the dlatents used by synthesis?
        is_template_graph=False,                # Set by tflib.Network.
        components=dnnlib.EasyDict(),           # Subnetworks, kept between calls.
        mapping_func='G_mapping',               # Build function of the mapping network, or its name in this module.
        synthesis_func='G_synthesis_stylegan2',  # The same for the synthesis network.
        **kwargs):                              # Options of both subnetworks.
    """Generator: mapping, style mixing, truncation, synthesis (StyleGAN2, figure 2): images [N, C, H, W]."""
    if is_training and is_validation:
        raise ValueError('is_training and is_validation are mutually exclusive')
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

    build_components(components, mapping_func, synthesis_func, kwargs)
    num_layers, dlatent_size = components.synthesis.input_shape[1:]
    zeros = tf.initializers.zeros()
    lod = growing.get_lod()
    dlatent_avg = tf.get_variable('dlatent_avg', shape=[dlatent_size], initializer=zeros, trainable=False)

    def mapping(latents):
        dlatents = components.mapping.get_output_for(latents, labels_in, is_training=is_training, **kwargs)
        return tf.cast(dlatents, tf.float32)  # [N, layers, dlatent_size]

    dlatents = mapping(latents_in)
    if dlatent_avg_beta is not None:
        dlatents = track_mean(dlatents, dlatent_avg, dlatent_avg_beta)
    if style_mixing_prob is not None:
        with tf.variable_scope('StyleMix'):
            others = mapping(random.normal(tf.shape(latents_in)))
            dlatents = styles.mix_styles(dlatents, others, style_mixing_prob, num_layers - 2 * tf.cast(lod, tf.int32))
    if truncation_psi is not None:
        with tf.variable_scope('Truncation'):
            dlatents = styles.truncate(dlatents, dlatent_avg, truncation_psi, truncation_cutoff)

    dependencies = []
    if 'lod' in components.synthesis.vars:
        dependencies.append(tf.assign(components.synthesis.vars['lod'], lod))
    with tf.control_dependencies(dependencies):
        images_out = components.synthesis.get_output_for(
            dlatents, is_training=is_training, force_clean_graph=is_template_graph, **kwargs)
    images_out = tf.identity(images_out, name='images_out')
    return (images_out, dlatents) if return_dlatents else images_out


def track_mean(dlatents, dlatent_avg, beta):
    """The dlatents; moves the variable `dlatent_avg` toward their mean, with a decay `beta`, before they are used."""
    with tf.variable_scope('DlatentAvg'):
        mean = tf.reduce_mean(dlatents[:, 0], axis=0)
        average = dlatent_avg
        for batch_mean in tflib.collectives.all_gather(mean):
            average = tflib.lerp(batch_mean, average, beta)
        with tf.control_dependencies([tf.assign(dlatent_avg, average)]):
            return tf.identity(dlatents)


def _is_number(value, condition):
    """Is `value` a plain number (not a TensorFlow expression) that fulfils the condition?"""
    return isinstance(value, (int, float, np.number)) and condition(value)


def build_components(components, mapping_func, synthesis_func, kwargs):
    """Creates the sub-networks that are missing; refuses options that neither of them has."""
    for name in (mapping_func, synthesis_func):
        if not callable(name) and name not in BUILD_FUNCTIONS:
            raise dnnlib.UserError('unknown build function %r, known are %s' % (
                name, ', '.join(sorted(BUILD_FUNCTIONS))))
    mapping_func, synthesis_func = [BUILD_FUNCTIONS.get(func, func) for func in (mapping_func, synthesis_func)]
    known = set(_option_names(mapping_func)) | set(_option_names(synthesis_func))
    known -= {'is_template_graph', 'force_clean_graph'}  # G_main passes these itself
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
        mapping_nonlinearity='lrelu',  # Activation, also of the last layer.
        normalize_latents=True,     # Normalize the input to unit second moment?
        dtype='float32',            # Type of the activations.
        **_kwargs):                 # Options of the synthesis network, passed here too as published.
    """Mapping network Z -> W (StyleGAN, section 2): dlatents [N, dlatent_size] or [N, layers, dlatent_size]."""
    def dense(x, fmaps):
        x = layers.dense_layer(x, fmaps, lrmul=mapping_lrmul)
        return layers.bias_act_layer(x, act=mapping_nonlinearity, lrmul=mapping_lrmul)

    x = styles.join_label(latents_in, labels_in, [latent_size, label_size], normalize_latents, dtype)
    return styles.map_latents(x, dense, mapping_layers, mapping_fmaps, dlatent_size, dlatent_broadcast)


def G_synthesis_stylegan2(
        dlatents_in,                    # W [N, layers, dlatent_size].
        dlatent_size=512,               # Dimensions of W.
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        randomize_noise=True,           # Fresh noise at every evaluation? False = the stored noise.
        architecture='skip',            # 'orig', 'skip' or 'resnet' (StyleGAN2, figure 7).
        nonlinearity='lrelu',           # Activation.
        dtype='float32',                # Type of the activations.
        num_fp16_res=0,                 # Number of highest resolutions in half precision: layout.mixed_type().
        conv_clamp=None,                # Clamp activations to this absolute value; None = no limit.
        resample_kernel=(1, 3, 3, 1),   # FIR filter for upsampling; None = nearest neighbor.
        fused_modconv=None,             # See layers.modulated_conv2d_layer.
        **_kwargs):                     # Options of the mapping network, passed here too as published.
    """Synthesis network W -> images [N, C, H, W] (StyleGAN2, figure 2d)."""
    size = image_size.parse(resolution)
    check_architecture(architecture, size)
    resolution_log2 = size.num_levels
    num_layers = resolution_log2 * 2 - 2

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    dlatents_in.set_shape([None, num_layers, dlatent_size])
    dlatents = tf.cast(dlatents_in, dtype)
    noises = [noise_input(index, size.at((index + 5) // 2)) for index in range(num_layers - 1)]

    def styled_conv(x, index, fmaps, up=False):
        return layers.clamp(layers.styled_conv2d_layer(
            x, dlatents[:, index], fmaps, up=up, resample_kernel=resample_kernel, fused_modconv=fused_modconv,
            stored_noise=None if randomize_noise else noises[index], act=nonlinearity), conv_clamp)

    def block(x, r):
        t = x = tf.cast(x, layout.mixed_type() if r > resolution_log2 - num_fp16_res else dtype)
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
            t = tf.cast(layers.clamp(layers.bias_act_layer(t), conv_clamp), dtype)
            return t if y is None else y + t

    y = None
    with tf.variable_scope('4x4'):
        with tf.variable_scope('Const'):
            x = constant_input(dlatents, [nf(1)] + size.at(2), tf.initializers.random_normal())
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


def first_half_block(num_fp16_res, images_in, num_levels, group_size):
    """Logarithm of the resolution from which a discriminator computes in half precision.

    In groups of two the minibatch stddev gets the last block before 4x4 in full precision: rounded activations are
    equal in both images at some places, where the second derivative of the standard deviation, which R1 has, is so
    large that the whole gradient is a third off. With groups of four it is not measurable.

    Args:
        num_fp16_res: Number of highest resolutions in half precision.
        images_in: Images [N, C, H, W].
        num_levels: Logarithm of the full resolution.
        group_size: Group size of the minibatch stddev.
    """
    batch = images_in.shape.as_list()[0]
    in_pairs = (group_size if batch is None else min(group_size, batch)) == 2
    return max(num_levels - num_fp16_res + 1, 4 if in_pairs else 0)


def noise_input(index, size):
    """Noise stored with a network: variable noise<index>, [1, 1, height, width], never trained."""
    return tf.get_variable('noise%d' % index, shape=[1, 1] + size, initializer=tf.initializers.random_normal(),
                           trainable=False)


def constant_input(dlatents, shape, initializer):
    """The learned constant that synthesis starts from, for each sample of `dlatents`: [N, H, W, C]; shape: C, H, W."""
    x = tf.get_variable('const', shape=[1] + shape, initializer=initializer)
    batch = dlatents.shape.as_list()[0] or tf.shape(dlatents)[0]
    return tf.tile(layout.from_nchw(tf.cast(x, dlatents.dtype)), [batch, 1, 1, 1])


def G_synthesis_stylegan_revised(
        dlatents_in,                    # W [N, layers, dlatent_size].
        dlatent_size=512,               # Dimensions of W.
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        randomize_noise=True,           # Fresh noise at every evaluation? False = the stored noise.
        nonlinearity='lrelu',           # Activation.
        dtype='float32',                # Type of the activations.
        resample_kernel=(1, 3, 3, 1),   # FIR filter for upsampling; None = nearest neighbor.
        fused_modconv=None,             # See layers.modulated_conv2d_layer.
        structure='auto',               # 'fixed', 'linear', 'recursive' or 'auto': see growing.choose_structure.
        is_template_graph=False,        # Set by tflib.Network.
        force_clean_graph=False,        # Build without random noise and, if 'auto', without conditionals?
        **_kwargs):                     # Options of the mapping network, passed here too as published.
    """Synthesis network W -> images [N, C, H, W] that can grow (StyleGAN2, table 1, configs B to D)."""
    force_clean_graph = force_clean_graph or is_template_graph
    structure = growing.choose_structure(structure, force_clean_graph, is_template_graph)
    size = image_size.parse(resolution)
    num_layers = size.num_levels * 2 - 2

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    dlatents_in.set_shape([None, num_layers, dlatent_size])
    dlatents = tf.cast(dlatents_in, dtype)
    lod = growing.get_lod()
    noises = [noise_input(index, size.at((index + 5) // 2)) for index in range(num_layers - 1)]

    def styled_conv(x, index, fmaps, up=False):
        noise = noises[index] if force_clean_graph or not randomize_noise else None
        return layers.styled_conv2d_layer(
            x, dlatents[:, index], fmaps, up=up, resample_kernel=resample_kernel, fused_modconv=fused_modconv,
            stored_noise=noise, act=nonlinearity)

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            with tf.variable_scope('Conv0_up'):
                x = styled_conv(x, r * 2 - 5, nf(r - 1), up=True)
            with tf.variable_scope('Conv1'):
                return styled_conv(x, r * 2 - 4, nf(r - 1))

    def to_rgb(x, r):
        with tf.variable_scope('ToRGB_lod%d' % (size.num_levels - r)):
            return layers.bias_act_layer(layers.modulated_conv2d_layer(
                x, dlatents[:, r * 2 - 3], num_channels, kernel=1, demodulate=False, fused_modconv=fused_modconv))

    with tf.variable_scope('4x4'):
        with tf.variable_scope('Const'):
            x = constant_input(dlatents, [nf(1)] + size.at(2), tf.initializers.random_normal())
        with tf.variable_scope('Conv'):
            x = styled_conv(x, 0, nf(1))
    y = growing.synthesize(x, block, to_rgb, size.num_levels, structure, lod)
    return tf.identity(layout.to_nchw(y), name='images_out')


def D_stylegan2(
        images_in,                      # Images [N, C, H, W], around [-1, 1].
        labels_in,                      # Labels [N, label_size].
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        architecture='resnet',          # 'orig', 'skip' or 'resnet' (StyleGAN2, figure 7).
        nonlinearity='lrelu',           # Activation.
        mbstd_group_size=4,             # Group size of the minibatch stddev; 0 or 1 = off.
        mbstd_num_features=1,           # Feature maps of the minibatch stddev.
        dtype='float32',                # Type of the activations.
        num_fp16_res=0,                 # Number of highest resolutions in half precision: layout.mixed_type().
        conv_clamp=None,                # Clamp activations to this absolute value; None = no limit.
        resample_kernel=(1, 3, 3, 1),   # FIR filter for downsampling; None = box.
        is_training=False,              # No effect; part of the published interface.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator: scores [N, 1], logits of being real (StyleGAN2, section 4.1)."""
    del is_training, is_template_graph, components
    size = image_size.parse(resolution)
    check_architecture(architecture, size)
    resolution_log2 = size.num_levels

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    images_in.set_shape([None, num_channels] + size.shape)
    labels_in.set_shape([None, label_size])
    y = layout.from_nchw(tf.cast(images_in, dtype))

    first_half = first_half_block(num_fp16_res, images_in, resolution_log2, mbstd_group_size)

    def in_type_of(r, x):
        return tf.cast(x, layout.mixed_type() if r >= first_half else dtype)

    def bias_act(x, scale=1):
        gain = activation_funcs[nonlinearity].def_gain * scale
        return layers.clamp(layers.bias_act_layer(x, act=nonlinearity, gain=gain), conv_clamp and conv_clamp * scale)

    def add_from_rgb(x, r):
        with tf.variable_scope('FromRGB'):
            t = bias_act(layers.conv2d_layer(in_type_of(r, y), nf(r - 1), kernel=1))
            return t if x is None else x + tf.cast(t, x.dtype)

    def block(x, r):
        t = x
        with tf.variable_scope('Conv0'):
            x = bias_act(layers.conv2d_layer(x, nf(r - 1), kernel=3))
        with tf.variable_scope('Conv1_down'):
            x = layers.conv2d_layer(x, nf(r - 2), kernel=3, down=True, resample_kernel=resample_kernel)
            # Each branch of a residual block is scaled by itself, which costs nothing, instead of their sum.
            x = bias_act(x, np.sqrt(0.5) if architecture == 'resnet' else 1)
        if architecture == 'resnet':
            with tf.variable_scope('Skip'):
                t = layers.conv2d_layer(
                    t, nf(r - 2), kernel=1, down=True, resample_kernel=resample_kernel, gain=np.sqrt(0.5))
                x += t
        return x

    x = None
    for r in range(resolution_log2, 2, -1):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            x = x if x is None else in_type_of(r, x)
            if architecture == 'skip' or r == resolution_log2:
                x = add_from_rgb(x, r)
            x = block(x, r)
            if architecture == 'skip':
                with tf.variable_scope('Downsample'):
                    y = downsample_2d(y, k=resample_kernel, data_format=layout.data_format())
    with tf.variable_scope('4x4'):
        x = x if x is None else tf.cast(x, dtype)
        if architecture == 'skip':
            x = add_from_rgb(x, 2)
        x = minibatch_stddev(x, mbstd_group_size, mbstd_num_features)
        x = _last_layers(x, [nf(1), nf(0)], nonlinearity)
    return _scores(x, labels_in, label_size)


def D_stylegan(
        images_in,                      # Images [N, C, H, W], around [-1, 1].
        labels_in,                      # Labels [N, label_size].
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        nonlinearity='lrelu',           # Activation.
        mbstd_group_size=4,             # Group size of the minibatch stddev; 0 or 1 = off.
        mbstd_num_features=1,           # Feature maps of the minibatch stddev.
        dtype='float32',                # Type of the activations.
        resample_kernel=(1, 3, 3, 1),   # FIR filter for downsampling; None = box.
        structure='auto',               # 'fixed', 'linear', 'recursive' or 'auto': see growing.choose_structure.
        is_training=False,              # No effect; part of the published interface.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator that can grow (StyleGAN2, table 1, configs B to D): scores [N, 1], logits of being real."""
    del is_training, components
    structure = growing.choose_structure(structure, is_template_graph, is_template_graph)
    size = image_size.parse(resolution)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    images_in.set_shape([None, num_channels] + size.shape)
    labels_in.set_shape([None, label_size])
    lod = growing.get_lod()

    def from_rgb(images, r):
        with tf.variable_scope('FromRGB_lod%d' % (size.num_levels - r)):
            return layers.bias_act_layer(layers.conv2d_layer(images, nf(r - 1), kernel=1), act=nonlinearity)

    def block(x, r):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            with tf.variable_scope('Conv0'):
                x = layers.bias_act_layer(layers.conv2d_layer(x, nf(r - 1), kernel=3), act=nonlinearity)
            with tf.variable_scope('Conv1_down'):
                x = layers.conv2d_layer(x, nf(r - 2), kernel=3, down=True, resample_kernel=resample_kernel)
                return layers.bias_act_layer(x, act=nonlinearity)

    x = growing.analyze(layout.from_nchw(tf.cast(images_in, dtype)), block, from_rgb, size.num_levels, structure, lod)
    with tf.variable_scope('4x4'):
        x = minibatch_stddev(x, mbstd_group_size, mbstd_num_features)
        x = _last_layers(x, [nf(1), nf(0)], nonlinearity)
    return _scores(x, labels_in, label_size)


def _last_layers(x, fmaps, nonlinearity):
    """The two layers of a discriminator at 4x4, of `fmaps` feature maps each: [N, fmaps[1]]."""
    with tf.variable_scope('Conv'):
        x = layers.bias_act_layer(layers.conv2d_layer(x, fmaps[0], kernel=3), act=nonlinearity)
    with tf.variable_scope('Dense0'):
        return layers.bias_act_layer(layers.dense_layer(layout.to_nchw(x), fmaps[1]), act=nonlinearity)


def _scores(x, labels_in, label_size):
    with tf.variable_scope('Output'):
        x = layers.bias_act_layer(layers.dense_layer(x, max(label_size, 1)))
    return select_scores(x, labels_in, label_size)


def select_scores(x, labels_in, label_size):
    """A discriminator's output [N, 1]: the only score, or that of the label (Mescheder et al. 2018, section 5)."""
    if label_size:
        x = tf.reduce_sum(x * tf.cast(labels_in, x.dtype), axis=1, keepdims=True)
    return tf.identity(x, name='scores_out')


def check_architecture(architecture, size):
    """Raises UserError for an unknown architecture, or one that doesn't support images of an ImageSize."""
    if architecture not in ('orig', 'skip', 'resnet'):
        raise dnnlib.UserError("architecture must be 'orig', 'skip' or 'resnet', not %r" % (architecture,))
    if size.doublings < 1 and architecture != 'skip':
        raise dnnlib.UserError("images of %dx%d need architecture 'skip', not %r" % (*size.shape, architecture))


def minibatch_stddev(x, group_size, num_features):
    """Appends `num_features` maps of the minibatch stddev to x [N, H, W, C], none if `group_size` is below 2.

    Raises: UserError as `appended_stddev`.
    """
    return x if group_size < 2 else appended_stddev(x, group_size, num_features)


def appended_stddev(x, group_size, num_features):
    """As `minibatch_stddev`, also for groups of one, whose deviation is sqrt(EPSILON) everywhere.

    Raises: UserError for what `layers.minibatch_stddev_layer` can't split evenly, as far as the shape of x is known.
    """
    batch, channels = x.shape.as_list()[0], x.shape.as_list()[layout.channel_axis()]
    if batch is not None and batch % min(group_size, batch):
        raise dnnlib.UserError('a minibatch of %d per GPU is not a multiple of mbstd_group_size %d; give another '
                               '--minibatch-gpu or --batch, or --set D.mbstd_group_size=%d' % (
                                   batch, group_size, max(n for n in range(1, group_size) if batch % n == 0)))
    if num_features < 1 or channels % num_features:
        raise dnnlib.UserError('mbstd_num_features must divide the %d feature maps at 4x4, got %r' % (
            channels, num_features))
    with tf.variable_scope('MinibatchStddev'):
        return layers.minibatch_stddev_layer(x, group_size, num_features)


BUILD_FUNCTIONS = {func.__name__: func for func in (  # subnetworks of G_main
    G_mapping, G_synthesis_stylegan2, G_synthesis_stylegan_revised)}
