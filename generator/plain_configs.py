"""Which configuration makes a generator of a file that holds networks by name, from its options alone."""

from generator.network_data import short
from training.options import classes, contest, lapgan, latent

USUAL = dict(  # options that a file may leave out, and what they are then
    small=False, base=8, norm='batch', nonlinearity='relu', sn_epsilon=1e-6, shared_size=128, hierarchical=True)
OF_TRAINING = ('init', 'through')  # of a configuration, without effect on what the generator can draw


def config_of(method, options, function):
    """Configurations that have such a generator, or the nearest one and what differs; None = none that is known.

    Args:
        method: Name of the method.
        options: Of the generator.
        function: Name of its build function.
    """
    if method == 'osgan':
        return 'osgan: networks of DCGAN'
    known = _published(method, options, function)
    others = {name: _differences(wanted, options) for name, wanted in known.items()}
    if not others:
        return None
    exact = [name for name, found in others.items() if not found]
    if exact:
        return ' or '.join(exact) + ' (the same networks)' * (len(exact) > 1)
    name = min(others, key=lambda name: (len(set(others[name]) - {'resolution'}), name in contest.ENTRIES,
                                         'resolution' in others[name]))  # the first of several
    return f'like {name}, with ' + ', '.join(others[name].values())


def _published(method, options, function):
    """{name of a configuration: options of its generator}, of configurations with this build function.

    Some are made for any side; of BigGAN and SAGAN others follow from it.
    """
    if function in ('G_biggan', 'G_biggan_deep'):
        side = options.get('resolution')
        return {name: dict(classes.generator_args(c, side if isinstance(side, int) else c.resolution, c.fmaps),
                           resolution=c.resolution)
                for name, c in classes.CONFIGS.items()
                if ('biggan' if c.encodes else c.networks) == function[2:] and c.encodes == (method == 'bigbigan')}
    if function == 'G_lapgan':
        return {name: dict(base=c.base, fmaps=c.fmaps, base_units=lapgan.G_UNITS, base_latent_size=100)
                for name, c in lapgan.CONFIGS.items()}
    if function == 'G_mlp':
        return {'--networks=mlp': dict(hidden=[latent.UNITS] * latent.LAYERS, latent_size=100)}
    if function in ('G_dcgan', 'G_wgan_resnet'):
        size = 100 if function == 'G_dcgan' else 128
        return {name: dict(latent.NETWORKS[c.networks][2], fmaps=latent.FMAPS[c.networks], latent_size=size)
                for name, c in latent.CONFIGS.items() if latent.NETWORKS[c.networks][1] == function[2:]}
    return {}


def _differences(wanted, options):
    """{name of an option: what it is, as text} of those that differ from a configuration's."""
    found = {}
    for key in sorted((set(wanted) | (set(USUAL) & set(options))) - set(OF_TRAINING)):
        value = options.get(key, USUAL.get(key, wanted.get(key)))
        value = list(value) if isinstance(value, tuple) else 'batch' if (key, value) == ('norm', 'standing') else value
        if short(value) != short(wanted.get(key, USUAL.get(key))):
            found[key] = f'{key}={short(value)}'
    return found
