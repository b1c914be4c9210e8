"""Pictures that are not square, no power of two, grey or transparent, from files to a projection."""

import os

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

import dataset_tool
import run_generator
import run_projector
import run_training
from dnnlib import tflib
from training.dataset import load_dataset

NARROW = ['G.fmap_max=8', 'D.fmap_max=8', 'G.mapping_layers=1', 'G.mapping_fmaps=8', 'G.latent_size=8',
          'G.dlatent_size=8', 'sched.minibatch_gpu_base=4', 'sched.minibatch_size_base=4', 'grid.size=3x2',
          'train.network_snapshot_ticks=None', 'train.minibatch_repeats=1']
# growing from the base block of 7x4 pixels: a dozen iterations there, a dozen of fade
GROWING = ['sched.lod_initial_resolution=4', 'sched.lod_training_kimg=0.95', 'sched.lod_transition_kimg=0.1',
           'sched.minibatch_size_dict={}', 'sched.minibatch_gpu_dict={}']


def run(main, *argv):
    """Runs a program in a graph of its own."""
    with tf.Graph().as_default():
        try:
            assert main([str(arg) for arg in argv]) in (0, None)
        finally:
            if tf.get_default_session() is not None:
                tflib.close_tf()


def write_pictures(folder, mode, height, width, num=12):
    """Writes pictures of random numbers."""
    folder.mkdir()
    rng = np.random.RandomState(0)
    for index in range(num):
        channels = {'L': 1, 'RGB': 3, 'RGBA': 4}[mode]
        pixels = rng.randint(256, size=[height, width, channels]).astype(np.uint8)
        PIL.Image.fromarray(pixels if channels > 1 else pixels[:, :, 0]).save(str(folder / ('%02d.png' % index)))


@pytest.mark.parametrize('mode, height, width, config, settings', [
    ('RGBA', 14, 8, 'config-b', GROWING), ('L', 12, 12, 'config-e', [])])
def test_training_generation_and_projection(tmp_path, monkeypatch, mode, height, width, config, settings):
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / 'pictures', mode, height, width)
    run(dataset_tool.main, 'create_from_images', 'records', 'pictures', '--shuffle=0')
    data = 'records' if settings else 'pictures'
    argv = ['--dataset=' + data, '--config=' + config, '--device=cpu', '--ops=ref', '--no-selftest', '--total-kimg=1',
            '--set', 'train.resume_kimg=0.9']
    for setting in NARROW + settings:
        argv += ['--set', setting]
    run(run_training.main, *argv)
    run_dir = os.path.join('results', '00000-stylegan2-{}-1gpu-{}'.format(data, config))
    for name in ('reals.png', 'fakes_init.png', 'fakes000001.png'):
        picture = PIL.Image.open(os.path.join(run_dir, name))
        assert (picture.mode, picture.size) == (mode, (3 * width, 2 * height))
    network = '--network=' + os.path.join(run_dir, 'network-final.pkl')
    run(run_generator.main, 'generate-images', network, '--seeds=0-2', '--device=cpu', '--ops=ref')
    picture = PIL.Image.open(os.path.join('results', '00001-generate-images', 'seed0001.png'))
    assert (picture.mode, picture.size) == (mode, (width, height))
    grid = np.asarray(PIL.Image.open(os.path.join('results', '00001-generate-images', 'grid.png')))
    cell = grid[:height, width:] if mode == 'RGBA' else grid[:height, width:, 0]
    np.testing.assert_array_equal(cell, np.asarray(picture))
    run(run_projector.main, 'project-images', network, 'pictures/00.png', '--num-steps=2', '--distance=pixel',
        '--device=cpu', '--ops=ref', '--no-selftest')
    picture = PIL.Image.open(os.path.join('results', '00002-project-images', '00-projection.png'))
    assert picture.size == (width, height)


def test_records_of_any_size_hold_every_level(tmp_path):
    write_pictures(tmp_path / 'pictures', 'RGB', 40, 32, num=2)
    run(dataset_tool.main, 'create_from_images', tmp_path / 'records', tmp_path / 'pictures', '--resolution=20x16')
    names = sorted(os.listdir(str(tmp_path / 'records')))
    assert names == ['records-r%02d.tfrecords' % level for level in (2, 3, 4)]
    with load_dataset(tfrecord_dir=str(tmp_path / 'records')) as records, \
            load_dataset(tfrecord_dir=str(tmp_path / 'pictures'), resolution=(20, 16)) as pictures:
        assert records.shape == pictures.shape == [3, 20, 16] and records.resolution == [20, 16]
        assert records.resolution_log2 == 4 and records.read(0, lod=2).shape == (3, 5, 4)
        in_records = {records.read(index, lod).tobytes() for index in range(2) for lod in range(3)}
        assert in_records == {pictures.read(index, lod).tobytes() for index in range(2) for lod in range(3)}
    with load_dataset(tfrecord_dir=str(tmp_path / 'records'), resolution=(10, 8)) as records:
        assert records.shape == [3, 10, 8]


@pytest.mark.parametrize('size, box', [((30, 24), (0, 0, 30, 24)), ((100, 40), (25, 0, 75, 40)),
                                       ((30, 48), (0, 12, 30, 36))])
def test_pictures_are_cropped_to_the_proportions_of_the_network(tmp_path, size, box):
    pixels = np.random.RandomState(0).randint(256, size=(size[1], size[0], 3)).astype(np.uint8)
    (tmp_path / 'x').mkdir()
    picture = PIL.Image.fromarray(pixels)
    picture.save(str(tmp_path / 'x' / 'a.png'))
    with load_dataset(tfrecord_dir=str(tmp_path / 'x'), resolution=[16, 20]) as data:
        expected = np.asarray(picture.crop(box).resize((20, 16), PIL.Image.LANCZOS))
        np.testing.assert_array_equal(data.read(0), expected.transpose(2, 0, 1))
