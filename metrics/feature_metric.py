"""Base of the metrics that look at features of images: extractors by name, features of reals and of fakes."""

import itertools
import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import feature_stats, metric_base, sampling
from metrics.features import efficientnet_lite0, inception_v3, vgg16
from training import image_size

# name: (module with `load`, class); what is measured with them bears their name, see metric_defaults
EXTRACTORS = {'inception': (inception_v3, inception_v3.InceptionV3), 'vgg16': (vgg16, vgg16.Vgg16),
              'effnetlite0': (efficientnet_lite0, efficientnet_lite0.EfficientNetLite0)}


class FeatureMetric(metric_base.MetricBase):
    """A metric of features.

    Args:
        name: Name in the results.
        num_images: Number of reals and of fakes; fewer where there are fewer.
        minibatch_per_gpu: Images at a time and GPU.
        extractor: Key of EXTRACTORS.
        max_reals: Number of reals, fewer where there are fewer, whatever `num_images` is; they are not mirrored, so
            that the whole dataset is measured once. `None` = `num_images`, mirrored where training is.
    """

    def __init__(self, name, num_images, minibatch_per_gpu, extractor, max_reals=None):
        super().__init__(name)
        if num_images < 2:
            raise UserError(f'metric {name}: expected at least 2 images, got {num_images}')
        self.num_images = num_images
        self.minibatch_per_gpu = minibatch_per_gpu
        self.extractor = extractor
        self.max_reals = max_reals
        self.fakes_key = (extractor, num_images)
        self._network = None
        self._weights_sha256 = ''

    def check_weights(self):
        """See MetricBase."""
        EXTRACTORS[self.extractor][0].load()

    def _build_extractor(self):
        """Loads the feature network into the default graph and notes which one it is."""
        module, network_class = EXTRACTORS[self.extractor]
        weights, file = module.load() if self._team.is_first else (None, None)
        self._network = network_class(self._team.from_first(weights))
        if file is not None:
            self._weights_sha256 = file.sha256
            self._note(extractor=self.extractor, weights=os.path.basename(file.path), weights_sha256=file.sha256,
                       resize=self._network.resize)

    def _features_of_both(self, source, collect):
        """Features of reals and of fakes: both all of them, (features,), or (mean, covariance); in worker 0 alone."""
        with self._open_reals(source) as reals:
            self._build_extractor()
            return (self._real_features(reals, collect, self._reals.mirror and self.max_reals is None),
                    self._fake_features(source, collect))

    def _open_reals(self, source):
        """The dataset at the resolution of the fakes; the caller closes it."""
        resolution = source.resolution
        if resolution is None and (self._reals.dataset_args or {}).get('tfrecord_dir') == 'cats':
            resolution = image_size.option(*source.shape[1:])  # cats have none of their own
        return self._open_dataset(resolution)

    def _real_features(self, data, collect, mirror):
        """Features of a dataset, from the cache if they are there.

        Args:
            data: Dataset.
            collect: Keep all features (`Collection`), or their mean and covariance (`Moments`)?
            mirror: Flip half of the images left to right?
        Returns: Result of `get` of the class; `None` in the others than worker 0.
        """
        count = self._count(data.num_images, 'reals', data.name, self.max_reals)
        self._note(dataset=data.name, mirror_augment=mirror, resolution=data.resolution)
        path = self._cache_path(data, count, collect, mirror) if self._team.is_first else None
        result = None if path is None else feature_stats.read(path)
        if not self._team.decide(result is not None):
            minibatches = sampling.image_minibatches(data, count, self._minibatch_size(), mirror,
                                                     wanted=self._wanted())
            features_of = self._on_all_gpus(self._network.features, data.shape)
            result = self._summed_up(self._found_in(minibatches, count, features_of), count, collect)
            if result is not None:
                feature_stats.write(path, result)
        return result

    def _cache_path(self, data, count, collect, mirror):
        """Where the features of a dataset are kept; arguments as of `_real_features`."""
        return feature_stats.cache_path(dict(
            data=self._content_hash(data, count), bad=self._reals.dataset_args.get('bad'), mirror=mirror,
            extractor=self.extractor, collect=collect, weights=self._weights_sha256,
            resize=self._network.resize), f'{self.extractor}-{data.name}')

    def _fake_features(self, source, collect):
        """Features of `num_images` fakes; metrics of a group that look at the same ones share them.

        The last thing that all workers do.
        """
        if self.shared is None:
            result = self._measure_fakes(source, collect)
            self._team.leave()
            return result
        if not self._team.decide(self.fakes_key in self.shared):
            measured = self._measure_fakes(source, True)
            self.shared[self.fakes_key] = self._seed, measured
        self._team.leave()
        self._seed, (features,) = self.shared[self.fakes_key]
        self._note(num_fakes=len(features))
        return (features,) if collect else feature_stats.moments(features)

    def _measure_fakes(self, source, collect):
        count = self._count(source.num_images, 'fakes', 'fakes')
        return self._summed_up(self._of_fakes(source, self._network.features, count), count, collect)

    def _count(self, available, kind, name, wanted=None):
        """Notes and returns how many images are measured, where `available` (`None` = any number) are there.

        That is at most `wanted`, by default `num_images`.
        """
        wanted = self.num_images if wanted is None else wanted
        count = wanted if available is None else min(wanted, available)
        self._note(**{'num_' + kind: count})
        if count < 2:
            raise UserError(f'metric {self.name}: {name}: expected at least 2 images, got {count}')
        return count

    def _of_fakes(self, source, function, count):
        """Yields a function of minibatches of fakes that hold `count` images; in the others than worker 0, nothing.

        A network's images are drawn and looked at in one session call, so that they stay on their device.

        Args: See `_on_all_gpus`.
        """
        if source.generator is None:
            minibatches = source.minibatches(count, self._minibatch_size(), self._seed, self._wanted())
            yield from self._found_in(minibatches, count, self._on_all_gpus(function, source.shape))
            return
        draw = source.generator.build(lambda _latents, _labels, _dlatents, images: [
            function(tflib.convert_images_to_uint8(images))], self.minibatch_per_gpu, self._seed)
        for found, in self._computed(-(-count // self._minibatch_size()), draw):
            yield found

    def _summed_up(self, found, count, collect):
        """Features of the first `count` images of an iterable of [N, F]; `collect` as in `_real_features`."""
        num_features, result = self._network.num_features, None
        if self._team.is_first:
            result = feature_stats.Collection(count, num_features) if collect else feature_stats.Moments(num_features)
        for features in found:
            result.add(features[:count - result.count])
        return None if result is None else result.get()

    def _moments_of(self, sizes, features_of):
        """[(mean, covariance)] of the features of each of several classes of images; in worker 0 alone.

        Args:
            sizes: Number of images of each class.
            features_of: Function of (class, number of the first image in it, of the one after the last, number of the
                call) that returns features.
        """
        size = self._minibatch_size()
        parts = [(number, begin, min(begin + size, count)) for number, count in enumerate(sizes)
                 for begin in range(0, count, size)]
        found = [feature_stats.Moments(self._network.num_features) for _ in sizes]
        for part, (features,) in zip(parts, self._computed(len(parts), lambda index: [features_of(
                *parts[index], index)])):
            found[part[0]].add(features)
        return [moments.get() for moments in found] if self._team.is_first else None

    def _found_in(self, minibatches, count, function):
        """Yields a function of as many minibatches as hold `count` images; in the others than worker 0, nothing."""
        minibatches, passed = iter(minibatches), 0

        def find(number):
            nonlocal passed
            images = next(itertools.islice(minibatches, number - passed, None))
            passed = number + 1
            return [function(images)]

        for found, in self._computed(-(-count // self._minibatch_size()), find):
            yield found

    def _wanted(self):
        """Function of the number of a minibatch: is it one of this worker? `None` = all are."""
        return None if self._team.size == 1 else self._team.is_mine

    def _minibatch_size(self):
        return self.minibatch_per_gpu * self._num_gpus

    def _on_all_gpus(self, function, shape):
        """Builds a function of images once on every GPU.

        Args:
            function: Function of uint8 tensors [n, C, H, W] that returns [n, F].
            shape: [C, H, W].
        Returns: Function of an array uint8 [N, C, H, W], any N, that returns [N, F]; each GPU takes `minibatch_per_gpu`
            of its rows at a time.
        """
        inputs, outputs = [], []
        for gpu in range(self._num_gpus):
            with tf.device(f'/gpu:{gpu}'):
                inputs.append(tf.placeholder(tf.uint8, [None] + list(shape)))
                outputs.append(function(inputs[-1]))

        def run(images):
            parts = [images[begin:begin + self.minibatch_per_gpu]
                     for begin in range(0, len(images), self.minibatch_per_gpu)]
            found = []
            for begin in range(0, len(parts), self._num_gpus):
                feeds = dict(zip(inputs, parts[begin:begin + self._num_gpus]))
                found += tflib.run(outputs[:len(feeds)], feeds)
            return np.concatenate(found)

        return run

    def _content_hash(self, data, count):
        """See `sampling.content_hash`; a group of metrics, which measures again and again, hashes its data once."""
        key, hashes = repr((sorted(self._reals.dataset_args.items()), data.resolution, count)), self.settings.hashes
        if key not in hashes:
            hashes[key] = sampling.content_hash(
                data, count, lambda numbers: self._tracked(numbers, 'contents of ' + data.name))
        return hashes[key]
