"""Losses of the methods that ADA is compared with, against NumPy: with D alone, and with one that augments."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from dnnlib.tflib.autosummary import save_summaries
from training import loss

NUM, SHAPE, STD = 4, [2, 4, 4], 0.25
RND = np.random.RandomState(0)
REALS = RND.randn(NUM, *SHAPE).astype(np.float32)
MATRIX = RND.randn(6, 32).astype(np.float32)
WEIGHT = RND.randn(32, 5).astype(np.float32) / 4
NO_LABELS = np.zeros([NUM, 0], np.float32)
SHIFTED = __name__ + '.shifted'


class Generator:
    """Images = scale * latents A; remembers its calls."""

    input_shapes = [[None, 6], [None, 0]]

    def __init__(self):
        self.scale, self.calls = tf.Variable(1.5), []

    def get_output_for(self, latents, labels, is_training, return_dlatents=False):
        assert is_training
        dlatents = tf.tile(latents[:, tf.newaxis], [1, 3, 1])
        images = tf.reshape(self.scale * tf.matmul(tf.reduce_mean(dlatents, axis=1), MATRIX), [-1] + SHAPE)
        images.set_shape([latents.shape.as_list()[0]] + SHAPE)
        self.calls.append(images)
        return (images, dlatents) if return_dlatents else images


class Discriminator:
    """Five scores: a smooth function of linear ones."""

    def get_output_for(self, images, labels, is_training, score_size=1):
        assert is_training and labels.shape.as_list()[1] == 0
        x = tf.matmul(tf.reshape(images, [-1, 32]), WEIGHT)
        return (x + tf.square(x) / 8)[:, :score_size]


class Augmented:
    """As training/methods/augmented.py: sees images with 0.5 added."""

    def __init__(self):
        self.pairs = []

    def augment(self, images, labels):
        return images + 0.5, labels

    def seen(self, images):
        return next(seen for given, seen in self.pairs if given is images)

    def get_output_for(self, images, labels, augment=True, **options):
        given = images
        if augment:
            images, labels = self.augment(images, labels)
            self.pairs.append((given, images))
        return Discriminator().get_output_for(images, labels, **options)


class TrainingSet:
    """Without labels."""

    def get_random_labels_tf(self, minibatch_size):
        return tf.zeros([minibatch_size, 0])


def shifted(images, labels, by):
    return images + by, labels


def scores(images, offset=0.0):
    """All five scores, [N, 5]."""
    x = (images + offset).reshape(len(images), 32) @ WEIGHT
    return x + x ** 2 / 8


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def squared_gradients(images, offset=0.0):
    slope = 1 + (images + offset).reshape(len(images), 32) @ WEIGHT[:, :1] / 4
    return (slope[:, 0] * np.linalg.norm(WEIGHT[:, 0])) ** 2


def entropies(images, offset):
    """Mean cross-entropy of the four turns of each image, [N, 1]."""
    found = []
    for k in range(4):
        logits = scores(np.rot90(images, k, axes=(2, 3)), offset)[:, 1:]
        found.append(-np.log(np.exp(logits[:, k]) / np.exp(logits).sum(axis=1)))
    return np.mean(found, axis=0)[:, np.newaxis]


def evaluate(session, function, D, *args, **options):
    """(G, loss tensor, values of loss, regularization, fakes of each call of G)."""
    G = Generator()
    value, reg = function(G, D, TrainingSet(), NUM, *args, **options)
    assert value.shape.as_list() == [NUM, 1]
    session.run(tf.global_variables_initializer())
    return (G, value) + tuple(session.run([value, reg, G.calls]))


def check_noise(fakes, near):
    """The latents differ by normal noise."""
    noise = (near - fakes).reshape(NUM, -1) / 1.5 @ np.linalg.pinv(MATRIX)
    assert noise.std() == pytest.approx(STD, rel=0.5) and abs(noise.mean()) < STD


@pytest.mark.parametrize('offset', [0.0, 0.5])
def test_discriminator(session, offset):
    D = Augmented() if offset else Discriminator()
    _, _, value, reg, (fakes, near) = evaluate(
        session, loss.D_compared, D, tf.constant(REALS), tf.constant(NO_LABELS), gamma=3.0, r2_gamma=5.0,
        bcr_real_weight=0.1, bcr_fake_weight=0.2, bcr_augment=dict(func_name=SHIFTED, by=0.25), zcr_dis_weight=0.3,
        zcr_noise_std=STD, auxrot_beta=0.4)
    f, q = scores(fakes, offset)[:, :1], scores(REALS, offset)[:, :1]
    check_noise(fakes, near)
    wanted = softplus(f) + softplus(-q) + 0.1 * (scores(REALS, offset + 0.25)[:, :1] - q) ** 2
    wanted += 0.2 * (scores(fakes, offset + 0.25)[:, :1] - f) ** 2 + 0.3 * (scores(near)[:, :1] - f) ** 2
    wanted += 0.4 * entropies(REALS, offset)
    np.testing.assert_allclose(value, wanted, rtol=1e-4)
    wanted = 1.5 * squared_gradients(REALS, offset) + 2.5 * squared_gradients(fakes, offset)
    np.testing.assert_allclose(reg, wanted, rtol=1e-4)
    means = save_summaries(None)
    assert means['Loss/scores/real'] == pytest.approx(q.mean(), rel=1e-4)
    penalties = (scores(REALS, offset + 0.25)[:, :1] - q) ** 2
    assert means['Loss/bcr_penalty/real'] == pytest.approx(penalties.mean(), rel=1e-3)
    assert set(means) == {'Loss/scores/' + kind for kind in ('real', 'fake', 'real_bcr', 'fake_bcr', 'fake_zcr')} | {
        'Loss/bcr_penalty/real', 'Loss/bcr_penalty/fake', 'Loss/zcr_dis_penalty', 'Loss/r2_penalty',
        'Loss/rotation_entropy/real', 'Loss/gradient_penalty'}


@pytest.mark.parametrize('offset', [0.0, 0.5])
def test_generator(session, offset):
    D = Augmented() if offset else Discriminator()
    _, _, value, reg, (fakes, near, _) = evaluate(
        session, loss.G_compared, D, zcr_gen_weight=0.1, zcr_noise_std=STD, auxrot_alpha=0.2, pl_weight=3.0)
    check_noise(fakes, near)
    distance = np.square(fakes - near).reshape(NUM, -1).mean(axis=1)[:, np.newaxis]
    wanted = softplus(-scores(fakes, offset)[:, :1]) - 0.1 * distance + 0.2 * entropies(fakes, offset)
    np.testing.assert_allclose(value, wanted, rtol=1e-4)
    assert reg.shape == (NUM // 2,)
    assert {'Loss/pl_penalty', 'Loss/zcr_gen_penalty', 'Loss/rotation_entropy/fake'} <= set(save_summaries(None))


def test_near_latents_are_driven_apart(session):
    G, value, *_ = evaluate(session, loss.G_compared, Discriminator(), zcr_gen_weight=20.0)
    assert session.run(tf.gradients(value, G.scale)[0]) < 0  # a larger scale is worth more than its scores cost


def test_without_weights_they_are_the_published_losses(session):
    _, _, value, reg, (fakes,) = evaluate(
        session, loss.D_compared, Discriminator(), tf.constant(REALS), tf.constant(NO_LABELS), gamma=3.0)
    np.testing.assert_allclose(value, softplus(scores(fakes)[:, :1]) + softplus(-scores(REALS)[:, :1]), rtol=1e-4)
    np.testing.assert_allclose(reg, 1.5 * squared_gradients(REALS), rtol=1e-4)
    _, _, value, _, (fakes, _) = evaluate(session, loss.G_compared, Discriminator())
    np.testing.assert_allclose(value, softplus(-scores(fakes)[:, :1]), rtol=1e-4)


def test_balanced_consistency_needs_an_augmentation(session):
    with pytest.raises(UserError, match='D_loss.bcr_augment is missing'):
        evaluate(session, loss.D_compared, Discriminator(), tf.constant(REALS), tf.constant(NO_LABELS),
                 bcr_real_weight=1.0)
