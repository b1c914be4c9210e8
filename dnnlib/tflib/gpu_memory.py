"""GPUs of a session, and TensorFlow's memory use on them."""

import numpy as np
import tensorflow.compat.v1 as tf


def has_gpu(session=None):
    """Does a session, by default the default one, compute on a GPU?"""
    return any(device.device_type == 'GPU' for device in (session or tf.get_default_session()).list_devices())


def peak_gpu_memory_gb():
    """Peak memory use of TensorFlow on the first GPU, GiB; 0 without a GPU, or where it is unknown."""
    if not has_gpu():
        return 0.0
    try:
        return tf.config.experimental.get_memory_info('GPU:0')['peak'] / 2 ** 30
    except (AttributeError, ValueError, RuntimeError, tf.errors.OpError):  # not before TensorFlow 2.5
        return 0.0


def gpu_memory_gb_tensor(device):
    """Memory that TensorFlow holds on a device when this is run, GiB, float32 scalar: 0 on a CPU and before TF 2.5."""
    spec = tf.DeviceSpec.from_string(device)
    get_info = getattr(tf.config.experimental, 'get_memory_info', None)
    if get_info is None or not has_gpu() or spec.device_type not in (None, 'GPU'):
        return tf.constant(0.0)
    name = 'GPU:%d' % (spec.device_index or 0)
    return tf.reshape(tf.py_func(lambda: np.float32(get_info(name)['current'] / 2 ** 30), [], tf.float32), [])
