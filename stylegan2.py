"""The program as a library: opens trained generators and draws with them; and as one command, `stylegan2 PROGRAM ...`.

    import stylegan2
    cats = stylegan2.load('cats64')
    images = cats.generate(seeds=[1, 2], truncation_psi=0.7)
"""

import collections
import gc
import os
import sys

from dnnlib import cli, util
from dnnlib.util import UserError
from generator.library import Generator

__all__ = ['Generator', 'PROGRAMS', 'UserError', 'load', 'main', 'run']
__version__ = '1.0'

PROGRAMS = collections.OrderedDict([
    ('train', 'run_training'), ('generate', 'run_generator'), ('project', 'run_projector'), ('metrics', 'run_metrics'),
    ('translate', 'run_translator'), ('explore', 'run_explorer'), ('dataset', 'dataset_tool'),
    ('doctor', 'dnnlib.doctor')])
_COMMANDS = {  # of the programs that have some; where a command is given in the place of a program
    'generate': ('generate-images', 'style-mixing-example', 'interpolate', 'grid', 'mix', 'directions', 'edit', 'blend',
                 'export', 'info'),
    'project': ('project-generated-images', 'project-real-images', 'project-images', 'calibrate', 'detect'),
    'dataset': ('create_from_images', 'create_cats', 'create_cats_pairs', 'create_cats_domains', 'create_mnist',
                'create_mnistrgb', 'create_cifar10', 'create_cifar100', 'create_svhn', 'create_lsun',
                'create_lsun_wide', 'create_celeba', 'create_from_hdf5', 'display', 'extract', 'compare', 'check')}


def load(network, device='auto', ops='auto'):
    """Opens the generator of a network file; the same as `Generator(network, device, ops)`."""
    return Generator(network, device, ops)


def run(*arguments):
    """Runs a program in this process: `run('train', '--dataset=cats')` is the command `stylegan2 train --dataset=cats`.

    It uses the default graph, which is empty afterwards, and must not be called inside another one's `as_default`.

    Args:
        arguments: Name of the program, one of PROGRAMS, and its arguments, str.
    Returns: The program's exit code, None or 0 = success.
    Raises: UserError for bad input; OSError for files that can't be read or written; SystemExit with code 2 for unknown
        options, and with 0 after `--help`.
    """
    try:
        return _start(arguments)
    finally:
        if 'tensorflow' in sys.modules:
            _forget_program()


def main():
    """The command `stylegan2`; ends the process with the program's exit code."""
    cli.run_main(_start, prog='stylegan2')


def _start(arguments):
    """Calls the `main` of a program, with its name in `sys.argv`, which help and messages show."""
    is_command = os.path.basename(sys.argv[0]) in ('stylegan2', 'stylegan2.exe')
    prog = 'stylegan2' if is_command else 'python -m stylegan2'
    parser = cli.ArgumentParser(prog=prog, description='StyleGAN2 for TensorFlow; every program has its own --help')
    parser.add_argument('--version', action='version', version='stylegan2-tf ' + __version__)
    parser.add_argument('program', choices=PROGRAMS, help='what to do')
    for name, commands in _COMMANDS.items():
        if arguments and arguments[0] in commands:
            parser.error(f'{arguments[0]} is a command of {name}; did you mean {prog} {name} {arguments[0]}?')
    program, given = parser.parse_args(arguments[:1]).program, sys.argv
    sys.argv = [f'{prog} {program}'] + list(arguments[1:])
    try:
        return util.get_obj_by_name(PROGRAMS[program]).main(sys.argv[1:])
    finally:
        sys.argv = given


def _forget_program():
    """Closes the session that a program left open, so that the next one starts like the first."""
    import tensorflow.compat.v1 as tf
    from dnnlib import tflib
    from dnnlib.tflib import graphs
    if tf.get_default_session() is not None:
        tflib.close_tf()
        graphs.forget_graph(tf.get_default_graph())
        tf.reset_default_graph()
        gc.collect()


if __name__ == '__main__':
    main()
