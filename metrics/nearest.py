"""The nearest reals of fakes: has a network memorized its training data?"""

import os

import numpy as np

from dnnlib import UserError, images
from metrics import feature_metric, sampling


class Nearest(feature_metric.FeatureMetric):
    """Distances of fakes to their nearest reals, and a picture of them side by side.

    `_fakes` is the mean distance of fakes to the nearest real, `_reals` that of as many reals to the nearest other
    real. A network that repeats its data has a far smaller `_fakes`. Where reals are mirrored at random, a picture or
    its mirror image counts, whichever is closer. Files: `nearest-<network>.png`, groups of a fake and its nearest
    reals, the closest first.

    Args:
        name, minibatch_per_gpu, extractor: See FeatureMetric.
        num_images: Number of reals that are searched.
        num_fakes: Number of fakes.
        num_neighbors: Reals shown for each.
    """

    def __init__(self, name, num_images, num_fakes, num_neighbors, minibatch_per_gpu, extractor='effnetlite0'):
        super().__init__(name, num_images, minibatch_per_gpu, extractor)
        self.num_fakes = num_fakes
        self.fakes_key = None  # far fewer fakes
        self.num_neighbors = num_neighbors

    def _evaluate(self, source):
        with self._open_reals(source) as data:
            if data.shape[1:] != source.shape[1:]:
                raise UserError('metric {}: reals of {}x{} pixels, fakes of {}x{}; both must have one size, see '
                                '--resolution'.format(self.name, *(data.shape[1:] + source.shape[1:])))
            self._build_extractor()
            found = self._real_features(data, collect=True, mirror=False)
            self._team.leave()  # what follows are a few images
            features, = found
            self._note(mirror_augment=self._reals.mirror)
            if len(features) <= self.num_neighbors:
                raise UserError(f'metric {self.name}: {len(features)} images are too few for {self.num_neighbors} '
                                'neighbors; give more')
            fakes = self._fakes(source)
            order, distances = self._nearest(fakes, features, self.num_neighbors)
            some = np.random.RandomState(self._seed).permutation(len(features))[:len(fakes)]
            reals = np.stack([data.read(int(number)) for number in self._file_numbers(data, some)])
            _, real_distances = self._nearest(reals, features, 2)  # the nearest is the picture itself
            self._note(num_fakes=len(fakes), nearest=[row.tolist() for row in self._file_numbers(data, order)])
            self._report_result(distances[:, 0].mean(), suffix='_fakes')
            self._report_result(real_distances[:, 1].mean(), suffix='_reals')
            if self._folders:
                self._draw(data, fakes, order)

    def _fakes(self, source):
        """The fakes, uint8 [N, C, H, W]."""
        count = self.num_fakes if source.num_images is None else min(self.num_fakes, source.num_images)
        minibatches = source.minibatches(count, self._minibatch_size(), self._seed)
        rounds = self._rounds(-(-count // self._minibatch_size()))
        return np.concatenate([images for _, images in zip(rounds, minibatches)])[:count]

    def _nearest(self, pictures, features, count):
        """See `nearest`, of pictures [N, C, H, W], or of these and their mirror images, whichever is closer."""
        features_of = self._on_all_gpus(self._network.features, pictures.shape[1:])
        order, distances = nearest(features_of(pictures), features, count)
        if self._reals.mirror:
            others = nearest(features_of(pictures[:, :, :, ::-1]), features, count)
            order, distances = closest(np.concatenate([order, others[0]], axis=1),
                                       np.concatenate([distances, others[1]], axis=1), count)
        return order, distances

    @staticmethod
    def _file_numbers(data, order):
        """Numbers in the dataset of the pictures with these numbers in the order of `image_minibatches`."""
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
            path = free_path(os.path.join(folder, f'nearest-{self._network_name}.png'))
            columns = max(1, 12 // (1 + self.num_neighbors))
            images.save_image_grid(np.stack(groups), path, [0, 255], (columns, -(-len(groups) // columns)))
            print(f'{path}: each fake, then its {self.num_neighbors} nearest reals')


def free_path(path):
    """The path, or the first with `-2`, `-3` and so on before its extension that does not exist."""
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
        tile_size: Points searched at a time.
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
