"""Options about augmentation, and the short names of options, for the configurations of both methods."""

import json
import os
import shutil

import pytest

import run_training
from dnnlib import UserError, cli
from training.options import augmentation, augmenting, continuing

BGC = dict.fromkeys(augmentation.PRESETS['bgc'], 1)


def options_of(*argv):
    """Options of a command line, after all checks but those of the device."""
    args = run_training.parse_args(('--dataset=cats', '--metrics=none') + argv)
    run_training.check_arguments(args)
    return run_training.make_options(args)


def test_configurations_of_the_papers_before_ada_do_not_augment():
    for config in ('config-a', 'config-f'):
        assert 'augment_args' not in options_of('--config=' + config)
        found = options_of('--config=' + config, '--aug=ada')
        assert found['augment_args'] == dict(
            BGC, func_name='training.augment.augment_pipeline', tune_heuristic='rt', tune_target=0.6, tune_kimg=500,
            initial_strength=0, max_strength=1)
        del found['augment_args']
        assert found == options_of('--config=' + config)  # nothing else changes
    assert 'augment_args' not in options_of('--config=paper256', '--aug=noaug')


@pytest.mark.parametrize('argv, expected, line', [
    (['--p=0.2', '--p-max=0.8', '--target=0.5', '--augpipe=bg'], dict(
        dict.fromkeys(augmentation.PRESETS['bg'], 1), func_name=augmentation.PIPELINE, tune_heuristic='rt',
        tune_target=0.5, tune_kimg=500, initial_strength=0.2, max_strength=0.8),
     'bg, p from 0.2 to at most 0.8, to keep rt at 0.5; p moves by 1 in 500 kimg'),
    (['--aug=adarv', '--holdout=0.2', '--augpipe=blit'], dict(
        xflip=1, rotate90=1, xint=1, func_name=augmentation.PIPELINE, tune_heuristic='rv', tune_target=0.5,
        tune_kimg=500, initial_strength=0, max_strength=1),
     'blit, p from 0 to at most 1, to keep rv at 0.5; p moves by 1 in 500 kimg'),
    (['--aug=fixed', '--p=0.3', '--augpipe=noise'], dict(
        noise=1, func_name=augmentation.PIPELINE, initial_strength=0.3), 'noise, p = 0.3'),
    (['--augpipe=diffaugment'], dict(func_name=augmentation.DIFFAUGMENT, initial_strength=1), 'diffaugment, p = 1'),
    (['--augpipe=diffaugment', '--aug=fixed', '--p=0.5'], dict(
        func_name=augmentation.DIFFAUGMENT, initial_strength=0.5), 'diffaugment, p = 0.5'),
    (['--aug=noaug', '--cmethod=pagan'], dict(
        func_name=None, tune_heuristic='rt', tune_target=0.95, tune_kimg=500, initial_strength=0, max_strength=1),
     'none; D is told how much it overfits, p from 0 to at most 1, to keep rt at 0.95; p moves by 1 in 500 kimg'),
    (['--aug=noaug', '--cmethod=adropout', '--p=0.1', '--p-max=0.9', '--target=0.7', '--set', 'augment.tune_kimg=50'],
     dict(func_name=None, tune_heuristic='rt', tune_target=0.7, tune_kimg=500, initial_strength=0.1, max_strength=0.9),
     'none; D is told how much it overfits, p from 0.1 to at most 0.9, to keep rt at 0.7; p moves by 1 in 500 kimg')])
def test_what_augments(argv, expected, line):
    found = options_of('--config=paper256', *argv)['augment_args']
    assert found == expected and augmenting.describe(found) == 'Augmentation: ' + line


def test_descriptions_of_settings():
    assert augmenting.describe(None) == 'Augmentation: none'
    args = dict(func_name=augmentation.PIPELINE, xflip=1, xint=0.5, initial_strength=1)
    assert augmenting.describe(args) == 'Augmentation: xflip 1, xint 0.5, p = 1'
    assert augmenting.describe(dict(args, xflip=0, xint=0)) == 'Augmentation: no operation, p = 1'
    assert augmenting.describe(dict(args, xint=0, tune_heuristic='rt', tune_target=None)) == (
        'Augmentation: xflip 1, p from 1 to at most 1, to keep rt at 0.6; p moves by 1 in 500 kimg')


