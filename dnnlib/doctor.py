"""`python -m dnnlib.doctor`: versions, devices, operations, caches and a numeric self-test, on one page.

Look here first when something is slow or wrong, and include the output when you ask for help.
"""

import collections
import os
import platform
import sys
import time

import numpy as np

from dnnlib import cache, cli
from dnnlib.util import UserError

PROG = 'python -m dnnlib.doctor'
_FEATURES = ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16', 'f16c', 'asimd')  # these make convolutions fast


def main(argv):
    """Prints the page; returns exit code 0 if everything requested works, otherwise 1."""
    parser = cli.ArgumentParser(prog=PROG, description=__doc__.splitlines()[0])
    cli.add_common(parser)
    config = cli.pop_tf_config(vars(parser.parse_args(argv)))
    _line('Python', '%s, %s' % (platform.python_version(), sys.executable))
    _line('NumPy', np.__version__)
    try:
        cli.load_tensorflow()
    except ImportError as error:
        _line('TensorFlow', 'cannot be imported: %s' % error)
        return 1
    _print_tools()
    _line('Processor', '%s; %s' % (platform.machine(), ', '.join(_features()) or 'no special instructions found'))
    ok = _print_device(config)
    _print_caches()
    return 0 if ok and _print_self_test(config) else 1


def _line(name, text):
    print('%-13s %s' % (name, text), flush=True)


def _print_tools():
    from dnnlib.tflib.ops import native_tools
    _line('TensorFlow', native_tools.tensorflow_version())
    cxx, nvcc, driver = native_tools.find_cxx(), native_tools.find_nvcc(), native_tools.driver_cuda()
    _line('C++ compiler', '%s (%s)' % (cxx.version, cxx.command[0]) if cxx else native_tools.missing_cxx())
    _line('nvcc', '%s (%s)' % (nvcc.version, nvcc.command[0]) if nvcc else 'none')
    archs = ', '.join('sm_' + arch for arch in native_tools.gpu_archs())
    _line('GPU driver', 'CUDA %d.%d, GPUs: %s' % (driver + (archs or 'none',)) if driver else 'none')


def _features():
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as f:
            words = set(f.read().split())
    except OSError:
        words = set()
    return [name for name in _FEATURES if name in words]


def _print_device(config):
    """Device, layout, 16-bit type and operations; returns False if one of them is unavailable."""
    from dnnlib.tflib import layout, precision, self_test
    from dnnlib.tflib.ops import native
    try:
        with self_test.fresh_session(config) as session:
            device = 'GPU' if layout.data_format() == 'NCHW' else 'CPU'
            for item in session.list_devices():
                if not item.device_type.startswith('XLA'):
                    _line('Device', '%s, %s' % (item.name.split('/')[-1].replace('device:', ''), item.device_type))
            _line('Layout', layout.data_format())
            has_half = precision.has_kernel('Conv2D', layout.half_type(), device)
            _line('16 bits', '%s convolutions: %s' % (layout.half_type(), 'yes' if has_half else 'no'))
            _line('Operations', native.describe())
            reason = native.missing() if native.mode() != 'ref' else 'not asked for'
            if reason is None:
                _line('', native.library_path())
    except UserError as error:
        _line('Problem', error)
        return False
    return True


def _print_caches():
    from dnnlib.tflib.ops import native_build
    folder = cache.cache_dir()
    _line('Cache', '%s (%s)' % (folder, _size(folder)))
    counts = collections.Counter(os.path.dirname(path) for path, record in native_build.cached() if record)
    for root, count in sorted(counts.items()):
        _line('', '%s: %d native librar%s (%s)' % (root, count, 'y' if count == 1 else 'ies', _size(root)))
    given = os.environ.get('STYLEGAN2_LPIPS')
    found = cache.find_all('lpips-vgg16-*.npz')
    if given:
        text = given if os.path.isfile(given) else '%s, which STYLEGAN2_LPIPS names, is missing' % given
    else:
        text = found[0] if found else 'not downloaded yet; python -m metrics.weights fetches them'
    _line('LPIPS weights', text)


def _size(folder):
    """Bytes of all files in a folder as text, or 'missing'."""
    if not os.path.isdir(folder):
        return 'missing'
    total = 0
    for parent, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(parent, name)).st_size for name in names)
    return '%.1f MB' % (total / 2 ** 20)


def _print_self_test(config):
    """The table of the numeric self-test; returns True if all results are correct."""
    from dnnlib.tflib import self_test
    started = time.time()
    checks, device = self_test.run(config)
    rows = collections.OrderedDict()
    for check in checks:
        rows.setdefault(check.name.rsplit(', ', 1)[0], []).append(check)
    limits = collections.OrderedDict((check.name.rsplit(', ', 1)[1], check.tolerance) for check in checks)
    print('\nSelf-test on the %s: errors relative to NumPy in %s' % (
        device, ' and '.join('%s (at most %.0e)' % item for item in limits.items())))
    for name, row in rows.items():
        errors = ['%-7.1e %-5s' % (item.error, 'ok' if item.ok else 'WRONG') for item in row]
        print('  %-36s %s' % (name, '  '.join(errors).rstrip()))
    for check in checks:
        if check.problem:
            print('  %s: %s' % (check.name, check.problem))
    bad = sum(not check.ok for check in checks)
    print('%s, %.1f s' % ('%d of %d wrong' % (bad, len(checks)) if bad else 'all correct', time.time() - started))
    return not bad


if __name__ == '__main__':
    cli.run_main(main, prog=PROG)
