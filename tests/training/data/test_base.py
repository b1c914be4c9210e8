"""The endless stream of minibatches: order, seeking, levels of detail, labels, unreadable images."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from training.data.base import Dataset


class Numbered(Dataset):
    """Image i is full of i; its label is (i, -i)."""

    def __init__(self, num_images=10, **kwargs):
        super().__init__('numbered', num_images, [1, 8, 8], label_names=['plus', 'minus'], full_label_size=2, **kwargs)

    def _read(self, index, lod):
        return np.full([1, 8 >> lod, 8 >> lod], index, np.uint8)

    def _labels_of(self, indices):
        return np.stack([indices, -indices], axis=1).astype(np.float64)


class Damaged(Numbered):
    """Some images can't be read."""

    def __init__(self, bad_numbers, **kwargs):
        super().__init__(**kwargs)
        self.bad_numbers = bad_numbers

    def _read(self, index, lod):
        if index in self.bad_numbers or index == 5 and lod == 1:
            raise UserError('{}.png: broken'.format(index))
        return super()._read(index, lod)


def _draw(dataset, count, minibatch_size=1):
    numbers = []
    while len(numbers) < count:
        numbers.extend(dataset.get_minibatch_np(minibatch_size)[0][:, 0, 0, 0].tolist())
    return numbers[:count]


