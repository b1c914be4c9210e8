"""BigGAN, BigGAN-deep and SAGAN against the published programs: images, scores, losses, gradients, steps, averages."""

import re
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib, UserError
from dnnlib.tflib import latents as graph_latents
from tests.training import golden_classes as golden
from tests.training.methods.test_toy_methods import variables
from training.methods import bigbigan, classes, latent, osgan, progan
from training.terms import encoding
from training.train_step import Batch, Step
from training.training_loop import training_loop

CASES = ('biggan_cifar32', 'biggan_deep32', 'biggan_hier64', 'biggan_mybn32')
ADAM = 'dnnlib.tflib.optimizers.Adam'


def one_hot(numbers, given):
    return np.eye(given['n_classes'], dtype=np.float32)[numbers]


def check_forward(case, networks, tables):
    """Images and scores in evaluation and training, and what training stores; the weights are then as before."""
    data, given = golden.arrays(case), golden.kwargs(case)
    size = given['batch_size']
    inputs = dict(G=(data['z'][0], one_hot(data['y_fake'][0], given)), D=(data['x'][:size], one_hot(
        data['y'][:size], given)))
    for name, network in networks.items():
        before = tflib.run(dict(network.vars))
        golden.check(case, name + '_eval', network.run(*inputs[name]), 1e-4 if name == 'G' else 2e-4)
        options = dict(sums=not given['mybn']) if name == 'G' else {}  # without effect: one graph less
        golden.check(case, name + '_train', network.run(*inputs[name], is_training=True, **options),
                     1e-4 if name == 'G' else 2e-4)
        after = golden.to_torch(tflib.run(dict(network.vars)), tables[name])
        prefix = name + '_after_train_pass/'
        for key in [key for key in data if key.startswith(prefix)]:
            golden.check(case, key, after[key[len(prefix):]], 1e-5, 1e-5)
        tflib.set_vars({network.vars[key]: value for key, value in before.items()})


