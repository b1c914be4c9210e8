"""The graphs that benchmarks/gpu_placement.py looks at: those of a GPU, in NCHW, built without one, of narrow networks.

Every configuration of run_training.py is trained on small images; the structure of its graph is that of the full size.
"""

import contextlib
import io
import os
from typing import NamedTuple

import numpy as np
import PIL.Image

import run_training
from training.options import presets
from training.options.settings import Settings, parse_assignment

NARROW = ('G.fmap_base=64', 'G.fmap_max=8', 'D.fmap_base=64', 'D.fmap_max=8', 'G.latent_size=8', 'G.dlatent_size=8')
STYLE = NARROW + ('G.mapping_fmaps=8', 'G.mapping_layers=2')
ROUNDS = ('--batch=8', '--minibatch-gpu=4')  # two rounds of accumulation
MIXED = ('G.num_fp16_res=4', 'D.num_fp16_res=4', 'G.conv_clamp=256', 'D.conv_clamp=256')
SMALL = {  # method of training.options.presets: (options of run_training.py, settings) of a small training
    'stylegan2': (('--dataset=cats', '--resolution=16') + ROUNDS, STYLE + ('dataset.max_label_size=full',)),
    'ada': (('--dataset=cats', '--resolution=32') + ROUNDS, NARROW + ('G.mapping_layers=2',)),
    'translation': (('--resolution=32', '--width=1/16'), ()),
    'domains': (('--resolution=32', '--width=1/64', '--batch=4'), ()),
    'classes': (('--dataset=cats', '--resolution=32', '--width=1/16') + ROUNDS, ()),
    'progan': (('--dataset=cats', '--resolution=16', '--width=1/64'), ()),
    'latent': (('--dataset=cats', '--resolution=32', '--width=1/16') + ROUNDS, ()),
    'lapgan': (('--dataset=cats', '--width=1/16') + ROUNDS, ()),
    'msg': (('--dataset=cats', '--resolution=16', '--width=1/64') + ROUNDS, ()),
    'osgan': (('--dataset=cats', '--resolution=16', '--width=1/32', '--batch=8', '--minibatch-gpu=4'), ()),
}
PAIRED, LABELED = ('pix2pix',), ('pix2pixhd',)
FREE_OF_FILES = ('train.perceptual=none',)  # VGG19, whose layers are those of VGG16, needs a file


class Case(NamedTuple):
    """A training."""
    config: str
    options: tuple = ()   # further ones of the command line
    settings: tuple = ()  # further ones of --set


class Built(NamedTuple):
    """A graph of a GPU, in the default graph."""
    calls: dict     # {name: list of operations and tensors of a session call}
    pixels: int     # of an image


def cases():
    """{name: Case}: all configurations, and options that change the graph."""
    found = {name: Case(name) for preset in presets.METHODS.values() for name in preset.configs}
    found.update({
        'config-f, mixed precision': Case('config-f', settings=MIXED),
        'auto, mixed precision': Case('auto', settings=MIXED),
        'auto, all augmentations': Case('auto', ('--augpipe=bgcfnc', '--resolution=64')),
        'auto, held-out scores': Case('auto', ('--aug=adarv', '--holdout=0.1')),
        'auto, diffaugment': Case('auto', ('--aug=fixed', '--augpipe=diffaugment')),
        'pix2pixhd': Case('pix2pixhd', settings=FREE_OF_FILES),
        'pix2pixhd, augmented': Case('pix2pixhd', ('--aug=ada',), FREE_OF_FILES),
        'stargan': Case('stargan', settings=('D.num_layers=3',)),
        'fan': Case('fan', ('--resolution=64',)),
        'dogs-progan': Case('dogs-progan', ('--classes=15',)),
        'lapgan-lsun': Case('lapgan-lsun', ('--minibatch-gpu=8',)),
        'ugatit, augmented': Case('ugatit', ('--aug=ada',)),
        'wgan, slow start': Case('wgan', settings=('train.slow_start=True',)),
    })
    for name in ('bcr', 'zcr', 'pagan', 'wgangp', 'auxrot', 'spectralnorm', 'adropout'):
        found['auto, ' + name] = Case('auto', ('--aug=noaug', '--cmethod=' + name), ('dataset.max_label_size=0',))
    return found


