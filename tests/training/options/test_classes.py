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
    options = {name: options_of('--config=' + name) for name in classes.CONFIGS if not name.startswith('dogs-')}
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
    assert '--width=0.166667: G fmaps=16, D fmaps=16' in capsys.readouterr().out


@pytest.mark.parametrize('argv, message', [
    (['--latents=cauchy'], '--latents=cauchy: expected normal'),
    (['--classes=-1'], '--classes=-1: expected 0'), (['--d-steps=0'], '--d-steps=0: expected 1'),
    (['--g-lr=0'], '--g-lr=0: expected a number above 0'),
    (['--resolution=64x32'], 'draw square images; give one side'),
    (['--batch=10', '--minibatch-gpu=4'], 'a minibatch of 10 cannot be split into rounds of 4 on 1 device'),
    (['--batch=9', '--num-gpus=2'], r'9 does not divide by 2 workers: use --batch=10'),
    (['--d-loss=hinge+ac'], 'term ac is not'),
    (['--gamma=1'], '--gamma: not an option of images of classes')])
def test_what_is_refused(argv, message):
    with pytest.raises(UserError, match=message):
        options_of('--config=biggan-128', *argv)


def test_one_rate_for_both_networks():
    for argv, expected in [(['--lr=0.5'], [0.5, 0.5]), (['--lr=0.5', '--d-lr=0.1'], [0.5, 0.1])]:
        sched = options_of('--config=biggan-128', *argv)['sched_args']
        assert [sched[name + '_lrate_base'] for name in 'GD'] == expected
    assert options_of('--config=osgan', '--lr=0.5')['sched_args']['D_lrate_base'] == 0.5


def test_losses_and_rates():
    options = options_of('--config=biggan-128', '--g-loss=rals:0.9', '--lr-schedule=linear:length=9', '--d-lr=0.1')
    assert [options['method_args'][name + '_loss'] for name in 'GD'] == ['rals:0.9', 'rals:0.9']
    sched = options['sched_args']
    assert (sched['D_lrate_schedule'], sched['D_lrate_base']) == ('linear:length=9', 0.1)
    assert 'G_loss' not in options_of('--config=biggan-128')['method_args']
    with pytest.raises(UserError, match='BigBiGAN has a loss of its own'):
        options_of('--config=bigbigan-128', '--d-loss=hinge')


def test_entries_of_the_contest(capsys):
    first, fifth, third, other = (options_of('--config=dogs-' + name) for name in (
        'biggan-1st', 'biggan-5th', 'sagan-3rd', 'biggan-lb42'))
    out = capsys.readouterr().out
    assert 'dogs-biggan-1st: rank 1' in out and '\n  not said, and taken: feature maps (here 35 and 41' in out
    for options in (first, fifth, third, other):
        assert options['mirror_augment'] is True and options['dataset_args']['resolution'] == 64
        assert options['sched_args']['minibatch_size_base'] == options['sched_args']['minibatch_gpu_base'] == 32
    method = first['method_args']
    assert (method['D_loss'], method['G_loss'], method['ema_decay']) == ('logistic_ns:0.9', 'logistic_ns', None)
    assert (method['G_args']['latent_size'], method['G_args']['attention']) == (120, [32])
    assert [method[name + '_args'][key] for key in ('fmaps', 'nonlinearity') for name in 'GD'] == [
        35, 41, 'lrelu', 'lrelu']
    assert [first['sched_args'][name + '_lrate_base'] for name in 'GD'] == [0.0003, 0.0003]
    method = fifth['method_args']
    assert [method['G_args'][key] for key in ('fmaps', 'latent_size', 'attention', 'sn_epsilon')] == [
        32, 100, [32], 1e-8]
    assert (method['D_args']['fmaps'], method['ema_start'], 'D_loss' in method) == (64, 30000, False)
    assert fifth['dataset_args']['moves'] == [0.06, 0.06, 0.18, 6] and 'moves' not in first['dataset_args']
    method = third['method_args']
    assert (method['G_args']['attention'], method['D_args']['attention'], method['G_args']['latent_size']) == (
        [32], [16], 180)
    assert third['sched_args']['G_lrate_schedule'].startswith('cosine_restarts:length=165')
    assert other['method_args']['G_opt_args']['beta1'] == 0.2 and other['total_kimg'] == 1280
    assert other['sched_args']['D_lrate_schedule'] == 'exponential:gamma=0.9997,length=0.032,start=1024'
    larger, third = (options_of(f'--config=dogs-{name}', '--batch=64') for name in ('biggan-lb42', 'sagan-3rd'))
    assert larger['sched_args']['G_lrate_schedule'] == 'exponential:gamma=0.9997,length=0.064,start=2048'
    assert third['sched_args']['G_lrate_schedule'].startswith('cosine_restarts:length=165,')  # it has epochs, not steps
    args = parse_args(['--dataset=cats', '--config=dogs-biggan-1st', '--mirror=False', '--resolution=32', '--kimg=2'])
    options = make_options(args)
    assert (options['mirror_augment'], options['total_kimg'], args.epochs) == (False, 2, None)
    args = parse_args(['--dataset=cats', '--config=dogs-biggan-1st'])
    make_options(args)
    assert args.epochs == 130
    style = options_of('--config=dogs-stylegan-8th')
    assert [style[name + '_args']['fmap_max'] for name in 'GD'] == [256, 256] and style['mirror_augment'] is True
    grown = options_of('--config=dogs-progan')
    assert grown['dataset_args'] == dict(max_label_size='full', jitter=[0.1, 0.1, 0.1, 0.02], tfrecord_dir='cats',
                                         resolution=64)
    assert options_of('--config=progan')['dataset_args'] == dict(max_label_size=0, tfrecord_dir='cats')
