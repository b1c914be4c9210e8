"""What BigBiGAN's scores are worth (Donahue and Simonyan 2019, equations 4 to 6), with the means of its notebook."""

import tensorflow.compat.v1 as tf

from training.terms.criteria import D_HINGE


def D_loss(encoded_scores, drawn_scores):
    """The discriminator's: the hinge of all scores, each a judge of its own.

    Args:
        encoded_scores: Scores of images with their encodings, [N, scores].
        drawn_scores: Scores of drawn images with their latents, [N, scores].
    Returns: Scalar.
    """
    return tf.reduce_mean(D_HINGE.real(encoded_scores)) + tf.reduce_mean(D_HINGE.fake(drawn_scores))


def E_loss(encoded_scores):
    """The encoder's, a scalar: the mean of the scores of images with their encodings."""
    return tf.reduce_mean(encoded_scores)


def G_loss(drawn_scores):
    """The generator's, a scalar: minus the mean of the scores of drawn images with their latents."""
    return -tf.reduce_mean(drawn_scores)
