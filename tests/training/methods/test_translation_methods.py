"""Iterations of the methods that translate, against the published programs: losses, gradients, steps."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib, UserError
from dnnlib.tflib import random
from tests.training import golden_translation as golden
from tests.training.methods.test_toy_methods import variables
from tests.training.methods.translation_steps import check_after, check_iteration, Trained
from training.data.streams import Stream
from training.dataset import load_dataset
from training.data.translation import pictures
from training.methods import cut, cyclegan, pix2pix, pix2pixhd, translating
from training.report.fakes import fakes_of
from training.state import files
from training.terms import nce
from training.torch_files import translation as tables
from training.train_step import process_reals
from training.training_loop import training_loop


def images_of(case, prefix=''):
    """{stream: images} of a case."""
    given = golden.arrays_cached(case)
    return {name: given[f'{prefix}real_{name.upper()}'] for name in 'ab'}


def test_cyclegan(session, monkeypatch, tmp_path):
    case = 'cyclegan_iter'
    names = dict(G_ab='G_A', G_ba='G_B', D_b='D_A', D_a='D_B')
    weights = {ours: (f'{case}_net_{theirs}.pth', tables.resnet(6) if theirs[0] == 'G' else tables.patchgan())
             for ours, theirs in names.items()}
    trained = Trained(cyclegan.cyclegan, images_of(case, 'it0/'), weights, monkeypatch,
                      G_args=dict(fmaps=3, num_blocks=6), D_args=dict(fmaps=3))
    a, b = images_of(case, 'it0/').values()
    fake_b = trained.networks['G_ab'].run(a)
    for key, image in (('fake_B', fake_b), ('rec_A', trained.networks['G_ba'].run(fake_b)),
                       ('idt_A', trained.networks['G_ab'].run(b))):
        golden.check(case, 'it0/' + key, image)
    found = trained.run(images_of(case, 'it0/'))
    assert len(found[0]) == 8
    check_iteration(case, trained, found, names, 'it0/')
    check_after(case, trained, names)
    check_second(case, trained)
    trained.check_continued(tmp_path, images_of(case, 'it1/'))


def check_second(case, trained):
    """Compares the losses of a second iteration, which the first one's rounding errors change."""
    losses, _ = trained.run(images_of(case, 'it1/'))
    for tag, value in losses.items():
        golden.FILES.compare(case, 'it1/loss_' + tag[len('Loss/'):], value, rtol=1e-3)
    return losses


def test_pix2pix(session, monkeypatch, tmp_path):
    case = 'pix2pix_iter'
    names = dict(G='G', D='D')
    weights = dict(G=(case + '_net_G.pth', tables.unet(5)), D=(case + '_net_D.pth', tables.patchgan(norm='batch')))
    trained = Trained(pix2pix.pix2pix, images_of(case, 'it0/'), weights, monkeypatch,
                      G_args=dict(fmaps=2, num_downs=5), D_args=dict(fmaps=3))
    golden.check(case, 'it0/fake_B', trained.networks['G'].run(images_of(case, 'it0/')['a']))
    found = trained.run(images_of(case, 'it0/'))
    assert len(found[0]) == 4
    golden.check(case, 'it0/loss_D', 0.5 * (found[0]['Loss/D_fake'] + found[0]['Loss/D_real']))
    golden.check(case, 'it0/loss_G', found[0]['Loss/G_GAN'] + found[0]['Loss/G_L1'])
    check_iteration(case, trained, found, names, 'it0/')
    check_after(case, trained, names)
    second = check_second(case, trained)
    golden.FILES.compare(case, 'it1/loss_D', 0.5 * (second['Loss/D_fake'] + second['Loss/D_real']), rtol=1e-3)
    golden.FILES.compare(case, 'it1/loss_G', second['Loss/G_GAN'] + second['Loss/G_L1'], rtol=1e-3)
    trained.check_continued(tmp_path, images_of(case, 'it1/'))


LAYERS = [0, 4, 8, 12, 16]


def ids_of(case):
    """Patches of a case, in the order in which they are drawn."""
    given = golden.arrays_cached(case)
    return [np.int32(given[f'ids_call{call}_layer{layer}']) for call in (0, 1) for layer in LAYERS
            if f'ids_call{call}_layer{layer}' in given]


