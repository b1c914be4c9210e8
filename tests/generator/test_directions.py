"""Walks, directions and blends: the mathematics, and the files."""

import numpy as np
import pytest

from dnnlib import images, UserError
from dnnlib.files import network_file
from generator import blend, directions, drawing, interpolate, writer
from training import pretrained

RND = np.random.RandomState(0)


def test_straight_walks_are_even():
    points = RND.randn(3, 2, 4)
    found = interpolate.walk(points, 5, 'linear', False)
    assert found.shape == (11, 2, 4)
    np.testing.assert_allclose(found[::5], points)
    np.testing.assert_allclose(np.diff(found[:6], axis=0), np.broadcast_to((points[1] - points[0]) / 5, [5, 2, 4]))
    loop = interpolate.walk(points, 5, 'linear', True)
    assert len(loop) == 15
    np.testing.assert_allclose(loop[11] - loop[10], (points[0] - points[2]) / 5)


def test_arcs_keep_lengths_and_turn_evenly():
    a, b = np.array([2.0, 0, 0]), np.array([0, 4.0, 0])
    points = np.stack([interpolate.slerp(a, b, t) for t in (0, 0.25, 0.5, 1)])
    np.testing.assert_allclose(points[[0, 3]], [a, b], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), [2, 2.5, 3, 4])
    np.testing.assert_allclose(np.arctan2(points[:, 1], points[:, 0]), np.array([0, 0.25, 0.5, 1]) * np.pi / 2)
    np.testing.assert_allclose(interpolate.slerp(a, 3 * a, 0.5), 2 * a)
    assert np.isfinite(interpolate.slerp(a, -a, 0.5)).all()
    layers = RND.randn(2, 5, 8)
    np.testing.assert_allclose(interpolate.slerp(layers[0], layers[1], 0.3)[2],
                               interpolate.slerp(layers[0, 2], layers[1, 2], 0.3))


def test_sefa_finds_what_changes_the_styles_most():
    weights = RND.randn(6, 40) * np.array([[5, 1, 3, 1, 1, 1]]).T
    found, values = directions.sefa(weights)
    np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-12)
    changes = np.linalg.norm(found @ weights, axis=1)
    np.testing.assert_allclose(changes ** 2, values)
    assert (np.diff(changes) <= 0).all()
    others = RND.randn(1000, 6)
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert np.linalg.norm(others @ weights, axis=1).max() <= changes[0] + 1e-9
    assert (found[np.arange(6), np.abs(found).argmax(axis=1)] > 0).all()


def test_pca_finds_where_w_spreads_most():
    axes = np.linalg.qr(RND.randn(5, 5))[0]
    w = RND.randn(5000, 5) * [5, 4, 3, 2, 1] @ axes.T + 7
    found, values = directions.pca(w)
    np.testing.assert_allclose(np.abs(np.sum(found * axes.T, axis=1)), 1, atol=0.02)
    np.testing.assert_allclose(np.sqrt(values), [5, 4, 3, 2, 1], rtol=0.05)


@pytest.mark.parametrize('method', directions.METHODS)
def test_directions_command(command, generator, method):
    folder = command('directions', '--method=' + method, '--count=3', '--layers=1-4', '--samples=500')
    arrays = np.load(str(folder / 'directions.npz'))
    count = 2 if method == 'labels' else 3
    assert arrays['directions'].shape == (count, 8) and arrays['layers'].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(np.linalg.norm(arrays['directions'], axis=1), 1, atol=1e-5)
    latents = np.random.RandomState(1).randn(500, 8)
    w = generator.components.mapping.run(latents, None)[:, 0]
    np.testing.assert_allclose(arrays['scales'], np.std(w @ arrays['directions'].T, axis=0), rtol=1e-3)
    strip = writer.PIL.Image.open(str(folder / 'strip.png'))
    assert strip.size == (7 * 16, count * 16)
    if method == 'labels':  # two classes lie opposite of their mean
        np.testing.assert_allclose(arrays['directions'][0], -arrays['directions'][1], atol=1e-5)
    if method == 'sefa':
        weights = directions.style_weights(drawing.Drawer(generator), [1, 2, 3, 4])
        # ToRGB of 4x4 and Conv0_up of 8x8; Conv1; ToRGB and Conv0_up of 16x16; Conv1: 8 feature maps each
        assert weights.shape == (8, 6 * 8)
        np.testing.assert_allclose(arrays['directions'], directions.sefa(weights)[0][:3], atol=1e-4)


