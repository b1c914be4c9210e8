"""The default session and small helpers around it: scopes, reading and writing of variables."""

import contextlib
import os
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from . import collectives, layout
from .gpu_memory import gpu_memory_gb_tensor  # noqa: F401  (its published place)
from .image_types import (  # noqa: F401
    convert_images_from_uint8, convert_images_to_uint8, shrink_images, side_by_side)
from .ops import native
from .sessions import DEFAULT_CONFIG, close_tf, create_session  # noqa: F401

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
    config = dict(DEFAULT_CONFIG, **(config_dict or {}))
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
    """While entered, `init_uninitialized_vars` and `initialize` wait until the end, where everything runs at once.

    While a graph grows, every call of the session costs time by the size of all that was built since. For the default
    graph and session; an error in the block leaves the variables without values. Variables made in the block must get
    values there only from Networks, `run_initializers`, `set_vars` or `copy_vars`, because they are not tested.
    """
    waiting = _Waiting({}, [], {op.name for op in tf.get_default_graph().get_operations()})
    tf.get_collection_ref(_WAITING).append(waiting)
    try:
        yield
    finally:
        tf.get_collection_ref(_WAITING).pop()
    _initialize_where_not(waiting)


class _Waiting(NamedTuple):
    """What waits for the end of `initializing_together`."""
    tests: dict         # name: (variable, test of whether it has a value)
    initializers: list  # other operations
    before: set         # names of operations, those of variables among them, that were there when it was entered


def initialize(initializers):
    """Runs initializers of variables, a list of operations, at once or at the end of `initializing_together`."""
    waiting = tf.get_collection(_WAITING)
    if waiting:
        waiting[-1].initializers.extend(initializers)
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
                # Made even if it won't run: random numbers depend on how many operations there are. Looked at, since
                # TensorFlow complains of tests that are not, where another takes its place.
                tests[var.op.name] = (var, tf.is_variable_initialized(var).op.outputs[0])
    waiting = tf.get_collection(_WAITING)
    if waiting:
        waiting[-1].tests.update(tests)
    else:
        _initialize_where_not(_Waiting(tests, [], set(tests)))


def _initialize_where_not(waiting):
    """Gives values to those variables of a _Waiting that have none, and runs its initializers. Variables that are known
    to have one, or to be new, are not tested: in a large graph every call of the session takes time."""
    known = set(_known())
    tested = {name: test for name, (_, test) in waiting.tests.items() if name in waiting.before and name not in known}
    known.update(name for name, has_value in (run(tested) if tested else {}).items() if has_value)
    run_initializers([var for name, (var, _test) in waiting.tests.items() if name not in known], waiting.initializers)


def run_initializers(variables, also=()):
    """Gives variables their initial values, in one call of the session.

    Args:
        variables: List of variables.
        also: Other operations to run.
    """
    feed = {}
    for var in variables:
        initial = var.initializer.inputs[1].op
        if initial.type == 'Fill' and initial.inputs[1].op.type == 'Const':
            # Fed, because TensorFlow would fold the filled tensor into a constant: before a call it computes all its
            # constants, discards the large ones, and computes those once more when it runs.
            feed[initial.inputs[1]] = tf.make_ndarray(initial.inputs[1].op.get_attr('value'))
    ops = [var.initializer for var in variables] + list(also)
    if ops:
        run(ops, feed)
        now_have_values(variables)


def now_have_values(variables):
    """Records that variables were given values in the default session."""
    _known().update(var.op.name for var in variables)


def _known():
    """The set of names of variables that are known to have values in the default session."""
    assert_tf_initialized()
    return vars(tf.get_default_session()).setdefault('tflib_known', set())


def set_vars(var_to_value_dict):
    """Assigns NumPy values to variables in one session call; each variable gets one setter op, once.

    Args:
        var_to_value_dict: {variable: array of the variable's shape}.
    """
    assert_tf_initialized()
    feed, ops = {}, []
    for var, value in var_to_value_dict.items():
        setter, new_value = _setter(var) or _make_setter(var, tf.placeholder)
        ops.append(setter)
        feed[new_value] = value
    run(ops, feed)
    now_have_values(var_to_value_dict)


def copy_vars(sources):
    """Gives variables the values of others. The first values of ordinary variables are copied within the session.

    Args:
        sources: {variable: variable with a value}, of the same shape; no source may be another's target.
    """
    within, others = [], {}
    for var, source in sources.items():
        # Reading such a variable adds no operation, so this adds as many as `set_vars`. A resource would share memory.
        fits = var.op.type == source.op.type == 'VariableV2' and var.dtype == source.dtype and var.shape == source.shape
        if fits and _setter(var) is None:
            within.append(var)
        else:
            others[var] = source
    if within:
        run([_make_setter(var, lambda dtype, shape, name, source=sources[var]: tf.placeholder_with_default(
            source.value(), shape, name))[0] for var in within])
        now_have_values(within)
    if others:
        set_vars(dict(zip(others, run(list(others.values())))))


def _setter(var):
    """(setter operation, placeholder of the new value) of a variable, or `None`."""
    graph = tf.get_default_graph()
    try:
        return (graph.get_operation_by_name(var.op.name + '/setter'),
                graph.get_tensor_by_name(var.op.name + '/new_value:0'))
    except KeyError:
        return None


def _make_setter(var, make_placeholder):
    """Makes what `_setter` finds; `make_placeholder` is called as tf.placeholder."""
    with tf.control_dependencies(None), tf.device(None), absolute_name_scope(var.op.name):
        new_value = make_placeholder(var.dtype.base_dtype, var.shape, name='new_value')
        return tf.assign(var, new_value, name='setter').op, new_value


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
