"""Random tensors that can be determined by a seed.

Outside `seeded` these are TensorFlow's own random operations. Inside, each operation draws from a stream keyed by the
given seed tensor and by the operation's number within the block, so that a training step that feeds (seed, images
shown so far) draws the same numbers again after a restart.
"""

import contextlib

import tensorflow.compat.v1 as tf

_COLLECTION = 'tflib/random_streams'


@contextlib.contextmanager
def seeded(seed):
    """Operations created inside draw numbers determined by `seed`.

    Args:
        seed: Integer tensor [2] with values below 2^31, evaluated in every session call.
    """
    streams = tf.get_collection_ref(_COLLECTION)
    streams.append([tf.cast(seed, tf.int64), 0, {}])
    try:
        yield
    finally:
        streams.pop()


def _next_seed():
    """Seed [2] of the next operation of the innermost `seeded` block, None outside."""
    streams = tf.get_collection_ref(_COLLECTION)
    if not streams:
        return None
    seed, index, _notes = streams[-1]
    streams[-1][1] = index + 1
    with tf.device('/cpu:0'):  # on a GPU, too, seeds are read there: computed on it, each would make the host wait
        return seed + tf.constant([index << 31, 0], dtype=tf.int64)


def notes():
    """Dictionary that the operations of the innermost `seeded` block share while it is built; outside a new one.

    What is built in one block may run in one session call, and may have to know of each other to run in order.
    """
    streams = tf.get_collection_ref(_COLLECTION)
    return streams[-1][2] if streams else {}


def normal(shape, dtype=tf.float32):
    """Standard normal numbers of the given shape."""
    seed = _next_seed()
    if seed is None:
        return tf.random_normal(shape, dtype=dtype)
    return tf.random.stateless_normal(shape, seed=seed, dtype=dtype)


def uniform(shape, minval=0.0, maxval=1.0, dtype=tf.float32):
    """Uniform numbers of the given shape in [minval, maxval)."""
    seed = _next_seed()
    if seed is None:
        return tf.random_uniform(shape, minval, maxval, dtype=dtype)
    return tf.random.stateless_uniform(shape, seed=seed, minval=minval, maxval=maxval, dtype=dtype)
