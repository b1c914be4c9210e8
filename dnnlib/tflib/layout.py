"""Memory layout of feature maps, and their type in mixed precision: the one place that knows where channels are.

Tensors that enter or leave a network are always NCHW. Between these ends a network keeps its feature maps in the
layout that the device computes fastest: NHWC on a CPU (NCHW convolutions are missing there in TensorFlow 1.14 and 2-3
times slower in TensorFlow 2), NCHW on a GPU. Variables keep their published shapes in either layout.
"""

import tensorflow.compat.v1 as tf

_COLLECTION = 'tflib/data_format'
_MIXED_TYPE = 'tflib/mixed_type'
MIXED_TYPES = ('float16', 'bfloat16', 'float32')


def set_data_format(data_format):
    """Chooses the layout of networks built in the default graph from now on.

    Args:
        data_format: 'NHWC' or 'NCHW'.
    Raises:
        ValueError: for any other value.
    """
    if data_format not in ('NHWC', 'NCHW'):
        raise ValueError('data_format must be NHWC or NCHW, not %r' % (data_format,))
    tf.get_default_graph().clear_collection(_COLLECTION)
    tf.add_to_collection(_COLLECTION, data_format)


def data_format():
    """Layout of the default graph: 'NHWC' (also when none was chosen, since every device can run it) or 'NCHW'."""
    chosen = tf.get_collection(_COLLECTION)
    return chosen[0] if chosen else 'NHWC'


def half_type():
    """Name of the 16-bit type that the default graph's device computes fast: 'float16' on a GPU, else 'bfloat16'."""
    return 'float16' if data_format() == 'NCHW' else 'bfloat16'


def set_mixed_type(dtype):
    """Chooses the type in which networks built in the default graph from now on compute their half-precision blocks.

    Args:
        dtype: 'float16', 'bfloat16', or 'float32': no block has another type.
    Raises:
        ValueError: for any other value.
    """
    if dtype not in MIXED_TYPES:
        raise ValueError('the type must be one of %s, not %r' % (', '.join(MIXED_TYPES), dtype))
    tf.get_default_graph().clear_collection(_MIXED_TYPE)
    tf.add_to_collection(_MIXED_TYPE, dtype)


def mixed_type():
    """Name of the type of half-precision blocks (`num_fp16_res` of a network) in the default graph.

    Unless one was chosen: 'float16' on a GPU, as published; 'float32' on a CPU, which may have no fast 16-bit type, and
    where networks trained on a GPU must give the same pictures as ever.
    """
    chosen = tf.get_collection(_MIXED_TYPE)
    return chosen[0] if chosen else 'float16' if data_format() == 'NCHW' else 'float32'


def channel_axis():
    """Axis of the channels of a feature map in the default graph's layout: 1 or 3."""
    return 1 if data_format() == 'NCHW' else 3


def spatial_axes():
    """Axes of height and width in the default graph's layout: (2, 3) or (1, 2)."""
    return (2, 3) if data_format() == 'NCHW' else (1, 2)


def from_nchw(x):
    """Converts a public tensor [N, C, H, W] to the default graph's layout."""
    return x if data_format() == 'NCHW' else tf.transpose(x, [0, 2, 3, 1])


def to_nchw(x):
    """Converts a feature map from the default graph's layout back to [N, C, H, W]."""
    return x if data_format() == 'NCHW' else tf.transpose(x, [0, 3, 1, 2])


def per_channel(v):
    """Reshapes one value per channel, [C] or [N, C], to broadcast over feature maps."""
    batch = [-1] if v.shape.ndims == 2 else [1]
    channels = v.shape.as_list()[-1]
    return tf.reshape(v, batch + ([channels, 1, 1] if data_format() == 'NCHW' else [1, 1, channels]))


def per_pixel(v):
    """Reshapes a one-channel map, [N, 1, H, W], to the default graph's layout (no data is moved)."""
    if data_format() == 'NCHW':
        return v
    height, width = v.shape.as_list()[2:]
    return tf.reshape(v, [-1, height, width, 1])
