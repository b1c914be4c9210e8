"""The default session and small helpers around it: scopes, reading and writing of variables."""

import contextlib
import os

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from . import collectives, gpu_memory, layout
from .gpu_memory import gpu_memory_gb_tensor  # noqa: F401  (its published place)
from .image_types import (  # noqa: F401
    convert_images_from_uint8, convert_images_to_uint8, shrink_images, side_by_side)
from .ops import native

_DEFAULT_CONFIG = {
    'device': 'auto',
    'rnd.np_random_seed': None,
    'rnd.tf_random_seed': 'auto',
    'env.TF_CPP_MIN_LOG_LEVEL': '1',
    'allow_soft_placement': True,
    'graph_options.place_pruned_graph': True,
    'gpu_options.allow_growth': True,
}
_WAITING = '_waiting_for_initial_values'  # collection of the graph, see initializing_together
_LN_2 = np.float32(np.log(2.0))


def run(*given, **options):
    """Evaluates with the default session: `session.run(*given, **options)`. Raises RuntimeError before `init_tf`."""
    assert_tf_initialized()
    return tf.get_default_session().run(*given, **options)


def is_tf_expression(x):
    """Is `x` a TensorFlow tensor, variable or operation?"""
    return isinstance(x, (tf.Operation, tf.Variable, tf.Tensor))


def shape_to_list(shape):
    """Sizes of a TensorShape (or an iterable of ints and Dimensions) as a list, unknown sizes as None."""
    return tf.TensorShape(shape).as_list()


def unpack(items):
    """The single item of a list, or several as a tuple."""
    return items[0] if len(items) == 1 else tuple(items)


def flatten(x):
    """All values of a tensor in row-major order, [-1]."""
    with tf.name_scope('Flatten'):
        return tf.reshape(x, [-1])


def log2(x):
    """Base-2 logarithm of a floating-point tensor."""
    with tf.name_scope('Log2'):
        return tf.log(x) * np.float32(1 / np.log(2.0))


def exp2(x):
    """Two to the power of a floating-point tensor."""
    with tf.name_scope('Exp2'):
        return tf.exp(x * _LN_2)


def lerp(a, b, t):
    """Linear interpolation: `a` at t = 0, `b` at t = 1, straight on outside."""
    with tf.name_scope('Lerp'):
        return a + (b - a) * t


def lerp_clip(a, b, t):
    """Linear interpolation that stays at `a` for t < 0 and at `b` for t > 1."""
    with tf.name_scope('LerpClip'):
        return a + (b - a) * tf.clip_by_value(t, 0.0, 1.0)


def absolute_name_scope(scope):
    """Name scope `scope`, whatever name scopes surround it."""
    return tf.name_scope(scope + '/')


def absolute_variable_scope(scope, reuse=False, **kwargs):
    """Variable scope `scope` without a name scope; of the scopes around it only the custom getter is kept."""
    kwargs = dict(dict(name=scope, custom_getter=tf.get_variable_scope().custom_getter), **kwargs)
    return tf.variable_scope(tf.VariableScope(reuse, **kwargs), auxiliary_name_scope=False)


def init_tf(config_dict=None, verbose=False):
    """Seeds the random generators and makes a session the default one; does nothing if there is a default session.

    Args:
        config_dict: Settings over the defaults. `device`: 'auto' (a GPU where there is one), 'cpu' or 'gpu:N'.
            `ops`: 'auto', 'ref' or 'native', None = STYLEGAN2_OPS, else 'auto'. `mixed`: see `layout.set_mixed_type`,
            None = don't set it. `cluster`: see `collectives.open_session`. `rnd.np_random_seed`: int, None = leave
            NumPy alone. `rnd.tf_random_seed`: int, None = leave, 'auto' = from NumPy. `env.NAME`: environment variable.
            Other dotted keys: `tf.ConfigProto`.
        verbose: Print the device and the operations in use?
    Raises: UserError if the device is unknown or not there, or `ops` is unknown.
    """
    if tf.get_default_session() is not None:
        return
    config = dict(_DEFAULT_CONFIG, **(config_dict or {}))
    if config['rnd.np_random_seed'] is not None:
        np.random.seed(config['rnd.np_random_seed'])
    tf_seed = config['rnd.tf_random_seed']
    if tf_seed == 'auto':
        tf_seed = np.random.randint(1 << 31)
    if tf_seed is not None:
        tf.set_random_seed(tf_seed)
    for key, value in config.items():
        if key.startswith('env.'):
            if key in (config_dict or {}):
                os.environ[key[len('env.'):]] = str(value)
            else:
                os.environ.setdefault(key[len('env.'):], str(value))
    create_session(config_dict, force_as_default=True)
    if verbose:
        print('Device: ' + device_description())


def assert_tf_initialized():
    """Raises RuntimeError if there is no default session."""
    if tf.get_default_session() is None:
        raise RuntimeError('no default TensorFlow session: call dnnlib.tflib.init_tf() first')


