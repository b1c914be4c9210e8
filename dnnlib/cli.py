"""Command lines: argument types, a parser whose errors are one line, and the frame around every `main`."""

import argparse
import gc
import math
import os
import re
import shutil
import sys
import time

from dnnlib import allocator, cache, encoding, needed, util
from dnnlib.arguments import ArgumentParser  # noqa: F401  what programs make their parsers of
from dnnlib.run.logger import quiet_stderr
from dnnlib.util import UserError

_MAX_LIST_LENGTH = 10 ** 6
_GARBAGE = 50000, 20, 20  # gc.set_threshold: graphs are made of many small objects, hardly any of which is garbage


def int_list(text):
    """Argument type: numbers and inclusive ranges separated by commas, such as `1,4-6`.

    Args:
        text: The argument, str.
    Returns: List of non-negative ints in the order given, at least one.
    Raises: argparse.ArgumentTypeError if the text is malformed, a range is empty, or there are over a million numbers.
    """
    numbers = []
    for part in text.split(','):
        match = re.match(r'\s*([0-9]+)(?:\s*-\s*([0-9]+))?\s*$', part)
        if not match:
            raise argparse.ArgumentTypeError(f'expected numbers such as 0-3,8, got {text!r}')
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if last < first:
            raise argparse.ArgumentTypeError(f'range {first}-{last} is empty; put the smaller number first')
        if len(numbers) + last - first >= _MAX_LIST_LENGTH:
            raise argparse.ArgumentTypeError(f'expected at most {_MAX_LIST_LENGTH} numbers, got {text!r}')
        numbers.extend(range(first, last + 1))
    return numbers


def seed_list(text):
    """Argument type: like `int_list`, but every number must be a valid NumPy seed, 0 to 2**32 - 1."""
    seeds = int_list(text)
    if max(seeds) >= 2 ** 32:
        raise argparse.ArgumentTypeError(f'expected seeds below 4294967296, got {max(seeds)}')
    return seeds


def comma_list(text):
    """Argument type: names separated by commas; an empty string or `none` is the empty list."""
    if text.strip().lower() in ('', 'none'):
        return []
    return [part.strip() for part in text.split(',') if part.strip()]


def bool_arg(text):
    """Argument type: yes, true, t, y, 1 or no, false, f, n, 0, in any case.

    Raises: argparse.ArgumentTypeError for another text.
    """
    if text.lower() in ('yes', 'true', 't', 'y', '1'):
        return True
    if text.lower() in ('no', 'false', 'f', 'n', '0'):
        return False
    raise argparse.ArgumentTypeError(f'expected true or false, got {text!r}')


def finite_float(text):
    """Argument type: a float that is neither infinite nor NaN.

    Raises: argparse.ArgumentTypeError for another text.
    """
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'expected a number, got {text!r}') from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f'expected a finite number, got {text!r}')
    return value


def device(text):
    """Argument type: `auto`, `cpu`, `gpu` (the same as `gpu:0`) or `gpu:N`, the values of init_tf's `device` key.

    Raises: argparse.ArgumentTypeError for another text.
    """
    if text == 'gpu':
        return 'gpu:0'
    if not re.match(r'(auto|cpu|gpu:[0-9]+)$', text):
        raise argparse.ArgumentTypeError(f'expected auto, cpu or gpu:N, got {text!r}')
    return text


def add_device(parser):
    """Adds `--device`."""
    parser.add_argument('--device', type=device, default='auto', metavar='NAME',
                        help='auto, cpu or gpu:N; auto uses a GPU if there is one (default: %(default)s)')


def ops_mode(text):
    """Argument type: `auto`, `ref` or `native`, the values of init_tf's `ops` key.

    Raises: argparse.ArgumentTypeError for another text.
    """
    if text not in ('auto', 'ref', 'native'):
        raise argparse.ArgumentTypeError(f'expected auto, ref or native, got {text!r}')
    return text


def add_common(parser):
    """Adds the options that every command has: `--device` and `--ops`."""
    add_device(parser)
    parser.add_argument('--ops', type=ops_mode, default=os.environ.get('STYLEGAN2_OPS') or 'auto', metavar='KIND',
                        help='native = fast operations in C++ and CUDA, built on first use; ref = plain TensorFlow; '
                        'auto = native if available (default: STYLEGAN2_OPS or auto)')


def add_selftest(parser):
    """Adds `--no-selftest`, for commands that run for hours."""
    parser.add_argument('--no-selftest', dest='selftest', action='store_false',
                        help='skip the check of the device against NumPy at the start')


def run_selftest(tf_config):
    """Loads TensorFlow and runs `dnnlib.tflib.self_test.check` on the device and operations of `tf_config`.

    Raises: UserError if any result is wrong.
    """
    load_tensorflow()
    from dnnlib.tflib import self_test
    self_test.check(tf_config)


