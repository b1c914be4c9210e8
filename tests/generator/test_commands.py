"""The commands interpolate, grid, mix, edit and generate-images with a small network: what they write."""

import collections
import os
import sys

import numpy as np
import PIL.Image
import pytest

import run_generator
from dnnlib import UserError, cli, images, video
from dnnlib.files.named_networks import Contents, Role, pack
from dnnlib.files.network_file import NetworkState
from generator import drawing, info, library, options, writer
from training import pretrained


def read(path):
    return np.asarray(PIL.Image.open(str(path)))


def pixels(images):
    """Bytes [H, W, C] of the first image of [N, C, H, W], as the published conversion makes them."""
    return np.clip(np.trunc(images[0].transpose(1, 2, 0) * 127.5 + 128), 0, 255)


def expected(Gs, dlatents):
    return pixels(Gs.components.synthesis.run(dlatents, randomize_noise=False))


def near(a, b):
    """The same picture, but for rounding."""
    return np.abs(np.float32(a) - np.float32(b)).max() <= 1


def w_of(Gs, seed, psi, label=None):
    latents = np.random.RandomState(seed).randn(1, *Gs.input_shape[1:])
    w, average = Gs.components.mapping.run(latents, label), Gs.get_var('dlatent_avg')
    return average + (w - average) * psi


def test_interpolate_goes_through_the_pictures(command, generator):
    folder = command('interpolate', '--seeds=1,2', '--frames=4', '--outputs=png,npz', '--dtype=float32')
    arrays = np.load(str(folder / 'images.npz'))
    ends = [w_of(generator, seed, 0.5) for seed in (1, 2)]
    np.testing.assert_allclose(arrays['dlatents'][[0, 1, 4]], np.concatenate(
        [ends[0], 0.75 * ends[0] + 0.25 * ends[1], ends[1]]), atol=1e-5)
    assert arrays['images'].shape == (5, 3, 16, 16) and arrays['images'].dtype == np.float32
    assert arrays['names'].tolist() == ['frame%05d' % i for i in range(5)]
    for i in range(5):
        assert near(read(folder / ('frame%05d.png' % i)), expected(generator, arrays['dlatents'][i:i + 1]))
    assert near(read(folder / 'frame00002.png'), pixels(arrays['images'][2:3]))
    strip = read(folder / 'strip.png')
    assert strip.shape == (16, 80, 3)
    np.testing.assert_array_equal(strip[:, 64:], read(folder / 'frame00004.png'))


def test_interpolate_in_z_as_a_loop(command, generator):
    folder = command('interpolate', '--seeds=1-3', '--frames=2', '--outputs=npz', '--space=z', '--loop',
                     '--truncation-psi=1', '--class=1')
    arrays = np.load(str(folder / 'images.npz'))
    assert arrays['images'].shape == (6, 16, 16, 3) and arrays['images'].dtype == np.uint8
    label = np.float32([[0, 1]])
    for i, seed in enumerate((1, 2, 3)):
        np.testing.assert_allclose(arrays['dlatents'][2 * i], w_of(generator, seed, 1, label)[0], atol=1e-5)
    z = [np.random.RandomState(seed).randn(1, 8) for seed in (3, 1)]
    lengths = [np.linalg.norm(x) for x in z]
    middle = z[0] / lengths[0] + z[1] / lengths[1]  # half-way on the arc, but for its length
    w = generator.components.mapping.run(middle * np.mean(lengths) / np.linalg.norm(middle), label)
    np.testing.assert_allclose(arrays['dlatents'][5], w[0], atol=1e-4)


def test_interpolate_as_video(command, monkeypatch, capsys):
    monkeypatch.setattr(video, 'load_ffmpeg', lambda: None)
    folder = command('interpolate', '--seeds=1,2', '--frames=3')
    assert sorted(path.name for path in (folder / 'video-frames').iterdir()) == ['frame%04d.png' % i for i in range(4)]
    assert 'imageio-ffmpeg is not installed' in capsys.readouterr().out

    class Ffmpeg:
        frames = []

        @staticmethod
        def write_frames(path, size, fps, **_options):
            assert path.endswith('video.mp4') and size == (16, 16) and fps == 12
            while True:
                frame = yield
                Ffmpeg.frames.append(frame)

    monkeypatch.setattr(video, 'load_ffmpeg', lambda: Ffmpeg)
    command('interpolate', '--seeds=1,2', '--frames=3', '--fps=12')
    assert [frame.shape for frame in Ffmpeg.frames] == [(16, 16, 3)] * 4


