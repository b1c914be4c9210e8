"""GPUs of the default session, and TensorFlow's memory use on them."""

import tensorflow.compat.v1 as tf


def has_gpu():
    """Does the default session compute on a GPU?"""
    return any(device.device_type == 'GPU' for device in tf.get_default_session().list_devices())


def peak_gpu_memory_gb():
    """Peak memory use of TensorFlow on the first GPU, GiB; 0 without a GPU, or where it is unknown."""
    if not has_gpu():
        return 0.0
    try:
        return tf.config.experimental.get_memory_info('GPU:0')['peak'] / 2 ** 30
    except (AttributeError, ValueError, RuntimeError, tf.errors.OpError):  # not before TensorFlow 2.5
        return 0.0
