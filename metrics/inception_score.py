"""Inception score (Salimans et al. 2016)."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import feature_metric, metric_base, sampling


def inception_score(probabilities):
    """exp of the mean KL divergence of the rows from their mean.

    Args:
        probabilities: [N, classes], rows add up to 1.
    Returns: float, 1 to the number of classes.
    """
    p = np.float64(probabilities)
    mean = p.mean(axis=0, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        terms = np.where(p > 0, p * (np.log(p) - np.log(mean)), 0)  # the limit of p ln p
    return float(np.exp(terms.sum(axis=1).mean()))


class IS(feature_metric.FeatureMetric):
    """Mean and spread of the inception score over equal parts of the fakes.

    Args:
        name, num_images, minibatch_per_gpu: See FeatureMetric.
        num_splits: Number of parts.
    """

    def __init__(self, name, num_images, num_splits, minibatch_per_gpu):
        super().__init__(name, num_images, minibatch_per_gpu, 'inception')
        if num_splits > num_images:
            raise UserError('metric {}: {} splits of {} images'.format(name, num_splits, num_images))
        self.num_splits = num_splits
        self.fakes_key = None  # probabilities are no features

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        probabilities = self._probabilities(Gs, Gs_kwargs, num_gpus)
        count = len(probabilities)
        if count < self.num_splits:
            raise UserError('metric {}: {} splits of {} images'.format(self.name, self.num_splits, count))
        scores = [inception_score(probabilities[i * count // self.num_splits:(i + 1) * count // self.num_splits])
                  for i in range(self.num_splits)]
        self._note(num_fakes=count)
        self._report_result(np.mean(scores), suffix='_mean')
        self._report_result(np.std(scores), suffix='_std')

    def _probabilities(self, Gs, Gs_kwargs, num_gpus):
        """Class probabilities of all fakes, [N, classes]."""
        if Gs is None:
            data = metric_base.open_dataset(self.settings.fakes_args)
        else:
            label_size = Gs.input_shapes[1][1]
            data = self._open_dataset(label_size=label_size) if label_size else None
        try:
            self._build_extractor()
            if Gs is None:
                count = min(self.num_images, data.num_images)
                images_in = tf.placeholder(tf.uint8, [None] + data.shape)
                op = self._network.probabilities(images_in)
                batches = sampling.image_minibatches(data, count, self.minibatch_per_gpu, False, self._seed)
                rounds = self._rounds(-(-count // self.minibatch_per_gpu))
                return np.concatenate([tflib.run(op, {images_in: next(batches)}) for _ in rounds])
            generator = self._generator(Gs, Gs_kwargs, num_gpus, data)
            run_round = generator.build(lambda _latents, _labels, _dlatents, images: [
                self._network.probabilities(tflib.convert_images_to_uint8(images))])
            rounds = self._rounds(-(-self.num_images // generator.per_round))
            return np.concatenate([run_round(index)[0] for index in rounds])[:self.num_images]
        finally:
            if data is not None:
                data.close()
