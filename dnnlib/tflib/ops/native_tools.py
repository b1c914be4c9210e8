"""What the native operations are built with and for: sources, compilers, flags, processor and GPUs, and a key of all.

Nothing is hard-coded: TensorFlow's flags come from `tf.sysconfig`, the compiler from $CXX or PATH, the architectures of
GPUs from the driver or from the environment variable STYLEGAN2_CUDA_ARCHS. No TensorFlow session is opened.
"""

import ctypes
import functools
import glob
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple

import tensorflow.compat.v1 as tf

from dnnlib.util import UserError

SOURCE_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'src')
COMPILERS = ('g++', 'c++', 'clang++')
OPS_FLAGS = ('-O2', '-w')
KERNEL_FLAGS = ('-O3', '-std=c++14', '-fno-math-errno', '-ffp-contract=fast')
TUNING = ('-march=native', '-mprefer-vector-width=512')  # the last or both are left out where the compiler refuses
NVCC_FLAGS = ('-O3', '-Xcompiler', '-fPIC')

Tool = namedtuple('Tool', 'command version')  # list of words, one line of text

# cxx, nvcc: Tool or None. wanted: CUDA architectures of this machine, such as ('75', '80'); archs: those that can be
# built for, all of them or none; problem: why none, or None. base: hash of all that a library must have been built from
# and for; key: base and the hash of compilers and architectures, the name of the library's folder.
Recipe = namedtuple('Recipe', 'cxx nvcc wanted archs problem base key')


def recipe(archs=None):
    """Describes the library that belongs to this machine, TensorFlow and source code.

    Args:
        archs: CUDA architectures, tuple of texts such as '75'; None = STYLEGAN2_CUDA_ARCHS, else of the GPUs here.
    Returns: Recipe.
    Raises: UserError if STYLEGAN2_CUDA_ARCHS is no list of architectures.
    """
    wanted = cuda_archs() if archs is None else tuple(archs)
    cxx, nvcc = find_cxx(), find_nvcc() if wanted else None
    problem = _cuda_problem(nvcc) if wanted else None
    archs = () if problem else wanted
    base = _hash(_source_parts() + [tf.__version__, platform.machine(), _cpu_features()] + _flags())
    tools = [cxx.version if cxx else ''] + ([nvcc.version] + list(archs) if archs else [])
    return Recipe(cxx, nvcc, wanted, archs, problem, base, base + '-' + _hash(tools))


def _cuda_problem(nvcc):
    """Why nvcc's code would not run on the GPU of this machine, or None."""
    if nvcc is None:
        return 'no nvcc (the CUDA compiler) on PATH, in CUDA_HOME or /usr/local/cuda'
    driver, release = driver_cuda(), re.search(r'release (\d+)\.(\d+)', nvcc.version)
    if driver and release and int(release.group(1)) > driver[0]:
        return 'nvcc is of CUDA %s.%s, but the driver of the GPU knows CUDA up to %d.%d; install CUDA %d' % (
            release.groups() + driver + driver[:1])
    return None


def sources():
    """Files of the source folder by what is done with them: (TensorFlow, CPU kernels, CUDA kernels), lists of paths."""
    cpu = sorted(glob.glob(os.path.join(glob.escape(SOURCE_DIR), '*_cpu.cc')))
    cuda = sorted(glob.glob(os.path.join(glob.escape(SOURCE_DIR), '*.cu')))
    return [os.path.join(SOURCE_DIR, 'ops.cc')], cpu, cuda


def tensorflow_version():
    """TensorFlow and what it was built with, such as '2.21.0, with CUDA'."""
    return '%s, %s CUDA' % (tf.__version__, 'with' if tf.test.is_built_with_cuda() else 'without')


def tensorflow_flags():
    """Compiler flags of the file that includes TensorFlow's headers, as the wheel was built: list of texts."""
    # 1.x would lack std::string_view under the default of today's compilers
    standard = ['-std=c++14'] if tf.__version__.startswith('1.') else []
    return list(OPS_FLAGS) + tf.sysconfig.get_compile_flags() + standard


def nvcc_command(recipe):
    """The first words of nvcc's commands, with the C++ compiler and its options."""
    command = recipe.nvcc.command + ['-ccbin', recipe.cxx.command[0]]
    return command + ['-Xcompiler=' + word.replace(',', '\\,') for word in recipe.cxx.command[1:]]


def _source_parts():
    parts = []
    for path in sorted(glob.glob(os.path.join(glob.escape(SOURCE_DIR), '*'))):
        if os.path.splitext(path)[1] in ('.cc', '.cu', '.h', '.cuh'):
            with open(path, 'rb') as f:
                parts += [os.path.basename(path), f.read()]
    return parts


def _flags():
    """All flags, without the folders in them: a library works wherever the same TensorFlow is installed."""
    flags = tensorflow_flags() + tf.sysconfig.get_link_flags()
    return [flag for flag in flags if flag[:2] not in ('-I', '-L')] + list(KERNEL_FLAGS + TUNING + NVCC_FLAGS)


