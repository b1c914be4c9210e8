"""The command line of run_translator.py as a user types it, with small published networks."""

import contextlib
import gc
import os
import shutil
import weakref

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

TF_CONFIG = {'device': 'cpu', 'ops': 'ref'}


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
        run_translator.main(['translate', '--device=cpu', '--ops=ref'] + list(args))
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


@contextlib.contextmanager
def translator_of(files, mode):
    """A Translator."""
    from translator import drawing  # which loads TensorFlow
    with contextlib.closing(drawing.Translator(files, networks.read_kind(files, mode), mode, TF_CONFIG)) as translator:
        yield translator


def test_test_mode():
    case = 'resnet6_batch_dropout'
    files, x = networks.Files(pretrained.resolve(file_of(case + '.pth'))), golden.arrays_cached(case)['x']
    found = {}
    for mode in (networks.Mode(), networks.Mode(evaluate=True)):
        with translator_of(files, mode) as translator:
            found[mode.evaluate] = [translator.translate(x[0], key) for key in 'aab']
    np.testing.assert_allclose(found[True][0], golden.arrays_cached(case)['y_eval'][0], atol=1e-4)
    np.testing.assert_array_equal(*found[False][:2])
    assert (found[False][0] != found[False][2]).any()  # every picture has dropout of its own


def test_tiles_equal_the_whole_where_their_borders_are_far():
    """A network without normalization by the image at hand: what is 60 pixels away makes no difference."""
    files = networks.Files(pretrained.resolve(file_of('resnet6_batch_dropout.pth')))
    image = inputs.to_target(picture(0, 64, 256).transpose(2, 0, 1))
    found = []
    for tile in (None, 192):
        with translator_of(files, networks.Mode(evaluate=True, tile=tile, overlap=tile and 128)) as translator:
            found.append(translator.translate(image, 'a'))
    errors = np.abs(found[0] - found[1]).max(axis=(0, 1))
    assert errors[:64].max() < 1e-4 > errors[192:].max() and errors[126:130].max() < 1e-4  # 64 and 192: where tiles end
    assert 0 < errors.max() < 0.2


def test_many_sizes_take_no_more_memory_than_some(monkeypatch):
    from translator import drawing  # which loads TensorFlow
    monkeypatch.setattr(drawing, 'MAX_SIZES', 1)
    files = networks.Files(pretrained.resolve(file_of('resnet6_instance_old_buffers.pth')))
    small, large = (inputs.to_target(picture(0, 16, width).transpose(2, 0, 1)) for width in (16, 20))
    with translator_of(files, networks.Mode()) as translator:
        found, graphs = [], []
        for image in (small, small, large, small):
            found.append(translator.translate(image, 'a'))
            graphs.append(weakref.ref(translator._session.graph))
        np.testing.assert_array_equal(found[0], found[3])
        assert graphs[0] is graphs[1]
        gc.collect()
        assert [graph() is None for graph in graphs] == [True, True, True, False]


def test_label_maps_instances_and_an_encoder(translate):
    given = golden.arrays_cached('hd_feat_iter')
    PIL.Image.fromarray(given['label'][0, 0].astype(np.uint8)).save('a.png')
    PIL.Image.fromarray(given['inst'][0, 0].astype(np.int32)).save('ids.tif')
    PIL.Image.fromarray(inputs.to_pixels(given['image'][0]).transpose(1, 2, 0)).save('look.png')
    arguments = ['a.png', '--network=' + file_of('hd_feat_iter_net_G.pth'), '--reference=look.png',
                 '--encoder=' + file_of('hd_feat_iter_net_E.pth')]
    run = translate(*arguments + ['--instances=ids.tif', '--sheet'])
    expected_pixels = inputs.to_pixels(given['fake_image'][0]).astype(int)
    assert np.abs(pixels_of(run / 'a.png') - expected_pixels).max() <= 2  # the reference has 8 bits
    PIL.Image.fromarray(np.full(given['inst'].shape[2:], 5, np.uint8)).save('one.png')
    runs = [translate(*arguments + ['--instances=one.png'] + more) for more in ([], ['--reference-instances=one.png'])]
    np.testing.assert_array_equal(*[pixels_of(run / 'a.png') for run in runs])  # of one instance there is one look
    with translator_of(networks.Files(*[pretrained.resolve(file_of(f'hd_feat_iter_net_{name}.pth')) if name else None
                                        for name in ('G', '', 'E')]), networks.Mode()) as translator:
        look = translator.describe(given['image'][0], np.full((1,) + given['inst'].shape[2:], 5))[:, 0, 0]
    np.save('looks.npy', np.array({5: look[np.newaxis], 6: np.zeros([0, 4])}, dtype=object))
    run = translate(*arguments[:2] + ['--instances=one.png', '--clusters=looks.npy'])  # without an encoder
    assert np.abs(pixels_of(run / 'a.png') - pixels_of(runs[0] / 'a.png')).max() <= 2
    with pytest.raises(UserError, match='--clusters and --reference both say how instances look; give one of them'):
        translate(*arguments + ['--instances=one.png', '--clusters=looks.npy'])
    np.save('looks.npy', np.array({5: np.zeros([1, 4])}, dtype=object))
    with pytest.raises(UserError, match='--clusters=looks.npy: 4 features of each instance, but the network takes 3'):
        translate(*arguments[:2] + arguments[3:] + ['--instances=one.png', '--clusters=looks.npy'])
    with pytest.raises(UserError, match='--reference-instances: give the pictures that they are maps of'):
        translate(arguments[0], arguments[1], arguments[3], '--instances=one.png', '--reference-instances=one.png')


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