def test_each_epoch_has_every_image_once_in_another_order():
    with Numbered() as dataset:
        numbers = _draw(dataset, 40)
    epochs = [numbers[i:i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 4


def test_order_depends_on_seed_and_not_on_minibatch_size():
    streams = []
    for seed, minibatch_size in ((0, 1), (0, 3), (0, 25), (1, 1)):
        with Numbered(seed=seed) as dataset:
            streams.append(_draw(dataset, 50, minibatch_size))
    assert streams[0] == streams[1] == streams[2] != streams[3]


def test_order_never_changes():
    with Numbered() as dataset:
        assert dataset.indices_at(0, 10).tolist() == np.random.RandomState([0, 0]).permutation(10).tolist()
        assert dataset.indices_at(30, 10).tolist() == np.random.RandomState([0, 3]).permutation(10).tolist()


@pytest.mark.parametrize('position', [0, 7, 10, 23, 10 ** 9 + 5])
def test_seek_continues_the_same_stream(position):
    with Numbered() as dataset:
        _draw(dataset, 4)
        dataset.seek(position)
        assert dataset.position == position
        assert _draw(dataset, 12, 4) == dataset.indices_at(position, 12).tolist()
        assert dataset.position == position + 12


def test_file_order():
    with Numbered(shuffle_mb=0) as dataset:
        assert _draw(dataset, 12, 5) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_data_that_do_not_repeat_end():
    with Numbered(shuffle_mb=0, repeat=False, max_images=7) as dataset:
        sizes = [len(dataset.get_minibatch_np(3)[0]) for _ in range(3)]
        assert sizes == [3, 3, 1]
        with pytest.raises(EOFError, match='numbered'):
            dataset.get_minibatch_np(3)


def test_minibatch_may_exceed_the_data_set():
    with Numbered(num_images=3) as dataset:
        assert sorted(_draw(dataset, 9, 9)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_errors_of_the_background_reach_the_caller():
    class Broken(Numbered):
        def _read(self, index, lod):
            if index == 4:
                raise UserError('image 4 is broken')
            return super()._read(index, lod)

    with Broken(shuffle_mb=0) as dataset:
        dataset.get_minibatch_np(4)
        with pytest.raises(UserError, match='image 4 is broken'):
            dataset.get_minibatch_np(4)


def test_level_and_size_change_between_minibatches():
    with Numbered(shuffle_mb=0) as dataset:
        assert dataset.get_minibatch_np(2, lod=1.9)[0].shape == (2, 1, 4, 4)
        images, _ = dataset.get_minibatch_np(3, lod=0)
        assert images.shape == (3, 1, 8, 8) and images[:, 0, 0, 0].tolist() == [2, 3, 4]


@pytest.mark.parametrize('max_label_size, size, names', [(0, 0, None), (1, 1, ['plus']), ('full', 2, ['plus', 'minus']),
                                                         (5, 2, ['plus', 'minus'])])
def test_label_columns(max_label_size, size, names):
    with Numbered(max_label_size=max_label_size) as dataset:
        images, labels = dataset.get_minibatch_np(4)
        assert (dataset.label_size, dataset.label_names, dataset.label_dtype) == (size, names, 'float32')
        numbers = images[:, 0, 0, 0].astype(np.float32)
        np.testing.assert_array_equal(labels, np.stack([numbers, -numbers], axis=1)[:, :size])
        assert labels.dtype == np.float32


def test_random_labels_are_those_of_images():
    with Numbered(max_label_size='full', max_images=5) as dataset:
        np.random.seed(0)
        labels = dataset.get_random_labels_np(100)
    assert set(labels[:, 0]) == {0, 1, 2, 3, 4} and not labels.sum(axis=1).any()


def test_tensors_of_minibatches(session):
    with Numbered(max_label_size='full', shuffle_mb=0) as dataset:
        dataset.configure(3, lod=1)
        fetches = dataset.get_minibatch_tf()
        assert [tensor.shape.as_list() for tensor in fetches] == [[None, 1, None, None], [None, 2]]
        images, labels = session.run(fetches)
        assert images.shape == (3, 1, 4, 4) and labels[:, 0].tolist() == [0, 1, 2]
        images, labels = session.run(fetches)
        assert images[:, 0, 0, 0].tolist() == labels[:, 0].tolist() == [3, 4, 5]


def test_tensors_of_random_labels(session):
    with Numbered(max_label_size='full') as dataset, Numbered() as unlabeled:
        size_in = tf.placeholder(tf.int32, [])
        labels = dataset.get_random_labels_tf(size_in)
        values = session.run(labels, {size_in: 200})
        assert set(values[:, 0]) == set(range(10)) and labels.shape.as_list() == [None, 2]
        assert dataset.get_random_labels_tf(7).shape.as_list() == [7, 2]
        assert session.run(unlabeled.get_random_labels_tf(7)).shape == (7, 0)
        assert not tf.global_variables() and not tf.local_variables()


def test_random_labels_follow_the_seed_of_the_training_step(session):
    from dnnlib.tflib import random
    with Numbered(max_label_size='full') as dataset:
        seed_in = tf.placeholder(tf.int32, [2])
        with random.seeded(seed_in):
            labels = dataset.get_random_labels_tf(20)
        first, other, again = (session.run(labels, {seed_in: seed}).tolist() for seed in ([1, 2], [1, 3], [1, 2]))
    assert first == again != other


@pytest.mark.parametrize('kwargs, text', [
    ({'max_images': 0}, 'max_images must be an int of at least 1, not 0'), ({'max_label_size': -1}, '-1'),
    ({'max_label_size': 'all'}, "'all'"), ({'seed': 'x'}, "'x'"), ({'shuffle_mb': None}, 'None'),
    ({'num_images': 0}, 'no images')])
def test_bad_arguments(kwargs, text):
    with pytest.raises(UserError, match=text):
        Numbered(**kwargs)


def test_bad_requests():
    with Numbered() as dataset:
        for lod in (-1, 2):
            with pytest.raises(UserError, match='level of detail {}'.format(lod)):
                dataset.read(0, lod)
        with pytest.raises(UserError, match='minibatch_size'):
            dataset.get_minibatch_np(0)
        for index in (-1, 10):
            with pytest.raises(IndexError):
                dataset.read(index)


def test_the_order_survives_the_look_ahead_thread():
    class Forgetful(dict):
        """Another thread has replaced the orders when this one looks."""

        def __getitem__(self, key):
            raise KeyError(key)

    class Racing(Numbered):
        def __setattr__(self, name, value):
            super().__setattr__(name, Forgetful(value) if name == '_orders' else value)
    assert sorted(Racing().indices_at(0, 3)) == sorted(Numbered().indices_at(0, 3))


def test_an_unreadable_image_stops_with_its_name_and_number():
    with Damaged({4}) as dataset, pytest.raises(UserError, match='image 4 of numbered: 4.png: broken.*--bad=skip'):
        _draw(dataset, 10)
    with Damaged({4}) as dataset, pytest.raises(UserError, match='image 4 of numbered: 4.png: broken'):
        dataset.read(4)
    with pytest.raises(UserError, match="bad must be 'stop' or 'skip', not 'no'"):
        Damaged({4}, bad='no')


def test_unreadable_images_are_skipped_with_their_labels_and_counted(capsys):
    with Damaged({3, 4, 9}, bad='skip', max_label_size='full', shuffle_mb=0) as dataset:
        for _ in range(2):
            images, labels = dataset.get_minibatch_np(10)
            assert images[:, 0, 0, 0].tolist() == labels[:, 0].tolist() == [0, 1, 2, 5, 5, 5, 6, 7, 8, 0]
        assert dataset.bad_images == {3, 4, 9} and dataset.read_good(9)[0] == 0
    assert capsys.readouterr().out.splitlines() == [
        'Skipped image {0} of numbered: {0}.png: broken ({1} so far)'.format(number, count)
        for number, count in ((3, 1), (4, 2), (9, 3))]


def test_what_is_skipped_does_not_depend_on_what_was_read_before():
    with Damaged({2, 6}, bad='skip') as first, Damaged({2, 6}, bad='skip') as second:
        _draw(first, 33)
        first.get_minibatch_np(7, lod=1)  # where number 5 is unreadable as well
        second.seek(40)
        for lod in (0, 1, 0):
            np.testing.assert_array_equal(first.get_minibatch_np(9, lod)[0], second.get_minibatch_np(9, lod)[0])


def test_too_many_unreadable_images_stop_all_the_same():
    with Damaged(set(range(10)), bad='skip') as dataset:
        with pytest.raises(UserError, match='image 5 and the 9 after it are all unreadable; image 4 of .*4.png'):
            dataset.read(5)
