"""The built-in cats: drawing, labels, splits."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from dnnlib import UserError
from training.data import cats
from training.data.cats import cat_attributes, cat_labels, CatsDataset, compose, split_numbers


def test_there_are_360000_cats_with_66_layers():
    assert cats.NUM_CATS == 360000
    assert cats.LABEL_SIZE == len(cats.LABEL_NAMES) == 66
    assert cats.LABEL_NAMES[14:16] == ['body 14', 'fur 0']


def test_splits_share_no_cat_and_hold_them_all():
    training, held_out = split_numbers(False), split_numbers(True)
    assert (len(training), len(held_out)) == (324000, 36000)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held_out])), np.arange(360000))


def test_split_never_changes():
    np.testing.assert_array_equal(split_numbers(True)[:3], [68998, 37627, 273312])
    np.testing.assert_array_equal(split_numbers(False)[:3], [317542, 57942, 161750])


def test_numbers_and_attributes_are_one_to_one():
    attributes = cat_attributes(np.arange(360000))
    assert attributes.max(axis=0).tolist() == [14, 9, 14, 9, 15] and attributes.min() == 0
    weights = [10 * 15 * 10 * 16, 15 * 10 * 16, 10 * 16, 16, 1]
    np.testing.assert_array_equal(attributes @ weights, np.arange(360000))


def test_labels_have_a_one_in_each_group():
    label, = cat_labels([[14, 0, 2, 9, 15]])
    assert np.flatnonzero(label).tolist() == [14, 15, 27, 49, 65]
    assert label.dtype == np.float32


def test_compose_agrees_with_alpha_compositing_of_the_layers():
    for attributes in ([0, 0, 0, 0, 0], [14, 9, 14, 9, 15], [3, 7, 11, 2, 8]):
        expected = Image.new('RGBA', (128, 128), (255, 255, 255, 255))
        with zipfile.ZipFile(cats.LAYERS_FILE) as archive:
            for (group, _), number in zip(cats.GROUPS, attributes):
                layer = Image.open(io.BytesIO(archive.read('{}/{:02d}.png'.format(group, number))))
                expected = Image.alpha_composite(expected, layer)
        image = compose(attributes, 128)
        assert image.shape == (3, 128, 128) and image.dtype == np.uint8
        difference = np.abs(np.int32(image) - np.asarray(expected.convert('RGB'), np.int32).transpose(2, 0, 1))
        assert difference.max() <= 3 and image.std() > 20


def test_small_cats_look_like_large_ones():
    small, large = compose([3, 7, 11, 2, 8], 32), compose([3, 7, 11, 2, 8], 128)
    average = large.reshape(3, 32, 4, 32, 4).mean(axis=(2, 4))
    assert np.abs(small - average).mean() < 4


@pytest.mark.parametrize('attributes, resolution, text', [
    ([0, 0, 0, 0, 16], 64, 'accessory'), ([0, 0, 0, 0], 64, 'one number for each'), ([0] * 5, 256, '256'),
    ([0] * 5, 0, 'resolution 0')])
def test_bad_arguments_of_compose(attributes, resolution, text):
    with pytest.raises(UserError, match=text):
        compose(attributes, resolution)


def test_dataset_serves_cats_of_its_split_with_matching_labels():
    with CatsDataset(resolution=16, held_out=True, max_label_size='full') as dataset:
        assert (dataset.num_images, dataset.shape, dataset.label_size) == (36000, [3, 16, 16], 66)
        images, labels = dataset.get_minibatch_np(3)
        for image, label in zip(images, labels):
            attributes = np.flatnonzero(label) - np.cumsum([0, 15, 10, 15, 10])
            np.testing.assert_array_equal(image, compose(attributes, 16))
            assert attributes @ [24000, 2400, 160, 16, 1] in split_numbers(True)


@pytest.mark.parametrize('resolution, text', [(256, '256'), (50, '50 pixels high'), (2, 'at least 4'), ('64', "'64'")])
def test_bad_resolution(resolution, text):
    with pytest.raises(UserError, match=text):
        CatsDataset(resolution=resolution)


def test_artwork_carries_its_attribution():
    with zipfile.ZipFile(cats.LAYERS_FILE) as archive:
        text = archive.read('README.txt').decode('utf-8')
    assert 'David Revoy' in text and 'CC BY 4.0' in text and 'Changes' in text
