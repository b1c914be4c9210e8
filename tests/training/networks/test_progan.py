"""ProGAN's networks, pickles and losses against golden values of the published program."""

import pickletools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.files import array_file, network_file
from dnnlib.seeds import latents_of_seeds
from dnnlib.tflib import latents, network_pickle
from dnnlib.util import UserError
from generator import info
from tests.training.golden_latent import DATA, FILES
from training import adversarial, loss_names, pretrained
from training.methods import progan
from training.terms import named, penalties

CASES = ('progan_r16', 'progan_labels3_r16', 'progan_unfused_r32')
STRUCTURES = dict(progan_r16=('linear', 'recursive'), progan_labels3_r16=('linear',), progan_unfused_r32=('linear',))
LODS = {'00': 0.0, '05': 0.5}


def close(actual, expected):
    FILES.near(actual, expected, atol=2e-5, rtol=1e-5)


class Fixed:
    """Stands in for the random numbers of the losses, and for the dataset."""

    def __init__(self, ref):
        self._ref = ref

    def normal(self, _shape):
        return tf.constant(self._ref['loss_latents'])

    def uniform(self, _shape):
        return tf.constant(self._ref['gp_mix'])

    def get_random_labels_tf(self, _count):
        return tf.constant(self._ref['loss_labels_g'])


@pytest.mark.parametrize('case', CASES)
def test_images_and_scores(session, case):
    ref = FILES.arrays(case)
    _, D, Gs = pretrained.load_networks(f'{DATA}/{case}.pkl')
    np.testing.assert_array_equal(np.float32(latents_of_seeds(ref['seeds'], Gs.input_shape[1:])), ref['latents'])
    for i, lod in enumerate(ref['lods']):
        tflib.set_vars({network.vars['lod']: lod for network in (D, Gs)})
        for structure in STRUCTURES[case]:
            images = Gs.run(ref['latents'], ref['labels'], structure=structure)
            close(images, ref['images_recursive'][i])
            if i in (2, 3):
                close(images, ref['images_linear'][i - 2])
            for suffix, inputs in (('', ref['images_recursive'][i]), ('_reals', ref['reals'])):
                scores, logits = D.run(inputs, structure=structure)
                for kind in ('recursive', 'linear'):
                    close(scores, ref[f'scores{suffix}_{kind}'][i])
                    close(logits, ref[f'logits{suffix}_{kind}'][i])
    tflib.set_vars({network.vars['lod']: 0.0 for network in (D, Gs)})
    close(D.run(ref['images_recursive'][0], minibatch_size=1, structure='linear')[0], ref['scores_minibatch1'])
    pictures = progan.to_bytes(Gs, ref['latents'], ref['labels'], 4)
    assert np.abs(pictures.astype(int) - ref['images_uint8']).max() <= 1
    close(ref['images_recursive'][0].reshape(4, 3, Gs.output_shape[2] // 2, 2, -1, 2).mean(axis=(3, 5)),
          ref['images_shrink2'])


@pytest.mark.parametrize('case', CASES)
def test_losses_and_their_gradients(session, case, monkeypatch):
    ref = FILES.arrays(case)
    G, D, _ = pretrained.load_networks(f'{DATA}/{case}.pkl')
    for network in (G, D):
        network.static_kwargs.structure = 'linear'
    weight, target = tf.placeholder_with_default(1.0, []), tf.placeholder_with_default(1.0, [])
    terms = dict(gp=(10.0, target), drift=(0.001, 1.0), **({'ac': (weight, 1.0)} if D.output_shapes[1][1] else {}))
    for module in (adversarial, latents, named):
        monkeypatch.setattr(module, 'random', Fixed(ref))
    monkeypatch.setattr(loss_names, 'parse', lambda *_args: loss_names.Loss('wgan', 1, terms))
    inputs = dict(G=G, D=D, training_set=Fixed(ref), minibatch_size=4)
    G_loss, none = adversarial.G_loss(**inputs)
    D_loss, penalty = adversarial.D_loss(reals=tf.constant(ref['reals']), labels=tf.constant(ref['labels']), **inputs)
    assert none is None and D_loss.shape.as_list() == [4, 1] and penalty.shape.as_list() == [4]
    means = [tf.reduce_mean(x) for x in (G_loss, D_loss, penalty)]
    gradients = {'G': tf.gradients(means[0], list(G.trainables.values())),
                 'D': tf.gradients(means[1] + means[2], list(D.trainables.values()))}
    present = {name: [x for x in found if x is not None] for name, found in gradients.items()}
    for text, lod in LODS.items():
        tflib.set_vars({network.vars['lod']: lod for network in (G, D)})
        found, values = session.run([means, present])
        close(found[0], ref['G_loss_lod' + text].mean())
        close(found[1], ref['D_loss_nogp_lod' + text].mean())
        close(found[1] + found[2], ref['D_loss_lod' + text].mean())
        far = session.run(means[1] + means[2], {weight: 0.5, target: 750.0})
        close(far, ref['D_loss_target750_lod' + text].mean())
        for name, network in (('G', G), ('D', D)):
            for local, gradient in zip(network.trainables, gradients[name]):
                value = np.zeros(network.vars[local].shape.as_list()) if gradient is None else values[name].pop(0)
                check_gradient(value, ref, f'{name}_grad_lod{text}', local)


def check_gradient(value, ref, key, local):
    """Compares a gradient with all of it, or with its first numbers and its norm."""
    if f'{key}:{local}' in ref:
        expected = ref[f'{key}:{local}']
        # that of the last bias is a difference of sums that cancel but for rounding
        FILES.near(value, expected, rtol=0, atol=max(1e-4 * np.abs(expected).max(), 2e-7))
        return
    atol = max(1e-4 * np.abs(value).max(), 2e-7)
    FILES.near(value.ravel()[:256], ref[f'{key}_head256:{local}'], rtol=0, atol=atol)
    FILES.near(np.linalg.norm(value.astype(np.float64)), ref[f'{key}_l2:{local}'], rtol=1e-4, atol=atol)


def test_a_gradient_of_zero_costs_and_moves_nothing(session):
    """The published penalty is not a number there."""
    images = tf.zeros([2, 3, 4, 4])
    norms = penalties.gradient_norms(tf.reduce_sum(images * 0.0, axis=[1, 2, 3])[:, tf.newaxis], images)
    gradient, = tf.gradients(penalties.norm_penalty(norms), [images], unconnected_gradients='zero')
    values = session.run([norms, gradient])
    assert np.abs(values[0]).max() < 1e-10 and not values[1].any()


def test_pickles_are_written_as_they_are_read(session, tmp_path):
    """Class, version, keys and the type of `lod` are those of the release, by way of any file."""
    def facts(path):
        with open(path, 'rb') as f:
            data = f.read()
        names = {argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)}
        assert 'tfutil' in names and not [name for name in names if name.startswith('dnnlib.tflib')]
        states = [state.state for state in network_file.read_inert(data)]
        return [(list(state), state['version'], [
            (name, type(value) if name == 'lod' else value.value.tobytes()) for name, value in state['variables']])
            for state in states]

    source, direct, built, npz, back = [f'{DATA}/progan_unfused_r32.pkl'] + [
        str(tmp_path / name) for name in ('a.pkl', 'b.pkl', 'c.npz', 'd.pkl')]
    expected = facts(source)
    with open(source, 'rb') as f:
        saved = network_file.read_inert(f)
    network_file.save(saved, direct)
    array_file.save(saved, npz, 'npz')
    with open(npz, 'rb') as f:
        network_file.save(array_file.read(f.read()), back)
    network_pickle.save(pretrained.load_networks(source), built)
    assert facts(direct) == expected
    for path in (built, back):
        for found, wanted in zip(facts(path), expected):
            assert set(found[0]) == set(wanted[0]) and found[1:] == wanted[1:]
    assert expected[0][0] == ['version', 'name', 'static_kwargs', 'build_module_src', 'build_func_name', 'variables']


