"""OSGAN's gradients and DCGAN's networks against golden values of the published program; small trainings."""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import UserError
from tests.training.golden_files import network
from tests.training.golden_latent import FILES
from tests.training.methods.test_progan import train
from tests.training.methods.test_toy_methods import variables
from training import adversarial, loss_names
from training.methods import osgan
from training.terms import criteria

SCOPES = ('4x4', '8x8', '16x16', '32x32', '64x64')
LOSSES = dict(asym=('logistic_ns', 'group'), sym=('logistic_saturating', 'batch'),
              sym_gn=('logistic_saturating', 'group'), wgan=('wgan', 'batch'))


def names_of(ref, net):
    """{local name: name in PyTorch}."""
    found = {}
    for key in ref:
        if key.startswith(net + ':'):
            layer, kind = key[2:].split('.')
            number = int(layer[len('deconv' if net == 'G' else 'conv')])
            scope = SCOPES[number - 1] if net == 'G' else SCOPES[-number]
            kind = 'Norm/' + dict(weight='gamma', bias='beta')[kind] if layer.endswith(('_bn', '_gn')) else kind
            found[f'{scope}/{kind}'] = key[2:]
    return found


def swapped(value):
    """A kernel in the other layout: all convolutions' are transposed alike."""
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value


def make_networks(ref, norm):
    """G and D of the fixture; D with this normalization."""
    found = []
    for net, options in (('G', dict(latent_size=8)), ('D', dict(norm=norm))):
        values = {local: swapped(ref[f'{net}:{name}']) for local, name in names_of(ref, net).items()}
        for local in [local for local in values if local.endswith('gamma') and (net == 'G' or norm == 'batch')]:
            shape = values[local].shape
            values.update({local.replace('gamma', 'moving_mean'): np.zeros(shape),
                           local.replace('gamma', 'moving_variance'): np.ones(shape)})
        found.append(network(net, osgan.NETWORKS[net], values, num_channels=1, resolution=64, fmaps=16, **options))
    return found


def check_gradients(found, ref, case, net, sign=1):
    """Compares gradients, {local name: array}, with those of a case."""
    for local, name in names_of(ref, net).items():
        key, value = f'{case}/{net}_grad', found[local]
        value = sign * (value.transpose(3, 2, 0, 1) if value.ndim == 4 else value)
        if net == 'D' and case not in ('asym', 'sym_gn'):
            name = name.replace('_gn', '_bn')
        if f'{key}:{name}' in ref:
            expected = ref[f'{key}:{name}']
        else:
            expected, norm = ref[f'{key}_rows4:{name}'], np.linalg.norm(value.astype(np.float64))
            FILES.near(norm, ref[f'{key}_l2:{name}'], rtol=1e-4)
            value = value[:4]
        FILES.near(value, expected, rtol=0, atol=max(1e-4 * np.abs(expected).max(), 1e-5), err_msg=name)


def difference(found, others):
    """Largest difference of gradients, relative to the largest entry or 1/1000."""
    return max(np.abs(found[name] - other).max() / max(np.abs(other).max(), 1e-3) for name, other in others.items())


