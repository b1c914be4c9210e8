"""Areas, boxes, color jitter and latents against golden values; crops, jitter and noise in the stream of a training."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dnnlib import latents, UserError
from tests.training.golden_latent import FILES
from training.data import area, changes
from training.data.base import Dataset
from training.data.making.boxes import Margin, place
from training.data.streams import open_streams, Stream

JITTER, MOVES = (0.4, 0.3, 0.2, 0.1), (0.06, 0.06, 0.18, 6)


def test_areas_are_those_of_opencv():
    ref = FILES.arrays('data_prep')
    for number in range(5):
        image, size = ref[f'area/{number}/image'], ref[f'area/{number}/size_wh']
        picture = Image.fromarray(image)
        found = np.int32(area.resize(picture, tuple(size.tolist())))
        if number in (0, 4):  # a side grows, and OpenCV interpolates
            assert not area.can_shrink(picture.size, size)
            np.testing.assert_array_equal(found, np.int32(picture.resize(size, Image.BILINEAR)))
        else:
            expected = ref[f'area/{number}/out']
            assert np.abs(found - expected).max() <= 1 and (found != expected).mean() < 0.03
            box = np.int32(picture.resize(size, Image.BOX))
            assert np.abs(box - expected).max() > 20  # Pillow's filter takes another rectangle


def test_areas_of_other_modes():
    picture = Image.new('RGBA', (6, 4), (200, 100, 0, 0))
    picture.paste((10, 20, 30, 255), (0, 0, 3, 4))
    np.testing.assert_allclose(np.int32(area.resize(picture, (1, 1)))[0, 0], [10, 20, 30, 128], atol=1)
    gray = np.uint8([[1, 2], [2, 2]])
    assert area.resize(Image.fromarray(gray), (1, 1)).getpixel((0, 0)) == 2  # 1.75
    assert area.resize(Image.fromarray(gray[[0, 1, 0, 1]][:, [0, 1]]), (1, 2)).mode == 'L'


def test_boxes_are_those_of_the_published_program():
    ref = FILES.arrays('data_prep')
    assert ref['boxes/columns'].tolist()[:8] == ['W', 'H', 'xmin', 'ymin', 'xmax', 'ymax', 'zoom', 'try_square']
    for row in ref['boxes/table']:
        found = place(row[2:6], row[:2], Margin(row[6] / 2), bool(row[7]))
        assert found == tuple(row[8:]), row
    assert place((10, 10, 20, 20), (40, 25), Margin(pixels=10)) == (0, 0, 30, 25)
    with pytest.raises(ValueError, match='the box 1.2,0,1.8,5 has no whole pixel'):
        place((1.2, 0, 1.8, 5), (9, 9), Margin())


def test_jitter_is_that_of_pillow():
    ref = FILES.arrays('data_prep')
    picture = Image.fromarray(ref['jitter/image'])
    names = ('brightness', 'contrast', 'saturation')
    for key in [key for key in ref if key.count('/') == 2 and key.startswith('jitter/')]:
        _, name, factor = key.split('/')
        found = changes.turn_hue(picture, float(factor)) if name == 'hue' else (
            changes.ENHANCERS[names.index(name)](picture).enhance(float(factor)))
        assert np.abs(np.int32(found) - ref[key]).max() <= (2 if name == 'hue' else 1), key


def test_latents_have_the_moments():
    ref, rnd = FILES.arrays('data_prep'), np.random.RandomState(0)
    for name, moments in zip(ref['latent/moments/names'], ref['latent/moments/mean_var']):
        drawn = latents.draw(rnd, [200000], str(name).replace('=', '(').split('(')[0])
        np.testing.assert_allclose([drawn.mean(), drawn.var()], moments, atol=0.01, err_msg=name)
    shares = np.abs(rnd.randn(200000))
    for limit, variance, accepted in zip(*(ref[f'latent/truncnormal/{key}'] for key in ('t', 'var', 'acceptance'))):
        drawn = latents.draw(rnd, [100000], f'truncated:{limit}')
        assert abs(drawn.var() - variance) < 0.01 and np.abs(drawn).max() <= limit
        assert abs((shares <= limit).mean() - accepted) < 0.01


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'data/test_contest_data.py')


class Ramps(Dataset):
    """Images [3, 80, 80] whose pixels are their place: rows in the first channel, columns in the second."""

    def __init__(self, **kwargs):
        super().__init__('ramps', 300, [3, 80, 80], **kwargs)

    def _read(self, index, lod):
        rows, columns = np.mgrid[:80, :80].astype(np.uint8)
        return np.stack([rows, columns, np.full_like(rows, index % 256)])[:, ::2 ** lod, ::2 ** lod]


def minibatch(nimg=0, lod=0.0, places=None, minibatch_size=8, **options):
    with Ramps(**options) as data:
        stream = Stream(data, seed=3)
        return stream.minibatch(nimg, dict(minibatch_size=minibatch_size, lod=lod), places=places)[0]


def test_crops_are_drawn_for_each_place_of_the_stream():
    images = minibatch(crop=64, minibatch_size=600)
    corners = images[:, :2, 0, 0]
    assert images.shape == (600, 3, 64, 64)
    assert sorted(set(corners[:, 0])) == sorted(set(corners[:, 1])) == list(range(17))
    counts = np.bincount(corners[:, 0], minlength=17)
    assert 15 < counts.min() and counts.max() < 60  # 35 each
    assert (corners[:300] != corners[300:]).any()  # another one when an image is seen again
    np.testing.assert_array_equal(minibatch(8, crop=64), images[8:16])  # whatever was read before
    np.testing.assert_array_equal(minibatch(0, crop=64, places=(1, 5)), images[[1, 5]])
    half = minibatch(0, 1.0, crop=64)
    np.testing.assert_array_equal(half[:, 0, 0, 0], np.rint(images[:8, 0, :2, 0].mean(axis=1)))
    with Ramps(crop=64) as data:  # metrics and sheets see the center
        assert data.shape == [3, 64, 64] and data.resolution == 64 and data.stored_shape == [3, 80, 80]
        assert data.read(5)[:2, 0, 0].tolist() == [8, 8] and data.read(5, 2).shape == (3, 16, 16)
        np.testing.assert_array_equal(data.get_minibatch_np(2)[0][:, :2, 0, 0], 8)
    with Ramps(crop=[64, 80]) as data:
        assert data.read(0).shape == (3, 64, 80)


def test_jitter_and_noise_are_drawn_for_each_place_of_the_stream():
    plain = minibatch(16)
    for options in (dict(jitter=JITTER), dict(noise=1 / 128), dict(crop=64, jitter=list(JITTER), noise=0.5),
                    dict(moves=MOVES)):
        images = minibatch(16, **options)
        assert images.dtype == (np.float32 if 'noise' in options else np.uint8)
        np.testing.assert_array_equal(images, minibatch(16, **options))
        np.testing.assert_array_equal(images[[0, 3]], minibatch(16, places=(0, 3), **options))
        assert (images != minibatch(24, **options)).any()
    added = minibatch(16, noise=1 / 128) - plain
    assert 0 <= added.min() < 0.01 and 0.98 < added.max() < 127.5 / 128 and abs(added.mean() - 127.5 / 256) < 0.01
    assert minibatch(16, jitter=(0, 0, 0, 0), moves=[0] * 4).tobytes() == plain.tobytes()


def test_jitter_has_its_range_in_every_order():
    rnd, image = np.random.RandomState(0), np.full([3, 2, 2], 100, np.uint8)
    bright = [changes.draw_jitter(image, (0.5, 0, 0, 0), rnd)[0, 0, 0] for _ in range(300)]
    assert min(bright) in (50, 51, 52) and max(bright) in (148, 149, 150)
    colored = np.uint8([[[200]], [[100]], [[50]]])
    hues = {tuple(changes.draw_jitter(colored, (0, 0, 0, 0.5), rnd).ravel()) for _ in range(100)}
    assert len(hues) > 50 and any(found[2] > found[0] for found in hues)
    mixed = [changes.draw_jitter(colored, JITTER, np.random.RandomState(seed)).ravel() for seed in range(50)]
    assert len({tuple(found) for found in mixed}) == 50
    dark = changes.draw_jitter(colored, (5.0, 0, 0, 0), np.random.RandomState(0))
    assert dark.min() >= 0  # factors begin at 0


def test_moves_by_whole_pixels_and_quarter_turns():
    image = np.random.RandomState(0).randint(256, size=[3, 6, 8]).astype(np.uint8)

    def move(amounts, *shares):
        return changes.draw_move(image, amounts, SimpleNamespace(random_sample=lambda count: np.array(shares)))
    still = move((0, 0, 0, 0), 0.1, 0.9, 0.3, 0.8)
    np.testing.assert_array_equal(still, image)
    moved = move((0.25, 0, 0, 0), 1, 0.5, 0.5, 0.5)  # two pixels to the right
    np.testing.assert_array_equal(moved[:, :, 2:], image[:, :, :-2])
    np.testing.assert_array_equal(moved[:, :, :2], image[:, :, 2:0:-1])
    np.testing.assert_array_equal(move((0, 0, 0, 180), 0.5, 0.5, 0.5, 1), image[:, ::-1, ::-1])
    image = np.tile(np.uint8(10 * np.arange(8)), [1, 6, 1])
    larger = move((0, 0.5, 1, 0), 0.5, 0.5, 1, 0.5)  # twice as large
    np.testing.assert_allclose(larger, np.tile(10 * (3.5 + (np.arange(8) - 3.5) / 2), [1, 6, 1]), atol=0.51)
    sizes = [changes.draw_move(image, MOVES, np.random.RandomState(seed)).tobytes() for seed in range(20)]
    assert len(set(sizes)) == 20


@pytest.mark.parametrize('options, message', [
    (dict(moves=[0.1, 0, 0]), 'dataset.moves must be 4 numbers'),
    (dict(moves=[0.6, 0, 0, 0]), 'at most 0.5,0.5,10,180'),
    (dict(crop=96), 'dataset.crop=96: the stored images are smaller, 80x80'),
    (dict(crop='x'), 'must be a number of pixels'),
    (dict(jitter=0.1), 'dataset.jitter must be 4 numbers'), (dict(jitter=(1, 1, 1, 0.6)), 'hue .at most 0.5'),
    (dict(jitter=(1, -1, 1, 0)), 'must be 4 numbers'), (dict(noise=-1), 'dataset.noise must be a number'),
    (dict(noise='much'), "not 'much'")])
def test_what_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Ramps(**options)


def test_that_jitter_leaks_is_said(capsys):
    class_name = __name__ + '.Ramps'
    for jitter in (JITTER, None):
        with open_streams(dict(reals=dict(class_name=class_name, jitter=jitter)), seed=5):
            assert ('learns to draw the changed colors: it leaks' in capsys.readouterr().out) == (jitter is not None)
    with open_streams(dict(reals=dict(class_name=class_name, moves=MOVES)), seed=5):
        assert 'learns to draw moved pictures: it leaks' in capsys.readouterr().out