class Trained:
    """The method on the weights of a case; latents, classes and images are fed."""

    def __init__(self, case, networks, monkeypatch):
        given, data = golden.kwargs(case), golden.arrays(case)
        assert networks['G'].input_shape[1] == int(data['dim_z'])
        self.size, self.rounds = given['batch_size'], given['num_D_accumulations']
        self.z = tf.placeholder(tf.float32, [self.size] + networks['G'].input_shape[1:])
        self.y = tf.placeholder(tf.float32, [self.size, given['n_classes']])
        monkeypatch.setattr(graph_latents, 'draw', lambda shape, prior: self.z)
        monkeypatch.setattr(classes, 'draw_labels', lambda size, label_size: self.y)
        dataset = SimpleNamespace(shape=list(data['x'].shape[1:]), label_size=given['n_classes'],
                                  dynamic_range=[0, 255], num_images=len(data['y']),
                                  read_labels=lambda numbers: one_hot(data['y'][numbers], given))
        self.level = EasyDict(minibatch_size=self.size * self.rounds, minibatch_gpu=self.size, rounds=self.rounds,
                              lod=0.0, kimg=2 * self.size * self.rounds / 1000, G_lrate=given['G_lr'],
                              D_lrate=given['D_lr'])
        options = {f'{name}_opt_args': dict(tf_optimizer=ADAM, beta1=given[name + '_B1'], beta2=given[name + '_B2'],
                                            epsilon=given['adam_eps']) for name in 'GD'}
        self.method = classes.classes(
            {'reals': SimpleNamespace(dataset=dataset)}, SimpleNamespace(last=self.level),
            num_D_steps=given['num_D_steps'], split_D=given['split_D'], G_ortho=given['G_ortho'],
            D_ortho=given['D_ortho'], ema_decay=0.9, ema_start=2, **options)
        self.step = Step(self.method, networks, {'reals': dataset}, [self.level])
        self.x, self.labels = tf.placeholder(tf.float32, [self.size] + dataset.shape), tf.placeholder(
            tf.float32, self.y.shape)
        self.step.batch = {'reals': Batch(self.x, self.labels)}
        self.losses = {}
        monkeypatch.setattr(classes, 'report_mean', self._record)
        self.stages = self.method.stages(self.step)
        tflib.init_uninitialized_vars()

    def _record(self, tag, value):
        self.losses.setdefault(tag, []).append(tf.reduce_mean(value))
        return self.losses[tag][-1]

    def iteration(self, case):
        """Runs an iteration: ({tag: loss of the last round}, [{(network, local name): gradient} of each step])."""
        data, given, call, seen = golden.arrays(case), golden.kwargs(case), 0, {}
        common, steps = dict(self.step.sched.feed(self.level)), []
        common[self.step.seed_in] = [0, 0]
        for number, stage in enumerate(self.stages[:-1]):
            name, optimizer = stage.name[0], self.step._optimizers[stage.name[0]]
            tags = {tag: values[min(number, len(values) - 1)] for tag, values in self.losses.items()
                    if tag[len('Loss/')] == name}
            network, total = self.step.nets[name], {}
            gradients = self.gradients_of(stage.name, optimizer)
            for _ in range(self.rounds):
                feed = dict(common)
                feed.update({self.z: data['z'][call], self.y: one_hot(data['y_fake'][call], given)})
                if name == 'D':
                    part = slice(call * self.size, (call + 1) * self.size)
                    feed.update({self.x: data['x'][part], self.labels: one_hot(data['y'][part], given)})
                found, values, _ = tflib.run([tags, gradients, stage.op], feed)
                for variable, value in zip(optimizer.trained(), values):
                    key = network.get_var_local_name(variable)
                    total[key] = total.get(key, 0) + value
                seen.update(found)
                call += 1
            steps.append((name, total))
        tflib.run(self.stages[-1].op, common)
        assert call == len(data['z'])
        return seen, steps

    def gradients_of(self, stage, optimizer):
        """Those of a stage: the first one made the group's optimizer, the others share its moments."""
        return self.optimizers[stage].gradients() if stage in self.optimizers else optimizer.gradients()


def recording_optimizers(monkeypatch):
    """{stage: Optimizer} that fills while stages are made."""
    made, register = {}, Step._register

    def recorded(self, stage_name, group_name, loss, is_one_of_several):
        made[stage_name] = register(self, stage_name, group_name, loss, is_one_of_several)
        return made[stage_name]
    monkeypatch.setattr(Step, '_register', recorded)
    return made


def is_noisy(name, case):
    """Has a parameter no gradient but rounding noise? Whatever it adds to a channel, a later batch norm removes.

    So it is with all biases that one follows, also at the end of a shortcut, unless there is attention in between.
    """
    if case == 'biggan_deep32':
        return re.match(r'blocks\.\d\.0\.conv[123]\.bias|blocks\.[45]\.0\.conv4\.bias', name)
    first = {'biggan_hier64': 3, 'biggan_cifar32': 2, 'biggan_mybn32': 0}[case]
    return re.match(rf'blocks\.\d\.0\.conv1\.bias|blocks\.[{first}-9]\.0\.(conv2|conv_sc)\.bias', name)


