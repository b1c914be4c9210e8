"""Metrics of translations between domains, of translators whose results are known."""

from unittest import mock

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib, UserError
from metrics import metric_base, sources, weights
from metrics.features import lpips_alex
from metrics.frechet_inception_distance import frechet_distance
from metrics.metric_defaults import best_results, metric_defaults, needs_domains
from tests.metrics import tiny_extractor as extractor
from tests.metrics.features.test_lpips_alex import narrow_weights
from training.data import cats_domains
from training.data.cats import compose
from training.data.making.cats_domains import write_set
from training.data.translation.domains import DomainDataset
from training.report import between
from training.train_step import Between

SIDE = 32
FAMILIES = cats_domains.DOMAINS['families']


class Right:
    """Gives the cats of a set other bodies: the one that the first latent or the reference says.

    Args:
        truth: cats_domains.Truth.
    """

    def __init__(self, truth):
        self._cats = {compose(cat, SIDE).tobytes(): cat for cat in truth.pictures.values()}

    def __call__(self, _networks, images, targets, given):
        return np.stack([compose([self._body(target, style)] + self._cats[image.tobytes()][1:], SIDE)
                         for image, target, style in zip(images, targets, given)])

    def _body(self, target, style):
        if style.ndim == 3:
            return self._cats[style.tobytes()][0]
        return list(FAMILIES.values())[int(target.argmax())][int(style[0] > 0)]


@pytest.fixture(name='folder', scope='module')
def fixture_folder(tmp_path_factory):
    """A set of families."""
    path = str(tmp_path_factory.mktemp('domains') / 'set')
    write_set(path, 'families', SIDE, 24, 9)
    return path


def domains_of(folder, run=None, **options):
    """Domains of a set; without `run` translations are Right."""
    data = DomainDataset(folder, train='train', test='test', load_size=SIDE, crop_size=SIDE, flip=False, **options)
    run = run or Right(cats_domains.read_truth(folder))
    return between.Domains({}, [between.Part(Between(run, latent_size=2), data.sheet(), data.trained())])


def measure(name, domains, **options):
    """Record of a metric."""
    metric, = metric_base.MetricGroup([metric_defaults[name]], seed=0).metrics
    metric.run_fakes(domains, 'net.pkl', tf_config={'device': 'cpu'}, **options)
    return metric.get_record()


def test_cats_that_are_right_and_those_that_nothing_happened_to(folder, graph, capsys):
    record = measure('domains_cats', domains_of(folder))
    found = {name[len('domains_cats_'):]: value for name, value in record['results'].items()}
    assert all(found[name + end] == value for name, value in (('hit', 100), ('kept', 100), ('l1', 0))
               for end in ('', '_reference')) and found['coat_reference'] == 100 and found['styles'] > 5
    unchanged, ignored = (record['references'][name] for name in ('unchanged', 'input ignored'))
    assert unchanged['hit'] == 0 and unchanged['kept'] == 100 and unchanged['l1'] > 20
    assert ignored['hit'] == 100 and ignored['kept'] < 50 and ignored['l1'] > 10
    assert sorted(record['of_tasks']['latent']) == [f'{a}-{b}' for a in FAMILIES for b in FAMILIES if a != b]
    assert 'domains_cats: unchanged: hit 0.0, l1 ' in capsys.readouterr().out
    assert set(best_results('domains_cats')) >= {'_' + name for name in found}


def test_what_attributes_are_asked_for(tmp_path):
    write_set(str(tmp_path / 'set'), 'attributes', 16, 40, 30)
    exclusive = [0, 1, 2]

    def change(labels, number):
        rows = labels.copy()
        rows[:, exclusive if number in exclusive else number] = 0
        rows[:, number] = 1 if number in exclusive else 1 - labels[:, number]
        return rows
    data = DomainDataset(str(tmp_path / 'set'), train='train', test='test', load_size=16, crop_size=16,
                         attributes=str(tmp_path / 'set' / 'list_attr.txt'))
    part = between.Part(Between(None, change=change), data.sheet(), data.trained())
    labels, names = part.pictures.read_labels(range(30)), list(cats_domains.ATTRIBUTES)
    tasks = {task.name: task for task in between.make_tasks(part)}
    assert {'+black', '+glasses', '-stripes', '+scarf'} <= set(tasks) and '-black' not in tasks
    for name, task in tasks.items():
        assert task.target == name[1:] == names[task.label] and task.value == (name[0] == '+')
        assert (labels[task.sources, task.label] != task.value).all()
        assert (task.targets[:, task.label] == task.value).all()
        others = np.setdiff1d(range(len(names)), exclusive if task.label in exclusive else [task.label])
        np.testing.assert_array_equal(task.targets[:, others], labels[task.sources][:, others])


