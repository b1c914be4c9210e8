"""The configurations of all methods: `--config` chooses a method and its options."""

import argparse
from collections import OrderedDict
from typing import NamedTuple

from dnnlib import UserError, cli
from dnnlib.arguments import did_you_mean
from training.options import ada, classes, domains, epochs, lapgan, latent, msg, osgan, progan, stylegan2, translation


class Preset(NamedTuple):
    """The configurations of one method; everything in it loads without TensorFlow."""
    name: str           # of the method, in names of run directories
    title: str          # the same for people
    configs: dict       # names of its configurations, in order
    table: object       # function that returns the lines of `--list-configs`
    make_options: object  # function of the parsed command line that returns options of the training loop
    settable: object    # function of the options: {group of `--set`: function that returns {key: default}}
    options_class: str  # full name of the NamedTuple of the method's options; those that are plain values join `train`;
    #                     None = `Options` of the module of the method
    add_options: object  # function that adds the flags that this method understands to an argparse parser or group
    check: object       # function of the parsed command line that refuses bad values of them
    has_streams: bool = False  # does `make_options` open data by `stream_args`, so that --dataset need not be given?
    finish: object = epochs.finish  # function of (parsed command line, options) that adds what depends on the data


DEFAULT_CONFIG = 'config-f'  # the best of the StyleGAN2 paper
OPTIONS = 'training.methods.stylegan2.Options'
METHODS = OrderedDict([
    ('stylegan2', Preset('stylegan2', 'StyleGAN, StyleGAN2', stylegan2.CONFIGS, stylegan2.table, stylegan2.make_options,
                         stylegan2.settable, OPTIONS, stylegan2.add_options, stylegan2.check)),
    ('ada', Preset('stylegan2-ada', 'StyleGAN2-ADA', ada.CONFIGS, ada.table, ada.make_options, stylegan2.settable,
                   OPTIONS, ada.add_options, ada.check)),
    ('translation', Preset('translation', 'translation of pictures', translation.CONFIGS, translation.table,
                           translation.make_options, translation.settable, None, translation.add_options,
                           translation.check, has_streams=True, finish=translation.finish)),
    ('domains', Preset('domains', 'translation between domains', domains.CONFIGS, domains.table, domains.make_options,
                       domains.settable, None, domains.add_options, domains.check, has_streams=True,
                       finish=domains.finish)),
    ('classes', Preset('classes', 'images of classes', classes.CONFIGS, classes.table, classes.make_options,
                       classes.settable, None, classes.add_options, classes.check)),
    ('progan', Preset('progan', 'ProGAN', progan.CONFIGS, progan.table, progan.make_options, progan.settable, None,
                      progan.add_options, progan.check)),
    ('latent', Preset('latent', 'DCGAN, WGAN', latent.CONFIGS, latent.table, latent.make_options, latent.settable, None,
                      latent.add_options, latent.check)),
    ('lapgan', Preset('lapgan', 'LAPGAN', lapgan.CONFIGS, lapgan.table, lapgan.make_options, latent.settable, None,
                      lapgan.add_options, lapgan.check)),
    ('msg', Preset('msg', 'MSG-GAN', msg.CONFIGS, msg.table, msg.make_options, msg.settable, None, msg.add_options,
                   msg.check)),
    ('osgan', Preset('osgan', 'OSGAN', osgan.CONFIGS, osgan.table, osgan.make_options, osgan.settable, None,
                     osgan.add_options, osgan.check))])


def find(config):
    """The Preset that a configuration belongs to; raises UserError for an unknown name."""
    for preset in METHODS.values():
        if config in preset.configs:
            return preset
    known = sorted(name for preset in METHODS.values() for name in preset.configs)
    raise UserError(f'--config: unknown configuration {config!r}; {did_you_mean(config, known)}choose from '
                    f'{", ".join(known)}')


def of_command_line(argv):
    """The Preset of the `--config` among the arguments `argv`, before they can be parsed: it decides which there are.

    Raises: UserError for an unknown name.
    """
    parser = cli.ArgumentParser(add_help=False)
    parser.add_argument('--config', default=DEFAULT_CONFIG)
    return find(parser.parse_known_args(argv)[0].config)


def refuse_foreign(unknown, config):
    """Refuses flags that only other methods understand.

    Args:
        unknown: Arguments that the parser of the configuration's method did not take, list of str.
        config: Name of the configuration.
    Raises: UserError naming the first such flag and the methods that have it.
    """
    for name in [argument.split('=')[0] for argument in unknown]:
        owners = [preset for preset in METHODS.values() if name in Flags(preset).names]
        if owners:
            titles = ', '.join(f'{preset.title} (such as --config={next(iter(preset.configs))})' for preset in owners)
            raise UserError(f'{name}: not an option of {find(config).title}, the method of --config={config}, but of '
                            f'{titles}; drop it or choose another --config')


class Flags:
    """The names of all flags that a Preset brings."""

    def __init__(self, preset):
        self.names = []
        preset.add_options(self)

    def add_argument(self, *names, **_kwargs):
        """What argparse calls so."""
        self.names += names


def list_configs():
    """The configurations of all methods: str of several lines."""
    return '\n\n'.join('\n'.join([preset.title + ':'] + preset.table()) for preset in METHODS.values())


class ListConfigs(argparse.Action):
    """Prints the configurations and ends the program."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(list_configs())
        parser.exit()
