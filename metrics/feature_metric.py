"""Base of the metrics that look at features of pictures: extractors by name, features of reals and of fakes."""

import os

import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import feature_stats, metric_base, sampling
from metrics.features import efficientnet_lite0, inception_v3, vgg16
from training import image_size

# name: (module with `load`, class); what is measured in these features bears their name, see metric_defaults
EXTRACTORS = {'inception': (inception_v3, inception_v3.InceptionV3), 'vgg16': (vgg16, vgg16.Vgg16),
              'effnetlite0': (efficientnet_lite0, efficientnet_lite0.EfficientNetLite0)}


class FeatureMetric(metric_base.MetricBase):
    """A metric of features.

    Args:
        name: Name in the results.
        num_images: Number of reals and of fakes; fewer where a data set has fewer.
        minibatch_per_gpu: Pictures at a time.
        extractor: Key of EXTRACTORS.
    """

    needs_network = False

    def __init__(self, name, num_images, minibatch_per_gpu, extractor):
        super().__init__(name)
        if num_images < 2:
            raise UserError('metric {}: expected at least 2 images, got {}'.format(name, num_images))
        self.num_images = num_images
        self.minibatch_per_gpu = minibatch_per_gpu
        self.extractor = extractor
        self.fakes_key = (extractor, num_images)
        self._network = None
        self._weights_sha256 = ''

    def check_weights(self):
        """See MetricBase."""
        EXTRACTORS[self.extractor][0].load()

    def _build_extractor(self):
        """Loads the feature network into the default graph and notes which one it is."""
        module, network_class = EXTRACTORS[self.extractor]
        weights, file = module.load()
        self._network, self._weights_sha256 = network_class(weights), file.sha256
        self._note(extractor=self.extractor, weights=os.path.basename(file.path), weights_sha256=file.sha256,
                   resize=self._network.resize)

    def _real_features(self, data, collect, label='reals'):
        """Features of a data set, from the cache if they are there.

        Args:
            data: Data set.
            collect: Keep all features (`Collection`), or their mean and covariance (`Moments`)?
            label: 'reals' or 'fakes': which number of pictures is noted, and whether the cache is used.
        Returns: Result of `get` of the class.
        """
        count = min(self.num_images, data.num_images)
        mirror = self._mirror_augment and label == 'reals'
        self._note(**{'num_' + label: count})
        if count < 2:
            raise UserError('metric {}: {}: expected at least 2 images, got {}'.format(self.name, data.name, count))
        path = None
        if label == 'reals':
            self._note(dataset=data.name, mirror_augment=mirror, resolution=data.resolution)
            path = feature_stats.cache_path(dict(
                data=self._content_hash(data, count), bad=self._dataset_args.get('bad'), mirror=mirror,
                extractor=self.extractor, collect=collect, weights=self._weights_sha256,
                resize=self._network.resize), '{}-{}'.format(self.extractor, data.name))
            kept = feature_stats.read(path)
            if kept is not None:
                return kept
        images_in = tf.placeholder(tf.uint8, [None] + data.shape)
        features_op = self._network.features(images_in)
        result = self._collector(count, collect)
        size = self.minibatch_per_gpu
        batches = sampling.image_minibatches(data, count, size, mirror,
                                             self._seed if label == 'fakes' else sampling.ORDER_SEED)
        for _ in self._rounds(-(-count // size)):
            result.add(tflib.run(features_op, {images_in: next(batches)}))
        if path is not None:
            feature_stats.write(path, result.get())
        return result.get()

    def _fake_features(self, Gs, Gs_kwargs, num_gpus, collect, labels_from):
        """Features of `num_images` generated pictures, or of the pictures of `settings.fakes_args`; see above."""
        if self.shared is None:
            return self._measure_fakes(Gs, Gs_kwargs, num_gpus, collect, labels_from)
        if self.fakes_key not in self.shared:
            measured = self._measure_fakes(Gs, Gs_kwargs, num_gpus, True, labels_from)
            self.shared[self.fakes_key] = self._seed, measured
        self._seed, (features,) = self.shared[self.fakes_key]
        self._note(num_fakes=len(features))
        return (features,) if collect else feature_stats.moments(features)

    def _measure_fakes(self, Gs, Gs_kwargs, num_gpus, collect, labels_from):
        if Gs is None:
            with metric_base.open_dataset(self.settings.fakes_args) as data:
                return self._real_features(data, collect, 'fakes')
        generator = self._generator(Gs, Gs_kwargs, num_gpus, labels_from)
        run_round = generator.build(lambda _latents, _labels, _dlatents, images: [
            self._network.features(tflib.convert_images_to_uint8(images))])
        result = self._collector(self.num_images, collect)
        for index in self._rounds(-(-self.num_images // generator.per_round)):
            features, = run_round(index)
            result.add(features[:self.num_images - result.count])
        self._note(num_fakes=result.count)
        return result.get()

    def _generator(self, Gs, Gs_kwargs, num_gpus, labels_from):
        label_size = Gs.input_shapes[1][1]
        if label_size:
            sampling.check_labels(self.name, labels_from, label_size)
        return sampling.Generator(Gs, Gs_kwargs, labels_from if label_size else None, self.minibatch_per_gpu, num_gpus,
                                  self._seed)

    def _open_reals(self, Gs):
        """The data set at the resolution of the fakes; the caller closes it."""
        if Gs is not None:
            return self._open_dataset(image_size.option(*Gs.output_shape[2:]), Gs.input_shapes[1][1])
        resolution = None
        if (self._dataset_args or {}).get('tfrecord_dir') == 'cats':
            with metric_base.open_dataset(self.settings.fakes_args) as data:
                resolution = data.resolution
        return self._open_dataset(resolution)

    def _content_hash(self, data, count):
        """See `sampling.content_hash`; a group of metrics, which measures again and again, hashes its data once."""
        key, hashes = repr((sorted(self._dataset_args.items()), data.resolution, count)), self.settings.hashes
        if key not in hashes:
            hashes[key] = sampling.content_hash(
                data, count, lambda numbers: self._tracked(numbers, 'contents of ' + data.name))
        return hashes[key]

    def _collector(self, count, collect):
        if collect:
            return feature_stats.Collection(count, self._network.num_features)
        return feature_stats.Moments(self._network.num_features)

    def _features_of_both(self, Gs, Gs_kwargs, num_gpus, collect):
        """Results of `get` for reals and for fakes."""
        with self._open_reals(Gs) as reals:
            self._build_extractor()
            real_features = self._real_features(reals, collect)
            return real_features, self._fake_features(Gs, Gs_kwargs, num_gpus, collect, reals)
