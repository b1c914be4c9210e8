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
        'auto, diffaugment': Case('auto', ('--aug=diffaugment',)),
        'pix2pixhd, augmented': Case('pix2pixhd', ('--aug=ada',)),
        'ugatit, augmented': Case('ugatit', ('--aug=ada',)),
        'wgan, slow start': Case('wgan', settings=('train.slow_start=True',)),
    })
    for name in ('bcr', 'zcr', 'pagan', 'wgangp', 'auxrot', 'spectralnorm', 'adropout'):
        found['auto, ' + name] = Case('auto', ('--cmethod=' + name,))
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
    """A new default graph with a session on the CPU whose networks are built as for a GPU: in NCHW, with our operations.

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


def train(case, folder):
    """Builds the graph of a training in the default graph; returns Built."""
    from dnnlib.tflib import autosummary
    from training import training_loop
    from training.data.streams import open_streams, stream_options
    before = os.getcwd()
    with contextlib.redirect_stdout(io.StringIO()):  # tables of layers
        options = options_of(case, folder)
        os.chdir(folder)
        try:
            options, method_args = training_loop.split_options({name: value for name, value in options.items() if name in (
                training_loop.Options._fields) or 'method_args' not in options and name in _method_fields()},
                options.get('method_args'))
            with open_streams(stream_options(options.dataset_args, options.stream_args), options.seed,
                              options.data_dir, options.bad, options.holdout, options.mirror_augment) as streams:
                training = training_loop.set_up(streams, options, method_args)
        finally:
            os.chdir(before)
    calls = {}
    for stage in training.stages:
        calls[stage.name] = [stage.op]
        if stage.part is not None:
            calls[stage.name + ', part'] = [stage.part]
    for name, network in training.networks.items():
        for batch in (None, 1):
            calls[f'{name}, {"minibatch" if batch is None else "one image"}'] = run_network(network, batch)
    autosummary.finalize_autosummaries()
    calls['statistics'] = [autosummary._state().read_op]
    pixels = min(np.prod(stream.dataset.shape[1:]) for stream in streams.values())
    return Built(calls, int(pixels))


def _method_fields():
    from training.methods import stylegan2
    return stylegan2.Options._fields


def run_network(network, batch):
    """Outputs of `Network.run`, pictures as uint8."""
    from dnnlib.tflib import network_run, tfutil
    shapes = [[batch] + list(shape[1:]) for shape in network.input_shapes]
    _, outputs = network_run._build_graph(network, shapes, None, None, 1, False, {})
    return [tfutil.convert_images_to_uint8(x) if x.shape.ndims == 4 and x.shape.as_list()[1] in (1, 3) else x
            for x in outputs]
