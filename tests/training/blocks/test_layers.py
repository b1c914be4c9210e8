"""Tests of training.blocks.layers against their laws, NumPy references and published values."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, tfutil
from training.blocks import layers


def random_array(*shape):
    return np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32)


def initialised(session, value):
    """Initialises all variables; returns `value`."""
    session.run(tf.global_variables_initializer())
    return value


@pytest.mark.parametrize('fmap_base, expected', [
    (16384, [512, 512, 512, 512, 512, 256, 128, 64, 32]), (8192, [512, 512, 512, 512, 256, 128, 64, 32, 16])])
def test_feature_maps_by_resolution(fmap_base, expected):
    assert [layers.num_fmaps(stage, fmap_base, 1.0, 1, 512) for stage in range(1, 10)] == expected
    assert layers.num_fmaps(9, 64, 1.0, 3, 512) == 3


@pytest.mark.parametrize('use_wscale, lrmul, variable_std, coefficient', [
    (True, 1, 1, 2 / 30), (True, 0.01, 100, 2 / 30 * 0.01), (False, 1, 2 / 30, 1), (False, 0.5, 2 / 30 / 0.5, 0.5)])
def test_weight_is_normalised_at_run_time(session, use_wscale, lrmul, variable_std, coefficient):
    weight = layers.get_weight([3, 3, 100, 40], gain=2, use_wscale=use_wscale, lrmul=lrmul)  # fan-in 900
    variable, = tf.trainable_variables()
    value, stored = initialised(session, session).run([weight, variable])
    assert variable.op.name == 'weight' and stored.std() == pytest.approx(variable_std, rel=0.02)
    np.testing.assert_allclose(value, stored * coefficient, rtol=1e-5)


def test_dense_layer_flattens_and_bias_is_scaled_along_with_the_activation(session):
    x = random_array(3, 2, 4, 4)
    y = layers.bias_act_layer(layers.dense_layer(tf.constant(x), 5), act='lrelu', lrmul=0.5)
    weight, bias = tf.trainable_variables()
    initialised(session, None)
    tfutil.set_vars({bias: random_array(5)})
    flat = x.reshape(3, 32).dot(session.run(weight)) / np.sqrt(32) + 0.5 * random_array(5)
    np.testing.assert_allclose(session.run(y), np.where(flat > 0, flat, 0.2 * flat) * np.sqrt(2), rtol=1e-4, atol=1e-5)


def test_demodulated_kernels_have_unit_energy(session):
    rng = np.random.RandomState(0)
    weight, style = rng.randn(3, 3, 8, 4), rng.uniform(0.1, 10, [2, 8])
    kernels = session.run(layers.modulate(tf.constant(weight, tf.float32), tf.constant(style, tf.float32)))
    np.testing.assert_allclose(np.square(kernels).sum(axis=(1, 2, 3)), 1, rtol=1e-5)
    plain = session.run(layers.modulate(tf.constant(weight), tf.constant(style), demodulate=False))
    np.testing.assert_allclose(plain, np.einsum('abio,ni->nabio', weight, style))


@pytest.mark.parametrize('up', [False, True])
@pytest.mark.parametrize('demodulate', [False, True])
def test_forms_of_the_modulated_convolution_agree(session, up, demodulate):
    x, y = random_array(1, 4, 4, 6), random_array(1, 7)
    outputs = []
    for fused_modconv in (True, False, None):
        with tf.variable_scope('layer', reuse=tf.AUTO_REUSE):
            outputs.append(layers.modulated_conv2d_layer(
                tf.constant(x), tf.constant(y), 5, kernel=3, up=up, demodulate=demodulate,
                resample_kernel=[1, 3, 3, 1], fused_modconv=fused_modconv))
    assert [var.op.name for var in tf.trainable_variables()] == ['layer/weight', 'layer/mod_weight', 'layer/mod_bias']
    fused, scaled, default = initialised(session, session).run(outputs)
    assert fused.shape == (1, 8, 8, 5) if up else (1, 4, 4, 5)
    np.testing.assert_allclose(fused, scaled, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(fused, default)


def test_modulated_convolution_is_a_convolution_by_each_samples_kernel(session):
    x, y = random_array(2, 5, 5, 3), random_array(2, 4)
    z = layers.modulated_conv2d_layer(tf.constant(x), tf.constant(y), 2, kernel=1)
    weight, mod_weight, mod_bias = tf.trainable_variables()
    initialised(session, None)
    tfutil.set_vars({mod_bias: random_array(3)})
    weight, mod_weight, mod_bias = session.run([weight, mod_weight, mod_bias])
    style = y.dot(mod_weight) / np.sqrt(4) + mod_bias + 1
    kernels = (weight / np.sqrt(3))[0, 0] * style[:, :, np.newaxis]  # NIO
    kernels /= np.sqrt(np.square(kernels).sum(axis=1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(session.run(z), np.einsum('nhwi,nio->nhwo', x, kernels), rtol=1e-4, atol=1e-5)


def test_noise_is_added_with_the_learned_strength(session):
    x, noise = random_array(2, 4, 4, 3), random_array(1, 1, 4, 4)
    with tf.variable_scope('stored'):
        stored = layers.noise_layer(tf.constant(x), tf.constant(noise))
    with tf.variable_scope('fresh'):
        fresh = layers.noise_layer(tf.zeros([64, 4, 4, 3]))
    initialised(session, None)
    np.testing.assert_array_equal(session.run(stored), x)  # the strength starts at zero
    tfutil.set_vars({var: 0.5 for var in tf.trainable_variables()})
    np.testing.assert_allclose(session.run(stored), x + 0.5 * noise[0, 0, :, :, np.newaxis], rtol=1e-5, atol=1e-6)
    value = session.run(fresh)
    assert np.ptp(value, axis=3).max() == 0 and value.std() == pytest.approx(0.5, rel=0.1)
    assert np.abs(value[0] - value[1]).max() > 0.1


@pytest.mark.parametrize('batch', [None, 3])
@pytest.mark.parametrize('demodulate', [False, True])
def test_matrix_product_of_each_sample_equals_the_scaled_form(session, demodulate, batch):
    x, y = tf.placeholder(tf.float32, [batch, 4, 5, 6]), tf.placeholder(tf.float32, [batch, 7])
    results, convolves = [], []
    for fused in (None, False):
        with tf.variable_scope('conv', reuse=tf.AUTO_REUSE):
            before = len(tf.get_default_graph().get_operations())
            z = layers.modulated_conv2d_layer(x, y, 3, kernel=1, demodulate=demodulate, fused_modconv=fused)
        convolves.append('Conv2D' in [op.type for op in tf.get_default_graph().get_operations()[before:]])
        assert z.shape.as_list() == [batch, 4, 5, 3]
        gradients = tf.gradients(tf.reduce_sum(tf.square(z)), [x, y])
        results.append([z] + gradients + tf.gradients(tf.reduce_sum(tf.square(gradients[1])), [x]))
    assert convolves == [False, True]
    values = {x: random_array(3, 4, 5, 6), y: random_array(3, 7)}
    product, scaled = initialised(session, session).run(results, values)
    for a, b in zip(product, scaled):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize('batch', [None, 3])
@pytest.mark.parametrize('up', [False, True])
def test_grouped_form_has_the_right_shapes_and_values(session, up, batch):
    layout.set_data_format('NCHW')  # the layout of GPUs, where the minibatch becomes groups
    x, y = tf.placeholder(tf.float32, [batch, 6, 4, 4]), tf.placeholder(tf.float32, [batch, 7])
    values = {x: random_array(3, 6, 4, 4), y: random_array(3, 7)}
    results = []
    for fused in (None, False):
        with tf.variable_scope('conv', reuse=tf.AUTO_REUSE):
            z = layers.modulated_conv2d_layer(x, y, 5, kernel=3, up=up, resample_kernel=[1, 3, 3, 1],
                                              fused_modconv=fused)
        size = 8 if up else 4
        assert z.shape.as_list()[1:] == [5, size, size]
        gradient, = tf.gradients(tf.reduce_sum(tf.square(z)), [y])
        second, = tf.gradients(tf.reduce_sum(tf.square(gradient)), [x])
        assert second.shape.as_list()[1:] == [6, 4, 4]
        results.append([z, gradient, second])
    if not tf.__version__.startswith('1.'):  # TensorFlow 1 computes this layout on a GPU only
        grouped, scaled = initialised(session, session).run(results, values)
        for a, b in zip(grouped, scaled):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize('data_format', ['NHWC', 'NCHW'])
@pytest.mark.parametrize('num_features, expected', [
    (1, [[0.718785], [0.834903]]), (2, [[0.777843, 0.659727], [0.874190, 0.795615]])])
def test_minibatch_stddev_has_the_published_values(session, data_format, num_features, expected):
    layout.set_data_format(data_format)
    x = np.float32(np.random.RandomState(4).randn(8, 4, 2, 2))
    y = layout.to_nchw(layers.minibatch_stddev_layer(layout.from_nchw(tf.constant(x)), 4, num_features))
    y = session.run(y)
    np.testing.assert_array_equal(y[:, :4], x)
    maps = np.tile(np.array(expected)[:, :, np.newaxis, np.newaxis], [4, 1, 2, 2])  # samples alternate between 2 groups
    np.testing.assert_allclose(y[:, 4:], maps, rtol=1e-5)


def test_minibatch_stddev_of_small_minibatches_and_its_gradient(session):
    x = tf.placeholder(tf.float32, [None, 2, 2, 4])
    y = layers.minibatch_stddev_layer(x, group_size=4)
    gradient, = tf.gradients(y[:, :, :, 4:], [x])
    value = random_array(2, 2, 2, 4)
    expected = np.sqrt(value.var(axis=0) + 1e-8).mean()
    np.testing.assert_allclose(session.run(y, {x: value})[..., 4], np.full([2, 2, 2], expected), rtol=1e-5)
    single = session.run([y, gradient], {x: value[:1]})
    np.testing.assert_allclose(single[0][..., 4], 1e-4, rtol=1e-4)
    assert np.isfinite(single[1]).all()


def test_float16_without_fused_modulation_does_not_overflow(session):
    rng = np.random.RandomState(0)
    x, y = np.float32(rng.randn(2, 8, 8, 64)), np.float32(3000 * rng.randn(2, 16))
    results = []
    for dtype in (tf.float32, tf.float16):
        with tf.variable_scope('Layer', reuse=tf.AUTO_REUSE):
            z = layers.modulated_conv2d_layer(tf.cast(x, dtype), tf.constant(y), 8, kernel=3, fused_modconv=False)
            assert z.dtype == dtype
            results.append(tf.cast(z, tf.float32))
    session.run(tf.global_variables_initializer())
    exact, half = session.run(results)
    np.testing.assert_allclose(half, exact, atol=0.01)


def test_a_styled_layer_is_its_parts(session):
    rng = np.random.RandomState(0)
    x, y, noise = [tf.constant(np.float32(rng.randn(*shape))) for shape in ([3, 4, 4, 5], [3, 6], [1, 1, 8, 8])]
    with tf.variable_scope('Layer'):
        whole = layers.styled_conv2d_layer(x, y, 7, up=True, resample_kernel=[1, 3, 3, 1], stored_noise=noise)
    with tf.variable_scope('Layer', reuse=True):
        parts = layers.modulated_conv2d_layer(x, y, 7, kernel=3, up=True, resample_kernel=[1, 3, 3, 1])
        parts = layers.bias_act_layer(layers.noise_layer(parts, noise), act='lrelu')
    session.run(tf.global_variables_initializer())
    session.run([tf.assign(var, tf.random_normal(var.shape)) for var in tf.trainable_variables()])
    a, b = session.run([whole, parts])
    assert whole.shape.as_list() == [3, 8, 8, 7]
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