def test_grid(command, generator):
    folder = command('grid', '--seeds=1,4', '--psis=0,0.7,1', '--outputs=webp,png,jpg')
    sheet = read(folder / 'grid.png')
    pitch = images.caption_width(['psi 0', 'psi 0.7', 'psi 1'], 16)  # as wide as the longest word
    margin = sheet[:, :-3 * pitch]
    top = len(sheet) - 32
    assert top in (images.LINE_HEIGHT, 2 * images.LINE_HEIGHT) and 30 < margin.shape[1] < 70
    assert margin[-16:].min() < 100 and margin.max() == 255  # the seed is written there
    sheet = sheet[top:, -3 * pitch:]
    np.testing.assert_array_equal(sheet[:16, :16], sheet[16:, :16])  # psi 0 is the average picture
    for row, seed in enumerate((1, 4)):
        for column, psi in enumerate((0, 0.7, 1)):
            picture = read(folder / 'seed{:04d}-psi{:.2f}.png'.format(seed, psi))
            assert near(picture, expected(generator, w_of(generator, seed, psi)))
            np.testing.assert_array_equal(
                sheet[16 * row:16 * row + 16, pitch * column:pitch * column + 16], picture)
            for kind in ('jpg', 'webp'):
                other = read(folder / 'seed{:04d}-psi{:.2f}.{}'.format(seed, psi, kind))
                assert np.corrcoef(other.ravel(), picture.ravel())[0, 1] > 0.8
    assert read(folder / 'seed0001-psi1.00.png').std() > 5


def test_different_pictures_get_different_names(tmp_path):
    files = writer.PictureWriter(str(tmp_path), ('png', 'npz'))
    for shade in (0, 7, 7, 9, 7):
        files.add('seed0001-psi0.50', np.full([4, 4, 3], shade, np.uint8))
    files.close()
    assert [read(tmp_path / name)[0, 0, 0] for name in (
        'seed0001-psi0.50.png', 'seed0001-psi0.50-2.png', 'seed0001-psi0.50-3.png')] == [0, 7, 9]
    assert sorted(os.listdir(str(tmp_path))) == sorted(
        ['images.npz'] + ['seed0001-psi0.50{}.png'.format(end) for end in ('', '-2', '-3')])
    assert [name[16:] for name in np.load(str(tmp_path / 'images.npz'))['names']] == ['', '-2', '-2', '-3', '-2']


def test_style_mixing_with_a_class(command, generator):
    folder = command('style-mixing-example', '--row-seeds=1', '--col-seeds=2', '--col-styles=0-1', '--class=1')
    w, other = [w_of(generator, seed, 0.5, np.float32([[0, 1]])) for seed in (1, 2)]
    assert near(read(folder / '1-1.png'), expected(generator, w))
    w[:, :2] = other[:, :2]
    assert near(read(folder / '1-2.png'), expected(generator, w))


def test_style_mixing_by_its_defaults(command, generator, capsys):
    folder = command('style-mixing-example')
    assert 'The network has 6 layers: --col-styles is 0-2, not 0-6' in capsys.readouterr().out
    assert len(list(folder.glob('*.png'))) == 6 + 9 + 1
    w, other = [w_of(generator, seed, 0.5) for seed in (75, 1789)]
    w[:, :3] = other[:, :3]
    assert near(read(folder / '75-1789.png'), expected(generator, w))


def plain_generator(latents_in, **kwargs):
    """A build function of a generator with one input, as those of other methods may be."""
    import tensorflow.compat.v1 as tf
    from training import networks_stylegan2
    return networks_stylegan2.G_main(latents_in, tf.zeros([tf.shape(latents_in)[0], 0]), **kwargs)


def test_a_generator_without_an_input_for_labels(networks, command, monkeypatch, tmp_path):
    from dnnlib import tflib
    made = []

    def load(_file, *_):
        made.append(tflib.Network('Plain', plain_generator, num_channels=3, resolution=8, fmap_max=8, latent_size=8,
                                  dlatent_size=8, mapping_fmaps=8, mapping_layers=2))
        return made[-1]

    monkeypatch.setattr(pretrained, 'load_generator', load)
    with library.Generator(networks[0]) as other:
        assert other.label_size == 0 and other.generate([1]).shape == (1, 8, 8, 3)
    Gs = load(None)
    monkeypatch.setattr(pretrained, 'load_generator', lambda file, *_: Gs)
    latents = np.random.RandomState(5).randn(1, 8)
    picture = read(command('generate-images', '--seeds=5', '--noise=const') / 'seed0005.png')
    assert near(picture, pixels(Gs.run(latents, truncation_psi=0.5, randomize_noise=False)))
    dlatents = Gs.components.mapping.run(latents, None) * 0.5
    command('style-mixing-example', '--row-seeds=5', '--col-seeds=2')
    folder = command('interpolate', '--seeds=5,6', '--frames=1', '--outputs=png')
    assert near(read(folder / 'frame00000.png'), expected(Gs, dlatents))
    with pytest.raises(UserError, match='trained without labels'):
        command('generate-images', '--seeds=5', '--class=0')
    Gs.components.pop('mapping')
    with pytest.raises(UserError, match='has no network mapping'):
        command('grid', '--seeds=5')


