"""What goes wrong around metrics: memory that is not freed, folders as they are, requests to stop, copies, damage."""

import gc
import io
import tarfile
import weakref

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from PIL import Image

from dnnlib import EasyDict, UserError
from dnnlib.tflib import graphs
from metrics import metric_base, nearest, perceptual_path_length, sampling, settings, sources
from metrics.features import inception_v3, weight_files
from metrics.metric_defaults import metric_defaults
from tests.metrics.features import weight_writers
from tests.metrics.tiny_generator import PlainGenerator
from training import pretrained

CPU = {'device': 'cpu'}


@pytest.fixture
def network(monkeypatch):
    """A stand-in for a generator in place of any network file; its height and width can be set."""
    shape = EasyDict(resolution=16)
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: PlainGenerator(shape.resolution))
    return shape


def run(name, reals=None, fakes=None, mirror=False, **settings):
    """Record of a metric of a network, or of the folder `fakes`."""
    group = metric_base.MetricGroup([metric_defaults[name]], fakes_args=fakes and dict(tfrecord_dir=fakes),
                                    **dict(dict(seed=0), **settings))
    group.run(fakes or 'net.pkl', dataset_args=reals and dict(tfrecord_dir=reals), mirror_augment=mirror,
              tf_config=CPU)
    return group.metrics[0].get_record()


class Squares(metric_base.MetricBase):
    """Uses `tf.custom_gradient`, which registers each use for good."""

    def __init__(self):
        super().__init__('squares')
        self.graph = None

    def _evaluate(self, source):
        @tf.custom_gradient
        def square(x):
            return x * x, lambda dy: 2 * x * dy
        self.graph = weakref.ref(tf.get_default_graph())
        self._report_result(tf.get_default_session().run(square(tf.constant(3.0))))


def test_graphs_of_metrics_are_freed(network):
    before = graphs.custom_gradients()
    metric = Squares()
    metric.run('net.pkl', tf_config=CPU)
    assert metric.get_results() == {'squares': 9.0}
    assert graphs.custom_gradients() == before
    gc.collect()
    assert metric.graph() is None


def test_folders_are_read_at_the_size_of_the_network(network, tiny_extractor, tmp_path):
    (tmp_path / 'photos').mkdir()
    rnd = np.random.RandomState(0)
    for number, (height, width) in enumerate([(75, 100), (33, 20), (40, 40)] * 2):
        pixels = rnd.randint(0, 256, [height, width, 3]).astype(np.uint8)
        Image.fromarray(pixels).save(str(tmp_path / 'photos' / '{}.png'.format(number)))
    assert run('fd6_effnetlite0', str(tmp_path / 'photos'))['resolution'] == 16
    network.resolution = (20, 16)
    assert run('fd6_effnetlite0', str(tmp_path / 'photos'))['resolution'] == [20, 16]
    with pytest.raises(UserError, match='a resolution, such as --resolution=64'):
        run('fd6_effnetlite0', str(tmp_path / 'photos'), str(tmp_path / 'photos'))


def test_mirrored_copies_are_found(network, tiny_extractor, tmp_path):
    """A network whose pictures, half of them mirrored, are the dataset has memorized it."""
    (tmp_path / 'own').mkdir()
    with graphs.temporary_graph(), metric_base.tflib.create_session(CPU).as_default() as session:
        with sources.open_network('', dict(is_validation=True), None, 1) as source:
            images = np.concatenate(list(source.minibatches(24, 8, seed=3)))
        session.close()
    for number, image in enumerate(images):
        image = image[:, :, ::-1] if number % 2 else image
        Image.fromarray(image.transpose(1, 2, 0)).save(str(tmp_path / 'own' / '{:03d}.png'.format(number)))
    names = []
    for mirror in (True, False):
        record = run('nearest24', str(tmp_path / 'own'), mirror=mirror, seed=3, result_dir=str(tmp_path))
        assert record['mirror_augment'] == mirror
        found = [row[0] for row in record['nearest']]
        if mirror:
            assert found == list(range(24))
            assert record['results']['nearest24_fakes'] < 0.01 * record['results']['nearest24_reals']
        else:
            assert record['results']['nearest24_fakes'] > 0.1 * record['results']['nearest24_reals']
        names.append(sorted(path.name for path in tmp_path.glob('nearest-*')))
    assert names == [['nearest-net.png'], ['nearest-net-2.png', 'nearest-net.png']]  # nothing is overwritten


def test_nearest_of_gray_pictures_and_of_other_sizes(network, tiny_extractor, tmp_path):
    (tmp_path / 'gray').mkdir()
    rnd = np.random.RandomState(0)
    for number in range(6):
        Image.fromarray(rnd.randint(0, 256, [16, 16]).astype(np.uint8)).save(
            str(tmp_path / 'gray' / '{}.png'.format(number)))
    run('nearest6', str(tmp_path / 'gray'), result_dir=str(tmp_path))
    picture = np.asarray(Image.open(str(tmp_path / 'nearest-net.png')))
    assert picture.shape[2] == 3 and np.ptp(np.int32(picture[:16, 16:32]), axis=2).max() == 0
    metric, = metric_base.MetricGroup([metric_defaults['nearest6']]).metrics
    with pytest.raises(UserError, match='reals of 8x8 pixels, fakes of 16x16; both must have one size'):
        metric.run('net.pkl', dataset_args=dict(tfrecord_dir=str(tmp_path / 'gray'), resolution=8), tf_config=CPU)


