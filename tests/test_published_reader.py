"""Our pickles against the rules of the common PyTorch converters, written here again from their description.

They replace one class, `dnnlib.tflib.network.Network`, read four of its attributes, want state version 4, know a fixed
set of options and refuse any other, and look variables up by `<component>/<name>`.
"""

import pathlib
import pickle

import numpy as np
import pytest

import run_training
from training.options import presets
from training.options.settings import Settings

G_OPTIONS = set('''latent_size label_size dlatent_size resolution num_channels mapping_layers label_fmaps mapping_fmaps
    mapping_nonlinearity mapping_lrmul w_avg_beta fmap_base fmap_max num_fp16_res conv_clamp architecture
    resample_kernel use_noise nonlinearity truncation_psi truncation_cutoff style_mixing_prob structure'''.split())
D_OPTIONS = set('''label_size resolution num_channels architecture fmap_base fmap_max num_fp16_res conv_clamp
    mapping_fmaps nonlinearity resample_kernel freeze_layers mapping_layers mapping_lrmul mbstd_group_size
    mbstd_num_features structure'''.split())
GLOBALS = {'dnnlib.tflib.network.Network', 'numpy.core.multiarray._reconstruct', 'numpy.core.multiarray.scalar',
           'numpy.ndarray', 'numpy.dtype'}


class Stub:
    """Takes the place of Network."""


class Reader(pickle.Unpickler):
    """An ordinary unpickler that notes which globals it was asked for."""

    asked = None

    def find_class(self, module, name):
        self.asked = (self.asked or set()) | {module + '.' + name}
        return Stub if (module, name) == ('dnnlib.tflib.network', 'Network') else super().find_class(module, name)


def collect(network):
    """Variables of a network and its components, by `<component>/<name>`."""
    assert type(network) is Stub and network.version >= 4
    values = dict(network.variables)
    for key, component in network.components.items():
        values.update(('{}/{}'.format(key, name), value) for name, value in collect(component).items())
    return values


def read(path):
    """(G, D, Gs) of a file as the converters see them."""
    with open(path, 'rb') as f:
        reader = Reader(f, encoding='latin1')
        G, D, Gs = reader.load()
    assert reader.asked == GLOBALS
    return G, D, Gs


def check_generator(network):
    """The options are known, and every variable of such a network is there and has its shape."""
    options, values = dict(network.static_kwargs), collect(network)
    assert set(options) <= G_OPTIONS, set(options) - G_OPTIONS
    size, base, most = options['resolution'], options.get('fmap_base', 16384), options.get('fmap_max', 512)
    w = options.get('dlatent_size', 512)

    def channels(resolution):
        return min(base * 2 // resolution, most)
    used = {'dlatent_avg', 'lod'}
    for i in range(options.get('mapping_layers', 8)):
        used |= {'mapping/Dense{}/weight'.format(i), 'mapping/Dense{}/bias'.format(i)}
    index, resolution = 0, 4
    while resolution <= size:
        layers = ['Conv'] if resolution == 4 else ['Conv0_up', 'Conv1']
        for layer in layers:
            prefix = 'synthesis/{0}x{0}/{1}/'.format(resolution, layer)
            maps_in = channels(resolution // 2 if layer == 'Conv0_up' else resolution)
            assert values[prefix + 'weight'].shape == (3, 3, maps_in, channels(resolution))
            assert values[prefix + 'mod_weight'].shape == (w, maps_in)
            assert values[prefix + 'mod_bias'].shape == (maps_in,)
            assert values[prefix + 'bias'].shape == (channels(resolution),)
            assert values[prefix + 'noise_strength'].shape == ()
            assert values['synthesis/noise{}'.format(index)].shape == (1, 1, resolution, resolution)
            used |= {prefix + name for name in ('weight', 'mod_weight', 'mod_bias', 'bias', 'noise_strength')}
            used.add('synthesis/noise{}'.format(index))
            index += 1
        prefix = 'synthesis/{0}x{0}/ToRGB/'.format(resolution)
        used |= {prefix + name for name in ('weight', 'mod_weight', 'mod_bias', 'bias')}
        resolution *= 2
    used.add('synthesis/4x4/Const/const')
    if options.get('label_size', 0):
        used.add('mapping/LabelConcat/weight')
    assert set(values) - {'synthesis/lod'} == used - ({'lod'} - set(values))
    assert all(value.dtype == np.float32 for value in values.values())


def check_discriminator(network):
    """The options are known; the shapes of the ends."""
    options, values = dict(network.static_kwargs), collect(network)
    assert set(options) <= D_OPTIONS, set(options) - D_OPTIONS
    size = options['resolution']
    assert values['{0}x{0}/FromRGB/weight'.format(size)].shape[:3] == (1, 1, options['num_channels'])
    assert values['Output/weight'].shape[1] == max(options.get('label_size', 0), 1)
    assert all(value.dtype == np.float32 for value in values.values())


@pytest.mark.parametrize('config, label_size', [('config-e', 0), ('config-f', 3)])
def test_what_training_saves(session, tmp_path, config, label_size):
    import dnnlib.tflib as tflib
    from dnnlib.tflib import network_pickle
    options = run_training.make_options(run_training.parse_args(['--dataset=cats', '--config=' + config]))
    Settings(options, presets.find(config), ()).apply([
        ('G', 'fmap_max', 16), ('D', 'fmap_max', 16), ('G', 'latent_size', 8), ('G', 'dlatent_size', 8),
        ('G', 'mapping_fmaps', 8)])
    shape = dict(num_channels=3, resolution=16, label_size=label_size)
    G = tflib.Network('G', **dict(shape, **options['G_args']))
    D = tflib.Network('D', **dict(shape, **options['D_args']))
    Gs = G.clone('Gs')
    Gs.run(np.zeros([1, 8]), None, truncation_psi=0.5, randomize_noise=False)  # options of a call are not kept
    network_pickle.save((G, D, Gs), str(tmp_path / 'net.pkl'))
    G, D, Gs = read(str(tmp_path / 'net.pkl'))
    assert [G.name, D.name, Gs.name] == ['G', 'D', 'Gs'] and list(Gs.components) == ['synthesis', 'mapping']
    for network in (G, Gs):
        check_generator(network)
    check_discriminator(D)


def test_the_shipped_network():
    G, D, Gs = read(str(pathlib.Path(__file__).parent.parent / 'networks' / 'cats64.pkl'))
    for network in (G, Gs):
        check_generator(network)
    check_discriminator(D)


def test_the_rules_can_fail(session, tmp_path):
    import dnnlib.tflib as tflib
    from dnnlib.tflib import network_pickle
    G = tflib.Network('G', 'training.networks_stylegan2.G_main', resolution=8, fmap_max=4, fmap_min=2, latent_size=8,
                      dlatent_size=8, mapping_fmaps=8)
    network_pickle.save((G, G, G), str(tmp_path / 'net.pkl'))
    with pytest.raises(AssertionError, match='fmap_min'):
        check_generator(read(str(tmp_path / 'net.pkl'))[2])
