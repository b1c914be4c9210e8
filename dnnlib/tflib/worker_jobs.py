"""How the workers of a graph reach one another: through memory of their machine, or through servers of TensorFlow.

Through memory they are ordinary sessions of processes that listen to nobody. Servers have no authentication and listen
on all interfaces, and with them a process grows by some KB an iteration.
"""

import copy
import inspect

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import collective_ops

from dnnlib.run import shared_memory
from dnnlib.tflib import gpu_memory, shared_sum
from dnnlib.tflib.worker_session import WorkerSession

_HOST, _DEVICE = 1, 2  # keys of the groups of TensorFlow's collectives: CPUs, and the devices that compute
_LEADER = '/job:worker/replica:0/task:0'


class Job:
    """The workers of one graph; what both kinds have, MemoryJob and ServerJob."""

    def __init__(self, cluster, proto):
        self.size, self.worker = len(cluster.addresses), cluster.task
        self.has_gpu = False    # do the sums of gradients go over a GPU?
        self.votes = self.tally = self.set_votes = None  # see `collectives.vote`
        self.last_sum = None    # list of the last chunk's, while `one_after_another`; None = sums don't wait for others
        self._proto = proto
        # Where a graph has sums it is another one than in a process alone: rewriting it would change the last bits.
        proto.graph_options.rewrite_options.disable_meta_optimizer = True

    def beside(self):
        """The same workers as seen from another graph."""
        return self


class MemoryJob(Job):
    """Workers that have the CPUs of one machine, and share memory."""

    means = 'shared memory'

    def __init__(self, cluster, proto):
        super().__init__(cluster, proto)
        self._file = cluster.memory
        self._sums = shared_sum.SharedSums(self._file, self.worker, self.size)

    def open_session(self, graph=None):
        """Opens a session on a graph, `None` = the default one, whose sums reach the other workers."""
        return tf.Session(graph=graph, config=self._proto)

    def beside(self):
        """See Job."""
        found = copy.copy(self)
        found._sums = shared_sum.SharedSums(self._file, self.worker, self.size, beside=True)
        return found

    def device(self, on_gpu=False):
        """Name of a device of this worker."""
        return '/cpu:0'

    def sum(self, value, on_device=False):
        """Sum of a tensor over the workers, in worker order, on the CPU, which is also what computes."""
        with tf.device(self.device()):
            return self._sums.sum(value)


class ServerJob(Job):
    """Workers on GPUs, on several machines, or without native operations or shared memory; each has a server."""

    means = 'servers of TensorFlow'

    def __init__(self, cluster, proto):
        super().__init__(cluster, proto)
        proto.experimental.collective_group_leader = _LEADER  # or the first session call would hang
        # Or a session would look for the others to the end.
        proto.device_filters.append(f'/job:worker/task:{self.worker}')
        self._last_instance = 0  # the same on all workers, which build the same collectives in the same order
        self._addresses, self._server = cluster.addresses, None

    def open_session(self, graph=None):
        """See MemoryJob; the first one starts the server."""
        if self._server is None:
            spec = tf.train.ClusterSpec({'worker': list(self._addresses)})
            self._server = tf.train.Server(spec, 'worker', self.worker, config=self._proto)
        session = WorkerSession(self._server.target, graph=graph, config=self._proto)
        session.tflib_server = self._server  # lives as long
        return session

    def device(self, on_gpu=False):
        """See MemoryJob; the full name, which TensorFlow 1.14 insists on."""
        return f'/job:worker/replica:0/task:{self.worker}/device:{"GPU" if on_gpu else "CPU"}:0'

    def sum(self, value, on_device=False):
        """Sum of a tensor over the workers, on the CPU or on the device that computes."""
        on_gpu = on_device and self.has_gpu
        self._last_instance += 1
        options = {}
        if 'communication_hint' in inspect.signature(collective_ops.all_reduce).parameters:  # TensorFlow 2
            options['communication_hint'] = 'nccl' if on_gpu else 'ring'
        # TensorFlow 1.14 has no hint but one switch for all sums of a process, also those on CPUs: it takes the ring.
        with tf.device(self.device(on_gpu)):
            return collective_ops.all_reduce(tf.identity(value), self.size, _DEVICE if on_device else _HOST,
                                             self._last_instance, 'Add', 'Id', **options)


def join(cluster, proto):
    """Meets the other workers, which must call this too.

    Args:
        cluster: dnnlib.run.cluster.Cluster of at least two.
        proto: tf.ConfigProto; completed.
    Returns: (Job, tf.Session on the default graph).
    """
    on_cpu = proto.device_count.get('GPU') == 0
    if cluster.memory is not None and shared_memory.agree(
            cluster.memory, cluster.task, len(cluster.addresses), on_cpu and shared_sum.is_possible()):
        job = MemoryJob(cluster, proto)
    else:
        job = ServerJob(cluster, proto)
    session = job.open_session()
    job.has_gpu = gpu_memory.has_gpu(session)
    return job, session
