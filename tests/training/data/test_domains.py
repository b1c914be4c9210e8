"""Domains, attributes and landmarks of pictures: labels, balanced draws, pairs, crops, lists."""

import os

import numpy as np
import PIL.Image
import pytest

from dnnlib import UserError
from training.data import cats_domains
from training.data.making.cats_domains import write_set
from training.data.translation import attributes, landmarks
from training.data.translation.domains import DomainDataset, interleaved, random_box

SIZES = dict(a=2, b=6)  # pictures of each domain
SIZE = dict(preprocess='resize_and_crop', load_size=8, crop_size=8, resample='bilinear', flip=False)


@pytest.fixture(name='folder')
def fixture_folder(tmp_path):
    """Pictures of two domains, of one gray each; the red of one tells its number."""
    for phase, offset in (('train', 0), ('val', 100)):
        for domain, count in SIZES.items():
            os.makedirs(str(tmp_path / phase / domain))
            for i in range(count):
                value = (offset + 10 * i, 200 if domain == 'a' else 0, i)
                PIL.Image.new('RGB', (12, 10), value).save(str(tmp_path / phase / domain / f'{i}.png'))
    return str(tmp_path)


def test_balanced_domains_and_pairs(folder):
    options = dict(SIZE, train='train', test='val', seed=3, balanced=True)
    with DomainDataset(folder, **options) as data:
        assert data.label_size == 2 and data.label_names == ['a', 'b'] and data.label_text == 'a (2), b (6)'
        images, labels = data.get_minibatch_np(400)
        assert images.shape == (400, 3, 8, 8) and 160 < labels[:, 0].sum() < 240  # 100 if they weren't balanced
        np.testing.assert_array_equal(images[:, 1, 0, 0] == 200, labels[:, 0] == 1)
        data.seek(7)
        np.testing.assert_array_equal(data.get_minibatch_np(20)[0], images[7:27])  # a function of the position
        sheet = data.sheet()
        shown = sheet.read_labels(range(sheet.num_images))
        assert sheet.num_images == 8 and shown[:4].argmax(axis=1).tolist() == [0, 1, 0, 1]
        assert sheet.read(0)[0, 0, 0] == 100  # of the pictures to test with
    with DomainDataset(folder, pairs=True, **options) as data:
        images, labels = data.get_minibatch_np(300)
        assert data.shape == [6, 8, 8] and images.shape == (300, 6, 8, 8)
        np.testing.assert_array_equal(images[:, 1, 0, 0], images[:, 4, 0, 0])  # one domain
        partners = {(row[0], row[1], row[3]) for row in images[:, :, 0, 0]}
        assert len(partners) == 8 and len({partner[:2] for partner in partners}) == 8  # fixed, one for each
        sheet = data.sheet()
        assert sheet.shape == [3, 8, 8] and sheet.read_labels([0])[0].tolist() == [0, 1]


def test_a_picture_in_the_place_of_an_unreadable_one_has_its_own_label(folder):
    path = os.path.join(folder, 'train', 'a', '1.png')  # before b/0.png
    with open(path, 'rb') as file:
        data = file.read()
    with open(path, 'wb') as file:
        file.write(data[:-20])
    with DomainDataset(folder, train='train', bad='skip', **SIZE) as data:
        images, labels = data.get_minibatch_np(8)
        np.testing.assert_array_equal(images[:, 1, 0, 0] == 200, labels[:, 0] == 1)
        assert labels[:, 0].sum() == 1 and data.bad_images == {1}


def test_held_out_pictures_are_in_no_draw(folder):
    with DomainDataset(folder, train='train', balanced=True, **SIZE) as data:
        data.hold_out(0.5)
        held = data.read(data.held_out[0])[:, 0, 0].tolist()
        found = {tuple(row) for row in data.get_minibatch_np(200)[0][:, :, 0, 0].tolist()}
        assert tuple(held) not in found and len(found) == 4 and data.sheet().num_images == 4


def test_random_crops(tmp_path):
    os.makedirs(str(tmp_path / 'x'))
    os.makedirs(str(tmp_path / 'y'))
    ramp = np.uint8(np.broadcast_to(np.arange(40)[:, np.newaxis, np.newaxis] * 6, [40, 36, 3]))
    for name in 'xy':
        PIL.Image.fromarray(ramp).save(str(tmp_path / name / '0.png'))
    options = dict(SIZE, balanced=True)
    with DomainDataset(str(tmp_path), crop_prob=0.5, **options) as data, \
            DomainDataset(str(tmp_path), **options) as whole:
        images, plain = data.get_minibatch_np(60)[0], whole.read(0)
        is_whole = (images == plain).all(axis=(1, 2, 3))
        assert 15 < is_whole.sum() < 45
        spans = np.int32(images)[:, 0, -1, 0] - images[:, 0, 0, 0]
        assert (spans <= np.int32(plain[0, -1, 0]) - plain[0, 0, 0]).all() and len(set(spans.tolist())) > 3
    rnd = np.random.RandomState(0)
    boxes = np.array([random_box((200, 100), rnd) for _ in range(50)])
    assert (boxes[:, 2] <= 200).all() and (boxes[:, 3] <= 100).all() and (boxes[:, :2] >= 0).all()
    shares = [(box[2] - box[0]) * (box[3] - box[1]) for box in [random_box((100, 100), rnd) for _ in range(50)]]
    assert 7800 < min(shares) < 8500 < max(shares) <= 10000
    with DomainDataset(str(tmp_path), square=True, **options) as data:
        assert data.read(0)[0, 0, 0] == pytest.approx(ramp[2:7, 0, 0].mean(), abs=4)  # 36x36 from the center


