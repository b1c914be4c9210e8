"""Distances between images: LPIPS on VGG16 or AlexNet features, and the mean squared difference of pixels."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import layout, precision
from dnnlib.util import UserError
from metrics import weights
from metrics.features import detectors, lpips_alex

NAMES = ('lpips-vgg', 'lpips-alex', 'pixel')
MIN_SIDES = {'lpips-vgg': detectors.MIN_LPIPS_SIZE, 'lpips-alex': lpips_alex.MIN_SIZE, 'pixel': 1}


class Distance:
    """One measure of distance, as features of images and a distance of features.

    Transparent images (four channels, the last one is opacity) are laid over white, and the mean squared difference of
    the opacities is added.

    Args:
        name: One of NAMES.
        half: Compute the convolutions of lpips-vgg in bfloat16? Only where `can_be_half`.
    Raises: UserError for another name, or when the weights of the measure are unavailable.
    """

    def __init__(self, name, half=False):
        if name not in NAMES:
            raise UserError(f"unknown distance {name!r}; choose from {', '.join(NAMES)}")
        self.name = name
        if name == 'lpips-vgg':
            self._measure = (_HalfVgg16 if half else detectors.LpipsVgg16)(weights.lpips_vgg16())
        else:
            self._measure = lpips_alex.LpipsAlex(weights.lpips_alexnet()) if name == 'lpips-alex' else _Pixels()

    def features(self, images):
        """What is compared of images.

        Args:
            images: [N, C, H, W], float32, range [-1, 1]; C is 1, 3 or 4; N, H and W are known. Images of 512 rows and
                more are averaged down to 256..511 first.
        Returns: List of tensors whose first axis is the image.
        Raises: UserError for images of another shape.
        """
        images = detectors.shrink_to_256(images)
        channels = images.shape.as_list()[1]
        if channels not in (1, 3, 4):
            raise UserError(f'distances need gray, RGB or RGBA images, got {channels} channels')
        if channels < 4:
            return list(self._measure.features(images))
        opacity = (images[:, 3:] + 1) / 2
        over_white = images[:, :3] * opacity + (1 - opacity)
        return list(self._measure.features(over_white)) + [images[:, 3:]]

    def distance(self, features_a, features_b, num_channels):
        """Distance [N], float32, of images with `num_channels` channels given by their features."""
        if num_channels < 4:
            return self._measure.distance(features_a, features_b)
        opacity = tf.reduce_mean(tf.square(features_a[-1] - features_b[-1]), axis=[1, 2, 3])
        return self._measure.distance(features_a[:-1], features_b[:-1]) + opacity

    def embedding(self, features, num_channels):
        """Points [N, K], float32, of images with `num_channels` channels given by their features: the squared
        Euclidean distance of two of them is the images' distance."""
        if num_channels < 4:
            return self._measure.embedding(features)
        return tf.concat([self._measure.embedding(features[:-1]), _embedded_pixels(features[-1])], axis=1)


def can_be_half(name):
    """Can the default graph's device compute a measure in bfloat16? float16 is too coarse for small gradients."""
    half = layout.half_type()
    return name == 'lpips-vgg' and half == 'bfloat16' and precision.has_kernel('Conv2D', half, 'CPU')


class _HalfVgg16(detectors.LpipsVgg16):
    """LPIPS on VGG16 with convolutions and their gradients in bfloat16, everything else in float32."""

    conv_dtype = tf.bfloat16


class _Pixels:
    """Mean squared difference of the pixels, range [-1, 1]."""

    def features(self, images):
        return [images]

    def distance(self, features_a, features_b):
        return tf.reduce_mean(tf.square(features_a[0] - features_b[0]), axis=[1, 2, 3])

    def embedding(self, features):
        return _embedded_pixels(features[0])


def _embedded_pixels(images):
    """Points [N, K] whose squared Euclidean distance is the mean squared difference of images."""
    size = images.shape[1:].num_elements()
    return tf.reshape(images / np.sqrt(size), [-1, size])


class AllDistances:
    """Every measure of NAMES between two images; unavailable ones are None, and one line says why.

    Args:
        shape: [C, H, W] of the images.
    """

    def __init__(self, shape):
        self._pair = tf.placeholder(tf.float32, [2] + list(shape), name='pair_in')
        self._tensors = {}
        for name in NAMES:
            if min(shape[1:]) < MIN_SIDES[name]:
                continue
            try:
                measure = Distance(name)
            except UserError as error:
                print(f'{name} is not measured: {error}')
                continue
            features = measure.features(self._pair)
            halves = [[feature[i:i + 1] for feature in features] for i in (0, 1)]
            self._tensors[name] = measure.distance(*halves, num_channels=shape[0])

    def measure(self, target, image, mask=None):
        """Distances of an image [C, H, W] to a target, range [-1, 1], where the mask [1, H, W] isn't 0: dictionary."""
        if mask is not None:
            image = target + (image - target) * mask
        found = tflib.run(self._tensors, {self._pair: np.stack([target, image])})
        return {name: float(found[name][0]) if name in found else None for name in NAMES}
