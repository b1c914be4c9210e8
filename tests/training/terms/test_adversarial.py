"""Losses by name against golden values: the criteria, their gradients, and the penalties against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from tests.training.golden_latent import FILES
from training import adversarial, loss_names
from training.terms import criteria, penalties

# Name in the golden values, where it is not ours: our name of D's loss, of G's loss, and what is added to D's.
CALLED = {
    'logistic_ns_smooth0.7': ('logistic_ns:0.7', 'logistic_ns', 0), 'lsgan_smooth0.9': ('lsgan:0.9', 'lsgan', 0),
    'logistic_ns_smooth0.9': ('logistic_ns:0.9', 'logistic_ns', 0), 'wgan_drift0.001': ('wgan', 'wgan', 0.001),
    'logistic_ns_smooth0.9_g0.9': ('logistic_ns:0.9', 'logistic_ns:0.9', 0),
    'rals_target0.9': ('rals:0.9', 'rals:0.9', 0), 'lsgan_of_mean_bmsg': ('lsgan_of_mean',) * 2 + (0,),
    'lsgan_sigmoid_of_mean_bmsg': ('lsgan_sigmoid_of_mean',) * 2 + (0,)}


def test_every_criterion_and_its_gradients(session):
    ref, wanted = FILES.arrays('losses'), {}
    names = [str(name) for name in ref['criteria']]
    covered = {loss_names.parse(CALLED.get(name, (name,))[0], 'D').criterion for name in names}
    assert covered | {'rlsgan', 'rhinge'} == set(criteria.ADVERSARIAL) == set(loss_names.CRITERIA)
    real, fake = (tf.placeholder(tf.float64, [None, 1]) for _ in range(2))
    for name in names:
        D_name, G_name, drift = CALLED.get(name, (name, name, 0))
        D, G = loss_names.parse(D_name, 'D'), loss_names.parse(G_name, 'G')
        D_loss = tf.reduce_mean(criteria.D_loss(criteria.ADVERSARIAL[D.criterion], real, fake, D.target))
        D_loss += drift * tf.reduce_mean(criteria.drift(real))
        G_loss = tf.reduce_mean(criteria.G_loss(
            criteria.ADVERSARIAL[G.criterion], fake, real if G.needs_reals else None, G.target))
        for network, loss in (('D', D_loss), ('G', G_loss)):
            gradients = tf.gradients(loss, [real, fake])
            for key, value in zip(('loss', 'grad_real', 'grad_fake'), [loss] + gradients):
                wanted[f'{name}/{network}_{key}'] = tf.zeros([]) if value is None else value
    for scores in ref['sets']:
        found = session.run(wanted, {x: ref[f'{scores}/{kind}'][:, np.newaxis] for x, kind in (
            (real, 'real'), (fake, 'fake'))})
        for key, value in found.items():
            expected = ref[f'{scores}/{key}']
            FILES.near(np.broadcast_to(np.squeeze(value), expected.shape), expected, rtol=1e-6, atol=1e-6,
                       err_msg=f'{scores}/{key}')


def test_ratios_of_one_stage(session):
    """Where D's gradient is 0, beyond the edge of a hinge, there is none."""
    ref = FILES.arrays('losses')
    scores = tf.constant(ref['osgan/s'][:, np.newaxis])
    for key, name in (('wgan', 'wgan'), ('saturating', 'logistic_saturating'), ('logistic_ns', 'logistic_ns'),
                      ('lsgan', 'lsgan'), ('hinge', 'hinge')):
        losses = [loss_names.parse(name, network) for network in 'GD']
        found, expected = session.run(adversarial.score_ratio(*losses, scores))[:, 0], ref['osgan/gamma_' + key]
        known = np.isfinite(expected)
        assert known.sum() > 10 and (found[~known] == 0).all()
        FILES.near(np.where(known, found, expected), expected, rtol=1e-6)


