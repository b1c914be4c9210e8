"""What metrics make of networks: latents, labels, noise and rounds of their pictures; whole runs against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import network_pickle
from metrics import linear_separability, perceptual_path_length, sampling, sources
from metrics.frechet_inception_distance import FID
from metrics.inception_score import IS
from tests.metrics.features import lpips_reference
from tests.metrics.tiny_generator import TellingGenerator, classifier_of_pixel, load_telling, run_metric


@pytest.fixture
def labelled(tmp_path, picture_folder):
    """Function (label=number of pictures, ...): makes a dataset with labels; returns its path."""
    def make(**counts):
        (tmp_path / 'data').mkdir()
        for label, count in counts.items():
            picture_folder('data/' + label, count, size=8)
        return str(tmp_path / 'data')
    return make


# Path length


def _path_length(made, rounds=26, **options):
    """(result, pictures [rounds, pairs, 2, C, H, W]) of a path length with four pairs a round."""
    kwargs = dict(space='w', sampling='full', epsilon=0.1)
    kwargs.update((key, options.pop(key)) for key in list(options) if key in kwargs)
    metric = perceptual_path_length.PPL('ppl', 4 * rounds, crop=False, minibatch_per_gpu=4,
                                        Gs_overrides=dict(gain=0.25, dtype='float32', num_fp16_res=0), **kwargs)
    Gs_kwargs = dict(is_validation=True, gain=0.75, num_fp16_res=4)
    value = run_metric(metric, Gs_kwargs=Gs_kwargs, **options)['results']['ppl']
    seen = np.array(made[-1].seen)
    return value, seen.reshape((rounds, 4, 2) + seen.shape[2:])


def test_path_length_is_the_trimmed_mean_of_independent_steps(graph, monkeypatch, narrow_lpips):
    value, seen = _path_length(load_telling(monkeypatch))
    ends = seen.reshape((-1, 2) + seen.shape[3:])
    distances = lpips_reference.distance(ends[:, 0], ends[:, 1], narrow_lpips) / 0.1 ** 2
    ranked = np.sort(distances)  # 104 of them: the 1st percentile is above the second, the 99th below the last but one
    assert value == pytest.approx(ranked[1:-1].mean(), rel=1e-3)
    assert abs(ranked.mean() / ranked[1:-1].mean() - 1) > 4e-3
    assert len(np.unique(ends[:, :, 0, 0, 0].ravel())) == 208  # new latents everywhere
    noise = seen[:, :, :, 1]
    np.testing.assert_array_equal(noise, np.broadcast_to(noise[:, :1, :1], noise.shape))  # within a round the same
    assert len(np.unique(noise[:, 0, 0, 0, 0])) == 26 and 0.9 < noise[:, 0, 0].std() < 1.1
    np.testing.assert_allclose(np.diff(noise[:, 0, 0], axis=0).std(), np.sqrt(2), rtol=0.1)


@pytest.mark.parametrize('space', ['z', 'w'])
def test_both_ends_of_a_step_have_the_label_and_the_options(graph, monkeypatch, narrow_lpips, labelled, space):
    _, seen = _path_length(load_telling(monkeypatch, 3), rounds=6, space=space, sampling='end', epsilon=0.5,
                           reals=labelled(a=2, b=2, c=2))
    labels = seen[:, :, :, 0, 0, 8:11]
    np.testing.assert_allclose(labels[:, :, 1], labels[:, :, 0], atol=1e-6)
    assert set(map(tuple, labels[:, :, 0].reshape(-1, 3))) == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert np.all(seen[:, :, :, 2] == 0.25)  # the metric's options go before those given to it, in the synthesis
    np.testing.assert_allclose(seen[:, :, :, 0, :, 11:], 0.25, rtol=1e-6)  # and in the mapping


def test_first_labels_of_the_data_are_those_of_a_network_with_fewer(graph, monkeypatch, narrow_lpips):
    _, seen = _path_length(load_telling(monkeypatch, 3), rounds=16, reals='cats')  # the cats have 66 labels
    labels = set(map(tuple, seen[:, :, 0, 0, 0, 8:11].reshape(-1, 3)))
    assert labels == {(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)}  # the first 3 of 15 colors


# Linear separability


def _separability(points, logits):
    """Conditional entropy in bits, of a fit to these samples."""
    target = logits < 0
    w = linear_separability.linear_svm(np.float64(points), target)
    predicted = points @ w[:-1] + w[-1] > 0
    entropy = 0
    for side in (predicted, ~predicted):
        for share in (np.mean(target[side]), np.mean(~target[side])) if side.any() else ():
            entropy -= side.mean() * share * np.log2(share) if share else 0
    return entropy


def test_separability_is_that_of_the_surest_half_in_latents_and_last_dlatents(graph, tmp_path, monkeypatch):
    monkeypatch.setenv(linear_separability.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(linear_separability.pretrained, 'BUILD_MODULES', (classifier_of_pixel.__module__,))
    for index, column in ((0, 2), (3, 5)):
        with tf.Graph().as_default(), tflib.create_session({'device': 'cpu'}).as_default():
            name = 'celebahq-classifier-{:02d}-{}.pkl'.format(index, linear_separability.ATTRIBUTES[index])
            network_pickle.save(tflib.Network('classifier', classifier_of_pixel, column=column), str(tmp_path / name))
    made = load_telling(monkeypatch)
    metric = linear_separability.LS('ls', num_samples=96, num_keep=48, attrib_indices=[0, 3], minibatch_per_gpu=8)
    results = run_metric(metric)['results']
    rows = np.concatenate(made[0].seen)[:, 0]
    assert rows.shape == (96, 16, 16) and len(np.unique(rows[:, 0, 0])) == 96
    points = dict(z=rows[:, 0, :8], w=rows[:, 3])
    scores = {}
    for space in points:
        for kept in (slice(-48, None), slice(48), slice(None)):
            logits = [rows[:, 3, column] ** 3 - 0.05 * rows[:, 3, column] for column in (2, 5)]
            chosen = [np.argsort(np.abs(values), kind='stable')[kept] for values in logits]
            scores.setdefault(space, []).append(2 ** sum(
                _separability(points[space][order], values[order]) for order, values in zip(chosen, logits)))
    assert results == {'ls_z': pytest.approx(scores['z'][0], rel=1e-4), 'ls_w': pytest.approx(scores['w'][0], rel=1e-4)}
    ranked = np.sort(scores['z'] + scores['w'])
    assert np.diff(ranked).min() > 0.01  # so that no mistake hides
    assert scores['w'][0] < 1.5 < scores['z'][0]


# Labels and rounds of generated pictures


def test_labels_of_fakes_are_those_of_random_pictures(session, labelled):
    with sampling.open_dataset(dict(tfrecord_dir=labelled(a=1, b=3), max_label_size='full')) as data:
        generator = sources.Generator(TellingGenerator(2), dict(is_validation=True), data)
        draw = generator.build(lambda _latents, labels, _dlatents, images: [labels, images], 100, seed=4)
        labels, images = (np.concatenate(parts) for parts in zip(draw(0), draw(1)))
    assert np.all(labels.sum(axis=1) == 1) and 30 <= labels[:, 0].sum() <= 70  # a quarter of 200
    np.testing.assert_array_equal(images[:, 0, 0, 8:10], labels)
    assert np.any(labels[:100] != labels[100:])


@pytest.mark.parametrize('metric_class, options', [(FID, dict(extractor='effnetlite0')), (IS, dict(num_splits=1))])
def test_labelled_networks_get_labels(graph, monkeypatch, tiny_extractor, labelled, metric_class, options):
    made = load_telling(monkeypatch, 2)
    run_metric(metric_class('metric', 20, minibatch_per_gpu=10, **options), reals=labelled(a=2, b=2))
    labels = np.concatenate(made[0].seen)[:, 0, 0, 8:10]
    assert len(labels) == 20 and set(map(tuple, labels)) == {(1, 0), (0, 1)}


def test_inception_score_is_of_new_pictures_in_every_round(graph, monkeypatch, narrow_networks):
    made = load_telling(monkeypatch)
    results = run_metric(IS('is', 10, num_splits=2, minibatch_per_gpu=4))['results']
    floats = np.concatenate(made[0].seen)[:10]
    assert len(made[0].seen) == 3 and len(np.unique(floats[:, 0, 0, 0])) == 10
    p = narrow_networks['inception'].probabilities(np.floor(np.clip(floats * 127.5 + 128, 0, 255)))
    scores = [np.exp(np.mean(np.sum(x * np.log(x / x.mean(axis=0)), axis=1))) for x in (p[:5], p[5:])]
    assert results['is_mean'] == pytest.approx(np.mean(scores), rel=1e-3)
    assert results['is_std'] == pytest.approx(np.std(scores), rel=2e-2)
