"""The command export, and networks opened from what it writes."""

import numpy as np
import pytest

import run_generator
from dnnlib import UserError, tflib
from dnnlib.tflib import network_pickle
from export import arrays
from generator import info
from training import pretrained


def test_exported_networks_are_opened_by_every_command(generator, networks, tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ('a.npz', 'a.safetensors', 'b.pkl')]
    run_generator.main(['export', networks[0], paths[0]])
    run_generator.main(['export', paths[0], paths[1]])
    assert capsys.readouterr().out.count('read back, all arrays are the same') == 2
    Gs = pretrained.load_generator(paths[1])
    assert Gs.static_kwargs == generator.static_kwargs and list(Gs.vars) == list(generator.vars)
    for name, value in tflib.run(dict(Gs.vars)).items():
        np.testing.assert_array_equal(value, generator.get_var(name))
    latents = np.random.RandomState(0).randn(2, 8)
    np.testing.assert_array_equal(*[net.run(latents, None, randomize_noise=False) for net in (Gs, generator)])
    network_pickle.save((Gs, Gs, Gs), paths[2])  # and back
    saved = [pretrained.read_states(info.read_file(path)) for path in (networks[0], paths[2])]
    assert len({tuple(arrays.hashes([states[2]])) for states in saved}) == 1


def test_a_file_that_differs_when_read_back_is_not_kept(networks, tmp_path, monkeypatch):
    found = iter(['written', 'to be written'])
    monkeypatch.setattr(arrays, 'hashes', lambda saved: next(found))
    with pytest.raises(UserError, match='arrays differ when read back'):
        run_generator.main(['export', networks[0], str(tmp_path / 'a.npz')])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(networks, tmp_path):
    (tmp_path / 'text.pkl').write_text('hello there')
    for args, message in [([str(tmp_path / 'text.pkl'), str(tmp_path / 'a.npz')], 'text.pkl.* it is a text'),
                          ([networks[0], str(tmp_path / 'none' / 'a.npz')], 'its folder does not exist'),
                          ([networks[0], str(tmp_path / 'a.jpg')], 'unknown extension; use one of .pkl, .pt')]:
        with pytest.raises(UserError, match=message):
            run_generator.main(['export'] + args)
    assert [path.name for path in tmp_path.iterdir()] == ['text.pkl']
