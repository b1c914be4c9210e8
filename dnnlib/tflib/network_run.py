"""Network.run: networks as functions of NumPy arrays, in minibatches."""

import sys
import warnings

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib.tflib import tfutil
from dnnlib.tflib.ops import conv_2d

_LEGACY_DEFAULTS = {'out_mul': 1.0, 'out_add': 0.0, 'out_shrink': 1, 'out_dtype': None}


def run(network, *in_arrays, input_transform=None, output_transform=None, return_as_list=False, print_progress=False,
        minibatch_size=None, num_gpus=1, assume_frozen=False, **dynamic_kwargs):
    """Computes a network on NumPy arrays, a minibatch at a time.

    Args:
        network: The Network.
        in_arrays: One array [items, ...] per input; `None` = zeros, not for the first.
        input_transform: {'func': f, **kwargs}: the inputs are f(*arrays, **kwargs), built into the graph once. `f` is
            at the top level of a module, so that its name tells it from others.
        output_transform: The same for the outputs.
        return_as_list: Return a list whatever the number of outputs?
        print_progress: Show a progress bar on a terminal, some lines elsewhere?
        minibatch_size: Items at a time over all GPUs, `None` = all at once.
        num_gpus: Number of GPUs that share each minibatch.
        assume_frozen: Compute with copies of the present weights, one per GPU; later changes are not seen.
        dynamic_kwargs: Options of the build function over the network's own.
    Returns: The output array [items, ...], or a tuple of several.
    Raises: UserError for arrays that don't fit together or `num_gpus`, and for unknown options or transforms.
    """
    in_arrays = _check_arrays(network, in_arrays)
    for transform in (input_transform, output_transform):
        if transform is not None and not dnnlib.util.is_top_level_function(transform.get('func')):
            raise dnnlib.UserError('func of a transform must be a function at the top level of a module, got %r; pass '
                                   'what differs between calls as further items' % (transform,))
    num_items = in_arrays[0].shape[0]
    minibatch_size = min(minibatch_size or num_items, num_items)
    if minibatch_size % num_gpus or num_items % minibatch_size % num_gpus:
        raise dnnlib.UserError('minibatches of %d out of %d items cannot be split evenly over %d GPUs'
                               % (minibatch_size, num_items, num_gpus))
    legacy = {key: dynamic_kwargs.pop(key) for key in _LEGACY_DEFAULTS if key in dynamic_kwargs}
    if legacy:
        output_transform = _legacy_transform(legacy, output_transform)

    # a network that knows it computes one sample may choose faster operations
    batch = 1 if minibatch_size == 1 else None
    shapes = [[batch] + list(array.shape[1:]) for array in in_arrays]
    options = [input_transform, output_transform, num_gpus, assume_frozen, dynamic_kwargs]
    key = _cache_key([shapes] + options)
    if key not in network.run_cache:
        network.run_cache[key] = _build_graph(network, shapes, *options)
    inputs, outputs = network.run_cache[key]

    out_arrays = None
    for items in _minibatches(num_items, minibatch_size, print_progress):
        results = tfutil.run(outputs, {x: array[items] for x, array in zip(inputs, in_arrays)})
        if out_arrays is None:
            out_arrays = [np.empty((num_items,) + result.shape[1:], result.dtype) for result in results]
        for array, result in zip(out_arrays, results):
            array[items] = result
    return out_arrays if return_as_list else tfutil.unpack(out_arrays)


def _check_arrays(network, in_arrays):
    """The inputs as arrays of the same number of items."""
    if len(in_arrays) != network.num_inputs or in_arrays[0] is None:
        raise dnnlib.UserError('network %s takes %d arrays (%s), the first not None, but got %d' % (
            network.name, network.num_inputs, ', '.join(network.input_names), len(in_arrays)))
    num_items = np.shape(in_arrays[0])[0]
    arrays = []
    for array, name, shape in zip(in_arrays, network.input_names, network.input_shapes):
        if array is None:
            array = np.broadcast_to(np.float32(0), [num_items] + shape[1:])
        arrays.append(np.asarray(array))
        if num_items < 1 or arrays[-1].shape[0] != num_items:
            raise dnnlib.UserError('network %s: %s holds %d items, expected as many as %s, at least 1' % (
                network.name, name, arrays[-1].shape[0], network.input_names[0]))
    return arrays


