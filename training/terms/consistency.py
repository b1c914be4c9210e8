"""What D and G should agree on about images that are nearly the same: consistency, and telling rotations apart.

Images are [N, C, H, W] float32, results are [N, 1], without weight.
"""

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError


def score_consistency(scores, others):
    """(D(x) - D(x'))^2 of two versions of each image (Zhao et al. 2020, "Improved consistency regularization for GANs",
    algorithms 1 and 2).

    Args:
        scores, others: Scores of the versions, [N, 1].
    """
    return tf.square(scores - others)


def image_distance(images, others):
    """Mean of (G(z) - G(z'))^2 over an image, which G makes large for latents that are near (the same, algorithm 2)."""
    return tf.reduce_mean(tf.square(images - others), axis=[1, 2, 3])[:, tf.newaxis]


def rotations(images):
    """Every image four times, turned by 0, 90, 180 and 270 degrees counterclockwise: [4 N, C, H, H], N by N.

    Raises: UserError if the images are not square.
    """
    height, width = images.shape.as_list()[2:]
    if height != width:
        raise UserError(f'rotations are told apart in square images only, these have {width}x{height} pixels')
    turned = [images, tf.transpose(tf.reverse(images, [3]), [0, 1, 3, 2]), tf.reverse(images, [2, 3]),
              tf.transpose(tf.reverse(images, [2]), [0, 1, 3, 2])]
    return tf.concat(turned, axis=0)


def rotation_entropy(logits):
    """Cross-entropy of telling which turn it is (Chen et al. 2019, "Self-supervised GANs via auxiliary rotation loss",
    equations 2 and 3), mean of the four of an image.

    Args:
        logits: Of the images of `rotations`, [4 N, 4].
    """
    count = tf.shape(logits)[0] // 4
    turns = tf.reshape(tf.tile(tf.range(4)[:, tf.newaxis], [1, count]), [-1])
    entropies = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=turns, logits=logits)
    return tf.reduce_mean(tf.reshape(entropies, [4, -1]), axis=0)[:, tf.newaxis]
