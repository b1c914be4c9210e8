"""Intra-FID: the Frechet distance of fakes and reals of one class, mean over the classes (Miyato and Koyama 2018)."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import feature_metric, sampling
from metrics.frechet_inception_distance import frechet_distance


class FixedClass:
    """In place of a dataset whose labels are drawn: labels of one class.

    Args:
        label_size: Number of classes.
    Attributes:
        number: Variable, the number of the class.
    """

    def __init__(self, label_size):
        self._label_size = label_size
        self.number = tf.Variable(np.int64(0), trainable=False, use_resource=True, name='class')

    def get_random_labels_tf(self, count):
        """Labels [count, label_size] of the class."""
        return tf.one_hot(tf.fill([count], self.number.read_value()), self._label_size)


class IntraFID(feature_metric.FeatureMetric):
    """Mean over the classes; `num_images` are those of each class, reals fewer where there are fewer."""

    def __init__(self, name, num_images, minibatch_per_gpu):
        super().__init__(name, num_images, minibatch_per_gpu, 'inception')
        self.fakes_key = None  # fakes of one class after the other are no sample of all

    def _evaluate(self, source):
        generator = source.generator
        if generator is None or generator.labels_from is None:
            raise UserError(f'metric {self.name}: it measures the classes of a network that has some')
        label_size = generator.Gs.input_shapes[1][1]
        with self._open_dataset(source.resolution, label_size) as reals:
            numbers = self._reals_by_class(reals, label_size)
            self._build_extractor()
            features_of = self._on_all_gpus(self._network.features, source.shape)
            sizes = [len(found) for found in numbers]
            real = self._moments_of(sizes, lambda number, begin, end, _: features_of(np.stack(
                [reals.read(index) for index in numbers[number][begin:end]])))
        generator.labels_from = FixedClass(label_size)
        tflib.run(generator.labels_from.number.initializer)
        run_round = generator.build(lambda _latents, _labels, _dlatents, images: [
            self._network.features(tflib.convert_images_to_uint8(images))], self.minibatch_per_gpu, self._seed)

        def fakes_of(number, begin, end, index):
            tflib.set_vars({generator.labels_from.number: number})
            return run_round(index)[0][:end - begin]
        fake = self._moments_of([self.num_images] * label_size, fakes_of)
        self._team.leave()
        if self._team.is_first:
            found = [frechet_distance(*(pair[0] + pair[1])) for pair in zip(fake, real)]
            self._note(num_fakes=self.num_images * label_size, num_reals=sum(sizes), of_classes=found)
            self._report_result(np.mean(found))
            self._report_result(np.max(found), '_worst')

    def _reals_by_class(self, data, label_size):
        """[numbers of the images of a class that are measured] of each class, chosen at random, always the same."""
        if data.label_size != label_size:
            raise UserError(f'metric {self.name}: the network has {label_size} classes, the dataset {data.label_size}; '
                            'give the dataset it was trained on')
        order = np.random.RandomState(sampling.ORDER_SEED).permutation(data.num_images)
        classes = np.argmax(data.read_labels(order), axis=1)
        found = [order[classes == number][:self.num_images] for number in range(label_size)]
        few = [number for number, images in enumerate(found) if len(images) < 2]
        if few:
            raise UserError(f'metric {self.name}: expected at least 2 images of each class, but class {few[0]} has '
                            f'{len(found[few[0]])}')
        self._note(dataset=data.name, resolution=data.resolution)
        return found
