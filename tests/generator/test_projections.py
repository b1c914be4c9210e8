"""Files of projected pictures."""

from typing import NamedTuple

import numpy as np
import pytest

from dnnlib.util import UserError
from generator import projections


class Projection(NamedTuple):
    """What the projector hands over."""

    dlatents: np.ndarray
    noises: list
    distance: float


def test_projections_come_back(tmp_path):
    dlatents = np.random.RandomState(0).randn(1, 4, 8).astype(np.float32)
    noise = np.ones([1, 1, 4, 4], np.float32)
    path = str(tmp_path / 'a.npz')
    projections.save(path, Projection(dlatents, [noise], 0.25), 'abc', 'a.png')
    found = projections.load(path)
    np.testing.assert_array_equal(found['dlatents'], dlatents)
    np.testing.assert_array_equal(found['noise0'], noise)
    assert (str(found['network_hash']), str(found['source']), float(found['distance'])) == ('abc', 'a.png', 0.25)
    np.savez(path, dlatents=np.zeros([3]))
    with pytest.raises(UserError, match='expected dlatents'):
        projections.load(path)
    (tmp_path / 'a.npz').write_text('text')
    with pytest.raises(UserError, match='not an npz'):
        projections.load(path)
