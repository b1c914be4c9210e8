"""The configurations of StyleGAN2-ADA against the options that the published program makes of its command lines."""

import json
import pathlib

import numpy as np
import PIL.Image
import pytest

import dataset_tool
import run_training
from dnnlib import UserError
from training import pretrained
from training.dataset import load_dataset
from training.options import ada, presets

CONFIGS = json.loads((pathlib.Path(__file__).parents[2] / 'data' / 'ada' / 'configs.json').read_text())
FLAGS = dict(cfg='config', gpus='num-gpus', res='resolution', resume='resume')  # ours where the name is another
OF_DATA = ('res_stored', 'labels', 'valid')


@pytest.fixture(name='pictures', scope='module')
def fixture_pictures(tmp_path_factory):
    """Function of a size in pixels and a number of labels that returns the path of a dataset of pictures."""
    def make(size, labels=0):
        folder = tmp_path_factory.mktemp('pictures')
        for index in range(max(labels, 1)):
            path = folder / 'class{}'.format(index) if labels else folder
            path.mkdir(exist_ok=True)
            PIL.Image.new('RGB', (size, size)).save(str(path / 'black.png'))
        return str(folder)
    return make


def parse(given, dataset, *more):
    """Our parsed command line for arguments of the published program."""
    argv = ['--dataset=' + dataset, '--metrics=none'] + list(more)
    argv += ['--config=auto'] * ('cfg' not in given) + ['--snap=50'] * ('snap' not in given)
    argv += ['--holdout=0.1'] * given.get('valid', False)
    argv += ['--{}={}'.format(FLAGS.get(name, name), value) for name, value in given.items() if name not in OF_DATA]
    return run_training.parse_args(argv)


def options_of(given, dataset):
    """Our options for arguments of the published program, as they are saved."""
    args = parse(given, dataset)
    presets.find(args.config).check(args)
    return json.loads(json.dumps(run_training.make_options(args)))


def as_published(options, given):
    """Our options under the keys of the published program."""
    with load_dataset(**options['dataset_args']) as data:
        data_args = dict(path='DATA', max_label_size=data.label_size, resolution=data.resolution,
                         mirror_augment=options['mirror_augment'])
    sched = options['sched_args']
    assert sched['tick_kimg_base'] == 4 and sched['tick_kimg_dict'] == {} and set(sched) == {
        'tick_kimg_base', 'tick_kimg_dict', 'minibatch_size_base', 'minibatch_gpu_base', 'G_lrate_base', 'D_lrate_base'}
    found = dict(
        num_gpus=given.get('gpus', 1), train_dataset_args=data_args, metric_dataset_args=data_args, loss_args={},
        augment_args=augmentation(options.get('augment_args')), minibatch_size=sched['minibatch_size_base'],
        minibatch_gpu=sched['minibatch_gpu_base'], G_smoothing_rampup=options.get('G_smoothing_rampup'))
    found.update((name, options[name]) for name in (
        'image_snapshot_ticks', 'network_snapshot_ticks', 'metric_arg_list', 'total_kimg', 'G_smoothing_kimg'))
    found.update((name, options[name]) for name in ('lazy_regularization',) if name in options)
    losses, defaults = [], dict(num_fp16_res=0, conv_clamp=None)
    for name in ('G', 'D'):
        args = dict(defaults, **options[name + '_args'])
        found[name + '_args'] = dict(args, func_name=args['func_name'].replace('networks_ada', 'networks'))
        opt = dict(options[name + '_opt_args'])
        assert opt.pop('epsilon') == 1e-8  # TensorFlow's default
        found[name + '_opt_args'] = dict(opt, learning_rate=sched[name + '_lrate_base'])
        loss = dict(options[name + '_loss_args'])
        losses.append(loss.pop('func_name').rpartition('.')[2])
        found['loss_args'].update({'r1_gamma' if key == 'gamma' else key: value for key, value in loss.items()})
    kind = 'cmethods' if any(name.endswith('_compared') for name in losses) else {
        ('G_logistic_ns_pathreg', 'D_logistic_r1'): 'stylegan2', ('G_wgan', 'D_wgan_gp'): 'wgangp'}[tuple(losses)]
    found['loss_args']['func_name'] = 'training.loss.' + kind
    if 'resume' in given:
        found['resume_pkl'] = pretrained.resolve(given['resume']).path
    return found


