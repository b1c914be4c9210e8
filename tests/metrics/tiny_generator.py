"""A generator that is built in a second."""

from dnnlib import tflib


def tiny_generator(resolution, **kwargs):
    """Untrained `G_main` with four feature maps and eight-dimensional latents, in the default session."""
    return tflib.Network('Gs', func_name='training.networks_stylegan2.G_main', resolution=resolution, num_channels=3,
                         fmap_base=16, fmap_max=4, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8,
                         **kwargs)
