"""Which operations have GPU kernels, for which types, and which of their tensors are in the memory of the host.

TensorFlow's wheel for CPUs does not know, so the answers of the wheels for GPUs are stored: gpu_kernels-VERSION.txt,
one line for each operation, with one or more kernels:

    GatherV2 Tparams=float32,bfloat16 Tindices=int32,int64 @axis | ...

@ = arguments in host memory. Kernels that TensorFlow registers for any device count for the GPU as well. Our own
operations are read off their sources.
"""

import glob
import os
import re

FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(os.path.dirname(FOLDER), 'dnnlib', 'tflib', 'ops', 'src')
STORED = os.path.join(FOLDER, 'gpu_kernels-{}.txt')
ANY_DEVICE = ('GPU', 'DEFAULT')  # a kernel of the first goes before one of the second
OTHER_TYPES = ('complex', 'float8', 'float4', 'int2', 'int4', 'uint2', 'uint4', 'q', 'variant')  # nobody uses these


def registered():
    """The GPU kernels that the TensorFlow of this process has: {operation: list of ({attribute: set of types}, host
    arguments)}; those of our own library, if it is loaded, are left out.
    """
    import tensorflow.compat.v1 as tf
    from tensorflow.python.framework import kernels
    found = {}
    for device in ANY_DEVICE:
        for kernel in kernels.get_all_registered_kernels().kernel:
            if kernel.device_type != device or kernel.label or kernel.op.startswith('_') or kernel.op in own():
                continue
            types = {constraint.name: {tf.as_dtype(number).name for number in constraint.allowed_values.list.type}
                     for constraint in kernel.constraint if constraint.allowed_values.list.type}
            types = {attribute: {name for name in names if not name.startswith(OTHER_TYPES)}
                     for attribute, names in types.items()}
            if all(types.values()):
                found.setdefault(kernel.op, []).append((types, frozenset(kernel.host_memory_arg)))
    return {op: _joined(listed) for op, listed in found.items()}


def _joined(listed):
    """The same kernels, in fewer entries: those that differ in the types of one attribute are joined."""
    listed = [(dict(types), host) for types, host in listed]
    i = 0
    while i < len(listed):
        for j in range(i):
            (a, host_a), (b, host_b) = listed[j], listed[i]
            differing = [name for name in a if a[name] != b.get(name)]
            if host_a == host_b and set(a) == set(b) and len(differing) <= 1:
                for name in differing:
                    a[name] = a[name] | b[name]
                del listed[i]
                i = -1  # what was joined may be joined again
                break
        i += 1
    return listed


def own():
    """Names of our own operations that have CUDA kernels, by their sources: set of str."""
    found = set()
    for path in glob.glob(os.path.join(SOURCES, '*.cc')):
        with open(path) as source:
            found.update(re.findall(r'^STYLEGAN2_KERNELS\("(\w+)"', source.read(), re.MULTILINE))
    return found


def save(kernels, path):
    """Writes what `registered` returned."""
    lines = []
    for op in sorted(kernels):
        entries = [' '.join(['='.join((name, ','.join(sorted(types[name])))) for name in sorted(types)]
                            + (['@' + ','.join(sorted(host))] if host else [])) for types, host in kernels[op]]
        lines.append(' '.join([op, ' | '.join(entries)]).rstrip())
    with open(path, 'w') as f:
        f.write('\n'.join(lines) + '\n')


def load(path):
    """Reads what `save` wrote."""
    kernels = {}
    with open(path) as f:
        for line in f.read().splitlines():
            op, _, rest = line.partition(' ')
            kernels[op] = []
            for entry in rest.split(' | '):
                types, host = {}, frozenset()
                for word in entry.split():
                    if word.startswith('@'):
                        host = frozenset(word[1:].split(','))
                    else:
                        name, _, names = word.partition('=')
                        types[name] = set(names.split(','))
                kernels[op].append((types, host))
    return kernels


def nearest(version):
    """The version of TensorFlow, such as '2.21', whose stored kernels are nearest to those of another: the same, else
    the newest with its major number.
    """
    major, minor = version.split('.')[:2]
    known = [os.path.basename(path)[:-len('.txt')].split('-')[1] for path in glob.glob(STORED.format(major + '.*'))]
    return max(known, key=lambda name: (name == f'{major}.{minor}', int(name.split('.')[1])))


def stored(version):
    """Kernels of the stored version that is `nearest` to a version of TensorFlow."""
    return load(STORED.format(nearest(version)))


class Kernels:
    """Looks up the GPU kernel of an operation of a graph.

    Args:
        kernels: What `registered`, `load` or `stored` returned.
    """

    def __init__(self, kernels):
        self._kernels, self._own = kernels, own()

    def host_arguments(self, op):
        """Names of the arguments, inputs and outputs, that are in host memory; None if there is no GPU kernel."""
        if op.type in self._own:
            return frozenset()
        for types, host in self._kernels.get(op.type, ()):
            if all(self._types(op, attribute) <= allowed for attribute, allowed in types.items()):
                return host
        return None

    def constant_is_on_host(self, dtype):
        """Are constants of a type (its name) in host memory?"""
        return not any(dtype in types['dtype'] and not host for types, host in self._kernels['Const'])

    @staticmethod
    def _types(op, attribute):
        value = op.get_attr(attribute)
        return {dtype.name.replace('_ref', '') for dtype in (value if isinstance(value, (list, tuple)) else [value])}
