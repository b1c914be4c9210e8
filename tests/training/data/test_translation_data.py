"""Two sides of data against an independent computation: sizes, crops, flips, pairs, label maps, layouts."""

import io
import os
import re
import shutil
import zipfile

import numpy as np
import PIL.Image
import pytest

from dnnlib import UserError
from tests.training.golden_translation import FILES
from training.data.streams import open_datasets, open_streams, stream_options
from training.data.translation import layouts, pairs, pictures, transforms
from training.data.translation.dataset import TranslationDataset
from training.data.translation.transforms import CENTER, Draw, Transform
from training.dataset import load_dataset

CLASS = 'training.data.translation.dataset.TranslationDataset'
SMALL = dict(class_name=CLASS, load_size=20, crop_size=16)


def save(folder, pictures_by_name):
    """Writes pictures into a folder of their own: {name: array [H, W(, C)]}."""
    os.makedirs(str(folder), exist_ok=True)
    for name, pixels in pictures_by_name.items():
        PIL.Image.fromarray(pixels).save(os.path.join(str(folder), name))


def noise(height, width, seed, channels=3):
    shape = [height, width] + ([channels] if channels > 1 else [])
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


@pytest.fixture(name='sides')
def fixture_sides(tmp_path):
    """trainA with 5 pictures of 24x30, trainB with 7 of 28x22, testA and testB with two each."""
    for side, count, size in (('A', 5, (24, 30)), ('B', 7, (28, 22))):
        save(tmp_path / f'train{side}', {f'{i}.png': noise(*size, seed=i) for i in range(count)})
        save(tmp_path / f'test{side}', {f'{i}.png': noise(*size, seed=50 + i) for i in range(2)})
    return str(tmp_path)


def opened(path, kind, **options):
    return open_datasets(stream_options(dict(SMALL, tfrecord_dir=path, **options), layouts.find(path, kind)), seed=3)


@pytest.mark.parametrize('key, transform, drawn', [
    ('resize_and_crop', Transform(load_size=36, crop_size=32), Draw(0.7, 0.3, 0, 1, 1, 0)),
    ('scale_width', Transform('scale_width', 40, 32, flip=False), CENTER),
    ('scale_shortside_and_crop', Transform('scale_shortside_and_crop', 64, 32, flip=False), Draw(
        5.5 / 42, 2.5 / 33, 1, 1, 1, 0)),
    ('none', Transform('none', flip=False), CENTER),
    ('resize_only_test', Transform(load_size=32, crop_size=32, flip=False), CENTER)] + [
        (f'zoom_and_patch_{index}', Transform('zoom_and_patch', 1024, 16), Draw(
            0.5, 0.45, 0 if index == 5 else 1, 0.85, 0.325, (index % cells + 0.5) / cells))
        for index, cells in ((0, 2), (5, 2), (7, 2), (100, 2))])
def test_published_results(key, transform, drawn):
    given = FILES.arrays('data_preparation')
    image, expected = PIL.Image.fromarray(given['image']), given[key]
    transforms.check(transform)
    scaled = transforms.to_array(transforms.scale(image, transform, drawn))
    found = transforms.cut(scaled, transform, drawn)
    assert found.dtype == np.uint8
    tolerance = 1.01 if 'zoom' in key else 0.01  # in steps of 8 bits; versions of Pillow before 9 round otherwise there
    FILES.compare('data_preparation', key, found / 127.5 - 1, atol=tolerance / 127.5)
    if 'zoom' not in key:
        assert transforms.output_size(image.size, transform) == expected.shape[:0:-1]


def test_a_stream_is_a_function_of_the_position(sides):
    """What is read is found again by brute force among all crops of the scaled picture; both mirrors, many places."""
    found, places = {}, {name: set() for name in 'ab'}
    with opened(sides, layouts.UNPAIRED) as datasets:
        assert [data.num_images for data in datasets.values()] == [5, 7] and datasets['a'].name.endswith('/trainA')
        for name, data in datasets.items():
            found[name], _ = data.get_minibatch_np(70)
            for i, image in enumerate(found[name]):
                number = data.indices_at(i, 1)[0]
                picture = PIL.Image.fromarray(noise(*((24, 30), (28, 22))['ab'.index(name)], seed=number))
                scaled = np.asarray(picture.resize((20, 20), PIL.Image.BICUBIC)).transpose(2, 0, 1)
                crops = {(x, y, flip): scaled[:, y:y + 16, x:x + 16][:, :, ::flip]
                         for x in range(5) for y in range(5) for flip in (1, -1)}
                fitting = [place for place, crop in crops.items() if np.array_equal(crop, image)]
                assert len(fitting) == 1
                places[name].update(fitting)
        a, b = datasets.values()
        assert sorted(a.indices_at(5, 5)) == list(range(5)) and list(a.indices_at(0, 5)) != list(a.indices_at(5, 5))
        assert all(len({place[axis] for place in places[name]}) == count for name in 'ab'
                   for axis, count in enumerate((5, 5, 2)))
    with opened(sides, layouts.UNPAIRED) as datasets:  # as another process does
        b = datasets['b']
        b.seek(33)
        np.testing.assert_array_equal(b.get_minibatch_np(4)[0], found['b'][33:37])
        np.testing.assert_array_equal(b.get_minibatch_np(4, places=(1, 3))[0], found['b'][[38, 40]])