def test_pairs_of_squares_and_hinges(session):
    """The values that no program gives: differences of a real and a fake (Jolicoeur-Martineau 2019, section 4)."""
    real, fake = np.random.RandomState(0).randn(2, 5, 1)
    tensors = tf.constant(real), tf.constant(fake)
    for name, worth in (('rlsgan', lambda s: (s - 0.9) ** 2), ('rhinge', lambda s: np.maximum(1 - s, 0))):
        loss, target = criteria.ADVERSARIAL[name], 0.9 if name in loss_names.SMOOTHED else 1
        found = (criteria.D_loss(loss, *tensors, target=target), criteria.G_loss(loss, *tensors[::-1], target=target))
        for sign, value in zip((1, -1), found):
            def expected(r, f):
                return worth(sign * (r - f))
            np.testing.assert_allclose(session.run(value), expected(real, fake))
            gradients = session.run(tf.gradients(value, tensors))
            step = 1e-6
            for gradient, moved in zip(gradients, ((step, 0), (0, step))):
                up, down = (expected(real + factor * moved[0], fake + factor * moved[1]) for factor in (1, -1))
                np.testing.assert_allclose(gradient, (up - down) / (2 * step), atol=1e-6)


class Square:
    """D whose score is a x + b x^2 / 2 in every pixel, with logits c sum(x), all placeholders."""

    num_inputs, option_names = 1, ()

    def __init__(self, values):
        self.trainables = {name: tf.placeholder(tf.float64, value.shape) for name, value in values.items()}

    def get_output_for(self, images):
        scores = images * self.trainables['a'] + tf.square(images) * self.trainables['b'] / 2
        sums = tf.reduce_sum(images, axis=[1, 2, 3])[:, tf.newaxis]
        return tf.reduce_sum(scores, axis=[1, 2, 3])[:, tf.newaxis], sums * self.trainables['c']


RNG = np.random.RandomState(3)
REALS, FAKES, NOISE, SHARES = RNG.randn(4, 1, 2, 3), RNG.randn(4, 1, 2, 3), RNG.rand(4, 1, 2, 3), RNG.rand(4, 1, 1, 1)
LABELS = np.eye(3)[[0, 2, 1, 1]]
START = dict(a=RNG.randn(1, 2, 3), b=RNG.randn(1, 2, 3), c=RNG.randn(3), kernel=RNG.randn(3, 3, 2, 4))


def cross_entropy(v, x):
    logits = x.sum(axis=(1, 2, 3))[:, np.newaxis] * v['c']
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - (logits * LABELS).sum(axis=1))


def norms(v, x):
    return np.sqrt(np.square(v['a'] + v['b'] * x).sum(axis=(1, 2, 3)))


def products(v, fan_in):
    gram = v['kernel'].reshape(-1, 4).T @ v['kernel'].reshape(-1, 4) / fan_in
    return 0.5 * (gram ** 2).sum() - 0.5 * (np.diag(gram) ** 2).sum()


MIXED, NEAR = REALS + SHARES * (FAKES - REALS), REALS + SHARES * 0.5 * REALS.std() * NOISE
EXPECTED = {  # what each term adds, in NumPy
    'r1:3': lambda v: np.mean(1.5 * norms(v, REALS) ** 2), 'r2:3': lambda v: np.mean(1.5 * norms(v, FAKES) ** 2),
    'gp:3:2': lambda v: np.mean(3 * (norms(v, MIXED) / 2 - 1) ** 2),
    'lp:3:2': lambda v: np.mean(3 * np.maximum(norms(v, MIXED) / 2 - 1, 0) ** 2),
    'dragan:3': lambda v: np.mean(3 * (norms(v, NEAR) - 1) ** 2),
    'drift:3': lambda v: np.mean(3 * np.square((v['a'] * REALS + v['b'] * REALS ** 2 / 2).sum(axis=(1, 2, 3)))),
    'orthogonal:3': lambda v: 3 * products(v, 18), 'ac_reals:3': lambda v: 3 * cross_entropy(v, REALS),
    'ac:3': lambda v: 3 * (cross_entropy(v, REALS) + cross_entropy(v, FAKES))}


