"""Configurations of the paper train at 16 x 16 pixels, through every level where they grow.

One for each part that no other has: every generator, every discriminator, both losses of the generator, with and
without lazy regularization. What the rest is made of is read off the options in test_presets.py. Only widths and
the length of a level are smaller than published, and the rounds of an iteration fewer.
"""

import json
import os
import re

import pytest
import tensorflow.compat.v1 as tf

import run_training
from dnnlib import tflib
from training.options import stylegan2

NARROW = ['G.fmap_base=64', 'G.fmap_max=8', 'D.fmap_base=64', 'D.fmap_max=8', 'G.mapping_layers=1', 'G.mapping_fmaps=8',
          'G.latent_size=8', 'G.dlatent_size=8']
LOOP = ['dataset.resolution=16', 'grid.size=3x2', 'train.minibatch_repeats=1', 'train.image_snapshot_ticks=None',
        'train.network_snapshot_ticks=None', 'sched.tick_kimg_base=0.001', 'sched.tick_kimg_dict={}']
SHORT_LEVELS = ['sched.lod_initial_resolution=4', 'sched.lod_training_kimg=0.128', 'sched.lod_transition_kimg=0.256',
                'sched.minibatch_size_dict={4: 256, 8: 128, 16: 64}',
                'sched.minibatch_gpu_dict={4: 128, 8: 64, 16: 32}']  # two rounds
LATE_START = ['train.resume_kimg=0.872', 'sched.minibatch_gpu_base=16']  # a few iterations of two rounds
CONFIGS = ['config-a', 'config-b', 'config-d', 'config-e-Gorig-Dskip', 'config-e-Gresnet-Dorig', 'config-f']

# kimg at the end of each tick, lod and minibatch: 4x4 pixels, fade to 8x8, 8x8, fade to 16x16, 16x16
GROWING_TICKS = [('0.3', '2.00', '256'), ('0.4', '1.50', '128'), ('0.5', '1.00', '128'), ('0.6', '1.00', '128'),
                 ('0.7', '0.50', '64'), ('0.8', '0.25', '64'), ('0.8', '0.00', '64'), ('0.9', '0.00', '64'),
                 ('1.0', '0.00', '64'), ('1.0', '0.00', '64')]
FULL_SIZE_TICKS = [('0.9', '0.00', '32')] * 2 + [('1.0', '0.00', '32')] * 2


def train(config, folder):
    """Trains a configuration; returns the run directory."""
    settings = NARROW + LOOP + (SHORT_LEVELS if stylegan2.CONFIGS[config].grows else LATE_START)
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


def parts(config):
    """What a configuration is made of; the names of defaults are those of the networks."""
    c = stylegan2.CONFIGS[config]
    found = {c.G, c.D, c.G_loss, 'lazy' if c.lazy else 'not lazy'}
    found |= {'G ' + str(c.G_options.get(name)) for name in ('architecture', 'synthesis_func')}
    return found | {'D ' + c.D_options.get('architecture', 'resnet')}


def test_every_part_is_trained():
    def every(configs):
        return set().union(*map(parts, configs))
    assert every(stylegan2.CONFIGS) - every(CONFIGS) == {'G skip'}  # that is the default, of config-f


@pytest.mark.parametrize('config', CONFIGS)
def test_configuration_trains(config, tmp_path):
    run_dir = train(config, str(tmp_path))
    c = stylegan2.CONFIGS[config]
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