def test_crops_settle(sides):
    with opened(sides, layouts.UNPAIRED, settle_images=3, flip=False) as datasets:
        data = datasets['a']
        images, _ = data.get_minibatch_np(6)
        for i, image in enumerate(images):
            number = data.indices_at(i, 1)[0]
            whole = PIL.Image.fromarray(noise(24, 30, seed=number)).resize((16, 16), PIL.Image.BICUBIC)
            assert np.array_equal(image, np.asarray(whole).transpose(2, 0, 1)) == (i >= 3)
            np.testing.assert_array_equal(data.read(number), np.asarray(whole).transpose(2, 0, 1))


def test_sheets_show_test_pictures_or_those_held_out(sides):
    options = stream_options(dict(SMALL, tfrecord_dir=sides), layouts.find(sides, layouts.UNPAIRED))
    with open_streams(options, 3) as streams:
        sheet = streams['a'].sheet()
        expected = np.asarray(PIL.Image.fromarray(noise(24, 30, seed=50)).resize((16, 16), PIL.Image.BICUBIC))
        assert sheet.num_images == 2
        np.testing.assert_array_equal(sheet.read(0), expected.transpose(2, 0, 1))
    options['a'].pop('test')
    with open_streams(options, 3, holdout=0.4) as streams:
        data, sheet = streams['a'].dataset, streams['a'].sheet()
        assert sheet.num_images == 2
        np.testing.assert_array_equal(sheet.read(1), data.read(data.held_out[1]))
        assert not set(data.indices_at(0, 50)) & set(data.held_out)
        with load_dataset(**dict(options['a'], **data.opens_sheet)) as opened_again:  # as metrics do
            held = [sheet.read(i) for i in range(2)]
            assert opened_again.num_images == 2
            assert all(any(np.array_equal(opened_again.read(i), image) for image in held) for i in range(2))


def test_sheets_of_sincut_show_whole_pictures(tmp_path):
    sizes = dict(trainA=(40, 61), trainB=(48, 48), testA=(30, 50), testB=(50, 35))
    for seed, (name, size) in enumerate(sizes.items()):
        save(tmp_path / name, {f'{i}.png': noise(size[0] + 8 * i, size[1], seed) for i in range(2)})
    options = stream_options(dict(SMALL, tfrecord_dir=str(tmp_path), preprocess='zoom_and_patch', resample='bilinear'),
                             layouts.find(str(tmp_path), layouts.UNPAIRED))
    with open_streams(options, 0) as streams:
        a, data = streams['a'].sheet(), streams['a'].dataset
        assert data.shape == [3, 16, 16] == list(data.read(0).shape) and a.num_images == data.num_shown == 2
        for i in range(2):  # the second gets the size of the first
            picture = PIL.Image.fromarray(noise(30 + 8 * i, 50, 2)).resize((48, 32), PIL.Image.BILINEAR)
            np.testing.assert_array_equal(a.read(i), np.asarray(picture).transpose(2, 0, 1))
        assert streams['b'].sheet().shape == [3, 48, 36]
        with load_dataset(**dict(options['b'], **dict(streams['b'].dataset.opens_sheet, resolution=[32, 48]))) as data:
            assert data.shape == [3, 32, 48] == list(data.read(0).shape)
    assert transforms.whole_size((6000, 4000), Transform()) == (1256, 836)  # about a megapixel


def test_folders_to_test_with_that_one_side_lacks(tmp_path, sides, capsys):
    shutil.rmtree(os.path.join(sides, 'testB'))
    assert layouts.find(sides, layouts.UNPAIRED) == dict(a=dict(train='trainA'), b=dict(train='trainB'))
    assert capsys.readouterr().out == 'Left out: testA, as there is no testB\n'
    path = tmp_path / 'labels'
    for name in ('train_label', 'train_img', 'train_inst', 'test_label', 'test_img'):
        os.makedirs(str(path / name))
    assert all('test' not in side for side in layouts.find(str(path), layouts.LABELS).values())
    assert capsys.readouterr().out == 'Left out: test_label and test_img, as there is no test_inst\n'


