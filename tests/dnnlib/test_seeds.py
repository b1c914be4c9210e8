"""Latents, noise and step seeds: the numbers that pictures and runs depend on."""

import numpy as np

from dnnlib import seeds

STEP_SEED = [1194228424, 913893482]  # of (1000, 25600, 'D_reg', 3)


def test_latents_come_first_and_noise_follows():
    rnd = np.random.RandomState(7)
    latents, first, second = rnd.randn(1, 5), rnd.randn(1, 1, 4, 4), rnd.randn(1, 1, 8, 8)
    np.testing.assert_array_equal(seeds.latents_of_seeds([7], [5]), latents)
    found = seeds.noise_of_seed(7, [5], [[1, 1, 4, 4], (1, 1, 8, 8)])
    np.testing.assert_array_equal(found[0], first)
    np.testing.assert_array_equal(found[1], second)


def test_latents_do_not_depend_on_the_other_seeds():
    both = seeds.latents_of_seeds([3, 7], [2, 5])
    assert both.shape == (2, 2, 5) and both.dtype == np.float64
    np.testing.assert_array_equal(both[1:], seeds.latents_of_seeds([7], [2, 5]))


def test_step_seeds_are_kept():
    """Runs that were interrupted go on with the same random numbers only if these stay what they are."""
    assert seeds.step_seed(1000, 25600, 'D_reg', 3).tolist() == STEP_SEED
    assert seeds.step_seed(np.int64(1000), 25600.0, 'D_reg', 3).tolist() == STEP_SEED  # any kind of number


def test_step_seeds_fit_and_differ():
    found = {tuple(seeds.step_seed(0, nimg, 'G', k)) for nimg in range(100) for k in range(10)}
    assert len(found) == 1000 and all(0 <= value < 2 ** 31 for pair in found for value in pair)
    assert seeds.step_seed(0, 0, 'G', 0).dtype == np.int64
    assert tuple(seeds.step_seed(0, 5, 'D', 3)) not in found and tuple(seeds.step_seed(1, 5, 'G', 3)) not in found