def test_layers_of_style_weights():
    names = ['4x4/Conv/mod_weight', '4x4/ToRGB/mod_weight', '8x8/Conv0_up/mod_weight', '8x8/Conv1/mod_weight',
             '8x8/ToRGB/mod_weight', '16x16/Conv0_up/mod_weight', '4x4/Const/StyleMod/weight',
             '4x4/Conv/StyleMod/weight', '8x8/Conv0_up/StyleMod/weight',
             '8x8/Conv1/StyleMod/weight', 'ToRGB_lod0/mod_weight']
    assert [directions._layer_of(name) for name in names] == [0, 1, 1, 2, 3, 3, 0, 1, 2, 3, None]


def test_blend_takes_fine_layers_from_the_other(networks, command, generator, monkeypatch):
    folder = command('blend', networks[0], networks[1], '--at=8')

    def variables(path, index):
        with open(str(path), 'rb') as f:
            state = network_file.read_inert(f)[index].state
        found = dict(state['variables'])
        for key, item in state.get('components', {}).items():
            found.update((key + '/' + name, value) for name, value in item.state['variables'])
        return {name: getattr(value, 'value', value) for name, value in found.items()}
    for index in (0, 1, 2):
        a, b, both = [variables(path, index) for path in networks + [folder / 'blended.pkl']]
        assert list(a) == list(both)
        for name in a:
            fine = index != 1 and (name.startswith(('synthesis/8x8', 'synthesis/16x16')) or name in (
                'synthesis/noise1', 'synthesis/noise2', 'synthesis/noise3', 'synthesis/noise4'))
            np.testing.assert_array_equal(both[name], (b if fine else a)[name])
    assert writer.PIL.Image.open(str(folder / 'grid.png')).size == (8 * 16, 3 * 16)
    monkeypatch.setattr(pretrained, 'load_networks', lambda path: (generator,) * 3)
    with pytest.raises(UserError, match='--at=32, but the highest layers of .*A.pkl are those of 16x16'):
        command('blend', networks[0], networks[1], '--at=32')


def test_blend_of_networks_with_other_layers(graph, generator):
    import dnnlib.tflib as tflib
    other = tflib.Network('S', 'training.networks_stylegan2.G_synthesis_stylegan2', resolution=16, fmap_max=4,
                          dlatent_size=8)
    with pytest.raises(UserError, match='differ in .* variables, such as 16x16/Conv0_up/bias'):
        blend.copy_fine_layers(generator.components.synthesis, other, 8)


@pytest.mark.parametrize('name, shape, resolution', [
    ('8x8/Conv1/bias', [4], 8), ('noise3', [1, 1, 16, 16], 16), ('ToRGB_lod0/bias', [3], 64),
    ('ToRGB_lod2/bias', [3], 16), ('lod', [], 0), ('4x4/Const/const', [1, 4, 4, 4], 4)])
def test_resolutions_of_variables(name, shape, resolution):
    assert blend.resolution_of(name, shape, 6) == resolution


def test_contact_sheets_of_rows():
    sheet = images.ContactSheet(3, [1, 3000, 1000], columns=3)
    sheet.add(np.zeros([3000, 1000, 1], np.uint8))
    sheet.skip()
    sheet.add(np.full([3000, 1000, 1], 255, np.uint8))
    assert max(sheet.canvas.size) <= images.MAX_SHEET_SIZE
    assert np.asarray(sheet.canvas)[5, :, 0].mean() == pytest.approx(255 / 3, abs=1)


def test_transparent_pictures_become_white(tmp_path):
    pixels = np.zeros([8, 8, 4], np.uint8)
    pixels[:4] = [200, 0, 0, 255]
    for kind in ('jpg', 'png', 'webp'):
        writer.save(pixels, str(tmp_path / ('a.' + kind)))
        found = np.asarray(writer.PIL.Image.open(str(tmp_path / ('a.' + kind))))
        assert found.shape == (8, 8, 3 if kind == 'jpg' else 4) and abs(int(found[0, 0, 0]) - 200) < 20
    assert images.as_rgb(pixels)[7].min() == 255
