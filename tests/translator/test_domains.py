"""Pictures translated to domains by published files, as a user types it: styles of seeds, of references, labels."""

import os

import numpy as np
import PIL.Image
import pytest

import run_translator
from dnnlib import UserError
from dnnlib.files import torch_file, torch_writer
from dnnlib.seeds import latents_of_seeds
from tests.training import golden_domains as golden
from training import pretrained
from translator import domain_sheets, domains

FILE = golden.path_of('stargan2_afhq.pt')


@pytest.fixture(name='folder', autouse=True)
def fixture_folder(tmp_path, monkeypatch, session):
    """Folders `in` and `ref` of two pictures each, one of another size; a file of StarGAN's generator."""
    del session
    monkeypatch.chdir(tmp_path)
    for name, seed in (('in', 0), ('ref', 2)):
        os.makedirs(name)
        for i in range(2):
            small = np.random.RandomState(seed + i).randint(0, 256, [4, 4, 3], np.uint8)
            PIL.Image.fromarray(small).resize((64 + 26 * i, 64)).save(os.path.join(name, f'{name}{i}.png'))
    with open(golden.path_of('stargan_classes.pt'), 'rb') as file:
        torch_writer.save(torch_file.tensors_in(torch_file.load(file)['G']), '200000-G.ckpt')
    return tmp_path


def translate(*args):
    """Runs the command; returns {name: picture} of what it wrote."""
    run_translator.main(['domains', '--device=cpu', '--ops=ref'] + list(args))
    folder = os.path.join('results', sorted(os.listdir('results'))[-1])
    found = {}
    for name in os.listdir(folder):
        if name.endswith('.png'):
            with PIL.Image.open(os.path.join(folder, name)) as image:
                found[name] = np.asarray(image).astype(int)
    return found


def read(path):
    """A picture as networks take it, [1, 3, 64, 64]."""
    with PIL.Image.open(path) as image:
        return np.asarray(image).transpose(2, 0, 1)[np.newaxis] / 127.5 - 1


def test_styles_of_seeds_and_of_references():
    found = translate('in', f'--network={FILE}', '--domain=1', '--styles=0,3')
    assert sorted(found) == ['grid.png', 'in0-1-0.png', 'in0-1-3.png', 'in1-1-0.png', 'in1-1-3.png']
    assert found['grid.png'].shape[0] >= 2 * 64 and found['in1-1-0.png'].shape == (64, 64, 3)
    networks = pretrained.load_file(FILE).networks
    target = np.float32([[0, 1, 0]])
    style = networks['F'].run(latents_of_seeds([3], [6]), target)
    image = networks['G'].run(read('in/in0.png'), style)[0].transpose(1, 2, 0)
    assert np.abs(found['in0-1-3.png'] - np.clip(np.rint((image + 1) * 127.5), 0, 255)).max() <= 1
    found = translate('in', f'--network={FILE}', '--domain=1', '--references=ref')
    assert sorted(found)[1:] == ['in0-1-ref0.png', 'in0-1-ref1.png', 'in1-1-ref0.png', 'in1-1-ref1.png']
    style = networks['E'].run(read('ref/ref0.png'), target)
    image = networks['G'].run(read('in/in0.png'), style)[0].transpose(1, 2, 0)
    assert np.abs(found['in0-1-ref0.png'] - np.clip(np.rint((image + 1) * 127.5), 0, 255)).max() <= 1


def test_mean_styles_and_videos(monkeypatch):
    monkeypatch.setattr(domains, 'MEAN_OF', 50)
    frames = []

    class Film:
        path = 'film'

        def __init__(self, path, shape, fps, _max_height):
            frames.append((os.path.basename(path), shape, fps))

        def add(self, frame):
            frames.append(frame)

        def close(self):
            frames.append('end')
    monkeypatch.setattr(domain_sheets.video, 'Video', Film)
    found = translate('in', f'--network={FILE}', '--domain=2', '--styles=0,3', '--psi=0', '--video')
    np.testing.assert_array_equal(found['in0-2-0.png'], found['in0-2-3.png'])  # the mean style
    assert frames[0] == ('video-2', (128, 128), 15) and frames[-1] == 'end' and len(frames) == 2 + 31
    top, below = np.split(frames[1].astype(int), 2)
    np.testing.assert_array_equal(below, np.concatenate([found['in0-2-0.png'], found['in1-2-0.png']], axis=1))
    np.testing.assert_array_equal(top[:, :64], np.rint((read('in/in0.png')[0].transpose(1, 2, 0) + 1) * 127.5))


def test_labels_of_stargan():
    found = translate('in/in0.png', '--network=200000-G.ckpt', '--domain=1,3')
    assert sorted(found) == ['grid.png', 'in0-1,3.png'] and found['in0-1,3.png'].shape == (128, 128, 3)


@pytest.mark.parametrize('args, message', [
    ([f'--network={FILE}', '--domain=3'], "there is no class '3'; expected 0 to 2"),
    ([f'--network={FILE}', '--domain=1,2'], '--domain=1,2: give one domain, 0 to 2, or leave it out for all'),
    ([f'--network={FILE}', '--references=ref'], 'say which domain they are of, by --domain=0 for example'),
    ([f'--network={FILE}', '--references=no'], 'no: no such file or folder'),
    (['--network=200000-G.ckpt', '--psi=0.5'], '--psi: StarGAN has no styles; drop it'),
    (['--network=200000-G.ckpt', '--video'], '--video: StarGAN has no styles; drop it'),
    ([f'--network={FILE}', '--references=ref', '--psi=0.5', '--domain=1'], '--psi: of styles of seeds'),
    ([f'--network={FILE}', '--video'], 'it leads from one style to the next; give several, such as --styles=0-4'),
    ([f'--network={golden.path_of("stargan2_celeba.pt")}'], 'takes masks, but it holds no network of landmarks'),
    (['--network=200000-G.ckpt', '--references=ref'], 'StarGAN translates to labels, not to styles'),
    (['--network=' + os.path.join(golden.DATA, '..', 'translation', 'resnet6_instance.pth')],
     'no translator between domains; run_translator.py translate is for others')])
def test_what_is_refused(args, message):
    with pytest.raises(UserError, match=message):
        run_translator.main(['domains', 'in'] + args)
