"""A training on a small file system of its own that is full at times; run inside `unshare -rm` by the test of it.

    unshare -rm python tests/full_disk.py FOLDER WORKERS

With several workers, which the test does not have, all must wait for longer than the watchdog waits for one of them.
"""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import kill_study  # noqa: E402  (found only after the line above)
from dnnlib.run import watchdog  # noqa: E402


def fill(folder):
    """Fills the file system of a folder to the last byte."""
    with open(os.path.join(folder, 'filler'), 'ab', buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass


def main(folder, workers='1'):
    """Fills the disk during a training, frees it, fills it again and stops the training; prints what happened."""
    subprocess.check_call(['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder])
    results = os.path.join(folder, 'results')
    training = kill_study.Training(kill_study.TINY + [
        '--total-kimg=1000', '--result-dir=' + results, '--num-workers=' + workers, '--set',
        f'sched.minibatch_gpu_base={8 // int(workers)}'])

    def count(text):
        return sum(text in line for line in training.lines)

    def nimg():
        return max([kill_study.newest_nimg(path) for path in kill_study.run_dirs_in(results)] or [0])
    story = dict(started=training.wait_for(lambda: nimg() > 0, seconds=300))
    fill(folder)
    story['paused'] = training.wait_for(lambda: count('Paused: ') == 1)
    at_pause = nimg()
    if int(workers) > 1:
        story['lost'] = training.wait_for(lambda: count('Restarting') > 0, seconds=1.5 * watchdog.SILENCE_SECONDS)
    os.remove(os.path.join(folder, 'filler'))
    story['went_on'] = training.wait_for(lambda: count('has space again') == 1 and nimg() > at_pause,
                                           seconds=300)
    fill(folder)
    story['paused_again'] = training.wait_for(lambda: count('Paused: ') == 2)
    training.send(signal.SIGTERM)
    run_dir, = kill_study.run_dirs_in(results)
    story.update(exit_code=training.finish(), damaged=kill_study.damaged_files(run_dir), nimg=nimg(),
                 leftovers=sorted(kill_study.unfinished_files(run_dir)), lines=training.lines[-12:])
    print(json.dumps(story))


if __name__ == '__main__':
    main(*sys.argv[1:])
