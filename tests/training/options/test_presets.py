"""The configurations against the tables of the paper, and how they are listed."""

import argparse
import inspect

import pytest

import run_training
from dnnlib import UserError
from tests.test_run_training import options_of
from training.options import ada, presets, width
from training.options.stylegan2 import CONFIGS

GROWING = dict(
    lod_initial_resolution=8, minibatch_size_base=32, minibatch_size_dict={8: 256, 16: 128, 32: 64, 64: 32},
    minibatch_gpu_base=4, minibatch_gpu_dict={8: 32, 16: 16, 32: 8, 64: 4},
    G_lrate_base=0.001, G_lrate_dict={128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003},
    D_lrate_base=0.001, D_lrate_dict={128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003})
S1, S2 = 'training.networks_stylegan.', 'training.networks_stylegan2.'
REVISED = dict(func_name=S2 + 'G_main', synthesis_func='G_synthesis_stylegan_revised', fmap_base=8192)


@pytest.mark.parametrize('config, G, D, G_loss, gamma, lazy, grows', [
    ('config-a', dict(func_name=S1 + 'G_style'), dict(func_name=S1 + 'D_basic'), 'G_logistic_ns', 10, False, True),
    ('config-b', REVISED, dict(func_name=S2 + 'D_stylegan', fmap_base=8192), 'G_logistic_ns', 10, False, True),
    ('config-c', REVISED, dict(func_name=S2 + 'D_stylegan', fmap_base=8192), 'G_logistic_ns', 10, True, True),
    ('config-d', REVISED, dict(func_name=S2 + 'D_stylegan', fmap_base=8192), 'G_logistic_ns_pathreg', 10, True, True),
    ('config-e', dict(func_name=S2 + 'G_main', fmap_base=8192), dict(func_name=S2 + 'D_stylegan2', fmap_base=8192),
     'G_logistic_ns_pathreg', 100, True, False),
    ('config-f', dict(func_name=S2 + 'G_main'), dict(func_name=S2 + 'D_stylegan2'), 'G_logistic_ns_pathreg', 10, True,
     False)])
def test_table_1_of_the_paper(config, G, D, G_loss, gamma, lazy, grows):
    options = options_of('--config=' + config, '--dataset=cats')
    assert (options['G_args'], options['D_args']) == (G, D)
    assert options['G_loss_args'] == dict(func_name='training.loss.' + G_loss)
    assert options['D_loss_args'] == dict(func_name='training.loss.D_logistic_r1', gamma=gamma)
    assert options.get('lazy_regularization', True) is lazy
    assert options['sched_args'] == (GROWING if grows else dict(
        minibatch_size_base=32, minibatch_gpu_base=4, G_lrate_base=0.002, D_lrate_base=0.002))


def test_table_2_of_the_paper():
    assert len([name for name in CONFIGS if name.startswith('config-')]) == 15
    for G in ('orig', 'skip', 'resnet'):
        for D in ('orig', 'skip', 'resnet'):
            options = options_of('--config=config-e-G{}-D{}'.format(G, D), '--dataset=cats')
            assert (options['G_args'].pop('architecture'), options['D_args'].pop('architecture')) == (G, D)
            assert options == options_of('--config=config-e', '--dataset=cats')


