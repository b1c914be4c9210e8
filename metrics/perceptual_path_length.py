"""Perceptual path length (StyleGAN, section 4.1): how smoothly the images change along a path of latents."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from dnnlib.tflib import random
from metrics import metric_base, weights
from metrics.features import detectors


def slerp(a, b, t):
    """Spherical interpolation of directions (StyleGAN, equation 2).

    Args:
        a, b: [N, D], float32, of any length.
        t: [N, 1], float32; 0 = `a`, 1 = `b`.
    Returns: [N, D], float32, of unit length.
    """
    a, b = _unit(a), _unit(b)
    cosine = tf.reduce_sum(a * b, axis=-1, keepdims=True)
    angle = t * tf.math.acos(cosine)
    return _unit(a * tf.cos(angle) + _unit(b - cosine * a) * tf.sin(angle))


def crop_center(images):
    """The part of generated images [N, C, H, W] that holds a face: rows 3/8 to 7/8, columns 2/8 to 6/8."""
    height, width = [side // 8 for side in images.shape.as_list()[2:]]
    return images[:, :, 3 * height:7 * height, 2 * width:6 * width]


def trimmed(distances):
    """Those of the distances [N] between the 1st percentile (rounded down to a sample) and the 99th (rounded up)."""
    ranked = np.sort(distances)
    low = ranked[int(np.floor(0.01 * (len(ranked) - 1)))]
    high = ranked[int(np.ceil(0.99 * (len(ranked) - 1)))]
    return np.float64(ranked[(ranked >= low) & (ranked <= high)])


def standard_error(distances, kept):
    """Standard error of the mean of `kept`, the result of `trimmed` (Tukey & McLaughlin 1963: winsorized variance)."""
    deviation = np.clip(distances, kept.min(), kept.max()).std()
    return float(deviation * np.sqrt(len(distances)) / len(kept))


class PPL(metric_base.MetricBase):
    """Perceptual path length.

    Args:
        name: Name in the results.
        num_samples: Number of path segments, at least; rounded up to whole minibatches.
        epsilon: Length of a segment, as a fraction of the path.
        space: 'z' or 'w': where the path lies.
        sampling: 'full' = segments anywhere on the path, 'end' = at its first end.
        crop: Look at the middle of the images only (meant for faces)?
        minibatch_per_gpu: Number of segments evaluated at once.
        Gs_overrides: Options of the generator that replace those given to `run`.
    """

    def __init__(self, name, num_samples, epsilon, space, sampling, crop, minibatch_per_gpu, Gs_overrides):
        super().__init__(name)
        if space not in ('z', 'w') or sampling not in ('full', 'end'):
            raise UserError(f'metric {name}: expected space z or w and sampling full or end, got {space!r} and '
                            f'{sampling!r}')
        self.num_samples = num_samples
        self.epsilon = epsilon
        self.space = space
        self.sampling = sampling
        self.crop = crop
        self.minibatch_per_gpu = minibatch_per_gpu
        self.Gs_overrides = Gs_overrides

    def check_weights(self):
        """See MetricBase."""
        weights.lpips_vgg16()

    def _evaluate(self, source):
        generator = self._generator_of(source)
        Gs, num_gpus, options = generator.Gs, generator.num_gpus, dict(generator.options, **self.Gs_overrides)
        if 'num_fp16_res' not in Gs.components.synthesis.option_names:  # of networks without half precision
            options.pop('num_fp16_res', None)
        variables = Gs.components.synthesis.vars
        noises = [variables[name] for name in variables if name.startswith('noise')]
        seed_in = tf.placeholder(tf.int64, [2])
        with random.seeded(seed_in):
            new_noise_op = tf.group(*[tf.assign(noise, random.normal(noise.shape.as_list())) for noise in noises])
        lpips = detectors.LpipsVgg16(self._team.from_first(weights.lpips_vgg16() if self._team.is_first else None))
        distances_ops = []
        with random.seeded(seed_in):
            for gpu in range(num_gpus):
                with tf.device(f'/gpu:{gpu}'):
                    labels = generator.random_labels(self.minibatch_per_gpu)
                    distances_ops.append(self._distances(Gs, options, labels, lpips))

        def run_round(index):
            # a call of its own: nothing orders it before the reads within one call
            tflib.run(new_noise_op, {seed_in: [self._seed, 2 * index]})
            return tflib.run(distances_ops, {seed_in: [self._seed, 2 * index + 1]})

        found = list(self._computed(-(-self.num_samples // (self.minibatch_per_gpu * num_gpus)), run_round))
        self._team.leave()
        distances = np.concatenate([part for parts in found for part in parts])
        kept = trimmed(distances)
        self._note(num_samples=len(distances), standard_error=standard_error(distances, kept),
                   extractor='lpips-vgg16', weights=weights.LPIPS_FILE,
                   weights_sha256=weights.LPIPS_SHA256,
                   resize='box average, from 512 px on')
        self._report_result(kept.mean())

    def _distances(self, Gs, options, labels, lpips):
        """Squared speed of the image at one random place of each path, [N]."""
        size = self.minibatch_per_gpu
        mapping, synthesis = Gs.components.mapping, Gs.components.synthesis
        latents = random.normal([size, 2] + Gs.input_shape[1:])  # a pair of ends per sample
        pair_labels = tf.reshape(tf.tile(labels[:, np.newaxis], [1, 2, 1]), [size * 2, -1])
        t = random.uniform([size, 1]) if self.sampling == 'full' else tf.zeros([size, 1])
        if self.space == 'w':
            ends = mapping.get_output_for(tf.reshape(latents, [-1] + Gs.input_shape[1:]), pair_labels, **options)
            ends = tf.reshape(tf.cast(ends, tf.float32), [size, 2] + mapping.output_shape[1:])
            t = t[:, :, np.newaxis]  # the layers' axis
            points = [tflib.lerp(ends[:, 0], ends[:, 1], s) for s in (t, t + self.epsilon)]
            dlatents = tf.stack(points, axis=1)
        else:
            points = [slerp(latents[:, 0], latents[:, 1], s) for s in (t, t + self.epsilon)]
            points = tf.reshape(tf.stack(points, axis=1), [-1] + Gs.input_shape[1:])
            dlatents = mapping.get_output_for(points, pair_labels, **options)
        dlatents = tf.cast(tf.reshape(dlatents, [size * 2] + mapping.output_shape[1:]), tf.float32)
        images = synthesis.get_output_for(dlatents, randomize_noise=False, **options)
        images = tf.cast(images, tf.float32)
        features = lpips.features(detectors.shrink_to_256(crop_center(images) if self.crop else images))
        return lpips.distance([f[0::2] for f in features], [f[1::2] for f in features]) / self.epsilon ** 2


def _unit(x):
    return x * tf.rsqrt(tf.reduce_sum(tf.square(x), axis=-1, keepdims=True))