@pytest.mark.parametrize('argv, message', [
    (['--config=config-f', '--p=0.2'], '--p=0.2: has no effect with --aug=noaug; drop it or add --aug=ada or adarv or'),
    (['--aug=noaug', '--cmethod=pagan', '--augpipe=bg'], '--augpipe=bg: has no effect with --aug=noaug'),
    (['--config=config-f', '--set', 'augment.xflip=0'], '--set augment.[*]: nothing is augmented; add --aug=ada'),
    (['--aug=fixed', '--p=0.5', '--p-max=0.8'], '--p-max=0.8: has no effect with --aug=fixed; drop it'),
    (['--aug=adarv'], '--aug=adarv: it compares with images that are not trained on; add --holdout=0.1'),
    (['--target=-0.1'], '--target=-0.1: expected 0 to 1'), (['--p=1.1'], '--p=1.1: expected 0 to 1'),
    (['--p=0.9', '--p-max=0.8'], '--p-max=0.8: expected at least --p, which is 0.9'),
    (['--augpipe=bcg'], "--augpipe: unknown pipeline 'bcg'; did you mean bg[?] choose from blit, geom"),
    (['--augpipe=diffaugment', '--aug=ada'], '--augpipe=diffaugment: its strength does not adapt; use --aug=fixed'),
    (['--config=config-f', '--cmethod=bcr'], '--cmethod: not an option of StyleGAN, StyleGAN2, the method of --config='
     'config-f, but of StyleGAN2-ADA [(]such as --config=auto[)]'),
    (['--cmethod=zcr', '--d-loss=hinge'], '--cmethod=zcr: has losses of its own; drop --g-loss and --d-loss'),
    (['--aug=noaug', '--cmethod=wgangp', '--gamma=1'], '--gamma=1.0: --cmethod=wgangp does not use gamma'),
    (['--cmethod=auxrot'], '--cmethod=auxrot: only for data without labels, and these have 66; add --set dataset.max_'),
    (['--dcap=0'], '--dcap=0: expected a number above 0'), (['--lr=0'], '--lr=0: expected a number above 0'),
    (['--batch=0'], '--batch=0: expected 1 to'),
    (['--batch=31'], '--config=paper256: a minibatch of 31 images cannot be split into rounds of 8 on 1 GPU; give')])
def test_bad_values_are_named(argv, message):
    with pytest.raises(UserError, match=message):
        options_of('--config=paper256', *argv)


def test_labels_are_used_where_they_are_unless_told_not_to():
    assert options_of('--config=paper256')['dataset_args'] == dict(tfrecord_dir='cats', max_label_size='any')
    args = ['--set', 'dataset.max_label_size=0', '--set', 'dataset.resolution=32']
    options = options_of('--config=auto', '--cmethod=auxrot', *args)
    assert options['D_args']['score_max'] == 5 and options['D_loss_args']['gamma'] == 0.0002 * 32 * 32 / 32


def test_short_names():
    expected = options_of('--total-kimg=7', '--mirror-augment=yes', '--resume=cats64', '--freeze-d=2')
    assert options_of('--kimg=7', '--mirror=1', '--resume=cats64', '--freezed=2') == expected
    assert options_of('--mirror', '--kimg=7', '--resume=cats64', '--freezed=2') == expected
    assert (expected['total_kimg'], expected['mirror_augment'], expected['freeze_d']) == (7, True, 2)
    assert options_of('--kimg=7', '--total-kimg=7')['total_kimg'] == 7
    assert options_of('--kimg=8', '--kimg=7')['total_kimg'] == 7  # of one name the last counts, as ever
    assert options_of('--resolution=32')['dataset_args'] == dict(tfrecord_dir='cats', resolution=32)
    assert options_of('--resolution=40x32')['dataset_args']['resolution'] == [40, 32]


