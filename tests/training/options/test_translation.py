"""Configurations of translation: published numbers, data of the command line, what is refused; no TensorFlow."""

import json
import os

import numpy as np
import PIL.Image
import pytest

import run_training
from dnnlib import UserError
from tests.test_run_training import options_of
from training.options import epochs, presets, translation, translation_sizes


@pytest.fixture(name='folder')
def fixture_folder(tmp_path, monkeypatch):
    """Folders `two` (trainA: 3, trainB: 4 pictures), `ab` (train: 3), `hd` (train_A, train_B: 2), empty `coats`."""
    monkeypatch.chdir(tmp_path)
    for name, count, wide in (('two/trainA', 3, 1), ('two/trainB', 4, 1), ('ab/train', 3, 2), ('hd/train_A', 2, 1),
                              ('hd/train_B', 2, 1)):
        os.makedirs(name)
        for i in range(count):
            PIL.Image.fromarray(np.full([32, 32 * wide, 3], i, np.uint8)).save(os.path.join(name, f'{i}.png'))
    for side in 'AB':
        os.makedirs(f'coats/train{side}')
    with open('coats/cats.json', 'w', encoding='utf-8') as f:
        json.dump(dict(pair='coats', pictures={}, resolution=32), f)
    return tmp_path


def finished(*argv):
    """Options of a command line without `--set`, as the training gets them."""
    args = run_training.parse_args(list(argv))
    run_training.check_arguments(args)
    options = run_training.make_options(args)
    presets.find(args.config).finish(args, options)
    return options


@pytest.mark.usefixtures('folder')
def test_published_numbers():
    options = options_of('--config=cyclegan', '--dataset=two')
    method, sched = options['method_args'], options['sched_args']
    assert method['func_name'] == 'training.methods.cyclegan.cyclegan' and 'direction' not in method
    assert method['G_args'] == dict(func_name='training.networks.resnet.G_resnet')
    assert method['G_opt_args'] == method['D_opt_args'] == dict(
        tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.5, beta2=0.999, epsilon=1e-8)
    assert sched == dict(func_name='training.schedule.translation_schedule', minibatch_size=1, minibatch_gpu=1,
                         lrate=0.0002, lr_policy='linear', n_epochs=100, n_epochs_decay=100)
    assert options['dataset_args'] == dict(preprocess='resize_and_crop', load_size=286, crop_size=256, flip=True)
    assert options['stream_args']['b'] == dict(
        train='trainB', tfrecord_dir='two', class_name='training.data.translation.dataset.TranslationDataset')
    assert options['minibatch_repeats'] == 1
    cut, fast = (options_of('--config=' + name, '--dataset=two') for name in ('cut', 'fastcut'))
    assert [o['sched_args'][key] for o in (cut, fast) for key in ('n_epochs', 'n_epochs_decay')] == [200, 200, 150, 50]
    assert cut['method_args']['G_args'] == dict(method['G_args'], antialias=True, init='xavier')
    assert {key: value for key, value in fast['method_args'].items() if cut['method_args'].get(key) != value} == dict(
        lambda_NCE=10, nce_idt=False, flip_equivariance=True)
    options = finished('--config=pix2pix', '--dataset=ab', '--direction=BtoA')
    assert options['method_args']['direction'] == 'BtoA' and options['dataset_args']['paired']
    assert options['method_args']['D_args']['norm'] == 'batch' and options['method_args']['G_args']['num_downs'] == 8
    assert options['stream_args']['b']['half'] == 'right'
    json.dumps(options)  # they are written into the run directory


