"""Losses by name against golden values: the criteria, their gradients, and the penalties against NumPy."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from tests.training.golden_latent import FILES
from training import loss_names
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
    assert covered == set(criteria.ADVERSARIAL) == set(loss_names.CRITERIA)
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
            np.testing.assert_allclose(np.broadcast_to(np.squeeze(value), expected.shape), expected, rtol=1e-6,
                                       atol=1e-6, err_msg=f'{scores}/{key}')


def test_all_golden_values_are_used():
    ref = FILES.arrays('losses')
    later = {key for key in ref if key.startswith('osgan/')}  # of a method that is not here
    assert set(ref) - ref.used == later


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
