"""Losses of translation against the published programs: criteria of score maps, contrast of patches, and content."""

import numpy as np
import tensorflow.compat.v1 as tf

from tests.training import golden_translation as golden
from training.terms import content, criteria, nce


def test_criteria(session):
    scores = golden.placeholder(golden.arrays_cached('gan_losses')['pred'])
    for name, criterion in criteria.TRANSLATION.items():
        if name == 'hinge':  # below
            continue
        axes = [1, 2, 3] if name == 'nonsaturating' else [0, 1, 2, 3]
        for key, loss in ((name + '_real', criterion.real(scores)), (name + '_fake', criterion.fake(scores))):
            golden.check('gan_losses', key, session.run(tf.reduce_mean(loss, axis=axes)))


def test_hinge(session):
    given = np.float32([-2, -0.5, 0.25, 3])
    scores, criterion = tf.constant(given), criteria.TRANSLATION['hinge']
    losses = [criterion.real(scores), criterion.fake(scores), criterion.fooled(scores)]
    values, slopes = session.run([losses, [tf.gradients(loss, scores)[0] for loss in losses]])
    np.testing.assert_array_equal(values, [[3, 1.5, 0.75, 0], [0, 0.5, 1.25, 4], -given])
    np.testing.assert_array_equal(slopes, [[-1, -1, -1, 0], [0, 1, 1, 1], [-1] * 4])
    assert session.run(criteria.TRANSLATION['lsgan'].fooled(0.25)) == 0.75 ** 2  # as for reals


def test_contrast_of_patches(session):
    given = golden.arrays_cached('cut_patchnce')
    queries, keys = golden.placeholder(given['q']), golden.placeholder(given['k'])
    for name, groups in (('same_image', 2), ('all_minibatch', 1)):
        loss = nce.patch_nce(queries, keys, groups)
        gradients = tf.gradients(tf.reduce_mean(loss), [queries, keys])
        assert gradients[1] is None
        found = session.run([loss, gradients[0]])
        golden.check('cut_patchnce', 'loss_' + name, found[0])
        golden.check('cut_patchnce', 'dq_' + name, found[1], at_least=1e-4)


def test_positions(session):
    drawn = session.run([nce.draw_positions(3, 5, 7), nce.draw_positions(3, 5, 99)])
    assert len(set(drawn[0])) == 7 and sorted(drawn[1]) == list(range(15))
    features = np.random.RandomState(0).randn(2, 3, 5, 4).astype(np.float32)
    mirrored = session.run(nce.sample(tf.constant(features), nce.mirrored(tf.constant(drawn[0]), 5)))
    np.testing.assert_array_equal(mirrored, features[:, :, ::-1].reshape(2, 15, 4)[:, drawn[0]].reshape(-1, 4))


def test_content(session):
    a, b = np.random.RandomState(0).randn(2, 3, 2, 4, 5).astype(np.float32)
    np.testing.assert_allclose(session.run(content.difference(a, b)), np.abs(a - b).mean(axis=(1, 2, 3)), rtol=1e-5)
    fake, real = tf.constant(a), tf.constant(b)
    loss = content.feature_matching([fake, 2 * fake], [real, real])
    wanted = (np.abs(a - b) + np.abs(2 * a - b)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(session.run(loss), wanted, rtol=1e-5)
    assert tf.gradients(loss, real) == [None] and tf.gradients(loss, fake) != [None]


def test_every_array_of_these_cases_is_used(request):
    golden.check_all_used(request, 'terms/test_translation_terms.py')


def test_every_golden_file_is_used():
    golden.FILES.check_all_owned()