@pytest.mark.usefixtures('folder')
def test_published_numbers_of_the_further_methods(capsys):
    options = finished('--config=sincut', '--dataset=two')
    assert options['total_kimg'] == 1600 and options['sched_args']['minibatch_size'] == 16
    assert options['dataset_args'] == dict(preprocess='zoom_and_patch', load_size=64, crop_size=64, flip=True,
                                           resample='bilinear')
    assert options['grid_args']['size'] == '3x1'  # sheets of whole pictures take long
    full, light = (finished(f'--config={name}', '--dataset=two') for name in ('ugatit', 'ugatit-light'))
    assert full['total_kimg'] == 1000 and full['sched_args']['lrate'] == 0.0001
    assert full['sched_args']['lr_policy'] == 'linear_steps' and full['dataset_args']['resample'] == 'bilinear'
    assert light['method_args'].pop('G_args') == dict(full['method_args'].pop('G_args'), light=True)
    assert light['method_args'] == full['method_args'] and full['method_args']['D_opt_args']['weight_decay'] == 0.0001
    other = finished('--config=ugatit-tf', '--dataset=two')
    assert other['total_kimg'] == 1000 and other['sched_args']['lr_policy'] == 'linear_late'
    assert other['method_args']['kernel_decay'] == 0.0001 and 'weight_decay' not in other['method_args']['G_opt_args']
    assert other['method_args']['D_args'] == dict(
        func_name='training.networks.ugatit.D_ugatit', release='tensorflow', init='normal')
    options = finished('--config=pix2pixhd', '--dataset=hd')
    assert options['stream_args']['a']['max_id'] == 34 and 'direction' not in options['method_args']
    assert options['dataset_args'] == dict(preprocess='scale_width', load_size=1024, crop_size=4, flip=True,
                                           paired=True, multiple=16)
    assert options['sched_args']['lr_policy'] == 'linear_late' and 'of a and 2 images of b' in capsys.readouterr().out
    with pytest.raises(UserError, match='--direction=BtoA: photos are drawn from maps only'):
        finished('--config=pix2pixhd', '--dataset=hd', '--direction=BtoA')


@pytest.mark.usefixtures('folder')
def test_the_defaults_of_methods_are_the_same():
    from training import schedule
    from training.methods import cut, cyclegan, pix2pix, pix2pixhd, sincut, translating, ugatit
    from training.options import settings
    assert translation.ADAM == translating.ADAM and translation.POLICIES == schedule.POLICIES
    assert [translation.CONFIGS[name].opt for name in ('sincut', 'ugatit')] == [sincut.ADAM, ugatit.ADAM]
    defaults = settings.defaults_of(schedule.translation_schedule)
    for config, module in (('cyclegan', cyclegan), ('cut', cut), ('fastcut', cut), ('pix2pix', pix2pix),
                           ('sincut', sincut), ('ugatit', ugatit), ('pix2pixhd', pix2pixhd)):
        options = options_of('--config=' + config, '--dataset=' + dict(pix2pix='ab', pix2pixhd='hd').get(config, 'two'))
        fields = module.Options._field_defaults
        assert set(options['method_args']) - {'func_name'} <= set(fields)
        assert {name for name in fields if name.endswith('_args')} - {'augment_args'} <= set(options['method_args'])
        assert set(options['sched_args']) - {'func_name'} <= set(defaults)
        if config != 'fastcut':
            assert all(fields[name] == value for name, value in options['method_args'].items()
                       if not name.endswith(('_args', 'func_name')))


@pytest.mark.usefixtures('folder')
def test_lengths_follow_the_longer_side(capsys):
    options = finished('--config=cyclegan', '--dataset=two')
    assert options['total_kimg'] == 0.8 and options['sched_args']['epoch_images'] == 4
    assert options['sched_args']['tick_images'] == 1000 and options['network_snapshot_ticks'] == 1
    assert ('3 images of a and 4 images of b; an epoch is 4 images, the training 200 epochs or 0.8 kimg'
            ) in capsys.readouterr().out
    options = finished('--config=fastcut', '--dataset=two', '--epochs=20', '--snap=3')
    assert [options['sched_args'][key] for key in ('n_epochs', 'n_epochs_decay')] == [15, 5]
    assert options['total_kimg'] == 0.08 and options['image_snapshot_ticks'] == 3
    assert options['dataset_args']['settle_images'] == 60  # where the rate begins to fall
    options = finished('--config=cyclegan', '--dataset=two', '--epochs=1')
    assert [options['sched_args'][key] for key in ('n_epochs', 'n_epochs_decay')] == [1, 0]
    options = finished('--config=cut', '--dataset=two', '--n-epochs=2', '--n-epochs-decay=0', '--holdout=0.3')
    assert options['total_kimg'] == 0.006 and options['dataset_args']['settle_images'] == 6
    assert finished('--config=pix2pix', '--dataset=ab', '--kimg=7')['total_kimg'] == 7
    large = finished('--config=pix2pix', '--dataset=ab')
    assert epochs.look(large) == dict.fromkeys('ab', (3, [3, 256, 256], 3))


