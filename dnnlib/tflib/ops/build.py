"""Builds the native operations ahead of time: `python -m dnnlib.tflib.ops.build`.

They are built on first use anyway; this is for container images and for GPUs of other machines.
"""

import os

from dnnlib import cli
from dnnlib.tflib.ops import native_build, native_tools
from dnnlib.util import UserError

PROG = 'python -m dnnlib.tflib.ops.build'


def list_libraries(recipe):
    """Prints one line per library in the cache folders; `*` marks the one used on this machine."""
    used = native_build.find(recipe)
    libraries = native_build.cached()
    for folder, record in libraries:
        if record:
            archs = ', '.join('sm_' + arch for arch in record['archs']) or 'CPU only'
            text = 'TensorFlow %s, %s, %s, %.1f MB, built in %.0f s' % (
                record['tensorflow'], archs, record['cxx'], record['size'] / 2 ** 20, record['seconds'])
        else:
            text = 'no library'
        print('%s %s: %s' % ('*' if used and os.path.dirname(used.path) == folder else ' ', folder, text))
    if not libraries:
        print('No library has been built yet.')


def main(argv):
    """Parses the options; builds the library and prints its path, or lists the libraries."""
    parser = cli.ArgumentParser(prog=PROG, description=__doc__.splitlines()[0])
    parser.add_argument('--force', action='store_true', help='build even if the library is in the cache')
    parser.add_argument('--cuda-archs', metavar='LIST', help='CUDA architectures to build for, such as 75,80,90 '
                        '(default: STYLEGAN2_CUDA_ARCHS, else those of the GPUs of this machine)')
    parser.add_argument('--list', action='store_true', help='list the libraries in the cache and build nothing')
    args = parser.parse_args(argv)
    archs = None if args.cuda_archs is None else native_tools.parse_archs(args.cuda_archs, '--cuda-archs')
    asked = archs or os.environ.get('STYLEGAN2_CUDA_ARCHS', '').strip()  # then fewer are not enough
    recipe = native_tools.recipe(archs)
    if args.list:
        list_libraries(recipe)
        return
    if recipe.problem and asked:
        raise UserError('no CUDA kernels: ' + recipe.problem)
    if not asked:
        library, recipe = native_build.obtain_some(recipe, args.force)
    else:
        library = native_build.obtain(recipe, args.force)
        if not set(recipe.wanted) <= set(library.archs):  # what any compiler left in the cache, and there is none here
            raise UserError(native_tools.missing_cxx())
    kinds = 'C++ for the CPU' + ''.join(', CUDA sm_' + arch for arch in library.archs)
    print('%s (%s, %.1f MB)' % (library.path, kinds, os.path.getsize(library.path) / 2 ** 20))
    if recipe.problem and not library.archs:
        print('No CUDA kernels: ' + recipe.problem)


if __name__ == '__main__':
    cli.run_main(main, prog=PROG)
