"""Files of BigGAN's program: what networks are is inferred from their tensors; those that are something else."""

import numpy as np
import pytest

from dnnlib import UserError
from dnnlib.files import torch_file, torch_writer
from generator import network_data
from tests.training import golden_classes as golden
from training import pretrained
from training.state.sources import find_sources
from training.train_step import Net

INFERRED = {  # (case, network): some of the options
    ('biggan_hier64', 'G'): dict(resolution=64, fmaps=4, latent_size=15, hierarchical=True, shared_size=6,
                                 attention=[32], label_size=5, norm='batch'),
    ('biggan_mybn32', 'G'): dict(resolution=32, fmaps=2, latent_size=8, hierarchical=True, norm='standing'),
    ('biggan_deep32', 'G'): dict(resolution=32, fmaps=4, latent_size=9, shared_size=7, attention=[16]),
    ('biggan_hier64', 'D'): dict(resolution=64, fmaps=4, wide=True, attention=[16], label_size=5),
    ('biggan_mybn32', 'D'): dict(resolution=32, fmaps=4, wide=False, attention=[]),
    ('biggan_deep32', 'D'): dict(resolution=32, fmaps=4, label_size=4)}


def read(tensors, path):
    """Contents of a file of these tensors."""
    torch_writer.save(tensors, str(path))
    return pretrained.read_contents(path.read_bytes())


@pytest.mark.parametrize('case, name', list(INFERRED))
def test_what_networks_are(case, name, tmp_path):
    contents = read(torch_file.tensors_in(golden.states(case)[name]), tmp_path / 'file.pth')
    assert list(contents.networks) == [name] and contents.method == 'classes'
    assert contents.roles[name].role == dict(G='generator', D='discriminator')[name]
    assert contents.roles[name].inputs == (('latents' if name == 'G' else 'images'), 'labels')
    options = network_data.options_of(contents.networks[name].state)
    assert {key: options[key] for key in INFERRED[case, name]} == INFERRED[case, name]


def test_a_training_begins_from_a_published_generator(tmp_path):
    contents = read(torch_file.tensors_in(golden.states('biggan_deep32')['G']), tmp_path / 'G_ema.pth')
    nets = dict(G=Net('', role='generator'), D=Net('', role='discriminator'), Gs=Net('', average_of='G'))
    assert find_sources(nets, contents) == dict(G='G', Gs='G')


@pytest.mark.parametrize('change, message', [
    (lambda tensors: tensors.pop('blocks.1.0.conv2.bias'), 'its tensor blocks.1.0.conv2.bias is missing'),
    (lambda tensors: tensors.update({'linear.weight': np.zeros([4], np.float32)}), 'linear.weight has the shape'),
    (lambda tensors: tensors.update({'linear.u1': np.zeros([1, 4], np.float32)}), 'do not have: linear.u1')])
def test_files_that_are_something_else(change, message, tmp_path):
    for name in 'GD':
        tensors = dict(torch_file.tensors_in(golden.states('biggan_hier64')[name]))
        change(tensors)
        with pytest.raises(UserError, match=message):
            read(tensors, tmp_path / 'file.pth')
