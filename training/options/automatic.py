"""Options that say `auto`: what they become, and why."""

import json
import os
import subprocess
import sys

from dnnlib import UserError
from dnnlib.memory import free_host_memory
from dnnlib.names import installed_name
from dnnlib.run import cluster
from dnnlib.util import atomic_path
from training.dataset import load_dataset
from training.schedule import Schedule

CHOICE_FILE = 'minibatch_gpu.json'
FITS, NO_MEMORY = 0, 3  # exit codes of training.options.probe


def candidates(minibatch_size, group_size, largest=None):
    """Numbers of images per device and round to be tried, largest first, each at most half of the one before.

    Args:
        minibatch_size: Images per step; all candidates divide it.
        group_size: Of the minibatch standard deviation; a candidate is a multiple of it, or smaller.
        largest: No candidate is larger; None = minibatch_size.
    """
    found = []
    for size in range(min(largest or minibatch_size, minibatch_size), 0, -1):
        fits = minibatch_size % size == 0 and (size % group_size == 0 or size < group_size)
        if fits and (not found or size <= found[-1] // 2):
            found.append(size)
    return found


def fit_minibatch(options, run_dir=None, job=None, host_bytes=None):
    """Replaces a `minibatch_gpu_base` of 'auto' by the largest number of images whose step fits in memory.

    Each candidate is tried in a process of its own, at full resolution: building the graph and one step. Lower
    resolutions of a growing training get as many times more images as they have fewer rows.

    Args:
        options: Keyword arguments of the training loop.
        run_dir: Run directory; the result is noted there, and a resumed training starts with it. None = none.
        job: Cluster of the workers that share each minibatch, and their machines' memory; None = only this process.
        host_bytes: Main memory to be used on a CPU, None = what is free.
    Returns: The options with numbers.
    Raises: UserError if not even the smallest number fits, or the step fails for another reason.
    """
    if options['sched_args'].get('minibatch_gpu_base') != 'auto':
        return options
    sched_args = dict(options['sched_args'], minibatch_gpu_base=1, minibatch_gpu_dict=None)
    with load_dataset(data_dir=options.get('data_dir'), **options['dataset_args']) as training_set:
        levels = Schedule(training_set, sched_args).levels
    workers = 1 if job is None else len(job.addresses)
    if job is not None and host_bytes is None:
        host_bytes = (free_host_memory() or 0) // cluster.on_this_host(job)[1] or None
    full, group_size = levels[-1], (options.get('D_args') or {}).get('mbstd_group_size', 4)
    for size in candidates(full.minibatch_size // workers, group_size, _noted(run_dir)):
        probed = dict(options, sched_args=dict(sched_args, lod_initial_resolution=None, minibatch_gpu_base=size))
        if options.get('augment_args'):  # all of it at once, which takes the most memory
            probed['augment_args'] = dict(options['augment_args'], tune_heuristic=None, initial_strength=1,
                                          max_strength=1)
        if _fits(probed, host_bytes):
            break
        print(f'--minibatch-gpu=auto: too little memory for {size} per round', flush=True)
    else:
        raise UserError('--minibatch-gpu=auto: not even one image per round fits in memory; choose a smaller network '
                        'or resolution')
    print(f'--minibatch-gpu=auto: {size} per round fit; rounds for a minibatch of {full.minibatch_size}: '
          f'{full.minibatch_size // size // workers}', flush=True)
    if run_dir is not None:
        with atomic_path(os.path.join(run_dir, CHOICE_FILE)) as temp_path:
            with open(temp_path, 'w') as f:
                json.dump(dict(minibatch_gpu=size), f)
    table = {level.resolution: candidates(level.minibatch_size // workers, group_size,
                                          size * full.resolution // level.resolution)[0] for level in levels[:-1]}
    return dict(options, sched_args=dict(options['sched_args'], minibatch_gpu_base=size, minibatch_gpu_dict=table))


def _noted(run_dir):
    """What was found when the training started, None if it starts now."""
    if not run_dir:
        return None
    try:
        with open(os.path.join(run_dir, CHOICE_FILE)) as f:
            return int(json.load(f)['minibatch_gpu'])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fits(options, host_bytes):
    """Runs one step in another process: does the memory suffice?"""
    process = subprocess.run(
        [sys.executable, '-m', installed_name('training.options.probe')], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        input=json.dumps(dict(options=options, host_bytes=host_bytes)).encode(),
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)))
    if process.returncode > 0 and process.returncode != NO_MEMORY:
        lines = process.stderr.decode(errors='replace').strip().splitlines() or [f'exit code {process.returncode}']
        if 'cannot allocate memory' not in lines[-1].lower():  # the C library says so and ends the process with 127
            raise UserError(f'--minibatch-gpu=auto: the trial step failed ({lines[-1]})')
    return process.returncode == FITS  # killed or aborted: nearly always out of memory
