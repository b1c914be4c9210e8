"""The networks of StyleGAN2-ADA (Karras et al. 2020, "Training generative adversarial networks with limited data").

Variable names, shapes and their order are those of the published networks. Against StyleGAN2: labels are embedded,
normalized and, in the discriminator, projected; activations can be clamped; the generator knows no level of detail.
"""

import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import tflib
from dnnlib.tflib import layout, network_state, random
from dnnlib.tflib.ops.upfirdn_2d import downsample_2d, upsample_2d
from training import image_size, networks_stylegan2
from training.blocks import compared, layers, spectral, styles

PUBLISHED = network_state.Published('training.networks', 5)  # the same functions in StyleGAN2-ADA's release


def G_main(
        latents_in,                     # Z [N, latent_size].
        labels_in,                      # Labels [N, label_size].
        is_training=False,              # Training: no truncation, mixing, running mean of W.
        is_validation=False,            # Validation: the *_val truncation.
        return_dlatents=False,          # Also return the dlatents used by synthesis?
        truncation_psi=0.5,             # Strength of the truncation; None = off.
        truncation_cutoff=None,         # Truncate only layers below this index; None = all.
        truncation_psi_val=None,        # truncation_psi during validation.
        truncation_cutoff_val=None,     # truncation_cutoff during validation.
        dlatent_avg_beta=0.995,         # Decay of the running mean of W in training; None = not updated.
        style_mixing_prob=0.9,          # Probability of mixing the styles of two latents in training; None = never.
        components=dnnlib.EasyDict(),   # Subnetworks, kept between calls.
        mapping_func='G_mapping',       # Build function of the mapping network, or its name in this module.
        synthesis_func='G_synthesis',   # The same for the synthesis network.
        is_template_graph=False,        # Set by tflib.Network.
        **kwargs):                      # Options of both subnetworks.
    """Generator: mapping, style mixing, truncation, synthesis: images [N, C, H, W]."""
    if is_training and is_validation:
        raise ValueError('is_training and is_validation are mutually exclusive')
    if is_validation:
        truncation_psi, truncation_cutoff = truncation_psi_val, truncation_cutoff_val
    functions = [BUILD_FUNCTIONS.get(func, func)
                 for func in (mapping_func, synthesis_func)]
    networks_stylegan2.build_components(components, functions[0], functions[1], kwargs)
    num_layers, dlatent_size = components.synthesis.input_shape[1:]
    dlatent_avg = tf.get_variable('dlatent_avg', shape=[dlatent_size], initializer=tf.initializers.zeros(),
                                  trainable=False)

    dlatents = components.mapping.get_output_for(latents_in, labels_in, is_training=is_training, **kwargs)
    dlatents = tf.cast(dlatents, tf.float32)
    if is_training and dlatent_avg_beta not in (None, 1):
        with tf.variable_scope('DlatentAvg'):
            mean = tf.reduce_mean(dlatents[:, 0], axis=0)
            average = dlatent_avg
            for batch_mean in tflib.collectives.all_gather(mean):
                average = tflib.lerp(batch_mean, average, dlatent_avg_beta)
            with tf.control_dependencies([tf.assign(dlatent_avg, average)]):
                dlatents = tf.identity(dlatents)
    if is_training and style_mixing_prob is not None and style_mixing_prob > 0:
        with tf.variable_scope('StyleMix'):
            others = components.mapping.get_output_for(
                random.normal(tf.shape(latents_in)), labels_in, is_training=is_training, **kwargs)
            dlatents = styles.mix_styles(dlatents, tf.cast(others, tf.float32), style_mixing_prob, num_layers)
    is_one = isinstance(truncation_psi, (int, float, np.number)) and truncation_psi == 1
    if not is_training and truncation_psi is not None and not is_one:
        with tf.variable_scope('Truncation'):
            dlatents = styles.truncate(dlatents, dlatent_avg, truncation_psi, truncation_cutoff)
    images_out = components.synthesis.get_output_for(dlatents, is_training=is_training, **kwargs)
    images_out = tf.identity(images_out, name='images_out')
    return (images_out, dlatents) if return_dlatents else images_out


