#!/usr/bin/env python3
"""Compiles the CPU kernels of dnnlib/tflib/ops/src with a driver, without TensorFlow, and runs it.

By default it prints the speed of every kernel: GB/s counted as each input read once and each output written once, and
what share that is of a streaming copy by the same two threads in the same run. `--check` compares all kernels with
plain references at random shapes instead; with `--sanitize` the compiler's address, undefined-behavior or thread
sanitizer watches.
"""

import os
import platform
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)
from dnnlib.util import UserError  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = os.path.join(ROOT, 'dnnlib', 'tflib', 'ops', 'src')
KERNELS = ['fused_bias_act_cpu.cc', 'styled_bias_act_cpu.cc', 'upfirdn_2d_cpu.cc']
WARNINGS = ['-Wall', '-Wextra', '-Werror']
FLAGS = ['-std=c++14', '-fno-math-errno', '-ffp-contract=fast']  # as the operations are built
if platform.machine() in ('x86_64', 'AMD64'):
    FLAGS.append('-mprefer-vector-width=512')


def build(program, compiler, flags):
    """Compiles the driver and the kernels.

    Args:
        program: Path of the program to write.
        compiler: Name or path of a C++ compiler that takes g++'s options.
        flags: List of further options.
    Raises: UserError with the compiler's messages.
    """
    sources = [os.path.join(ROOT, 'benchmarks', 'kernels.cc')] + [os.path.join(SOURCES, name) for name in KERNELS]
    command = [compiler, '-pthread', '-I', SOURCES, '-o', program] + FLAGS + flags + sources
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    except OSError as error:
        raise UserError('cannot run the compiler %r: %s' % (compiler, error.strerror)) from None
    if run.returncode:
        raise UserError('%s failed: %s' % (' '.join(command), run.stdout.strip()))


def march_flags(march):
    """Warnings, and options for a processor; `none` = the compiler's default."""
    return WARNINGS + (['-march=' + march] if march != 'none' else [])


def check_flags(sanitize=None, march='native'):
    """Options of the compiler for a driver that checks, under sanitizers if any are named."""
    level = '-O1' if sanitize == 'thread' else '-O0'  # as its manual advises: nearly three times as fast
    flags = [level, '-g', '-fno-sanitize-recover=all', '-fsanitize=' + sanitize] if sanitize else ['-O3']
    # small results go around the caches as large ones do
    return march_flags(march) + flags + ['-DSTYLEGAN2_STREAM_BYTES=16384']


def main(argv):
    """Parses the options, compiles, runs; returns the driver's exit code, 1 = a kernel differs from its reference."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--compiler', default='g++', help='g++ or one with its options (default: %(default)s)')
    parser.add_argument('--march', default='native', metavar='NAME',
                        help="processor to compile for, none = the compiler's default (default: %(default)s)")
    parser.add_argument('--sanitize', metavar='LIST', help='address,undefined or thread; checks, does not measure')
    parser.add_argument('--check', action='store_true', help='compare with the references instead of measuring')
    parser.add_argument('--cases', type=int, default=200, help='random cases of each kernel (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=1, help='of the random cases (default: %(default)s)')
    parser.add_argument('--kernels', choices=['all', 'act', 'fir', 'full'], default='all',
                        help='which to measure: bias and activation, separable filters, all other filters too '
                             '(default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=0.5, help='time of each measurement (default: %(default)s)')
    args = parser.parse_args(argv)
    if args.cases < 1 or args.seed < 0 or not args.seconds > 0:
        parser.error('--cases and --seconds must be positive, --seed not negative')

    check = args.check or args.sanitize
    flags = check_flags(args.sanitize, args.march) if check else march_flags(args.march) + ['-O3']
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'kernels')
        build(program, args.compiler, flags)
        command = ['check', str(args.cases), str(args.seed)] if check else ['speed', str(args.seconds), args.kernels]
        return subprocess.call([program] + command)


if __name__ == '__main__':
    cli.run_main(main)
