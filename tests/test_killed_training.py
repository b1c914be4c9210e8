"""Trainings that are killed (SIGKILL), that find the disk full, that start at the same moment: nothing is lost."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from benchmarks import kill_study

OPTIONS = list(kill_study.TINY)
for _setting in ('sched.minibatch_size_base=64', 'sched.minibatch_gpu_base=64'):
    OPTIONS += ['--set', _setting]
GROWING = ['--config=config-b']
for _setting in ('sched.lod_initial_resolution=4', 'sched.lod_training_kimg=0.2', 'sched.lod_transition_kimg=0.3',
                 'sched.minibatch_size_dict={}', 'sched.minibatch_gpu_dict={4: 16}'):
    GROWING += ['--set', _setting]
AUGMENTED = ['--aug=ada', '--augpipe=bg', '--p=0.5', '--set', 'augment.tune_kimg=2',  # config-f
             '--set', 'dataset.max_label_size=full']
CYCLEGAN = ['--config=cyclegan', '--device=cpu', '--no-selftest', '--checkpoint-minutes=0.001', '--batch=16',
            '--snap=2', '--resolution=16', '--width=1/32', '--n-epochs=20']
for _setting in ('grid.size=2x1', 'G.num_blocks=1', 'D.num_layers=1', 'train.pool_size=9', 'sched.tick_images=200'):
    CYCLEGAN += ['--set', _setting]
KINDS = {'growing': OPTIONS + GROWING, 'augmented': OPTIONS + AUGMENTED, 'cyclegan': CYCLEGAN}


def options_of(kind, folder):
    """Options of a training of a thousand images into a folder."""
    options = KINDS[kind] + ['--total-kimg=1', '--result-dir=' + str(folder)]
    return options + ([f'--dataset={folder.parent / "sides"}'] if kind == 'cyclegan' else [])


def make_sides(folder):
    """Pictures of two sides, for CycleGAN."""
    for i in range(20):
        path = folder / 'sides' / ('train' + 'AB'[i % 2])
        path.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.random.RandomState(i).randint(0, 256, [20, 24, 3]).astype(np.uint8)).save(
            str(path / f'{i}.png'))


def end_of(training, folder):
    """Waits for a training, in another process, where no earlier test has chosen the number of threads.

    Returns: (bytes of the final networks, lines that it printed).
    """
    assert training.finish() == 0, training.lines
    run_dir, = kill_study.run_dirs_in(folder)
    with open(os.path.join(run_dir, 'network-final.pkl'), 'rb') as f:
        return f.read(), training.lines


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_killing_a_training_changes_nothing(tmp_path, kind):
    make_sides(tmp_path)
    killed, nimg = str(tmp_path / 'killed'), random.randrange(100, 800)
    options = options_of(kind, tmp_path / 'killed')
    whole, training = kill_study.Training(options_of(kind, tmp_path / 'whole')), kill_study.Training(options)

    def is_late_enough():
        return any(kill_study.newest_nimg(run_dir) >= nimg for run_dir in kill_study.run_dirs_in(killed))
    assert training.wait_for(is_late_enough), training.lines
    training.kill()
    run_dir, = kill_study.run_dirs_in(killed)
    assert nimg <= kill_study.newest_nimg(run_dir) < 1000 and not kill_study.damaged_files(run_dir)
    continued, lines = end_of(kill_study.Training(options), killed)
    assert 'Continuing the run in ' + run_dir in lines
    assert not kill_study.unfinished_files(run_dir)
    assert continued == end_of(whole, str(tmp_path / 'whole'))[0], 'killed after {} images'.format(nimg)


def test_two_at_once_get_two_numbers(tmp_path):
    trainings = [kill_study.Training(options_of('augmented', tmp_path)) for _ in range(2)]
    try:
        assert trainings[0].wait_for(lambda: len(kill_study.run_dirs_in(str(tmp_path))) == 2)
    finally:
        for training in trainings:
            training.kill()
    names = [os.path.basename(path) for path in kill_study.run_dirs_in(str(tmp_path))]
    assert names == ['0000%d-stylegan2-cats-1gpu-config-f' % number for number in range(2)]


def test_a_full_disk_pauses_the_training(tmp_path):
    unshare = ['unshare', '--map-root-user', '--mount']
    try:
        subprocess.check_output(unshare + ['mount', '-t', 'tmpfs', 'tmpfs', str(tmp_path)], stderr=subprocess.STDOUT)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('a small file system cannot be mounted here')
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'full_disk.py')
    story = json.loads(subprocess.check_output(unshare + [sys.executable, script, str(tmp_path)]).decode())
    assert all(story[step] for step in ('started', 'paused', 'went_on', 'paused_again')), story
    assert story['exit_code'] == 2 and not story['damaged'] and not story['leftovers'] and story['nimg'] > 0, story
    assert 'No space left on device' in story['lines'][-1], story