def test_options_of_a_file_follow_its_variables(session, tmp_path, capsys):
    with open(f'{DATA}/progan_unfused_r32.pkl', 'rb') as f:
        saved = network_file.read_inert(f)
    for state in saved:
        options = {key: value for key, value in state.state['static_kwargs'].items() if key != 'fused_scale'}
        state.state['static_kwargs'] = dict(options, dtype='float16', latents_dist='normal')
    path = str(tmp_path / 'old.pkl')
    network_file.save(saved, path)
    Gs = pretrained.load_generator(path)
    out = capsys.readouterr().out
    assert Gs.static_kwargs.fused_scale is False
    assert 'old.pkl: fused_scale is False by the names of the variables.' in out
    assert "dtype='float16' is computed in float32." in out
    assert "ignored are ignored here too: latents_dist='normal'." in out
    ref = FILES.arrays('progan_unfused_r32')
    close(Gs.run(ref['latents'], ref['labels'], structure='linear'), ref['images_recursive'][0])


def test_files_of_theano_are_refused(session, tmp_path):
    path = tmp_path / 'theano.pkl'
    path.write_bytes(b'\x80\x02cnetwork\nNetwork\nq\x00)\x81q\x01}q\x02b.')
    for read in (lambda: pretrained.load_generator(str(path)), lambda: info.print_info(str(path))):
        with pytest.raises(UserError, match='networks of the first ProGAN program, for Theano') as error:
            read()
        assert str(error.value).count('\n') == 0


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'networks/test_progan.py')
    FILES.check_all_owned()
