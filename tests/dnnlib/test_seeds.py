"""Seeds of session calls."""

from dnnlib.seeds import step_seed


def test_step_seeds_fit_and_differ():
    seeds = {tuple(step_seed(0, nimg, 'G', k)) for nimg in range(100) for k in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= number < 2 ** 31 for seed in seeds for number in seed)
    assert tuple(step_seed(0, 5, 'G', 3)) in seeds
    assert tuple(step_seed(0, 5, 'D', 3)) not in seeds and tuple(step_seed(1, 5, 'G', 3)) not in seeds
