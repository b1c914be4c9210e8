"""The command line of the training: presets, --set, bad input, and a training that is stopped and continued."""

import inspect
import json
import os
import shlex
import signal
import subprocess
import sys

import pytest

import run_training
from dnnlib import EasyDict, UserError, cli
from training.options import continuing, settings

ROOT = os.path.dirname(os.path.abspath(run_training.__file__))
SMALL = ['--dataset=cats', '--device=cpu', '--set', 'dataset.resolution=8', '--set', 'G.fmap_max=8', '--set',
         'D.fmap_max=8', '--set', 'G.mapping_layers=2', '--set', 'G.mapping_fmaps=8', '--set', 'G.latent_size=8',
         '--set', 'G.dlatent_size=8', '--set', 'sched.minibatch_size_base=8', '--set', 'sched.minibatch_gpu_base=8',
         '--set', 'sched.tick_kimg_dict={8: 0.032}', '--set', 'grid.size=3x2']


def options_of(*argv):
    """Options of a command line without `--set`."""
    return run_training.make_options(run_training.make_parser().parse_args(argv))


@pytest.mark.parametrize('argv, has_gpu, names', [
    ([], True, ['fid50k']), ([], False, []), (['--metrics=none'], True, []),
    (['--metrics=is1k,kid1k', '--holdout=0.1'], False, ['is1k', 'kid1k'])])
def test_metrics_and_held_out_images(monkeypatch, argv, has_gpu, names):
    from metrics import metric_base
    from training import training_loop
    measured, trained = [], {}
    monkeypatch.setattr(metric_base, 'has_gpu', lambda tf_config: has_gpu)
    monkeypatch.setattr(metric_base, 'MetricGroup', lambda table, **_settings: measured.extend(
        kwargs['name'] for kwargs in table))
    monkeypatch.setattr(training_loop, 'training_loop', lambda **options: trained.update(options))
    options = run_training.make_options(run_training.make_parser().parse_args(['--dataset=cats'] + argv))
    run_training.train(EasyDict(run_dir='x'), **options)
    assert measured == names and trained.get('holdout') == (0.1 if '--holdout=0.1' in argv else None)


def test_published_hyper_parameters():
    options = options_of('--config=config-f', '--dataset=ffhq', '--data-dir=datasets')
    assert options == dict(
        data_dir='datasets', total_kimg=25000, mirror_augment=False, seed=1000, image_snapshot_ticks=10,
        network_snapshot_ticks=10, checkpoint_minutes=10, keep=2, keep_best=None, strict=False, freeze_d=0,
        freeze_mapping=False, nan_patience=100, bad='stop',
        G_args=dict(func_name='training.networks_stylegan2.G_main'),
        D_args=dict(func_name='training.networks_stylegan2.D_stylegan2'),
        G_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8), D_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8),
        G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
        D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma=10),
        dataset_args=dict(tfrecord_dir='ffhq'),
        sched_args=dict(minibatch_size_base=32, minibatch_gpu_base=4, G_lrate_base=0.002, D_lrate_base=0.002),
        grid_args=dict(size='8k', layout='random'), metric_arg_list=None,
        tf_config=dict(device='auto', ops=os.environ.get('STYLEGAN2_OPS') or 'auto'))


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
    assert len(run_training.PRESETS) == 15
    for G in ('orig', 'skip', 'resnet'):
        for D in ('orig', 'skip', 'resnet'):
            options = options_of('--config=config-e-G{}-D{}'.format(G, D), '--dataset=cats')
            assert (options['G_args'].pop('architecture'), options['D_args'].pop('architecture')) == (G, D)
            assert options == options_of('--config=config-e', '--dataset=cats')


