"""One training step in a process of its own, to see whether the memory suffices: see `automatic.fit_minibatch`.

Reads options of the training loop as JSON from standard input. Exit code 0 = the step was made, 3 = out of memory,
2 = another error, with one line on standard error.
"""

import json
import sys

from dnnlib import UserError, cli
from training.options.automatic import FITS, NO_MEMORY

SIGNS_OF_MEMORY = ('oom', 'out of memory', 'alloc_failed', 'bad_alloc', 'failed to allocate',
                   'failed to get convolution algorithm', 'status: 1, message: could not')  # CUDA libraries, oneDNN


def is_out_of_memory(error):
    """Does an exception, or its cause, say that there was too little memory?"""
    import tensorflow.compat.v1 as tf
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return True
    cause = error.__cause__
    return any(sign in str(error).lower() for sign in SIGNS_OF_MEMORY) or (
        cause is not None and is_out_of_memory(cause))


def main():
    """Runs the step; returns the exit code."""
    request = json.load(sys.stdin)
    tflib = cli.load_tensorflow()
    from dnnlib import memory
    from dnnlib.tflib import gpu_memory
    from training.training_loop import training_loop
    try:
        tflib.init_tf(dict({'rnd.np_random_seed': request['options'].get('seed')},
                           **(request['options'].get('tf_config') or {})))
        if not gpu_memory.has_gpu():
            memory.limit_host_memory(request['host_bytes'])
        training_loop(dry_run=True, **request['options'])
    except Exception as error:  # pylint: disable=broad-except
        if is_out_of_memory(error):
            return NO_MEMORY
        if isinstance(error, UserError):
            print(error, file=sys.stderr)
            return 2
        raise
    return FITS


if __name__ == '__main__':
    sys.exit(main())
