"""What methods that translate images have in common: two streams of data, networks by options, pictures, pools."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from dnnlib.util import UserError
from training import image_size
from training.terms import criteria
from training.train_step import Net, Translation

ADAM = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.5, beta2=0.999, epsilon=1e-8)  # as published
DRANGE = [-1, 1]


def data_of(streams, is_paired=False):
    """The datasets of the streams 'a' and 'b'.

    Args:
        streams: {name: Stream}.
        is_paired: May one side be gray and the other in color? Without pairs each side is given to the same networks.
    Raises: UserError if there are other streams, or sizes or channels differ.
    """
    if list(streams) != ['a', 'b']:
        raise UserError(f'translation needs the streams a and b of data, not {", ".join(streams)}')
    a, b = (streams[name].dataset for name in 'ab')
    if a.shape[1:] != b.shape[1:]:
        raise UserError('both sides must have images of one size, but they are {2}x{1} and {5}x{4}; scale them to one, '
                        'or choose --preprocess=resize_and_crop'.format(*(list(a.shape) + list(b.shape))))
    if a.shape[0] != b.shape[0] and not is_paired:
        raise UserError(f'both sides must have the same channels, but they have {a.shape[0]} and {b.shape[0]}; give '
                        '--set dataset.channels=3')
    return a, b


def net(args, default, data, role='generator', **options):
    """Net of the options of a network.

    Args:
        args: func_name and keyword arguments, dict or None.
        default: func_name if there is none.
        data: Dataset that it takes images of.
        role: See train_step.Net.
        options: Keyword arguments that `args` may overwrite.
    """
    shape = dict(num_channels=data.shape[0], resolution=image_size.option(*data.shape[1:]))
    options = dict(dict(shape, **options), **(args or {}))
    return Net(options.pop('func_name', default), options, role=role)


def in_training(network, *inputs, **options):
    """A network's graph as training builds it, if that makes a difference to the network; as `get_output_for`."""
    flags = dict(is_training=True) if 'is_training' in network.option_names else {}
    return network.get_output_for(*inputs, **dict(flags, **options))


def numbers(images):
    """The numbers of maps that a stream gives as bytes, see `training.data.translation`: float32 [N, 1, H, W].

    Args:
        images: `step.batch[name].images` of that stream, [N, bytes, H, W] in DRANGE.
    """
    digits = tf.rint((images + 1) * 127.5)
    weights = np.float32(256.0) ** np.arange(images.shape.as_list()[1], dtype=np.float32)
    return tf.reduce_sum(digits * weights[:, np.newaxis, np.newaxis], axis=1, keepdims=True)


def criterion(name):
    """The criteria.Criterion of a name (wgangp has no penalty, as published); raises UserError for an unknown one."""
    if name not in criteria.TRANSLATION:
        raise UserError(f'unknown criterion {name!r}; choose from {", ".join(criteria.TRANSLATION)}')
    return criteria.TRANSLATION[name]


def translate(network, images, minibatch_size, **options):
    """Translations of pictures.

    Args:
        network: Generator of one input, whose first output is the translation.
        images: uint8 [N, C, H, W].
        minibatch_size: Pictures at a time.
        options: Options of the network's call.
    Returns: uint8 [N, C, H, W].
    """
    if list(images.shape[2:]) != list(network.input_shape[2:]):  # whole pictures of what is trained on crops
        minibatch_size, options = 1, dict(options, resolution=list(images.shape[2:]))
    found = []
    for begin in range(0, len(images), minibatch_size):
        part = images[begin:begin + minibatch_size].astype(np.float32) / 127.5 - 1
        outputs = network.run(part, return_as_list=True, **options)
        found.append(np.clip(np.rint((outputs[0] + 1) * 127.5), 0, 255).astype(np.uint8))
    return np.concatenate(found)


def translation(name, minibatch_size=1, direction='AtoB', **options):
    """The train_step.Translation of a method whose generator takes one image.

    Args:
        name: Of the generator.
        minibatch_size: Pictures at a time; published tests translate one, which matters to batch norm alone.
        direction: AtoB or BtoA.
        options: See `translate`.
    """
    source, target = direction.lower().split('to')
    return Translation(lambda networks, images: translate(networks[name], images[source], minibatch_size, **options),
                       (source,), target)


def rows(cells, *columns):
    """Rows of pictures of a grid: for each of its rows one of each of several arrays of all cells."""
    return [images[begin:begin + cells.size[0]] for begin in range(0, len(columns[0]), cells.size[0])
            for images in columns]


def query_pool(step, name, images, size):
    """Images of which some are replaced by earlier ones (Shrivastava et al. 2017, section 2.3).

    A pool that is not full takes every image. A full one returns, with probability 1/2, one of its images instead of
    the new one and keeps that in its place.

    Args:
        step: Step, which saves the pool with the training.
        name: Of the pool.
        images: [N, C, H, W], N static.
        size: Number of images in the pool; 0 = no pool.
    Returns: [N, C, H, W], without gradient.
    """
    images = tf.stop_gradient(images)
    if not size:
        return images
    shape = images.shape.as_list()
    pool = step.state(name, [size] + shape[1:], per_worker=True)
    filled = step.state(name + '_filled', [], per_worker=True)  # float32, of which all GPUs set one row
    values, count, chosen = pool.read_value(), tf.cast(filled.read_value(), tf.int32), []
    for i in range(shape[0]):
        is_full, swaps = count >= size, random.uniform([]) > 0.5
        index = tf.where(is_full, random.uniform([], 0, size, tf.int32), count)
        old = values[index]
        chosen.append(tf.where(tf.logical_and(is_full, swaps), old, images[i]))
        kept = tf.where(tf.logical_and(is_full, tf.logical_not(swaps)), old, images[i])
        values = tf.concat([values[:index], kept[tf.newaxis], values[index + 1:]], axis=0)
        count = tf.minimum(count + 1, size)
    with tf.control_dependencies([pool.assign(values), filled.assign(tf.cast(count, tf.float32))]):
        return tf.stack(chosen)


def check_count(name, value):
    """Raises UserError if an option is no whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UserError(f'{name} must be a whole number of at least 1, got {value!r}')


def is_static(size):
    """Raises UserError if the size of minibatches changes during a training."""
    if tflib.is_tf_expression(size):
        raise UserError('minibatch_gpu must not change in a training of this method')
    return size