@pytest.mark.usefixtures('folder')
def test_sizes(capsys):
    def data(*argv):
        options = options_of('--config=cyclegan', '--dataset=two', *argv)
        return [options['dataset_args'][name] for name in ('load_size', 'crop_size', 'flip')]
    assert data('--resolution=64') == [72, 64, True]  # in the proportion of 286 to 256
    assert data('--resolution=64', '--preprocess=scale_width') == [64, 64, True]
    assert data('--crop-size=64', '--load-size=64', '--no-flip') == [64, 64, False]
    for config, sizes in (('ugatit', [94, 286]), ('ugatit-tf', [79, 286])):  # as published
        assert [options_of('--config=' + config, '--dataset=two', f'--resolution={side}')['dataset_args']['load_size']
                for side in (64, 256)] == sizes
    options = finished('--config=pix2pix', '--dataset=ab', '--resolution=64', '--width=1/4')
    assert options['method_args']['G_args'] == dict(
        func_name='training.networks.unet.G_unet', num_downs=6, fmaps=16)
    assert '--width=0.25: G fmaps=16, D fmaps=16' in capsys.readouterr().out
    for side, layers in ((64, 6), (32, 5), (256, None)):  # of U-GAT-IT's global discriminators, seven as published
        options = finished('--config=ugatit', '--dataset=two', f'--resolution={side}')
        assert options['method_args']['D_args'].get('num_layers') == layers
    assert translation.num_downs(256, 192) == 6
    assert [translation.num_downs(side) for side in (16, 32, 64, 96, 128, 256, 512)] == [5, 5, 6, 5, 7, 8, 8]


@pytest.mark.usefixtures('folder')
def test_sizes_that_networks_halve():
    hd = translation.CONFIGS['pix2pixhd'].nets
    for method_args, multiple in (
            (dict(G_args=dict(hd['G'], num_enhancers=1)), 32), (dict(G_args=dict(hd['G'], num_enhancers=2)), 64),
            (dict(G_args=dict(hd['G'], num_downs=2), E_args=hd['E'], instance_feat=True), 16),
            (dict(G_args=dict(hd['G'], num_downs=2), E_args=hd['E']), 4),
            (dict(G_args=dict(func_name=translation.UNET, num_downs=7)), 128),
            (dict(G_args=translation.CONFIGS['sincut'].nets['G']), 4)):
        assert translation_sizes.multiple(method_args) == multiple
    with pytest.raises(UserError, match='crop_size must be a multiple of 32, as the networks halve images, not 100; '
                       'use 96'):
        finished('--config=pix2pix', '--dataset=ab', '--crop-size=100', '--load-size=100')
    os.makedirs('odd/train')
    PIL.Image.fromarray(np.zeros([70, 2 * 110, 3], np.uint8)).save('odd/train/0.png')
    options = finished('--config=pix2pix', '--dataset=odd', '--preprocess=none')
    assert epochs.look(options)['a'].shape == [3, 64, 96]  # the nearest multiples of 32
    assert options['method_args']['G_args']['num_downs'] == 5