@pytest.mark.parametrize('case', sorted(LOSSES))
def test_one_stage(session, case, monkeypatch):
    """Losses, scores and gradients are the published ones, and those of two stages where that is so."""
    ref, (terms, norm), seen = FILES.arrays('osgan_dcgan_r64_d16'), LOSSES[case], {}
    G, D = make_networks(ref, norm)
    labels, together = tf.zeros([4, 0]), case == 'wgan'
    reals = tf.constant(np.float32(ref['reals_uint8'] / 127.5 - 1))
    fakes = G.get_output_for(tf.constant(ref['latents'][:, :, 0, 0]), labels, is_training=True)
    monkeypatch.setattr(adversarial, '_draw', lambda *_args: adversarial.Drawn(fakes, labels))
    monkeypatch.setattr(adversarial, 'autosummary', lambda tag, value: seen.setdefault(tag.rpartition('/')[2], value))
    loss = tf.reduce_mean(adversarial.one_stage_loss(G, D, 4, reals, labels, (terms, terms), together)[0])
    both = {net.name: (net, list(net.trainables.values())) for net in (G, D)}
    one = {name: dict(zip(net.trainables, tf.gradients(loss, trained))) for name, (net, trained) in both.items()}

    def judge(images):
        return D.get_output_for(images, tf.zeros([tf.shape(images)[0], 0]), is_training=True)
    real, fake = tf.split(judge(tf.concat([reals, fakes], axis=0)), 2) if together else (judge(reals), judge(fakes))
    loss_of = criteria.ADVERSARIAL[terms]
    totals = dict(D=tf.reduce_mean(criteria.D_loss(loss_of, real, fake)) / (1 + together),
                  G=tf.reduce_mean(criteria.G_loss(loss_of, fake)) / (1 + together))
    two = {name: dict(zip(net.trainables, tf.gradients(totals[name], trained)))
           for name, (net, trained) in both.items()}
    found = session.run(dict(
        loss=loss, one=one, two=two, totals=totals, scores=[seen['real'], seen['fake']], fakes=fakes,
        slope=tf.gradients(loss, fakes)[0], ratio=seen['ratio']))
    reals_scores, fake_scores = (scores[:, 0].astype(np.float64) for scores in found['scores'])
    cases = [case, 'asym_simple'] if case == 'asym' else [case]
    for name in cases:
        check_losses(found, ref, name, reals_scores, fake_scores)
    if case == 'asym':
        FILES.near(found['fakes'], ref['asym/fake'], atol=1e-5)
    if case + '/fake_grad' in ref:
        expected = ref[case + '/fake_grad']  # before the sign is changed for WGAN
        np.testing.assert_allclose(found['slope'] * (-1 if together else 1), expected, rtol=0,
                                   atol=1e-4 * np.abs(expected).max())
    if case != 'sym_gn':
        check_gradients(found['one']['G'], ref, case, 'G')
        check_gradients(found['one']['D'], ref, case, 'D')
    for name in cases:
        limit = dict(G=ref[name + '/max_rel_G'], D=ref[name + '/max_rel_D'])
        # 1e-5 at most in biases in front of a norm, whose true gradient is 0
        assert limit['D'] == 0 and difference(found['one']['D'], found['two']['D']) < 0.01
        apart = difference(found['one']['G'], found['two']['G'])
        if together:
            np.testing.assert_allclose(apart, limit['G'], rtol=1e-3)  # they are other gradients
        else:
            assert limit['G'] < 0.001 and apart < 0.01


def softplus(x):
    return np.logaddexp(0, x)


def check_losses(found, ref, case, real, fake):
    """Compares scores and losses, also that which the published program calls packed; of a case."""
    def close(name, value):
        FILES.near(value, ref[f'{case}/{name}'], rtol=1e-4, atol=1e-5, err_msg=name)
    close('scores_real', real)
    close('scores_fake', fake)
    close('two_stage_loss_d', found['totals']['D'])
    close('two_stage_loss_g', found['totals']['G'])
    if case == 'wgan':
        close('total', found['loss'])
        np.testing.assert_array_equal(found['ratio'], -1)
        return
    close('loss_real', softplus(-real).mean())
    if not case.startswith('asym'):
        close('loss_fake', softplus(fake).mean())
        close('total', found['loss'])
        np.testing.assert_array_equal(found['ratio'], -1)
        return
    ratio = found['ratio'][:, 0]
    close('gamma', ratio)
    close('loss_fake', softplus(fake))
    close('loss_g', softplus(-fake))
    packed = softplus(-real).mean() + ((softplus(fake) - softplus(-fake)) / (1 - ratio)).mean()
    close('total', packed if case == 'asym' else found['loss'])


