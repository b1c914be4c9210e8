"""What a seed determines: the latents and noise maps of a picture, and the random numbers of a training step."""

import hashlib

import numpy as np

from dnnlib import latents


def latents_of_seeds(seeds, shape, prior='normal'):
    """Latents as published: those of each seed come first out of its own `RandomState(seed)`.

    Args:
        seeds: List of ints, 0 <= seed < 2^32.
        shape: Shape of the latents of one picture, such as [512].
        prior: What they are drawn from, see `dnnlib.latents.parse`.
    Returns: [len(seeds), *shape], float64.
    """
    return np.stack([latents.draw(np.random.RandomState(seed), shape, prior) for seed in seeds])


def noise_of_seed(seed, latent_shape, noise_shapes):
    """Noise maps as published: they come out of `RandomState(seed)` after the latents, in the order of the layers.

    Args:
        seed: int, 0 <= seed < 2^32.
        latent_shape: Shape of the latents of one picture.
        noise_shapes: Shapes of the noise maps, in order.
    Returns: List of float64 arrays of these shapes, standard normal.
    """
    rnd = np.random.RandomState(seed)
    rnd.randn(*latent_shape)
    return [rnd.randn(*shape) for shape in noise_shapes]


def step_seed(seed, nimg, stage_name, round_idx):
    """Seed of the random numbers of one session call: the same after a restart, unrelated to that of any other call.

    Args:
        seed: Seed of the training, int.
        nimg: Images shown before the iteration, int.
        stage_name: Name of the stage.
        round_idx: Number of the round within the stage.
    Returns: int64 [2], 0 <= value < 2^31.
    """
    digest = hashlib.sha256(repr((int(seed), int(nimg), stage_name, int(round_idx))).encode()).digest()
    return (np.frombuffer(digest[:8], dtype='<u4') >> 1).astype(np.int64)
