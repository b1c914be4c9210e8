"""Configurations of DCGAN, WGAN and LAPGAN: what they are published with, and what follows from the command line."""

import pytest

from dnnlib import UserError
from tests.training.options.test_classes import options_of
from training.options import lapgan, latent


def method_of(*argv):
    return options_of(*argv)['method_args']


def terms_of(*argv):
    method = method_of(*argv)
    return [method[name + '_loss_args']['terms'] for name in 'GD'] + [method.get('clip')]


def test_published_options():
    found = {name: options_of('--config=' + name) for name in list(latent.CONFIGS) + list(lapgan.CONFIGS)}
    assert [found[name]['dataset_args']['resolution'] for name in found] == [64, 64, 64, 32, 32, 64]
    assert [options['sched_args']['minibatch_size_base'] for options in found.values()] == [128] + [64] * 5
    assert [options['sched_args']['G_lrate_base'] for options in found.values()] == [
        0.0002, 0.00005, 0.0001, 0.0002, 0.02, 0.01]
    assert {options['dataset_args']['max_label_size'] for options in found.values()} == {0}
    methods = {name: options['method_args'] for name, options in found.items()}
    assert [methods[name]['num_D_steps'] for name in latent.CONFIGS] == [1, 5, 5, 5]
    assert [methods[name]['D_args']['norm'] for name in latent.CONFIGS] == ['batch', 'batch', 'layer', 'none']
    assert methods['wgan']['slow_start'] and methods['wgan']['clip'] == 0.01 and methods['wgan-gp']['clip'] is None
    assert methods['wgan-gp-cifar']['G_images'] == 2 and methods['wgan-gp-cifar']['G_args']['fmaps'] == 128
    assert found['wgan-gp-cifar']['sched_args']['D_lrate_schedule'] == 'linear:length=6400'
    small = options_of('--config=wgan-gp-cifar', '--batch=32')  # as many steps
    assert small['sched_args']['G_lrate_schedule'] == 'linear:length=3200' and small['total_kimg'] == 3200
    assert found['wgan-gp-cifar']['dataset_args']['noise'] == 1 / 128
    assert found['wgan-gp-cifar']['total_kimg'] == 6400 and methods['lapgan-lsun']['gate'] == [0.3, 0.7]
    assert methods['lapgan']['G_args'] == dict(func_name='training.networks.lapgan.G_lapgan', base=8, fmaps=64,
                                               base_units=8000, latents='uniform')
    assert [methods[name]['G_images'] for name in lapgan.CONFIGS] == [2, 2]


@pytest.mark.parametrize('argv, expected', [
    (['--config=dcgan'], ['logistic_ns', 'logistic_ns', None]), (['--config=wgan'], ['wgan', 'wgan', 0.01]),
    (['--config=wgan', '--d-loss=wgan+gp'], ['wgan', 'wgan+gp:10', None]),
    (['--config=wgan', '--clip=0'], ['wgan', 'wgan', None]),
    (['--config=wgan', '--g-loss=hinge', '--clip=1'], ['hinge', 'hinge', 1]),
    (['--config=wgan-gp', '--g-loss=rals:0.9'], ['rals:0.9', 'rals:0.9+gp:10', None]),
    (['--config=wgan-gp', '--classes=3'], ['wgan+ac:0.1', 'wgan+gp:10+ac_reals:1', None]),
    (['--config=dcgan', '--classes=3', '--condition=projection'], ['logistic_ns', 'logistic_ns', None]),
    (['--config=dcgan', '--classes=3', '--condition=classifier'], ['logistic_ns+ac:1', 'logistic_ns+ac:1', None]),
    (['--config=lapgan', '--d-loss=hinge+r1'], ['hinge', 'hinge+r1:10', None])])
def test_losses(argv, expected):
    assert terms_of(*argv) == expected


def test_networks(capsys):
    method = method_of('--config=wgan-gp', '--networks=dcgan', '--classes=all', '--width=1/8', '--resolution=32')
    assert method['G_args'] == dict(func_name='training.networks.dcgan.G_dcgan', fmaps=8, latents='normal',
                                    condition='concat')
    assert method['D_args'] == dict(func_name='training.networks.dcgan.D_dcgan', fmaps=8, condition='classifier',
                                    norm='layer')
    assert method_of('--config=dcgan', '--networks=mlp', '--width=1/4')['D_args'] == dict(
        func_name='training.networks.mlp.D_mlp', hidden=[128] * 3, condition='concat')
    assert '--width=0.25: G and D hidden=[128, 128, 128]' in capsys.readouterr().out


@pytest.mark.parametrize('argv, message', [
    (['dcgan', '--condition=dot'], '--condition=dot: there are no classes; give --classes=N'),
    (['wgan', '--clip=-1'], '--clip=-1: expected a number of at least 0'),
    (['dcgan', '--resolution=64x32'], 'draw square images; give one side'),
    (['dcgan', '--aug=ada'], '--aug: not an option of DCGAN, WGAN'),
    (['dcgan', '--precision=mixed'], 'have no mixed precision'),
    (['lapgan', '--lr=0'], '--lr=0: expected a number above 0'),
    (['lapgan', '--levels=16,12'], '--levels=12: there is no level of 12 pixels; choose from 8, 16, 32$'),
    (['lapgan', '--levels=8', '--base=16'], 'no level of 8 pixels; choose from 16, 32$'),
    (['osgan', '--d-loss=hinge'], "'hinge' of D: hinge needs two stages; give --stages=2, or one of logistic_ns, "),
    (['lapgan', '--aug=ada'], '--aug: not an option of LAPGAN')])
def test_what_is_refused(argv, message):
    with pytest.raises(UserError, match=message):
        options_of('--config=' + argv[0], *argv[1:])


def test_a_length_below_a_thousand_images_is_refused(capsys):
    with pytest.raises(SystemExit):
        options_of('--config=dcgan', '--total-kimg=0.08')
    assert "whole number of thousands of images, got '0.08'; --epochs takes fractions" in capsys.readouterr().err