def G_mapping(
        latents_in,                     # Z [N, latent_size].
        labels_in,                      # Labels [N, label_size].
        latent_size=512,                # Dimensions of Z.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        dlatent_size=512,               # Dimensions of W.
        dlatent_broadcast=None,         # Copies of w, one per synthesis layer; None = one without the layer axis.
        mapping_layers=8,               # Dense layers.
        mapping_fmaps=None,             # Width of the hidden layers, None = dlatent_size.
        mapping_lrmul=0.01,             # Learning-rate multiplier.
        mapping_nonlinearity='lrelu',   # Activation, also of the last layer.
        normalize_latents=True,         # Normalize the latents to unit second moment?
        label_fmaps=None,               # Width of the label embedding, None = latent_size.
        dtype='float32',                # Type of the activations.
        **_kwargs):                     # Options of the synthesis network, passed here too as published.
    """Mapping network Z -> W: dlatents [N, dlatent_size] or [N, layers, dlatent_size]."""
    def dense(x, fmaps):
        x = layers.dense_layer(x, fmaps, lrmul=mapping_lrmul)
        return layers.bias_act_layer(x, act=mapping_nonlinearity, lrmul=mapping_lrmul)

    latents_in.set_shape([None, latent_size])
    labels_in.set_shape([None, label_size])
    x = tf.cast(latents_in, dtype)
    if normalize_latents:
        with tf.variable_scope('Normalize'):
            x = _normalize(x)
    if label_size:
        x = tf.concat([x, _embed_labels(labels_in, label_fmaps or latent_size, dtype)], axis=1)
    return styles.map_latents(x, dense, mapping_layers, mapping_fmaps or dlatent_size, dlatent_size, dlatent_broadcast)


def _normalize(x):
    """x [N, D] scaled to unit second moment."""
    return x * tf.rsqrt(tf.reduce_mean(tf.square(x), axis=1, keepdims=True) + layers.EPSILON)


def _embed_labels(labels_in, fmaps, dtype):
    """Normalized linear embedding of labels, [N, fmaps]."""
    with tf.variable_scope('LabelEmbed'):
        return _normalize(layers.bias_act_layer(layers.dense_layer(tf.cast(labels_in, dtype), fmaps)))


