"""Two small networks with two labels as files, and commands that run in this process."""

import os

import numpy as np
import pytest

import run_generator


@pytest.fixture(scope='package')
def graph():
    """A graph with a default session for all tests of this folder: loading networks is what takes time."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    with tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu', 'ops': 'ref'})
        yield tf.get_default_session()
        tflib.close_tf()


@pytest.fixture(scope='package')
def networks(graph, tmp_path_factory):
    """Paths of the files A and B; B has the shapes of A and other values."""
    import dnnlib.tflib as tflib
    from dnnlib.tflib import network_pickle
    folder = tmp_path_factory.mktemp('networks')
    small = dict(num_channels=3, resolution=16, label_size=2, fmap_max=8)
    latents = dict(latent_size=8, dlatent_size=8, mapping_fmaps=8, mapping_layers=2)
    paths = []
    for name in 'AB':
        G = tflib.Network('G', 'training.networks_stylegan2.G_main', **dict(small, **latents))
        D = tflib.Network('D', 'training.networks_stylegan2.D_stylegan2', **small)
        rnd = np.random.RandomState(len(paths))
        for var in G.vars:
            if var.endswith(('bias', 'noise_strength')) or var == 'dlatent_avg':
                G.set_var(var, 0.3 * rnd.randn(*G.vars[var].shape.as_list()))
        paths.append(str(folder / (name + '.pkl')))
        network_pickle.save((G, D, G), paths[-1])
    return paths


@pytest.fixture(scope='package')
def generator(networks):
    """Gs of the file A."""
    from training import pretrained
    return pretrained.load_generator(networks[0])


@pytest.fixture
def command(networks, generator, tmp_path, monkeypatch):
    """Function that runs a command on the network A and returns its run directory, a Path."""
    from training import pretrained
    loaded = pretrained.load_generator
    monkeypatch.setattr(pretrained, 'load_generator',
                        lambda file, *_: generator if file.path == networks[0] else loaded(file))

    def run(name, *args):
        network = [] if name == 'blend' else ['--network=' + networks[0]]
        where = ['--device=cpu', '--result-dir=' + str(tmp_path / 'results')]
        run_generator.main([name] + network + where + list(args))
        return sorted((tmp_path / 'results').iterdir())[-1]
    yield run
    assert not [name for name in os.listdir(str(tmp_path)) if name.startswith('tmp_')]