def create_session(config_dict=None, force_as_default=False):
    """Opens a session on the default graph; sets the graph's operations, and the data format that its device likes.

    Args:
        config_dict: As in `init_tf`; the `rnd.` and `env.` settings are ignored.
        force_as_default: Make it the default session until `close_tf`?
    Returns: The tf.Session.
    Raises: UserError if the device is unknown or not there, or `ops` is unknown.
    """
    config = dict(_DEFAULT_CONFIG, **(config_dict or {}))
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


def _set_proto_field(proto, path, value):
    """Sets the field of a protocol buffer that a dotted path names."""
    parents, field = path.split('.')[:-1], path.split('.')[-1]
    for name in parents:
        proto = getattr(proto, name)
    if isinstance(value, (list, tuple)):
        getattr(proto, field).extend(value)
    else:
        setattr(proto, field, value)


def close_tf():
    """Closes the default session that `init_tf` opened, so that another `init_tf` can follow."""
    session = tf.get_default_session()
    session.tflib_context.__exit__(None, None, None)
    session.close()


def device_description():
    """What the default session computes with, such as 'CPU, 2 threads, NHWC; ops: native (C++ for the CPU)'."""
    assert_tf_initialized()
    num_gpus = sum(d.device_type == 'GPU' for d in tf.get_default_session().list_devices())
    if num_gpus:
        where = '1 GPU' if num_gpus == 1 else '%d GPUs' % num_gpus
    else:
        # cgroups and taskset show in the affinity, which only Linux has
        threads = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        where = 'CPU, %d thread%s' % (threads, '' if threads == 1 else 's')
    return '%s, %s; ops: %s%s' % (where, layout.data_format(), native.describe(), collectives.describe())


@contextlib.contextmanager
def initializing_together():
    """While entered, `init_uninitialized_vars` and `initialize` wait until the end, for one call of the session each.

    While a graph grows, every call of the session costs time by the size of all that was built since. For the default
    graph and session; an error in the block leaves the variables without values.
    """
    tests, initializers = {}, []
    tf.get_collection_ref(_WAITING).append((tests, initializers))
    try:
        yield
    finally:
        tf.get_collection_ref(_WAITING).pop()
    _initialize_where_not(tests, initializers)


def initialize(initializers):
    """Runs initializers of variables, a list of operations, at once or at the end of `initializing_together`."""
    waiting = tf.get_collection(_WAITING)
    if waiting:
        waiting[-1][1].extend(initializers)
    else:
        run(initializers)


def init_uninitialized_vars(target_vars=None):
    """Runs the initializers of uninitialized variables; each variable is checked once.

    Args:
        target_vars: List of variables, None = all global ones.
    """
    assert_tf_initialized()
    graph = tf.get_default_graph()
    tests = {}
    for var in tf.global_variables() if target_vars is None else target_vars:
        try:
            graph.get_operation_by_name(var.op.name + '/IsVariableInitialized')
        except KeyError:
            with tf.control_dependencies(None), absolute_name_scope(var.op.name):
                # looked at, since TensorFlow complains of tests that are not, where another takes its place
                tests[var.op.name] = (var, tf.is_variable_initialized(var).op.outputs[0])
    waiting = tf.get_collection(_WAITING)
    if waiting:
        waiting[-1][0].update(tests)
    else:
        _initialize_where_not(tests)


def _initialize_where_not(tests, initializers=()):
    """Runs the initializers of variables, {name: (variable, test of whether it has a value)}, that have no value, and
    before that a list of other initializers; in a large graph every call of the session takes time."""
    known, _ = run(({name: test for name, (_var, test) in tests.items()}, list(initializers)))
    run([tests[name][0].initializer for name, is_known in known.items() if not is_known])


def set_vars(var_to_value_dict):
    """Assigns NumPy values to variables in one session call; each variable gets one setter op, once.

    Args:
        var_to_value_dict: {variable: array of the variable's shape}.
    """
    assert_tf_initialized()
    graph = tf.get_default_graph()
    ops, feed = [], {}
    for var in var_to_value_dict:
        try:
            setter = graph.get_operation_by_name(var.op.name + '/setter')
            new_value = graph.get_tensor_by_name(var.op.name + '/new_value:0')
        except KeyError:
            with tf.control_dependencies(None), tf.device(None), absolute_name_scope(var.op.name):
                new_value = tf.placeholder(var.dtype.base_dtype, var.shape, name='new_value')
                setter = tf.assign(var, new_value, name='setter').op
        ops.append(setter)
        feed[new_value] = var_to_value_dict[var]
    run(ops, feed)


def create_var_with_large_initial_value(initial_value, *args, **kwargs):
    """A variable with a value too large for the graph's 2 GB: created as zeros, then assigned.

    Args:
        initial_value: Array of any shape and dtype.
        args, kwargs: Further arguments of `tf.Variable`.
    Returns: The initialized variable.
    """
    assert_tf_initialized()
    initial_value = np.asarray(initial_value)
    var = tf.Variable(tf.zeros(initial_value.shape, initial_value.dtype), *args, **kwargs)
    set_vars({var: initial_value})
    return var
