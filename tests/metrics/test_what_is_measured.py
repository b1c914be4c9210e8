"""Which pictures metrics look at, what statistics are kept for, and the formulas on them; whole runs against NumPy."""

import numpy as np
import pytest
from PIL import Image

from metrics import sampling
from metrics.features import efficientnet_lite0
from metrics.frechet_inception_distance import FID
from metrics.kernel_inception_distance import KID
from metrics.precision_recall import PR
from tests.metrics import tiny_extractor
from tests.metrics.features import feature_reference, weight_writers
from tests.metrics.tiny_generator import run_metric
from training.data.making.writer import TFRecordExporter


def _write_folder(path, images):
    """Makes a folder of pictures [N, 3, H, W], whose names are in their order; returns its path."""
    path.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(str(path / '{:03d}.png'.format(i)))
    return str(path)


def _random_images(count, seed, size=8):
    coarse = np.random.RandomState(seed).randint(0, 256, [count, 3, 4, 4]).astype(np.uint8)
    return coarse.repeat(size // 4, axis=2).repeat(size // 4, axis=3)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Dictionary of (path, pictures, reference features) by name."""
    root = tmp_path_factory.mktemp('folders')
    base = _random_images(12, seed=0)
    noise = np.random.RandomState(6).randint(-30, 31, base.shape)
    near = np.uint8(np.clip(base[:4].repeat(3, axis=0) + noise, 0, 255))
    return {name: (_write_folder(root / name, images), images, tiny_extractor.features(images))
            for name, images in (('all', base), ('few', near))}


def _frechet(fakes, reals, count=50, **options):
    metric = FID('fd', count, 8, extractor='effnetlite0')
    return run_metric(metric, fakes, reals, **options)['results']['fd']


# Pictures of datasets and their cache


def test_reals_alone_are_mirrored_left_to_right(graph, tiny_extractor, folders, tmp_path):
    images = folders['all'][1]
    even = _write_folder(tmp_path / 'even', np.concatenate([images[:, :, :, :4], images[:, :, :, 3::-1]], axis=3))
    odd = folders['few'][0]
    assert _frechet(odd, even, mirror=True) == pytest.approx(_frechet(odd, even), rel=1e-6)
    with sampling.open_dataset(dict(tfrecord_dir=odd)) as data:
        plain, flipped = (np.concatenate(list(sampling.image_minibatches(data, 12, 5, mirror)))
                          for mirror in (False, True))
        some = list(sampling.image_minibatches(data, 12, 5, True, wanted=lambda number: number != 1))
    assert some[1] is None
    np.testing.assert_array_equal(np.concatenate([some[0], some[2]]), flipped[[0, 1, 2, 3, 4, 10, 11]])
    is_flipped = np.any(plain != flipped, axis=(1, 2, 3))
    np.testing.assert_array_equal(flipped[is_flipped], plain[is_flipped, :, :, ::-1])
    assert 2 <= is_flipped.sum() <= 10


def test_folders_give_a_random_choice(graph, tiny_extractor, folders, tmp_path):
    images = folders['all'][1].copy()
    images[6:] //= 16  # one class after another
    path, first = _write_folder(tmp_path / 'both', images), _write_folder(tmp_path / 'first', images[:6])
    assert abs(_frechet(first, first, count=6)) < 1e-5
    assert _frechet(first, path, count=6) > 5e-3  # not the first six by name
    assert _frechet(path, first, count=6) > 5e-3


def test_statistics_belong_to_the_weights(graph, narrow_networks, folders, tmp_path, monkeypatch):
    path = folders['all'][0]
    before = _frechet(folders['few'][0], path)
    state = feature_reference.effnet_state(seed=1)
    (tmp_path / 'others.pth').write_bytes(weight_writers.torch_file(state, False))
    monkeypatch.setenv(efficientnet_lite0.VARIABLE, str(tmp_path / 'others.pth'))
    assert abs(_frechet(path, path)) < 1e-4  # those kept of the same pictures are of the other weights
    assert _frechet(folders['few'][0], path) != pytest.approx(before, rel=0.01)


def _write_records(path, images):
    with TFRecordExporter(str(path), len(images)) as exporter:
        for image in images:
            exporter.add_image(image)
    return str(path)


def _content_hash(count=None, **dataset_args):
    with sampling.open_dataset(dict(dataset_args, shuffle_mb=0)) as data:
        return sampling.content_hash(data, count or data.num_images, iter)


@pytest.mark.parametrize('write', [_write_folder, _write_records])
def test_every_picture_counts_in_the_hash_of_a_data_set(tmp_path, write):
    images = _random_images(4, seed=5)
    assert _content_hash(tfrecord_dir=write(tmp_path / 'a', images)) == \
        _content_hash(tfrecord_dir=write(tmp_path / 'b', images))
    hashes = {_content_hash(tfrecord_dir=str(tmp_path / 'a')), _content_hash(3, tfrecord_dir=str(tmp_path / 'a'))}
    for i in range(4):
        changed = images.copy()
        changed[i, 2, 7, 7] ^= 1
        hashes.add(_content_hash(tfrecord_dir=write(tmp_path / str(i), changed)))
    assert len(hashes) == 6


def test_the_splits_of_the_cats_have_other_hashes():
    hashes = [_content_hash(8, tfrecord_dir='cats', resolution=16, held_out=held_out)
              for held_out in (False, True, False)]
    assert hashes[0] == hashes[2] != hashes[1]


# Formulas on the right features


def _mmd(a, b):
    """Unbiased squared discrepancy of features [N, F], kernel (x y / F + 1)^3."""
    within, across = [], (a @ b.T / a.shape[1] + 1) ** 3
    for x in (a, b):
        kernel = (x @ x.T / x.shape[1] + 1) ** 3
        within.append(kernel[~np.eye(len(x), dtype=bool)].mean())
    return sum(within) - 2 * across.mean()


def test_kernel_distance_is_the_mean_over_small_subsets(graph, tiny_extractor, folders):
    (fakes, _, a), (reals, _, b) = folders['all'], folders['few']
    record = run_metric(KID('kid', 12, 8, extractor='effnetlite0', num_subsets=2000, max_subset_size=4), fakes, reals)
    rnd = np.random.RandomState(9)
    values = [_mmd(*[x[rnd.permutation(12)[:4]] for x in (a, b)]) for _ in range(2000)]
    assert record['subset_size'] == 4 and record['std_of_subsets'] == pytest.approx(np.std(values), rel=0.15)
    assert abs(record['results']['kid'] - _mmd(a, b)) < 5 * np.std(values) / np.sqrt(2000)
    whole = run_metric(KID('kid', 12, 8, extractor='effnetlite0', max_subset_size=12), fakes, reals)
    assert whole['subset_size'] == 12 and whole['results']['kid'] == pytest.approx(_mmd(a, b), rel=1e-3)


def _coverage(points, centers, k):
    """Share of the points within a ball around a center that reaches to its k-th neighbor."""
    inside = np.sqrt(np.square(centers[:, np.newaxis] - centers).sum(axis=-1))
    radii = np.sort(inside, axis=1)[:, k]  # the 0th is the center itself
    distances = np.sqrt(np.square(points[:, np.newaxis] - centers).sum(axis=-1))
    return np.mean(np.any(distances <= radii, axis=1))


def test_precision_and_recall_are_of_the_right_set_and_neighbor(graph, tiny_extractor, folders):
    (reals, _, b), (fakes, _, a) = folders['all'], folders['few']
    shares = {k: (_coverage(a, b, k), _coverage(b, a, k)) for k in (1, 2, 3)}
    metric = PR('pr', 12, 2, 8, row_batch_size=5, col_batch_size=7, extractor='effnetlite0')
    results = run_metric(metric, fakes, reals)['results']
    assert results == {'pr_precision': pytest.approx(shares[2][0]), 'pr_recall': pytest.approx(shares[2][1])}
    assert len(set(shares.values())) == 3 and shares[2][0] != shares[2][1], shares