@pytest.mark.parametrize('argv, lines', [(['--list-configs'], 10), (['--help'], 60)])
def test_configurations_are_listed_by_method(argv, lines, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_training.main(argv)
    out = capsys.readouterr().out
    assert stopped.value.code == 0 and len(out.splitlines()) >= lines
    assert 'StyleGAN, StyleGAN2:\nconfig    generator ' in out  # of which method they are
    assert 'config-b  G_synthesis_stylegan_revised  D_stylegan        8192 ' in out and '+ weight demodulation' in out
    assert 'config-a  G_style                       D_basic           8192 ' in out
    assert 'config-f  G_main                        D_stylegan2       16384 ' in out
    assert 'minibatch 32, 256 at 8, 128 at 16, 64 at 32, 32 at 64; per GPU 4, 32 at 8,' in out
    assert 'learning rate 0.001, 0.0015 at 128, 0.002 at 256, 0.003 at 512, 0.003 at 1024\n' in out
    of_ada = out.split('\nStyleGAN2-ADA:\n')[1].splitlines()
    assert [line.split()[0] for line in of_ada[1:10]] == ['auto', 'auto'] + list(presets.METHODS['ada'].configs)[1:]
    assert of_ada[4].endswith('config-f, which the ADA release trains in mixed precision')
    assert of_ada[8].split()[:11] == 'cifar 64 32 32 8192 0.0025 0.01 500 0.05 2 100000'.split()


def test_listed_feature_maps_are_the_networks_defaults():
    from training import networks_stylegan, networks_stylegan2
    for function, expected in [(networks_stylegan.G_synthesis, 8192), (networks_stylegan.D_basic, 8192),
                               (networks_stylegan2.G_synthesis_stylegan2, 16384),
                               (networks_stylegan2.D_stylegan2, 16384)]:
        assert inspect.signature(function).parameters['fmap_base'].default == expected


def test_every_configuration_is_of_one_method():
    names = [name for preset in presets.METHODS.values() for name in preset.configs]
    assert len(set(names)) == len(names)
    for name, preset in presets.METHODS.items():
        assert all(presets.find(config) is preset for config in preset.configs), name
    with pytest.raises(UserError, match="unknown configuration 'config-ff'; did you mean config-f[?] choose from auto"):
        presets.find('config-ff')


@pytest.fixture(name='critics')
def fixture_critics(monkeypatch):
    """A second method, with the flags --gamma and --n-critic."""
    def add_options(parser):
        parser.add_argument('--gamma', default='much')
        parser.add_argument('--n-critic', type=int, default=5)

    def check(args):
        if args.n_critic < 1:
            raise UserError(f'--n-critic={args.n_critic}: expected 1 or more')
    preset = presets.METHODS['stylegan2']._replace(
        title='Critics', configs=dict(toy=1), table=lambda: ['toy'], add_options=add_options, check=check)
    monkeypatch.setitem(presets.METHODS, 'critics', preset)


@pytest.mark.usefixtures('critics')
def test_each_method_brings_its_flags(capsys):
    args = run_training.parse_args(['--dataset=cats', '--config=toy', '--n-critic=2'])
    assert (args.gamma, args.n_critic) == ('much', 2) and not hasattr(args, 'freeze_d')
    args = run_training.parse_args(['--dataset=cats', '--gamma=2'])
    assert args.gamma == 2 and not hasattr(args, 'n_critic')
    with pytest.raises(UserError, match='--n-critic=0: expected 1 or more'):
        run_training.check_arguments(run_training.parse_args(['--dataset=cats', '--config', 'toy', '--n-critic=0']))
    for config, own, foreign in [('toy', '--n-critic', '--freeze-d'), ('config-a', '--freeze-d', '--n-critic')]:
        with pytest.raises(SystemExit):
            run_training.main(['--help', '--config=' + config])
        options = capsys.readouterr().out.split('options of ')[1]
        assert own in options and '--gamma' in options and foreign not in options


@pytest.mark.usefixtures('critics')
@pytest.mark.parametrize('argv, message', [
    (['--n-critic=2'], '--n-critic: not an option of StyleGAN, StyleGAN2, the method of --config=config-f, but of '
     'Critics [(]such as --config=toy[)]; drop it'),
    (['--config=toy', '--gamma=1', '--freeze-mapping'], '--freeze-mapping: not an option of Critics, the method of '
     '--config=toy, but of StyleGAN, StyleGAN2 [(]such as --config=config-a[)]')])
def test_flags_of_another_method_are_refused(argv, message):
    with pytest.raises(UserError, match=message):
        run_training.main(['--dataset=cats'] + argv)


@pytest.mark.parametrize('config, expected_G, expected_D', [
    ('config-a', dict(fmap_base=2048, fmap_max=128, latent_size=128, dlatent_size=128, mapping_fmaps=128),
     dict(fmap_base=2048, fmap_max=128)),
    ('config-e', dict(fmap_base=2048, fmap_max=128, latent_size=128, dlatent_size=128, mapping_fmaps=128),
     dict(fmap_base=2048, fmap_max=128)),
    ('config-f', dict(fmap_base=4096, fmap_max=128, latent_size=128, dlatent_size=128, mapping_fmaps=128),
     dict(fmap_base=4096, fmap_max=128)),
    ('paper512', dict(fmap_base=4096, fmap_max=128, latent_size=128, dlatent_size=128), dict(
        fmap_base=4096, fmap_max=128)),
    ('small', dict(fmap_base=128, fmap_max=32, latent_size=64, dlatent_size=64), dict(fmap_base=128, fmap_max=32))])
def test_a_width_multiplies_all_feature_maps(config, expected_G, expected_D, capsys):
    argv = ['--config=' + config, '--dataset=cats', '--resolution=32', '--batch=16']
    published = options_of(*argv)
    assert options_of('--width=1', *argv) == published and '--width' not in capsys.readouterr().out
    options = options_of('--width=1/4', *argv)
    out = capsys.readouterr().out
    for name, expected in (('G_args', expected_G), ('D_args', expected_D)):
        assert options.pop(name) == dict(published.pop(name), **expected)
    assert options == published  # the rest
    assert f'--width=0.25: G fmap_base={expected_G["fmap_base"]}, fmap_max={expected_G["fmap_max"]}, latent' in out


def test_widths_are_of_functions_and_fit_the_defaults():
    from training import networks_ada, networks_stylegan, networks_stylegan2
    for module, base in ((networks_ada, 16384), (networks_stylegan, 8192), (networks_stylegan2, 16384)):
        for name in [name for name in vars(module) if name.startswith(('G_synthesis', 'G_mapping', 'D_'))]:
            for key, value in [('fmap_base', base), ('fmap_max', width.FMAP_MAX)] + [(k, 512) for k in width.MAPPING]:
                parameter = inspect.signature(getattr(module, name)).parameters.get(key)
                assert parameter is None or parameter.default in (value, None), (name, key)
    assert [width.argument(text) for text in ('1/4', '0.25', '1', '2', '1/3')] == [0.25, 0.25, 1, 2, 1 / 3]
    for text in ('0', '-1', '1/0', 'nan', 'inf', 'half', '', '1/', '9', '1/4/2'):
        with pytest.raises(argparse.ArgumentTypeError, match='expected a number above 0 and at most 8 such as 1/4'):
            width.argument(text)


def test_small_is_auto_for_two_cores(capsys):
    argv = ['--dataset=cats', '--resolution=64', '--set', 'dataset.max_label_size=0']
    options = options_of('--config=small', *argv)
    assert ('--config=small: 1000 images of 64x64 pixels take about 48s on two processor cores, 200 thousand about 2h '
            '40m') in capsys.readouterr().out
    auto = options_of('--config=auto', '--batch=8', '--gamma=1', *argv)
    changed = {name for name in options if options[name] != auto.get(name)}
    assert changed == {'total_kimg', 'image_snapshot_ticks', 'network_snapshot_ticks', 'G_args', 'D_args', 'sched_args',
                       'grid_args', 'augment_args'}
    assert options['G_args'] == dict(auto['G_args'], fmap_base=1024, fmap_max=128, latent_size=128, dlatent_size=128)
    assert options['D_args'] == dict(auto['D_args'], fmap_base=1024, fmap_max=128)
    assert options['sched_args'] == dict(auto['sched_args'], tick_kimg_base=2)
    assert options['sched_args']['minibatch_size_base'] == options['sched_args']['minibatch_gpu_base'] == 8
    assert options['augment_args'] == dict(auto['augment_args'], tune_kimg=100)
    assert (options['total_kimg'], options['network_snapshot_ticks'], options['G_smoothing_kimg']) == (200, 4, 2.5)
    options = options_of('--config=small', '--snap=7', '--total-kimg=9', *argv)
    assert (options['total_kimg'], options['network_snapshot_ticks']) == (9, 7)
    assert 'on two processor cores at --width=1, 1 thousand' in ada.expect([3, 64, 64], 1, 0.5)[0]
    assert '--config=small is for 32 to 128 pixels; with --resolution=64' in ada.expect([3, 256, 256], 1)[1]
