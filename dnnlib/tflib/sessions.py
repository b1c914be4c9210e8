"""Opens and closes sessions."""

import tensorflow.compat.v1 as tf

import dnnlib
from . import collectives, gpu_memory, layout
from .ops import native

DEFAULT_CONFIG = {  # see tfutil.init_tf
    'device': 'auto',
    'rnd.np_random_seed': None,
    'rnd.tf_random_seed': 'auto',
    'env.TF_CPP_MIN_LOG_LEVEL': '1',
    'allow_soft_placement': True,
    'graph_options.place_pruned_graph': True,
    'gpu_options.allow_growth': True,
}


def create_session(config_dict=None, force_as_default=False):
    """Opens a session on the default graph; sets the graph's operations, and the data format that its device likes.

    Args:
        config_dict: As in `tfutil.init_tf`; the `rnd.` and `env.` settings are ignored.
        force_as_default: Make it the default session until `close_tf`?
    Returns: The tf.Session.
    Raises: UserError if the device is unknown or not there, or `ops` is unknown.
    """
    config = dict(DEFAULT_CONFIG, **(config_dict or {}))
    device = config.pop('device')
    ops, mixed, cluster = (config.pop(key, None) for key in ('ops', 'mixed', 'cluster'))
    proto = tf.ConfigProto()
    if device == 'cpu':
        proto.device_count['GPU'] = 0
    elif device.startswith('gpu:') and device[4:].isdigit():
        proto.gpu_options.visible_device_list = device[4:]
    elif device != 'auto':
        raise dnnlib.UserError('device is %r, expected auto, cpu or gpu:N with N = 0, 1, ...' % device)
    for key, value in config.items():
        if not key.startswith(('rnd.', 'env.')):
            _set_proto_field(proto, key, value)
    native.set_mode(ops)
    try:
        session = collectives.open_session(proto, cluster)
        has_gpu = gpu_memory.has_gpu(session)
    except tf.errors.InvalidArgumentError as error:
        raise dnnlib.UserError('device %s cannot be used: %s' % (device, error.message))
    if device.startswith('gpu:') and not has_gpu:
        session.close()
        raise dnnlib.UserError('device is %s, but TensorFlow %s sees no GPU: use --device=cpu, or install a TensorFlow '
                               'with CUDA and a driver for it' % (device, tf.__version__))
    layout.set_data_format('NCHW' if has_gpu else 'NHWC', mixed)
    if force_as_default:
        # Networks outlive any `with` block, so the session is pushed without insisting on a matching pop order.
        session.tflib_context = session.as_default()
        session.tflib_context.enforce_nesting = False
        session.tflib_context.__enter__()
    return session


def close_tf():
    """Closes the default session that `tfutil.init_tf` opened, so that another `init_tf` can follow."""
    session = tf.get_default_session()
    session.tflib_context.__exit__(None, None, None)
    session.close()


def _set_proto_field(proto, path, value):
    """Sets the field of a protocol buffer that a dotted path names."""
    parents, field = path.split('.')[:-1], path.split('.')[-1]
    for name in parents:
        proto = getattr(proto, name)
    if isinstance(value, (list, tuple)):
        getattr(proto, field).extend(value)
    else:
        setattr(proto, field, value)
