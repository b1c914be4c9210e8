"""The augmentation pipeline of StyleGAN2-ADA (Karras et al. 2020, appendix B): draws parameters and applies them."""

import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib import random
from training.augment import color, corruptions, geometry
from training.augment.parameters import Options, draw, takes
from training.augment.together import like, parts_of


@takes(Options)
def augment_pipeline(images, labels, strength=1, debug_percentile=None, **options):
    """Augments images at random, each operation with the probability `strength` times its multiplier.

    Where strength is 0 when the graph runs, nothing else is computed and the images are returned as they are.

    Args:
        images: [N, C, H, W] float32 in about [-1, 1]; C (1, 3 or 4: gray, RGB, RGB and alpha), H and W static. Or
            Together.
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
    pictures, maps = parts_of(images)
    for shape in [picture.shape.as_list() for picture in pictures]:
        if shape[1] not in (1, 3, 4):
            raise UserError(f'augmentation needs images of 1, 3 or 4 channels, not {shape[1]}')

    def augmented():
        parameters, found = draw(options, tf.shape(pictures[0])[0], strength, debug_percentile), []
        for picture in pictures:
            if parameters.noise_sigma is not None:
                parameters = parameters._replace(noise_map=random.normal(tf.shape(picture)))
            found.append(apply(picture, parameters, options.warp_gradient))
        return like(images, found, [apply_to_map(planes, parameters) for planes in maps])
    return if_strong(images, augmented, 1 if debug_percentile is not None else strength), labels


def if_strong(images, augmented, strength):
    """`augmented()` where strength is above 0, else the images; decided when the graph runs if strength is a tensor."""
    if not tf.is_tensor(strength):
        return augmented() if strength > 0 else images
    result = tf.cond(strength > 0, augmented, lambda: like(images, *[
        [tf.identity(part) for part in parts] for parts in parts_of(images)]))
    for part, given in zip(sum(parts_of(result), ()), sum(parts_of(images), ())):
        part.set_shape(given.shape)
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


def apply_to_map(planes, parameters):
    """As `apply`, to a map of numbers or planes: it is moved, to the nearest pixel, and cut out; nothing else."""
    with tf.name_scope('AugmentMap'):
        planes = geometry.transform_nearest(planes, parameters)
        return corruptions.corrupt(planes, parameters._replace(noise_sigma=None))
