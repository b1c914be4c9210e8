"""The augmentation pipeline of StyleGAN2-ADA (Karras et al. 2020, appendix B): draws parameters and applies them."""

import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import random
from training.augment import color, corruptions, geometry
from training.augment.parameters import Options, draw, takes


@takes(Options)
def augment_pipeline(images, labels, strength=1, debug_percentile=None, **options):
    """Augments images at random, each operation with the probability `strength` times its multiplier.

    Where strength is 0 when the graph runs, nothing else is computed and the images are returned as they are.

    Args:
        images: [N, C, H, W] float32 in about [-1, 1]; C (1, 3 or 4: gray, RGB, RGB and alpha), H and W static.
        labels: Returned as they are.
        strength: p, number or scalar float32 tensor >= 0; above 1 as 1.
        debug_percentile: See `parameters.draw`; strength is of no importance then.
        options: See `parameters.Options`; by default no operation is on.
    Returns: (images, labels).
    Raises: UserError for images of other channels, or too small for the filter.
    """
    options = Options(**options)
    if options.warp_gradient not in ('exact', 'published'):
        raise UserError(f"warp_gradient={options.warp_gradient!r}: expected 'exact' or 'published'")
    shape = images.shape.as_list()
    if shape[1] not in (1, 3, 4):
        raise UserError(f'augmentation needs images of 1, 3 or 4 channels, not {shape[1]}')

    def augmented():
        parameters = draw(options, tf.shape(images)[0], strength, debug_percentile)
        if parameters.noise_sigma is not None:
            parameters = parameters._replace(noise_map=random.normal(tf.shape(images)))
        return apply(images, parameters, options.warp_gradient)
    return if_strong(images, augmented, 1 if debug_percentile is not None else strength), labels


def if_strong(images, augmented, strength):
    """`augmented()` where strength is above 0, else the images; decided when the graph runs if strength is a tensor."""
    if not tf.is_tensor(strength):
        return augmented() if strength > 0 else images
    result = tf.cond(strength > 0, augmented, lambda: tf.identity(images))
    result.set_shape(images.shape)
    return result


def apply(images, parameters, warp_gradient='exact'):
    """Applies the operations whose parameters are not None, in the published order.

    Args:
        images: [N, C, H, W] float32; C, H and W static.
        parameters: Parameters.
        warp_gradient: 'exact' or 'published'.
    Returns: Like the images.
    """
    with tf.name_scope('Augment'):
        images = geometry.transform(images, parameters, warp_gradient)
        images = color.transform(images, parameters)
        images = corruptions.filter_images(images, parameters)
        return corruptions.corrupt(images, parameters)