@pytest.mark.parametrize('case', CASES)
def test_biggan(session, case, monkeypatch):
    data, given = golden.arrays(case), golden.kwargs(case)
    networks, tables = golden.networks(case)
    networks['Gs'] = networks['G'].clone('Gs')
    check_forward(case, dict(G=networks['Gs'], D=networks['D']), tables)
    optimizers = recording_optimizers(monkeypatch)
    trained = Trained(case, networks, monkeypatch)
    trained.optimizers = optimizers
    losses, steps = trained.iteration(case)
    golden.check(case, 'metrics/G_loss', losses['Loss/G'] / given['num_G_accumulations'], 1e-6, 1e-5)
    for kind in ('real', 'fake'):
        golden.check(case, f'metrics/D_loss_{kind}', losses[f'Loss/D_{kind}'], 1e-6, 1e-5)
    for number, (name, gradients) in enumerate(steps):
        torch, key = golden.to_torch(gradients, tables[name]), f'step{number}_{name}/'
        names = [str(other) for other in data[key + 'grad_names']]
        assert sorted(names) == sorted(torch)
        noise = np.array([1e-4 if name == 'G' and is_noisy(other, case) else 2e-6 for other in names])
        golden.check(case, key + 'grad_l2', [np.linalg.norm(torch[other]) for other in names], noise, 2e-4)
        for start in (key + 'grad/', 'G/grad/' if name == 'G' else key + 'grad/'):
            for full in [full for full in data if full.startswith(start)]:
                golden.check(case, full, torch[full[len(start):]], 2e-4 * np.abs(data[full]).max())
    tables['Gs'] = tables['G']
    for theirs, ours in (('G', 'G'), ('D', 'D'), ('G_ema', 'Gs')):
        check_end(case, f'end/{theirs}/', golden.to_torch(tflib.run(dict(networks[ours].vars)), tables[ours]),
                  given[ours[0] + '_lr'] * (given['num_D_steps'] if ours == 'D' else 1))
    inputs = data['z'][0], one_hot(data['y_fake'][0], given)
    golden.check(case, 'G_ema_eval', networks['Gs'].run(*inputs))
    classes.standing_statistics(networks['Gs'], [(z, one_hot(y, given)) for z, y in zip(
        data['standing_z'], data['standing_y'])])
    golden.check(case, 'G_ema_standing', networks['Gs'].run(*inputs), 3e-4)


def check_end(case, prefix, torch, lrate):
    """Sums and norms of all parameters and stored values after an iteration."""
    data = golden.arrays(case)
    for kind in ('', 'buffer_'):
        names = [str(name) for name in data[f'{prefix}{kind}names']]
        wanted = data[f'{prefix}{kind}sum_l2']
        for name, numbers in zip(names, wanted):
            value = np.float64(torch[name])
            found = np.array([value.sum(), np.linalg.norm(value)])
            bound = 2e-5 * np.abs(numbers) + 1e-6 * np.sqrt(value.size) + (
                2.02 * lrate * value.size if is_noisy(name, case) else 1e-5 * value.size ** 0.5)
            assert (np.abs(found - numbers) <= bound).all(), (prefix, name, found, numbers)
    for key in [key for key in data if key.startswith(prefix) and key.endswith('.weight')]:
        golden.check(case, key, torch[key[len(prefix):]], 2e-6, 1e-5)


SAGAN_LAYERS = {'snh0': 'Linear', 'snconv_last': 'Output', 'sn_linear': 'Linear', 'embedding': 'Embed'}
SAGAN_PARTS = {'w': 'weight', 'Matrix': 'weight', 'embedding_map': 'weight', 'biases': 'bias', 'u': 'u0',
               'sigma_ratio': 'gamma', 'mean': 'moving_mean', 'var': 'moving_variance'}
SAGAN_NORMS = {'bn': dict(gamma='gain', beta='bias'), 'cbn': dict(gamma='Gain/weight', beta='Bias/weight')}


def ours_of(name):
    """(network, our local name) of a variable of the official program for SAGAN."""
    scope, *rest = name.split('/')[1:]
    network, scope = scope[0].upper(), scope[2:].replace('optimized_', '')
    last = SAGAN_PARTS.get(rest[-1], rest[-1])
    if scope.startswith('block'):
        place = f'Block{int(scope[len("block"):]) - 1}/'
        if rest[0].startswith('cbn'):
            return network, f'{place}Norm{rest[0][-1]}/' + SAGAN_NORMS['cbn'].get(rest[-1], last)
        return network, place + {'1': 'Conv0', '2': 'Conv1', '3': 'Skip'}[rest[0][-1]] + '/' + last
    if scope == 'non_local':
        layer = {'attn': 'O'}.get(rest[0].split('_')[-1], rest[0].split('_')[-1].capitalize()) + '/'
        return network, f'Attention{2 if network == "G" else 1}/' + (last if len(rest) == 1 else layer + last)
    if scope == 'bn':
        return network, 'Output/Norm/' + SAGAN_NORMS['bn'].get(rest[-1], last)
    return network, f'{SAGAN_LAYERS[scope]}/{last}'


