"""StarGAN, StarGAN v2 and BigGAN in the formats of other programs."""

import json
import os

import numpy as np
import pytest

import run_generator
from dnnlib import UserError
from dnnlib.files import torch_file, torch_writer
from export import torch_domains
from generator import info
from tests.training import golden_classes, golden_domains
from training import pretrained
from training.torch_files.names import KINDS

FAMILIES = golden_domains.path_of('stargan2_afhq.pt')


@pytest.fixture(name='file_of')
def fixture_file_of(tmp_path):
    """Function of a case that writes the published file of its generator, or of its networks; returns the path."""
    def make(case):
        if case.startswith('stargan2'):
            return golden_domains.path_of(case + '.pt')
        if case.startswith('biggan'):
            tensors = golden_classes.states(case)['G']
        else:
            with open(golden_domains.path_of(case + '.pt'), 'rb') as file:
                tensors = torch_file.load(file)['G']
        path = str(tmp_path / (case + '.pth'))
        torch_writer.save(torch_file.tensors_in(tensors), path)
        return path
    return make


def parts_of(path):
    """{title: tensors} of a file of PyTorch; of a single network the title is empty."""
    with open(path, 'rb') as file:
        saved = torch_file.load(file)
    is_one = not any(isinstance(value, dict) for value in saved.values())
    return {name: torch_file.tensors_in(value) for name, value in ({'': saved} if is_one else saved).items()}


@pytest.mark.parametrize('case', ['stargan2_afhq', 'stargan2_celeba', 'stargan_classes', 'biggan_hier64',
                                  'biggan_mybn32', 'biggan_cifar32', 'biggan_deep32'])
def test_weight_files_of_pytorch_are_the_published_ones(case, file_of, tmp_path):
    run_generator.main(['export', file_of(case), str(tmp_path / 'out.pt')])
    found, expected = parts_of(str(tmp_path / 'out.pt')), parts_of(file_of(case))
    expected.pop('discriminator', None)  # that of the averages has none
    assert sorted(found) == sorted(expected)
    for title, tensors in expected.items():
        assert sorted(found[title]) == sorted(tensors), title
        for key, value in tensors.items():
            assert found[title][key].shape == value.shape and found[title][key].dtype == value.dtype, key
            if case != 'stargan_classes' or 'running' not in key and 'tracked' not in key:  # which nothing reads
                np.testing.assert_allclose(found[title][key], value, rtol=1e-6, err_msg=key)


def test_landmarks_have_the_published_names():
    with open(golden_domains.path_of('default_shapes.json'), encoding='utf-8') as file:
        published = json.load(file)['stargan2/fan (98 landmarks)']['state_dict']
    variables = [(entry.name, KINDS[entry.kind].from_torch(np.zeros(published[entry.torch], np.float32)))
                 for entry in golden_domains.tables.fan()]
    tensors = torch_domains.tensors_of(dict(version=4, static_kwargs={}, build_func_name='H_fan', variables=variables,
                                            components={}))
    assert {name: list(value.shape) for name, value in tensors.items()} == published


@pytest.mark.parametrize('case, output, options, inputs', [
    ('stargan2_afhq', 'G.onnx', (), 'image [N, 3, 64, 64], z [N, 6], domain [N, 3]'),
    ('stargan2_afhq', 'G.savedmodel', ('--input=reference', '--images=uint8'),
     'image [N, 64, 64, 3], reference [N, 64, 64, 3], domain [N, 3]'),
    ('stargan_classes', 'G.tflite', (), 'image [N, 3, 128, 128], labels [N, 4]'),
    ('biggan_hier64', 'G.onnx', (), 'z [N, 15], labels [N, 5]')])
def test_exported_networks_are_compared_with_ours(case, output, options, inputs, file_of, tmp_path, capsys):
    if output.endswith('.onnx'):
        pytest.importorskip('onnxruntime')
    run_generator.main(['export', file_of(case), str(tmp_path / output)] + list(options))
    said = capsys.readouterr().out
    assert f'Inputs  {inputs}\n' in said and '4 pictures differ by at most' in said


@pytest.mark.parametrize('case, args, message', [
    ('stargan_classes', ['G.pb', '--input=w'], '--input=w does not apply: StarGAN is told labels'),
    ('stargan2_afhq', ['G.pb', '--truncation-psi=1'], '--truncation-psi does not apply to a network that transl'),
    ('stargan2_afhq', ['G.pt', '--direction=AtoB'], '--direction=AtoB is for networks that translate pictures'),
    ('stargan2_celeba', ['G.pb'], 'its generator takes masks, but it holds no network of landmarks'),
    ('biggan_hier64', ['G.pb', '--input=reference'], 'does not apply to a network that draws pictures from latents'),
    ('biggan_hier64', ['G.pb', '--truncation-psi=0.5'], 'has no W and no noise.*leave out --truncation-psi')])
def test_what_cannot_be_exported(case, args, message, file_of, tmp_path):
    path = file_of(case)
    with pytest.raises(UserError, match=message):
        run_generator.main(['export', path, str(tmp_path / args[0])] + args[1:])
    assert not os.path.exists(str(tmp_path / args[0]))


def test_sagan_has_no_file_of_pytorch():
    state = pretrained.read_contents(info.read_file(pretrained.resolve(FAMILIES))).networks['F'].state
    with pytest.raises(UserError, match='the published programs have no network G_other; they have G_stargan, '):
        torch_domains.tensors_of(dict(state, build_func_name='G_other'))
