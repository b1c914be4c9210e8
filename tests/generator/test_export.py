"""The command export, and networks opened from what it writes."""

import numpy as np
import pytest

import run_generator
from dnnlib import UserError
from dnnlib.tflib import network_pickle
from training import pretrained


@pytest.mark.parametrize('kind', ['npz', 'safetensors'])
def test_exported_networks_are_opened_by_every_command(generator, networks, tmp_path, capsys, kind):
    path = str(tmp_path / ('a.' + kind))
    run_generator.main(['export', networks[0], path])
    assert 'read back, all arrays are the same' in capsys.readouterr().out
    Gs = pretrained.load_generator(path)
    assert Gs.static_kwargs == generator.static_kwargs and list(Gs.vars) == list(generator.vars)
    for name in Gs.vars:
        np.testing.assert_array_equal(Gs.get_var(name), generator.get_var(name))
    latents = np.random.RandomState(0).randn(2, 8)
    images = [net.run(latents, None, randomize_noise=False) for net in (Gs, generator)]
    np.testing.assert_array_equal(*images)
    network_pickle.save([Gs], str(tmp_path / 'b.pkl'))  # and back
    again = network_pickle.load(str(tmp_path / 'b.pkl'), pretrained.BUILD_MODULES)[0]
    np.testing.assert_array_equal(again.run(latents, None, randomize_noise=False), images[1])


def test_what_cannot_be_exported(networks, tmp_path):
    (tmp_path / 'text.pkl').write_text('hello there')
    for args, message in [([str(tmp_path / 'text.pkl'), str(tmp_path / 'a.npz')], 'text.pkl: not a network pickle'),
                          ([networks[0], str(tmp_path / 'none' / 'a.npz')], 'its folder is not there'),
                          ([networks[0], str(tmp_path / 'a.jpg')], 'no format has this extension')]:
        with pytest.raises(UserError, match=message):
            run_generator.main(['export'] + args)
    assert [path.name for path in tmp_path.iterdir()] == ['text.pkl']