def pop_tf_config(args):
    """Removes `device` and `ops` from a dictionary of arguments; returns them as settings for `tflib.init_tf`.

    Raises: MissingPackages if there is no TensorFlow, which is not loaded.
    """
    needed.check(('tensorflow',))
    return {'device': args.pop('device'), 'ops': args.pop('ops')}


def add_precision(parser):
    """Adds `--precision`, for commands that draw with a trained generator."""
    parser.add_argument('--precision', choices=('float32', 'mixed'), default='float32',
                        help='mixed = 16-bit convolutions, faster on devices that support them, with differences '
                        'too small to see (default: %(default)s)')


def writable_dir(path):
    """Checks, before long work starts, that a folder can be written or created; creates nothing.

    Args:
        path: The folder, which need not exist yet.
    Returns: `path`.
    Raises: UserError naming the existing file or folder that is in the way.
    """
    problem = cache.obstacle(os.path.normpath(path))
    if problem is not None:
        raise UserError(f'cannot write to folder {path!r}: {problem}; choose another one')
    return path


def parse_command(parser, argv=None):
    """Parses a command line with subcommands.

    Args:
        parser: ArgumentParser with `add_subparsers(dest='command')`; each subcommand calls
            `set_defaults(run=function)`.
        argv: Arguments without the program name; `None` = those of the process.
    Returns: (name of the subcommand, its function, dictionary of the arguments by name).
    Raises: SystemExit with code 2 for bad options, or if there is no subcommand.
    """
    args = vars(parser.parse_args(argv))
    if args['command'] is None:
        known = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        parser.error(f"expected a command: {', '.join(known[0])}")
    return args.pop('command'), args.pop('run'), args


def gather(args, kind, name):
    """Arguments of a function, with those that are fields of a NamedTuple put into one.

    Args:
        args: Dictionary of the arguments by name; not changed.
        kind: Class of the NamedTuple; fields that `args` lacks have their defaults.
        name: Argument that takes the NamedTuple.
    Returns: New dictionary.
    """
    others = {key: value for key, value in args.items() if key not in kind._fields}
    return dict(others, **{name: kind(**{key: args[key] for key in kind._fields if key in args})})


def load_tensorflow():
    """Imports TensorFlow as late as possible and without its messages on standard error.

    Returns: The module `dnnlib.tflib`.
    """
    with quiet_stderr():
        import dnnlib.tflib as tflib
    return tflib


def progress(items, label):
    """Iterates over a list, with a progress bar on a terminal and a line of text every ten seconds elsewhere.

    Args:
        items: The list, or another sequence; a single item has no bar.
        label: What the items are, such as `images`.
    Yields: The items.
    """
    bar, has_bar = items, len(items) > 1 and sys.__stderr__ is not None and sys.__stderr__.isatty()
    if has_bar:
        columns, rows = shutil.get_terminal_size()  # 80 x 24 if it reports 0 x 0, where tqdm would draw nothing
        import tqdm  # most commands don't need it
        bar = tqdm.tqdm(items, desc=label, ncols=columns, nrows=rows, file=sys.__stderr__)  # not into the log file
    start = last = time.time()
    for done, item in enumerate(bar):
        now = time.time()
        if not has_bar and now - last >= 10:
            eta = util.format_time((now - start) / done * (len(items) - done))
            print(f'{label} {done}/{len(items)}, {eta} left')
            last = now
        yield item


def run_main(main, argv=None, prog=None):
    """Calls `main(argv)` and exits: errors of the user or the system become one line, never a traceback.

    Args:
        main: Function of the argument list; returns the exit code or `None` for 0. It imports TensorFlow itself, after
            the arguments are parsed.
        argv: Arguments without the program name; `None` = those of the process.
        prog: Start of error messages; `None` = the name of the program's file.
    Raises: SystemExit with main's code; 2 after a UserError, an OSError, MissingPackages or a name
        of a file that is no text; 130 after Ctrl-C.
    """
    if argv is None:
        encoding.start_in_utf8()
    allocator.keep_large_allocations()
    gc.set_threshold(*_GARBAGE)
    encoding.print_any_name()
    prog = prog or os.path.basename(sys.argv[0])
    try:
        code = main(sys.argv[1:] if argv is None else argv)
    except (UserError, OSError, UnicodeEncodeError, needed.MissingPackages) as error:
        print(f"{prog}: error: {printable(' '.join(_describe(error).split()))}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print(f'{prog}: interrupted', file=sys.stderr)
        code = 130
    sys.exit(code)


def printable(text):
    """A text that may come from a file, with control and unprintable characters replaced."""
    return ''.join(character if character.isprintable() else '?' for character in text)


def _describe(error):
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        name = re.sub('tmp_[0-9a-f]{32}_', '', repr(error.filename))  # of `util.atomic_path`
        return f'{name}: {error.strerror}'
    if isinstance(error, UnicodeEncodeError):  # by TensorFlow, which takes nothing else
        return f'{error.object[:200]!r} is not valid UTF-8; rename the file or folder'
    return str(error) or type(error).__name__