def test_sides_of_their_own(folder, capsys):
    options = finished('--config=cyclegan', '--dataset-a=two/trainA', '--dataset-b=two/trainB', '--direction=BtoA')
    assert [options['stream_args'][name]['tfrecord_dir'] for name in 'ab'] == ['two/trainB', 'two/trainA']
    args = run_training.parse_args(['--config=cyclegan', '--dataset-a=two/trainA', '--dataset-b=two/trainB'])
    from training.options import data
    assert data.name_of(args) == 'trainA-trainB'
    options = finished('--config=cyclegan', '--data-dir=' + str(folder), '--dataset=two')
    assert options['stream_args']['a']['tfrecord_dir'] == 'two' and 'channels' not in options['dataset_args']
    for i in range(3):
        PIL.Image.fromarray(np.full([32, 32], i, np.uint8)).save(os.path.join('two/trainA', f'{i}.png'))
    options = finished('--config=cyclegan', '--dataset=two')
    assert options['dataset_args']['channels'] == 3
    assert 'One side is gray and the other in color: both are read as color' in capsys.readouterr().out


@pytest.mark.usefixtures('folder')
def test_workers_share_the_minibatch():
    argv = ['--config=cyclegan', '--dataset=two', '--num-workers=2']
    with pytest.raises(UserError, match='a minibatch of 1 does not divide by 2 workers: use --batch=2'):
        options_of(*argv)
    sched = options_of('--batch=4', *argv)['sched_args']
    assert (sched['minibatch_size'], sched['minibatch_gpu']) == (4, 2)


@pytest.mark.usefixtures('folder')
@pytest.mark.parametrize('argv, message', [
    ([], '--config=cyclegan: give --dataset with both sides, or --dataset-a and --dataset-b'),
    (['--dataset=two', '--dataset-a=two'], 'give --dataset with both sides, or'),
    (['--dataset-a=two'], 'give --dataset with both sides, or'),
    (['--dataset-a=two', '--dataset-b=nowhere'], "--dataset-b=nowhere: there is no 'nowhere'; give a folder or zip"),
    (['--dataset=ab'], 'ab: expected the folders trainA and trainB; found train; or give both sides'),
    (['--dataset=two', '--config=pix2pix'], 'trainB/3.png: no partner of the same name on the other side'),
    (['--dataset=two', '--mirror=1'], '--mirror-augment: half of the images are mirrored anyway'),
    (['--dataset=two', '--resolution=64x32'], '--resolution: crops are square'),
    (['--dataset=two', '--resolution=64', '--crop-size=32'], 'both are the side of the crops'),
    (['--dataset=two', '--epochs=3', '--n-epochs=2'], '--epochs: the sum of --n-epochs and --n-epochs-decay'),
    (['--dataset=two', '--lr=0'], '--lr=0: expected a number above 0'),
    (['--dataset=two', '--batch=0'], '--batch=0: expected 1 to'),
    (['--dataset=two', '--load-size=100', '--crop-size=200'], 'load_size 100 must not be smaller than crop_size 200'),
    (['--dataset=two', '--precision=mixed'], 'the networks of --config=cyclegan have no mixed precision'),
    (['--dataset=two', '--preprocess=none', '--resolution=64'], '--resolution=64: has no effect with --preprocess=n'),
    (['--dataset=two', '--preprocess=crop', '--load-size=64'], '--load-size=64: has no effect with --preprocess=crop'),
    (['--dataset=two', '--config=sincut', '--load-size=64'], 'has no effect with --preprocess=zoom_and_patch; drop it'),
    (['--dataset=two', '--preprocess=scale_shortside', '--crop-size=64'], '--crop-size=64: has no effect with'),
    (['--dataset=coats', '--config=pix2pix'], "coats: the two sides of the set 'coats' show different cats, though"),
    (['--dataset-a=coats/trainA', '--dataset-b=coats/trainB', '--config=pix2pix'], 'coats.trainA: the two sides of'),
    (['--dataset=two', '--p=0.3'], '--p=0.3: has no effect with --aug=noaug; drop it or add --aug=ada or fixed$')])
def test_what_is_refused(argv, message):
    with pytest.raises(UserError, match=message):
        finished(*['--config=cyclegan'] + argv)