def test_distances_of_pairs(folder, graph, tiny_extractor):
    domains = domains_of(folder, lambda _networks, images, _targets, _given: images)
    record = measure('domains_fid', domains)
    for task in domains.tasks:
        sources_, target = task.name.split('-')
        assert [between.names_of(task.part.pictures)[i] for i in task.part.pictures.read_labels(
            task.sources).argmax(axis=1)] == [sources_] * len(task.sources) and task.target == target
        moments = []
        for data, numbers in ((task.part.pictures, task.sources), (task.part.trained, task.reals)):
            features = extractor.features(np.stack([data.read(number) for number in numbers]))
            repeated = features if data is task.part.trained else features.repeat(10, axis=0)  # of ten styles
            moments += [features.mean(axis=0), np.cov(repeated, rowvar=False)]
        for guide in ('latent', 'reference'):
            assert record['of_pairs'][guide][task.name] == pytest.approx(frechet_distance(*moments), rel=1e-3)
    for guide, values in record['of_pairs'].items():
        assert record['results'][f'domains_fid_{guide}'] == pytest.approx(np.mean(list(values.values())))
    assert record['num_fakes'] == 2 * 9 * 10  # every picture to two domains
    plain = measure('fid18_full', domains, dataset_args=dict(tfrecord_dir=folder + '/train'))  # knows no domains
    assert plain['num_fakes'] == 18 and plain['num_reals'] == 24


def test_diversity(folder, graph, monkeypatch):
    arrays = narrow_weights()
    monkeypatch.setattr(weights, 'lpips_alexnet', lambda: arrays)
    right = Right(cats_domains.read_truth(folder))
    drawn = []

    def run(*args):
        drawn.append(right(*args))
        return drawn[-1]
    domains = domains_of(folder, run)
    values = measure('domains_lpips1', domains)['results']
    assert len(drawn) == 2 * 6 + 1  # the first one shows the shape
    with tf.Graph().as_default(), tf.Session().as_default():
        network = lpips_alex.LpipsAlex(arrays)
        images = tf.placeholder(tf.float32, [None, 3, SIDE, SIDE])
        features = network.features(images)
        distance = network.distance([x[:1] for x in features], features)
        for guide, begin in (('latent', 1), ('reference', 7)):
            total = np.mean([sum(tflib.run(distance, {images: ten[i:] / 127.5 - 1})[1:].sum() for i in range(9)) / 45
                             for ten in drawn[begin:begin + 6]])
            assert values[f'domains_lpips1_{guide}'] == pytest.approx(total, rel=1e-4) and total > 0
    same = measure('domains_lpips1', domains_of(folder, lambda _networks, images, _targets, _given: images))
    assert same['results'] == {'domains_lpips1_latent': 0, 'domains_lpips1_reference': 0}


def test_latents_and_references_follow_from_the_seed(folder):
    given = []
    domains = domains_of(folder, lambda _networks, images, _targets, styles: given.append(styles) or images)
    task = domains.tasks[0]
    for guide in ('latent', 'reference'):
        for seed, outputs in ((0, [0, 1]), (0, [0, 1]), (1, [0, 1])):
            domains.draw(guide, task, [0, 0], outputs, seed)
        first, again, other = given[-3:]
        np.testing.assert_array_equal(first, again)
        assert (guide == 'reference' or np.abs(first - other).min() > 0) and len(first) == 2
    count = len(task.styles)
    for output in (0, 1):  # each reference once before the first comes again
        numbers = between.references(task, range(count), [output] * count, 3)
        assert sorted(numbers) == sorted(task.styles.tolist())


def test_what_is_refused(folder, graph, tmp_path, tiny_extractor):
    assert needs_domains('domains_fid5') and not needs_domains('fid5')
    pictures = sources.FunctionSource(lambda count, seed: iter([np.zeros([count, 3, SIDE, SIDE], np.uint8)]))
    assert pictures.domains is None
    with pytest.raises(UserError, match='metric domains_cats: it measures translations between domains; give a net'):
        measure('domains_cats', lambda count, seed: iter([np.zeros([count, 3, SIDE, SIDE], np.uint8)]))
    labels = domains_of(folder, lambda _networks, images, _targets, _given: images)
    part, labels.guides = labels.tasks[0].part, ('label',)
    with pytest.raises(UserError, match='this network makes one translation of a picture to a domain'):
        measure('domains_lpips', labels)
    alone = part._replace(pictures=mock.Mock(wraps=part.pictures, num_images=9, label_names=['only'],
                                             read_labels=lambda numbers: np.ones([len(numbers), 1], np.float32)))
    with pytest.raises(UserError, match='nothing to measure: no pictures of other domains to translate'):
        measure('domains_cats', between.Domains({}, [alone]))
    with pytest.raises(UserError, match='translations have 16 pixels, the cats of set 32; draw a set of this size'):
        data = DomainDataset(folder, train='train', test='test', load_size=16, crop_size=16, flip=False)
        measure('domains_cats', between.Domains({}, [between.Part(Between(
            lambda _networks, images, _targets, _given: images, latent_size=2), data.sheet(), data.trained())]))
