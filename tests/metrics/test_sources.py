"""Images of a function, of any method, as fakes of metrics."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import metric_base, sources
from metrics.metric_defaults import metric_defaults
from tests.metrics.tiny_generator import tiny_generator
from training import pretrained
from training.report.fakes import Later

CPU = {'device': 'cpu'}


def _group(*names, **settings):
    return metric_base.MetricGroup([metric_defaults[name] for name in names], **dict(dict(seed=0), **settings))


def _in_pieces(images, *sizes):
    """Function that yields the images [N, C, H, W] in minibatches of these sizes."""
    return lambda _count, _seed: iter(np.split(images, np.cumsum(sizes)))


def test_images_of_a_function_come_in_minibatches_of_one_size():
    images = np.random.RandomState(0).randint(0, 256, [10, 1, 2, 4]).astype(np.uint8)
    source = sources.FunctionSource(_in_pieces(images, 1, 6))
    assert (source.shape, source.resolution, source.generator) == ([1, 2, 4], [2, 4], None)
    for count, sizes in ((10, [4, 4, 2]), (8, [4, 4, 2]), (3, [4, 4, 2])):
        found = list(source.minibatches(count, 4, seed=0))
        assert [len(part) for part in found] == sizes
        np.testing.assert_array_equal(np.concatenate(found), images)
    with pytest.raises(ValueError, match='expected 11 fakes, got 10'):
        list(source.minibatches(11, 4, seed=0))


def test_only_wanted_images_of_a_function_are_drawn():
    images = np.random.RandomState(0).randint(0, 256, [23, 3, 8, 8]).astype(np.uint8)
    parts, drawn = np.split(images, [2, 5, 9, 10, 18]), []

    def fakes(_count, _seed):
        for number, part in enumerate(parts):
            yield part if number == 3 else Later(len(part), lambda number=number: drawn.append(number) or parts[number])
    source = sources.FunctionSource(fakes)
    assert drawn == [0]
    for wanted, expected in [(None, [0, 1, 2, 4, 5]), (lambda n: n % 2 == 0, [0, 1, 2, 4, 5]), (lambda n: n == 3, [4])]:
        del drawn[:]
        found = list(source.minibatches(23, 4, 0, wanted))
        assert drawn == expected and len(found) == 6
        for number, part in enumerate(found):
            if wanted is None or wanted(number):
                np.testing.assert_array_equal(part, images[4 * number:4 * number + 4])
            else:
                assert part is None
    parts[1] = parts[1][:1]
    with pytest.raises(ValueError, match='expected a minibatch of 3 fakes, got 1'):
        sources.FunctionSource(lambda _count, _seed: [Later(3, lambda: parts[1])])


@pytest.mark.parametrize('images, message', [
    (np.zeros([2, 3, 8, 8], np.float32), 'float32'), (np.zeros([3, 8, 8], np.uint8), r'\[N, C, H, W\]')])
def test_other_images_of_a_function_are_refused(images, message):
    with pytest.raises(ValueError, match='expected fakes as uint8.*' + message):
        sources.FunctionSource(lambda count, seed: [images])


def test_images_of_a_function_must_have_one_size():
    pair = [np.zeros([1, 3, size, size], np.uint8) for size in (8, 16)]
    with pytest.raises(ValueError, match='expected fakes of .3, 8, 8., got .3, 16, 16.'):
        list(sources.FunctionSource(lambda count, seed: pair).minibatches(2, 2, 0))


def test_fakes_of_a_function_are_measured_as_those_of_files(tiny_extractor, picture_folder, tmp_path):
    (reals, _), (fakes, images) = picture_folder('reals', 24), picture_folder('fakes', 24, seed=1)
    names = ('fd24_effnetlite0', 'kid24_effnetlite0', 'nearest24')
    of_files, of_function = _group(*names, fakes_args=dict(tfrecord_dir=fakes)), _group(*names)
    args = dict(dataset_args=dict(tfrecord_dir=reals), mirror_augment=False, tf_config=CPU)
    of_files.run(fakes, **args)
    of_function.run_fakes_in_training(_in_pieces(images, 3, 4), 'some/step-000010', run_dir=str(tmp_path), **args)
    assert len(of_files.get_results()) == 4
    assert of_function.get_results() == pytest.approx(of_files.get_results(), rel=1e-4)
    record = json.loads((tmp_path / 'metric-nearest24.jsonl').read_text())
    assert (record['network'], record['num_fakes']) == ('step-000010', 24) and len(record['nearest']) == 24
    assert (tmp_path / 'nearest-step-000010.png').exists()


def test_a_function_draws_with_the_networks_of_a_training(session, tiny_extractor, picture_folder):
    """The training's session and graph are not those that the features are computed in."""
    reals, _ = picture_folder('reals', 4)
    Gs, seeds = tiny_generator(16), []

    def fakes(count, seed):
        seeds.append(seed)
        rnd = np.random.RandomState(seed)
        for _ in range(count):
            yield Gs.run(rnd.randn(1, 8), None, output_transform=dict(func=tflib.convert_images_to_uint8))

    group = _group('fd4_effnetlite0', 'kid4_effnetlite0', seed=5)
    args = dict(dataset_args=dict(tfrecord_dir=reals), mirror_augment=False, tf_config=CPU)
    group.run_fakes_in_training(fakes, 'step', **args)
    assert sorted(group.get_results()) == ['fd4_effnetlite0', 'kid4_effnetlite0']
    assert seeds.count(5) == 1  # both look at the same fakes; the others tell the shape
    assert tf.get_default_session() is session and tf.get_default_graph() is session.graph
    images = np.concatenate(list(fakes(4, 5)))
    of_array = _group('fd4_effnetlite0')
    of_array.run_fakes(lambda count, seed: [images], 'array', **args)
    assert of_array.get_results()['fd4_effnetlite0'] == pytest.approx(group.get_results()['fd4_effnetlite0'], rel=1e-4)