def test_mix_takes_layers_of_seeds_and_files(command, generator, tmp_path):
    projected = w_of(generator, 9, 1)
    np.savez(str(tmp_path / 'face.npz'), dlatents=projected)
    folder = command('mix', '--seeds=1,2', '--take=5:0-1', '--take={}:1,3'.format(tmp_path / 'face.npz'),
                     '--class=1', '--outputs=npz,png')
    label = np.float32([[0, 1]])
    mixed = np.load(str(folder / 'images.npz'))['dlatents']
    for i, seed in enumerate((1, 2)):
        wanted = w_of(generator, seed, 0.5, label)[0]
        wanted[0] = w_of(generator, 5, 0.5, label)[0, 0]
        wanted[[1, 3]] = projected[0, [1, 3]]
        np.testing.assert_allclose(mixed[i], wanted, atol=1e-5)
        assert near(read(folder / 'seed{:04d}-mixed.png'.format(seed)), expected(generator, wanted[np.newaxis]))
    sheet, last = read(folder / 'grid.png'), read(folder / 'seed0002-mixed.png')
    row, pitch = 2 * images.LINE_HEIGHT, images.caption_width(['seed0005: 0-1', 'face: 1,3'], 16)  # two lines, a word
    np.testing.assert_array_equal(sheet[-row:16 - row, -pitch:16 - pitch], last)
    half = command('mix', '--seeds=1', '--take=5:0-5', '--share=0.5', '--outputs=npz')
    np.testing.assert_allclose(np.load(str(half / 'images.npz'))['dlatents'], 0.5 * (
        w_of(generator, 1, 0.5) + w_of(generator, 5, 0.5)), atol=1e-5)
    with pytest.raises(UserError, match='--take names layer 6, but the network has layers 0 to 5'):
        command('mix', '--seeds=1', '--take=5:6')
    np.savez(str(tmp_path / 'other.npz'), dlatents=np.zeros([1, 3, 8]))
    with pytest.raises(UserError, match='other.npz: dlatents of shape'):
        command('mix', '--seeds={}'.format(tmp_path / 'other.npz'), '--take=5:0')


def test_edit_moves_layers_along_directions(command, generator, tmp_path):
    path = tmp_path / 'directions.npz'
    np.savez(str(path), directions=np.eye(8, dtype=np.float32)[:3], scales=np.float32([1, 2, 3]), layers=[1, 2])
    args = ['--seeds=4', '--directions=' + str(path), '--index=1', '--outputs=png']
    folder = command('edit', '--strengths=0,1.5', *args)
    w = w_of(generator, 4, 0.5)
    assert near(read(folder / 'seed0004-direction1+0.00.png'), expected(generator, w))
    w[0, 1:3, 1] += 3
    assert near(read(folder / 'seed0004-direction1+1.50.png'), expected(generator, w))
    assert read(folder / 'grid.png').shape == (16, 32, 3)
    folder = command('edit', '--strengths=-1', '--layers=0', *args)
    w = w_of(generator, 4, 0.5)
    w[0, 0, 1] -= 2
    assert near(read(folder / 'seed0004-direction1-1.00.png'), expected(generator, w))
    with pytest.raises(UserError, match='--index names direction 7'):
        command('edit', *(args[:2] + ['--index=0,7']))
    for arrays, message in [(dict(directions=np.eye(8)), 'not a file of directions'),
                            (dict(directions=np.zeros([1, 5]), scales=[1], layers=[0]), 'not those of this network')]:
        np.savez(str(path), **arrays)
        with pytest.raises(UserError, match=message):
            command('edit', *(args[:2]))


