"""Intra-FID: the distance of each class, of a generator that draws one picture of each; what is refused."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from metrics import metric_base
from metrics.frechet_inception_distance import frechet_distance
from metrics.metric_defaults import metric_defaults
from tests.metrics import tiny_extractor as extractor
from tests.metrics.tiny_generator import PlainGenerator
from training import pretrained
from training.dataset import load_dataset

COATS, PER_CLASS = 15, 12
CATS = dict(tfrecord_dir='cats', max_label_size=COATS, resolution=16, max_images=400)


class OfClasses(PlainGenerator):
    """Draws the same picture of each class, whatever the latents."""

    colors = np.float32(np.random.RandomState(4).rand(COATS, 3 * 16 * 16) * 2 - 1)

    def get_output_for(self, latents, labels, **_options):
        """Images [N, 3, 16, 16]."""
        return tf.reshape(labels @ self.colors, [-1, 3, 16, 16])


def measure(monkeypatch, dataset_args, label_size=COATS):
    """Record of the metric."""
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: OfClasses(label_size=label_size))
    metric, = metric_base.MetricGroup([metric_defaults[f'ifid{PER_CLASS}']], seed=0).metrics
    metric.run('net.pkl', dataset_args=dataset_args, mirror_augment=False, tf_config={'device': 'cpu'})
    return metric.get_record()


def test_distances_of_classes(graph, tiny_extractor, monkeypatch):
    record = measure(monkeypatch, CATS)
    with load_dataset(**CATS) as data:
        order = np.random.RandomState(0).permutation(data.num_images)
        classes = data.read_labels(order).argmax(axis=1)
        for coat, found in enumerate(record['of_classes']):
            reals = np.stack([data.read(index) for index in order[classes == coat][:PER_CLASS]])
            fake = np.trunc(OfClasses.colors[coat].reshape(1, 3, 16, 16) * 127.5 + 128)
            features, mean = extractor.features(reals), extractor.features(fake)[0]
            wanted = frechet_distance(mean, np.zeros([len(mean)] * 2), features.mean(axis=0),
                                      np.cov(features, rowvar=False))
            assert found == pytest.approx(wanted, rel=1e-3), coat
    values = record['results']
    assert values['ifid12'] == pytest.approx(np.mean(record['of_classes']))
    assert values['ifid12_worst'] == pytest.approx(np.max(record['of_classes']))
    assert record['num_fakes'] == COATS * PER_CLASS and 150 < record['num_reals'] <= COATS * PER_CLASS


def test_what_is_refused(graph, tiny_extractor, monkeypatch):
    for dataset_args, label_size, message in (
            (dict(CATS, max_images=20), COATS, 'at least 2 images of each class, but class'),
            (dict(CATS, max_label_size=3), COATS, 'the network has 15 labels, the dataset 3'),
            (CATS, 0, 'it measures the classes of a network that has some')):
        with pytest.raises(UserError, match=message):
            measure(monkeypatch, dataset_args, label_size)
