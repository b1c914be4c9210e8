"""Networks that translate images in the formats of other programs."""

import os

import numpy as np
import pytest

import run_generator
from dnnlib import UserError
from dnnlib.files import torch_file
from generator import info
from tests.training.torch_files.test_translators import file_of, GENERATORS, OLD, saved_in
from training import pretrained


def test_weight_files_of_pytorch_are_the_published_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in sorted({case[0] for case in GENERATORS} - {OLD}):
        run_generator.main(['export', file_of(name), 'out.pt'])
        with open('out.pt', 'rb') as f:
            found = torch_file.tensors_in(torch_file.load(f))
        expected = {key: value for key, value in saved_in(name).items() if not key.endswith('num_batches_tracked')}
        assert set(found) == set(expected), name
        for key, value in expected.items():
            assert found[key].shape == value.shape, (name, key)
            if name != 'smallstylegan2_net_G.pth' or not key.endswith('noise.weight'):  # which does nothing there
                np.testing.assert_allclose(found[key], value, rtol=1e-6, err_msg=key)
    assert capsys.readouterr().out.count('read back, the tensors are the same') == len(GENERATORS) - 1


@pytest.mark.parametrize('name, output, options', [
    ('cut_iter_net_G.pth', 'G.onnx', ('--resolution=16x24',)),
    ('unet64_batch_dropout.pth', 'G.pb', ('--resolution=64', '--eval', '--images=nhwc')),
    ('cut_resnet4_no_antialias.pth', 'G.savedmodel', ('--resolution=16',)),
    ('cut_resnet4_no_antialias.pth', 'G.tflite', ('--resolution=16',)),
    ('ugatit_gen_full.pth', 'G.onnx', ())])
def test_exported_translators_are_compared_with_ours(name, output, options, tmp_path, capsys):
    if output.endswith('.onnx'):
        pytest.importorskip('onnxruntime')
    run_generator.main(['export', file_of(name), str(tmp_path / output)] + list(options))
    said = capsys.readouterr().out
    assert 'Inputs  image [N, ' in said and '4 pictures differ by at most' in said


@pytest.mark.parametrize('name, args, message', [
    ('unet64_batch_dropout.pth', ['G.pb'], 'has dropout, which is random.*--eval exports it'),
    ('cut_resnet9.pth', ['G.pb', '--truncation-psi=1'], '--truncation-psi does not apply to a network that trans'),
    ('cut_resnet9.pth', ['G.pb', '--noise=none'], '--noise=none does not apply: the network G has no noise'),
    ('cut_resnet9.pth', ['G.npz', '--eval'], '--eval does not apply to --format=npz'),
    ('cut_resnet9.pth', ['G.pb', '--direction=AtoB'], 'leave out --direction=AtoB'),
    ('ugatit_gen_full.pth', ['G.pb', '--resolution=64'], 'takes 32x32 pixels alone'),
    ('cut_iter_net_D.pth', ['G.pb'], 'contains|holds|expected')])
def test_what_cannot_be_exported(name, args, message, tmp_path):
    with pytest.raises(UserError, match=message):
        run_generator.main(['export', file_of(name), str(tmp_path / args[0])] + args[1:])
    assert not os.listdir(str(tmp_path))


def test_a_generator_of_latents_takes_no_direction(tmp_path):
    with pytest.raises(UserError, match='--direction does not apply to a network that draws pictures from latents'):
        run_generator.main(['export', pretrained.DEMO_NETWORK, str(tmp_path / 'G.pb'), '--direction=AtoB'])


def test_all_networks_of_a_file_become_arrays(tmp_path):
    path = str(tmp_path / 'all.npz')
    run_generator.main(['export', file_of('ugatit_iter_params.pt'), path])
    contents = pretrained.read_contents(info.read_file(path))
    assert contents.method == 'ugatit' and len(contents.networks) == 6
