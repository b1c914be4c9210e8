"""Running means of training statistics, reported to TensorBoard and to whoever asks for the numbers.

A statistic is any tensor or number passed through `autosummary`. It is accumulated as a side effect of evaluating the
graph, so that a tag's value is the mean over everything seen since the last report, whatever the number of devices and
minibatches. The accumulators are local variables: they belong to no checkpoint.
"""

from collections import OrderedDict

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives, tfutil

_KEY = ('dnnlib', 'autosummary')  # not a string: TensorFlow leaves such collections out of exported graphs


class _State:
    """Accumulators of one graph. Each is [count, sum] in float64."""

    def __init__(self):
        self.numbers = OrderedDict()  # name -> NumPy accumulator
        self.variables = OrderedDict()  # name -> list of TensorFlow accumulators
        self.read_op = None  # reads and resets all variables, [names, 2]; set by finalize_autosummaries
        self.other_summaries = None  # what others put into the graph with tf.summary


def _state():
    states = tf.get_collection_ref(_KEY)
    if not states:
        states.append(_State())
    return states[0]


def autosummary(name, value, passthru=None, condition=True):
    """Adds all components of `value` to the mean reported under `name`.

    Args:
        name: TensorBoard tag; several uses of one name are averaged together.
        value: Tensor, variable, array or number of any shape; converted to float64. A value whose sum is not finite is
            not counted.
        passthru: Returned instead of `value`; None = `value`.
        condition: Count this value? bool, or a scalar bool tensor that is evaluated along with the value.

    Returns:
        For a tensor: an identity of `value` (or of `passthru`); the statistic is only taken when that is evaluated.
        For a number or array, counted at once: `value` (or `passthru`) itself.

    Raises:
        RuntimeError: for a tensor, after `finalize_autosummaries`.
    """
    result = value if passthru is None else passthru
    if tfutil.is_tf_expression(value) or tfutil.is_tf_expression(condition):
        with tf.name_scope('summary_' + name.replace('/', '_')):
            with tf.control_dependencies([_update_op(name, value, condition)]):
                return tf.identity(result)
    total = np.sum(value, dtype=np.float64)
    moments = _state().numbers.setdefault(name, np.zeros(2))
    if condition and np.isfinite(total):
        moments += [np.size(value), total]
    return result


def _update_op(name, value, condition):
    state = _state()
    if state.read_op is not None:
        raise RuntimeError("autosummary '%s' was added after the first save_summaries; add it before" % name)
    value = tf.cast(value, tf.float64)
    total = tf.reduce_sum(value)
    moments = tf.stack([tf.cast(tf.size(value), tf.float64), total])
    counts = tf.logical_and(tf.is_finite(total), condition)
    variable = _create_accumulator(name.replace('/', '_'))
    state.variables.setdefault(name, []).append(variable)
    return tf.assign_add(variable, tf.where(counts, moments, tf.zeros_like(moments)))


def _create_accumulator(name):
    """Accumulator outside of any tf.cond, initialized if the graph has a session already."""
    with tf.control_dependencies(None), tf.device('/cpu:0'), tf.name_scope('Autosummary/'):
        collections = [tf.GraphKeys.LOCAL_VARIABLES]
        # a resource: what was read from another kind of variable may share its memory, and be reset along with it
        variable = tf.Variable(np.zeros(2), trainable=False, collections=collections, name=name, use_resource=True)
    session = tf.get_default_session()
    if session is not None and session.graph is tf.get_default_graph():
        tfutil.initialize([variable.initializer])
    return variable


def finalize_autosummaries():
    """Builds what reads the accumulators of the default graph; from then on no tensor can be added. Numbers still can.

    Does nothing on later calls. `save_summaries` calls it; call it yourself before `tf.Graph.finalize`.
    """
    state = _state()
    if state.read_op is not None:
        return
    with tf.control_dependencies(None), tf.device('/cpu:0'), tf.name_scope('Autosummary/'):
        sums = tf.zeros([0, 2], tf.float64)
        if state.variables:
            sums = tf.stack([tf.add_n([v.read_value() for v in uses]) for uses in state.variables.values()])
        with tf.control_dependencies([sums]):  # read first
            resets = [tf.assign(v, tf.zeros_like(v)) for uses in state.variables.values() for v in uses]
        with tf.control_dependencies(resets):
            state.read_op = collectives.total(tf.identity(sums))
        state.other_summaries = tf.summary.merge_all()


def save_summaries(file_writer, global_step=None):
    """Writes the mean of every autosummary since the last call, and all other summaries of the graph.

    All workers call this at once. What tensors added is summed over them, numbers are those of the worker that writes.

    Args:
        file_writer: tf.summary.FileWriter; None = only return the means.
        global_step: Position on TensorBoard's horizontal axis, int: in training, the number of images shown.

    Returns:
        OrderedDict of tag -> mean (float), NaN where nothing was counted.
    """
    finalize_autosummaries()
    state = _state()
    totals = OrderedDict(zip(state.variables, tfutil.run(state.read_op)))
    for name, moments in state.numbers.items():
        totals[name] = totals.get(name, 0) + moments
        state.numbers[name] = np.zeros(2)
    means = OrderedDict()
    for name, (count, total) in totals.items():
        means[name] = float(total / count) if count else float('nan')
    if file_writer is not None:
        values = [tf.Summary.Value(tag=name, simple_value=mean) for name, mean in means.items()]
        file_writer.add_summary(tf.Summary(value=values), global_step)
        if state.other_summaries is not None:
            file_writer.add_summary(tfutil.run(state.other_summaries), global_step)
    return means
