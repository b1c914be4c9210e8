"""`--set`: what can be changed, what is refused by name, how everything is shown."""

import json

import pytest

import run_training
from dnnlib import UserError
from tests.test_run_training import options_of
from training.options import presets, settings

S1, S2 = 'training.networks_stylegan.', 'training.networks_stylegan2.'


def settings_of(options, argv):
    """The Settings of a command line's options."""
    args = run_training.parse_args(argv)
    return settings.Settings(options, presets.find(args.config), vars(args))


def set_options(*assignments, argv=()):
    """Options of the cats after `--set` with these values, as they are saved."""
    argv = ['--dataset=cats'] + list(argv)
    options = options_of(*argv)
    changes = settings_of(options, argv)
    changes.apply([settings.parse_assignment(text, changes.groups) for text in assignments])
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
    with pytest.raises(UserError, match='D.architecture: unknown option'):
        set_options('D.architecture=skip', argv=['--config=config-a'])
    options = set_options('train.lazy_regularization=True', argv=['--config=config-a'])
    assert options['lazy_regularization'] is True


def test_set_changes_the_augmentation():
    args = set_options('augment.xflip=0', 'augment.xint_max=0.25', 'augment.tune_kimg=50', 'augment.cutout=0.5',
                       argv=['--config=paper256'])['augment_args']
    assert [args[key] for key in ('xflip', 'xint_max', 'tune_kimg', 'cutout', 'rotate90')] == [0, 0.25, 50, 0.5, 1]
    args = set_options('augment.translation_max=0.5', 'augment.func_name=training.augment.diffaugment',
                       argv=['--aug=fixed', '--p=1'])['augment_args']
    assert args == dict(func_name='training.augment.diffaugment', initial_strength=1, translation_max=0.5)
    for text, message in [('augment.debug_percentile=1', 'unknown option'), ('augment.strength=1', 'unknown option'),
                          ('augment.xflpi=0', 'did you mean augment.xflip'),
                          ('augment.xflip=no', "expected a number such as 0, got 'no'"),
                          ('augment.func_name=nothing', "unknown function 'nothing'; choose from training.augment")]:
        with pytest.raises(UserError, match=message):
            set_options(text, argv=['--aug=ada'])


@pytest.mark.parametrize('config', ['--config=config-b', '--config=cifar'])
def test_all_options_are_shown(config):
    argv = ['--dataset=cats', config]
    changes = settings_of(options_of(*argv), argv)
    lines = changes.resolved()
    if config == '--config=cifar':
        assert 'augment.xflip=1 (default 0)' in lines and 'train.G_smoothing_rampup=0.05 (default None)' in lines
    else:
        assert 'G.fmap_base=8192 (default 16384)' in lines and 'D.mbstd_group_size=4' in lines
        assert 'train.lazy_regularization=False (default True)' in lines and 'D_loss.gamma=10' in lines
    for line in lines:  # each can be given back
        group, key, _ = settings.parse_assignment(line.split(' (default')[0], changes.groups)
        assert key in changes.settable(group)


@pytest.mark.parametrize('assignment, message', [
    ('G.fmap_bse=1', 'unknown option; did you mean G.fmap_base?'),
    ('G.zzz=1', 'unknown option; group G has .*fmap_base'),
    ('G.resolution=64', 'unknown option'),
    ('train.total_kimg=1', 'unknown option'),
    ('dataset.held_in=1', 'unknown option; did you mean dataset.held_out?'),
    ('G_loss.gamma=1', 'unknown option; group G_loss has func_name, pl_decay'),
    ('D_loss.func_name=training.loss.D_hinge',
     "unknown function 'training.loss.D_hinge'; training.loss has D_compared, D_logistic, "),
    ('G.func_name=training.loss.D_wgan', 'expected a function of training.networks_stylegan2 or'),
    ('G.func_name=training.networks_stylegan2.G_mian', "unknown function 'G_mian' of training.networks_stylegan2"),
    ('G.synthesis_func=G_synthesis_stylegan3', "unknown function 'G_synthesis_stylegan3' of"),
    ('train.dry_run=True', 'unknown option'), ('train.stream_args=1', 'unknown option'),
    ('train.resume_pkl=x', 'unknown option'),
    ('G.fmap_base=many', "expected a number such as 16384, got 'many'"),
    ('train.lazy_regularization=maybe', "expected a bool such as True, got 'maybe'"),
    ('H.x=1', "--set H.x=1: unknown group 'H'; choose from G, D, "),
    ('Gs.fmap_base=1', "unknown group 'Gs'; did you mean G[?] choose"),
    ('G.fmap_base', '--set expects GROUP.KEY=VALUE')])
def test_set_refuses_by_name(assignment, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        run_training.main(['--dataset=cats', '--dry-run', '--set', assignment])


def test_groups_are_those_of_the_method():
    argv = ['--dataset=cats']
    assert settings_of(options_of(*argv), argv).groups == (
        'G', 'D', 'G_opt', 'D_opt', 'G_loss', 'D_loss', 'sched', 'grid', 'dataset', 'train')


def test_other_methods_keep_their_options_apart():
    options = dict(total_kimg=1, data_dir=None, method_args=dict(func_name='x', critic_args=dict(width=1)))
    preset = presets.Preset('', '', {}, None, None, lambda _options: {'critic': lambda: dict(width=2)},
                            'training.methods.stylegan2.Options', None, None)
    changes = settings.Settings(options, preset, ['total_kimg'])
    changes.apply([('critic', 'width', 5), ('train', 'minibatch_repeats', 2), ('train', 'G_reg_interval', 8)])
    assert options == dict(total_kimg=1, data_dir=None, minibatch_repeats=2, method_args=dict(
        func_name='x', critic_args=dict(width=5), G_reg_interval=8))
