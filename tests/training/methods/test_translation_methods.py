"""Iterations of the methods that translate, against the published programs: losses, gradients, steps."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from tests.training import golden_translation as golden
from tests.training.methods.translation_steps import check_after, check_iteration, Trained
from training.methods import cut, cyclegan, pix2pix, translating
from training.terms import nce
from training.torch_files import translation as tables


def images_of(case, prefix=''):
    """{stream: images} of a case."""
    given = golden.arrays_cached(case)
    return {name: given[f'{prefix}real_{name.upper()}'] for name in 'ab'}


def test_cyclegan(session, monkeypatch):
    case = 'cyclegan_iter'
    names = dict(G_ab='G_A', G_ba='G_B', D_b='D_A', D_a='D_B')
    files = {ours: (f'{case}_net_{theirs}.pth', tables.resnet(6) if theirs[0] == 'G' else tables.patchgan())
             for ours, theirs in names.items()}
    trained = Trained(cyclegan.cyclegan, images_of(case, 'it0/'), files, monkeypatch,
                      G_args=dict(fmaps=3, num_blocks=6), D_args=dict(fmaps=3))
    found = trained.run(images_of(case, 'it0/'))
    assert len(found[0]) == 8
    check_iteration(case, trained, found, names, 'it0/')
    check_after(case, trained, names)


def test_pix2pix(session, monkeypatch):
    case = 'pix2pix_iter'
    names = dict(G='G', D='D')
    files = dict(G=(case + '_net_G.pth', tables.unet(5)), D=(case + '_net_D.pth', tables.patchgan(norm='batch')))
    trained = Trained(pix2pix.pix2pix, images_of(case, 'it0/'), files, monkeypatch,
                      G_args=dict(fmaps=2, num_downs=5), D_args=dict(fmaps=3))
    found = trained.run(images_of(case, 'it0/'))
    assert len(found[0]) == 4
    check_iteration(case, trained, found, names, 'it0/')
    check_after(case, trained, names)


LAYERS = [0, 4, 8, 12, 16]


def ids_of(case):
    """Patches of a case, in the order in which they are drawn."""
    given = golden.arrays_cached(case)
    return [np.int32(given[f'ids_call{call}_layer{layer}']) for call in (0, 1) for layer in LAYERS
            if f'ids_call{call}_layer{layer}' in given]


@pytest.mark.parametrize('cases', [('cut_iter',), ('fastcut_iter', 'fastcut_flipped_iter')])
def test_cut(session, cases, monkeypatch):
    names, feeds = dict(G='G', F='F', D='D'), {}
    files = {name: (f'cut_iter_net_{name}.pth', table) for name, table in (
        ('G', tables.resnet(9, antialias=True)), ('F', tables.patch_mlp(5)), ('D', tables.patchgan(antialias=True)))}
    ids = [tf.placeholder(tf.int32, value.shape) for value in ids_of(cases[0])]
    drawn, share = iter(ids), tf.placeholder(tf.float32, [])
    monkeypatch.setattr(nce, 'draw_positions', lambda *_args: next(drawn))
    monkeypatch.setattr(random, 'uniform', lambda shape: share)
    options = {} if cases == ('cut_iter',) else dict(nce_idt=False, lambda_NCE=10.0, flip_equivariance=True)
    trained = Trained(cut.cut, images_of(cases[0]), files, monkeypatch, num_patches=40, G_args=dict(fmaps=3),
                      F_args=dict(fmaps=16), D_args=dict(fmaps=3), **options)
    assert next(drawn, None) is None
    for case in cases:
        feeds = dict(zip(ids, ids_of(case)))
        feeds[share] = 0.0 if golden.META[case]['kwargs']['flipped'] else 0.9
        trained.reset()
        found = trained.run(images_of(case), feeds)
        assert len(found[0]) == 5 if case == 'cut_iter' else 4
        check_iteration(case, trained, found, names, left_out='G')
    if cases == ('cut_iter',):
        check_after(case, trained, names, left_out='G')


def test_image_pool(session, monkeypatch):
    given, size = golden.arrays_cached('image_pool'), 3
    coin, place = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.int32, [2])
    drawn = iter([value for i in range(2) for value in (coin[i], place[i])])
    monkeypatch.setattr(random, 'uniform', lambda *_args: next(drawn))
    numbers = tf.placeholder(tf.float32, [2, 1, 1, 1])
    variables = {}

    class State:
        """Makes variables as a training does."""

        def state(self, name, shape, per_worker=False, initial=0.0):
            """See Step."""
            variables[name] = tf.Variable(tf.fill(shape, initial), trainable=False, use_resource=True)
            return variables[name]
    chosen = translating.query_pool(State(), 'pool', numbers, size)
    tflib.init_uninitialized_vars()
    uniforms, randints, filled = iter(given['uniforms']), iter(given['randints']), 0
    for query, returned in zip(given['queries'], given['returned']):
        coins, places = np.zeros(2), np.zeros(2, int)
        for i in range(2):
            filled += 1
            if filled > size:
                coins[i] = next(uniforms)
                places[i] = next(randints) if coins[i] > 0.5 else 0
        feed = {numbers: query.reshape(2, 1, 1, 1), coin: coins, place: places}
        np.testing.assert_array_equal(session.run(chosen, feed).reshape(2), returned)
    np.testing.assert_array_equal(session.run(variables['pool']).reshape(-1), given['final'])
