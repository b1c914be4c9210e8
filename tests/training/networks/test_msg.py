"""MSG-GAN's networks, pickles and losses against golden values of the published programs."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.files import array_file, network_file
from dnnlib.seeds import latents_of_seeds
from dnnlib.tflib import network_pickle
from dnnlib.util import UserError
from tests.training.golden_files import network
from tests.training.golden_latent import DATA, FILES
from tests.training.networks.test_progan import Fixed
from training import adversarial, pretrained
from training.blocks import layers_stylegan
from training.methods import msg
from training.terms import penalties

CASES = ('msg_stylegan_r16', 'msg_stylegan_labels3_r8')
SIZES = dict(msg_stylegan_r16=(4, 8, 16), msg_stylegan_labels3_r8=(4, 8), msg_progan_torch_r32=(4, 8, 16, 32))


def close(actual, expected, atol=2e-5):
    FILES.near(actual, expected, atol=atol, rtol=1e-5)


def check_gradients(found, ref, key):
    """Compares gradients, {name: array}, with those of a case."""
    assert {name for name in ref if name.startswith(key)} == {key + name for name in found}
    for name, value in found.items():
        expected = ref[key + name]
        FILES.near(value, expected, rtol=0, atol=max(2e-4 * np.abs(expected).max(), 2e-7), err_msg=key + name)


class NoNoise:
    """Stands in for the random numbers of the layers."""

    @staticmethod
    def normal(shape):
        return tf.zeros(shape)


@pytest.mark.parametrize('case', CASES)
def test_form_of_stylegan(session, case, monkeypatch):
    ref, sizes = FILES.arrays(case), SIZES[case]
    G, D, Gs = pretrained.load_networks(f'{DATA}/{case}.pkl')
    assert D.num_inputs == len(sizes) + 1 and Gs.num_outputs == 1 and 'lod' not in Gs.vars
    np.testing.assert_array_equal(np.float32(latents_of_seeds(ref['seeds'], Gs.input_shape[1:])), ref['latents'])
    inputs, fixed = (ref['latents'], ref['labels']), dict(randomize_noise=False, all_sizes=True)
    for name, options in (('', dict(truncation_psi=None)), ('psi06_', dict(truncation_psi=0.6, truncation_cutoff=3)),
                          ('default_', {})):
        images = Gs.run(*inputs, **dict(options, **fixed))
        for size, found in zip(sizes, images):
            close(found, ref[f'images_{name}{size}'], 5e-5)
    np.testing.assert_array_equal(Gs.run(*inputs, randomize_noise=False), images[-1])
    close(Gs.components.mapping.run(*inputs), ref['dlatents'])
    fakes = [ref[f'images_{size}'] for size in sizes]
    close(D.run(*fakes, ref['labels']), ref['scores'])
    close(D.run(*fakes, ref['labels'], minibatch_size=1), ref['scores_minibatch1'])

    monkeypatch.setattr(adversarial, 'random', Fixed(ref))
    monkeypatch.setattr(layers_stylegan, 'random', NoNoise)
    G.static_kwargs.dlatent_avg_beta = None
    reals = msg.pyramid(tf.constant(ref[f'reals_{sizes[-1]}']), len(sizes))
    args = dict(G=msg.AllSizes(G), D=msg.Pyramids(D), training_set=Fixed(ref), minibatch_size=4)
    G_loss, none = adversarial.G_loss(terms='logistic_ns', **args)
    D_loss, penalty = adversarial.D_loss(reals=reals, labels=tf.constant(ref['labels']), terms='logistic_ns+r1:10',
                                         **args)
    scores = D.get_output_for(*reals, tf.constant(ref['labels']))
    slopes = tf.gradients(tf.reduce_sum(scores), reals)
    gradients = [dict(zip(net.trainables, tf.gradients(total, list(net.trainables.values())))) for net, total in (
        (G, tf.reduce_mean(G_loss)), (D, tf.reduce_mean(D_loss) + tf.reduce_mean(penalty)))]
    found = session.run([reals, scores, slopes, G_loss, D_loss, penalty, gradients, [
        penalties.gradient_penalty(scores, image) for image in reals]])
    for number, size in enumerate(sizes):
        close(found[0][number], ref[f'reals_{size}'], 1e-6)
        close(found[2][number], ref[f'reals_grad_{size}'])
    close(found[1], ref['scores_reals'])
    close(found[3], ref['G_loss'])
    close(found[4], ref['D_loss_nor1'])
    close(found[4] + found[5].mean(), ref['D_loss'])
    np.testing.assert_allclose(found[7], ref['r1_per_scale'], rtol=1e-4)
    np.testing.assert_allclose(found[5], 5 * np.mean(found[7], axis=0), rtol=1e-5)
    assert none is None
    check_gradients(found[6][0], ref, 'G_grad:')
    check_gradients(found[6][1], ref, 'D_grad:')


def test_pickles_are_written_as_they_are_read(session, tmp_path):
    """Keys in their order, versions and values are those of the release, by way of any file."""
    def facts(path):
        with open(path, 'rb') as f:
            saved = network_file.read_inert(f.read())
        return [(list(state), state['version'], state['num_inputs'], state['build_func_name'], state['static_kwargs'], [
            (name, value.value.tobytes()) for name, value in state['variables']])
            for network in saved for state in [network.state] + [part.state for part in network.state[
                'components'].values()]]

    source, built, npz, back = [f'{DATA}/msg_stylegan_labels3_r8.pkl'] + [
        str(tmp_path / name) for name in ('b.pkl', 'c.npz', 'd.pkl')]
    expected = facts(source)
    with open(source, 'rb') as f:
        array_file.save(network_file.read_inert(f), npz, 'npz')
    with open(npz, 'rb') as f:
        network_file.save(array_file.read(f.read()), back)
    network_pickle.save(pretrained.load_networks(source), built)
    assert facts(built) == expected
    assert [fact[1:] for fact in facts(back)] == [fact[1:] for fact in expected]
    assert expected[0][0] == ['num_inputs', 'version', 'name', 'static_kwargs', 'components', 'build_module_src',
                              'build_func_name', 'variables']
    contents = pretrained.load_file(built)
    assert contents.method == 'msg' and contents.roles['D'].inputs == ('images0', 'images1', 'labels')


def test_inputs_that_do_not_fit(session, tmp_path):
    with pytest.raises(UserError, match='a discriminator of images of 2 sizes is given 1'):
        tflib.Network('D', msg.NETWORKS['D'], resolution=8, input_names=['a', 'labels'])
    with open(f'{DATA}/msg_stylegan_labels3_r8.pkl', 'rb') as f:
        saved = network_file.read_inert(f)
    saved[1].state['num_inputs'] = 10 ** 9
    network_file.save(saved, str(tmp_path / 'many.pkl'))
    with pytest.raises(UserError, match='num_inputs: expected 1 to 1000, not 1000000000'):
        pretrained.load_networks(str(tmp_path / 'many.pkl'))


def values_of(ref, net, sizes):
    """{(local name, our shape of it): name in PyTorch} of the form of ProGAN; `net`: G or D."""
    found, last = {}, len(sizes) - 1
    names = [key[2:-len('.weight')] for key in ref if key.startswith(net + ':') and key.endswith('.weight')]
    for name in names:
        room, _, layer = name.partition('.')
        number = int(layer.split('.')[0]) if room in ('layers', 'rgb_converters', 'rgb_to_features') else 0
        conv = name[-1]
        if room == 'rgb_converters':
            local = f'ToRGB_lod{last - number}'
        elif room in ('rgb_to_features', 'final_converter'):
            local = f'FromRGB_lod{last if room == "final_converter" else last - 1 - number}'
        elif room == 'final_block':
            local = '4x4/' + ('Conv', 'Dense0', 'Dense1')[int(conv) - 1]
        elif net == 'G' and number == 0:
            local = '4x4/' + ('Dense', 'Conv')[int(conv) - 1]
        else:
            size = sizes[number + (net == 'D')]
            local = f'{size}x{size}/Conv{int(conv) - 1}'
        found[local] = name
    return found


def ours(local, value):
    """A PyTorch array in the layout of our variable."""
    if value.ndim == 1:
        return value
    if local.endswith('4x4/Dense/weight'):  # transposed convolution of one pixel
        return value.reshape(value.shape[0], -1)
    if 'Dense' in local:
        return value.transpose(1, 2, 3, 0).reshape(-1, value.shape[0])
    return value.transpose(2, 3, 1, 0)


def test_form_of_progan(session, monkeypatch):
    case = 'msg_progan_torch_r32'
    ref, sizes = FILES.arrays(case), SIZES[case]
    options, nets, named = dict(resolution=32, fmap_base=128, fmap_max=8), {}, {}
    for net, function, more in (('G', 'G_msg', dict(latent_size=8)),
                                ('D', 'D_msg', dict(input_names=[f'images{size}' for size in sizes]))):
        named[net] = {f'{local}/{kind}': f'{name}.{kind}' for local, name in values_of(ref, net, sizes).items()
                      for kind in ('weight', 'bias')}
        nets[net] = network(net, 'training.networks.msg_progan.' + function, {
            local: ours(local, ref[f'{net}:{name}']) for local, name in named[net].items()}, **dict(options, **more))
    G, D = nets['G'], nets['D']
    close(G.run(ref['latents_normalized'], normalize_latents=False), ref['images_32'])
    fixed = dict(loss_latents=ref['latents'], loss_labels_g=np.zeros([4, 0], np.float32))
    monkeypatch.setattr(adversarial, 'random', Fixed(fixed))
    images = G.get_output_for(tf.constant(ref['latents']), all_sizes=True)
    reals = [tf.constant(ref[f'reals_{size}']) for size in sizes]
    args = dict(G=msg.AllSizes(G), D=msg.Pyramids(D), training_set=Fixed(fixed), minibatch_size=4, reals=reals,
                labels=tf.zeros([4, 0]), terms='rahinge_nohalf')
    losses = dict(G=tf.reduce_mean(adversarial.G_loss(**args)[0]), D=tf.reduce_mean(adversarial.D_loss(**args)[0]))
    gradients = {net: dict(zip(nets[net].trainables, tf.gradients(losses[net], list(nets[net].trainables.values()))))
                 for net in nets}
    found = session.run([images, D.get_output_for(*images), D.get_output_for(*reals), losses, gradients])
    for size, image in zip(sizes, found[0]):
        close(image, ref[f'images_{size}'])
    close(found[1][:, 0], ref['scores_fake'])
    close(found[2][:, 0], ref['scores_real'])
    for net in nets:
        close(found[3][net], ref[net + '_loss'])
        for local, name in named[net].items():
            expected = ours(local, ref[f'{net}_grad:{name}'])
            FILES.near(found[4][net][local], expected, rtol=0, err_msg=name,
                                       atol=max(2e-5 * np.abs(expected).max(), 2e-6))


def test_all_golden_values_are_used(request):
    FILES.check_all_used(request, 'networks/test_msg.py')
