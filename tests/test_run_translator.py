"""The command line of run_translator.py as a user types it, with small published networks."""

import os
import shutil

import numpy as np
import PIL.Image
import pytest

import run_translator
from dnnlib import UserError, video
from export import arrays
from projector import inputs
from tests.training import golden_translation as golden
from tests.training.torch_files.test_translators import file_of
from training import pretrained
from translator import networks


@pytest.fixture(scope='module', autouse=True)
def graph():
    """A graph with a default session for all of them."""
    import tensorflow.compat.v1 as tf
    import dnnlib.tflib as tflib
    with tf.Graph().as_default():
        tflib.init_tf({'rnd.np_random_seed': 0, 'device': 'cpu', 'ops': 'ref'})
        yield
        tflib.close_tf()


@pytest.fixture
def translate(tmp_path, monkeypatch):
    """Function that translates and returns the run directory, a Path."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        run_translator.main(['translate', '--device=cpu'] + list(args))
        return sorted((tmp_path / 'results').iterdir())[-1]
    yield run
    assert not [name for name in os.listdir(str(tmp_path)) if name.startswith('tmp_')]


def picture(seed, height, width):
    """A smooth picture, uint8 [H, W, 3]."""
    small = np.random.RandomState(seed).randint(0, 256, [4, 4, 3], np.uint8)
    return np.asarray(PIL.Image.fromarray(small).resize((width, height), PIL.Image.BICUBIC))


def pixels_of(path):
    """Pixels of a picture, [C, H, W]."""
    with PIL.Image.open(str(path)) as image:
        return np.asarray(image).transpose(2, 0, 1).astype(int)


def expected(network, pixels, multiple=4, **options):
    """What a network makes of a picture that is reflected to multiples: [C, H, W]."""
    height, width = pixels.shape[:2]
    tops, lefts = ((-size % multiple) // 2 for size in (height, width))
    border = [(0, 0), (tops, -height % multiple - tops), (lefts, -width % multiple - lefts)]
    image = np.pad(inputs.to_target(pixels.transpose(2, 0, 1)), border, mode='reflect')
    result = network.run(image[np.newaxis], return_as_list=True, resolution=list(image.shape[1:]), **options)[0][0]
    return inputs.to_pixels(result[:, tops:tops + height, lefts:lefts + width]).astype(int)


def test_pictures_keep_their_sizes_and_names(translate, capsys):
    os.mkdir('in')
    sizes = dict(a=(21, 30), b=(24, 64))
    for name, size in sizes.items():
        PIL.Image.fromarray(picture(0, *size)).save(f'in/{name}.png')
    whole = translate('in', '--network=' + file_of('cut_resnet9.pth'), '--sheet')
    assert sorted(path.name for path in whole.glob('*.png')) == ['a.png', 'b.png', 'grid.png']
    G = pretrained.load_file(file_of('cut_resnet9.pth')).networks['G']
    for name, size in sizes.items():
        assert np.abs(pixels_of(whole / f'{name}.png') - expected(G, picture(0, *size))).max() <= 1
    height, width = pixels_of(whole / 'grid.png').shape[1:]
    assert height == 14 + 2 * 24 and width >= 2 * 64  # wider for captions in some versions of Pillow
    arrays.write(pretrained.resolve(file_of('cut_resnet9.pth')), 'ours.pkl', 'pkl')
    pieces = translate('in', '--network=ours.pkl', '--tile=32', '--overlap=8')
    np.testing.assert_array_equal(pixels_of(pieces / 'a.png'), pixels_of(whole / 'a.png'))  # one tile
    first, second = (expected(G, picture(0, 24, 64)[:, begin:begin + 32]) for begin in (0, 32))
    found = pixels_of(pieces / 'b.png')
    assert np.abs(found[:, :, :24] - first[:, :, :24]).max() <= 1  # 24 and 32 are where the others begin
    assert np.abs(found[:, :, 56:] - second[:, :, 24:]).max() <= 1
    said = capsys.readouterr().out
    assert 'Network G takes pictures in color, of any size' in said and 'Wrote the translations of 2 pictures' in said


def test_a_network_of_one_size_and_the_other_direction(translate, capsys):
    PIL.Image.fromarray(picture(1, 40, 90)).save('b.png')
    run = translate('b.png', '--network=' + file_of('ugatit_iter_params.pt'), '--direction=BtoA')
    assert pixels_of(run / 'b.png').shape == (3, 40, 90)
    assert 'Network G_ba takes pictures in color, resized to 64x64 and back' in capsys.readouterr().out


def test_test_mode():
    from translator import drawing  # which loads TensorFlow
    case = 'resnet6_batch_dropout'
    files, x = networks.Files(pretrained.resolve(file_of(case + '.pth'))), golden.arrays_cached(case)['x']
    found = {}
    for mode in (networks.Mode(), networks.Mode(evaluate=True)):
        translator = drawing.Translator(files, networks.read_kind(files, mode), mode)
        found[mode.evaluate] = [translator.translate(x[0], key) for key in 'aab']
    np.testing.assert_allclose(found[True][0], golden.arrays_cached(case)['y_eval'][0], atol=1e-4)
    np.testing.assert_array_equal(*found[False][:2])
    assert (found[False][0] != found[False][2]).any()  # every picture has dropout of its own


def test_label_maps_instances_and_an_encoder(translate):
    given = golden.arrays_cached('hd_feat_iter')
    PIL.Image.fromarray(given['label'][0, 0].astype(np.uint8)).save('a.png')
    PIL.Image.fromarray(given['inst'][0, 0].astype(np.int32)).save('ids.tif')
    PIL.Image.fromarray(inputs.to_pixels(given['image'][0]).transpose(1, 2, 0)).save('look.png')
    run = translate('a.png', '--network=' + file_of('hd_feat_iter_net_G.pth'), '--instances=ids.tif', '--sheet',
                    '--encoder=' + file_of('hd_feat_iter_net_E.pth'), '--reference=look.png')
    expected_pixels = inputs.to_pixels(given['fake_image'][0]).astype(int)
    assert np.abs(pixels_of(run / 'a.png') - expected_pixels).max() <= 2  # the reference has 8 bits


@pytest.mark.skipif(video.load_ffmpeg() is None, reason='needs imageio-ffmpeg')
def test_videos_in_and_out_and_bad_pictures(translate, tmp_path, capsys):
    os.mkdir('frames')
    for number in range(3):
        PIL.Image.fromarray(picture(number, 32, 48)).save(f'frames/{number}.png')
    with open('frames/bad.png', 'wb') as f:
        f.write(b'no picture')
    network = '--network=' + file_of('resnet6_instance_old_buffers.pth')
    run = translate('frames', network, '--video', '--fps=5', '--bad=skip')
    assert 'Skipped frames/bad.png: unreadable image' in capsys.readouterr().out
    assert len(list(run.glob('*.png'))) == 3
    clip = str(tmp_path / 'clip.mp4')
    os.rename(str(run / 'video.mp4'), clip)
    os.mkdir('other')
    shutil.copy(clip, 'other')
    run = translate('clip.mp4', os.path.join('other', 'clip.mp4'), network)
    assert sorted(path.name for path in run.glob('*.mp4')) == ['clip.mp4', 'other-clip.mp4']
    reader = video.load_ffmpeg().read_frames(str(run / 'other-clip.mp4'))
    meta = next(reader)
    assert meta['size'] == (48, 32) and meta['fps'] == 5 and len(list(reader)) == 3
    with pytest.raises(UserError, match='--sheet shows pictures, and there are only videos'):
        translate(clip, network, '--sheet')
    os.rename('frames/0.png', 'frames/Grid.png')
    with pytest.raises(UserError, match='--sheet would overwrite the translation of a picture called grid; rename it'):
        translate('frames/Grid.png', network, '--sheet')