@pytest.mark.parametrize('cases', [('cut_iter',), ('fastcut_iter', 'fastcut_flipped_iter')])
def test_cut(session, cases, monkeypatch, tmp_path):
    names, feeds = dict(G='G', F='F', D='D'), {}
    weights = {name: (f'cut_iter_net_{name}.pth', table) for name, table in (
        ('G', tables.resnet(9, antialias=True)), ('F', tables.patch_mlp(5)), ('D', tables.patchgan(antialias=True)))}
    ids = [tf.placeholder(tf.int32, value.shape) for value in ids_of(cases[0])]
    drawn, share = iter(ids), tf.placeholder(tf.float32, [])
    monkeypatch.setattr(nce, 'draw_positions', lambda *_args: next(drawn))
    monkeypatch.setattr(random, 'uniform', lambda shape: share)
    options = {} if cases == ('cut_iter',) else dict(nce_idt=False, lambda_NCE=10.0, flip_equivariance=True)
    trained = Trained(cut.cut, images_of(cases[0]), weights, monkeypatch, num_patches=40, G_args=dict(fmaps=3),
                      F_args=dict(fmaps=16), D_args=dict(fmaps=3), **options)
    assert next(drawn, None) is None
    for case in cases:
        feeds = dict(zip(ids, ids_of(case)))
        feeds[share] = 0.0 if golden.META[case]['kwargs']['flipped'] else 0.9
        trained.reset()
        sources, flip = images_of(case), -1 if golden.META[case]['kwargs']['flipped'] else 1
        golden.check(case, 'fake_B', trained.networks['G'].run(sources['a'][..., ::flip]))
        same_b = trained.networks['G'].run(sources['b'])
        found = trained.run(sources, feeds)
        losses = {tag[len('Loss/'):]: value for tag, value in found[0].items()}
        golden.check(case, 'loss_D', 0.5 * (losses['D_fake'] + losses['D_real']))
        contrast = losses['NCE']
        if case == 'cut_iter':
            golden.check(case, 'idt_B', same_b)
            contrast = 0.5 * (contrast + losses['NCE_Y'])
        golden.check(case, 'loss_G', losses['G_GAN'] + contrast)
        assert len(found[0]) == 5 if case == 'cut_iter' else 4
        check_iteration(case, trained, found, names, left_out='G')  # see golden_translation.OTHER_GRADIENTS
        check_gradients(case, trained, found[1]['G'])
    if cases == ('cut_iter',):
        check_after(case, trained, names)
        trained.check_continued(tmp_path, images_of(case), feeds)


@pytest.mark.parametrize('netF', ['sample', 'reshape'])
def test_cut_without_its_network_f(session, netF, monkeypatch):
    """The contrast of features themselves, of a mirrored minibatch, against NumPy."""
    images, taps = np.random.RandomState(0).uniform(-1, 1, [2, 1, 3, 16, 16]).astype(np.float32), (0, 4)
    monkeypatch.setattr(random, 'uniform', lambda shape: tf.zeros(shape))  # mirrored; the first places
    trained = Trained(cut.cut, dict(a=images[0], b=images[1]), {}, monkeypatch, netF=netF, flip_equivariance=True,
                      nce_idt=False, nce_layers=taps, num_patches=5, G_args=dict(fmaps=2, num_blocks=1, init_gain=1.0),
                      D_args=dict(fmaps=2, num_layers=1))
    assert list(trained.networks) == ['G', 'D']
    G, losses = trained.networks['G'], []
    fakes = G.run(images[0][..., ::-1])
    features = [G.run(image, taps=taps, encode_only=True, return_as_list=True) for image in (fakes, images[0])]
    for query, key in zip(*features):
        query, key = (session.run(nce.averages(tf.constant(maps))) if netF == 'reshape' else maps[0, 0, :5]
                      for maps in (query[:, :, ::-1], key))
        query, key = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, key))
        similar = query @ key.T / 0.07
        own = np.diag(similar).copy()
        np.fill_diagonal(similar, -10 / 0.07)
        losses.append(np.mean(np.log(np.exp(own) + np.exp(similar).sum(axis=1)) - own))
    found, gradients = trained.run(dict(a=images[0], b=images[1]), stages=dict(D=['D'], G=['G']))
    assert found['Loss/NCE'] == pytest.approx(np.mean(losses), rel=1e-4)
    assert np.abs(gradients['G']['G', 'Down0/weight']).max() > 0


def check_gradients(case, trained, gradients):
    """Compares the gradients of G, {(network, local name): array}, with those of an iteration in `cut_gradients`."""
    given, prefix = golden.arrays_cached('cut_gradients'), case + '/G_grad_'
    found = {'G.' + entry.torch: golden.to_torch(gradients['G', entry.name], entry.kind)
             for entry in trained.tables['G']}
    names = [str(name) for name in given[prefix + 'names']]
    assert sorted(found) == sorted(names)
    largest = given[prefix + 'l2'].max()
    golden.FILES.compare('cut_gradients', prefix + 'l2', [np.linalg.norm(found[name]) for name in names],
                         atol=1e-4 * largest)
    for key in [key for key in given if key.startswith(prefix + 'full/')]:
        golden.FILES.compare('cut_gradients', key, found[key[len(prefix + 'full/'):]],
                             atol=1e-4 * np.abs(given[key]).max())


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
    for number, query in enumerate(given['queries']):
        coins, places = np.zeros(2), np.zeros(2, int)
        for i in range(2):
            filled += 1
            if filled > size:
                coins[i] = next(uniforms)
                places[i] = next(randints) if coins[i] > 0.5 else 0
        feed = {numbers: query.reshape(2, 1, 1, 1), coin: coins, place: places}
        golden.FILES.compare('image_pool', 'returned', session.run(chosen, feed).reshape(2), part=number)
    golden.FILES.compare('image_pool', 'final', session.run(variables['pool']).reshape(-1))


