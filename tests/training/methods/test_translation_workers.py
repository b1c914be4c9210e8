"""pix2pixHD with augmentation: two workers that continue what one began with two rounds end with the same bits.

Other methods take a minute more: `python benchmarks/workers.py --method=SinCUT --method=U-GAT-IT --method=CycleGAN`.
"""

import sys

from benchmarks import workers as benchmark
from training.state import files

METHODS = ('pix2pixHD',)
ITERATIONS = 2
LOOP = dict(checkpoint_minutes=0)


def run(kind, workers, folder, **loops):
    """Trains with all methods in one process, or with several; returns {method: run directory}."""
    jobs = [dict(method=method, workers=2, iterations=ITERATIONS, run_dir=str(folder / f'{kind}-{number}'),
                 loop=dict(LOOP, **loops.get(method, {}))) for number, method in enumerate(METHODS)]
    processes = benchmark.start(sys.executable, workers, jobs)
    try:
        benchmark.finish(processes, jobs[0]['run_dir'], timeout=240)
    finally:
        benchmark.stop(processes)
    return {job['method']: job['run_dir'] for job in jobs}


def test_stopped_and_continued_by_two_workers_to_the_same_bits(tmp_path):
    alone = run('one', None, tmp_path)
    first = {method: files.list_states(run_dir)[0] for method, run_dir in alone.items()}
    assert all(0 < files.images_shown(path) < files.latest_counters(alone[method]).nimg
               for method, path in first.items())
    many = run('many', 2, tmp_path, **{method: dict(resume_state=path) for method, path in first.items()})
    for method in METHODS:
        found = [benchmark.variables(run_dir[method]) for run_dir in (alone, many)]
        assert benchmark.compare(*found) == (0, []), method
        assert found[0]['State/plateau_epoch'] == ITERATIONS  # epochs of one iteration
    assert benchmark.variables(alone['pix2pixHD'])['State/augment_strength'] != 0.5