@pytest.mark.usefixtures('folder')
def test_settings():
    from training.options.settings import parse_assignment, Settings
    args = run_training.parse_args(['--config=cut', '--dataset=two'])
    options = run_training.make_options(args)
    changes = Settings(options, presets.find('cut'), vars(args))
    assert changes.groups == ('G', 'G_opt', 'F', 'F_opt', 'D', 'D_opt', 'sched', 'grid', 'dataset', 'train')
    changes.apply([parse_assignment(text, changes.groups) for text in (
        'G.num_blocks=6', 'D_opt.beta2=0.99', 'sched.lr_decay_iters=5', 'dataset.max_images=2', 'train.nce_T=0.1',
        'train.nce_layers=(0, 4)', 'F.fmaps=8', 'dataset.settle_images=None')])
    method = options['method_args']
    assert (method['G_args']['num_blocks'], method['D_opt_args']['beta2'], method['nce_T']) == (6, 0.99, 0.1)
    assert method['nce_layers'] == (0, 4) and method['F_args']['fmaps'] == 8
    presets.find('cut').finish(args, options)
    assert options['total_kimg'] == 0.8 and options['dataset_args']['settle_images'] is None
    assert options['sched_args']['lr_decay_iters'] == 5
    for text, message in (('G.resolution=8', 'G.resolution: unknown option'), ('dataset.paired=1', 'unknown option'),
                          ('train.lambda_A=1', 'train.lambda_A: unknown option; did you mean|group train has')):
        with pytest.raises(UserError, match=message):
            changes.apply([parse_assignment(text, changes.groups)])
    assert 'dataset.load_size=286' in changes.resolved()
    changes.apply([parse_assignment(text, changes.groups) for text in ('train.netF=reshape', 'F_opt.beta1=0.1')])
    with pytest.raises(UserError, match='--set F_opt: with train.netF=reshape there is no network F to optimize'):
        presets.find('cut').finish(args, options)


@pytest.mark.usefixtures('folder')
def test_augmentation(capsys):
    from training.options.settings import parse_assignment, Settings
    argv = ['--config=pix2pix', '--dataset=ab', '--aug=ada', '--target=0.5', '--augpipe=bg']
    options = finished(*argv)
    args = options['method_args']['augment_args']
    assert args['tune_heuristic'] == 'rt' and args['tune_target'] == 0.5 and args['xflip'] == 1 and 'hue' not in args
    assert 'Augmentation: bg, p from 0 to at most 1, to keep rt at 0.5' in capsys.readouterr().out
    changes = Settings(options, presets.find('pix2pix'), vars(run_training.parse_args(argv)))
    assert 'augment' in changes.groups
    changes.apply([parse_assignment('augment.scale_std=0.1', changes.groups)])
    assert args['scale_std'] == 0.1
    assert finished('--config=cut', '--dataset=two', '--aug=fixed', '--p=0.3')['method_args']['augment_args'][
        'initial_strength'] == 0.3
    assert 'augment_args' not in finished('--config=cut', '--dataset=two')['method_args']
    with pytest.raises(SystemExit):
        run_training.parse_args(['--config=cut', '--dataset=two', '--aug=adarv'])
    assert "--aug: invalid choice: 'adarv'; " in capsys.readouterr().err


def test_what_is_listed(capsys):
    for argv in (['--list-configs'], ['--help', '--config=cyclegan']):
        with pytest.raises(SystemExit):
            run_training.main(argv)
    listed, text = capsys.readouterr().out.split('usage: ')
    assert [line.split()[0] for line in listed.split('translation of pictures:\n')[1].splitlines()[1:5]] == list(
        translation.CONFIGS)[:4]
    assert '--dataset NAME' not in text.split('[-h]')[0] and '[--dataset NAME]' in text
    of_method = text.split('options of translation of pictures:')[1]
    assert all(flag in of_method for flag in ('--dataset-a', '--preprocess', '--n-epochs-decay', '--width'))