def test_pictures_to_test_with_that_cannot_be_used(tmp_path, capsys):
    for name in ('trainA', 'trainB', 'testA', 'testB'):
        save(tmp_path / name, {f'{i}.png': noise(24, 24, i) for i in range(4)})
    (tmp_path / 'testA' / '1.png').write_bytes(b'no picture')
    path = tmp_path / 'testB' / '2.png'
    path.write_bytes(path.read_bytes()[:-40])  # a good header
    save(tmp_path / 'testB', {'3.png': noise(12, 24, 3)})
    options = stream_options(dict(SMALL, tfrecord_dir=str(tmp_path), paired=True), layouts.find(
        str(tmp_path), layouts.PAIRED))
    with pytest.raises(UserError, match='testA/1.png: '):
        with open_datasets(options, 0):
            pass
    for side in options.values():
        side['preprocess'] = 'crop'
    with open_streams(options, 0, bad='skip') as streams:
        a, b = (stream.sheet() for stream in streams.values())
        np.testing.assert_array_equal(a.get_minibatch_np(3)[0], b.get_minibatch_np(3)[0])
        assert a.num_images == b.num_images == 2 and a.bad_images == b.bad_images == {1}
        assert streams['a'].dataset.opens_sheet['numbers'] == [0, 2]
    out = capsys.readouterr().out
    assert re.search('Left out: .*testB/3.png: it is too small for crops, but .* .1 of 4 pictures to test with', out)


def test_pairs_side_by_side_and_in_two_folders_are_the_same(tmp_path):
    left, right = ([noise(24, 30, seed=10 * side + i) for i in range(4)] for side in (1, 2))
    save(tmp_path / 'ab' / 'train', {f'{i}.png': np.concatenate(pair, 1) for i, pair in enumerate(zip(left, right))})
    save(tmp_path / 'ab' / 'val', {'x.png': np.concatenate([left[0], right[0]], 1)})
    save(tmp_path / 'two' / 'train_A', {f'{i}.png': a for i, a in enumerate(left)})
    save(tmp_path / 'two' / 'train_B', {f'{i}.bmp': b for i, b in enumerate(right)})
    found = []
    for name in ('ab', 'two'):
        with opened(str(tmp_path / name), layouts.PAIRED, paired=True) as datasets:
            found.append([data.get_minibatch_np(9)[0] for data in datasets.values()])
            assert [data.sheet().num_images for data in datasets.values()] == [[1, 1], [4, 4]][name == 'two']
    np.testing.assert_array_equal(found[0], found[1])
    with opened(str(tmp_path / 'two'), layouts.PAIRED, paired=True) as datasets:
        numbers = datasets['a'].indices_at(0, 9)
        for a, b, number in zip(*found[0] + [numbers]):  # the same crop of both, as of one picture of six channels
            crops = [np.asarray(PIL.Image.fromarray(side[number]).resize((20, 20), PIL.Image.BICUBIC))
                     for side in (left, right)]
            both = np.concatenate([crop.transpose(2, 0, 1) for crop in crops])
            assert any(np.array_equal(both[:, y:y + 16, x:x + 16][:, :, ::flip], np.concatenate([a, b]))
                       for x in range(5) for y in range(5) for flip in (1, -1))


def test_pairs_that_are_none(tmp_path):
    save(tmp_path / 'trainA', {f'{i}.png': noise(24, 24, i) for i in range(3)})
    save(tmp_path / 'trainB', {f'{i}.png': noise(24, 24, i) for i in (0, 2)})
    arguments = str(tmp_path), layouts.PAIRED
    with pytest.raises(UserError, match='trainA/1.png: no partner of the same name on the other side .1 of 5 pictures'):
        with opened(*arguments, paired=True):
            pass
    options = stream_options(dict(SMALL, tfrecord_dir=arguments[0], paired=True), layouts.find(*arguments))
    with open_datasets(options, 0, bad='skip') as datasets:
        assert [data.num_images for data in datasets.values()] == [2, 2]
        assert datasets['b'].name_of(1) == '2.png'
    save(tmp_path / 'trainB', {'1.png': noise(24, 26, 5)})
    with pytest.raises(UserError, match='trainA/1.png is 24x24 but .*trainB/1.png is 26x24 pixels .1 of 3 pairs'):
        with opened(*arguments, paired=True):
            pass
    save(tmp_path / 'trainB', {'1.bmp': noise(24, 24, 5)})
    with pytest.raises(UserError, match='trainB/1.png: its partner is unclear, as .*1.bmp has the same name'):
        pairs.find([pictures.PictureFiles(str(tmp_path / f'train{side}')) for side in 'AB'])
    with pytest.raises(UserError, match='no picture has a partner of the same name'):
        pairs.find_checked([pictures.PictureFiles(str(tmp_path / 'trainA')),
                            pictures.Images(TranslationDataset(str(tmp_path / 'trainA')))], True)