def G_synthesis(
        dlatents_in,                    # W [N, layers, dlatent_size].
        dlatent_size=512,               # Dimensions of W.
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        fmap_const=None,                # Feature maps of the learned constant, None = those of the first layer.
        use_noise=True,                 # Add noise?
        randomize_noise=True,           # Fresh noise at every evaluation? False = the stored noise.
        architecture='skip',            # 'orig', 'skip' or 'resnet'.
        nonlinearity='lrelu',           # Activation.
        dtype='float32',                # Type of the activations.
        num_fp16_res=0,                 # Number of highest resolutions in half precision: layout.mixed_type().
        conv_clamp=None,                # Clamp activations to this absolute value; None = no limit.
        resample_kernel=(1, 3, 3, 1),   # FIR filter for upsampling; None = nearest neighbor.
        fused_modconv=False,            # See layers.modulated_conv2d_layer.
        **_kwargs):                     # Options of the mapping network, passed here too as published.
    """Synthesis network W -> images [N, C, H, W]."""
    size = image_size.parse(resolution)
    networks_stylegan2.check_architecture(architecture, size)
    num_layers = size.num_levels * 2 - 2
    first_half = size.num_levels - num_fp16_res + 1

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    dlatents_in.set_shape([None, num_layers, dlatent_size])
    dlatents = tf.cast(dlatents_in, dtype)
    noises = [networks_stylegan2.noise_input(index, size.at((index + 5) // 2))
              for index in range(num_layers - 1 if use_noise else 0)]

    def styled_conv(x, index, fmaps, up=False):
        x = layers.modulated_conv2d_layer(x, dlatents[:, index], fmaps, kernel=3, up=up,
                                          resample_kernel=resample_kernel, fused_modconv=fused_modconv)
        if use_noise:
            x = layers.noise_layer(x, None if randomize_noise else noises[index])
        return layers.clamp(layers.bias_act_layer(x, act=nonlinearity), conv_clamp)

    def add_rgb(x, y, r):
        with tf.variable_scope('ToRGB'):
            t = layers.modulated_conv2d_layer(
                x, dlatents[:, r * 2 - 3], num_channels, kernel=1, demodulate=False, fused_modconv=fused_modconv)
            t = tf.cast(layers.clamp(layers.bias_act_layer(t), conv_clamp), dtype)
            return t if y is None else y + t

    y = None
    for r in range(2, size.num_levels + 1):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            if r == 2:
                with tf.variable_scope('Const'):
                    shape = [fmap_const or nf(1)] + size.at(2)
                    x = networks_stylegan2.constant_input(dlatents, shape, tf.initializers.random_normal())
                with tf.variable_scope('Conv'):
                    x = styled_conv(x, 0, nf(1))
            else:
                t = x = tf.cast(x, layout.mixed_type() if r >= first_half else dtype)
                with tf.variable_scope('Conv0_up'):
                    x = styled_conv(x, r * 2 - 5, nf(r - 1), up=True)
                with tf.variable_scope('Conv1'):
                    x = styled_conv(x, r * 2 - 4, nf(r - 1))
                if architecture == 'resnet':
                    with tf.variable_scope('Skip'):
                        t = layers.conv2d_layer(t, nf(r - 1), kernel=1, up=True, resample_kernel=resample_kernel)
                        x = (x + t) * (1 / np.sqrt(2))
                if architecture == 'skip':
                    with tf.variable_scope('Upsample'):
                        y = upsample_2d(y, k=resample_kernel, data_format=layout.data_format())
            if architecture == 'skip' or r == size.num_levels:
                y = add_rgb(x, y, r)
    return tf.identity(layout.to_nchw(y), name='images_out')


def D_main(
        images_in,                      # Images [N, C, H, W], around [-1, 1].
        labels_in,                      # Labels [N, label_size].
        num_channels=3,                 # Channels of the images.
        resolution=1024,                # Side of the images, or (height, width): see image_size.
        label_size=0,                   # Dimensions of the labels, 0 = unlabeled.
        fmap_base=16 << 10,             # Feature maps: see layers.num_fmaps.
        fmap_decay=1.0,
        fmap_min=1,
        fmap_max=512,
        mapping_layers=0,               # Dense layers after the label embedding.
        mapping_fmaps=None,             # Width of the embedding, None = that of the last layer.
        mapping_lrmul=0.1,              # Learning-rate multiplier of these layers.
        architecture='resnet',          # 'orig', 'skip' or 'resnet'.
        nonlinearity='lrelu',           # Activation.
        mbstd_group_size=None,          # Group size of the minibatch stddev, None = the whole minibatch.
        mbstd_num_features=1,           # Feature maps of the minibatch stddev; 0 = off.
        dtype='float32',                # Type of the activations.
        num_fp16_res=0,                 # Number of highest resolutions in half precision: layout.mixed_type().
        conv_clamp=None,                # Clamp activations to this absolute value; None = no limit.
        resample_kernel=(1, 3, 3, 1),   # FIR filter for downsampling; None = box.
        augment_strength=0,             # p, number or scalar tensor, for use_pagan and adaptive_dropout.
        use_pagan=False,                # Bits that exchange reals and fakes? See compared.draw_bits.
        pagan_num=16,                   # Number of bits.
        pagan_fade=0.5,                 # See compared.draw_bits.
        score_size=1,                   # Scores to return, the first of score_max; the others tell rotations apart.
        score_max=1,                    # Scores that there are; more than 1 only without labels.
        use_spectral_norm=False,        # Spectral normalization of the 3x3 convolutions? See spectral.normalize.
        adaptive_dropout=0,             # Strength of compared.adaptive_dropout where p is 1; 0 = off.
        freeze_layers=0,                # Number of first layers that are frozen (Freeze-D).
        is_training=False,              # Training: store the state of spectral normalization.
        is_template_graph=False,        # Set by tflib.Network.
        components=None):               # Set by tflib.Network; there are no subnetworks.
    """Discriminator with projected labels (Miyato & Koyama 2018): scores [N, score_size], logits of being real."""
    del is_template_graph, components
    if not 1 <= score_size <= score_max or (label_size and score_max > 1):
        raise dnnlib.UserError('score_size %r of score_max %r scores: expected at least one of one with labels, of any '
                               'number without' % (score_size, score_max))
    size = image_size.parse(resolution)
    networks_stylegan2.check_architecture(architecture, size)

    def nf(stage):
        return layers.num_fmaps(stage, fmap_base, fmap_decay, fmap_min, fmap_max)

    def kind(r):
        return layout.mixed_type() if r >= first_half else dtype

    def dropout(x):
        return compared.adaptive_dropout(x, augment_strength * adaptive_dropout) if adaptive_dropout else x

    def normalize(w):
        return spectral.normalize(w, is_training)

    images_in.set_shape([None, num_channels] + size.shape)
    labels_in.set_shape([None, label_size])
    group_size = mbstd_group_size or 1 << 30
    first_half = networks_stylegan2.first_half_block(
        num_fp16_res, images_in, size.num_levels, group_size if mbstd_num_features else 0)
    width = mapping_fmaps or nf(0)
    if label_size:
        c = _map_labels(_embed_labels(labels_in, width, dtype), mapping_layers, nonlinearity, mapping_lrmul)
    bits = compared.draw_bits(tf.shape(images_in)[0], augment_strength, pagan_num, pagan_fade) if use_pagan else None
    stack = _Layers(freeze_layers, nonlinearity, resample_kernel, conv_clamp, normalize if use_spectral_norm else None,
                    dropout, bits)
    conv = stack.conv
    x, y = _analyze(layout.from_nchw(tf.cast(images_in, dtype)), size, nf, kind, conv, architecture, resample_kernel)
    with tf.variable_scope('4x4'):
        if architecture == 'skip':
            t = conv(tf.cast(y, kind(2)), 'FromRGB', nf(1), kernel=1)
            x = t if x is None else x + tf.cast(t, x.dtype)
        x = tf.cast(x, dtype)
        if mbstd_num_features:
            x = networks_stylegan2.appended_stddev(x, group_size, mbstd_num_features)
        x = conv(x, 'Conv', nf(1))
        with stack.layer('Dense0'):
            x = layers.bias_act_layer(dropout(layers.dense_layer(layout.to_nchw(x), nf(0))), act=nonlinearity)
    with tf.variable_scope('Output'):
        x = layers.bias_act_layer(layers.dense_layer(x, width if label_size else score_max))
        if label_size:
            x = tf.reduce_sum(x * c, axis=1, keepdims=True) / np.float32(np.sqrt(width))
        if score_size < score_max:
            x = x[:, :score_size]
        if use_pagan:
            x *= tf.cast(compared.signs_of(bits), x.dtype)
    return tf.identity(x, name='scores_out')


class _Layers:
    """The layers of D_main, of which the first may be frozen.

    Args:
        freeze_layers, nonlinearity, resample_kernel, conv_clamp: See D_main.
        normalize: Function of the weights of 3x3 convolutions; `None` = they are taken as they are.
        dropout: Function of what layers compute before the bias.
        bits: See compared.bits_layer; `None` = none.
    """

    def __init__(self, freeze_layers, nonlinearity, resample_kernel, conv_clamp, normalize, dropout, bits):
        self._count, self._freeze_layers, self._act = 0, freeze_layers, nonlinearity
        self._resample_kernel, self._conv_clamp = resample_kernel, conv_clamp
        self._normalize, self._dropout, self._bits = normalize, dropout, bits

    @contextlib.contextmanager
    def layer(self, name):
        """The variable scope of the next layer."""
        frozen = self._count < self._freeze_layers
        self._count += 1
        with tf.variable_scope(name, custom_getter=_untrained if frozen else None):
            yield

    def conv(self, x, name, fmaps, kernel=3, down=False, act=True):
        """A convolution; `act` = with bias and activation?"""
        with self.layer(name):
            x = self._dropout(layers.conv2d_layer(x, fmaps, kernel, down=down, resample_kernel=self._resample_kernel,
                                                  normalize=self._normalize if kernel == 3 else None))
            x = compared.bits_layer(x, self._bits) if self._bits is not None and name == 'FromRGB' else x
            return layers.clamp(layers.bias_act_layer(x, act=self._act), self._conv_clamp) if act else x


def _map_labels(c, mapping_layers, nonlinearity, lrmul):
    """Dense layers after the embedding of labels, [N, fmaps]."""
    for index in range(mapping_layers):
        with tf.variable_scope('Mapping%d' % index):
            c = layers.bias_act_layer(layers.dense_layer(c, c.shape.as_list()[1], lrmul=lrmul), act=nonlinearity,
                                      lrmul=lrmul)
    return c


def _analyze(images, size, nf, kind, conv, architecture, resample_kernel):
    """All levels of D_main above 4x4.

    Args:
        images: In the layout of the device.
        size: image_size.ImageSize of them.
        nf: Function of a level that returns its number of feature maps.
        kind: Function of a level that returns the type of its activations.
        conv: See _Layers.
        architecture, resample_kernel: See D_main.
    Returns: (feature maps, images), both of the base block; the latter only if the architecture is 'skip'.
    """
    x, y = None, images
    for r in range(size.num_levels, 2, -1):
        with tf.variable_scope('%dx%d' % (2 ** r, 2 ** r)):
            x = x if x is None else tf.cast(x, kind(r))
            if architecture == 'skip' or r == size.num_levels:
                t = conv(tf.cast(y, kind(r)), 'FromRGB', nf(r - 1), kernel=1)
                x = t if x is None else x + t
            t = x
            x = conv(x, 'Conv0', nf(r - 1))
            x = conv(x, 'Conv1_down', nf(r - 2), down=True)
            if architecture == 'resnet':
                x = (x + conv(t, 'Skip', nf(r - 2), kernel=1, down=True, act=False)) * (1 / np.sqrt(2))
            if architecture == 'skip':
                with tf.variable_scope('Downsample'):
                    y = downsample_2d(y, k=resample_kernel, data_format=layout.data_format())
    return x, y


def _untrained(getter, name, *args, **kwargs):
    """Variables of a frozen layer are not trained; those of PA-GAN in it are, as published."""
    return getter(name, *args, **(kwargs if '/PAGAN/' in name else dict(kwargs, trainable=False)))


BUILD_FUNCTIONS = {func.__name__: func for func in (G_mapping, G_synthesis)}  # subnetworks of G_main
