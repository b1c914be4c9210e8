"""The command line of the training: bad input, and a training that is stopped and continued."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

import run_training
from dnnlib import EasyDict, UserError, cli
from training.options import continuing
from training.options.stylegan2 import D_LOSSES, G_LOSSES

ROOT = os.path.dirname(os.path.abspath(run_training.__file__))
SMALL = ['--dataset=cats', '--device=cpu', '--set', 'dataset.resolution=8', '--set', 'G.fmap_max=8', '--set',
         'D.fmap_max=8', '--set', 'G.mapping_layers=2', '--set', 'G.mapping_fmaps=8', '--set', 'G.latent_size=8',
         '--set', 'G.dlatent_size=8', '--set', 'sched.minibatch_size_base=8', '--set', 'sched.minibatch_gpu_base=8',
         '--set', 'sched.tick_kimg_dict={8: 0.032}', '--set', 'grid.size=3x2']


def options_of(*argv):
    """Options of a command line without `--set`."""
    return run_training.make_options(run_training.parse_args(argv))


@pytest.mark.parametrize('argv, has_gpu, names', [
    ([], True, ['fid50k']), ([], False, []), (['--metrics=none'], True, []),
    (['--metrics=is1k,kid1k', '--holdout=0.1'], False, ['is1k', 'kid1k'])])
def test_metrics_and_held_out_images(monkeypatch, argv, has_gpu, names):
    from metrics import metric_base
    from training import training_loop
    measured, trained = [], {}
    monkeypatch.setattr(metric_base, 'has_gpu', lambda tf_config: has_gpu)
    monkeypatch.setattr(metric_base, 'MetricGroup', lambda table, **_settings: measured.extend(
        kwargs['name'] for kwargs in table) or EasyDict(check_weights=lambda: None))
    monkeypatch.setattr(training_loop, 'training_loop', lambda **options: trained.update(options))
    options = run_training.make_options(run_training.parse_args(['--dataset=cats'] + argv))
    run_training.train(EasyDict(run_dir='x'), **options)
    assert measured == names and trained.get('holdout') == (0.1 if '--holdout=0.1' in argv else None)


def test_metrics_end_at_a_signal_or_an_abort_file(tmp_path, monkeypatch):
    from training import training_loop
    group, asked = EasyDict(should_stop=None, metrics=[], check_weights=lambda: None), []

    def train(stop_signals, **_options):
        for received, abort in ((0, False), (15, False), (0, True)):
            stop_signals.received = received
            if abort:
                (tmp_path / 'abort.txt').write_text('')
            asked.append(group.should_stop())
    monkeypatch.setattr(run_training, 'make_metrics', lambda names, tf_config, should_stop: group.update(
        should_stop=should_stop) or group)
    monkeypatch.setattr(training_loop, 'training_loop', train)
    run_training.train(EasyDict(run_dir=str(tmp_path)), **options_of('--dataset=cats'))
    assert asked == [False, True, True]


def test_missing_weights_of_metrics_are_found_before_the_training(tmp_path, monkeypatch, capsys):
    from metrics import metric_base
    from metrics.features import inception_v3
    calls, load = [], inception_v3.load
    monkeypatch.setenv('STYLEGAN2_INCEPTION', str(tmp_path / 'nothing.pth'))
    monkeypatch.setattr(metric_base, 'has_gpu', lambda tf_config: True)
    monkeypatch.setattr(inception_v3, 'load', lambda: calls.append(None) or load())
    with pytest.raises(UserError, match='--metrics: STYLEGAN2_INCEPTION=.*nothing.pth: no such file; give the path'):
        run_training.make_metrics(['is1k', 'fid1k', 'kid1k'], None, None)
    assert run_training.make_metrics(None, None, None).metrics == []  # nobody asked for them
    assert 'Training without metrics: STYLEGAN2_INCEPTION=' in capsys.readouterr().out
    monkeypatch.setattr(inception_v3, 'load', lambda: calls.append(None))
    del calls[:]
    assert len(run_training.make_metrics(['is1k', 'fid1k'], None, None).metrics) == 2 and len(calls) == 1


def test_published_hyper_parameters():
    options = options_of('--config=config-f', '--dataset=ffhq', '--data-dir=datasets')
    assert options == dict(
        data_dir='datasets', total_kimg=25000, mirror_augment=False, seed=1000, image_snapshot_ticks=10,
        network_snapshot_ticks=10, checkpoint_minutes=10, keep=2, keep_best=None, strict=False, freeze_d=0,
        freeze_mapping=False, nan_patience=100, bad='stop', data_workers='auto',
        G_args=dict(func_name='training.networks_stylegan2.G_main'),
        D_args=dict(func_name='training.networks_stylegan2.D_stylegan2'),
        G_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8), D_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8),
        G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
        D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma=10),
        dataset_args=dict(tfrecord_dir='ffhq'),
        sched_args=dict(minibatch_size_base=32, minibatch_gpu_base=4, G_lrate_base=0.002, D_lrate_base=0.002),
        grid_args=dict(size='8k', layout='random'), metric_arg_list=None,
        tf_config=dict(device='auto', ops=os.environ.get('STYLEGAN2_OPS') or 'auto'))


def test_losses_by_name():
    from training import loss
    functions = {name for name in vars(loss) if name.startswith(('G_', 'D_'))}
    assert set(G_LOSSES + D_LOSSES) == functions - {'G_compared', 'D_compared'}  # these are for --cmethod
    options = options_of('--dataset=cats', '--g-loss=G_wgan', '--d-loss=D_wgan_gp')
    assert options['G_loss_args'] == dict(func_name='training.loss.G_wgan')
    assert options['D_loss_args'] == dict(func_name='training.loss.D_wgan_gp')
    options = options_of('--dataset=cats', '--d-loss=D_logistic_r2', '--gamma=5')
    assert options['D_loss_args'] == dict(func_name='training.loss.D_logistic_r2', gamma=5.0)


def test_dry_run_builds_and_runs_and_writes_nothing(tmp_path, monkeypatch, capsys):
    import tensorflow.compat.v1 as tf
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('STYLEGAN2_OPS', 'ref')  # nothing is built
    with tf.Graph().as_default():
        try:
            assert run_training.main(SMALL + ['--dry-run', '--result-dir=results']) == 0
        finally:
            cli.load_tensorflow().close_tf()
    out = capsys.readouterr().out
    assert 'Training options:' in out and '\nG.fmap_max=8 (default 512)\n' in out and 'G_synthesis/4x4/Conv' in out
    assert 'Ran every operation of an iteration once, 8 images of 8x8 pixels' in out
    assert os.listdir('.') == []


def make_run(path, argv, resume_pkl=None):
    """A run directory with a state and the options of a command line, but with another fmap_base."""
    from training.state import files
    (path / 'state' / '000000032').mkdir(parents=True)
    files.write_manifest(str(path / 'state' / '000000032'), files.new_counters(32))
    options = options_of(*argv)
    options['G_args']['fmap_base'] = 5
    if resume_pkl is not None:
        options['resume_pkl'] = resume_pkl
    (path / 'training_options.json').write_text(json.dumps(options))


def test_what_a_run_directory_was_begun_from_is_kept(tmp_path):
    make_run(tmp_path / 'run', ['--dataset=cats'], resume_pkl='gone.pkl')
    options = options_of('--dataset=cats', '--total-kimg=3')
    options['G_args']['fmap_base'] = 5
    assert continuing.choose_run(str(tmp_path / 'run'), 'x', 'x', options) == str(tmp_path / 'run')
    assert options['resume_pkl'] == 'gone.pkl'


def test_published_networks_can_be_resumed_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = 'gdrive:networks/stylegan2-ffhq-config-f.pkl'
    run_training.check_arguments(run_training.parse_args(['--dataset=cats', '--resume=' + name]))
    options = options_of('--dataset=cats')
    assert continuing.choose_run(name, 'results', 'x', options) is None
    assert options['resume_pkl'] == name


@pytest.mark.parametrize('assignments, message', [
    (['sched.minibatch_gpu_base=6', 'sched.minibatch_size_base=6'], 'not a multiple of mbstd_group_size 4'),
    (['D.mbstd_num_features=3'], 'mbstd_num_features must divide the 8 feature maps'),
    (['G.nonlinearity=foo'], "unknown activation 'foo'"), (['G.resample_kernel=5'], ''),
    (['train.minibatch_repeats=0'], 'minibatch_repeats must be'),
    (['sched.tick_kimg_dict=5'], 'tick_kimg_dict must be a table of numbers by resolution'),
    (['sched.lod_initial_resolution=4'], 'network G cannot grow; use the networks of config-a to config-d'),
    (['G.dtype=float99'], 'cannot be set up'), (['G.mapping_layers=0'], 'mapping_layers must be')])
def test_bad_values_of_set_are_one_line_and_leave_nothing(assignments, message, tmp_path, capsys):
    import tensorflow.compat.v1 as tf
    argv = SMALL + ['--total-kimg=0', '--result-dir', str(tmp_path / 'results')]
    for assignment in assignments:
        argv += ['--set', assignment]
    with tf.Graph().as_default(), pytest.raises(SystemExit) as stopped:
        try:
            cli.run_main(run_training.main, argv)
        finally:
            if tf.get_default_session() is not None:
                cli.load_tensorflow().close_tf()
    error = capsys.readouterr().err
    assert stopped.value.code == 2, error
    assert error.count('\n') == 1 and message in error
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('argv, message', [
    (['--config=config-g'], "--config: unknown configuration 'config-g'; did you mean config-"),
    (['--d-loss=D_wgan', '--gamma=1'], '--gamma=1.0: D_wgan does not use gamma; drop --gamma'),
    (['--num-gpus=0'], '--num-gpus=0: expected a number from 1 on'),
    (['--total-kimg=-1'], '--total-kimg=-1: expected 0 to'),
    (['--snap=0'], '--snap=0: expected 1 to'),
    (['--seed=4294967296'], '--seed=4294967296: expected 0 to 4294967295'),
    (['--dataset=missing'], "--dataset=missing: there is no 'missing'"),
    (['--data-dir=missing'], '--data-dir=missing: folder not found'),
    (['--resume=missing.pkl'], '--resume=missing.pkl: expected auto, none, a run directory, a saved state or a net'),
    (['--keep=0'], '--keep=0: expected 1 to'), (['--freeze-d=-1'], '--freeze-d=-1: expected 0 to'),
    (['--freeze-mapping'], '--freeze-mapping: untrained layers would stay random; give --resume=PKL'),
    (['--strict'], '--strict: there is nothing to compare with'),
    (['--keep-best=fid50k'], '--keep-best=fid50k: expected a result of --metrics that has a best value: none; list'),
    (['--keep-best=pr50k3', '--metrics=pr50k3,nearest'], 'has a best value: pr50k3_precision, pr50k3_recall'),
    (['--metrics=nosuch'], "--metrics: unknown metric 'nosuch'; choose from cats, domains_cats, domains_fid"),
    (['--holdout=1'], '--holdout=1: expected a share from 0 to below 1'),
    (['--result-dir=setup.cfg/x'], "cannot write to folder 'setup.cfg/x'"),
    (['--resume=tests'], "'tests' holds no saved state"),
    (['--resume=gdrive:networks/x'], "no published network is called 'gdrive:networks/x'"),
    (['--resume=run'], '--resume=run: G.fmap_base is 5 in that run but not set now'),
    (['--resume=setup.cfg'], 'not a network file')])
def test_bad_options_are_one_line_and_leave_nothing(argv, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'setup.cfg').write_text('text')
    (tmp_path / 'tests').mkdir()
    make_run(tmp_path / 'run', ['--dataset=cats'])
    with pytest.raises(SystemExit) as stopped:
        cli.run_main(run_training.main, ['--dataset=cats'] + argv)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and message in error
    assert sorted(os.listdir('.')) == ['run', 'setup.cfg', 'tests']
    assert sorted(os.listdir('run')) == ['state', 'training_options.json']


@pytest.mark.parametrize('argv', [['--g-loss=G_hinge'], ['--d-loss=G_wgan'], ['--mirror-augment=perhaps'],
                                  ['--gamma=nan'], ['--total-kimg=1.5'], ['--no-such']])
def test_bad_arguments_of_the_parser(argv, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_training.main(['--dataset=cats'] + argv)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count('\n') == 1


def run_command(argv, cwd, **kwargs):
    """Starts run_training.py in a process."""
    env = {name: value for name, value in os.environ.items() if name != 'TF_CPP_MIN_LOG_LEVEL'}
    return subprocess.Popen([sys.executable, os.path.join(ROOT, 'run_training.py')] + argv, cwd=str(cwd), env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, **kwargs)


def test_data_that_do_not_fit_leave_no_run(tmp_path):
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'pictures' / 'a.png').write_text('no picture')
    process = run_command(['--dataset=pictures', '--device=cpu'], tmp_path)
    _, error = process.communicate()
    assert process.returncode == 2
    assert error.startswith('run_training.py: error: ') and error.count('\n') == 1 and 'a.png' in error
    assert os.listdir(str(tmp_path)) == ['pictures']


def test_ctrl_c_saves_and_the_same_command_continues(tmp_path):
    process = run_command(SMALL + ['--total-kimg=100'], tmp_path)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith('tick 1'):
            process.send_signal(signal.SIGINT)
            break
    output, error = process.communicate()
    assert process.returncode == 0, error
    assert 'Traceback' not in error
    command = shlex.split(output.strip().splitlines()[-1][len('To continue: '):])
    run_dir = os.path.join('results', '00000-stylegan2-cats-1gpu-config-f')
    assert command[2:] == SMALL + ['--total-kimg=100', '--resume=' + run_dir]
    nimg = max(map(int, os.listdir(str(tmp_path / run_dir / 'state'))))

    process = run_command(SMALL + ['--total-kimg=%d' % (nimg // 1000 + 1)], tmp_path)
    output, error = process.communicate()
    assert process.returncode == 0, error
    assert 'Continuing the run in ' + run_dir in output and 'now at %.1f' % (nimg / 1000) in output
    assert os.path.exists(str(tmp_path / run_dir / 'network-final.pkl'))
    log = (tmp_path / run_dir / 'log.txt').read_text()
    assert 'dnnlib: Stopped run_training.train()' in log and 'dnnlib: Finished' in log
    assert log.index('tick 0') < log.index('Stopped at kimg') < log.index('now at %.1f' % (nimg / 1000))
