"""Conversion of images between bytes and floating point, in the graph; `tfutil` has these names too."""

import tensorflow.compat.v1 as tf


def convert_images_from_uint8(images, drange=(-1, 1), nhwc_to_nchw=False):
    """Maps bytes to float32, 0 to drange[0] and 255 to drange[1].

    Args:
        images: [N, C, H, W], or [N, H, W, C] with `nhwc_to_nchw`; numbers in [0, 255].
        drange: Range of the result.
        nhwc_to_nchw: Move the channels forward?
    Returns: [N, C, H, W], float32.
    """
    low, high = drange
    images = tf.cast(tf.transpose(images, [0, 3, 1, 2]) if nhwc_to_nchw else images, tf.float32)
    return images * ((high - low) / 255) + low


def shrink_images(images, factor):
    """Means over squares of `factor` pixels: [N, C, H, W] to [N, C, H / factor, W / factor]."""
    channels, height, width = images.shape.as_list()[1:]
    # average pooling in NCHW has no CPU kernel
    images = tf.reshape(images, [-1, channels, height // factor, factor, width // factor, factor])
    return tf.reduce_mean(images, axis=[3, 5])


def side_by_side(*images, **as_bytes):
    """Images of several sizes, enlarged to that of the last by repeating pixels, next to each other.

    Args:
        images: [N, C, h, w] each, floating point.
        as_bytes: Keyword arguments of `convert_images_to_uint8`; without any the result is float32.
    Returns: [N, C, H, W images], or as `convert_images_to_uint8` returns it.
    """
    channels, height, width = images[-1].shape.as_list()[1:]
    enlarged = []
    for image in images:
        h, w = image.shape.as_list()[2:]
        image = tf.tile(tf.reshape(image, [-1, channels, h, 1, w, 1]), [1, 1, 1, height // h, 1, width // w])
        enlarged.append(tf.reshape(image, [-1, channels, height, width]))
    joined = tf.concat(enlarged, axis=3)
    return convert_images_to_uint8(joined, **as_bytes) if as_bytes else joined


def convert_images_to_uint8(images, drange=(-1, 1), nchw_to_nhwc=False, shrink=1, half_to_even=False):
    """Maps [drange[0], drange[1]] to the 256 bytes, saturating outside; the mean over squares of `shrink` pixels.

    Args:
        images: [N, C, H, W], floating point.
        drange: Range of `images` that is mapped to 0..255.
        nchw_to_nhwc: Move the channels to the end?
        shrink: Factor of down-sampling, divides H and W.
        half_to_even: Round halves to the even byte, as ProGAN does, instead of up?
    Returns: [N, C, H / shrink, W / shrink], or [N, H / shrink, W / shrink, C] with `nchw_to_nhwc`; uint8.
    """
    images = tf.cast(images, tf.float32)
    if shrink > 1:
        images = shrink_images(images, shrink)
    if nchw_to_nhwc:
        images = tf.transpose(images, perm=(0, 2, 3, 1))
    scale = 255 / (drange[1] - drange[0])
    if half_to_even:
        return tf.saturate_cast(tf.round(images * scale - drange[0] * scale), tf.uint8)
    return tf.saturate_cast(images * scale + (0.5 - drange[0] * scale), tf.uint8)