def test_every_term_and_its_gradient(session, monkeypatch):
    """Value against NumPy, gradient against its differences, in every weight."""
    assert {text.split(':')[0] for text in EXPECTED} == {
        name for name, of in loss_names.TERMS.items() if 'D' in of.losses}
    monkeypatch.setattr(adversarial, '_draw', lambda *_args: adversarial.Drawn(tf.constant(FAKES), tf.constant(LABELS)))
    monkeypatch.setattr(adversarial.random, 'uniform', lambda shape: tf.constant(
        SHARES if isinstance(shape, list) else NOISE))
    D, wanted = Square(START), {}
    inputs = dict(G=None, D=D, training_set=None, minibatch_size=4, reals=tf.constant(REALS),
                  labels=tf.constant(LABELS))

    def total(text, **more):
        loss = adversarial.D_loss(terms=text, **dict(inputs, **more))
        return tf.add_n([tf.reduce_mean(part) for part in loss if part is not None])
    plain = total('wgan')
    for text in EXPECTED:
        value = total('wgan+' + text) - plain
        wanted[text] = [value] + tf.gradients(value, list(D.trainables.values()), unconnected_gradients='zero')
    wanted['plain kernels'] = total('wgan+orthogonal:3', equalized=False) - plain
    found = session.run(wanted, {D.trainables[name]: value for name, value in START.items()})
    np.testing.assert_allclose(found.pop('plain kernels'), 3 * products(START, 1))
    for text, (value, *gradients) in found.items():
        np.testing.assert_allclose(value, EXPECTED[text](START), err_msg=text)
        for name, gradient in zip(START, gradients):
            direction = np.random.RandomState(5).randn(*START[name].shape)
            up, down = (EXPECTED[text](dict(START, **{name: START[name] + step * direction})) for step in (1e-6, -1e-6))
            np.testing.assert_allclose((gradient * direction).sum(), (up - down) / 2e-6, atol=1e-5, rtol=1e-6,
                                       err_msg=f'{text} {name}')


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'terms/test_adversarial.py')


@pytest.mark.parametrize('text, network, message', [
    ('rels', 'D', "unknown criterion 'rels'; did you mean rals[?]"),
    ('hinge:0.9', 'D', 'a target such as :0.9 is for'),
    ('hinge+r3', 'D', "unknown term 'r3'; the loss of D can have r1, r2,"),
    ('hinge+r1', 'G', 'the loss of G can have orthogonal, ac, pl'),
    ('hinge+r1+r1', 'D', "twice the term 'r1'"), ('hinge+r1:x', 'D', "expected a number of at least 0, got 'x'"),
    ('hinge+r1:1:2', 'D', 'too many numbers after r1'), ('hinge+gp:1:0', 'D', 'must be above 0'),
    ('rals:nan', 'D', "expected a number of at least 0, got 'nan'")])
def test_bad_names(text, network, message):
    with pytest.raises(UserError, match=message):
        loss_names.parse(text, network)


def test_names_are_read_and_written():
    loss = loss_names.parse('rals:0.9+r1+gp:5:750', 'D', {'r1': 2})
    assert loss == ('rals', 0.9, {'r1': (2, 1), 'gp': (5, 750)}) and loss.needs_reals
    assert loss_names.write(loss) == 'rals:0.9+r1:2+gp:5:750'
    assert loss_names.partner('lsgan', 0.9) == 'lsgan' and loss_names.partner('rals', 0.9) == 'rals:0.9'
    assert not loss_names.parse('hinge', 'G').needs_reals


def test_penalties(session):
    rng = np.random.RandomState(0)
    norms, x = rng.rand(6).astype(np.float32) * 2, rng.randn(2, 3, 4, 4).astype(np.float32)
    kernel = rng.randn(3, 3, 2, 5)
    shares, noise = rng.rand(2, 1, 1, 1).astype(np.float32), rng.rand(2, 3, 4, 4).astype(np.float32)
    found = session.run([
        penalties.norm_penalty(norms, 1.5, 4.0), penalties.one_sided_penalty(norms, 1.5, 4.0),
        penalties.surroundings(tf.constant(x), shares, noise), penalties.orthogonality(tf.constant(kernel))])
    expected = 4 * (norms / 1.5 - 1) ** 2
    gram = kernel.reshape(-1, 5).T @ kernel.reshape(-1, 5)
    for value, other in zip(found, [expected, np.where(norms > 1.5, expected, 0), x + shares * 0.5 * x.std() * noise,
                                    0.5 * (gram ** 2).sum() - 0.5 * (np.diag(gram) ** 2).sum()]):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)
