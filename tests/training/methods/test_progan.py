"""ProGAN's schedule and reals against golden values, and small trainings that are killed, resumed and looked at."""

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from tests.training.golden_latent import FILES
from tests.training.methods.test_toy_methods import variables
from training import pretrained
from training.methods import growing, progan
from training.options import progan as options
from training.schedule import Schedule
from training.state import transfer
from training.train_step import process_reals
from training.training_loop import training_loop

PRESETS = {'schedule/v1-1gpu@1024': (options.PAPER, 1), 'schedule/v2-8gpus-fp32@256': (options.BY_DEVICES[8], 8)}


def test_schedules_are_the_published_ones():
    ref = FILES.arrays('progan_schedule')
    columns = {'minibatch': 'minibatch_size'}
    for key, (table, num_gpus) in PRESETS.items():
        size = int(key.rpartition('@')[2])
        data = EasyDict(resolution_log2=size.bit_length() - 1)
        schedule = Schedule(data, options.sched_args(table, num_gpus), num_gpus)
        found = [schedule(int(round(kimg * 1000))) for kimg in ref['kimg']]
        for number, column in enumerate(ref['columns']):
            np.testing.assert_allclose([sched[columns.get(column, column)] for sched in found], ref[key][:, number],
                                       rtol=1e-12, err_msg=f'{key} {column}')
        assert {sched.rounds for sched in found} == {1}


def test_reals_fade_as_published(session):
    ref = FILES.arrays('progan_schedule')
    for lod in ('0', '0.25', '1', '1.6'):
        given, expected = (ref[f'reals/lod{lod}/{kind}'] for kind in ('in', 'out'))
        reals = process_reals(tf.constant(given), [0, 255], [-1, 1])
        np.testing.assert_allclose(session.run(growing.fade_reals(reals, float(lod), expected.shape[1:])), expected,
                                   rtol=0, atol=1e-6)


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'methods/test_progan.py')


def by_name(D, G):
    return dict(G_loss_args=dict(terms=G), D_loss_args=dict(terms=D))


def train(run_dir, total_kimg, losses, **more):
    """A small training that grows from 4 to 8 pixels, with a fade, and labels; returns what the loop returns."""
    os.makedirs(str(run_dir), exist_ok=True)
    adam = dict(beta1=0.0, beta2=0.99)
    with tf.Graph().as_default():
        try:
            return training_loop(**dict(dict(
                submit_config=EasyDict(run_dir=str(run_dir)), total_kimg=total_kimg, minibatch_repeats=1,
                method_args=dict(losses, func_name='training.methods.progan.progan',
                                 G_args=dict(fmap_base=32, fmap_max=8, latent_size=6),
                                 D_args=dict(fmap_base=32, fmap_max=8), G_opt_args=adam, D_opt_args=adam),
                dataset_args=dict(tfrecord_dir='cats', resolution=8, max_label_size=15),
                sched_args=dict(lod_initial_resolution=4, lod_training_kimg=0.016, lod_transition_kimg=0.024,
                                minibatch_size_base=8, minibatch_gpu_base=4, minibatch_gpu_dict={4: 8},
                                tick_kimg_dict={}, tick_kimg_base=0.008),
                tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1),
                checkpoint_minutes=None, keep=20, image_snapshot_ticks=None, network_snapshot_ticks=1,
                grid_args=dict(size='3x2')), **more))
        finally:
            tflib.close_tf()


def test_resumed_to_the_same_bits(tmp_path):
    """From 4 pixels through the fade, where the moments are forgotten twice, to 8; with two rounds."""
    losses, pictures, whole, parts = by_name('wgan+gp+drift+ac', 'wgan+ac'), [], tmp_path / 'whole', tmp_path / 'parts'

    def look(_network_pkl, fakes):
        pictures.append(np.concatenate([later.draw() for later in fakes(5, 0)]))
    assert train(whole, 0.056, losses, metric_callback=look) == 0
    assert pictures[-1].shape == (5, 3, 8, 8) and pictures[-1].dtype == np.uint8
    folders = sorted((whole / 'state').iterdir())
    assert train(parts, 0.056, losses, resume_state=str(folders[2])) == 0  # in the middle of the fade
    states, found = [variables(whole, path) for path in folders], variables(parts)
    assert set(states[-1]) == set(found)
    for name, value in states[-1].items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)
    ticks = [json.loads(line) for line in open(str(whole / 'stats.jsonl'))]
    assert all(np.isfinite(tick['Loss/D']) and np.isfinite(tick['Loss/G']) for tick in ticks)
    assert ticks[-1]['Loss/classes/real'] > 0 and {tick['Progress/lod'] for tick in ticks} >= {0, 1}
    for name, value in states[0].items():  # all is trained
        if name.startswith(('G/', 'D/', 'Gs/')) and not name.endswith('lod') and 'lod1' not in name:
            assert np.abs(value - found[name]).max() > 0, name
    name = '4x4/Conv/weight'
    for before, after in zip(states, states[1:]):  # Gs is first: a thousandth of the G before this iteration
        np.testing.assert_allclose(after['Gs/' + name], before['G/' + name] * 0.001 + before['Gs/' + name] * 0.999,
                                   rtol=1e-5, atol=1e-6)
    check_file(str(whole / 'network-final.pkl'))


def check_file(path):
    """The file is the published one, and larger networks with other labels take over what is in it."""
    with tf.Graph().as_default():
        try:
            _, D, Gs = pretrained.load_networks(path)
            assert D.num_inputs == 1 and Gs.class_module == 'tfutil' and Gs.get_var('lod') == 0
            larger = tflib.Network('G', progan.G_PAPER, num_channels=3, resolution=16, label_size=0, fmap_base=32,
                                   fmap_max=8, latent_size=6)
            table = transfer.transfer(larger, Gs, 'generator')
            assert 'ToRGB_lod2/weight' in table['copied'] and table['fresh'] == [
                '16x16/Conv0_up/weight', '16x16/Conv0_up/bias', '16x16/Conv1/weight', '16x16/Conv1/bias',
                'ToRGB_lod0/weight', 'ToRGB_lod0/bias']
        finally:
            tflib.close_tf()


def test_options_that_do_not_fit():
    streams = {'reals': SimpleNamespace(dataset=SimpleNamespace(shape=[3, 8, 8], label_size=0))}
    with pytest.raises(UserError, match='Gs_beta must be a number from 0 to below 1, got 1'):
        progan.progan(streams, None, Gs_beta=1)
