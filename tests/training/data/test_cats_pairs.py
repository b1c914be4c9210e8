"""Sets of two sides of cats: what is drawn, whose true translation is known, and which cats are held out."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from dnnlib import UserError
from training.data import cats, cats_pairs
from training.data.making import cats_pairs as making

CAT = (4, 3, 2, 1, 0)


def write(folder, pair, layout=None, counts=(3, 2)):
    """Writes a small set; returns its pictures by name, as arrays, and its Truth."""
    making.write_set(str(folder), pair, 16, counts, layout)
    truth = cats_pairs.read_truth(str(folder))
    return {name: np.asarray(Image.open(str(folder / name))) for name in truth.pictures}, truth


def drawn(cat):
    """A cat as an array of a picture."""
    return cats.compose(cat, 16).transpose(1, 2, 0)


def test_variations_are_what_is_composed():
    for group, size in enumerate(cats.GROUP_SIZES):
        found = cats.variations(CAT, group, 16)
        assert len(found) == size
        for layer in (0, size - 1):
            np.testing.assert_array_equal(found[layer], cats.compose(CAT[:group] + (layer,) + CAT[group + 1:], 16))


def test_shares_of_the_labels():
    labels = np.stack([cats.label_map(cat, 32) for cat in cats_pairs.choose('masks', 'a', True, 100)])
    shares = [(labels == label).mean() for label in range(5)]
    np.testing.assert_allclose(shares, [0.38, 0.5, 0.03, 0.006, 0.08], rtol=0.3)


def test_instances_are_the_connected_parts():
    for cat in cats_pairs.choose('masks', 'a', False, 10):
        labels = cats.label_map(cat, 24)
        found = cats_pairs.instances(labels)
        np.testing.assert_array_equal(found // 1000, labels)
        for label in np.unique(labels):
            np.testing.assert_array_equal(found[labels == label] % 1000,
                                          ndimage.label(labels == label)[0][labels == label] - 1)


def test_outlines_and_gray():
    labels = np.uint8([[0, 0, 1], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(cats_pairs.outline(labels), [[255, 0, 0], [255, 0, 0], [255, 255, 0]])
    gray = cats_pairs.luminance(np.uint8([255, 100, 0]).reshape(3, 1, 1))
    assert gray.ravel().tolist() == [135] * 3


@pytest.mark.parametrize('pair', ['coats', 'accessory', 'sheets'])
def test_unpaired_sides_have_no_cat_and_no_translation_in_common(pair):
    recipe = cats_pairs.PAIRS[pair]
    group = [name for name, _ in cats.GROUPS].index(recipe.group)
    sets = {(side, held_out): cats_pairs.choose(pair, side, held_out, 200) for side in 'ab' for held_out in (0, 1)}
    for (side, _), chosen in sets.items():
        assert set(chosen[:, group]) == set(recipe.layers_a if side == 'a' else recipe.layers_b)
    others = {side: {tuple(cat) for held_out in (0, 1) for cat in np.delete(sets[side, held_out], group, axis=1)}
              for side in 'ab'}
    assert not others['a'] & others['b']  # so no picture of one side is the translation of one of the other
    for side in 'ab':
        assert not {tuple(cat) for cat in sets[side, 0]} & {tuple(cat) for cat in sets[side, 1]}


def test_held_out_cats_are_in_no_training(tmp_path):
    pictures, truth = write(tmp_path / 'set', 'coats')
    assert sorted(pictures) == [f'{folder}/{i:05d}.png' for folder, count in (
        ('testA', 2), ('testB', 2), ('trainA', 3), ('trainB', 3)) for i in range(count)]
    for held_out, prefix in ((False, 'train'), (True, 'test')):
        split = cats.split_numbers(held_out)
        for name, cat in truth.pictures.items():
            assert (np.ravel_multi_index(cat, cats.GROUP_SIZES) in split) == name.startswith(prefix)
            np.testing.assert_array_equal(pictures[name], drawn(cat))


def test_pairs_are_side_by_side_or_in_two_folders(tmp_path):
    pictures, truth = write(tmp_path / 'beside', 'outline')
    assert sorted(pictures)[0] == 'test/00000.png' and len(pictures) == 5
    for name, cat in truth.pictures.items():
        np.testing.assert_array_equal(pictures[name][:, 16:], drawn(cat))
        edges = cats_pairs.outline(cats.label_map(cat, 16))
        np.testing.assert_array_equal(pictures[name][:, :16], np.stack([edges] * 3, axis=2))
    apart, _ = write(tmp_path / 'folders', 'gray', 'folders')
    assert sorted({name.split('/')[0] for name in apart}) == ['testA', 'testB', 'trainA', 'trainB']
    gray, color = (apart[f'train{side}/00001.png'].transpose(2, 0, 1) for side in 'AB')
    np.testing.assert_array_equal(gray, cats_pairs.luminance(color))


def test_maps_of_pix2pixhd(tmp_path):
    pictures, truth = write(tmp_path / 'set', 'masks')
    assert sorted({name.split('/')[0] for name in pictures}) == [
        f'{phase}_{what}' for phase in ('test', 'train') for what in ('img', 'inst', 'label')]
    for name in ('test_label/00001.png', 'test_inst/00001.png'):
        labels = cats.label_map(truth.pictures[name], 16)
        expected = labels if 'label' in name else cats_pairs.instances(labels)
        np.testing.assert_array_equal(pictures[name], expected)


def test_sheets(tmp_path):
    pictures, truth = write(tmp_path / 'set', 'sheets', counts=(None, None))
    assert sorted(pictures) == ['testA/sheet.png', 'testB/sheet.png', 'trainA/sheet.png', 'trainB/sheet.png']
    cell = pictures['testB/sheet.png'][16:32, 32:48]
    np.testing.assert_array_equal(cell, drawn(truth.pictures['testB/sheet.png'][10]))


def test_the_truth_is_found_by_path_and_by_name(tmp_path):
    _, truth = write(tmp_path / 'set', 'coats')
    assert cats_pairs.folder_of(str(tmp_path / 'set' / 'testA' / '00001.png')) == str(tmp_path / 'set')
    assert cats_pairs.folder_of(str(tmp_path / 'nowhere')) is None
    paths = [str(tmp_path / 'set' / 'trainA' / '00001.png'), str(tmp_path / 'elsewhere' / '00001.png')]
    assert truth.cats_of(paths).tolist() == [truth.pictures['trainA/00001.png'], truth.pictures['testA/00001.png']]
    with pytest.raises(UserError, match='cats.json knows no picture of this name'):
        truth.cats_of(['a.png'])
    for text in ('{', json.dumps(dict(pair='dogs', pictures={})), '[]'):
        (tmp_path / 'set' / 'cats.json').write_text(text)
        with pytest.raises(UserError, match='not a file that create_cats_pairs wrote'):
            cats_pairs.read_truth(str(tmp_path / 'set'))


@pytest.mark.parametrize('options, text', [
    (dict(layout='folders'), '--layout=folders: only pairs have a choice, and --pair=coats has none'),
    (dict(pair='sheets'), 'leave out --train and --test'), (dict(counts=(3, 9999)), '9999 pictures to test with are'),
    (dict(resolution=(16, 32)), '--resolution=16x32: cats are square'),
    (dict(resolution=256), 'resolution 256; expected at most 128')])
def test_options_that_do_not_fit(tmp_path, options, text):
    given = dict(dict(pair='coats', resolution=16, counts=(3, 2), layout=None), **options)
    with pytest.raises(UserError, match=text):
        making.write_set(str(tmp_path / 'set'), **given)
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused(tmp_path):
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'mine.txt').write_text('')
    with pytest.raises(UserError, match='expected the name of a new folder'):
        write(tmp_path / 'set', 'coats')