def from_tf(name, value, is_gradient=False):
    """A variable of that program as one of ours."""
    if 'g_snh0' in name:  # they reshape to [4, 4, C]
        return value.reshape(value.shape[:-1] + (16, -1)).swapaxes(-1, -2).reshape(value.shape)
    if '/cbn_' in name and name.endswith('gamma') and not is_gradient:
        return value - 1
    return value.reshape(-1) if value.ndim == 4 and value.shape[:3] == (1, 1, 1) and 'cbn' in name else value


def make_sagan(data):
    """The networks with the values of the official program."""
    both = dict(resolution=128, label_size=5, fmaps=4, attention=[32], init='xavier_zero', through=True,
                sn_epsilon=1e-12)
    networks = dict(
        G=tflib.Network('G', 'training.networks.biggan.G_biggan', latent_size=10, shared_size=None, hierarchical=False,
                        norm='slow', **both),
        D=tflib.Network('D', 'training.networks.biggan.D_biggan', **both))
    values = dict(G={}, D={})
    for key in [key for key in data if key.startswith('var/')]:
        network, name = ours_of(key[len('var/'):])
        values[network][name] = from_tf(key, data[key])
    for name, found in values.items():
        assert {key for key in networks[name].vars if not key.endswith('sv0')} == set(found)
        tflib.set_vars({networks[name].vars[key]: value for key, value in found.items()})
    return networks, values


def test_sagan(session):
    case, data = 'sagan_tf', golden.arrays('sagan_tf')
    assert golden.kwargs(case)['batch'] == 2
    networks, values = make_sagan(data)
    G, D = networks['G'], networks['D']

    def reset():
        for name, found in values.items():
            tflib.set_vars({networks[name].vars[key]: value for key, value in found.items()})

    def every2(images):
        return images.transpose(0, 2, 3, 1)[:, ::2, ::2]

    def check_stored(prefix):
        for key in [key for key in data if key.startswith(prefix)]:
            network, name = ours_of(key[len(prefix):])
            wanted = from_tf(key, data[key])
            np.testing.assert_allclose(networks[network].get_var(name), wanted, rtol=1e-4, atol=1e-5, err_msg=key)
    labels = {name: np.eye(5, dtype=np.float32)[data['y_' + name]] for name in ('fake', 'real')}
    golden.check(case, 'G_eval_every2', every2(G.run(data['z'], labels['fake'])))
    golden.check(case, 'G_train_every2', every2(G.run(data['z'], labels['fake'], is_training=True)))
    check_stored('after_G_train/')
    check_stored('after_update_ops/')
    golden.check(case, 'D_real_no_update', D.run(data['x_nchw'], labels['real']), 2e-4)
    golden.check(case, 'D_real', D.run(data['x_nchw'], labels['real'], is_training=True), 2e-4)
    check_stored('after_D_real/')
    reset()
    fakes = G.get_output_for(tf.constant(data['z']), tf.constant(labels['fake']), is_training=True)
    fake_scores = D.get_output_for(fakes, tf.constant(labels['fake']))
    real_scores = D.get_output_for(tf.constant(data['x_nchw']), tf.constant(labels['real']))
    criterion, G_criterion = classes.LOSSES['hinge']
    losses = {name: tf.reduce_mean(value) for name, value in (
        ('d_real', criterion.real(real_scores)), ('d_fake', criterion.fake(fake_scores)),
        ('g', G_criterion(fake_scores)))}
    gradients = dict(g=tf.gradients(losses['g'], list(G.trainables.values())),
                     d=tf.gradients(losses['d_real'] + losses['d_fake'], list(D.trainables.values())))
    found, losses, gradients = session.run([fake_scores, losses, gradients])
    golden.check(case, 'D_fake', found, 2e-4)
    for name, value in losses.items():
        golden.check(case, 'loss/' + name, value, 1e-6, 2e-5)
    for name, network in (('g', G), ('d', D)):
        ours, prefix = dict(zip(network.trainables, gradients[name])), f'grad_{name}/'
        names = [ours_of(str(other))[1] for other in data[prefix + 'names']]
        assert sorted(names) == sorted(ours)
        golden.check(case, prefix + 'l2', [np.linalg.norm(ours[other]) for other in names], 2e-6, 2e-4)
        for key in [key for key in data if key.startswith(prefix + 'full/')]:
            wanted = from_tf(key, data[key], is_gradient=True)
            np.testing.assert_allclose(ours[ours_of(key[len(prefix + 'full/'):])[1]], wanted,
                                       atol=5e-4 * np.abs(wanted).max(), rtol=0, err_msg=key)


