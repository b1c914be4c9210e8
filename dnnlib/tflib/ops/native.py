"""Chooses between the two forms of the custom operations: `ref`, plain TensorFlow, which defines the meaning, and
`native`, C++ and CUDA, which is faster. The native library is built on first use and cached; see docs/native-ops.md."""

import ctypes
import functools
import os
import sys
import time

import tensorflow.compat.v1 as tf

from dnnlib.tflib import gpu_memory, layout
from dnnlib.util import UserError
from . import native_build, native_cache, native_tools

MODES = ('auto', 'ref', 'native')
_COLLECTION = 'tflib/ops'
_SAMPLE, _SAMPLE_CRC = bytes(range(100)), 0xc1caebe5  # long enough for all that the function does
_told = set()  # reasons already shown to the user; each is shown once per process


def set_mode(mode):
    """Chooses the operations for everything built in the default graph from now on.

    Args:
        mode: 'auto' (native if available), 'ref' or 'native'; None = STYLEGAN2_OPS, or else 'auto'.
    Raises: UserError for any other value.
    """
    tf.get_default_graph().clear_collection(_COLLECTION)
    if mode is not None:
        tf.add_to_collection(_COLLECTION, _valid(mode, 'ops'))


def mode():
    """Mode of the default graph: what `set_mode` chose, else the environment variable STYLEGAN2_OPS, else 'auto'."""
    chosen = tf.get_collection(_COLLECTION)
    return chosen[0] if chosen else _valid(os.environ.get('STYLEGAN2_OPS') or 'auto', 'STYLEGAN2_OPS')


def _valid(value, name):
    if value not in MODES:
        raise UserError('%s=%s: expected %s' % (name, value, ', '.join(MODES)))
    return value


def choose(impl=None):
    """Decides which form of an operation to put into the default graph.

    Args:
        impl: 'ref', 'native' or 'cuda' (the published name of native); 'auto' or None = the mode of the graph.
    Returns: 'ref' or 'native'.
    Raises: UserError if native is requested but unavailable. ValueError for an unknown `impl`.
    """
    if impl not in (None, 'auto', 'cuda', 'ref', 'native'):
        raise ValueError("impl must be None, 'ref', 'native' or 'cuda', not %r" % (impl,))
    wanted = mode() if impl in (None, 'auto') else impl
    if wanted == 'ref':
        return 'ref'
    reason = missing()
    if reason is None:
        return 'native'
    if wanted != 'auto':
        raise UserError(f'no native operations: {reason}; --ops=ref (STYLEGAN2_OPS=ref) works without them, but slower')
    if reason not in _told:
        _told.add(reason)
        print(f'Native operations are not used, which is slower: {reason}.', file=sys.stderr, flush=True)
    return 'ref'


def missing():
    """Why native operations cannot be used in the default graph, in one line; None if they can."""
    module, library, recipe, reason = _outcome()
    if module is None or not _on_gpu():
        return reason
    if not library.archs:
        return recipe.problem or 'the library has no CUDA kernels'
    foreign = [arch for arch in native_tools.gpu_archs() if not native_tools.covers(library.archs, arch)]
    return 'the library is for %s, this GPU is sm_%s' % (_names(library.archs), foreign[0]) if foreign else None


def _names(archs):
    return ', '.join('sm_' + arch for arch in archs)


def _on_gpu():
    session = tf.get_default_session()
    if session is None:
        return layout.data_format() == 'NCHW' and bool(native_tools.gpu_archs())
    return gpu_memory.has_gpu(session)


def load():
    """The module of all native operations, as returned by `tf.load_op_library`; built on the first call, then kept.

    Raises: UserError saying why it is unavailable.
    """
    module, _, _, reason = _outcome()
    if module is None:
        raise UserError('no native operations: ' + reason)
    return module


def library_path():
    """Path of the library that `load` has loaded; raises UserError as `load` does."""
    load()
    return _outcome()[1].path


def crc32c():
    """CRC-32C by the processor's own instruction: function of contiguous uint8 [N], returns int.

    Returns: `None` where the mode of the default graph is 'ref', there is no library, no such instruction, or its
        result is wrong: all of the data would seem damaged.
    """
    library = None if mode() == 'ref' else _outcome()[1]
    if library is None:
        return None
    function = ctypes.CDLL(library.path).stylegan2_crc32c
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_int64
    is_right = function(_SAMPLE, len(_SAMPLE)) == _SAMPLE_CRC
    return (lambda data: function(data.ctypes.data, data.size)) if is_right else None


def describe():
    """The operations of the default graph in one line, such as 'native (C++ for the CPU)'; builds them if needed.

    Raises: UserError if the mode is 'native' and they are unavailable.
    """
    if mode() == 'ref':
        return 'reference'
    reason = missing()
    if reason is not None and mode() == 'auto':
        _told.add(reason)  # the caller shows it
        return 'reference: ' + reason
    choose()
    archs = _names(_outcome()[1].archs)
    return 'native (C++ and CUDA %s)' % archs if archs else 'native (C++ for the CPU)'


@functools.lru_cache(maxsize=None)
def _outcome():
    """(module, Library, Recipe, None), or (None, None, None, reason); determined once per process."""
    recipe = native_tools.recipe()  # raises UserError for a wrong environment variable, whatever the mode
    try:
        started = time.time()
        library, recipe = native_build.obtain_some(recipe)
        module, library = _loaded(library, recipe, started)
        return module, library, recipe, None
    except (UserError, tf.errors.OpError, OSError) as error:
        return None, None, None, ' '.join(str(error).split())


def _loaded(library, recipe, started):
    """(module, Library): a library that does not load is rebuilt, unless it was built after `started`."""
    for last in (False, True):
        stamp = native_build.stamp(library)
        try:
            return tf.load_op_library(library.path), library
        except (tf.errors.NotFoundError, OSError) as error:  # such as a missing symbol: built against other versions
            if last or stamp.time >= started:
                native_cache.note_failure(os.path.dirname(library.path), ' '.join(str(error).split()), cuda=False)
                raise
        library = native_build.obtain(recipe, unlike=stamp)
    return None