@pytest.mark.parametrize('argv, message', [
    (['--kimg=7', '--total-kimg=8'], '--kimg and --total-kimg are the same option, but got 7 and 8; give one of them'),
    (['--mirror-augment=no', '--mirror=yes'], 'are the same option, but got False and True'),
    (['--freeze-d=1', '--freezed=2'], 'are the same option, but got 1 and 2')])
def test_two_names_of_an_option_must_agree(argv, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.run_main(run_training.main, ['--dataset=cats'] + argv)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count('\n') == 1


def test_minibatch_and_rate_of_every_configuration(capsys):
    sched = options_of('--config=config-f', '--batch=16', '--lr=0.001')['sched_args']
    assert sched == dict(minibatch_size_base=16, minibatch_gpu_base=4, G_lrate_base=0.001, D_lrate_base=0.001)
    assert capsys.readouterr().out == ''
    sched = options_of('--config=config-a', '--batch=6', '--lr=0.001')['sched_args']
    assert sched == dict(lod_initial_resolution=8, minibatch_size_base=6, minibatch_gpu_base=3, G_lrate_base=0.001,
                         D_lrate_base=0.001)
    assert capsys.readouterr().out == '--batch and --lr: at every resolution, instead of the table of config-a\n'
    options = options_of('--config=auto', '--resolution=64', '--batch=8', '--minibatch-gpu=4', '--lr=0.001')
    assert options['sched_args'] == dict(
        minibatch_size_base=8, minibatch_gpu_base=4, G_lrate_base=0.001, D_lrate_base=0.001, tick_kimg_base=4,
        tick_kimg_dict={})
    assert options['D_loss_args']['gamma'] == 0.0002 * 64 * 64 / 8 and options['G_smoothing_kimg'] == 2.5  # by the rule
    options = options_of('--config=paper256', '--batch=2', '--minibatch-gpu=1')
    assert options['sched_args']['minibatch_gpu_base'] == 1
    assert 'One image per device and round' in capsys.readouterr().out
    for method in ('zcr', 'auxrot'):
        options_of('--config=paper256', '--batch=2', '--minibatch-gpu=1', '--cmethod=' + method, '--set',
                   'dataset.max_label_size=0')
        assert 'One image per device and round' in capsys.readouterr().out


def test_a_run_that_began_with_networks_is_resumed_with_the_same_options(tmp_path, monkeypatch):
    from training.state import files
    monkeypatch.chdir(tmp_path)
    argv = ['--config=auto', '--resolution=32']
    (tmp_path / 'x.pkl').write_bytes(b'\x80\x02.')
    options = options_of('--resume=x.pkl', *argv)
    assert options['augment_args']['tune_kimg'] == 100 and 'G_smoothing_rampup' not in options
    assert options_of(*argv)['augment_args']['tune_kimg'] == 500
    assert options_of(*argv)['G_smoothing_rampup'] == 0.05
    state = os.path.join('run', 'state', '000000032')
    os.mkdir('ffhq256')
    with pytest.raises(UserError, match='of that name, which this folder hides, is https://.*/ffhq-res256'):
        continuing.check_start('ffhq256')
    for name, saved in [('run', dict(options, resume_pkl='x.pkl')), ('further', dict(options, resume_state=state))]:
        os.makedirs(os.path.join(name, 'state', '000000032'))
        files.write_manifest(os.path.join(name, 'state', '000000032'), files.new_counters(32))
        with open(os.path.join(name, continuing.OPTIONS_FILE), 'w') as f:
            json.dump(saved, f)
        for resume in (name, os.path.join(name, 'state', '000000032')):
            resumed = options_of('--resume=' + resume, *argv)
            assert resumed == options
            assert continuing.choose_run(resume, 'results', 'x', resumed) == (name if resume == name else None)
    shutil.rmtree(os.path.join('run', 'state'))  # as --keep does
    assert options_of('--resume=further', *argv) == options
    shutil.rmtree('run')
    assert options_of('--resume=further', *argv)['G_smoothing_rampup'] == 0.05  # now nobody knows
