"""Resident memory in the course of a training, in a process of its own: others' memory is not counted."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

TICKS, SETTLED, LEAKING = 50, 15, 15
BOUND = 0.05  # MiB per tick; each leaked grid of fakes would be 0.19
LEAK = 1.0  # MiB per tick

PROGRAM = '''
import json, os, sys
from dnnlib import allocator
allocator.keep_large_allocations()  # as every command does
import numpy as np
import tensorflow.compat.v1 as tf
from tests.training.test_training_loop import train
run_dir, ticks, leaking, leak = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
sizes, ops, leaked = [], [], []

def note(_network_pkl, _fakes):
    with open('/proc/self/statm') as f:
        sizes.append(int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2 ** 20)
    ops.append(len(tf.get_default_graph().get_operations()))
    if len(sizes) > ticks:
        leaked.append(np.ones(int(leak * 2 ** 17)))

train(run_dir, 0.008 * (ticks + leaking), minibatch_repeats=1, metric_callback=note,
      sched_args=dict(minibatch_size_base=8, minibatch_gpu_base=8, tick_kimg_dict={8: 0.008}),
      image_snapshot_ticks=1, network_snapshot_ticks=1, grid_args=dict(size='16x16'))
print(json.dumps([sizes, ops]))
'''


def growth(sizes, step=5):
    """Growth per tick: the median over `step` ticks, which a lasting leak moves and a single jump does not."""
    return np.median([(later - size) / step for size, later in zip(sizes, sizes[step:])])


def test_growth_is_that_of_a_leak_and_not_of_a_jump():
    jump = [100.0] * 12 + [108.0] * 12 + [96.0] * 11
    assert growth(jump) == 0
    assert growth([size + 0.1 * tick for tick, size in enumerate(jump)]) == pytest.approx(0.1)


def test_memory_is_flat_over_50_ticks(tmp_path):
    if not os.path.exists('/proc/self/statm'):
        pytest.skip('no /proc')
    command = [sys.executable, '-c', PROGRAM, str(tmp_path / 'run'), str(TICKS), str(LEAKING), str(LEAK)]
    output = subprocess.check_output(command, cwd=str(pathlib.Path(__file__).parents[2]))
    sizes, ops = json.loads(output.decode().splitlines()[-1])
    assert len(sizes) == TICKS + LEAKING
    assert ops[2] == ops[TICKS - 1]  # whatever is built anew at each tick
    assert growth(sizes[SETTLED:TICKS]) < BOUND, sizes
    assert growth(sizes[TICKS:]) > LEAK / 2, sizes  # the measurement sees a leak: here is one