def test_interleaved():
    rows = np.eye(3)[[0, 0, 0, 1, 2, 2]]
    assert interleaved(rows) == [0, 3, 4, 1, 5, 2] and interleaved(rows, 1) == [3, 5, 2, 4, 1, 0]


@pytest.mark.parametrize('domains, message', [
    ((), 'no images among'), (('a',), 'no domains; no folders with images lie side by side')])
def test_pictures_without_domains(tmp_path, domains, message):
    for name in domains:
        os.makedirs(str(tmp_path / name))
        PIL.Image.new('RGB', (8, 8)).save(str(tmp_path / name / '0.png'))
    (tmp_path / 'notes.txt').write_text('x')
    with pytest.raises(UserError, match=message):
        DomainDataset(str(tmp_path), **SIZE)


def test_attributes(tmp_path):
    assert write_set(str(tmp_path / 'set'), 'attributes', 16, 30, 10) == 40
    path = str(tmp_path / 'set' / cats_domains.LIST_FILE)
    truth = cats_domains.read_truth(str(tmp_path / 'set'))
    with DomainDataset(str(tmp_path / 'set'), train='train', test='test', attributes=path, chosen=['hat', 'black'],
                       square=True, **SIZE) as data:
        assert data.num_images == 30 and data.label_names == ['hat', 'black'] and data.sheet().num_images == 10
        cats = [truth.pictures['train/' + data.name_of(i)] for i in range(30)]
        wanted = cats_domains.attributes_of(cats)[:, [list(cats_domains.ATTRIBUTES).index(x) for x in ('hat', 'black')]]
        np.testing.assert_array_equal(data.read_labels(range(30)), wanted)
        assert 0 < wanted.sum() < 60
    found = attributes.read(path, None)
    assert len(found.names) == 8 and len(found.tests) == 4  # a tenth
    with DomainDataset(str(tmp_path / 'set'), train='train', attributes=path, **SIZE) as data:
        tests = sum(name in found.tests for name in found.rows if int(name[:6]) < 30)
        assert data.num_images == 30 - tests and data.sheet().num_images == (tests or 30)


@pytest.mark.parametrize('text, chosen, message', [
    ('2\nBlack Young\n0.png 1 -1\n', ['Yung'], "no attribute 'Yung'; did you mean Young[?] it has Black, Young"),
    ('Black Young\n0.png 1\n', None, 'line 2: expected a name and 2 times 1 or -1, got 0.png 1'),
    ('', None, 'no names of attributes'), ('1\nBlack\nother.png 1\n', None, 'none of the 1 pictures is in it')])
def test_bad_lists_of_attributes(tmp_path, text, chosen, message):
    PIL.Image.new('RGB', (8, 8)).save(str(tmp_path / '0.png'))
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(UserError, match=message):
        DomainDataset(str(tmp_path), attributes=str(tmp_path / 'list.txt'), chosen=chosen, **SIZE)


def test_landmarks(tmp_path):
    for i, size in enumerate(((20, 10), (40, 40))):
        PIL.Image.new('RGB', size).save(str(tmp_path / f'{i}.png'))
    (tmp_path / 'list.txt').write_text('0.png 5 5 10 2\n20 10 0 40 1.png\n')
    with landmarks.LandmarkDataset(str(tmp_path), landmarks=str(tmp_path / 'list.txt'), **SIZE) as data:
        assert data.label_size == 4 and data.label_text == '2 landmarks'
        np.testing.assert_allclose(data.read_labels([0, 1]), [[0.25, 0.5, 0.5, 0.2], [0.5, 0.25, 0, 1]])
        assert data.sheet().read_labels([1]).tolist() == [[0.5, 0.25, 0, 1]]
    (tmp_path / 'list.txt').write_text('0.png 5 5 10 2\n1.png 1 2\n')
    with pytest.raises(UserError, match='line 2: expected the name of a picture and x and y of as many landmarks'):
        landmarks.read(str(tmp_path / 'list.txt'))
    wide = ' '.join(map(str, range(206))) + ' 0.png'
    (tmp_path / 'wflw.txt').write_text(wide)
    assert landmarks.read(str(tmp_path / 'wflw.txt'))['0.png'] == list(range(196))


def test_domains_of_cats():
    found = cats_domains.choose('families', False, 120)
    assert list(found) == sorted(found) and sum(map(len, found.values())) == 120
    for domain, cats in found.items():
        assert set(cats[:, 0]) <= set(cats_domains.DOMAINS['families'][domain])
    with pytest.raises(UserError, match='99999 pictures to test with are too many'):
        cats_domains.choose('coats', True, 99999)
    with pytest.raises(UserError, match='4 pictures to test with are too few: none is of the domain ') as few:
        cats_domains.choose('families', True, 4)
    enough = int(str(few.value).split('--test=')[1])
    assert all(map(len, cats_domains.choose('families', True, enough).values()))
    with pytest.raises(UserError, match=f'{enough - 1} pictures'):
        cats_domains.choose('families', True, enough - 1)
