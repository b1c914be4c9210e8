"""Tests of loading networks by path, URL and short name."""

import numpy as np
import pytest

from dnnlib import UserError
from dnnlib.tflib import network_pickle
from training import pretrained


def test_the_generator_alone_is_gs_and_nothing_else_is_built(session, data_dir):
    path = str(data_dir / 'configf_r32.pkl')
    Gs = pretrained.load_generator(path)
    assert Gs.name == 'Gs'
    scopes = {op.name.split('/')[0] for op in session.graph.get_operations()}
    assert 'D' not in scopes and 'G' not in scopes
    reference = np.load(str(data_dir / 'configf_r32.npz'))
    image = Gs.run(reference['latents'][:1], None, truncation_psi=None, randomize_noise=False)
    np.testing.assert_allclose(image, reference['images'][:1], atol=1e-3)


def test_a_file_without_three_networks_is_refused_by_name(session, tmp_path):
    path = str(tmp_path / 'pair.pkl')
    network_pickle.save(({}, {}), path)
    for load in (pretrained.load_generator, pretrained.load_networks):
        with pytest.raises(UserError, match='pair.pkl'):
            load(path)