def test_generated_images_in_all_forms(command, generator):
    folder = command('generate-images', '--seeds=3-8', '--noise=const', '--outputs=npz,png', '--dtype=float32',
                     '--minibatch=4', '--truncation-psi=0.7')
    arrays = np.load(str(folder / 'images.npz'))
    assert arrays['seeds'].tolist() == [3, 4, 5, 6, 7, 8]
    latents = np.concatenate([np.random.RandomState(seed).randn(1, 8) for seed in range(3, 9)])
    images = generator.run(latents, None, truncation_psi=0.7, randomize_noise=False)
    np.testing.assert_allclose(arrays['images'], images, atol=1e-4)
    assert near(read(folder / 'seed0005.png'), pixels(images[2:3]))
    alone = command('generate-images', '--seeds=5', '--noise=const', '--truncation-psi=0.7')
    assert near(read(alone / 'seed0005.png'), read(folder / 'seed0005.png'))
    pictures = [read(command('generate-images', '--seeds=5', '--noise=random') / 'seed0005.png') for _ in range(2)]
    assert (pictures[0] != pictures[1]).any()


def test_labels_of_single_pictures(generator):
    drawer = drawing.Drawer(generator, as_float=True)
    labels = np.float32([[1, 0], [0, 1]])
    both = list(drawer.generate([1, 1], labels, truncation_psi=1))
    for label, picture in zip(labels, both):
        alone, = drawer.generate([1], label[np.newaxis], truncation_psi=1)
        np.testing.assert_allclose(picture, alone, atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1e-2


@pytest.mark.parametrize('args, text', [
    (['interpolate', '--seeds=1'], 'at least two'), (['interpolate', '--seeds=1,a.npz', '--space=z'], '--space=z'),
    (['interpolate', '--seeds=1,2', '--frames=0'], "'0'"), (['interpolate', '--seeds=1,2', '--outputs=gif'], "'gif'"),
    (['grid', '--seeds=1', '--psis=a'], "'a'"), (['mix', '--seeds=1', '--take=5'], "'5'"),
    (['grid', '--seeds=1', '--dtype=float32'], 'add npz'), (['mix', '--seeds=1', '--take=5,6:1'], "'5,6:1'"),
    (['edit', '--seeds=1', '--directions=text.npz'], 'text.npz'), (['blend', 'a.pkl', 'b.pkl', '--at=12'], '12'),
    (['blend', 'a.pkl', 'b.pkl', '--at=16'], 'a.pkl'), (['grid', '--seeds=1', '--minibatch=x'], "'x'"),
    (['grid', '--seeds=text.npz'], 'text.npz'), (['mix', '--seeds=1', '--take=no.npz:1'], "'no.npz': No such file"),
    (['info', 'text.npz'], 'text.npz'), (['info', 'nothing.pkl'], 'nothing.pkl')])
def test_bad_input_answers_one_line_before_tensorflow_loads(args, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(sys, 'argv', ['run_generator.py'])
    monkeypatch.setattr(cli, 'load_tensorflow', lambda: pytest.fail('TensorFlow was loaded'))
    (tmp_path / 'text.npz').write_text('this is not an npz')
    with pytest.raises(SystemExit) as info:
        cli.run_main(run_generator.main, args)
    err = capsys.readouterr().err
    assert info.value.code == 2 and err.count('\n') == 1 and text in err, err
    assert err.startswith('run_generator.py') and 'error: ' in err
    assert os.listdir(str(tmp_path)) == ['text.npz']


def test_classes_are_those_of_the_generator_by_its_role(monkeypatch):
    states = collections.OrderedDict()
    for name, label_size in (('draws', 3), ('judges', 1)):
        states[name] = NetworkState()
        states[name].set_state(dict(static_kwargs=dict(label_size=label_size)))
    roles = dict(draws=Role('generator', None, ('latents', 'labels')), judges=Role('discriminator', None, ('images',)))
    monkeypatch.setattr(info, 'read_file', lambda file: b'')
    monkeypatch.setattr(pretrained, 'read_states', lambda data, refused: pack(Contents('some', states, roles)))
    file = pretrained.NetworkFile('some.pkl', 'some.pkl', None)
    drawing.check_class('2', file)
    with pytest.raises(UserError, match="'3'"):
        drawing.check_class('3', file)
    monkeypatch.setattr(pretrained, 'read_states', lambda data, refused: ['no network'])
    drawing.check_class('3', file)  # `load` says what is wrong


def test_types_of_arguments():
    assert options.seeds_or_files('1-3,a.npz,b.npy,7') == [1, 2, 3, 'a.npz', 'b.npy', 7]
    assert options.float_list('-1,0.5') == [-1, 0.5]
    assert [options.stem(source) for source in (7, 'a/b.npz')] == ['seed0007', 'b']
    assert options.ranges([0, 1, 2, 8, 5, 6]) == '0-2,8,5-6' and cli.int_list('0-2,8,5-6') == [0, 1, 2, 8, 5, 6]
