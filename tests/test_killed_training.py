"""Trainings that are killed (SIGKILL), that find the disk full, that start at the same moment: nothing is lost."""

import json
import os
import random
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf

import run_training
from benchmarks import kill_study
from dnnlib import tflib

GROWING = ['--config=config-d', '--set', 'dataset.resolution=16', '--set', 'sched.lod_training_kimg=0.2', '--set',
           'sched.lod_transition_kimg=0.3', '--set', 'sched.minibatch_size_dict={8: 16}', '--set',
           'sched.minibatch_gpu_dict={8: 8}']
KINDS = {'config-f': [], 'growing': GROWING, 'labelled': ['--set', 'dataset.max_label_size=full']}


def options_of(kind, folder):
    """Options of a training of a thousand images into a folder."""
    return kill_study.TINY + KINDS[kind] + ['--total-kimg=1', '--result-dir=' + str(folder)]


def train_here(kind, folder):
    """Trains in this process; returns the bytes of the final networks."""
    with tf.Graph().as_default():
        try:
            assert run_training.main(options_of(kind, folder)) == 0
        finally:
            tflib.close_tf()
    run_dir, = kill_study.run_dirs_in(str(folder))
    with open(os.path.join(run_dir, 'network-final.pkl'), 'rb') as f:
        return f.read()


@pytest.fixture(scope='module')
def killed(tmp_path_factory):
    """Folders of three trainings that run at the same time and are killed after a random number of images."""
    folders = {kind: tmp_path_factory.mktemp('killed') for kind in KINDS}
    trainings = {kind: kill_study.Training(options_of(kind, folder)) for kind, folder in folders.items()}
    rnd = random.Random()
    for kind, training in trainings.items():
        nimg = rnd.randrange(100, 800)

        def is_late_enough(folder=str(folders[kind]), nimg=nimg):
            return any(kill_study.newest_nimg(run_dir) >= nimg for run_dir in kill_study.run_dirs_in(folder))
        assert training.wait_for(is_late_enough), training.lines
        training.kill()
        print('{} killed after {} of 1000 images'.format(kind, nimg))
    return folders


@pytest.mark.parametrize('kind', sorted(KINDS))
def test_killing_a_training_changes_nothing(killed, tmp_path, kind, capsys):
    run_dir, = kill_study.run_dirs_in(str(killed[kind]))
    assert 0 < kill_study.newest_nimg(run_dir) < 1000 and not kill_study.damaged_files(run_dir)
    continued = train_here(kind, killed[kind])
    assert 'Continuing the run in ' + run_dir in capsys.readouterr().out
    assert not kill_study.unfinished_files(run_dir)
    assert continued == train_here(kind, tmp_path)


def test_two_at_once_get_two_numbers_and_a_killed_start_is_started_over(tmp_path):
    trainings = [kill_study.Training(options_of('config-f', tmp_path)) for _ in range(2)]
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