SMALL = dict(
    method_args=dict(func_name='training.methods.classes.classes', num_D_steps=2, split_D=True, ema_start=2,
                     G_args=dict(fmaps=2, latent_size=8, shared_size=4, attention=[16], latents='truncated:0.8'),
                     D_args=dict(fmaps=2, nonlinearity='lrelu'), G_loss='rals:0.9',
                     D_loss='rals:0.9+drift+orthogonal',
                     G_opt_args=dict(tf_optimizer=ADAM), D_opt_args=dict(tf_optimizer=ADAM)),
    sched_args=dict(minibatch_size_base=4, minibatch_gpu_base=2, tick_kimg_dict={}, tick_kimg_base=0.004),
    dataset_args=dict(tfrecord_dir='cats', resolution=40, max_label_size=15, crop=32, jitter=[0.1, 0.1, 0.1, 0.1],
                      noise=1 / 128), minibatch_repeats=1,
    grid_args=dict(size='2x3', layout='row_per_class'), image_snapshot_ticks=None, network_snapshot_ticks=1,
    checkpoint_minutes=None, keep=9,
    tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1))
BIGBIGAN = dict(SMALL, method_args=dict(
    func_name='training.methods.bigbigan.bigbigan', ema_start=1, num_D_steps=1,
    G_args=dict(fmaps=2, latent_size=8, attention=[]), E_args=dict(fmaps=2), D_args=dict(
        fmaps=2, units=8, attention=[]), **{name + '_opt_args': dict(tf_optimizer=ADAM) for name in 'GED'}),
    dataset_args=dict(tfrecord_dir='cats', resolution=64, max_label_size=0))


def train(run_dir, kimg, options, **more):
    """A small training; returns its variables."""
    with tf.Graph().as_default():
        try:
            run_dir.mkdir(exist_ok=True)
            training_loop(submit_config=EasyDict(run_dir=str(run_dir)), total_kimg=kimg, **dict(options, **more))
        finally:
            tflib.close_tf()
    return variables(run_dir)


def test_stopped_and_continued_to_the_same_bits(tmp_path):
    """Vectors and moments included; two rounds, a loss by name, and images of the kind that metrics are given.

    Reals are cropped at random, changed in color, and have noise.
    """
    measured = []

    def measure(network_pkl, fakes):
        if network_pkl is not None:
            measured.append(np.concatenate([later.draw() for later in fakes(5, 0)]))
    whole = train(tmp_path / 'whole', 0.012, SMALL, metric_callback=measure)
    assert measured[-1].shape == (5, 3, 32, 32) and measured[-1].dtype == np.uint8
    states = sorted((tmp_path / 'whole' / 'state').iterdir())
    before = variables(tmp_path / 'whole', str(states[0]))
    assert all(np.abs(before[name] - whole[name]).max() > 0 for name in ('G/Linear/bias', 'D/Linear/bias'))
    continued = train(tmp_path / 'parts', 0.012, SMALL, resume_state=str(states[0]))
    assert sorted(whole) == sorted(continued)
    for name, value in whole.items():
        np.testing.assert_array_equal(value, continued[name], err_msg=name)
    assert np.abs(whole['Gs/Block0/Norm0/moving_mean'] - whole['G/Block0/Norm0/moving_mean']).max() > 0


