"""Random weights of narrow networks, and the file formats that weights come in, written without PyTorch."""

import collections
import contextlib
import io
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import network


@contextlib.contextmanager
def _importable(modules):
    """While entered, the modules can be imported."""
    saved = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in saved.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def torch_file(state, zipped):
    """Bytes of a `.pth` file with a dictionary of arrays, in the older form or as a zip archive."""
    modules = {'torch': types.ModuleType('torch'), 'torch._utils': types.ModuleType('torch._utils')}
    storage_types = {}
    for dtype, name in (('float32', 'FloatStorage'), ('int64', 'LongStorage'), ('float16', 'HalfStorage')):
        storage_types[dtype] = type(name, (), {'__module__': 'torch'})
        setattr(modules['torch'], name, storage_types[dtype])

    def _rebuild_tensor_v2(*_args):
        """Never called: its name is what counts."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = 'torch._utils', '_rebuild_tensor_v2'
    modules['torch._utils']._rebuild_tensor_v2 = _rebuild_tensor_v2
    storages = []

    class Storage:
        def __init__(self, values):
            self.values, self.key = values, str(len(storages))
            storages.append(self)

    class Tensor:
        def __init__(self, array):
            self.array, self.storage = array, Storage(np.ravel(array, order='F'))  # strides that aren't the usual ones

        def __reduce__(self):
            strides = tuple(s // self.array.itemsize for s in np.array(self.array, order='F').strides)
            return _rebuild_tensor_v2, (self.storage, 0, self.array.shape, strides, False, collections.OrderedDict())

    class Pickler(pickle._Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, Storage):
                values = obj.values
                pid = ('storage', storage_types[values.dtype.name], obj.key, 'cpu', values.size)
                return pid if zipped else pid + (None,)
            return None

    tensors = collections.OrderedDict((name, Tensor(np.asarray(array))) for name, array in state.items())
    tensors._metadata = {'version': 1}
    out = io.BytesIO()
    with _importable(modules):
        if zipped:
            pickled = io.BytesIO()
            Pickler(pickled, 2).dump(tensors)
            with zipfile.ZipFile(out, 'w') as archive:
                archive.writestr('weights/data.pkl', pickled.getvalue())
                for storage in storages:
                    archive.writestr('weights/data/' + storage.key, storage.values.tobytes())
        else:
            for value in (0x1950a86a20f9469cfc6c, 1001, {'little_endian': True}):
                pickle.dump(value, out, 2)
            Pickler(out, 2).dump(tensors)
            pickle.dump([storage.key for storage in storages], out, 2)
            for storage in storages:
                out.write(struct.pack('<q', storage.values.size) + storage.values.tobytes())
    return out.getvalue()


def graph_file(constants, scaled_norms):
    """Bytes of a frozen graph.

    Args:
        constants: Dictionary of arrays by name.
        scaled_norms: {name of a normalization: does it use gamma?}.
    """
    graph = tf.GraphDef()
    for name, value in constants.items():
        node = graph.node.add(name=name, op='Const')
        node.attr['value'].tensor.CopyFrom(tf.make_tensor_proto(value))
    for name, is_scaled in scaled_norms.items():
        node = graph.node.add(name=name, op='BatchNormWithGlobalNormalization')
        node.attr['scale_after_normalization'].b = is_scaled
    return graph.SerializeToString()


def network_file(variables, monkeypatch):
    """Bytes of a pickled network with the given variables, as the published feature networks are."""
    stand_in = type('Network', (), {'__module__': 'dnnlib.tflib.network', '__qualname__': 'Network'})
    saved = stand_in()
    saved.__dict__.update(version=2, name='net', variables=list(variables.items()), build_module_src='raise SystemExit')
    with monkeypatch.context() as patch:
        patch.setattr(network, 'Network', stand_in)
        return pickle.dumps(saved, 4)


def random_conv(rnd, prefix, norm, shape):
    """Entries of a state dictionary: kernel OIHW at `<prefix>.weight`, batch normalization at `<norm>.*`."""
    out, fan_in = shape[0], int(np.prod(shape[1:]))
    return {prefix + '.weight': np.float32(rnd.randn(*shape) * np.sqrt(2 / fan_in)),
            norm + '.weight': np.float32(rnd.uniform(0.5, 1.5, out)), norm + '.bias': np.float32(rnd.randn(out) * 0.2),
            norm + '.running_mean': np.float32(rnd.randn(out) * 0.2),
            norm + '.running_var': np.float32(rnd.uniform(0.5, 1.5, out)),
            norm + '.num_batches_tracked': np.array(7, np.int64)}
