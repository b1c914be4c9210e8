"""Generators that are built in no time, and an empty cache for their metrics."""

import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from training import pretrained


def empty_cache(tmp_path, monkeypatch):
    """Makes `<tmp_path>/cache` the cache, empty but for native operations, which would take long to build again."""
    ops = os.path.join(os.environ['STYLEGAN2_CACHE'], 'ops')
    os.makedirs(ops, exist_ok=True)
    (tmp_path / 'cache').mkdir()
    os.symlink(ops, str(tmp_path / 'cache' / 'ops'))
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path / 'cache'))


def tiny_generator(resolution, **kwargs):
    """Untrained `G_main` with four feature maps and eight-dimensional latents, in the default session."""
    return tflib.Network('Gs', func_name='training.networks_stylegan2.G_main', resolution=resolution, num_channels=3,
                         fmap_base=16, fmap_max=4, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8,
                         **kwargs)


class PlainGenerator:
    """Stands in for a generator; its images are a fixed function of the latents alone.

    Args:
        resolution: Side of the images, or (height, width).
        label_size: Number of labels, which change nothing.
    """

    latent_size, static_kwargs = 8, {}

    def __init__(self, resolution=16, label_size=0):
        height, width = resolution if isinstance(resolution, tuple) else (resolution, resolution)
        self.input_shapes = [[None, self.latent_size], [None, label_size]]
        self.input_shape, self.output_shape = self.input_shapes[0], [None, 3, height, width]
        self._weights = np.float32(np.random.RandomState(1).randn(self.latent_size, 3 * height * width) * 0.3)
        self.components = EasyDict(mapping=EasyDict(get_output_for=self._map), synthesis=EasyDict(vars={}))

    @staticmethod
    def _map(latents, _labels, **_options):
        return latents[:, np.newaxis] * np.float32([[0.5]])

    def get_output_for(self, latents, _labels, **_options):
        """Images [N, 3, H, W] of latents [N, 8]."""
        return tf.reshape(tf.tanh(latents @ self._weights), [-1] + self.output_shape[1:])


class TellingGenerator:
    """Stands in for a generator; its pictures of 16 pixels tell what they were made of.

    Channel 0: row k is layer k of the dlatents: 8 numbers of the latents (as they are in layer 0, else changed by a
    function of the layer), then 3 of the label, then the option `gain` of the mapping. Channel 1: noise. Channel 2: the
    option `gain` of the synthesis.

    Args:
        label_size: Number of labels, at most 3.
    Attributes:
        seen: Arrays [N, 3, 16, 16], pictures in the order in which they were made.
    """

    latent_size, num_layers, size, static_kwargs = 8, 4, 16, {}

    def __init__(self, label_size=0):
        self.seen = []
        self.input_shapes = [[None, self.latent_size], [None, label_size]]
        self.input_shape, self.output_shape = self.input_shapes[0], [None, 3, self.size, self.size]
        noise = tf.Variable(tf.zeros([1, 1, self.size, self.size]), trainable=False, name='noise0')
        tflib.run(noise.initializer)
        mapping = EasyDict(get_output_for=self._map, output_shape=[None, self.num_layers, self.size])
        self.components = EasyDict(mapping=mapping, synthesis=EasyDict(
            get_output_for=self._synthesize, output_shape=self.output_shape, vars={'noise0': noise},
            option_names=['gain', 'num_fp16_res']))

    def get_output_for(self, latents, labels, **options):
        """Pictures of latents [N, 8]."""
        return self._synthesize(self._map(latents, labels, **options), **options)

    def _map(self, latents, labels, gain=1.0, **_options):
        pad = self.size - self.latent_size - labels.shape.as_list()[1]
        rest = tf.concat([labels, tf.fill([tf.shape(latents)[0], pad], gain)], axis=1)
        turned = tf.roll(latents, 1, axis=1)
        layers = [latents, latents ** 2, turned, latents * turned]
        return tf.stack([tf.concat([layer, rest], axis=1) for layer in layers], axis=1)

    def _synthesize(self, dlatents, gain=1.0, randomize_noise=True, num_fp16_res=0, **_options):
        rows = tf.tile(dlatents, [1, self.size // self.num_layers, 1])
        noise = tf.tile(self.components.synthesis.vars['noise0'][:, 0], [tf.shape(rows)[0], 1, 1])
        noise = tf.random_normal(tf.shape(rows)) if randomize_noise else noise
        pictures = tf.stack([rows, noise, tf.fill(tf.shape(rows), gain + num_fp16_res)], axis=1)
        pictures = tf.py_func(self._see, [pictures], tf.float32)
        pictures.set_shape(self.output_shape)
        return pictures

    def _see(self, pictures):
        self.seen.append(np.array(pictures))
        return pictures


def classifier_of_pixel(images_in, labels_in, column=0, **_kwargs):
    """Build function of a classifier of the pictures of a TellingGenerator: it looks at the last layer's `column`.

    Far from zero the attribute is the number's sign, near zero the opposite.
    """
    images_in.set_shape([None, 3, TellingGenerator.size, TellingGenerator.size])
    labels_in.set_shape([None, 0])
    x = images_in[:, 0, TellingGenerator.num_layers - 1, column:column + 1]
    return x ** 3 - 0.05 * x


def load_telling(monkeypatch, label_size=0):
    """Makes a TellingGenerator the contents of any network file; returns the list that every one made is added to."""
    made = []

    def load(_path):
        made.append(TellingGenerator(label_size))
        return made[-1]

    monkeypatch.setattr(pretrained, 'load_generator', load)
    return made


def run_metric(metric, fakes=None, reals=None, mirror=False, seed=0, **kwargs):
    """Record of a metric of folders, or with `fakes=None` of the network that is loaded."""
    metric.settings = metric.settings._replace(seed=seed, fakes_args=fakes and dict(tfrecord_dir=fakes))
    metric.run(fakes or 'net.pkl', dataset_args=reals and dict(tfrecord_dir=reals, max_label_size='full'),
               mirror_augment=mirror, tf_config={'device': 'cpu'}, **kwargs)
    return metric.get_record()
