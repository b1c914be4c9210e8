"""What commands do with network files of ProGAN, which have no W."""

import os

import numpy as np
import PIL.Image
import pytest

import run_generator
from dnnlib import UserError
from metrics import sources
from tests.training.golden_latent import DATA, FILES

NETWORK = os.path.join(DATA, 'progan_r16.pkl')


def test_pictures_are_the_published_ones(graph, tmp_path):
    run_generator.main(['generate-images', '--network=' + NETWORK, '--seeds=100-103', '--device=cpu',
                        '--result-dir=' + str(tmp_path)])
    with pytest.raises(UserError, match='--truncation-psi=0.7: this generator has no W'):
        run_generator.main(['generate-images', '--network=' + NETWORK, '--seeds=1', '--truncation-psi=0.7',
                            '--device=cpu', '--result-dir=' + str(tmp_path)])
    source = sources.open_network(NETWORK, None, None, 1)
    images = next(iter(source.minibatches(4, 4, seed=0)))
    assert images.shape == (4, 3, 16, 16) and images.dtype == np.uint8 and images.std() > 10
    expected = FILES.arrays('progan_r16')['images_uint8'].transpose(0, 2, 3, 1)
    for number, picture in enumerate(expected):
        with PIL.Image.open(str(tmp_path / '00000-generate-images' / f'seed{100 + number:04d}.png')) as image:
            assert np.abs(np.asarray(image).astype(int) - picture).max() <= 1


def test_exported_graph(tmp_path, capsys):
    """The writer compares what the exported graph draws with the network."""
    run_generator.main(['export', NETWORK, str(tmp_path / 'a.pb'), '--images=uint8'])
    assert 'a.pb' in capsys.readouterr().out
    for option in ('--input=w', '--noise=random', '--truncation-psi=0.5'):
        with pytest.raises(UserError, match=f'no W and no noise.*; leave out {option.split("=")[0]}'):
            run_generator.main(['export', NETWORK, str(tmp_path / 'b.pb'), option])


def test_what_is_in_a_file(capsys):
    run_generator.main(['info', NETWORK])
    out = capsys.readouterr().out
    for line in ('Kind        ProGAN network pickle: G, D, Gs', 'Pictures    16x16, 3 channels, no labels',
                 'Config      progan, fused kernels', 'Gs          G_paper, state version 2, 15,865 parameters',
                 'Refused     nothing'):
        assert line in out, line