def test_a_partner_that_cannot_be_read_is_skipped_with_its_pair(tmp_path):
    for side in 'AB':
        save(tmp_path / f'train{side}', {f'{i}.png': noise(24, 24, i) for i in range(3)})
    path = tmp_path / 'trainB' / '1.png'
    path.write_bytes(path.read_bytes()[:-40])
    options = stream_options(dict(SMALL, tfrecord_dir=str(tmp_path), paired=True), layouts.find(
        str(tmp_path), layouts.PAIRED))
    with open_datasets(options, 0, bad='skip') as datasets:
        a, b = (data.get_minibatch_np(12)[0] for data in datasets.values())
        np.testing.assert_array_equal(a, b)
        assert datasets['a'].bad_images == {1} == datasets['b'].bad_images


def test_gray_and_16_bits(tmp_path):
    deep = (np.arange(24 * 24).reshape(24, 24) * 113).astype(np.uint16)
    save(tmp_path, {'a.png': deep})
    save(tmp_path, {'b.png': noise(24, 24, 1, channels=1)})
    data = TranslationDataset(str(tmp_path), load_size=24, crop_size=24)
    assert data.shape == [1, 24, 24]
    np.testing.assert_array_equal(data.read(0)[0], np.rint(deep / 257))
    data = TranslationDataset(str(tmp_path), load_size=24, crop_size=24, channels=3)
    np.testing.assert_array_equal(data.read(0)[2], np.rint(deep / 257))
    PIL.Image.fromarray(np.full([24, 24], 70000, np.int32)).save(str(tmp_path / 'c.tif'))
    with pytest.raises(UserError, match='c.tif: gray of more than 16 bits, up to 70000; convert it'):
        TranslationDataset(str(tmp_path), load_size=24, crop_size=24).read(2)


def test_label_maps_with_instances(tmp_path):
    names = [f'town_{i}' for i in range(2)]
    labels = [np.random.RandomState(i).randint(0, 35, [24, 30]).astype(np.uint8) for i in range(2)]
    ids = [np.uint16(labels[0]) * 1000 + 7, np.int32(labels[1]) * 400000 + 3]
    save(tmp_path / 'train_label', {f'{name}_gtFine_labelIds.png': x for name, x in zip(names, labels)})
    save(tmp_path / 'train_img', {f'{name}_leftImg8bit.png': noise(24, 30, 1) for name in names})
    os.makedirs(str(tmp_path / 'train_inst'))
    PIL.Image.fromarray(ids[0]).save(str(tmp_path / 'train_inst' / 'town_0_gtFine_instanceIds.png'))  # 16 bits
    PIL.Image.fromarray(ids[1]).save(str(tmp_path / 'train_inst' / 'town_1_gtFine_instanceIds.tif'))  # 32 bits
    found = layouts.find(str(tmp_path), layouts.LABELS)
    found['a']['max_id'], found['inst']['max_id'] = 34, 2 ** 24 - 1
    options = dict(SMALL, tfrecord_dir=str(tmp_path), paired=True, preprocess='scale_width', load_size=16, shuffle_mb=0)
    options = stream_options(options, found)
    with open_datasets(options, 0) as datasets:
        a, _, inst = (data.get_minibatch_np(2)[0] for data in datasets.values())
        assert list(datasets) == ['a', 'b', 'inst'] and a.shape == (2, 1, 16, 16) and inst.shape == (2, 3, 16, 16)
        assert a.max() <= 34 and set(np.unique(a[0])) <= set(np.unique(labels[0]))  # nothing in between
        numbers = (np.int64(inst) * np.array([1, 256, 65536])[:, np.newaxis, np.newaxis]).sum(axis=1)
        np.testing.assert_array_equal(numbers[0], np.int64(a[0, 0]) * 1000 + 7)
        np.testing.assert_array_equal(numbers[1], np.int64(a[1, 0]) * 400000 + 3)
    options['a']['max_id'] = int(labels[0].max()) - 1
    with open_datasets(options, 0) as datasets:
        with pytest.raises(UserError, match='town_0_.*: the map holds .* allow more labels by --set train.label_nc=3'):
            datasets['a'].preload()


