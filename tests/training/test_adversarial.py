"""Losses by name in trainings of StyleGAN2, and as the command line asks for them."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, tflib
from tests.test_run_training import options_of
from tests.training.methods.test_toy_methods import variables
from training.training_loop import training_loop


def train(run_dir, G_terms, D_terms, **more):
    """A small training of StyleGAN2 at 8 pixels; returns its variables."""
    run_dir.mkdir()
    adam = dict(beta1=0.0, beta2=0.99)
    narrow = dict(fmap_base=64, fmap_max=8)
    with tf.Graph().as_default():
        try:
            training_loop(
                submit_config=EasyDict(run_dir=str(run_dir)), total_kimg=0.012, minibatch_repeats=1,
                G_args=dict(narrow, func_name='training.networks_stylegan2.G_main', latent_size=8, dlatent_size=8,
                            mapping_layers=2, mapping_fmaps=8),
                D_args=dict(narrow, func_name='training.networks_stylegan2.D_stylegan2'),
                G_opt_args=adam, D_opt_args=adam,
                G_loss_args=dict(func_name='training.adversarial.G_loss', terms=G_terms),
                D_loss_args=dict(func_name='training.adversarial.D_loss', terms=D_terms),
                dataset_args=dict(tfrecord_dir='cats', resolution=8), G_reg_interval=2, D_reg_interval=2,
                sched_args=dict(minibatch_size_base=4, minibatch_gpu_base=4, tick_kimg_dict={}, tick_kimg_base=0.004),
                tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1),
                checkpoint_minutes=None, image_snapshot_ticks=None, network_snapshot_ticks=None,
                grid_args=dict(size='2x2'), **more)
        finally:
            tflib.close_tf()
    return variables(run_dir)


def test_relativistic_with_all_penalties(tmp_path):
    """G sees reals as well, and every term has a gradient."""
    augment = dict(func_name='training.augment.augment_pipeline', xflip=1, initial_strength=0.5)
    found = train(tmp_path / 'run', 'rals:0.9+pl+orthogonal', 'rals:0.9+r1+r2+gp+lp+dragan+drift+orthogonal',
                  augment_args=augment)
    assert all(np.isfinite(value).all() for name, value in found.items() if name.startswith(('G', 'D')))
    assert np.abs(found['D/4x4/Dense0/bias']).max() > 0 and np.abs(found['G_synthesis/4x4/Conv/bias']).max() > 0


def losses_of(*argv):
    options = options_of('--dataset=cats', *argv)
    options = options.get('method_args', options)
    found = []
    for network in 'GD':
        loss = dict(options[network + '_loss_args'])
        module, _, name = loss['func_name'].rpartition('.')
        assert module == ('training.adversarial' if 'terms' in loss else 'training.loss')
        found.append(loss.get('terms', name))
    return tuple(found)


@pytest.mark.parametrize('argv, expected', [
    (['--d-loss=hinge'], ('hinge+pl:2', 'hinge')), (['--g-loss=rals:0.9'], ('rals:0.9', 'rals:0.9+r1:10')),
    (['--g-loss=hinge', '--gamma=3'], ('hinge', 'hinge+r1:3')), (['--d-loss=lsgan:0.9'], ('lsgan+pl:2', 'lsgan:0.9')),
    (['--d-loss=wgan+gp+r1:1', '--g-loss=G_wgan'], ('G_wgan', 'wgan+gp:10+r1:1')),
    (['--d-loss=D_logistic_r2', '--g-loss=logistic_saturating'], ('logistic_saturating', 'D_logistic_r2')),
    (['--config=config-a', '--d-loss=ragan+r1'], ('ragan', 'ragan+r1:10')),
    (['--config=paper512', '--aug=noaug', '--g-loss=rsgan'], ('rsgan', 'rsgan+r1:0.5')),
    (['--config=cifar', '--d-loss=hinge'], ('hinge', 'hinge')),
    (['--config=progan'], ('wgan', 'wgan+gp:10+drift:0.001')), (['--d-loss=wgan+r1:0.123456789'], (
        'wgan+pl:2', 'wgan+r1:0.123456789')),
    (['--config=progan', '--classes=3', '--g-loss=hinge'], ('hinge', 'hinge+gp:10+ac:1'))])
def test_losses_on_the_command_line(argv, expected):
    assert losses_of(*argv) == expected


def test_what_does_not_go_together():
    for argv, message in (
            (['--d-loss=hinge', '--gamma=1'], '--gamma=1.0: --d-loss=hinge does not use it'),
            (['--d-loss=hinge+r1:3', '--gamma=1'], '--gamma=1.0: --d-loss=hinge[+]r1:3 does not use it'),
            (['--g-loss=hinge', '--gamma=auto'], '--gamma=auto chooses .* but D has hinge[+]r1:10; give'),
            (['--d-loss=hinge+r1', '--gamma=auto'], '--gamma=auto chooses .* but D has hinge[+]r1:10; give')):
        with pytest.raises(UserError, match=message):
            losses_of(*argv)