def test_seeds_choose_the_pictures_of_a_folder(graph, tiny_extractor, picture_folder):
    (fakes, _), (reals, _) = picture_folder('a', 20), picture_folder('b', 8, seed=1)
    one, two, again = (run('kid8_effnetlite0', reals, fakes, seed=seed) for seed in (1, 2, 1))
    assert one['results'] == again['results'] != two['results']
    assert (one['num_subsets'], one['subset_size'], one['std_of_subsets']) == (1, 8, None)  # there is only one
    unseeded = [run('kid8_effnetlite0', reals, fakes, seed=None) for _ in range(2)]
    assert unseeded[0]['results'] == unseeded[1]['results']
    with pytest.raises(UserError, match='8 images are too few for 10 splits'):
        run('is50', None, reals)


def test_another_seed_is_another_choice_of_the_same_data_set(picture_folder):
    with sampling.open_dataset(dict(tfrecord_dir=picture_folder('a', 20)[0])) as data:
        sampling.content_hash(data, 8)
        first, second, again = (next(sampling.image_minibatches(data, 8, 8, False, seed)) for seed in (1, 2, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, second)


def test_a_request_to_stop_ends_a_metric(network, tiny_extractor, picture_folder, capsys):
    path, _ = picture_folder('a', 12)
    calls = []
    group = metric_base.MetricGroup([metric_defaults['fd10_effnetlite0']],
                                    should_stop=lambda: calls.append(None) or len(calls) > 1)
    group.run_in_training('net.pkl', dataset_args=dict(tfrecord_dir=path), tf_config=CPU)
    assert group.get_results() == {} and len(calls) == 2
    assert 'metric fd10_effnetlite0: not measured, since training is about to stop' in capsys.readouterr().out


def test_hashing_ends_in_time(network, tiny_extractor, picture_folder):
    path, _ = picture_folder('a', 12)
    metric, = metric_base.MetricGroup([metric_defaults['fd10_effnetlite0']], seconds=0).metrics
    with pytest.raises(metric_base.TimeIsUp), sampling.open_dataset(dict(tfrecord_dir=path)) as data:
        metric._reals = settings.Reals(dict(tfrecord_dir=path), False)
        metric._content_hash(data, 10)


def test_names_of_what_is_measured():
    for name, is_data_set, expected in (
            ('a/net.v2.pkl', False, 'net.v2'), ('https://a.org/net.pkl?token=a.b', False, 'net'),
            ('a/samples.v2/', True, 'samples.v2'), ('a/photos.zip', True, 'photos')):
        assert metric_base._short_name(name, is_data_set) == expected


def test_standard_error_of_path_lengths_is_that_of_repetitions():
    rnd = np.random.RandomState(0)
    means, errors = [], []
    for _ in range(1500):
        distances = rnd.lognormal(sigma=1.5, size=500)
        kept = perceptual_path_length.trimmed(distances)
        means.append(kept.mean())
        errors.append(perceptual_path_length.standard_error(distances, kept))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.08)


def test_corrupt_archives_are_refused(tmp_path, monkeypatch):
    data = weight_writers.graph_file({'a': np.arange(500, dtype=np.float32)}, {})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode='w:gz') as archive:
        member = tarfile.TarInfo('x/classify_image_graph_def.pb')
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    packed = packed.getvalue()
    path = tmp_path / 'inception-2015-12-05.tgz'
    monkeypatch.setenv('STYLEGAN2_INCEPTION', str(path))
    path.write_bytes(packed)
    assert weight_files.find('x', 'STYLEGAN2_INCEPTION', inception_v3.CANDIDATES).data == data
    with pytest.raises(UserError, match="not the Inception-v3 of 2015-12-05: it has no 'softmax/weights'"):
        inception_v3.load()
    refused = 0
    for position in range(10, 800, 20):
        path.write_bytes(packed[:position] + bytes([packed[position] ^ 4]) + packed[position + 1:])
        try:  # a few changes make no difference
            assert weight_files.find('x', 'STYLEGAN2_INCEPTION', inception_v3.CANDIDATES).data == data
        except UserError as error:
            assert 'corrupt, or not an archive' in str(error)
            refused += 1
    assert refused > 35


def test_graphs_that_are_not_frozen_are_refused(tmp_path, monkeypatch):
    graph = tf.GraphDef()
    graph.node.add(name='softmax/weights', op='VariableV2')
    path = tmp_path / 'classify_image_graph_def.pb'
    path.write_bytes(graph.SerializeToString())
    monkeypatch.setenv('STYLEGAN2_INCEPTION', str(path))
    with pytest.raises(UserError, match='classify_image_graph_def.pb: not the Inception-v3 of 2015-12-05'):
        inception_v3.load()


def test_free_names(tmp_path):
    path = str(tmp_path / 'a.png')
    for expected in ('a.png', 'a-2.png', 'a-3.png'):
        found = nearest.free_path(path)
        assert found == str(tmp_path / expected)
        open(found, 'w').close()