def _cache_key(value):
    """Text that differs wherever the graphs of two sets of arguments do."""
    if isinstance(value, dict):
        return '{%s}' % ', '.join('%r: %s' % (key, _cache_key(value[key])) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return '[%s]' % ', '.join(_cache_key(item) for item in value)
    if isinstance(value, np.ndarray):
        return '%s%s%s' % (value.dtype, value.shape, value.tobytes())
    if callable(value) and hasattr(value, '__qualname__'):
        return value.__module__ + '.' + value.__qualname__
    return repr(value)


def _build_graph(network, shapes, input_transform, output_transform, num_gpus, assume_frozen, dynamic_kwargs):
    """Returns the placeholders and the list of outputs."""
    with tfutil.absolute_name_scope(network.scope + '/_Run'), tf.control_dependencies(None), conv_2d.drawing():
        with tf.device('/cpu:0'):
            inputs = [tf.placeholder(tf.float32, shape, name=name) for name, shape in zip(network.input_names, shapes)]
            parts = list(zip(*[tf.split(x, num_gpus) for x in inputs])) if num_gpus > 1 else [inputs]
        results = []
        for gpu, part in enumerate(parts):
            # a single device needs no name, and a CPU keeps its own optimizations
            with tf.device('/gpu:%d' % gpu if num_gpus > 1 else None):
                part = _transform(part, input_transform)
                part_network = network.clone() if assume_frozen else network
                outputs = part_network.get_output_for(*part, return_as_list=True, **dynamic_kwargs)
                results.append(_transform(outputs, output_transform))
        with tf.device('/cpu:0'):
            outputs = [tf.concat(tensors, axis=0) for tensors in zip(*results)] if num_gpus > 1 else results[0]
    return inputs, outputs


def _transform(tensors, transform):
    """Applies a dictionary of `func` and its further keyword arguments to a list of tensors."""
    if transform is None:
        return tensors
    kwargs = dict(transform)
    result = kwargs.pop('func')(*tensors, **kwargs)
    return list(result) if isinstance(result, (tuple, list)) else [result]


def _legacy_transform(legacy, output_transform):
    if output_transform is not None:
        raise dnnlib.UserError('%s cannot be used together with output_transform' % ', '.join(sorted(legacy)))
    warnings.warn('out_mul, out_add, out_shrink and out_dtype are deprecated: use output_transform', DeprecationWarning)
    return dict(_LEGACY_DEFAULTS, **dict(legacy, func=_legacy_output))


def _legacy_output(*images, out_mul, out_add, out_shrink, out_dtype):
    """Scales, shrinks and converts each output [N, C, H, W]."""
    results = []
    for x in images:
        x = x * out_mul + out_add
        if out_shrink > 1:
            x = tfutil.shrink_images(x, out_shrink)
        if out_dtype is not None:
            dtype = tf.as_dtype(out_dtype)
            x = tf.saturate_cast(tf.round(x) if dtype.is_integer else x, dtype)
        results.append(x)
    return results


def _minibatches(num_items, minibatch_size, print_progress):
    """Yields the slices of the minibatches and reports what is done."""
    on_terminal, bar = sys.stderr.isatty(), None
    if print_progress and on_terminal:
        import tqdm  # few need it
        bar = tqdm.tqdm(total=num_items)
    for begin in range(0, num_items, minibatch_size):
        end = min(begin + minibatch_size, num_items)
        yield slice(begin, end)
        if bar is not None:
            bar.update(end - begin)
        if print_progress and not on_terminal and end * 10 // num_items > begin * 10 // num_items:
            print('%d / %d' % (end, num_items), flush=True)
    if bar is not None:
        bar.close()