def write_pictures(folder, size=32):
    """Writes what the methods that translate are trained on: pictures in folders."""
    def draw(name, values):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        PIL.Image.fromarray(np.uint8(values)).save(os.path.join(folder, name))

    rng, names = np.random.RandomState(0), [f'{i}.png' for i in range(8)]
    for name in names:
        for place in ('two/trainA', 'two/trainB', 'domains/train/a', 'domains/train/b', 'domains/val/a',
                      'domains/val/b', 'faces', 'hd/train_img'):
            draw(os.path.join(place, name), rng.randint(256, size=[size, size, 3]))
        draw(os.path.join('pairs/train', name), rng.randint(256, size=[size, 2 * size, 3]))
        for place in ('hd/train_label', 'hd/train_inst'):
            draw(os.path.join(place, name), rng.randint(5, size=[size, size]))
    with open(os.path.join(folder, 'points.txt'), 'w') as f:
        f.write(''.join(f'{name} ' + ' '.join(str(i % size) for i in range(2 * 98)) + '\n' for name in names))


def write_fan(folder):
    """Writes fan.pkl, a network of landmarks as StarGAN v2 takes it."""
    from dnnlib import tflib
    from training import misc
    from training.methods import fan
    from training.train_step import Method, Net
    options = dict(resolution=32, num_channels=3, size=64, fmaps=8)
    with gpu_session(), contextlib.redirect_stdout(io.StringIO()):
        H = tflib.Network('H', func_name='training.networks.fan.H_fan', **options)
        net = Net('training.networks.fan.H_fan', options, role='landmarks')
        misc.save_networks({'H': H}, Method('fan', {'H': net}, {}, fan.make_stages, fan.pictures), os.path.join(
            folder, 'fan.pkl'))


def options_of(case, folder):
    """Options of the training loop; `folder`: what `write_pictures` wrote, with fan.pkl."""
    preset = presets.find(case.config)
    key = next(name for name, other in presets.METHODS.items() if other is preset)
    options, settings = SMALL[key]
    data = ['two']
    if key == 'domains':
        data = ['faces', '--landmarks=points.txt'] if case.config == 'fan' else ['domains']
        data += ['--fan=fan.pkl'] if case.config == 'stargan-v2-celeba' else []
    if key == 'translation':
        data = ['pairs' if case.config in PAIRED else 'hd' if case.config in LABELED else 'two']
    if not any('--dataset=' in option for option in options):
        options = ('--dataset=' + data[0],) + tuple(data[1:]) + options
    argv = ['--config=' + case.config, '--metrics=none', '--device=cpu', *options, *case.options]
    for setting in settings + case.settings:
        argv += ['--set', setting]
    before = os.getcwd()
    os.chdir(folder)
    try:
        args = run_training.parse_args(argv)
        run_training.check_arguments(args)
        found = run_training.make_options(args)
        changes = Settings(found, preset, vars(args))
        changes.apply([parse_assignment(text, changes.groups) for text in args.assignments])
        preset.finish(args, found)
        return found
    finally:
        os.chdir(before)


@contextlib.contextmanager
def gpu_session(mixed=None, ops='native'):
    """A new default graph with a session on the CPU whose networks are built as for a GPU: in NCHW, by our operations.

    Args:
        mixed: See `layout.set_mixed_type`.
        ops: `native` or `ref`.
    """
    import tensorflow.compat.v1 as tf
    from dnnlib import tflib
    from dnnlib.tflib import layout
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu', 'ops': ops, 'rnd.np_random_seed': 0})
        try:
            layout.set_data_format('NCHW', mixed)
            yield
        finally:
            tflib.close_tf()


@contextlib.contextmanager
def without_values():
    """While entered, nothing is run: whoever asks for values, which take time and memory, gets zeros."""
    from dnnlib.tflib import tfutil

    def zeros(fetches, *_feeds, **_options):
        if isinstance(fetches, dict):
            return {name: zeros(fetch) for name, fetch in fetches.items()}
        if isinstance(fetches, (list, tuple)):
            return [zeros(fetch) for fetch in fetches]
        if not hasattr(fetches, 'dtype'):  # an operation
            return None
        return np.zeros([size or 0 for size in fetches.shape.as_list()], fetches.dtype.as_numpy_dtype)
    run, tfutil.run = tfutil.run, zeros
    try:
        yield
    finally:
        tfutil.run = run


