"""`--precision`: training in mixed precision, and the measurement that decides whether the machine profits."""

import json
import os
import subprocess
import sys

from dnnlib import UserError, cli
from dnnlib.names import installed_name
from dnnlib.util import atomic_path
from training.options import comparison
from training.state import files

NUM_HALF = 4  # highest resolutions in half precision, as published
CLAMP = 256  # of activations in float16, as published
CHOICE_FILE = files.CHOSEN[0]  # in the run directory and its states
BASE = ('training.networks_stylegan2.G_main', 'training.networks_stylegan2.D_stylegan2')
ADA = ('training.networks_ada.G_main', 'training.networks_ada.D_main')
WORTH_IT = 1.05  # ratio of the times from which mixed precision is chosen; less is within the error of a measurement


def add(parser):
    """Adds `--precision` to an argparse parser."""
    parser.add_argument('--precision', choices=('float32', 'mixed'),
                        help='mixed = 16-bit activations if the device computes them faster, which is measured at the '
                        'first start (default: float32; StyleGAN2-ADA: mixed on a GPU, as published)')


def apply(options, args):
    """Enters the precision that was asked for into the options of the networks.

    Args:
        options: Options of the training loop; changed.
        args: Parsed command line.
    Raises: UserError if the networks of the configuration, or TensorFlow on this device, have no mixed precision.
    """
    groups = [options[name] for name in ('G_args', 'D_args') if name in options]
    functions = tuple(group['func_name'] for group in groups)
    as_published = functions == ADA and args.cmethod not in comparison.IN_FLOAT32
    if args.precision == 'float32' or args.precision is None and not as_published:
        return
    if functions == ADA and not as_published:
        raise UserError(f'--precision=mixed: --cmethod={args.cmethod} trains in float32, as published; drop '
                        '--precision')
    if functions not in (BASE, ADA):
        raise UserError(f'--precision={args.precision}: the networks of --config={args.config} have no mixed '
                        'precision; drop --precision')
    for group in groups:
        group['num_fp16_res'] = NUM_HALF
        if functions == ADA:
            group['conv_clamp'] = CLAMP
    if args.precision == 'mixed':
        _, _, missing = device_of(options['tf_config'])
        if missing:
            raise UserError(f'--precision=mixed: {missing}; drop --precision')
        options['precision'] = 'mixed'


def device_of(tf_config):
    """What a training computes with: (16-bit type, description of the machine, what TensorFlow lacks for it or None).

    Args:
        tf_config: As in `tflib.init_tf`.
    """
    cli.load_tensorflow()
    from dnnlib.tflib import layout, precision, self_test
    with self_test.fresh_session(tf_config):
        return layout.half_type(), precision.machine(), precision.missing_kernel()


def choose(options, precision, run_dir=None):
    """Chooses the type in which this machine trains fastest, and prints it.

    At the first start both precisions are measured in another process; a resumed training takes what was found then.

    Args:
        options: Options of the training loop.
        precision: 'mixed'; None = the configuration's own, nothing is to be chosen.
        run_dir: Run directory; the choice is noted there. None = none.
    Returns: The options for that type.
    Raises: UserError if the trial fails.
    """
    if precision is None:
        return options
    origin = options.get('resume_state')
    choice = _noted(run_dir) or _noted(origin) or _noted(  # states have it since November 2026, before only their run
        origin and files.run_of(origin))
    half, machine, missing = device_of(options['tf_config'])
    if choice is None:
        choice = _measure(options, half, machine)
        print(f'--precision=mixed: {_sentence(choice)}', flush=True)
    elif choice['type'] != 'float32' and (missing or choice['type'] != half):
        found, choice = choice, _measure(options, half, machine)
        print(f'--precision=mixed: {found["type"]} was chosen on {found["machine"]}, which this machine has not; '
              f'measured again: {_sentence(choice)}', flush=True)
    elif choice['machine'] != machine:
        print(f'--precision=mixed: {choice["type"]} as at the first start, on {choice["machine"]}; this is {machine}, '
              f'where it may not be the fastest (without {CHOICE_FILE} in the run directory it is measured again)')
    else:
        print(f'--precision=mixed: {choice["type"]} as measured at the first start')
    if run_dir is not None:
        with atomic_path(os.path.join(run_dir, CHOICE_FILE)) as temp_path:
            with open(temp_path, 'w') as f:
                json.dump(choice, f)
    return with_type(options, choice['type'])


def with_type(options, dtype):
    """The options for one type of half-precision blocks.

    Network files keep `num_fp16_res`, and a GPU draws those blocks in float16, which needs the clamp. So both 16-bit
    types train with it, though bfloat16 has the range of float32, and a training may move between them. Networks that
    were trained in float32 without it have no such blocks.

    Args:
        options: Options of the training loop.
        dtype: 'float16', 'bfloat16' or 'float32'.
    """
    options = dict(options, tf_config=dict(options['tf_config'], mixed=dtype))
    added = dict(num_fp16_res=0) if dtype == 'float32' else dict(conv_clamp=CLAMP)
    options.update((name, dict(options[name], **added)) for name in ('G_args', 'D_args')
                   if 'num_fp16_res' in options[name] and options[name].get('conv_clamp') is None)
    return options


def _noted(run_dir):
    """What was found when a run started, None if nothing."""
    if not run_dir:
        return None
    try:
        with open(os.path.join(run_dir, CHOICE_FILE)) as f:
            choice = json.load(f)
        return choice if {'type', 'machine'} <= set(choice) else None
    except (OSError, ValueError, TypeError):
        return None


def _measure(options, half, machine):
    """Times both precisions in another process, see precision_probe; returns what is noted."""
    print(f'--precision=mixed: measuring whether {half} is faster here than float32, up to a minute...', flush=True)
    process = subprocess.run(
        [sys.executable, '-m', installed_name('training.options.precision_probe')], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        input=json.dumps(dict(options=options, half=half)).encode(),
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path)))
    if process.returncode != 0:
        lines = process.stderr.decode(errors='replace').strip().splitlines() or [f'exit code {process.returncode}']
        raise UserError(f'--precision=mixed: the trial iterations failed ({lines[-1]})')
    found = json.loads(process.stdout.decode().strip().splitlines()[-1])
    return dict(found, machine=machine, half=half,
                type=half if found['ratio'] is None or found['ratio'] >= WORTH_IT else 'float32')


def _sentence(choice):
    """What was measured and chosen."""
    if choice['ratio'] is None:
        return (f'{choice["half"]}, because memory runs out in float32: an iteration takes '
                f'{choice["half_seconds"]:.3g} s, on {choice["machine"]}')
    times = (f'an iteration takes {choice["seconds"]:.3g} s in float32, {choice["half_seconds"]:.3g} s with '
             f'{choice["half"]} (ratio {choice["ratio"]:.2f}, median of {choice["pairs"]}, on {choice["machine"]})')
    if choice['type'] == 'float32':
        return f'float32, because {choice["half"]} is not faster here: {times}'
    return f'{choice["half"]}: {times}'
