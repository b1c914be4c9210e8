"""Exported generators against ours: the pictures of the same inputs, and the report on the file."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError

_MINIBATCHES = (1, 3)
_TOLERANCE = 1e-3  # of pictures in [-1, 1], or of the largest value of theirs; bytes may differ by one


def require_tensorflow_2(kind):
    """Raises UserError under TensorFlow 1."""
    if tf.__version__.startswith('1.'):
        raise UserError(f'{kind} needs TensorFlow 2, this is {tf.__version__}; use --format=savedmodel or graphdef')


def compare(graph, run, runtime):
    """Draws pictures of random inputs, one and three at a time.

    Args:
        graph: GeneratorGraph.
        run: run(values): the pictures that the file makes of a dictionary of inputs.
        runtime: Name and version of what opened the file.
    Returns: What was found, as text.
    Raises: UserError if the pictures are not the same.
    """
    largest = 0.0
    for seed, count in enumerate(_MINIBATCHES):
        values = graph.draw_inputs(seed, count)
        found, expected = run(values), graph.run(values)
        if found.shape != expected.shape or found.dtype != expected.dtype:
            raise UserError('{} computed {} {}, not {} {}'.format(
                runtime, found.dtype, list(found.shape), expected.dtype, list(expected.shape)))
        difference = np.abs(np.float64(found) - np.float64(expected)).max()
        allowed = 1 if expected.dtype == np.uint8 else _TOLERANCE * max(np.abs(expected).max(), 1)
        if graph.is_random:
            if not np.isfinite(np.float64(found)).all():
                raise UserError('{} computed numbers that are not finite'.format(runtime))
        elif not difference <= allowed:
            raise UserError('the pictures of {} differ by {:.2g} from ours; nothing was written'.format(
                runtime, difference))
        largest = max(largest, difference)
    opened = 'opened by {}, {} pictures'.format(runtime, sum(_MINIBATCHES))
    if graph.is_random:
        return opened + ' drawn; their noise is random, so they cannot be compared'
    return '{} differ by at most {:.2g} from ours'.format(opened, largest)


def missing(package):
    """Note for the report when the runtime is not installed."""
    return 'not checked: {0} is not installed (pip install {0})'.format(package)


def report(graph, output, result):
    """Prints inputs, output, size and what the comparison found."""
    def text(tensor):
        return '[{}]'.format(', '.join('N' if size is None else str(size) for size in tensor.shape.as_list()))
    print('Inputs  {}'.format(', '.join('{} {}'.format(name, text(x)) for name, x in graph.inputs.items())))
    print('Output  images {}, {}'.format(text(graph.images), graph.images.dtype.base_dtype.name))
    print('Wrote {}: {:.1f} MiB; {}'.format(output, _size(output) / 2 ** 20, result))


def _size(path):
    """Bytes of a file, or of all files of a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)
