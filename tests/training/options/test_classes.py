"""Configurations of BigGAN and SAGAN: options of every one, what is refused, sizes that follow from the pictures."""

import pytest

from dnnlib import UserError
from run_training import check_arguments, make_options, parse_args
from training.options import classes


def options_of(*argv):
    args = parse_args(['--dataset=cats', *argv])
    check_arguments(args)
    return make_options(args)


def test_published_options():
    options = {name: options_of('--config=' + name) for name in classes.CONFIGS}
    big, sagan = options['biggan-128'], options['sagan-128']
    assert big['total_kimg'] == 150000 * 2048 / 1000 and big['sched_args'] == dict(
        minibatch_size_base=2048, minibatch_gpu_base=256, G_lrate_base=0.0001, D_lrate_base=0.0004)
    assert big['method_args']['G_args'] == dict(
        func_name='training.networks.biggan.G_biggan', fmaps=96, attention=[64], latent_size=120, latents='normal')
    assert options['biggan-256']['method_args']['G_args']['latent_size'] == 140
    assert options['biggan-256']['method_args']['D_args']['attention'] == [128]
    assert options['biggan-deep-128']['method_args']['G_args']['latent_size'] == 128
    assert sagan['method_args']['G_opt_args']['tf_optimizer'] == 'tf.train.AdamOptimizer'
    assert sagan['method_args']['ema_decay'] is None and sagan['method_args']['D_args']['attention'] == [32]
    assert options['bigbigan-128']['dataset_args'] == dict(max_label_size=0, tfrecord_dir='cats', resolution=256)
    assert options['bigbigan-128']['method_args']['num_D_steps'] == 2
    assert [big['dataset_args'][key] for key in ('max_label_size', 'resolution')] == [15, 128]


def test_sizes_of_a_small_training(capsys):
    options = options_of('--config=biggan-128', '--resolution=32', '--width=1/6', '--batch=32', '--classes=5',
                         '--latents=uniform', '--d-steps=2', '--kimg=9')
    G, D = (options['method_args'][name + '_args'] for name in 'GD')
    assert (G['latent_size'], G['attention'], G['fmaps'], G['latents']) == (80, [16], 16, 'uniform')
    assert D == dict(func_name='training.networks.biggan.D_biggan', fmaps=16, attention=[16])
    assert options['total_kimg'] == 9 and options['method_args']['num_D_steps'] == 2
    assert options['sched_args']['minibatch_gpu_base'] == 32 and options['dataset_args']['max_label_size'] == 5
    assert '--width=0.166667: G and D fmaps=16' in capsys.readouterr().out


@pytest.mark.parametrize('argv, message', [
    (['--latents=cauchy'], '--latents=cauchy: expected normal'),
    (['--classes=-1'], '--classes=-1: expected 0'), (['--d-steps=0'], '--d-steps=0: expected 1'),
    (['--g-lr=0'], '--g-lr=0: expected a number above 0'),
    (['--resolution=64x32'], 'draw square images; give one side'),
    (['--batch=10', '--minibatch-gpu=4'], 'a minibatch of 10 cannot be split into rounds of 4 on 1 device'),
    (['--batch=9', '--num-gpus=2'], r'9 does not divide by 2 workers: use --batch=10'),
    (['--gamma=1'], '--gamma: not an option of images of classes')])
def test_what_is_refused(argv, message):
    with pytest.raises(UserError, match=message):
        options_of('--config=biggan-128', *argv)