def _hash(parts):
    digest = hashlib.sha256()
    for part in parts:
        part = part if isinstance(part, bytes) else part.encode()
        digest.update(b'%d ' % len(part) + part)
    return digest.hexdigest()[:16]


def _cpu_features():
    """Instruction sets of the processor: a library made with -march=native dies on one that has less."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as f:
            match = re.search(r'^(?:flags|Features)\s*:\s*(.*)$', f.read(), re.MULTILINE)
    except OSError:
        match = None
    return ' '.join(sorted(match.group(1).split())) if match else platform.processor()


def find_cxx():
    """The C++ compiler as a Tool: $CXX if it is set, else the first of g++, c++ and clang++ that answers; or None."""
    named = shlex.split(os.environ.get('CXX', ''))
    return _first_that_answers([named] if named else [[name] for name in COMPILERS])


def missing_cxx():
    """Why `find_cxx` found none, for people."""
    if os.environ.get('CXX', '').strip():
        return 'the C++ compiler CXX=%s does not run' % os.environ['CXX']
    return 'no C++ compiler (%s) on PATH' % ', '.join(COMPILERS)


def find_nvcc():
    """The CUDA compiler as a Tool, or None: from PATH, $CUDA_HOME, $CUDA_PATH, a Python package, /usr/local/cuda."""
    homes = [os.environ.get('CUDA_HOME'), os.environ.get('CUDA_PATH')]
    for folder in sys.path:
        homes += sorted(glob.glob(os.path.join(glob.escape(folder or '.'), 'nvidia', 'cu*')), reverse=True)
    homes.append('/usr/local/cuda')
    paths = [os.path.join(home, 'bin', 'nvcc') for home in homes if home]
    return _first_that_answers([['nvcc']] + [[path] for path in paths])


def _first_that_answers(commands):
    for words in commands:
        path = shutil.which(words[0])
        version = path and _version((path,) + tuple(words[1:]))
        if version:
            return Tool([path] + words[1:], version)
    return None


@functools.lru_cache(maxsize=None)
def _version(command):
    """What a compiler says about itself: the line with its version; None if it does not run."""
    try:
        run = subprocess.run(command + ('--version',), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = run.stdout.decode(errors='replace').strip().splitlines()
    if run.returncode != 0 or not lines:
        return None
    return next((line.strip() for line in lines if 'release' in line), lines[0].strip())  # nvcc begins with its name


def cuda_archs():
    """CUDA architectures to build for, such as ('75', '80'): STYLEGAN2_CUDA_ARCHS, else of the GPUs here, else ().

    Raises: UserError if the environment variable is no list of architectures.
    """
    text = os.environ.get('STYLEGAN2_CUDA_ARCHS', '')
    return parse_archs(text, 'STYLEGAN2_CUDA_ARCHS') if text.strip() else gpu_archs()


def parse_archs(text, name):
    """Tuple of architectures in order from a text such as `75,8.0`; raises UserError that begins with `name`."""
    archs = {part.strip().replace('sm_', '').replace('.', '') for part in text.split(',') if part.strip()}
    if not archs or not all(re.match('[0-9]{2,3}[af]?$', arch) for arch in archs):
        raise UserError('%s=%s: expected CUDA architectures such as 75,80,90' % (name, text))
    return tuple(sorted(archs, key=lambda arch: (int(arch.rstrip('af')), arch)))


def covers(built, wanted):
    """Does code for some architectures run on a GPU?

    Args:
        built: Architectures in order, as `parse_archs` gives them; PTX is there of the last.
        wanted: Architecture of the GPU, such as '86'.
    Returns: bool. Code runs on GPUs of the same major and at least its minor number, PTX on all from its number on;
        those whose name ends in a letter on their own number only.
    """
    gpu = int(wanted.rstrip('af'))
    for arch in built:
        number = int(arch.rstrip('af'))
        if number == gpu or (arch.isdigit() and number < gpu and (number // 10 == gpu // 10 or arch == built[-1])):
            return True
    return False


@functools.lru_cache(maxsize=None)
def gpu_archs():
    """Architectures of the GPUs that TensorFlow may use, such as ('75',), as the driver says; () if there are none."""
    driver = _driver() if tf.test.is_built_with_cuda() else None
    if driver is None:
        return ()
    count, found = ctypes.c_int(0), set()
    if driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    for index in range(count.value):
        device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        if driver.cuDeviceGet(ctypes.byref(device), index) == 0:
            # 75, 76: CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
            driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device)
            driver.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
            found.add('%d%d' % (major.value, minor.value))
    return tuple(sorted(found, key=int))


def driver_cuda():
    """Newest CUDA that the driver of the GPU knows, such as (12, 4); None without a driver."""
    driver, version = _driver(), ctypes.c_int()
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)) != 0:
        return None
    return version.value // 1000, version.value % 1000 // 10


@functools.lru_cache(maxsize=None)
def _driver():
    """The CUDA driver, initialized, which opens no context and takes no memory; None if there is none."""
    try:
        driver = ctypes.CDLL('libcuda.so.1')
        return driver if driver.cuInit(0) == 0 else None
    except (OSError, AttributeError):
        return None
