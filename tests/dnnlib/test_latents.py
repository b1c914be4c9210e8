"""What latents are drawn from: moments and ranges, in a graph and by NumPy; names that are refused."""

import numpy as np
import pytest

from dnnlib import UserError, latents
from dnnlib.tflib import latents as graph_latents

MOMENTS = {  # name: mean, variance, smallest and largest value
    'normal': (0, 1, -9, 9), 'uniform': (0, 1 / 3, -1, 1), 'truncated:0.8': (0, 0.1957, -0.8, 0.8),
    'scaled:0.5': (0, 0.25, -4, 4), 'hub:0.5': (0, 0.25 * 0.7737, -1, 1), 'bernoulli': (0.5, 0.25, 0, 1),
    'censored': (0.3989, 0.3408, 0, 9), 'sign': (0, 1, -1, 1), 'ternary': (0, 2 / 3, -1, 1), 'gated': (0, 0.5, -9, 9)}


@pytest.mark.parametrize('by_graph', [False, True])
def test_moments_and_ranges(session, by_graph):
    assert set(latents.PLAIN + latents.STRENGTHS) == {name.partition(':')[0] for name in MOMENTS}
    shape = [200, 250]
    if by_graph:
        found = session.run({name: graph_latents.draw(shape, name) for name in MOMENTS})
    else:
        found = {name: latents.draw(np.random.RandomState(3), shape, name) for name in MOMENTS}
    for name, (mean, variance, low, high) in MOMENTS.items():
        values = found[name]
        assert values.shape == tuple(shape), name
        np.testing.assert_allclose([values.mean(), values.var()], [mean, variance], atol=0.02, err_msg=name)
        assert low - 1e-6 <= values.min() and values.max() <= high + 1e-6, name
    for name, numbers in (('bernoulli', [0, 1]), ('sign', [-1, 1]), ('ternary', [-1, 0, 1])):
        assert sorted(set(found[name].reshape(-1).tolist())) == numbers
    assert 0.45 < (found['censored'] == 0).mean() < 0.55 and 0.45 < (found['gated'] == 0).mean() < 0.55


def test_normal_ones_are_those_of_ever():
    np.testing.assert_array_equal(latents.draw(np.random.RandomState(7), (3, 4), 'normal'),
                                  np.random.RandomState(7).randn(3, 4))


@pytest.mark.parametrize('by_graph', [False, True])
def test_parts_that_are_drawn_from_different_ones(session, by_graph):
    name, shape = 'uniform*4+truncated:0.5*2+bernoulli*3', [50, 9]
    found = session.run(graph_latents.draw(shape, name)) if by_graph else latents.draw(
        np.random.RandomState(0), shape, name)
    assert found.shape == (50, 9) and 0.5 < np.abs(found[:, :4]).max() <= 1
    assert 0.2 < np.abs(found[:, 4:6]).max() <= 0.5 and set(found[:, 6:].reshape(-1)) == {0, 1}
    with pytest.raises(UserError, match='the parts have 9 components, but Z has 8'):
        latents.draw(np.random.RandomState(0), [1, 8], name)
    for bad, message in (('normal*3+sign', 'the number of components of each part, such as'),
                         ('normal*0+sign*1', 'number of components'), ('bad*3+sign*1', 'expected normal, uniform')):
        with pytest.raises(UserError, match=message):
            latents.parse(bad)


@pytest.mark.parametrize('name', ['', 'cauchy', 'truncated', 'truncated:', 'truncated:x', 'truncated:0', 'scaled:-1',
                                  'normal:2', 'hub:nan', None])
def test_names_that_are_refused(name):
    with pytest.raises(UserError, match='expected normal, uniform, .* such as truncated:0.8'):
        latents.parse(name)
