"""What a translation must keep: the image itself, its way back, and what a discriminator sees in it.

Images and feature maps have the minibatch first, float32; results are [N], without weight.
"""

import tensorflow.compat.v1 as tf


def difference(images, others):
    """Mean absolute difference of two images.

    From the true translation it is pix2pix's L1 term (Isola et al. 2017, equation 3); from the image translated there
    and back CycleGAN's cycle consistency (Zhu et al. 2017, equation 2), and of images that already are in the target
    domain from their translations its identity term (the same, section 5.2).
    """
    return tf.reduce_mean(tf.abs(images - others), axis=[1, 2, 3])


def feature_matching(fakes, reals):
    """Sum over layers of the difference of what a discriminator sees in fakes and in reals (Wang et al. 2018, eq. 4).

    Args:
        fakes, reals: Lists of feature maps of one discriminator; no gradient flows to those of the reals.
    """
    return tf.add_n([difference(fake, tf.stop_gradient(real)) for fake, real in zip(fakes, reals)])
