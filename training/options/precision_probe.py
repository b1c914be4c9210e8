"""Iterations of a training in float32 and in mixed precision, in turn, in a process of its own: see `precision.choose`.

Reads options of the training loop and the 16-bit type as JSON from standard input; the last line of standard output is
the result as JSON. On errors the exit code is 2, with one line on standard error.
"""

import contextlib
import json
import sys
import time

import numpy as np

from dnnlib import UserError, cli
from training.options import precision, probe

SECONDS = 20  # of measuring, after a first run of everything; one pair of iterations is measured in any case
MOST_PAIRS = 5


class Timed:
    """A training with one type, in a graph and session of its own.

    Args:
        streams: {name: Stream}, shared.
        options: Options of the training loop for that type.
    """

    def __init__(self, streams, options):
        import tensorflow.compat.v1 as tf
        from dnnlib.tflib import tfutil
        from training.training_loop import Iteration, set_up, split_options
        self._graph = tf.Graph()
        options, method_args = split_options(dict(options, resume_pkl=None, resume_state=None), None)
        with self._graph.as_default():
            self._session = tfutil.create_session(options.tf_config)
            with self._session.as_default():
                self._training = set_up(streams, options, method_args)
        step = self._training.iteration.step
        self._stages = [(Iteration([stage], step, streams), stage.every) for stage in self._training.stages
                        if stage.every]

    def seconds(self):
        """Time of an iteration of one round: every stage is run, and counted by how often it is due."""
        from training.state import files
        sched = self._training.schedule(0)
        sched.update(minibatch_size=sched.minibatch_gpu, rounds=1, new_level=False)
        total = 0.0
        with self._graph.as_default(), self._session.as_default():
            for iteration, every in self._stages:
                started = time.time()
                iteration.run(sched, 0, files.new_counters(0), ignore_gates=True)
                total += (time.time() - started) / every
        return total


def measure(options, half):
    """Times both precisions in turn, so that what else the machine does hits both alike.

    Args:
        options: Options of the training loop.
        half: Name of the 16-bit type.
    Returns: Dictionary: `seconds` and `half_seconds` of an iteration, their `ratio`, medians over `pairs` pairs;
        `seconds` and `ratio` are None if memory runs out in float32.
    """
    from training.data import ahead
    from training.data.streams import open_streams
    from training.training_loop import split_options
    common, _ = split_options(options, None)
    with open_streams({'reals': common.dataset_args}, 0, common.data_dir, common.bad, common.holdout,
                      common.mirror_augment, threads=ahead.count_threads(common.data_workers)) as streams:
        try:
            both = [_timed(streams, options, 'float32')]
        except Exception as error:  # pylint: disable=broad-except
            if not probe.is_out_of_memory(error):
                raise
            half_seconds = _timed(streams, options, half).seconds()
            return dict(seconds=None, half_seconds=half_seconds, ratio=None, pairs=1)
        both.append(_timed(streams, options, half))
        pairs, started = [], time.time()
        while not pairs or len(pairs) < MOST_PAIRS and time.time() - started < SECONDS:
            pairs.append([timed.seconds() for timed in both])
    pairs = np.array(pairs)
    return dict(seconds=float(np.median(pairs[:, 0])), half_seconds=float(np.median(pairs[:, 1])),
                ratio=float(np.median(pairs[:, 0] / pairs[:, 1])), pairs=len(pairs))


def _timed(streams, options, dtype):
    """A training that ran once: TensorFlow optimizes graphs when they are first run."""
    timed = Timed(streams, precision.with_type(options, dtype))
    timed.seconds()
    return timed


def main():
    """Measures; returns the exit code."""
    request = json.load(sys.stdin)
    cli.load_tensorflow()
    from training.training_loop import refusing_bad_options
    try:
        with contextlib.redirect_stdout(sys.stderr), refusing_bad_options():
            found = measure(request['options'], request['half'])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(found))
    return 0


if __name__ == '__main__':
    sys.exit(main())