def test_failing_fakes_do_not_end_a_training(capsys):
    group = _group('ppl_wend4', 'fd4_effnetlite0')
    group.run_fakes_in_training(lambda count, seed: [np.zeros([4, 3, 16, 16], np.uint8)], 'step', tf_config=CPU)
    lines = capsys.readouterr().out
    assert 'metric ppl_wend4: it measures a network, not pictures; give a StyleGAN network' in lines
    assert 'metric fd4_effnetlite0: a dataset is needed' in lines and group.get_results() == {}
    with pytest.raises(UserError, match='it measures a network'):
        group.metrics[0].run_fakes(lambda count, seed: [np.zeros([4, 3, 16, 16], np.uint8)], 'step', tf_config=CPU)


def test_images_of_a_network_are_those_of_its_generator_rounded_to_bytes(session):
    Gs = tiny_generator(16)
    options = dict(is_validation=True, randomize_noise=False)
    generator = sources.Generator(Gs, options, num_gpus=2)
    latents = np.concatenate([generator.build(lambda latents, *_others: [latents], 3, seed=4)(i)[0] for i in range(2)])
    with sources.NetworkSource(generator) as source:
        images = np.concatenate(list(source.minibatches(7, 6, seed=4)))
    assert source.shape == [3, 16, 16] and len(np.unique(latents, axis=0)) == 12
    np.testing.assert_array_equal(images, Gs.run(
        latents, None, output_transform=dict(func=tflib.convert_images_to_uint8), **options))


def test_several_gpus_share_the_images(tiny_extractor, picture_folder):
    """Where there is no GPU, the CPU takes their places."""
    (reals, _), (fakes, _) = picture_folder('reals', 21), picture_folder('fakes', 20, seed=1)
    results = []
    for num_gpus in (1, 2):
        group = _group('pr203_effnetlite0', fakes_args=dict(tfrecord_dir=fakes))
        group.run(fakes, dataset_args=dict(tfrecord_dir=reals), num_gpus=num_gpus, tf_config=CPU)
        results.append(group.get_results())
    assert results[0] == results[1] and 0 < min(results[0].values()) < 1


class WithoutStyles:
    """A generator of latents alone that knows no options."""

    input_shapes, output_shape, components = [[None, 8]], [None, 3, 8, 8], {}
    input_shape, static_kwargs = input_shapes[0], {}

    @staticmethod
    def get_output_for(latents):
        """Images [N, 3, 8, 8]."""
        return tf.tile(latents[:, np.newaxis, :, np.newaxis], [1, 3, 1, 8])


def test_generators_without_labels_and_styles(tiny_extractor, picture_folder, monkeypatch):
    args = dict(dataset_args=dict(tfrecord_dir=picture_folder('reals', 4)[0]), mirror_augment=False, tf_config=CPU)
    monkeypatch.setattr(pretrained, 'load_generator', lambda path: WithoutStyles())
    group = _group('fd4_effnetlite0', 'ppl_wend4')
    group.metrics[0].run('net.pkl', **args)
    assert group.metrics[0].get_results()['fd4_effnetlite0'] > 0
    with pytest.raises(UserError, match='ppl_wend4: this network has no dlatents'):
        group.metrics[1].run('net.pkl', **args)
    monkeypatch.setattr(WithoutStyles, 'input_shapes', [[None, 3, 8, 8]])
    with pytest.raises(UserError, match='net.pkl: its generator takes more than latents and labels'):
        group.metrics[0].run('net.pkl', **args)