@pytest.mark.parametrize('argv, lines', [(['--list-configs'], 10), (['--help'], 60)])
def test_configurations_are_listed(argv, lines, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_training.main(argv)
    out = capsys.readouterr().out
    assert stopped.value.code == 0 and len(out.splitlines()) >= lines
    assert 'config-b  G_synthesis_stylegan_revised  D_stylegan        8192 ' in out and '+ weight demodulation' in out
    assert 'config-a  G_style                       D_basic           8192 ' in out
    assert 'config-f  G_main                        D_stylegan2       16384 ' in out
    assert 'minibatch 32, 256 at 8, 128 at 16, 64 at 32, 32 at 64; per GPU 4, 32 at 8,' in out
    assert 'learning rate 0.001, 0.0015 at 128, 0.002 at 256, 0.003 at 512, 0.003 at 1024\n' in out


def test_listed_feature_maps_are_the_networks_defaults():
    from training import networks_stylegan, networks_stylegan2
    for function, expected in [(networks_stylegan.G_synthesis, 8192), (networks_stylegan.D_basic, 8192),
                               (networks_stylegan2.G_synthesis_stylegan2, 16384),
                               (networks_stylegan2.D_stylegan2, 16384)]:
        assert inspect.signature(function).parameters['fmap_base'].default == expected


def test_losses_by_name():
    from training import loss
    functions = [name for name in vars(loss) if name.startswith(('G_', 'D_'))]
    assert sorted(run_training.G_LOSSES + run_training.D_LOSSES) == sorted(functions)
    options = options_of('--dataset=cats', '--g-loss=G_wgan', '--d-loss=D_wgan_gp')
    assert options['G_loss_args'] == dict(func_name='training.loss.G_wgan')
    assert options['D_loss_args'] == dict(func_name='training.loss.D_wgan_gp')
    options = options_of('--dataset=cats', '--d-loss=D_logistic_r2', '--gamma=5')
    assert options['D_loss_args'] == dict(func_name='training.loss.D_logistic_r2', gamma=5.0)


def set_options(*assignments, argv=()):
    """Options of the cats after `--set` with these values, as they are saved."""
    options = options_of('--dataset=cats', *argv)
    settings.apply_assignments(options, [settings.parse_assignment(text) for text in assignments])
    return json.loads(json.dumps(options))


def test_set_reaches_every_group():
    options = set_options(
        'G.fmap_base=2048', 'G.mapping_layers=2', 'G.style_mixing_prob=None', 'D.mbstd_group_size=8',
        'G_opt.beta2=0.9', 'D_opt.use_loss_scaling=True', 'G_loss.pl_weight=1',
        'D_loss.func_name=training.loss.D_wgan_gp', 'D_loss.wgan_lambda=5', 'sched.tick_kimg_dict={64: 2}',
        'grid.size=8x4', 'dataset.max_label_size=full', 'dataset.held_out=True', 'train.G_smoothing_kimg=20')
    assert options['G_args'] == dict(func_name='training.networks_stylegan2.G_main', fmap_base=2048, mapping_layers=2,
                                     style_mixing_prob=None)
    assert options['D_args']['mbstd_group_size'] == 8
    assert options['G_opt_args']['beta2'] == 0.9 and options['D_opt_args']['use_loss_scaling'] is True
    assert options['D_loss_args'] == dict(func_name='training.loss.D_wgan_gp', wgan_lambda=5)  # without gamma
    assert options['sched_args']['tick_kimg_dict'] == {'64': 2}
    assert options['grid_args']['size'] == '8x4' and options['dataset_args']['max_label_size'] == 'full'
    assert options['G_smoothing_kimg'] == 20


def test_set_chooses_networks_and_their_options():
    options = set_options('G.synthesis_func=G_synthesis_stylegan2', 'G.architecture=orig', argv=['--config=config-d'])
    assert options['G_args'] == dict(func_name=S2 + 'G_main', synthesis_func='G_synthesis_stylegan2', fmap_base=8192,
                                     architecture='orig')
    options = set_options('D.use_wscale=False', 'D.func_name=' + S1 + 'D_basic')
    assert options['D_args'] == dict(func_name=S1 + 'D_basic', use_wscale=False)
    with pytest.raises(UserError, match='D.architecture: there is no such option'):
        set_options('D.architecture=skip', argv=['--config=config-a'])
    options = set_options('train.lazy_regularization=True', argv=['--config=config-a'])
    assert options['lazy_regularization'] is True


def test_all_options_are_shown(capsys):
    options = options_of('--dataset=cats', '--config=config-b')
    lines = settings.resolved(options)
    assert 'G.fmap_base=8192 (default 16384)' in lines and 'D.mbstd_group_size=4' in lines
    assert 'train.lazy_regularization=False (default True)' in lines and 'D_loss.gamma=10' in lines
    for line in lines:  # each can be given back
        group, key, _ = settings.parse_assignment(line.split(' (default')[0])
        assert key in settings.settable(group, options)


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


@pytest.mark.parametrize('assignment, message', [
    ('G.fmap_bse=1', 'there is no such option; did you mean G.fmap_base?'),
    ('G.zzz=1', 'there is no such option; group G has .*fmap_base'),
    ('G.resolution=64', 'there is no such option'),
    ('train.total_kimg=1', 'there is no such option'),
    ('dataset.held_in=1', 'there is no such option; did you mean dataset.held_out?'),
    ('G_loss.gamma=1', 'there is no such option; group G_loss has func_name, pl_decay'),
    ('D_loss.func_name=training.loss.D_hinge', "no function 'training.loss.D_hinge'; training.loss has D_logistic, "),
    ('G.func_name=training.loss.D_wgan', 'expected a function of training.networks_stylegan2 or'),
    ('G.func_name=training.networks_stylegan2.G_mian', "there is no function 'G_mian' in training.networks_stylegan2"),
    ('G.synthesis_func=G_synthesis_stylegan3', "there is no function 'G_synthesis_stylegan3' in"),
    ('train.dry_run=True', 'there is no such option'),
    ('G.fmap_base=many', "expected a number such as 16384, got 'many'"),
    ('train.lazy_regularization=maybe', "expected a bool such as True, got 'maybe'"),
    ('H.x=1', "--set expects GROUP.KEY=VALUE with a group of G, .*got 'H.x=1'"),
    ('G.fmap_base', '--set expects GROUP.KEY=VALUE')])
def test_set_refuses_by_name(assignment, message):
    with pytest.raises(UserError, match=message):
        run_training.main(['--dataset=cats', '--dry-run', '--set', assignment])


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
    run_training.check_arguments(run_training.make_parser().parse_args(['--dataset=cats', '--resume=' + name]))
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
    (['--config=config-g'], '--config=config-g: expected one of config-a, config-b'),
    (['--d-loss=D_wgan', '--gamma=1'], '--gamma=1.0: D_wgan has no such weight; leave it out'),
    (['--num-gpus=8'], '--num-gpus=8: several GPUs are not in this version'),
    (['--total-kimg=-1'], '--total-kimg=-1: expected 0 to'),
    (['--snap=0'], '--snap=0: expected 1 to'),
    (['--seed=4294967296'], '--seed=4294967296: expected 0 to 4294967295'),
    (['--dataset=missing'], "--dataset=missing: there is no 'missing'"),
    (['--data-dir=missing'], '--data-dir=missing: there is no such folder'),
    (['--resume=missing.pkl'], '--resume=missing.pkl: expected auto, none, a run directory, a saved state or a net'),
    (['--keep=0'], '--keep=0: expected 1 to'), (['--freeze-d=-1'], '--freeze-d=-1: expected 0 to'),
    (['--freeze-mapping'], '--freeze-mapping: layers that nobody trained would stay random; give --resume=PKL'),
    (['--strict'], '--strict: there is nothing to compare with'),
    (['--keep-best=fid50k'], '--keep-best=fid50k: expected a result of --metrics that has a best value: there is none'),
    (['--keep-best=pr50k3', '--metrics=pr50k3,nearest'], 'has a best value: pr50k3_precision, pr50k3_recall'),
    (['--metrics=nosuch'], '--metrics=nosuch: there are fd_effnetlite0'),
    (['--holdout=1'], '--holdout=1: expected a share from 0 to below 1'),
    (['--result-dir=setup.cfg/x'], "cannot write to folder 'setup.cfg/x'"),
    (['--resume=tests'], "'tests' holds no saved state"),
    (['--resume=gdrive:networks/x'], "no published network is called 'gdrive:networks/x'"),
    (['--resume=run'], '--resume=run: G_args.fmap_base is 5 in that run but None now'),
    (['--resume=setup.cfg'], 'not a network pickle')])
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
