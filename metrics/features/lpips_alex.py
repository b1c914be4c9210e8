"""LPIPS on AlexNet features: faster than VGG16's, and a second opinion."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from dnnlib.util import UserError
from metrics.features import detectors

STRIDES, PADDINGS = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1)  # of the five convolutions
POOLED = (1, 2)  # convolutions after a 3x3 max pooling with stride 2
MIN_SIZE = 31  # below, nothing is left after the second pooling


class LpipsAlex(detectors.LpipsVgg16):
    """LPIPS 0.1, the perceptual distance on AlexNet features (Zhang et al. 2018, equation 1).

    Variables and `distance` are as in LpipsVgg16.

    Args:
        weights: Dictionary of float32 arrays by name, see `weights.lpips_alexnet`.
    """

    def features(self, images):
        """Features of unit length at every pixel after each of the five convolutions of AlexNet.

        Args:
            images: [N, C, H, W], float32, range [-1, 1]; C is 3, or 1 for gray; H and W are known and at least 31.
        Returns: Five tensors in the default graph's layout.
        Raises: UserError for images of another shape.
        """
        _, channels, height, width = images.shape.as_list()
        if channels not in (1, 3) or min(height, width) < MIN_SIZE:
            raise UserError(f'the distance lpips-alex needs RGB or gray images of at least {MIN_SIZE}x{MIN_SIZE} '
                            f'pixels, got {channels} channels of {width}x{height}; use another distance')
        x = detectors.lpips_input(images)
        taps = []
        for index, (stride, padding) in enumerate(zip(STRIDES, PADDINGS)):
            if index in POOLED:
                x = detectors.max_pool(x, window=3)
            x = self._convolve_alex(x, index, stride, padding)
            taps.append(x)
        return [detectors.unit_length(x) for x in taps]

    def _convolve_alex(self, x, index, stride, padding):
        name, data_format = 'Conv_{}'.format(index), layout.data_format()
        around = [[padding, padding]] * 2
        x = tf.pad(x, [[0, 0]] + ([[0, 0]] + around if data_format == 'NCHW' else around + [[0, 0]]))
        strides = [1, 1, stride, stride] if data_format == 'NCHW' else [1, stride, stride, 1]
        x = tf.nn.conv2d(x, self._vars[name + '/kernel'], strides=strides, padding='VALID', data_format=data_format)
        return tf.nn.relu(tf.nn.bias_add(x, self._vars[name + '/bias'], data_format=data_format))
