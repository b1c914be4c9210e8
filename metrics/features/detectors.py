"""Feature networks of the metrics, built from named weights."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout, tfutil
from dnnlib.util import UserError

VGG16_BLOCKS = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))  # convolutions between two poolings
LPIPS_SHIFT = (-0.030, -0.088, -0.188)
LPIPS_SCALE = (0.458, 0.448, 0.450)
MIN_LPIPS_SIZE = 16  # four poolings leave one pixel


class LpipsVgg16:
    """LPIPS 0.1, the perceptual distance on VGG16 features (Zhang et al. 2018, equation 1).

    The weights become non-trainable local variables of the default graph, with values in the default session. Gradients
    flow to the images, not to the weights.

    Args:
        weights: Dictionary of float32 arrays by name, see `weights.lpips_vgg16`. The numbers of channels are theirs.
    """

    conv_dtype = tf.float32  # of the convolutions and their gradients; all else is float32

    def __init__(self, weights):
        # The gradient of a convolution is one with the kernel flipped and its channels swapped. TensorFlow 1.14's own
        # is slow on a CPU, and flipping 60 MB of kernels in every step as well.
        flipped = {name + '_flipped': value[::-1, ::-1].transpose(0, 1, 3, 2) for name, value in weights.items()
                   if value.shape[:2] == (3, 3)}
        values = sorted(dict(weights, **flipped).items())
        with tfutil.absolute_name_scope(tf.get_default_graph().unique_name('LPIPS')):
            # Local variables: training checkpoints, which hold all global ones, need no copy of the weights.
            self._vars = {name: tf.Variable(tf.zeros(value.shape), trainable=False, use_resource=True,
                                            collections=[tf.GraphKeys.LOCAL_VARIABLES], name=name.replace('/', '_'))
                          for name, value in values}
        tfutil.set_vars({self._vars[name]: value for name, value in values})  # all at once: a session call each is slow

    def features(self, images):
        """Features of unit length at every pixel after the last ReLU of each block of VGG16.

        Args:
            images: [N, C, H, W], float32, range [-1, 1]; C is 3, or 1 for gray; H and W are known and at least 16.
        Returns: Five tensors in the default graph's layout, with H, H/2, H/4, H/8 and H/16 rows.
        Raises: UserError for images of another shape.
        """
        _, channels, height, width = images.shape.as_list()
        if channels not in (1, 3) or min(height, width) < MIN_LPIPS_SIZE:
            raise UserError(f'the perceptual distance needs RGB or gray images of at least {MIN_LPIPS_SIZE}x'
                            f'{MIN_LPIPS_SIZE} pixels, got {channels} channels of {width}x{height}')
        x = lpips_input(images)
        taps = []
        for block, convolutions in enumerate(VGG16_BLOCKS):
            if block > 0:
                x = max_pool(x)
            for index in convolutions:
                x = self._convolve(x, 'Conv_{}'.format(index))
            taps.append(x)
        return [unit_length(x) for x in taps]

    def distance(self, features_a, features_b):
        """Distance of images given by their features.

        Args:
            features_a, features_b: Results of `features`, of the same images' shape.
        Returns: [N], float32, at least 0 (an image has distance 0 to itself).
        """
        total = 0.0
        for index, (a, b) in enumerate(zip(features_a, features_b)):
            importance = tf.reshape(self._vars['NetLinLayer_{}/kernel'.format(index)], [-1])
            total += tf.reduce_mean(weighted_squares(a - b, importance), axis=[1, 2])
        return total

    def embedding(self, features):
        """What images are compared by as points: the squared Euclidean distance of two of them is their `distance`.

        Args:
            features: Results of `features`.
        Returns: [N, K], float32.
        """
        parts = []
        for index, feature in enumerate(features):
            importance = tf.reshape(self._vars['NetLinLayer_{}/kernel'.format(index)], [-1])  # none is negative
            size = feature.shape[1:].num_elements()
            pixels = size // feature.shape.as_list()[layout.channel_axis()]
            parts.append(tf.reshape(feature * tf.sqrt(layout.per_channel(importance) / pixels), [-1, size]))
        return tf.concat(parts, axis=1)

    def _convolve(self, x, name):
        kernel, flipped = (tf.cast(tf.identity(self._vars[name + suffix]), self.conv_dtype)
                           for suffix in ('/kernel', '/kernel_flipped'))
        return conv_3x3_relu(x, kernel, flipped, tf.identity(self._vars[name + '/bias']))


def shrink_to_256(images):
    """Box average that brings images to a height of 256..511; smaller ones stay as they are (StyleGAN2's metrics).

    Args:
        images: [N, C, H, W], float32, H and W known.
    Returns: [N, C, H / factor, W / factor], float32; the factor is the largest divisor of both up to H // 256, or 1.
    """
    _, channels, height, width = images.shape.as_list()
    factor = max([f for f in range(1, height // 256 + 1) if height % f == 0 and width % f == 0] or [1])
    if factor <= 1:
        return images
    blocks = tf.reshape(images, [-1, channels, height // factor, factor, width // factor, factor])
    return tf.reduce_mean(blocks, axis=[3, 5])


@tf.custom_gradient
def conv_3x3_relu(x, kernel, flipped, bias):
    """Convolution with weights that aren't trained, bias and ReLU; `flipped` is the kernel with its rows, columns and
    channels exchanged. Feature maps and bias are float32, the convolution has the kernel's type.
    """
    y = tf.nn.relu(tf.nn.bias_add(_conv_3x3(x, kernel), bias, data_format=layout.data_format()))

    def gradient(dy):
        return _conv_3x3(tf.raw_ops.ReluGrad(gradients=dy, features=y), flipped), None, None, None
    return y, gradient  # TensorFlow makes one operation of the three only if nothing is between them


def _conv_3x3(x, kernel):
    x = tf.nn.conv2d(tf.cast(x, kernel.dtype), kernel, strides=[1, 1, 1, 1], padding='SAME',
                     data_format=layout.data_format())
    return tf.cast(x, tf.float32)


def lpips_input(images):
    """Gray or RGB images [N, C, H, W], range [-1, 1], as LPIPS networks take them, in the default graph's layout."""
    if images.shape.as_list()[1] == 1:
        images = tf.tile(images, [1, 3, 1, 1])
    x = layout.from_nchw(images)
    return (x - layout.per_channel(tf.constant(LPIPS_SHIFT))) / layout.per_channel(tf.constant(LPIPS_SCALE))


def max_pool(x, window=2):
    """Largest values of `window` x `window` pixels at every second pixel, in the default graph's layout, no padding."""
    sizes = [[1, 1, n, n] if layout.data_format() == 'NCHW' else [1, n, n, 1] for n in (window, 2)]
    return tf.nn.max_pool(x, ksize=sizes[0], strides=sizes[1], padding='VALID', data_format=layout.data_format())


@tf.custom_gradient
def unit_length(x):
    """Feature maps scaled to length 1 at every pixel (LPIPS); TensorFlow's own gradient takes twice as long."""
    axis = layout.channel_axis()
    squares = tf.reduce_sum(tf.square(x), axis=axis, keepdims=True)
    scale = 1 / (tf.sqrt(tf.maximum(squares, 1e-30)) + 1e-10)  # the maximum keeps it finite at zero
    y = x * scale

    def gradient(dy):
        return (dy - y * tf.reduce_sum(dy * y, axis=axis, keepdims=True)) * scale
    return y, gradient


@tf.custom_gradient
def weighted_squares(x, weights):
    """Sum over the channels of weights [C], which get no gradient, times the squares of feature maps: [N, H, W]."""
    weights, axis = layout.per_channel(weights), layout.channel_axis()

    def gradient(dy):
        return tf.expand_dims(dy, axis) * (2 * weights) * x, None
    return tf.reduce_sum(tf.square(x) * weights, axis=axis), gradient