def train(case, folder):
    """Builds the graph of a training in the default graph; returns Built."""
    from training import training_loop
    from training.data.streams import open_streams, stream_options
    from training.methods import stylegan2
    before = os.getcwd()
    with contextlib.redirect_stdout(io.StringIO()):  # tables of layers
        options = options_of(case, folder)
        os.chdir(folder)
        try:
            method_args, known = options.get('method_args'), set(training_loop.Options._fields)
            if method_args is None:
                known |= set(stylegan2.Options._fields)
            options, method_args = training_loop.split_options(
                {name: value for name, value in options.items() if name in known}, method_args)
            with without_values(), open_streams(
                    stream_options(options.dataset_args, options.stream_args), options.seed, options.data_dir,
                    options.bad, options.holdout, options.mirror_augment) as streams:
                training = training_loop.set_up(streams, options, method_args)
        finally:
            os.chdir(before)
    calls = {}
    for stage in training.stages:
        calls[stage.name] = [stage.op]
        if stage.part is not None:
            calls[stage.name + ', part'] = [stage.part]
    for name, network in training.networks.items():
        calls[f'{name}, minibatch'] = run_network(network, None)
        if name.startswith('G'):  # which knows another form for one image
            calls[f'{name}, one image'] = run_network(network, 1)
    pixels = min(np.prod(stream.dataset.shape[1:]) for stream in streams.values())
    return Built(calls, int(pixels))


def run_network(network, batch):
    """Outputs of `Network.run`, pictures as uint8."""
    from dnnlib.tflib import network_run, tfutil
    shapes = [[batch] + list(shape[1:]) for shape in network.input_shapes]
    _, outputs = network_run._build_graph(network, shapes, None, None, 1, False, {})
    return [tfutil.convert_images_to_uint8(x) if x.shape.ndims == 4 and x.shape.as_list()[1] in (1, 3) else x
            for x in outputs]


def _generator(resolution=32):
    """A narrow generator of config-f."""
    from dnnlib import tflib
    return tflib.Network('Gs', func_name='training.networks_stylegan2.G_main', num_channels=3, resolution=resolution,
                         fmap_base=64, fmap_max=8, latent_size=8, dlatent_size=8, mapping_layers=2, mapping_fmaps=8)


def project():
    """The projector, with LPIPS on VGG16; raises UserError if its weights are unavailable."""
    from projector import projector
    with contextlib.redirect_stdout(io.StringIO()):
        proj = projector.Projector()
        proj.dlatent_avg_samples = 16
        proj.set_network(_generator(), minibatch_size=2)
    return Built({'target': [proj._set_target_op], 'step': proj.step_fetches,
                  'pictures': [proj._images, proj._distances]}, 32 * 32)


def measure_features():
    """Pictures of a generator and what the metrics look at in them."""
    import tensorflow.compat.v1 as tf
    from dnnlib.tflib import random, tfutil
    from metrics.features import efficientnet_lite0, inception_v3, vgg16
    narrow = [_narrow(network) for network in (
        inception_v3.InceptionV3, efficientnet_lite0.EfficientNetLite0, vgg16.Vgg16)]
    with random.seeded(tf.placeholder(tf.int64, [2])):
        images = _generator().get_output_for(random.normal([4, 8]), tf.zeros([4, 0]), randomize_noise=True)
    drawn, read = tfutil.convert_images_to_uint8(images), tf.placeholder(tf.uint8, [None, 3, 32, 32])
    calls = {}
    for network in narrow:
        calls[type(network).__name__ + ', drawn'] = [network.features(drawn)]
        calls[type(network).__name__ + ', of data'] = [network.features(read)]
    return Built(calls, 32 * 32)


def _narrow(network_class):
    """A feature network whose layers have four channels and values of zero."""
    import tensorflow.compat.v1 as tf
    from dnnlib.tflib import layout

    class Narrow(network_class):
        """The same layers on variables of their own."""

        def __init__(self):
            self.num_features, self._has_expansion = 4, [True] * 16
            self._vars = _Biases()

        def convolve(self, x, name, stride=1, padding='SAME', activation=tf.nn.relu):
            side = 3 if padding == 'VALID' else 1  # as where branches that reduce meet
            self._vars[name + '/kernel'] = _variable([side, side, x.shape.as_list()[layout.channel_axis()], 4])
            return super().convolve(x, name, stride, padding, activation)

        def convolve_depthwise(self, x, name, stride, activation):
            self._vars[name + '/kernel'] = _variable([3, 3, 4, 1])
            return super().convolve_depthwise(x, name, stride, activation)

        def multiply(self, x, name):
            return tf.matmul(x, _variable([x.shape.as_list()[1], 4]))
    Narrow.__name__ = network_class.__name__
    return Narrow()


def _variable(shape):
    import tensorflow.compat.v1 as tf
    return tf.Variable(tf.zeros(shape), use_resource=True, trainable=False)


class _Biases(dict):
    """Variables by name; biases are made when they are asked for."""

    def __missing__(self, name):
        self[name] = _variable([4])
        return self[name]


OTHERS = {'projector': project, 'features of metrics': measure_features}
