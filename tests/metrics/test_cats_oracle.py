"""The oracle of the cats: what it finds in translations that are known to be right, wrong, or blurred."""

import os

import numpy as np
import PIL.Image
import pytest

from dnnlib import UserError
from metrics import cats_oracle, metric_base
from metrics.metric_defaults import best_results, metric_defaults, too_few_images
from tests.training import golden_translation
from training import pretrained
from training.data import cats_pairs
from training.data.cats import compose
from training.data.making.cats_pairs import write_set
from translator import measured


@pytest.mark.parametrize('pair, differs', [('coats', 'domain'), ('accessory', 'domain'), ('gray', 'body')])
def test_references(pair, differs):
    cats = cats_pairs.choose(pair, 'a', True, 40)
    found = cats_oracle.references(cats, pair, 32)
    kept = [name for name in ('eyes', 'mouth', 'accessory', 'body') if name in found['true translation']]
    assert all(found['true translation'][name] == 100 for name in kept + [differs])
    assert found['true translation']['l1'] == 0 and found['true translation']['edges'] == 1
    assert all(found['input ignored'][name] < 30 for name in kept)  # chance is 1 in 10 to 16
    if differs == 'domain':
        assert found['input ignored']['domain'] == 100 and found['unchanged input']['domain'] == 0
        assert all(found['unchanged input'][name] == 100 for name in kept)
    else:
        assert found['unchanged input']['saturation'] > 0.5 and found['true translation']['saturation'] == 0


def test_noise_is_seen_through_and_blur_in_the_edges():
    cats = cats_pairs.choose('coats', 'a', True, 16)
    cats[:, 0] = 8  # the true translations
    images = np.stack([compose(cat, 64) for cat in cats])
    noisy = np.uint8(np.clip(images + np.random.RandomState(0).normal(scale=40, size=images.shape), 0, 255))
    found = cats_oracle.judge(noisy, cats, 'coats')
    assert found['domain'] == 100 and found['accessory'] >= 75 and found['l1'] > 10
    blurred = images.reshape(16, 3, 32, 2, 32, 2).mean(axis=(3, 5)).repeat(2, axis=2).repeat(2, axis=3)
    assert cats_oracle.judge(np.uint8(blurred), cats, 'coats')['edges'] < 0.8


def test_masks_of_the_layers_found():
    cats = cats_pairs.choose('masks', 'a', True, 8)
    images = np.stack([compose(cat, 32) for cat in cats])
    assert cats_oracle.judge(images, cats, 'masks')['iou'] == 100
    assert 20 < cats_oracle.judge(images[::-1], cats, 'masks')['iou'] < 80


def test_cells_of_sheets():
    cats = cats_pairs.choose('sheets', 'a', True, 64)
    sheet = np.stack([compose(cat, 16) for cat in cats]).reshape(8, 8, 3, 16, 16)
    images, found = cats_oracle.cells_of(sheet.transpose(2, 0, 3, 1, 4).reshape(1, 3, 128, 128), cats[np.newaxis])
    np.testing.assert_array_equal(images, sheet.reshape(64, 3, 16, 16))
    np.testing.assert_array_equal(found, cats)
    for shape in ((2, 3, 8, 16), (2, 1, 8, 8), (2, 3, 256, 256), (1, 3, 8, 8)):
        with pytest.raises(UserError, match='expected one square color picture of at most 128 pixels for each cat'):
            cats_oracle.cells_of(np.zeros(shape, np.uint8), cats[:2])


def test_translations_have_the_size_of_the_set():
    for cats, side in ((np.zeros([2, 5], int), 32), (np.zeros([1, 64, 5], int), 256)):
        truth = cats_pairs.Truth('coats', 'set', {}, 32)
        assert cats_oracle.check_size(np.zeros([1, 3, side, side]), cats, truth) == 32
        with pytest.raises(UserError, match=f'of 64x64 pixels, but the pictures of set have {side}x{side}; '):
            cats_oracle.check_size(np.zeros([1, 3, 64, 64]), cats, truth)


def test_folders_of_translations_are_judged(tmp_path, capsys):
    folder = tmp_path / 'set'
    write_set(str(folder), 'coats', 16, (2, 6))
    group = metric_base.MetricGroup([metric_defaults['cats4']], seed=0, fakes_args=dict(
        tfrecord_dir=str(folder / 'testA')))
    args = dict(mirror_augment=False, tf_config={'device': 'cpu'})
    group.run(str(folder / 'testA'), **args)
    found = group.get_results()
    assert found['cats4_domain'] == 0 and found['cats4_eyes'] == 100 and found['cats4_l1'] > 10
    assert 'cats4: input ignored: domain 100.0, ' in capsys.readouterr().out
    assert set(best_results('cats')) > {'_domain', '_l1'} and too_few_images(['cats4']) == []
    (folder / 'testA').rename(tmp_path / 'translations')
    group = metric_base.MetricGroup([metric_defaults['cats']], seed=0, fakes_args=dict(
        tfrecord_dir=str(tmp_path / 'translations')))
    with pytest.raises(UserError, match='no cats.json around .*translations'):
        group.run('translations', **args)
    group.run('translations', dataset_args=dict(tfrecord_dir=str(folder / 'testB')), **args)
    assert group.get_results()['cats_domain'] == 0
    fakes = [np.zeros([1, 3, 16, 16], np.uint8)]
    with pytest.raises(UserError, match='it judges translations, and these pictures are not known to be any'):
        group.run_fakes(lambda count, seed: fakes, 'x', **args)


def test_translations_of_a_network_are_judged(tmp_path):
    folder = tmp_path / 'set'
    write_set(str(folder), 'coats', 16, (2, 3))
    network = pretrained.resolve(os.path.join(golden_translation.DATA, 'resnet6_instance_old_buffers.pth'))
    args = dict(mirror_augment=False, tf_config={'device': 'cpu'})
    with measured.opened(network, str(folder / 'testA'), None, 0, args['tf_config']) as fakes:
        assert fakes.num_images == 3 and fakes.names(2, 0)[1].endswith('00001.png')
        group = metric_base.MetricGroup([metric_defaults['cats']], seed=0)
        group.run_fakes(fakes, network.name, **args)
        images = np.concatenate(list(fakes(3, 0)))
    cats = cats_pairs.read_truth(str(folder)).cats_of([f'{number:05d}.png' for number in range(3)])
    expected = cats_oracle.judge(images, cats, 'coats')
    assert group.get_results() == {'cats_' + name: pytest.approx(value) for name, value in expected.items()}
    with pytest.raises(UserError, match='it holds one translator, G, '):
        with measured.opened(network, str(folder / 'testA'), 'BtoA', 0, args['tf_config']):
            pass
    PIL.Image.new('RGB', (24, 16)).save(str(folder / 'testA' / 'wide.png'))
    with pytest.raises(UserError, match='wide.png: 24x16 pixels, but .*00000.png has 16x16; metrics need '):
        with measured.opened(network, str(folder / 'testA'), None, 0, args['tf_config']):
            pass