def augmentation(args):
    """Our `augment_args` under the keys of the published program, which leaves defaults out."""
    found = dict(class_name='training.augment.AdaptiveAugment')
    if args is not None:
        args = dict(args)
        assert args.pop('max_strength', 1) == 1
        if args['func_name'] is not None:
            found['apply_func'] = args['func_name']
        for name, default in [('tune_heuristic', None), ('tune_target', None), ('tune_kimg', 500),
                              ('initial_strength', 0)]:
            value = args.pop(name, default)
            if value != default:
                found[name] = value
        del args['func_name']
        if args:
            found['apply_args'] = args
    return found


@pytest.mark.parametrize('name', [name for name, run in CONFIGS['runs'].items() if 'options' in run])
def test_options_are_the_published_ones(name, pictures):
    given, expected = CONFIGS['runs'][name]['args'], CONFIGS['runs'][name]['options']
    options = options_of(given, pictures(given['res_stored'], given.get('labels', 0)))
    assert as_published(options, given) == expected


ERRORS = {
    'fixed-no-p': '--aug=fixed: give the probability as well, such as --p=0.3',
    'adarv-no-valid': '--aug=adarv: it compares with images that are not trained on; add --holdout=0.1',
    'gpus-3': '--num-gpus=3: --config=auto is for 1, 2, 4, 8, ... GPUs',
    'p-range': '--p=1.5: expected 0 to 1',
    'augpipe-noaug': '--augpipe=bg: has no effect with --aug=noaug; drop it or add --aug=ada or adarv or fixed',
    'target-fixed': '--target=0.5: has no effect with --aug=fixed; drop it or add --aug=ada or adarv',
    'snap-0': '--snap=0: expected 1 to 4294967295', 'gamma-neg': '--gamma=-1.0: expected 0 to 4294967295',
    'kimg-0': '--total-kimg=0: expected 1 to 4294967295', 'freezed-neg': '--freeze-d=-1: expected 0 to 4294967295',
    'cmethod-pagan-ada': '--cmethod=pagan: does not go together with augmentation; add --aug=noaug',
    'cmethod-wgangp-ada': '--cmethod=wgangp: does not go together with augmentation; add --aug=noaug',
    'cmethod-adropout-ada': '--cmethod=adropout: does not go together with augmentation; add --aug=noaug',
    'cmethod-shallowmap-auto': '--cmethod=shallowmap: this configuration has 2 mapping layers anyway; choose another '
                               '--config'}
ELSEWHERE = ('p-without-fixed', 'res-too-large', 'res-not-power')  # the next two tests


@pytest.mark.parametrize('name', [name for name, run in CONFIGS['runs'].items() if 'error' in run])
def test_what_the_release_refuses_has_a_sentence(name, pictures):
    if name not in ELSEWHERE:
        given = CONFIGS['runs'][name]['args']
        args = parse(given, pictures(given['res_stored']))
        with pytest.raises(UserError) as refused:
            if 'gpus' not in given:
                run_training.check_arguments(args)
            run_training.make_options(args)
        assert str(refused.value) == ERRORS[name]


def test_sizes_that_the_data_do_not_have(pictures, tmp_path, capsys):
    assert CONFIGS['runs']['res-too-large']['args'] == dict(res_stored=256, res=512)
    dataset_tool.main(['create_from_images', str(tmp_path / 'records'), pictures(256)])
    with pytest.raises(UserError, match='no file of 512x512 px images, only 4x4, 8x8, .*256x256; choose one of these'):
        options_of(dict(res=512), str(tmp_path / 'records'))
    assert options_of(dict(res=64), str(tmp_path / 'records'))['sched_args']['minibatch_size_base'] == 32
    with pytest.raises(SystemExit) as stopped:
        parse(CONFIGS['runs']['res-not-power']['args'], str(tmp_path / 'records'))
    assert stopped.value.code == 2 and 'no network has images of 100x100 pixels' in capsys.readouterr().err


def test_with_ada_p_is_that_of_the_start(pictures):
    assert 'error' in CONFIGS['runs']['p-without-fixed']
    options = options_of(CONFIGS['runs']['p-without-fixed']['args'], pictures(256))
    assert options['augment_args']['initial_strength'] == 0.2 and options['augment_args']['tune_heuristic'] == 'rt'


