"""StarGAN and StarGAN v2 against the published programs: networks, losses, gradients, an iteration."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib, UserError
from dnnlib.tflib import random
from tests.training import golden_domains as golden
from tests.training.methods.domain_steps import Trained
from tests.training.methods.test_toy_methods import variables
from training import pretrained
from training.data.making.cats_domains import write_set
from training.dataset import load_dataset
from training.methods import stargan, stargan2
from training.state import files
from training.training_loop import training_loop

NOISE = 0.02  # the middle taps for planes of labels, behind which comes a normalization: see `check_sums`


def one_hot(classes, count):
    """Rows with a 1, float32 [N, count]."""
    return np.float32(np.asarray(classes)[:, np.newaxis] == np.arange(count))


def masks(given, prefix):
    """The masks of a case, [N, 2, 256, 256]."""
    both = np.concatenate([given[f'{prefix}mask1'], given[f'{prefix}mask2']], axis=1)
    return np.float32(both.repeat(16, axis=2).repeat(16, axis=3))


@pytest.mark.parametrize('case', ['stargan2_afhq', 'stargan2_celeba'])
def test_published_files_of_stargan2_give_the_published_results(session, case):
    del session
    given, kwargs = golden.FILES.arrays(case), golden.kwargs_of(case)
    domains, masked = kwargs['num_domains'], kwargs['w_hpf'] > 0
    contents = pretrained.load_file(golden.path_of(case + '.pt'))
    networks = contents.networks
    assert contents.method == 'stargan2' and list(networks) == list('GFED')
    targets = one_hot(given['y_trg'], domains)
    golden.check_outputs(case, 'F_out', networks['F'].run(given['z_trg'], targets))
    golden.check_outputs(case, 'E_out', networks['E'].run(given['x_ref'], targets))
    if masked:
        golden.check_outputs(case, 'G_out', networks['G'].run(given['x_real'], given['F_out'], masks(given, '')))
        plain = networks['G'].run(given['x_real'][:1], given['F_out'][:1], np.zeros([1, 2, 256, 256]))
        golden.check_outputs(case, 'G_out_no_masks', plain)
    else:
        golden.check_outputs(case, 'G_out', networks['G'].run(given['x_real'], given['F_out']))
    scores = [networks['D'].run(given['x_real'], one_hot([k] * len(targets), domains))[:, 0] for k in range(domains)]
    golden.check_outputs(case, 'D_main', np.stack(scores, axis=1)[:, :, np.newaxis, np.newaxis])
    golden.check_outputs(case, 'D_out', np.stack(scores, axis=1)[range(len(targets)), given['y_org']])


@pytest.mark.parametrize('case', ['stargan2_afhq', 'stargan2_celeba'])
def test_stargan2(session, case, monkeypatch):
    given, kwargs = golden.FILES.arrays(case), golden.kwargs_of(case)
    domains, masked = kwargs['num_domains'], kwargs['w_hpf'] > 0
    drawn = iter([given['z_trg'], given['z_trg'], given['z_trg2']])
    monkeypatch.setattr(random, 'normal', lambda shape: tf.constant(next(drawn)))
    if masked:
        used = iter([masks(given, name) for name in ('', 'cycle_', 'cycle_')])
        monkeypatch.setattr(stargan2, 'masks_of', lambda step, images: tf.constant(next(used)))
        nets_of = stargan2.nets_of
        monkeypatch.setattr(stargan2, 'nets_of', lambda *args: {
            name: net for name, net in nets_of(*args).items() if name != 'H'})
    widths = dict(fmap_base=kwargs['base'], fmap_max=kwargs['max_conv_dim'])
    trained = Trained(
        stargan2.stargan2, dict(
            source=(given['x_real'], one_hot(given['y_org'], domains)),
            reference=(np.concatenate([given['x_ref'], given['x_ref2']], axis=1), one_hot(given['y_trg'], domains))),
        case, monkeypatch, masked=masked, fan_file='wing.ckpt', G_args=widths, E_args=widths, D_args=widths,
        F_args=dict(latent_size=kwargs['latent_dim'], fmaps=kwargs['hidden'], style_size=kwargs['style_dim']),
        **{name: kwargs[name] for name in ('lambda_reg', 'lambda_cyc', 'lambda_sty', 'lambda_ds', 'ds_iter')})
    assert list(trained.stages) == ['D', 'D_ref', 'G', 'G_ref', 'G_ema', 'F_ema', 'E_ema', 'lambda_ds']
    for stage, theirs, parts, nets in (
            ('D', 'D_latent', ('real', 'fake', 'reg'), 'D'), ('D_ref', 'D_ref', ('real', 'fake', 'reg'), 'D'),
            ('G', 'G_latent', ('adv', 'sty', 'ds', 'cyc'), 'GFE'),
            ('G_ref', 'G_ref', ('adv', 'sty', 'ds', 'cyc'), 'G')):
        losses, gradients = trained.run(stage, [f'{theirs}_{part}' for part in parts])
        golden.check_loss(case, theirs + '/loss', losses.pop(stage))
        for tag, value in losses.items():
            golden.check_loss(case, f'{theirs}/{tag[len(theirs) + 1:]}', value)
        # after two and three steps, in which rounding errors of the gradients became steps, kinks of |x| lie elsewhere
        golden.check_gradients(case, theirs + '/', gradients, {'G': 5e-4, 'G_ref': 5e-3}.get(stage, 2e-4))
        values = {key: value for name in nets for key, value in trained.values(name).items()}
        golden.check_sums(case, theirs + '/', values)
    for stage in ('G_ema', 'F_ema', 'E_ema', 'lambda_ds'):
        trained.run(stage)
    for end, suffix in (('end/', ''), ('end_ema/', '_ema')):
        values = {key: value for name in trained.networks if name.endswith('_ema') == bool(suffix)
                  for key, value in trained.values(name).items()}
        for key in [key for key in given if key.startswith(end) and key != 'end/lambda_ds']:
            name, tensor = key[len(end):].split('/')
            golden.check_values(case, key, values[f'{name}{suffix}/{tensor}'], noise=0.01)
    lambda_ds = session.run(trained.step.progress['Progress/lambda_ds'])
    np.testing.assert_allclose(lambda_ds, given['end/lambda_ds'], rtol=1e-6)


@pytest.mark.parametrize('case', ['stargan_attributes', 'stargan_classes'])
def test_stargan(session, case, monkeypatch):
    given, kwargs = golden.FILES.arrays(case), golden.kwargs_of(case)
    labels, targets = given['label_org'], given['c_trg']
    assert np.array_equal(given['label_trg'], targets if given['label_trg'].ndim == 2 else targets.argmax(axis=1))
    labels = labels if kwargs['dataset'] == 'CelebA' else one_hot(labels, kwargs['c_dim'])
    monkeypatch.setattr(stargan, 'shuffled', lambda labels: tf.constant(targets))
    monkeypatch.setattr(random, 'uniform', lambda shape: tf.constant(1 - given['alpha']))  # shares of the fakes
    trained = Trained(
        stargan.stargan, dict(a=(given['x_real'], labels)), case, monkeypatch,
        kinds=['attributes' if kwargs['dataset'] == 'CelebA' else 'classes'], n_critic=1,
        G_args=dict(fmaps=kwargs['g_conv_dim'], num_blocks=kwargs['g_repeat_num']),
        D_args=dict(fmaps=kwargs['d_conv_dim'], num_layers=kwargs['d_repeat_num']),
        **{name: kwargs[name] for name in ('lambda_cls', 'lambda_rec', 'lambda_gp')})
    golden.check_outputs(case, 'G_out', trained.networks['G'].run(given['x_real'], targets))
    scores, logits = trained.networks['D'].run(given['x_real'])
    golden.check_outputs(case, 'D_src', scores)
    golden.check_outputs(case, 'D_cls', logits)
    for stage, parts in (('D', ('real', 'fake', 'cls', 'gp')), ('G', ('fake', 'rec', 'cls'))):
        losses, gradients = trained.run(stage, [f'{stage}_{part}' for part in parts])
        golden.check_loss(case, stage + '/loss', losses.pop(stage))
        for tag, value in losses.items():
            golden.check_loss(case, tag.replace('_', '/'), value)
        golden.check_gradients(case, stage + '/', {key.split('/')[1]: value for key, value in gradients.items()})
        values = {key.split('/')[1]: value for key, value in trained.values(stage).items()}
        golden.check_sums(case, stage + '/', values, NOISE)
        for key in [key for key in given if key.startswith(f'end/{stage}/')]:
            golden.check_values(case, key, values[key.split('/')[2]], NOISE)


WIDTHS = dict(fmap_base=64, fmap_max=8)
SMALL = dict(
    stargan2=dict(func_name='training.methods.stargan2.stargan2', masked=False, ds_iter=3, G_args=WIDTHS, D_args=WIDTHS,
                  E_args=WIDTHS, F_args=dict(fmaps=8, latent_size=4, style_size=4)),
    stargan=dict(func_name='training.methods.stargan.stargan', n_critic=2, G_args=dict(fmaps=2, num_blocks=1),
                 D_args=dict(fmaps=2, num_layers=3), kinds=['classes', 'classes']))
DATA = dict(class_name='training.data.translation.domains.DomainDataset', train='train', test='test', load_size=16,
            crop_size=16, resample='bilinear')


def train(run_dir, method, streams, kimg, **options):
    """A small training on cats of 16x16 pixels; returns its variables."""
    with tf.Graph().as_default():
        try:
            run_dir.mkdir(exist_ok=True)
            training_loop(
                submit_config=EasyDict(run_dir=str(run_dir)), method_args=SMALL[method], stream_args=streams,
                dataset_args=DATA, total_kimg=kimg, minibatch_repeats=1, grid_args=dict(size='3x1'),
                sched_args=dict(func_name='training.schedule.domain_schedule', minibatch_size=4, minibatch_gpu=2,
                                tick_images=8), image_snapshot_ticks=None, network_snapshot_ticks=1,
                checkpoint_minutes=None, keep=9,
                tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1), **options)
        finally:
            tflib.close_tf()
    return variables(run_dir)


def look_at_fakes(network_pkl, fakes):
    """In place of metrics: between three domains, of each dataset."""
    parts, wanted = (1, ('latent', 'reference')) if len(fakes.guides) > 1 else (2, ('label',))
    assert len(fakes.tasks) == 6 * parts and fakes.guides == wanted and fakes.num_images == 6 * 2 * parts
    task = fakes.tasks[-1]
    for guide in fakes.guides if network_pkl else ():
        assert fakes.draw(guide, task, [0, 1, 1], [0, 0, 1], seed=1).shape == (3, 3, 16, 16)
    with load_dataset(**fakes.reals) as data:  # for metrics that know no domains
        trained = fakes.tasks[0].part.trained
        assert data.num_images == trained.num_images == 24
        np.testing.assert_array_equal(data.read(5), trained.read(5))
    return {}


@pytest.mark.parametrize('method', list(SMALL))
def test_stopped_and_continued_to_the_same_bits(tmp_path, method):
    write_set(str(tmp_path / 'set'), 'families', 16, 24, 6)
    streams = dict(a=dict(tfrecord_dir=str(tmp_path / 'set')), b=dict(tfrecord_dir=str(tmp_path / 'set')))
    if method == 'stargan2':
        side = dict(streams['a'], balanced=True, crop_prob=0.5)
        streams = dict(source=side, reference=dict(side, pairs=True))
    whole = train(tmp_path / 'whole', method, streams, 0.016, metric_callback=look_at_fakes)
    states = sorted((tmp_path / 'whole' / 'state').iterdir())
    assert len(states) > 1
    continued = train(tmp_path / 'parts', method, streams, 0.016, resume_state=str(states[0]))
    assert files.latest_counters(str(tmp_path / 'parts')).nimg == 16 and sorted(whole) == sorted(continued)
    for name, value in whole.items():
        np.testing.assert_array_equal(value, continued[name], err_msg=name)
    with PIL.Image.open(str(tmp_path / 'whole' / 'fakes_init.png')) as image:
        assert image.size == (3 * 16, (1 + 3 + 2) * 16 if method == 'stargan2' else 2 * (1 + 6) * 16)
    if method == 'stargan2':
        assert whole['State/lambda_ds'] <= 0  # after four iterations of three
        assert len([name for name in whole if name.startswith(('G_ema/', 'F_ema/', 'E_ema/'))]) > 50


def test_labels_of_the_pictures():
    targets = stargan.Targets(stargan.Sets((3, 2)), stargan.Options(
        kinds=('attributes', 'classes'), exclusive=('Black', 'Blond')), [['Black', 'Blond', 'Young'], ['a', 'b']])
    found = np.concatenate(targets.of(np.float32([[1, 0, 0]]), 0)).tolist()
    assert found == [[1, 0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1, 0], [1, 0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0, 1],
                     [0, 0, 0, 0, 1, 0, 1]]


def test_options_and_data_that_do_not_fit():
    data = SimpleNamespace(dataset=SimpleNamespace(name='x', shape=[3, 16, 16], label_size=1, label_names=None))
    with pytest.raises(UserError, match='at least 2 domains, one folder of pictures each, and found 1'):
        stargan2.stargan2(dict(source=data, reference=data), None, masked=False)
    with pytest.raises(UserError, match='needs the streams source, reference of data, not a'):
        stargan2.stargan2(dict(a=data), None, masked=False)
    with pytest.raises(UserError, match='kinds must be attributes or classes for each of the streams a, not'):
        stargan.stargan(dict(a=data), None, kinds=('classes', 'classes'))
    with pytest.raises(UserError, match='masks are made of the landmarks of faces'):
        stargan2.stargan2(dict(source=SimpleNamespace(dataset=SimpleNamespace(label_size=2)), reference=data), None)


def test_every_array_of_these_cases_is_used(request):
    golden.FILES.check_all_used(request, 'methods/test_domains.py')
    golden.FILES.check_all_owned()
