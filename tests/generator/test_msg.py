"""What commands do with network files of MSG-GAN, whose generators draw images of several sizes."""

import os

import numpy as np
import PIL.Image
import pytest

import run_generator
from dnnlib import UserError
from generator import writer
from metrics import sources
from tests.training.golden_latent import DATA, FILES

NETWORK = os.path.join(DATA, 'msg_stylegan_r16.pkl')


def test_pictures_of_all_sizes(graph, tmp_path):
    """Noise is the network's own, psi is 0.7, and 8 layers are all of them, as in the golden pictures."""
    command = ['generate-images', '--network=' + NETWORK, '--seeds=100-103', '--device=cpu', '--noise=const',
               '--truncation-psi=0.7', '--result-dir=' + str(tmp_path)]
    run_generator.main(command)
    run_generator.main(command + ['--all-sizes'])
    source = sources.open_network(NETWORK, None, None, 1)
    assert next(iter(source.minibatches(4, 4, seed=0))).shape == (4, 3, 16, 16)
    ref = FILES.arrays('msg_stylegan_r16')
    expected = [writer.to_uint8(ref[f'images_default_{size}']).repeat(16 // size, axis=1).repeat(16 // size, axis=2)
                for size in (4, 8, 16)]
    for number in range(4):
        for folder, pictures in (('00000', expected[2:]), ('00001', expected)):
            path = str(tmp_path / (folder + '-generate-images') / f'seed{100 + number:04d}.png')
            with PIL.Image.open(path) as image:
                wanted = np.concatenate([picture[number] for picture in pictures], axis=1)
                assert np.abs(np.asarray(image).astype(int) - wanted).max() <= 1


def test_generators_of_one_size(graph, tmp_path):
    command = ['generate-images', '--network=' + os.path.join(DATA, 'progan_r16.pkl'), '--seeds=1', '--device=cpu',
               '--all-sizes', '--result-dir=' + str(tmp_path)]
    with pytest.raises(UserError, match='--all-sizes: the generator Gs draws images of one size; drop the option'):
        run_generator.main(command)


def test_exported_graph(tmp_path, capsys):
    """The writer compares what the exported graph draws with the network."""
    run_generator.main(['export', NETWORK, str(tmp_path / 'a.pb'), '--images=uint8'])
    assert 'a.pb' in capsys.readouterr().out


def test_what_is_in_a_file(capsys):
    run_generator.main(['info', NETWORK])
    out = capsys.readouterr().out
    for line in ('Kind        MSG-GAN network pickle: G, D, Gs', 'Pictures    16x16, 3 channels, no labels',
                 'Config      msg-stylegan: images of all sizes from 4x4 on', 'D           D_basic, state version 3'):
        assert line in out, line
