"""What to type after a training: to go on with it, to draw with its networks."""

import os
import sys

from dnnlib import shell
from training.options import continuing
from training.state import network_files

USES = dict(  # of networks: file of the program, its name as one of `stylegan2`, arguments before and after --network
    draw=('run_generator.py', 'generate', ['generate-images'], ['--seeds=0-15']),
    translate=('run_translator.py', 'translate', ['translate', 'PICTURES'], []),
    domains=('run_translator.py', 'translate', ['domains', 'PICTURES'], []))
USES_OF = dict(stargan='domains', stargan2='domains', fan=None, **dict.fromkeys(
    ('classes', 'bigbigan', 'progan', 'latent', 'lapgan', 'osgan', 'msg'), 'draw'))


def command(argv, run_dir):
    """The command line of this process, whose arguments are `argv`, changed so that it resumes a run, str."""
    program = ['python', sys.argv[0]] if sys.argv[0].endswith('.py') else sys.argv[0].split()
    return shell.line(program + continuing.arguments(argv, run_dir))


def tell_next(argv, run_dir, options, stopped):
    """Prints what to type after a training.

    Args:
        argv: Its arguments, list of str.
        run_dir: Its run directory; where that has networks, they are named.
        options: Options of the training loop, which say what the networks are for.
        stopped: Was it stopped before its end?
    """
    module = (options.get('method_args') or {}).get('func_name', '').rpartition('.')[0].rpartition('.')[2]
    use = USES_OF.get(module, 'draw' if 'G_args' in options else 'translate' if 'stream_args' in options else None)
    path = network_files.newest(run_dir) if use is not None else None
    if path is not None:
        file, program, before, after = USES[use]
        program = sys.argv[0].split()[:-1] + [program]
        if sys.argv[0].endswith('.py'):
            program = ['python', os.path.join(os.path.dirname(sys.argv[0]), file)]
        print(f'Networks: {path}; to {"draw" if use == "draw" else "translate"} with them: '
              + shell.line(program + before + ['--network=' + run_dir] + after))
    if stopped:
        print('To continue: ' + command(argv, run_dir))