@pytest.mark.parametrize('key', sorted(CONFIGS['auto']))
def test_auto_of_the_release(key):
    resolution, num_gpus = map(int, key.split('/'))
    c, expected = ada.auto((3, resolution, resolution), num_gpus), CONFIGS['auto'][key]
    assert dict(minibatch_size=c.minibatch_size, minibatch_gpu=c.minibatch_gpu, mbstd_group_size=c.mbstd_group_size,
                fmap_base=c.fmap_base, learning_rate=c.lrate, r1_gamma=c.gamma,
                G_smoothing_kimg=c.G_smoothing_kimg) == expected


@pytest.mark.parametrize('resolution, num_gpus, size, gamma, kimg, group', [  # measured from the release
    (16, 1, 32, 0.0016, 10, 4), (64, 32, 64, 0.0128, 20, 2), (1024, 16, 64, 3.2768, 20, 4),
    (128, 64, 64, 0.0512, 20, 1), (2048, 1, 2, 419.4304, 0.625, 2), (2048, 8, 16, 52.4288, 5, 2),
    (2048, 32, 64, 13.1072, 20, 2)])
def test_auto_outside_the_table(resolution, num_gpus, size, gamma, kimg, group):
    c = ada.auto((3, resolution, resolution), num_gpus)
    assert (c.minibatch_size, c.G_smoothing_kimg, c.mbstd_group_size) == (size, kimg, group)
    np.testing.assert_allclose(c.gamma, gamma, rtol=1e-12)


def test_auto_of_other_sizes_and_minibatches():
    c = ada.auto((3, 160, 128))  # as many levels as 128x128
    assert (c.minibatch_size, c.fmap_base) == (32, 8192) and c.gamma == 0.0002 * 160 * 128 / 32
    c = ada.auto((3, 128, 128), batch=48)
    assert (c.minibatch_size, c.minibatch_gpu, c.mbstd_group_size, c.gamma, c.G_smoothing_kimg) == (
        48, 24, 4, 0.0002 * 128 * 128 / 48, 15)
    assert ada.auto((3, 128, 128), batch=6).mbstd_group_size == 3


def test_groups_divide_the_images_that_a_worker_really_gets(pictures, capsys):
    for given, group in [({'minibatch-gpu': 6}, 3), ({'num-workers': 2}, 3), ({'minibatch-gpu': 2}, 4), ({}, 4)]:
        options = options_of(dict(given, cfg='small', batch=12), pictures(32))
        assert options['D_args']['mbstd_group_size'] == group, given
        assert ('is that of 3 images, since 4 do not divide' in capsys.readouterr().out) == (group == 3)


def test_small_moves_p_as_fast_whatever_follows_it(pictures):
    for given in ({}, dict(aug='noaug', cmethod='pagan'), dict(aug='noaug', cmethod='adropout')):
        assert options_of(dict(given, cfg='small'), pictures(32))['augment_args']['tune_kimg'] == 100
    assert 'augment_args' not in options_of(dict(cfg='small', aug='noaug'), pictures(32))


def test_what_the_release_crashes_on_has_a_sentence(pictures, capsys):
    with pytest.raises(UserError, match='--config=cifar: a minibatch of 64 images cannot be split into rounds of 32 on '
                                        '4 workers; give --minibatch-gpu or --batch so that it can'):
        options_of(dict(cfg='cifar', gpus=4, **{'minibatch-gpu': 32}), pictures(32))
    assert options_of(dict(cfg='cifar', gpus=4), pictures(32))['sched_args']['minibatch_gpu_base'] == 16
    assert '4 workers: 16 images per device and round, so that a minibatch is a whole number' in capsys.readouterr().out
    options_of(dict(gpus=64), pictures(32))
    assert 'One image per device and round: path lengths are measured on each image' in capsys.readouterr().out


def test_released_networks_have_names():
    folder = 'https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada/pretrained/transfer-learning-source-nets/'
    for name, file_name in [('ffhq256', 'ffhq-res256-mirror-paper256-noaug.pkl'),
                            ('ffhq512', 'ffhq-res512-mirror-stylegan2-noaug.pkl'),
                            ('celebahq256', 'celebahq-res256-mirror-paper256-kimg100000-ada-target0.5.pkl'),
                            ('lsundog256', 'lsundog-res256-paper256-kimg100000-noaug.pkl')]:
        assert pretrained.get_path_or_url(name) == folder + file_name
