"""Tests of training.loss: formulas on networks with known derivatives, published values, finite differences."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil
from dnnlib.tflib.autosummary import save_summaries
from tests.training.test_networks import IMAGES, LATENTS, create_discriminator, create_generator
from training import loss

NUM, SHAPE = 4, [2, 3, 5]  # samples; channels, height, width
NUM_LAYERS = 3
REALS = np.random.RandomState(0).randn(NUM, *SHAPE).astype(np.float32)
LABELS = np.float32(np.eye(3)[[0, 1, 2, 1]])


class LinearGenerator:
    """Images = scale * mean over layers of (w A), w = the latents in every layer; remembers its calls."""

    input_shapes = [[None, 6], [None, 3]]

    def __init__(self):
        self.matrix = np.random.RandomState(1).randn(6, int(np.prod(SHAPE))).astype(np.float32)
        self.scale = tf.Variable(1.5)
        self.calls = []  # (images, labels)

    def get_output_for(self, latents, labels, is_training, return_dlatents=False):
        assert is_training
        dlatents = tf.tile(latents[:, np.newaxis], [1, NUM_LAYERS, 1])
        images = self.scale * tf.matmul(tf.reduce_mean(dlatents, axis=1), self.matrix)
        images = tf.reshape(images, [latents.shape.as_list()[0]] + SHAPE)
        self.calls.append((images, labels))
        return (images, dlatents) if return_dlatents else images


class QuadraticDiscriminator:
    """Score = sum(c images^2) / 2, whose gradient at an image is c * image; remembers its calls."""

    c = np.random.RandomState(2).randn(*SHAPE).astype(np.float32) / 4

    def __init__(self):
        self.calls = []  # (images, labels)

    def get_output_for(self, images, labels, is_training):
        assert is_training
        self.calls.append((images, labels))
        return tf.reduce_sum(self.c * images ** 2, axis=[1, 2, 3])[:, np.newaxis] / 2


class TrainingSet:
    """Always gives the same labels."""

    def get_random_labels_tf(self, minibatch_size):
        return tf.constant(LABELS[:minibatch_size][::-1])


def scores_of(images):
    return (QuadraticDiscriminator.c * images ** 2).sum(axis=(1, 2, 3), keepdims=True)[:, :, 0, 0] / 2


def squared_gradients(images):
    return np.square(QuadraticDiscriminator.c * images).sum(axis=(1, 2, 3))


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def evaluate(session, name, **kwargs):
    """Values of (loss, reg, fakes of each generator call, images and labels of each discriminator call)."""
    G, D = LinearGenerator(), QuadraticDiscriminator()
    args = [G, D, TrainingSet(), NUM]
    if name.startswith('D_'):
        args += [tf.constant(REALS), tf.constant(LABELS)]
    value, reg = getattr(loss, name)(*args, **kwargs)
    session.run(tf.global_variables_initializer())
    assert value.shape.as_list() == [NUM, 1]
    result = session.run(dict(loss=value, reg=() if reg is None else reg, fakes=G.calls, judged=D.calls))
    result['reg'] = None if reg is None else result['reg']
    return result


@pytest.mark.parametrize('name, formula', [
    ('G_logistic', lambda f: -softplus(f)), ('G_logistic_ns', lambda f: softplus(-f)), ('G_wgan', lambda f: -f)])
def test_generator_losses(session, name, formula):
    result = evaluate(session, name)
    (fakes, labels), = result['fakes']
    np.testing.assert_allclose(result['loss'], formula(scores_of(fakes)), rtol=1e-4, atol=1e-5)
    assert result['reg'] is None
    np.testing.assert_array_equal(labels, LABELS[::-1])  # random ones of the dataset
    np.testing.assert_array_equal(result['judged'][0][1], labels)
    assert list(save_summaries(None)) == ['Loss/scores/fake']


@pytest.mark.parametrize('name, formula', [
    ('D_logistic', lambda f, q: softplus(f) + softplus(-q)), ('D_logistic_r1', lambda f, q: softplus(f) + softplus(-q)),
    ('D_logistic_r2', lambda f, q: softplus(f) + softplus(-q)), ('D_wgan', lambda f, q: f - q + 0.001 * q ** 2),
    ('D_wgan_gp', lambda f, q: f - q + 0.001 * q ** 2)])
def test_discriminator_losses(session, name, formula):
    result = evaluate(session, name)
    (fakes, labels), = result['fakes']
    np.testing.assert_allclose(result['loss'], formula(scores_of(fakes), scores_of(REALS)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(labels, LABELS)  # those of the reals
    assert all(np.array_equal(used, LABELS) for _images, used in result['judged'])
    means = save_summaries(None)
    assert means['Loss/scores/real'] == pytest.approx(scores_of(REALS).mean(), rel=1e-4)
    assert means['Loss/scores/fake'] == pytest.approx(scores_of(fakes).mean(), rel=1e-4)
    assert ('Loss/epsilon_penalty' in means) == ('wgan' in name)


def test_r1_is_the_squared_gradient_at_the_reals(session):
    result = evaluate(session, 'D_logistic_r1', gamma=7.0)
    np.testing.assert_allclose(result['reg'], 3.5 * squared_gradients(REALS), rtol=1e-4)
    means = save_summaries(None)
    assert means['Loss/gradient_penalty'] == pytest.approx(squared_gradients(REALS).mean(), rel=1e-4)


def test_r2_is_the_squared_gradient_at_the_fakes(session):
    result = evaluate(session, 'D_logistic_r2', gamma=7.0)
    np.testing.assert_allclose(result['reg'], 3.5 * squared_gradients(result['fakes'][0][0]), rtol=1e-4)


def test_gradient_penalty_is_taken_between_reals_and_fakes(session):
    result = evaluate(session, 'D_wgan_gp', wgan_lambda=5.0, wgan_target=2.0)
    fakes, mixed = result['fakes'][0][0], result['judged'][2][0]
    positions = ((mixed - REALS) / (fakes - REALS)).reshape(NUM, -1)
    np.testing.assert_allclose(positions, np.tile(np.median(positions, axis=1)[:, np.newaxis], [1, 30]), atol=1e-2)
    assert 0 <= positions.min() + 1e-2 and positions.max() <= 1.01 and np.ptp(positions[:, 0]) > 0.01
    norms = np.sqrt(squared_gradients(mixed))
    np.testing.assert_allclose(result['reg'], 5 / 4 * (norms - 2) ** 2, rtol=1e-3, atol=1e-4)
    means = save_summaries(None)
    assert means['Loss/mixed_norms'] == pytest.approx(norms.mean(), rel=1e-4)
    assert means['Loss/scores/mixed'] == pytest.approx(scores_of(mixed).mean(), rel=1e-4)


@pytest.mark.parametrize('shrink', [1, 2])
def test_path_length_regularization(session, monkeypatch, shrink):
    G = LinearGenerator()
    session.run(G.scale.initializer)
    noise = np.random.RandomState(5).randn(NUM // shrink, *SHAPE).astype(np.float32)
    normal = loss.random.normal

    def fixed(shape, **kwargs):  # the direction y is the only draw whose shape is a tensor
        return tf.constant(noise) if isinstance(shape, tf.Tensor) else normal(shape, **kwargs)

    monkeypatch.setattr(loss.random, 'normal', fixed)
    value, reg = loss.G_logistic_ns_pathreg(
        G, QuadraticDiscriminator(), TrainingSet(), NUM, pl_minibatch_shrink=shrink, pl_decay=0.1, pl_weight=3.0)
    gradient, = tf.gradients(reg, [G.scale])
    mean_var, = [var for var in tf.global_variables() if var.op.name.endswith('pl_mean')]
    assert mean_var not in tf.trainable_variables()
    assert value.shape.as_list() == [NUM, 1] and reg.shape.as_list() == [NUM // shrink]
    assert len(G.calls) == shrink  # with a shrunken minibatch, on new fakes
    session.run(tf.global_variables_initializer())

    # Each of the L layers receives the gradient scale / L * A y.
    rows = np.square(noise.reshape(NUM // shrink, -1).dot(G.matrix.T) / np.sqrt(15)).sum(axis=1)
    unit_lengths = np.sqrt(rows) / NUM_LAYERS
    lengths, mean = 1.5 * unit_lengths, 0
    for _ in range(2):
        actual_reg, actual_gradient = session.run([reg, gradient])
        moved = mean + 0.1 * (lengths.mean() - mean)
        np.testing.assert_allclose(actual_reg, 3 * (lengths - moved) ** 2, rtol=1e-4)
        slope = unit_lengths - 0.1 * unit_lengths.mean()  # through the running mean, too
        np.testing.assert_allclose(actual_gradient, (6 * (lengths - moved) * slope).sum(), rtol=1e-4)
        mean = moved
        assert session.run(mean_var) == pytest.approx(mean, rel=1e-5)
    means = save_summaries(None)
    assert means['Loss/pl_lengths'] == pytest.approx(lengths.mean(), rel=1e-4)
    assert 'Loss/pl_penalty' in means


def test_a_path_length_that_is_not_finite_leaves_the_mean_as_it_was(session, monkeypatch):
    lengths = tf.placeholder(tf.float32, [2])
    monkeypatch.setattr(loss, 'path_lengths', lambda *_args: lengths)
    _, reg = loss.G_logistic_ns_pathreg(LinearGenerator(), QuadraticDiscriminator(), TrainingSet(), NUM, pl_decay=0.5)
    mean_var, = [var for var in tf.global_variables() if var.op.name.endswith('pl_mean')]
    session.run(tf.global_variables_initializer())
    for values, mean in [([3, 5], 2), ([np.inf, 1], 2), ([np.nan, 1], 2), ([1, 3], 2)]:
        penalty = session.run(reg, {lengths: values})
        assert session.run(mean_var) == mean
        assert np.isfinite(penalty).all() == np.isfinite(values).all()  # the step itself is left out


def test_generator_loss_with_path_lengths_is_the_plain_one(session):
    result = evaluate(session, 'G_logistic_ns_pathreg')
    np.testing.assert_allclose(result['loss'], softplus(-scores_of(result['fakes'][0][0])), rtol=1e-4, atol=1e-5)


def test_direction_of_the_path_length_has_unit_energy_per_channel(session, monkeypatch):
    directions = []
    monkeypatch.setattr(loss, 'path_lengths', lambda images, dlatents, y: directions.append(y) or y[:, 0, 0, 0])
    loss.G_logistic_ns_pathreg(LinearGenerator(), QuadraticDiscriminator(), TrainingSet(), NUM)
    energy = np.mean([np.square(session.run(directions[0])).sum(axis=(2, 3)) for _ in range(100)])
    assert energy == pytest.approx(1, rel=0.1)


def directional_derivative(session, value, variables, step):
    """(by gradients, by central differences) in one random direction in all the variables."""
    rng = np.random.RandomState(3)
    start = session.run(variables)
    direction = [rng.randn(*x.shape) for x in start]
    gradients = tf.gradients(value, variables)
    gradients = session.run([tf.zeros(v.shape) if g is None else g for g, v in zip(gradients, variables)])
    values = []
    for sign in (1, -1):
        tfutil.set_vars({var: x + sign * step * d for var, x, d in zip(variables, start, direction)})
        values.append(session.run(value))
    by_gradients = sum(np.vdot(g, d) for g, d in zip(gradients, direction))
    return by_gradients, (np.float64(values[0]) - values[1]) / (2 * step)


def test_r1_has_the_published_values(session):
    reals = tf.constant(IMAGES, tf.float32)
    penalty = loss.gradient_penalty(create_discriminator().get_output_for(reals, None), reals)
    np.testing.assert_allclose(session.run(penalty), [
        0.105333, 0.107719, 0.083607, 0.082994, 0.096209, 0.096698, 0.075886, 0.088954], rtol=1e-4)


def test_path_lengths_have_the_published_values(session):
    images, dlatents = create_generator().get_output_for(
        tf.constant(LATENTS, tf.float32), None, truncation_psi=1, randomize_noise=False, return_dlatents=True)
    lengths = loss.path_lengths(images, dlatents, np.float32(np.random.RandomState(3).randn(4, 3, 16, 16) / 16))
    np.testing.assert_allclose(session.run(lengths), [3.518435, 3.367145, 3.982227, 3.921014], rtol=1e-4)


# The gradients of regularizers need second derivatives of all operations. Differences see them with smooth activations
# only: the derivative of lrelu jumps.
def test_gradient_of_r1_is_that_of_differences(session):
    D = create_discriminator(resolution=8, nonlinearity='swish')
    reals = tf.constant(IMAGES[:, :, ::2, ::2], tf.float32)
    penalty = loss.gradient_penalty(D.get_output_for(reals, None), reals)
    actual, expected = directional_derivative(session, tf.reduce_mean(penalty), list(D.trainables.values()), 3e-3)
    assert actual == pytest.approx(expected, rel=0.02)


def test_gradient_of_path_lengths_is_that_of_differences(session):
    G = create_generator(resolution=8, nonlinearity='swish', mapping_nonlinearity='swish')
    images, dlatents = G.get_output_for(
        tf.constant(LATENTS, tf.float32), None, truncation_psi=1, randomize_noise=False, return_dlatents=True)
    lengths = loss.path_lengths(images, dlatents, np.float32(np.random.RandomState(3).randn(4, 3, 8, 8) / 8))
    actual, expected = directional_derivative(session, tf.reduce_mean(lengths ** 2), list(G.trainables.values()), 3e-3)
    assert actual == pytest.approx(expected, rel=0.02)


def test_path_lengths_of_a_minibatch_of_one(session):
    _, regularization = loss.G_logistic_ns_pathreg(LinearGenerator(), QuadraticDiscriminator(), TrainingSet(), 1)
    tfutil.init_uninitialized_vars()
    assert session.run(regularization).shape == (1,)