def test_ratios_of_all_losses(session):
    """What is known of them in closed form, and limits; one stage and two have the same gradients of a score."""
    scores = np.float32([[-200.0], [-3.0], [0.0], [0.5], [4.0]])
    s = scores.astype(np.float64)
    known = dict(logistic_ns=-np.exp(-s), logistic_saturating=-1 + 0 * s, wgan=-1 + 0 * s, lsgan_sigmoid=-np.exp(-s))
    for name in loss_names.ONE_STAGE:
        loss, tensor = loss_names.parse(name, 'D'), tf.constant(scores)
        ratio = session.run(adversarial.score_ratio(loss, loss, tensor))
        assert np.isfinite(ratio).all() and np.abs(ratio).max() <= adversarial.MAX_RATIO
        if name.startswith('lsgan') and name != 'lsgan_sigmoid':
            nonzero = s != 0
            np.testing.assert_allclose(ratio[nonzero], (s[nonzero] - 1) / s[nonzero], rtol=1e-5)
        else:
            np.testing.assert_allclose(ratio[1:], known[name][1:], rtol=1e-4)


def options_of(clip=None, **more):
    """Options of a small training of 8x8 pixels."""
    adam = dict(tf_optimizer='dnnlib.tflib.optimizers.Adam', beta1=0.5, beta2=0.999)
    method = dict(func_name='training.methods.osgan.osgan', G_args=dict(fmaps=4, latent_size=6),
                  D_args=dict(fmaps=4, norm='group'), G_opt_args=adam, D_opt_args=adam, clip=clip)
    return dict(method_args=dict(method, **more), sched_args=dict(
        minibatch_size_base=8, minibatch_gpu_base=4, tick_kimg_dict={}, tick_kimg_base=0.008))


def test_resumed_to_the_same_bits(tmp_path):
    """Two rounds, batch norm in G, clipped variables of D, penalties; the second stage in the same training."""
    terms = dict(G_loss_args=dict(terms='logistic_ns'), D_loss_args=dict(terms='logistic_ns+r1+gp'))
    whole, parts, two = (tmp_path / name for name in ('whole', 'parts', 'two'))
    options = options_of(0.05, Gs_kimg=0.01, **terms)
    assert train(whole, 0.024, {}, **options) == 0
    folders = sorted((whole / 'state').iterdir())
    assert train(parts, 0.024, {}, resume_state=str(folders[0]), **options) == 0
    before, expected, found = (variables(whole, path) for path in (folders[0], folders[-1], None))
    found = variables(parts)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
        if name.startswith(('G/', 'D/')):
            assert np.abs(value - before[name]).max() > 0, name
        if name.startswith('D/') and 'Train' not in name:
            assert np.abs(value).max() <= 0.05
    ticks = [json.loads(line) for line in open(str(whole / 'stats.jsonl'))]
    assert all(np.isfinite(tick['Loss/D']) and tick['Loss/ratio'] < 0 for tick in ticks)
    assert train(two, 0.016, {}, **options_of(num_stages=2)) == 0
    assert 'Loss/G' in json.loads(open(str(two / 'stats.jsonl')).readline())


def test_what_is_refused_and_what_is_said(capsys):
    def check(norm, G='logistic_ns', D='logistic_ns', **more):
        osgan.check_one_stage(osgan.Options(G_loss_args=dict(terms=G), D_loss_args=dict(terms=D), **more), norm)
    for pair, text in ((dict(D='hinge'), "'hinge' of D: hinge needs two stages; give --stages=2, or one of logis"),
                       (dict(G='rals'), "'rals' of G: rals needs two stages"),
                       (dict(D='logistic_ns+ac'), 'the term ac of D needs --stages=2')):
        with pytest.raises(UserError, match=text):
            check('group', **pair)
    for term in ('r1', 'drift'):
        with pytest.raises(UserError, match=f'the term {term} of D would train G as well; leave it out, or give --set'):
            check('batch', G='wgan', D='wgan+' + term, together=True)
    check('layer', G='wgan', D='wgan+r1+drift', together=True)
    check('group')
    check('batch', G='logistic_saturating')
    check('batch', G='wgan', D='wgan')
    assert capsys.readouterr().out == ''
    for more in (dict(), dict(G='wgan', D='wgan', together=True)):
        check('batch', **more)
        assert 'G is not trained by the gradient of its loss; --set D.norm=group' in capsys.readouterr().out


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'methods/test_osgan.py')