def test_sizes_that_do_not_fit(tmp_path):
    save(tmp_path, {'a.png': noise(24, 30, 1), 'b.png': noise(24, 60, 2)})
    for options, message in (
            (dict(preprocess='scale_width', load_size=40), 'b.png: with preprocess=scale_width it becomes 40x16 '
             'pixels, but .*a.png becomes 40x32; scale them'),
            (dict(preprocess='crop', crop_size=28), 'a.png: 30x24 pixels, too small for crops of 28; choose another'),
            (dict(load_size=12), 'load_size 12 must not be smaller than crop_size 16'),
            (dict(crop_size=18), 'crop_size must be a multiple of 4, as the networks halve images, not 18; use 16'),
            (dict(multiple=0), 'multiple must be a whole number of pixels from 1 on, not 0'),
            (dict(preprocess='stretch'), "preprocess must be one of resize_and_crop, crop, .* not 'stretch'"),
            (dict(resample='box'), "resample must be bicubic or bilinear, not 'box'"),
            (dict(channels=2), 'channels must be 1')):
        with pytest.raises(UserError, match=message):
            TranslationDataset(str(tmp_path), **dict(dict(load_size=20, crop_size=16), **options))
    save(tmp_path / 'odd' / 'train', {'a.png': noise(24, 31, 1)})
    with pytest.raises(UserError, match='a.png: 31 pixels wide, but a pair side by side has an even width'):
        with opened(str(tmp_path / 'odd'), layouts.PAIRED, paired=True):
            pass


def test_layouts_of_folders_and_zips(tmp_path, sides):
    with zipfile.ZipFile(str(tmp_path / 'all.zip'), 'w') as archive:
        for side in ('trainA', 'trainB', 'testA', 'testB'):
            for name in sorted(os.listdir(os.path.join(sides, side))):
                archive.write(os.path.join(sides, side, name), f'horses/{side}/{name}')
        archive.writestr('__MACOSX/horses/x', b'')
    found = layouts.find(str(tmp_path / 'all.zip'), layouts.UNPAIRED)
    assert found == dict(a=dict(train='horses/trainA', test='horses/testA'), b=dict(
        train='horses/trainB', test='horses/testB'))
    images = []
    for path in (sides, str(tmp_path / 'all.zip')):
        with opened(path, layouts.UNPAIRED) as datasets:
            images.append([data.get_minibatch_np(9)[0] for data in datasets.values()])
            images[-1].append(datasets['a'].sheet().read(1))
    assert all(np.array_equal(a, b) for a, b in zip(*images))
    os.rename(os.path.join(sides, 'trainB'), os.path.join(sides, 'other'))
    for kind, message in ((layouts.UNPAIRED, 'expected the folders trainA and trainB; found other, testA, testB'),
                          (layouts.PAIRED, 'expected the folders trainA and trainB, or pictures of pairs side by side'),
                          (layouts.LABELS, 'expected the folders train_label, train_img and, for instances, train_in')):
        with pytest.raises(UserError, match=message):
            layouts.find(sides, kind)
    assert layouts.find(os.path.join(sides, 'other'), layouts.PAIRED) == dict(a=dict(half='left'), b=dict(half='right'))


def test_modes_of_maps():
    for mode in ('L', 'P', 'I'):
        numbers = pictures.to_numbers(PIL.Image.new(mode, (3, 2), 5), 9, 'x')
        assert numbers.mode == 'I' and np.array_equal(np.asarray(numbers), np.full([2, 3], 5))
    assert np.asarray(pictures.to_numbers(PIL.Image.new('RGB', (1, 1), (3, 2, 1)), 2 ** 24 - 1, 'x'))[0, 0] == 66051
    with pytest.raises(UserError, match='x: color mode CMYK; a map of numbers is gray'):
        pictures.to_numbers(PIL.Image.new('CMYK', (1, 1)), 9, 'x')
    buffer = io.BytesIO()
    PIL.Image.new('F', (8, 8)).save(buffer, 'TIFF')
    with pytest.raises(UserError, match='color mode F, which is gray of floating-point numbers'):
        pictures.to_mode(PIL.Image.open(buffer), 3, 'x')


def test_every_golden_array_is_used(request):
    FILES.check_all_used(request, 'data/test_translation_data.py')
