"""The configurations of all methods: `--config` chooses a method and its options."""

import difflib
from collections import OrderedDict
from typing import NamedTuple

from dnnlib import UserError
from training.options import stylegan2


class Preset(NamedTuple):
    """The configurations of one method; everything in it loads without TensorFlow."""
    name: str           # of the method, in names of run directories
    title: str          # the same for people
    configs: dict       # names of its configurations, in order
    table: object       # function that returns the lines of `--list-configs`
    make_options: object  # function of the parsed command line that returns options of the training loop
    settable: object    # function of the options: {group of `--set`: function that returns {key: default}}
    options_class: str  # full name of the NamedTuple of the method's options; those that are plain values join `train`


METHODS = OrderedDict(stylegan2=Preset(
    'stylegan2', 'StyleGAN, StyleGAN2', stylegan2.CONFIGS, stylegan2.table, stylegan2.make_options, stylegan2.settable,
    'training.methods.stylegan2.Options'))


def find(config):
    """The Preset that a configuration belongs to; raises UserError for an unknown name."""
    for preset in METHODS.values():
        if config in preset.configs:
            return preset
    known = sorted(name for preset in METHODS.values() for name in preset.configs)
    similar = difflib.get_close_matches(config, known, 1)
    hint = f'did you mean {similar[0]}? ' if similar else ''
    raise UserError(f'--config: unknown configuration {config!r}; {hint}choose from {", ".join(known)}')


def list_configs():
    """The configurations of all methods: str of several lines."""
    return '\n\n'.join('\n'.join([preset.title + ':'] + preset.table()) for preset in METHODS.values())
