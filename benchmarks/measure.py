"""What benchmarks share: the machine's matrix-product peak, repeated timing, operations of a graph."""

import contextlib
import time

import numpy as np
import tensorflow.compat.v1 as tf

MATRIX_SIZE = 4096


def repeat(call, seconds, warmup=1):
    """Calls a function again and again.

    Args:
        call: Function without arguments.
        seconds: Stop after this time (at least 3 calls).
        warmup: Calls before the clock starts.
    Returns: Seconds of each call, list of float.
    """
    for _ in range(warmup):
        call()
    times = []
    while len(times) < 3 or sum(times) < seconds:
        started = time.time()
        call()
        times.append(time.time() - started)
    return times


def interleaved(calls, seconds, warmup=1):
    """Calls several functions in turn, again and again, so that whatever else the machine does meets all of them.

    Args:
        calls: Functions without arguments.
        seconds: Stop after this time for each (at least 3 rounds).
        warmup: Rounds before the clock starts.
    Returns: Seconds of each call, float64 [rounds, functions].
    """
    for _ in range(warmup):
        for call in calls:
            call()
    rounds, end = [], time.time() + seconds * len(calls)
    while len(rounds) < 3 or time.time() < end:
        times = [time.time()]
        for call in calls:
            call()
            times.append(time.time())
        rounds.append(np.diff(times))
    return np.array(rounds)


def matmul_peak(seconds=5):
    """Fastest float32 matrix product [4096, 4096] x [4096, 4096] of this TensorFlow in this process, in FLOP/s."""
    session = tf.get_default_session()
    with tf.name_scope('Peak'):
        a, b = [tf.get_variable('peak_' + name, shape=[MATRIX_SIZE] * 2, collections=[tf.GraphKeys.LOCAL_VARIABLES],
                                initializer=tf.initializers.random_normal(), trainable=False) for name in 'ab']
        product = tf.matmul(a, b).op
    session.run([a.initializer, b.initializer])
    return 2 * MATRIX_SIZE ** 3 / min(repeat(lambda: session.run(product), seconds))


def graph_flops(fetches, batch):
    """Floating-point operations of the convolutions and matrix products that a session call runs.

    Nothing else is counted: no resampling filters, no element-wise work, no normalization. A multiply-add is two.

    Args:
        fetches: List of operations or tensors.
        batch: Number that stands for an unknown size of the minibatch.
    Returns: FLOP of one session call, int.
    """
    return sum(_op_flops(op, batch) for op in reachable(fetches))


def reachable(fetches):
    """Operations that a session call of operations or tensors runs, inputs before what reads them but for loops."""
    waiting, seen, order = [(getattr(fetch, 'op', fetch), False) for fetch in fetches], set(), []
    while waiting:
        op, is_done = waiting.pop()
        if is_done:
            order.append(op)
        elif op not in seen:
            seen.add(op)
            waiting.append((op, True))
            waiting += [(before, False) for before in list(op.control_inputs) + [tensor.op for tensor in op.inputs]]
    return order


def products_alone(fetches, batch):
    """The convolutions and matrix products of a session call without anything else: what the rest is measured by.

    They have the same shapes and settings, inputs from variables, and run one after the other.

    Args: See `graph_flops`.
    Returns: Operation that runs all of them; its variables are initialized.
    """
    variables, last = {}, tf.no_op()

    def size(tensor):
        return tuple(batch if n is None else n for n in tensor.shape.as_list())

    def variable(tensor):
        key = size(tensor), tensor.dtype.base_dtype
        if key not in variables:
            initial = tf.cast(tf.random_normal(key[0]), key[1])
            variables[key] = tf.Variable(initial, trainable=False, use_resource=True, name='alone',
                                         collections=[tf.GraphKeys.LOCAL_VARIABLES])
        return variables[key].read_value()

    for op in reachable(fetches):
        if not _op_flops(op, batch):
            continue
        inputs = [tf.constant(size(op.outputs[0])) if tensor.dtype == tf.int32 else variable(tensor)
                  for tensor in op.inputs]  # numbers are the sizes of what is computed
        settings = {name: op.node_def.attr[name] for name in op.node_def.attr if not name.startswith('_')}
        with tf.control_dependencies([last]):
            last = tf.get_default_graph().create_op(op.type, inputs, [op.outputs[0].dtype], attrs=settings,
                                                    name='alone')
    tf.get_default_session().run([created.initializer for created in variables.values()])
    return last


