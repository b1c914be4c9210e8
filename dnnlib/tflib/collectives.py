"""What the workers of a training exchange: sums, values in worker order, copies of worker 0's variables.

Every worker is a process with one device and a graph of its own (between-graph replication), and calls the functions of
this module in the same order; how they reach one another is in worker_jobs.py. With one worker every function returns
what it was given, and adds nothing to the graph.
"""

import contextlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import worker_jobs

CHUNK_BYTES = 32 << 20  # of a sum: one starts while gradients of earlier layers are still being computed
VOTES = 2  # numbers that a sum of gradients carries along, see `vote`
_KEY = ('dnnlib', 'collectives')  # not a string: TensorFlow leaves such collections out of exported graphs
_SAME_SIZE = {tf.float16: tf.int16, tf.float32: tf.int32, tf.float64: tf.int64}


def _job():
    jobs = tf.get_collection_ref(_KEY)
    return jobs[0] if jobs else None


def open_session(proto, cluster=None):
    """Opens a session on the default graph.

    Args:
        proto: tf.ConfigProto; completed.
        cluster: dnnlib.run.cluster.Cluster, whose workers all call this; the functions of this module exchange with
            them. None = this process is alone.
    Returns: tf.Session.
    """
    if cluster is None or len(cluster.addresses) < 2:
        return tf.Session(config=proto)
    job, session = worker_jobs.join(cluster, proto)
    tf.get_collection_ref(_KEY).append(job)
    return session


def num_workers():
    """Number of workers of the default graph."""
    job = _job()
    return 1 if job is None else job.size


def describe():
    """How the workers of the default graph reach one another, behind other words; nothing for one worker."""
    job = _job()
    return '' if job is None else f'; {job.size} workers with {job.means}'


def has_gpu():
    """Do the sums of gradients of this worker, one of several, go over a GPU?"""
    return _job().has_gpu


def worker():
    """Number of this worker, 0 <= worker < num_workers."""
    job = _job()
    return 0 if job is None else job.worker


@contextlib.contextmanager
def one_after_another():
    """Context manager: each `all_reduce` waits for the one built before it, if one session call does several of them.

    They share NCCL's communicator, which wants one order in all workers.
    """
    job = _job()
    if job is not None:
        job.last_sum = []
    try:
        yield
    finally:
        if job is not None:
            job.last_sum = None


def all_reduce(tensors):
    """Sums over the workers; they carry along what the workers vote for.

    Args:
        tensors: List of float32 tensors, in the order in which gradients of later ones are known first; of the same
            shapes in all workers, every one known.
    Returns: List of tensors of the same shapes.
    """
    job = _job()
    if job is None:
        return tensors
    _make_votes(job)
    results = [None] * len(tensors)
    with tf.device(job.device(job.has_gpu)):  # copies, as TensorFlow 2 complains about new dependencies on used tensors
        before = [tf.identity(total) for total in job.last_sum or []]
    chunks = chunked([tensor.shape.num_elements() * tensor.dtype.size for tensor in tensors])
    for number, chunk in enumerate(chunks):
        is_last = number == len(chunks) - 1
        parts = [tf.reshape(tensors[i], [-1]) for i in chunk] + ([job.votes.read_value()] if is_last else [])
        flat = tf.concat(parts, axis=0)
        with tf.control_dependencies(before):  # one order in all workers, as NCCL wants
            total = job.sum(flat, on_device=True)
        before = [total]
        sums = tf.split(total, [part.shape.num_elements() for part in parts])
        with tf.control_dependencies([tf.assign(job.tally, sums.pop())] if is_last else []):
            for i, part in zip(chunk, sums):
                results[i] = tf.reshape(part, tensors[i].shape)
    if job.last_sum is not None:
        job.last_sum = before
    return results


def chunked(sizes, limit=None):
    """Positions of tensors in chunks, the last tensor first.

    Args:
        sizes: Their sizes, bytes.
        limit: Of a chunk, unless one tensor alone is larger; None = CHUNK_BYTES.
    Returns: List of lists of int.
    """
    chunks, room = [], 0
    for i in reversed(range(len(sizes))):
        if not chunks or sizes[i] > room:
            chunks.append([])
            room = CHUNK_BYTES if limit is None else limit
        chunks[-1].append(i)
        room -= sizes[i]
    return chunks


def total(value):
    """Sum over the workers of a small tensor, float32, float64, int32 or int64, of the same known shape in all."""
    job = _job()
    return value if job is None else job.sum(value)