def test_every_array_of_these_cases_is_used(request):
    golden.check_all_used(request, 'methods/test_translation_methods.py')


SMALL = dict(D_args=dict(fmaps=4, num_layers=1))
SMALL_METHODS = dict(
    cyclegan=dict(SMALL, func_name='training.methods.cyclegan.cyclegan', G_args=dict(fmaps=2, num_blocks=1),
                  pool_size=2),
    cut=dict(SMALL, func_name='training.methods.cut.cut', G_args=dict(fmaps=2, num_blocks=1), F_args=dict(fmaps=4),
             nce_layers=(0, 4, 8, 12), num_patches=8, flip_equivariance=True, pool_size=2))
CATS = dict(tfrecord_dir='cats', resolution=16)


def train(run_dir, method, kimg, **options):
    """A small training on cats; returns its variables."""
    with tf.Graph().as_default():
        try:
            run_dir.mkdir(exist_ok=True)
            training_loop(
                submit_config=EasyDict(run_dir=str(run_dir)), method_args=SMALL_METHODS[method],
                stream_args=dict(a=CATS, b=dict(CATS, held_out=True)), total_kimg=kimg, minibatch_repeats=1,
                sched_args=dict(func_name='training.schedule.translation_schedule', minibatch_size=2, minibatch_gpu=1,
                                epoch_images=4, n_epochs=1, n_epochs_decay=4), grid_args=dict(size='2x2'),
                image_snapshot_ticks=None, network_snapshot_ticks=1, checkpoint_minutes=None, keep=9,
                tf_config=dict(device='cpu', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1), **options)
        finally:
            tflib.close_tf()
    return variables(run_dir)


def test_stopped_and_continued_to_the_same_bits(tmp_path):
    """CycleGAN; what states of all methods hold is tested with their golden iterations, see `check_continued`."""
    whole = train(tmp_path / 'whole', 'cyclegan', 0.016)
    states = sorted((tmp_path / 'whole' / 'state').iterdir())
    assert len(states) > 2
    continued = train(tmp_path / 'parts', 'cyclegan', 0.016, resume_state=str(states[1]))
    assert files.latest_counters(str(tmp_path / 'parts')).nimg == 16
    assert sorted(whole) == sorted(continued)
    filled = [values.tolist() for name, values in whole.items() if name.endswith('_filled')]
    assert filled == [[2, 2]] * 2
    for name, value in whole.items():
        np.testing.assert_array_equal(value, continued[name], err_msg=name)
    with PIL.Image.open(str(tmp_path / 'whole' / 'fakes_init.png')) as image:
        assert image.size == (2 * 16, 2 * 4 * 16)


def test_cut_trains_all_of_its_networks(tmp_path):
    measured = []

    def measure(network_pkl, fakes):
        if network_pkl is not None:
            images = np.concatenate([later.draw() for later in fakes(5, 0)])
            measured.append((images, fakes.names(5, 1), fakes.num_images, fakes.reals))
    trained = train(tmp_path / 'cut', 'cut', 0.008, metric_callback=measure)
    assert trained['State/pool_filled'].tolist() == [2, 2]
    images, names, num_images, reals = measured[-1]
    assert images.shape == (5, 3, 16, 16) and images.dtype == np.uint8 and num_images == 324000
    assert names[:2] == ['image 0', 'image 80999'] and reals == dict(CATS, held_out=True)
    with PIL.Image.open(str(tmp_path / 'cut' / 'fakes_init.png')) as image:
        assert image.size == (2 * 16, 2 * 2 * 16)
    for name in ('G/Input/bias', 'F/Tap0/Dense0/bias', 'D/Conv0/bias'):  # zeros at first
        assert np.abs(trained[name]).max() > 0, name


