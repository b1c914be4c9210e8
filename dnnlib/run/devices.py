"""Dividing the devices of this machine among several worker processes, without TensorFlow."""

import glob
import os
import shutil
import subprocess

from dnnlib.util import UserError

VISIBLE = 'CUDA_VISIBLE_DEVICES'
BOUND = 'STYLEGAN2_BOUND'  # set for a process that `launcher` binds to its share of the CPUs


def visible_gpus(environ):
    """The GPUs that a process may use, list of str as in CUDA_VISIBLE_DEVICES: numbers, or names such as GPU-8932f937.

    Args:
        environ: Environment variables.
    """
    if VISIBLE in environ:
        names = [name.strip() for name in environ[VISIBLE].split(',')]
        end = next((i for i, name in enumerate(names) if name.startswith('-') or not name), len(names))
        return names[:end]  # CUDA stops at the first bad one
    if shutil.which('nvidia-smi'):
        listed = subprocess.run(['nvidia-smi', '-L'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        count = sum(line.startswith(b'GPU ') for line in listed.stdout.splitlines())
    else:
        count = len(glob.glob('/dev/nvidia[0-9]*'))
    return [str(number) for number in range(count)]


def gpu_of(index, count, environ):
    """The GPU of one of several workers on this machine.

    Args:
        index: Which of them, from 0.
        count: How many there are.
        environ: Environment variables; a list with a single GPU was meant for this worker alone.
    Returns: Value for CUDA_VISIBLE_DEVICES; `None` if there is no GPU.
    Raises: UserError if there are fewer GPUs than workers.
    """
    gpus = visible_gpus(environ)
    if not gpus:
        return None
    if len(gpus) < count and (len(gpus) > 1 or VISIBLE not in environ):
        where = f'{VISIBLE}={environ[VISIBLE]}' if VISIBLE in environ else 'this machine'
        raise UserError(f'{count} workers are on this machine, but {where} has '
                        f'{len(gpus)} GPU{"s" * (len(gpus) > 1)}')
    return gpus[index] if len(gpus) > 1 else gpus[0]


def cpu_shares(count):
    """The CPUs of this process divided among workers, so that their threads don't compete.

    Args:
        count: Number of workers; more than there are CPUs share them.
    Returns: List of sets of CPU numbers, one a worker; all `None` where the system can't bind processes to CPUs.
    """
    if not hasattr(os, 'sched_getaffinity'):
        return [None] * count
    cpus = sorted(os.sched_getaffinity(0))
    if count > len(cpus):
        return [{cpus[i % len(cpus)]} for i in range(count)]
    edges = [i * len(cpus) // count for i in range(count + 1)]
    return [set(cpus[begin:end]) for begin, end in zip(edges, edges[1:])]


def num_cores(workers=1):
    """Number of cores that this process may use for itself: of its affinity, which only Linux has.

    taskset and cpusets show in it; a quota, such as that of `docker run --cpus`, does not.

    Args:
        workers: Processes on this machine that share its cores, this one included. Where another program binds this
            one to fewer cores, nothing tells whether the others have the same ones: they are taken to.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return usable if BOUND in os.environ else max(usable // workers, 1)
