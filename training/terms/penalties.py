"""What keeps adversarial training stable and smooth: penalties on gradients of D and of G.

Images are [N, C, H, W] float32, penalties are [N], one number per image, without weight.
"""

import tensorflow.compat.v1 as tf

from dnnlib import tflib

SMALLEST_SQUARE = 1e-30  # of the norm of a gradient


def gradient_penalty(scores, images):
    """D's squared gradient at the images, summed per image: [N] (Mescheder et al. 2018, equation 9).

    Half of it at the reals is R1, half of it at the fakes is R2.

    Args:
        scores: [N, 1], a function of the images; that of one image must not depend on the others.
        images: [N, C, H, W]; of a pyramid a list of them, and the mean over its sizes is returned.
    """
    several = images if isinstance(images, (list, tuple)) else [images]
    squares = [tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])
               for gradients in tf.gradients(tf.reduce_sum(scores), several)]
    return tf.add_n(squares) / len(squares) if len(squares) > 1 else squares[0]


def mixtures(reals, fakes, shares):
    """Points on the lines between reals and fakes, where D's gradient is penalized (Gulrajani et al. 2017, section 4).

    Args:
        reals, fakes: [N, C, H, W].
        shares: Share of the fake in each image, in [0, 1], [N, 1, 1, 1].
    Returns: [N, C, H, W], type of the fakes.
    """
    return tflib.lerp(tf.cast(reals, fakes.dtype), fakes, shares)


def norm_penalty(norms, target=1.0, weight=1.0):
    """How far norms of gradients are from a target: weight * (|g| / target - 1)^2 (Gulrajani et al. 2017, equation 3).

    Args:
        norms: |g|, [N].
        target: Norm that costs nothing, > 0; 1 is what the Wasserstein distance asks for.
        weight: Lambda of the equation.
    """
    return tf.square(norms - target) * (weight / target ** 2)


def gradient_norms(scores, images):
    """|g|, [N], of D's gradient at the images; where that is zero, its own gradient is zero as well, not NaN.

    Arguments as of `gradient_penalty`.
    """
    return tf.sqrt(tf.maximum(gradient_penalty(scores, images), SMALLEST_SQUARE))


def one_sided_penalty(norms, target=1.0, weight=1.0):
    """As `norm_penalty`, but norms below the target cost nothing (Petzka et al. 2018, equation 8)."""
    return norm_penalty(tf.maximum(norms, target), target, weight)


def surroundings(reals, shares, noise):
    """Points near reals where D's gradient is penalized (Kodali et al. 2017, algorithm 1, and its program).

    Args:
        reals: [N, C, H, W].
        shares: How far toward the noisy image, in [0, 1], [N, 1, 1, 1].
        noise: U(0, 1) like the reals; it is added, times half the standard deviation of all reals.
    Returns: [N, C, H, W].
    """
    _, variance = tf.nn.moments(reals, axes=[0, 1, 2, 3])
    return reals + shares * (0.5 * tf.sqrt(variance)) * noise


def path_lengths(images, dlatents, pl_noise):
    """How far an image moves in a random direction for a unit step in W: [N] (StyleGAN2, section 3.2).

    Args:
        images: [N, C, H, W], a function of the dlatents.
        dlatents: [N, layers, dlatent_size].
        pl_noise: Direction y like the images, N(0, 1) / sqrt(H W).
    """
    gradients, = tf.gradients(tf.reduce_sum(images * pl_noise), [dlatents])  # J^T y
    return tf.sqrt(tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=2), axis=1))


def path_length_penalty(lengths, mean):
    """Squared distance of path lengths [N] from their running mean (scalar): [N] (StyleGAN2, equation 4)."""
    return tf.square(lengths - mean)


def orthogonality(weight):
    """Half the sum of squared products of different columns of a weight (Brock et al. 2019, equation 3), a scalar.

    Its gradient is the one that BigGAN's program adds. Args: weight: [..., columns].
    """
    matrix = tf.reshape(weight, [-1, weight.shape.as_list()[-1]])
    products = tf.matmul(matrix, matrix, transpose_a=True)
    return 0.5 * tf.reduce_sum(tf.square(products - tf.linalg.diag(tf.linalg.diag_part(products))))
