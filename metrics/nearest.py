"""The nearest real pictures of generated ones: has the network learned by heart?"""

import os

import numpy as np

from dnnlib import UserError, images, tflib
from metrics import feature_metric, sampling


class Nearest(feature_metric.FeatureMetric):
    """Distances of generated pictures to their nearest reals, and a picture of them side by side.

    `_fakes` is the mean distance of generated pictures to the nearest real, `_reals` that of as many reals to the
    nearest other real. A network that repeats its data has a far smaller `_fakes`. Files: `nearest-<network>.png`, each
    row a generated picture and its nearest reals, the closest first.

    Args:
        name, minibatch_per_gpu, extractor: See FeatureMetric.
        num_images: Number of reals that are looked through.
        num_fakes: Number of generated pictures.
        num_neighbours: Reals shown for each.
    """

    def __init__(self, name, num_images, num_fakes, num_neighbours, minibatch_per_gpu, extractor='effnetlite0'):
        super().__init__(name, num_images, minibatch_per_gpu, extractor)
        self.num_fakes = num_fakes
        self.fakes_key = None  # far fewer fakes
        self.num_neighbours = num_neighbours

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        with self._open_reals(Gs) as data:
            self._build_extractor()
            features, = self._real_features(data, collect=True)
            if len(features) <= self.num_neighbours:
                raise UserError('metric {}: {} images for {} neighbours; give more'.format(
                    self.name, len(features), self.num_neighbours))
            fakes, fake_features = self._fakes(Gs, Gs_kwargs, num_gpus, data)
            order, distances = nearest(fake_features, features, self.num_neighbours)
            some = np.random.RandomState(self._seed).permutation(len(features))[:len(fakes)]
            _, real_distances = nearest(features[some], features, 2)  # the nearest is the picture itself
            self._note(num_fakes=len(fakes), nearest=[row.tolist() for row in self._file_numbers(data, order)])
            self._report_result(distances[:, 0].mean(), suffix='_fakes')
            self._report_result(real_distances[:, 1].mean(), suffix='_reals')
            if self._folders:
                self._draw(data, fakes, order)

    def _fakes(self, Gs, Gs_kwargs, num_gpus, labels_from):
        """Generated pictures, uint8 [N, C, H, W], and their features [N, F]."""
        if Gs is None:
            raise UserError('metric {}: it measures a network, not pictures; give a network'.format(self.name))
        generator = self._generator(Gs, Gs_kwargs, num_gpus, labels_from)

        def with_features(_latents, _labels, _dlatents, floats):
            pixels = tflib.convert_images_to_uint8(floats)
            return [pixels, self._network.features(pixels)]

        run_round = generator.build(with_features)
        rounds = [run_round(index) for index in self._rounds(-(-self.num_fakes // generator.per_round))]
        return tuple(np.concatenate(parts)[:self.num_fakes] for parts in zip(*rounds))

    @staticmethod
    def _file_numbers(data, order):
        """Numbers in the data set of the pictures with these numbers in the order of `image_minibatches`."""
        sampling.prepare_order(data)
        return data.indices_at(0, order.max() + 1)[order]

    def _draw(self, data, fakes, order):
        rows = []
        for fake, numbers in zip(fakes, self._file_numbers(data, order)):
            rows += [fake] + [data.read(int(number)) for number in numbers]
        for folder in self._folders:
            path = os.path.join(folder, 'nearest-{}.png'.format(self._network_name))
            images.save_image_grid(np.stack(rows), path, [0, 255], self._grid_size(len(fakes)))
            print('{}: each generated picture, then its {} nearest reals'.format(path, self.num_neighbours))

    def _grid_size(self, count):
        """(columns, rows) with a few groups of pictures side by side."""
        groups = max(1, 12 // (1 + self.num_neighbours))
        return groups * (1 + self.num_neighbours), -(-count // groups)


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
