"""What label maps and maps of instances become before a network sees them (Wang et al. 2018, section 3.3).

Maps are [N, 1, H, W], whole numbers of any type.
"""

import tensorflow.compat.v1 as tf


def one_hot(labels, count):
    """One plane for each of `count` labels: float32 [N, count, H, W]."""
    return tf.one_hot(tf.cast(labels[:, 0], tf.int32), count, axis=1)


def edges(instances):
    """1 where one of the four neighbors belongs to another instance, else 0: float32 [N, 1, H, W]."""
    down = tf.not_equal(instances[:, :, 1:], instances[:, :, :-1])
    right = tf.not_equal(instances[:, :, :, 1:], instances[:, :, :, :-1])
    found = [tf.pad(changes, [[0, 0], [0, 0]] + sides) for changes, paddings in (
        (down, ([[1, 0], [0, 0]], [[0, 1], [0, 0]])), (right, ([[0, 0], [1, 0]], [[0, 0], [0, 1]])))
        for sides in paddings]
    return tf.cast(tf.reduce_any(tf.stack(found), axis=0), tf.float32)


def instance_means(features, instances):
    """Features with the mean over each instance of each image in all of its pixels.

    Args:
        features: [N, C, H, W], float32.
        instances: Numbers of instances, below 2^24 as float32.
    """
    shape = tf.shape(features)
    count = shape[0]
    keys = tf.cast(instances[:, 0], tf.int64) * tf.cast(count, tf.int64) + tf.reshape(
        tf.range(tf.cast(count, tf.int64)), [-1, 1, 1])
    found, segments = tf.unique(tf.reshape(keys, [-1]))
    rows = tf.reshape(tf.transpose(features, [0, 2, 3, 1]), [-1, features.shape.as_list()[1]])
    means = tf.math.unsorted_segment_mean(rows, segments, tf.size(found))
    means = tf.reshape(tf.gather(means, segments), tf.stack([shape[0], shape[2], shape[3], shape[1]]))
    means = tf.transpose(means, [0, 3, 1, 2])
    means.set_shape(features.shape)
    return means