def test_sizes_and_options_that_do_not_fit():
    data = [SimpleNamespace(dataset=SimpleNamespace(shape=[3, size, 16])) for size in (16, 32)]
    with pytest.raises(UserError, match='both sides must have images of one size, but they are 16x16 and 16x32; scale'):
        translating.data_of(dict(a=data[0], b=data[1]))
    gray, color = [SimpleNamespace(dataset=SimpleNamespace(shape=[count, 16, 16])) for count in (1, 3)]
    with pytest.raises(UserError, match='same channels, but they have 1 and 3; give --set dataset.channels=3'):
        translating.data_of(dict(a=gray, b=color))
    assert translating.data_of(dict(a=gray, b=color), is_paired=True) == (gray.dataset, color.dataset)
    with pytest.raises(UserError, match='lambda_identity compares B with its translation, which nce_idt=no leaves out'):
        cut.cut(dict(a=color, b=color), None, lambda_identity=1, nce_idt=False)
    with pytest.raises(UserError, match='translation needs the streams a and b of data, not reals'):
        translating.data_of(dict(reals=data[0]))
    with pytest.raises(UserError, match="unknown criterion 'gan'; choose from lsgan, "):
        cut.cut(dict(a=data[0], b=data[0]), None, criterion='gan')
    with pytest.raises(UserError, match="netF must be mlp_sample, sample, reshape, not 'mlp'"):
        cut.cut(dict(a=color, b=color), None, netF='mlp')
    with pytest.raises(UserError, match='netF=sample has no network F; drop F.fmaps, or choose netF=mlp_sample'):
        cut.cut(dict(a=color, b=color), None, netF='sample', F_args=dict(func_name='f', fmaps=8))
    with pytest.raises(UserError, match="direction must be AtoB or BtoA, not 'AB'"):
        pix2pix.pix2pix(dict(a=data[0], b=data[0]), None, direction='AB')


def test_what_is_translated_to_be_measured():
    """Held-out pictures where there are any, else all; one after another, as published."""
    seen = []

    class Doubles:
        """A generator that shows its input twice as bright."""

        input_shape = [None, 3, 16, 16]

        @staticmethod
        def run(images, return_as_list, resolution=(16, 16)):
            """See Network."""
            assert images.shape[2:] == tuple(resolution)
            seen.append(len(images))
            return [np.minimum(images * 2 + 1, 1)]
    method = SimpleNamespace(translation=translating.translation('G', direction='BtoA'), fakes=None)
    options = SimpleNamespace(dataset_args=CATS, stream_args=dict(a={}, b={}), bad='skip')
    for share, numbers in ((0, range(20)), (0.5, None)):
        with load_dataset(max_images=20, **CATS) as data:
            streams = {name: Stream(data.hold_out(share), name) for name in 'ab'}
            fakes = fakes_of(method, dict(G=Doubles), streams, options)
            numbers = numbers or np.sort(data.held_out)
            images = np.concatenate([later.draw() for later in fakes(99, 0)])
            assert fakes.num_images == len(images) == len(numbers) and set(seen) == {1}
            assert fakes.reals == dict(CATS, bad='skip')
            for number, image in zip(numbers, images):
                np.testing.assert_array_equal(image, np.minimum(2 * np.int32(data.read(number)), 255))
            assert fakes.names(99, 0) == [f'image {number}' for number in numbers]
    del seen[:]
    whole = np.full([3, 3, 8, 20], 20, np.uint8)  # of another size than what is trained on: one after another
    assert (translating.translate(Doubles, whole, 2) == 40).all() and seen == [1, 1, 1]
    method = SimpleNamespace(translation=None, between=(), fakes=lambda networks, count, seed: (networks, count, seed))
    assert fakes_of(method, 'nets', streams, options)(3, 4) == ('nets', 3, 4)


def test_label_maps_are_drawn_from_some_at_a_time():
    seen = []

    class Generator:
        """A generator that shows the first labels."""

        @staticmethod
        def run(maps):
            """See Network."""
            seen.append(maps.shape)
            return maps[:, :3]
    maps = dict(a=np.uint8(np.arange(80).reshape(5, 1, 4, 4) % 3), inst=np.zeros([5, 3, 4, 4], np.uint8))
    found = pix2pixhd.draw(dict(G=Generator), maps, pix2pixhd.Options(label_nc=4), 2)
    np.testing.assert_array_equal(found, np.where(maps['a'] == np.arange(3)[:, np.newaxis, np.newaxis], 255, 128))
    assert seen == [(2, 5, 4, 4), (2, 5, 4, 4), (1, 5, 4, 4)]


def test_numbers_of_maps_pass_through_the_range_of_the_networks(session):
    numbers = np.array([0, 1, 34, 255, 256, 66051, 2 ** 24 - 2, 2 ** 24 - 1]).reshape(1, 1, 2, 4)
    images = tf.constant(pictures.to_bytes(numbers[0], 3)[np.newaxis])
    found = session.run(translating.numbers(process_reals(images, [0, 255], translating.DRANGE)))
    np.testing.assert_array_equal(found, numbers)
    labels = tf.constant(np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16))
    found = session.run(translating.numbers(process_reals(labels, [0, 255], translating.DRANGE)))
    np.testing.assert_array_equal(found.reshape(-1), np.arange(256))