def merged_flops(fetches, batch):
    """The same, where operations of the same kind, settings and inputs count once: TensorFlow's optimizer merges them,
    such as the encoder of a generator that draws one image in two styles.
    """
    names, first, total = {}, {}, 0  # names: {operation: the first one that does the same}
    for op in reachable(fetches):
        key = op
        if op.inputs and not op.control_inputs and not op.op_def.is_stateful:
            inputs = tuple((names[tensor.op], tensor.value_index) for tensor in op.inputs)
            settings = tuple((name, str(op.node_def.attr[name])) for name in sorted(op.node_def.attr)
                             if not name.startswith('_'))
            key = op.type, settings, inputs
        elif op.type == 'Const':
            key = op.type, op.node_def.attr['value'].SerializeToString()
        names[op] = first.setdefault(key, op)
        if names[op] is op:
            total += _op_flops(op, batch)
    return total


def _op_flops(op, batch):
    """FLOP of one operation, 0 for the kinds that are not counted."""
    def size(tensor):
        return [batch if n is None else n for n in tensor.shape.as_list()]

    if op.type == 'Conv2D':
        return 2 * np.prod(size(op.outputs[0])) * np.prod(size(op.inputs[1])[:3])
    if op.type == 'Conv2DBackpropInput':  # inputs: sizes, kernel [kh, kw, I, O], gradient of the output
        return 2 * np.prod(size(op.inputs[2])) * np.prod(size(op.inputs[1])[:3])
    if op.type == 'Conv2DBackpropFilter':  # inputs: images, sizes, gradient
        return 2 * np.prod(size(op.inputs[2])) * np.prod(size(op.outputs[0])[:3])
    if op.type in ('MatMul', 'BatchMatMul', 'BatchMatMulV2'):
        transposed = op.get_attr('transpose_a' if op.type == 'MatMul' else 'adj_x')
        return 2 * np.prod(size(op.outputs[0])) * size(op.inputs[0])[-2 if transposed else -1]
    return 0


@contextlib.contextmanager
def fresh_session(device, ops):
    """A new graph and default session for one variant of what is measured.

    Args:
        device: `auto`, `cpu` or `gpu:N`.
        ops: `auto`, `ref` or `native`.
    """
    from dnnlib import tflib
    with tf.Graph().as_default():
        tflib.init_tf({'device': device, 'ops': ops, 'rnd.np_random_seed': 0})
        yield
        tflib.close_tf()


def report(name, images, times, flops, peak, base=None):
    """One line: name, images/s (median call), GFLOP per image, GFLOP/s, the share of the peak, the ratio to a base.

    Args:
        name: What was measured.
        images: Images per call.
        times: Seconds of each call.
        flops: FLOP per call.
        peak: FLOP/s of the matrix product.
        base: Seconds of a call of what it is compared with, None = nothing.
    Returns: Seconds of the median call, float.
    """
    seconds = float(np.median(times))
    ratio = '' if base is None else ', %.2f x' % (base / seconds)
    print('%-42s %8.3f images/s  %7.1f GFLOP/image  %6.1f GFLOP/s = %4.1f %% of matrix product (%.0f)%s' % (
        name, images / seconds, flops / images / 1e9, flops / seconds / 1e9, 100 * flops / seconds / peak, peak / 1e9,
        ratio), flush=True)
    return seconds
