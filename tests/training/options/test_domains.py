"""Configurations of translation between domains: published numbers, data of the command line, what is refused."""

import json
import os

import numpy as np
import PIL.Image
import pytest

from dnnlib import UserError
from tests.training.options.test_translation import finished
from training.options import domains

DECAYING = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.0, beta2=0.99, epsilon=1e-8, weight_decay=0.0001)


@pytest.fixture(name='folder', autouse=True)
def fixture_folder(tmp_path, monkeypatch):
    """Folders `pets` (train and val, each with cat and dog), `faces` (pictures and lists), `moods` (glad and sad)."""
    monkeypatch.chdir(tmp_path)
    for name in ('pets/train/cat', 'pets/train/dog', 'pets/val/cat', 'pets/val/dog', 'faces', 'moods/glad',
                 'moods/sad'):
        os.makedirs(name)
        for i in range(2):
            PIL.Image.fromarray(np.full([16, 16, 3], i, np.uint8)).save(os.path.join(name, f'{i}.png'))
    (tmp_path / 'attr.txt').write_text('2\nBlack_Hair Young\n0.png 1 -1\n1.png -1 1\n')
    (tmp_path / 'points.txt').write_text('0.png 1 2 3 4\n1.png 1 2 3 4\n')
    (tmp_path / 'wing.ckpt').write_bytes(b'')


def test_published_numbers_of_stargan2(capsys):
    options = finished('--config=stargan-v2-afhq', '--dataset=pets')
    method = options['method_args']
    assert method['G_args'] == dict(func_name='training.networks.stargan2.G_stargan2')
    assert all(method[name + '_opt_args'] == DECAYING for name in 'GFED')
    assert not method['masked'] and method['lambda_ds'] == 2 and method['ds_iter'] == 100000
    assert options['total_kimg'] == 800 and options['sched_args']['minibatch_size'] == 8
    assert options['dataset_args'] == dict(crop_prob=0.5, preprocess='resize_and_crop', load_size=256, crop_size=256,
                                           resample='bilinear', flip=True)
    source = dict(train='train', test='val', tfrecord_dir='pets', balanced=True,
                  class_name='training.data.translation.domains.DomainDataset')
    assert dict(options['stream_args']) == dict(source=source, reference=dict(source, pairs=True))
    assert '4 images of source and 4 images of reference; the training is 100000 iterations' in capsys.readouterr().out
    faces = finished('--config=stargan-v2-celeba', '--dataset=pets', '--fan=wing.ckpt', '--iterations=50', '--batch=4')
    assert faces['method_args']['masked'] and faces['method_args']['fan_file'] == os.path.abspath('wing.ckpt')
    assert faces['method_args']['ds_iter'] == 50 and faces['total_kimg'] == 0.2
    assert 'known to train badly with minibatches below 8; if memory is short, give --batch=8 --minibatch-gpu=4' in (
        capsys.readouterr().out)
    json.dumps(faces)  # they are written into the run directory


def test_published_numbers_of_stargan(capsys):
    options = finished('--config=stargan', '--dataset=moods', '--width=1/4')
    assert options['method_args']['kinds'] == ['classes'] and options['total_kimg'] == 3200
    assert options['method_args']['G_args']['fmaps'] == options['method_args']['D_args']['fmaps'] == 16
    assert options['dataset_args']['crop_size'] == 128 and options['dataset_args']['square']
    assert options['method_args']['D_opt_args']['beta1'] == 0.5
    assert '--width=0.25: G fmaps=16; D fmaps=16' in capsys.readouterr().out
    both = finished('--config=stargan', '--dataset=faces', '--attributes=attr.txt', '--labels=Young',
                    '--dataset-b=moods', '--exclusive=Young', '--resolution=16', '--epochs=8')
    assert both['method_args']['kinds'] == ['attributes', 'classes'] and both['method_args']['exclusive'] == ['Young']
    assert both['stream_args']['a']['chosen'] == ['Young'] and both['stream_args']['b']['tfrecord_dir'] == 'moods'
    assert both['total_kimg'] == 0.032  # two minibatches of 16: 8 passes over 4
    fan = finished('--config=fan', '--dataset=faces', '--landmarks=points.txt', '--width=1/16', '--resolution=64')
    assert fan['method_args']['H_args']['fmaps'] == 16 and not fan['dataset_args']['flip']


@pytest.mark.parametrize('argv, message', [
    (['--config=stargan'], 'give --dataset, a folder with a folder of pictures for each domain'),
    (['--config=stargan-v2-celeba', '--dataset=pets'], 'give the network that finds landmarks'),
    (['--config=stargan-v2-afhq', '--dataset=pets', '--fan=wing.ckpt'], '--fan: an option of --config=stargan-v2-ce'),
    (['--config=stargan-v2-afhq', '--dataset=pets', '--attributes=attr.txt'], '--attributes: an option of --config=s'),
    (['--config=stargan', '--dataset=pets', '--labels=Young'], '--labels: names attributes of a list; give --attri'),
    (['--config=stargan', '--dataset=faces', '--attributes=no.txt'], '--attributes=no.txt: there is no such file'),
    (['--config=fan', '--dataset=faces'], 'give --landmarks=FILE'),
    (['--config=stargan', '--dataset=moods', '--landmarks=points.txt'], 'and only that; drop it'),
    (['--config=stargan', '--dataset=moods', '--iterations=5', '--epochs=2'], 'are all the length of the training'),
    (['--config=stargan', '--dataset=moods', '--lr=0'], '--lr=0: expected a number above 0'),
    (['--config=stargan', '--dataset=moods', '--resolution=16x32'], 'images of these methods are square'),
    (['--config=stargan', '--dataset=faces'], 'no domains; no folders with images lie side by side'),
    (['--config=stargan', '--dataset=faces', '--attributes=attr.txt', '--labels=Yung'], 'did you mean Young')])
def test_what_is_refused(argv, message):
    with pytest.raises(UserError, match=message):
        finished(*argv)


def test_what_can_be_set():
    options = finished('--config=stargan-v2-afhq', '--dataset=pets')
    found = domains.settable(options)
    assert list(found) == ['G', 'G_opt', 'F', 'F_opt', 'E', 'E_opt', 'D', 'D_opt', 'sched', 'dataset']
    assert 'style_size' in found['F']() and 'style_size' not in found['G']() and found['sched']()['F_lrate'] == 1e-6
