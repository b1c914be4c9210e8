"""Which latents and labels the fakes of a training are drawn of."""

from types import SimpleNamespace

import numpy as np

from training.report.fakes import Random, of_labels

DATA = SimpleNamespace(label_size=1, num_images=6, held_out=[1, 4],
                       read_labels=lambda numbers: np.float32(numbers)[:, None])


def drawn(count, seed, data=DATA):
    """(latents, labels, sizes of the minibatches) of minibatches of at most 4."""
    found = list(of_labels(Random(count, seed, 4), data, lambda rnd, size: rnd.randn(size, 3), lambda z, y: (z, y)))
    parts = [later.draw() for later in found]
    latents, labels = (np.concatenate(arrays) for arrays in zip(*parts))
    return latents, labels, [later.count for later in found]


def test_labels_are_those_of_random_images_that_are_trained_on():
    latents, labels, sizes = drawn(102, seed=5)
    assert sizes == [4] * 25 + [2] and latents.shape == (102, 3) and len(np.unique(latents)) == 306
    assert set(labels.ravel()) == {0, 2, 3, 5}
    counts = [np.sum(labels == number) for number in (0, 2, 3, 5)]
    assert min(counts) > 10  # of 25.5


def test_a_seed_draws_the_same_again():
    for first, second, other in zip(drawn(9, seed=1)[:2], drawn(9, seed=1)[:2], drawn(9, seed=2)[:2]):
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)
    assert (drawn(9, 1, SimpleNamespace(**dict(vars(DATA), label_size=0)))[1] == 0).all()  # no labels to choose from
