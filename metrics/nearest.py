"""The nearest real pictures of generated ones: has the network learned by heart?"""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, images, tflib
from metrics import feature_metric, sampling


class Nearest(feature_metric.FeatureMetric):
    """Distances of generated pictures to their nearest reals, and a picture of them side by side.

    `_fakes` is the mean distance of generated pictures to the nearest real, `_reals` that of as many reals to the
    nearest other real. A network that repeats its data has a far smaller `_fakes`. Where reals are mirrored at random,
    a picture or its mirror image counts, whichever is closer. Files: `nearest-<network>.png`, groups of a generated
    picture and its nearest reals, the closest first.

    Args:
        name, minibatch_per_gpu, extractor: See FeatureMetric.
        num_images: Number of reals that are looked through.
        num_fakes: Number of generated pictures.
        num_neighbours: Reals shown for each.
    """

    needs_network = True

    def __init__(self, name, num_images, num_fakes, num_neighbours, minibatch_per_gpu, extractor='effnetlite0'):
        super().__init__(name, num_images, minibatch_per_gpu, extractor)
        self.num_fakes = num_fakes
        self.fakes_key = None  # far fewer fakes
        self.num_neighbours = num_neighbours

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        with self._open_reals(Gs) as data:
            if data.shape[1:] != Gs.output_shape[2:]:
                raise UserError('metric {}: images of {}x{}, the network makes {}x{}; leave out --resolution'.format(
                    self.name, *(data.shape[1:] + Gs.output_shape[2:])))
            self._build_extractor()
            is_mirrored, self._mirror_augment = self._mirror_augment, False
            features, = self._real_features(data, collect=True)
            self._note(mirror_augment=is_mirrored)
            if len(features) <= self.num_neighbours:
                raise UserError('metric {}: {} images for {} neighbours; give more'.format(
                    self.name, len(features), self.num_neighbours))
            fakes = self._fakes(Gs, Gs_kwargs, num_gpus, data)
            order, distances = self._nearest(fakes, features, self.num_neighbours, is_mirrored)
            some = np.random.RandomState(self._seed).permutation(len(features))[:len(fakes)]
            reals = np.stack([data.read(int(number)) for number in self._file_numbers(data, some)])
            _, real_distances = self._nearest(reals, features, 2, is_mirrored)  # the nearest is the picture itself
            self._note(num_fakes=len(fakes), nearest=[row.tolist() for row in self._file_numbers(data, order)])
            self._report_result(distances[:, 0].mean(), suffix='_fakes')
            self._report_result(real_distances[:, 1].mean(), suffix='_reals')
            if self._folders:
                self._draw(data, fakes, order)

    def _fakes(self, Gs, Gs_kwargs, num_gpus, labels_from):
        """Generated pictures, uint8 [N, C, H, W]."""
        generator = self._generator(Gs, Gs_kwargs, num_gpus, labels_from)
        run_round = generator.build(lambda _latents, _labels, _dlatents, floats: [
            tflib.convert_images_to_uint8(floats)])
        rounds = [run_round(index)[0] for index in self._rounds(-(-self.num_fakes // generator.per_round))]
        return np.concatenate(rounds)[:self.num_fakes]

    def _nearest(self, pictures, features, count, is_mirrored):
        """See `nearest`, of pictures [N, C, H, W], or of these and their mirror images, whichever is closer."""
        pictures_in = tf.placeholder(tf.uint8, [None] + list(pictures.shape[1:]))
        features_op, size = self._network.features(pictures_in), self.minibatch_per_gpu

        def look(images):
            return nearest(np.concatenate([tflib.run(features_op, {pictures_in: images[i:i + size]})
                                           for i in range(0, len(images), size)]), features, count)

        order, distances = look(pictures)
        if is_mirrored:
            others = look(pictures[:, :, :, ::-1])
            order, distances = closest(np.concatenate([order, others[0]], axis=1),
                                       np.concatenate([distances, others[1]], axis=1), count)
        return order, distances

    @staticmethod
    def _file_numbers(data, order):
        """Numbers in the data set of the pictures with these numbers in the order of `image_minibatches`."""
        sampling.prepare_order(data)
        return data.indices_at(0, order.max() + 1)[order]

    def _draw(self, data, fakes, order):
        shape = [max(fakes.shape[1], data.shape[0])] + data.shape[1:]
        gap = np.full(shape[:2] + [max(shape[2] // 8, 1)], 255, np.uint8)
        groups = []
        for fake, numbers in zip(fakes, self._file_numbers(data, order)):
            pictures = [fake] + [data.read(int(number)) for number in numbers]
            groups.append(np.concatenate([np.broadcast_to(picture, shape) for picture in pictures] + [gap], axis=2))
        for folder in self._folders:
            path = free_path(os.path.join(folder, 'nearest-{}.png'.format(self._network_name)))
            columns = max(1, 12 // (1 + self.num_neighbours))
            images.save_image_grid(np.stack(groups), path, [0, 255], (columns, -(-len(groups) // columns)))
            print('{}: each generated picture, then its {} nearest reals'.format(path, self.num_neighbours))


def free_path(path):
    """The path, or with `-2`, `-3` and so on before its extension the first that is not there."""
    (stem, extension), number = os.path.splitext(path), 1
    while os.path.exists(path):
        number += 1
        path = '{}-{}{}'.format(stem, number, extension)
    return path


def closest(order, distances, count):
    """Of candidates [N, M] with their distances the closest `count`, none twice: both [N, count], the closest first."""
    found = []
    for row, values in zip(order, distances):
        ranked = np.argsort(values, kind='stable')
        _, first = np.unique(row[ranked], return_index=True)
        found.append(ranked[np.sort(first)[:count]])
    found = np.stack(found)
    return np.take_along_axis(order, found, axis=1), np.take_along_axis(distances, found, axis=1)


def nearest(queries, features, count, tile_size=10000):
    """The nearest of many points.

    Args:
        queries: [N, F], float32.
        features: [M, F], float32, M at least `count`.
        count: How many to find.
        tile_size: Points looked at at a time.
    Returns: (indices int64 [N, count], Euclidean distances float32 [N, count]), the closest first.
    """
    best = np.zeros([len(queries), 0], np.int64), np.zeros([len(queries), 0], np.float32)
    squares = np.square(queries).sum(axis=1, keepdims=True)
    for begin in range(0, len(features), tile_size):
        tile = features[begin:begin + tile_size]
        distances = squares - 2 * queries @ tile.T + np.square(tile).sum(axis=1)
        indices = np.broadcast_to(np.arange(begin, begin + len(tile)), distances.shape)
        both = [np.concatenate(pair, axis=1) for pair in zip(best, (indices, np.maximum(distances, 0)))]
        order = np.argsort(both[1], axis=1, kind='stable')[:, :count]
        best = tuple(np.take_along_axis(x, order, axis=1) for x in both)
    return best[0], np.sqrt(best[1])
