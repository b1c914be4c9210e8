"""Small build functions with results that can be checked by hand."""

import tensorflow.compat.v1 as tf

import dnnlib.tflib as tflib


def affine(x_in, shift_in, outputs=2, scale=1.0, with_sum=False, is_template_graph=False, components=None):
    """y = scale * (x @ weight + bias) + shift; with `with_sum` also the sum of each row."""
    del is_template_graph, components
    x_in.set_shape([None, 3])
    shift_in.set_shape([None, outputs])
    calls = tf.get_variable('calls', shape=[], initializer=tf.initializers.zeros(), trainable=False)
    with tf.variable_scope('Dense'):
        weight = tf.get_variable('weight', shape=[3, outputs], initializer=tf.initializers.random_normal())
        bias = tf.get_variable('bias', shape=[outputs], initializer=tf.initializers.zeros())
        y = tf.matmul(x_in, weight) + bias
    with tf.variable_scope('Scale'):
        y = y * scale + shift_in + calls * 0
    y = tf.identity(y, name='y_out')
    return (y, tf.reduce_sum(y, axis=1, keepdims=True, name='sum_out')) if with_sum else y


def chain(x_in, gain=1.0, is_template_graph=False, components=None, **kwargs):
    """An `affine` sub-network, then a gain per output."""
    del is_template_graph
    if 'first' not in components:
        components.first = tflib.Network('First', func_name=affine, **kwargs)
    offset = tf.get_variable('offset', shape=[2], initializer=tf.initializers.zeros())
    y = components.first.get_output_for(x_in, tf.zeros([tf.shape(x_in)[0], 2]), **kwargs)
    return tf.identity(y * gain + offset, name='y_out')


def picture(images_in, tell_batch=False, is_template_graph=False, components=None):
    """Images [N, 1, 4, 4] as they are; can also tell if the minibatch was known to be 1 when the graph was built."""
    del is_template_graph, components
    images_in.set_shape([None, 1, 4, 4])
    is_single = tf.fill([tf.shape(images_in)[0]], images_in.shape.as_list()[0] == 1)
    images_out = tf.identity(images_in, name='images_out')
    return (images_out, is_single) if tell_batch else images_out


def noisy(x_in, is_template_graph=False, components=None):
    """x and a fresh random number per row."""
    del is_template_graph, components
    x_in.set_shape([None, 3])
    return tf.identity(tf.random_normal([tf.shape(x_in)[0]]) + x_in[:, 0], name='y_out')


def scales(*images_in, taps=False, base=2, is_template_graph=False, components=None):
    """The mean of each of a list of images [N, 1, base 2^i, base 2^i], weighted; `taps` adds the means themselves."""
    del is_template_graph, components
    for i, image in enumerate(images_in):
        image.set_shape([None, 1, base << i, base << i])
    weight = [tf.get_variable('weight%d' % i, shape=[], initializer=tf.initializers.random_normal())
              for i in range(len(images_in))]
    means = [tf.reduce_mean(image, axis=[1, 2, 3], name='mean%d' % i) for i, image in enumerate(images_in)]
    score = tf.reduce_sum(tf.stack(means, axis=1) * weight, axis=1, name='score_out')
    return [score] + means if taps else score


def without_rank(x_in, is_template_graph=False, components=None):
    """Breaks the rule that shapes are set."""
    del is_template_graph, components
    return tf.identity(x_in, name='y_out')


def without_input(is_template_graph=False, components=None):
    """Breaks the rule that there is an input."""
    del is_template_graph, components
    return tf.zeros([1])


def helper(x):
    """Not a build function."""
    return x
