"""Networks and projections of other programs (tests/data/users): the pictures are those of the other program."""

import pathlib

import numpy as np
import pytest

import run_generator
import stylegan2
from dnnlib import UserError
from generator import drawing, projections
from tests.generator.test_projections import Projection
from training import pretrained

USERS = pathlib.Path(__file__).parent.parent / 'data' / 'users'


@pytest.fixture(scope='module')
def gray(graph):
    """Gs of a gray network of 16x16 pixels, and its right values."""
    with np.load(str(USERS / 'ada-grey16.right.npz')) as arrays:
        return pretrained.load_generator(str(USERS / 'ada-grey16.pkl')), dict(arrays)


def test_pictures_of_projections(gray, tmp_path, monkeypatch, capsys):
    Gs, right = gray
    monkeypatch.setattr(pretrained, 'load_generator', lambda file, *_: Gs)
    monkeypatch.chdir(str(tmp_path))
    w = np.load(str(USERS / 'wp.npy'))
    np.save('two.npy', np.concatenate([w, np.zeros_like(w)]))
    np.savez('flat.npz', latent_w=w[0])
    projections.save('own.npz', Projection(w, [], 0), 'hash', 'a.png')
    files = [str(USERS / 'projected_w.npz'), str(USERS / 'wp.npy'), 'flat.npz', 'own.npz', 'two.npy']
    run_generator.main(['generate-images', '--network=' + str(USERS / 'ada-grey16.pkl'), '--interpolate=1',
                        '--dlatents=' + ','.join(files), '--outputs=npz', '--dtype=float32', '--device=cpu'])
    with np.load('results/00000-generate-images/images.npz') as arrays:
        names, images = arrays['names'].tolist(), arrays['images']
    assert names == ['projected_w', 'projected_w-wp-01', 'wp', 'wp-flat-01', 'flat', 'flat-own-01', 'own',
                     'own-two-00-01', 'two-00', 'two-00-two-01-01', 'two-01']
    np.testing.assert_allclose(images[:9], np.repeat(right['images'], 9, axis=0), atol=1e-5)
    assert np.abs(images[10] - right['images'][0]).max() > 0.1
    drawer = drawing.Drawer(Gs, as_float=True)
    capsys.readouterr()
    sources = drawer.sources(files + [3], truncation_psi=0)
    np.testing.assert_array_equal(sources[:5], np.repeat(w, 5, axis=0))
    assert capsys.readouterr().out == 'two.npy holds dlatents of 2 pictures; the first one is used\n'
    monkeypatch.undo()
    with stylegan2.load(str(USERS / 'ada-grey16.pkl')) as generator:
        np.testing.assert_allclose(generator.draw(w[0], output='float32'), right['images'], atol=1e-5)


def test_a_network_without_a_mean_of_w(graph, tmp_path, monkeypatch, capsys):
    with np.load(str(USERS / 'ada-no-w-avg.right.npz')) as arrays:
        right = dict(arrays)
    Gs = pretrained.load_generator(str(USERS / 'ada-no-w-avg.pkl'))
    assert capsys.readouterr().out == (
        'ada-no-w-avg.pkl: it has no mean of W, so nothing can be truncated; use --truncation-psi=1.\n')
    drawer = drawing.Drawer(Gs, as_float=True)
    assert not drawer.has_mean and drawer.preview_psi(0.5) == 1
    dlatents = drawer.dlatents(right['latents'])
    with stylegan2.load(str(USERS / 'ada-no-w-avg.pkl')) as generator:
        images = generator.draw(dlatents, output='float32')
        np.testing.assert_allclose(images, right['images'], atol=1e-5)
        seed = generator.generate([1], truncation_psi=1, noise='const', output='float32')
        with pytest.raises(UserError, match='no mean of W, so it cannot be truncated: psi must be 1, not 0.5'):
            generator.generate([1])
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(pretrained, 'load_generator', lambda file, *_: Gs)
    np.testing.assert_allclose(seed, Gs.run(drawer.latents([1]), None, truncation_psi=None, randomize_noise=False),
                               atol=1e-5)
    network = '--network=' + str(USERS / 'ada-no-w-avg.pkl')
    for args in (['generate-images', '--seeds=0'], ['grid', '--seeds=0'], ['interpolate', '--seeds=0,1'],
                 ['generate-images', '--seeds=0', '--truncation-psi=0'],
                 ['generate-images', '--dlatents=' + str(USERS / 'wp.npy'), '--truncation-psi=0.7']):
        with pytest.raises(UserError, match='no mean of W, so it cannot be truncated: psi must be 1, not 0'):
            run_generator.main(args + [network, '--device=cpu'])
    with pytest.raises(UserError, match='around which --curve=spherical'):
        run_generator.main(['interpolate', '--seeds=0,1', '--curve=spherical', network, '--device=cpu'])
    run_generator.main(['interpolate', '--seeds=0,1', '--truncation-psi=1', '--outputs=npz', '--frames=2', network,
                        '--device=cpu'])
    with np.load(str(sorted((tmp_path / 'results').iterdir())[-1] / 'images.npz')) as arrays:
        ends = drawer.dlatents(drawer.latents([0, 1]))
        np.testing.assert_allclose(arrays['dlatents'], [ends[0], ends.mean(axis=0), ends[1]], atol=1e-5)
    run_generator.main(['directions', '--count=1', '--samples=100', network, '--device=cpu'])
    monkeypatch.undo()
    for output in (['net.pt'], ['net.pb', '--truncation-psi=0.7']):
        with pytest.raises(UserError, match='no mean of W'):
            run_generator.main(['export', str(USERS / 'ada-no-w-avg.pkl'), str(tmp_path / output[0])] + output[1:])