def test_bigbigan_trains_all_of_its_networks(tmp_path):
    after = train(tmp_path / 'run', 0.012, BIGBIGAN)
    before = variables(tmp_path / 'run', str(sorted((tmp_path / 'run' / 'state').iterdir())[0]))
    for name in ('G/Linear/bias', 'E/Mean/bias', 'E/Block0/Norm0/moving_mean', 'D/ScoreLatents/weight',
                 'Gs/Linear/bias', 'Es/Mean/bias', 'D/Block0/Conv0/u0'):
        assert np.abs(before[name] - after[name]).max() > 0, name
    with PIL.Image.open(str(tmp_path / 'run' / 'fakes_init.png')) as image:
        assert image.size == (2 * 32, 3 * 3 * 32)


def test_losses_of_bigbigan(session):
    case, data = 'bigbigan_loss', golden.arrays('bigbigan_loss')
    encoded, drawn = (tf.constant(np.stack([data[f'score_{kind}/{part}'] for part in ('xz', 'x', 'z')], axis=1))
                      for kind in ('enc', 'gen'))
    for key, loss in (('loss_disc', encoding.D_loss(encoded, drawn)), ('loss_enc', encoding.E_loss(encoded)),
                      ('loss_gen', encoding.G_loss(drawn))):
        golden.check(case, key, session.run(loss), 1e-12)


def test_options_and_data_that_do_not_fit():
    def streams(labels, shape=(3, 32, 32)):
        labels = np.float32(labels)
        return {'reals': SimpleNamespace(dataset=SimpleNamespace(
            shape=shape, label_size=labels.shape[1], num_images=len(labels), read_labels=lambda numbers: labels))}
    good = streams([[0, 1]])
    for make, data, options, message in (
            (classes.classes, streams([[1, 1]]), {}, 'combine several; --classes=N takes the first N columns'),
            (classes.classes, streams([[0, 0]]), {}, 'each image must be of one class'),
            (latent.latent, streams([[1, 1]]), dict(D_loss_args=dict(terms='logistic_ns+ac')), 'combine several'),
            (osgan.osgan, streams([[1, 1]]), dict(num_stages=2, D_loss_args=dict(terms='wgan+ac')), 'combine several'),
            (progan.progan, streams([[0, 0]]), dict(G_loss_args=dict(terms='wgan+ac')), 'must be of one class'),
            (classes.classes, streams([[0, 1]], (3, 32, 64)), {}, 'draw square images, not 32x64'),
            (classes.classes, good, dict(loss='wgan'), "loss must be hinge or logistic, not 'wgan'"),
            (classes.classes, good, dict(D_loss='hinge+ac'), 'the term ac is not for these networks'),
            (classes.classes, good, dict(num_D_steps=0), 'num_D_steps must be a whole number'),
            (classes.classes, good, dict(ema_decay=1), 'ema_decay must be a number from 0 to below 1'),
            (classes.classes, good, dict(G_args=dict(latents='cauchy')), '--latents=cauchy: expected normal'),
            (bigbigan.bigbigan, good, {}, 'knows no classes, but the dataset has 2')):
        with pytest.raises(UserError, match=message):
            make(data, None, **options)


def test_every_array_of_these_cases_is_used(request):
    golden.check_all_used(request, 'methods/test_classes.py')