def all_gather(value):
    """A small tensor of each worker, in worker order.

    Args:
        value: Tensor of a number type or bool, of the same known shape in all workers.
    Returns: List of tensors; this worker's is `value` itself, so that gradients pass through it, but not the others.
    """
    job = _job()
    if job is None:
        return [value]
    bits = _to_ints(tf.stop_gradient(value))
    mine = tf.pad(bits[tf.newaxis], [[job.worker, job.size - 1 - job.worker]] + [[0, 0]] * bits.shape.ndims)
    found = [tf.stop_gradient(_from_ints(part, value.dtype)) for part in tf.unstack(job.sum(mine))]
    # the sum even where only the own value is used: all workers must take part in each
    with tf.control_dependencies(found):
        found[job.worker] = tf.identity(value)
    return found


def from_first(value):
    """A tensor of worker 0, in all of them: a number type or bool, of the same known shape."""
    job = _job()
    if job is None:
        return value
    bits = _to_ints(value)
    return _from_ints(job.sum(bits if job.worker == 0 else tf.zeros_like(bits)), value.dtype)


def copy_from_first(variables):
    """Operation that gives variables the values that they have in worker 0, a few at a time; None with one worker."""
    job = _job()
    if job is None:
        return None
    last = []
    for chunk in chunked([var.shape.num_elements() * var.dtype.size for var in variables]):
        for dtype in sorted({_int_type(variables[i].dtype.base_dtype) for i in chunk}, key=str):
            same = [variables[i] for i in chunk if _int_type(variables[i].dtype.base_dtype) == dtype]
            with tf.control_dependencies(last):
                flat = tf.concat([tf.reshape(_to_ints(var.read_value()), [-1]) for var in same], axis=0)
                total = job.sum(flat if job.worker == 0 else tf.zeros_like(flat))
            parts = tf.split(total, [var.shape.num_elements() for var in same])
            last = [tf.assign(var, _from_ints(tf.reshape(part, var.shape), var.dtype.base_dtype)).op
                    for var, part in zip(same, parts)]
    return tf.group(*last)


def _int_type(dtype):
    return tf.int64 if dtype in (tf.float64, tf.int64) else tf.int32


def _to_ints(value):
    """Every bit as it is, since a sum with zero would turn -0 into 0."""
    if value.dtype in _SAME_SIZE:
        value = tf.bitcast(value, _SAME_SIZE[value.dtype])
    return tf.cast(value, _int_type(value.dtype))


def _from_ints(bits, dtype):
    return tf.bitcast(tf.cast(bits, _SAME_SIZE[dtype]), dtype) if dtype in _SAME_SIZE else tf.cast(bits, dtype)


def gather_numbers(numbers):
    """Numbers of each worker, exchanged at once.

    Nothing is added to the default graph: in TensorFlow 1.14 initial values depend on the number of its operations.

    Args:
        numbers: List, as long in all workers; float64, so whole numbers up to 2^53.
    Returns: float64 [num_workers, len(numbers)].
    """
    value = np.asarray(numbers, np.float64)
    job = _job()
    if job is None:
        return value[np.newaxis]
    graph = tf.Graph()
    with session_beside(graph) as session:
        return np.stack(session.run(all_gather(tf.constant(value))))


def session_beside(graph):
    """Opens a session on another graph, in which the functions of this module reach the workers of the default graph.

    Returns: tf.Session; the caller closes it.
    """
    job = _job().beside()
    with graph.as_default():
        tf.get_collection_ref(_KEY).append(job)
    return job.open_session(graph)


def _make_votes(job):
    """Makes the variables of a job; local ones, so that they belong to no state; late, see `gather_numbers`."""
    if job.votes is not None:
        return
    with tf.name_scope('Workers/'), tf.device('/cpu:0'), tf.control_dependencies(None):
        job.votes, job.tally = [tf.Variable(np.zeros(VOTES, np.float32), trainable=False, use_resource=True,
                                            name=name, collections=[tf.GraphKeys.LOCAL_VARIABLES])
                                for name in ('votes', 'tally')]
        votes_in = tf.placeholder(tf.float32, [VOTES])
        job.set_votes = (tf.assign(job.votes, votes_in).op, votes_in)
    tf.get_default_session().run([job.votes.initializer, job.tally.initializer])


def vote(numbers):
    """Sets what this worker adds to `tally` in sums of gradients from now on: list of VOTES numbers."""
    _make_votes(_job())
    operation, votes_in = _job().set_votes
    tf.get_default_session().run(operation, {votes_in: numbers})


def tally():
    """Sums of the votes that the last sum of gradients carried along: float32 [VOTES], the same in all workers."""
    _make_votes(_job())
    return tf.get_default_session().run(_job().tally)
