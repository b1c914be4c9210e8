"""Distances between images: LPIPS on VGG16 or AlexNet features, and the mean squared difference of pixels."""

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from metrics import detectors, lpips_alex, weights

NAMES = ('lpips-vgg', 'lpips-alex', 'pixel')


class Distance:
    """One measure of distance, as features of images and a distance of features.

    Transparent images (four channels, the last one is opacity) are laid over white, and the mean squared difference of
    the opacities is added.

    Args:
        name: One of NAMES.
    Raises: UserError for another name, or when the weights of the measure are not to be had.
    """

    def __init__(self, name):
        if name not in NAMES:
            raise UserError('unknown distance {!r}; expected {}'.format(name, ', '.join(NAMES)))
        self.name = name
        if name == 'lpips-vgg':
            self._measure = detectors.LpipsVgg16(weights.lpips_vgg16())
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
            raise UserError('Distances need grey, RGB or RGBA images, got {} channels'.format(channels))
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


class _Pixels:
    """Mean squared difference of the pixels, range [-1, 1]."""

    def features(self, images):
        return [images]

    def distance(self, features_a, features_b):
        return tf.reduce_mean(tf.square(features_a[0] - features_b[0]), axis=[1, 2, 3])
