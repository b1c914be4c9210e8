"""A generator that is built in a second, and a cache for its metrics."""

import os

from dnnlib import tflib


def empty_cache(tmp_path, monkeypatch):
    """Makes `<tmp_path>/cache` the cache, empty but for native operations, which would take long to build again."""
    ops = os.path.join(os.environ['STYLEGAN2_CACHE'], 'ops')
    os.makedirs(ops, exist_ok=True)
    (tmp_path / 'cache').mkdir()
    os.symlink(ops, str(tmp_path / 'cache' / 'ops'))
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'cache'))


def tiny_generator(resolution, **kwargs):
    """Untrained `G_main` with four feature maps and eight-dimensional latents, in the default session."""
    return tflib.Network('Gs', func_name='training.networks_stylegan2.G_main', resolution=resolution, num_channels=3,
                         fmap_base=16, fmap_max=4, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8,
                         **kwargs)
