"""Each of the fifteen configurations of the paper trains at 32 x 32 pixels, through every level where it grows.

Only widths and the length of a level are smaller than published, and the rounds of an iteration fewer. Two processes
share the work, since most of it is the building of graphs.
"""

import json
import multiprocessing
import os
import re

import pytest

import run_training
from training.options.stylegan2 import CONFIGS

NARROW = ['G.fmap_base=64', 'G.fmap_max=8', 'D.fmap_base=64', 'D.fmap_max=8', 'G.mapping_layers=1', 'G.mapping_fmaps=8',
          'G.latent_size=8', 'G.dlatent_size=8']
LOOP = ['dataset.resolution=32', 'grid.size=3x2', 'train.minibatch_repeats=1', 'train.image_snapshot_ticks=None',
        'train.network_snapshot_ticks=None', 'sched.tick_kimg_base=0.001', 'sched.tick_kimg_dict={}']
SHORT_LEVELS = ['sched.lod_training_kimg=0.128', 'sched.lod_transition_kimg=0.256',
                'sched.minibatch_gpu_dict={8: 128, 16: 64, 32: 32}']  # two rounds
LATE_START = ['train.resume_kimg=0.872', 'sched.minibatch_gpu_base=16']  # a few iterations of two rounds

# kimg at the end of each tick, lod and minibatch: 8x8 pixels, fade to 16x16, 16x16, fade to 32x32, 32x32
GROWING_TICKS = [('0.3', '2.00', '256'), ('0.4', '1.50', '128'), ('0.5', '1.00', '128'), ('0.6', '1.00', '128'),
                 ('0.7', '0.50', '64'), ('0.8', '0.25', '64'), ('0.8', '0.00', '64'), ('0.9', '0.00', '64'),
                 ('1.0', '0.00', '64'), ('1.0', '0.00', '64')]
FULL_SIZE_TICKS = [('0.9', '0.00', '32')] * 2 + [('1.0', '0.00', '32')] * 2


def train(config, folder):
    """Trains a configuration in this process; returns the run directory."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    settings = NARROW + LOOP + (SHORT_LEVELS if CONFIGS[config].grows else LATE_START)
    argv = ['--dataset=cats', '--device=cpu', '--ops=ref', '--no-selftest', '--config=' + config, '--total-kimg=1',
            '--result-dir=' + os.path.join(folder, config)]
    for setting in settings:
        argv += ['--set', setting]
    with tf.Graph().as_default():
        try:
            assert run_training.main(argv) == 0
        finally:
            if tf.get_default_session() is not None:
                tflib.close_tf()
    return os.path.join(folder, config, '00000-stylegan2-cats-1gpu-' + config)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Run directories by configuration, of type AsyncResult."""
    folder = str(tmp_path_factory.mktemp('configurations'))
    with multiprocessing.get_context('spawn').Pool(2) as pool:  # TensorFlow does not survive a fork
        yield {config: pool.apply_async(train, (config, folder)) for config in sorted(CONFIGS)}


@pytest.mark.parametrize('config', sorted(CONFIGS))
def test_configuration_trains(config, runs):
    run_dir = runs[config].get(timeout=3600)
    c = CONFIGS[config]
    with open(os.path.join(run_dir, 'log.txt')) as f:
        log = f.read()
    ticks = re.findall(r'^tick \d+ +kimg ([\d.]+) +lod ([\d.]+) +minibatch (\d+) +time ', log, re.MULTILINE)
    assert ticks == (GROWING_TICKS if c.grows else FULL_SIZE_TICKS)
    with open(os.path.join(run_dir, 'stats.jsonl')) as f:
        stats = [json.loads(line) for line in f]
    assert len(stats) == len(ticks)
    base_rate = 0.001 if c.grows else 0.002
    assert log.count('learning rates {0} of G, {0} of D, '.format(base_rate)) == len(ticks)
    for tick in stats:
        assert tick['TrainG/learning_rate'] == pytest.approx(base_rate * (4 / 5 if c.lazy else 1))
        assert tick['TrainD/learning_rate'] == pytest.approx(base_rate * (16 / 17 if c.lazy else 1))
        assert tick['TrainG/overflow_frequency'] == tick['TrainD/overflow_frequency'] == 0
        for tag in ('Loss/scores/real', 'Loss/scores/fake'):
            assert abs(tick[tag]) < 1e3
    assert ('RegD/learning_rate' in stats[0]) == c.lazy
    assert ('Loss/pl_lengths' in stats[0]) == (c.G_loss == 'G_logistic_ns_pathreg')
    assert os.path.exists(os.path.join(run_dir, 'network-final.pkl'))
    with open(os.path.join(run_dir, 'training_options.json')) as f:
        options = json.load(f)
    assert options['G_args']['func_name'] == 'training.' + c.G and options['D_loss_args']['gamma'] == c.gamma
