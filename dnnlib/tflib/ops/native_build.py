"""Compiles the native operations into one shared library and keeps it in a cache, safe against everything that may end
a process half-way: files get their names when they are whole, and a library is loaded only if its checksum is right."""

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import namedtuple

import tensorflow.compat.v1 as tf

from dnnlib import util
from dnnlib.util import UserError
from . import native_cache, native_tools

try:
    import fcntl
except ImportError:  # Windows; there only the order of the writes protects
    fcntl = None

LIBRARY, RECORD, LOG, LOCK = 'stylegan2_ops.so', 'build.json', 'build.log', 'lock'
COMPILE_SECONDS = 900  # after this, the compiler is considered hung
_ERROR_LINE = re.compile(r'error\b|fatal|undefined reference|cannot find', re.IGNORECASE)

Library = namedtuple('Library', 'path archs seconds')  # seconds: of its build
Stamp = namedtuple('Stamp', 'path time inode')


class BuildError(UserError):
    """The native operations cannot be built; the text is one line that says why."""


class CudaError(BuildError):
    """Their CUDA kernels cannot be built; without them it may work."""


def obtain(recipe, force=False, unlike=None):
    """Finds the library of a recipe in the cache, or builds it, or waits for the process that is building it.

    Args:
        recipe: Result of `native_tools.recipe`.
        force: Rebuild it, even if that failed before? By default a failure is remembered for a day.
        unlike: `stamp` of a library that is of no use; None = take what is in the cache.
    Returns: Library, checked against its record.
    Raises: UserError with one line that says why there is none.
    """
    library = None if force or unlike else find(recipe)
    if library is not None:
        return library
    if recipe.cxx is None:
        raise BuildError(native_tools.missing_cxx())
    folder = native_cache.writable_folder(recipe.key)
    try:
        with _locked(os.path.join(folder, LOCK)):
            if not force:
                library = _checked(folder, recipe.base)
                if library and stamp(library) != unlike:  # built by the process that had the lock before
                    return library
                _raise_again(folder)
            return _build(recipe, folder)
    except OSError as error:
        raise BuildError('building in %s failed: %s' % (folder, error.strerror or error)) from error


def obtain_some(recipe, force=False):
    """As `obtain`, but where the CUDA kernels cannot be built, without them.

    Returns: (Library, recipe that it was built by, whose `problem` then says why).
    """
    try:
        return obtain(recipe, force), recipe
    except CudaError as error:
        recipe = native_tools.recipe(archs=())._replace(problem=str(error))
        return obtain(recipe, force), recipe


def _raise_again(folder):
    failure = native_cache.failure(folder)
    if failure:
        raise (CudaError if failure[1] else BuildError)(
            '%s (as before; python -m dnnlib.tflib.ops.build --force tries again)' % failure[0])


def stamp(library):
    """Something that differs between a library and what replaces it."""
    status = os.stat(library.path)
    return Stamp(library.path, status.st_mtime, status.st_ino)


def find(recipe):
    """The library in the cache that fits a recipe best, or None.

    One that was built ahead for more GPUs than are here fits as well; where CUDA kernels cannot be built, any whose
    code runs here; without a compiler here, any compiler's.
    """
    found = []
    for root in native_cache.roots():
        for name in (name for name in native_cache.names(root) if name.startswith(recipe.base + '-')):
            library = _checked(os.path.join(root, name), recipe.base)
            if library:
                exact = set(recipe.wanted) <= set(library.archs)
                runs = all(native_tools.covers(library.archs, arch) for arch in recipe.wanted)
                ahead = recipe.wanted and (exact if recipe.archs else runs)
                if name == recipe.key or recipe.cxx is None or ahead:
                    found.append(((runs, exact, name == recipe.key), library))
    return max(found, key=lambda item: item[0])[1] if found else None


def cached():
    """All libraries in the cache folders: list of (folder, record), whole or not; the record is {} if it is missing."""
    found = []
    for root in native_cache.roots():
        for name in native_cache.names(root):
            try:
                with open(os.path.join(root, name, RECORD), encoding='utf-8') as f:
                    found.append((os.path.join(root, name), json.load(f)))
            except (OSError, ValueError):
                found.append((os.path.join(root, name), {}))
    return found


def _checked(folder, base):
    """The library in a folder if that is trusted, its record is there and its size and checksum are right, else None.

    A truncated library kills the process that loads it, so this is not left to the loader.
    """
    path = os.path.join(folder, LIBRARY)
    try:
        with open(os.path.join(folder, RECORD), encoding='utf-8') as f:
            record = json.load(f)
        if not native_cache.trusted(folder, LIBRARY):
            return None
        if record['base'] != base or os.path.getsize(path) != record['size'] or _sha256(path) != record['sha256']:
            return None
        return Library(path, tuple(record['archs']), record['seconds'])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sha256(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


@contextlib.contextmanager
def _locked(path):
    """Holds the lock of a folder; the kernel frees it when its holder dies, however that happens."""
    with open(path, 'w') as file:
        deadline, waiting = time.time() + COMPILE_SECONDS + 60, False
        while fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    _say('Waiting for another process that builds the native operations ...')
                    waiting = True
            except OSError:  # a file system without locks: two may build, and the last to finish stays
                break
            if time.time() > deadline:
                raise BuildError('another process has been holding %s for %d minutes; end it' % (
                    path, COMPILE_SECONDS // 60))
            time.sleep(0.1)
        yield


def _build(recipe, folder):
    """Compiles and links in a temporary folder inside `folder`, which is locked; then puts library and record there."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        # of a build that was killed; a younger one may be alive where locks do not work
        if name.startswith('tmp_') and time.time() - os.path.getmtime(path) > 2 * COMPILE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    started = time.time()
    _say('Building native operations for TensorFlow %s with %s%s (once, about 20 s) ...' % (
        tf.__version__, os.path.basename(recipe.cxx.command[0]), ' and nvcc' if recipe.archs else ''))
    log_path = os.path.join(folder, LOG)
    temp = os.path.join(folder, 'tmp_' + uuid.uuid4().hex)
    os.mkdir(temp)
    try:
        jobs = _compile_jobs(recipe, temp)
        with open(log_path, 'w', encoding='utf-8') as log:
            _run_side_by_side(list(jobs.values()), temp, log)
            _run_side_by_side([[_link_command(recipe, list(jobs), os.path.join(temp, LIBRARY))]], temp, log)
        path = os.path.join(temp, LIBRARY)
        record = dict(base=recipe.base, size=os.path.getsize(path), sha256=_sha256(path), archs=list(recipe.archs),
                      tensorflow=tf.__version__, cxx=recipe.cxx.version, seconds=round(time.time() - started, 1))
        os.chmod(path, 0o755)  # whatever the umask, see native_cache.trusted
        os.replace(path, os.path.join(folder, LIBRARY))
        util.write_text(os.path.join(folder, RECORD), json.dumps(record, indent=1))
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(folder, native_cache.FAILED))
    except BuildError as error:
        line = '%s (log: %s)' % (error, log_path)
        native_cache.note_failure(folder, line, isinstance(error, CudaError))
        raise type(error)(line) from None
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    _say('Built native operations in %.0f s: %s' % (time.time() - started, os.path.join(folder, LIBRARY)))
    return _checked(folder, recipe.base)


def _compile_jobs(recipe, folder):
    """{object file: list of commands, of which the next is tried if one fails}."""
    def target(source):
        return os.path.join(folder, os.path.basename(source) + '.o')

    tensorflow, cpu, cuda = native_tools.sources()
    compile_only = recipe.cxx.command + ['-c', '-fPIC']
    jobs = {}
    for source in tensorflow:
        defines = ['-DSTYLEGAN2_CUDA=1'] if recipe.archs else []
        flags = native_tools.tensorflow_flags() + defines
        jobs[target(source)] = [compile_only + flags + [source, '-o', target(source)]]
    for source in cpu:
        plain = compile_only + list(native_tools.KERNEL_FLAGS)
        end = [source, '-o', target(source)]
        jobs[target(source)] = [plain + list(native_tools.TUNING[:count]) + end for count in (2, 1, 0)]
    for source in cuda if recipe.archs else []:
        codes = ['-gencode=arch=compute_%s,code=sm_%s' % (arch, arch) for arch in recipe.archs]
        codes.append('-gencode=arch=compute_%s,code=compute_%s' % (recipe.archs[-1], recipe.archs[-1]))  # newer GPUs
        command = native_tools.nvcc_command(recipe) + ['-c'] + list(native_tools.NVCC_FLAGS)
        jobs[target(source)] = [command + codes + [source, '-o', target(source)]]
    return jobs


def _link_command(recipe, objects, path):
    if recipe.archs:  # nvcc knows where its libraries are; their static form leaves nothing to be found at run time
        start = native_tools.nvcc_command(recipe) + ['-shared', '-cudart', 'static']
    else:
        start = recipe.cxx.command + ['-shared']
    return start + objects + ['-o', path] + tf.sysconfig.get_link_flags() + ['-lpthread']


def _run_side_by_side(jobs, folder, log):
    """Runs commands at once; writes each and its output to the log.

    Args:
        jobs: List of lists of commands, of which the next is tried if one fails.
        folder: For temporary files.
        log: Text file.
    Raises: BuildError with the first error line, CudaError if nvcc failed; all other compilers are ended.
    """
    running, deadline = [], time.time() + COMPILE_SECONDS
    try:
        for commands in jobs:
            running.append(_start(commands, folder))
        while running:
            if time.time() > deadline:
                raise BuildError('the compiler has not finished in %d minutes' % (COMPILE_SECONDS // 60))
            done = [item for item in running if item[0].poll() is not None]
            for item in done:
                process, output, commands = item
                running.remove(item)
                output.seek(0)
                text = output.read().decode(errors='replace')
                output.close()
                log.write('$ %s\n%s\n' % (' '.join(shlex.quote(word) for word in commands[0]), text))
                log.flush()
                if process.returncode != 0:
                    if len(commands) == 1:
                        raise _error(commands[0], process.returncode, text)
                    running.append(_start(commands[1:], folder))
            time.sleep(0.02)
    finally:
        for process, output, _ in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            output.close()


def _start(commands, folder):
    output = tempfile.TemporaryFile(dir=folder)
    # a session of its own, so that the compiler's children end with it; English, to find the errors
    process = subprocess.Popen(commands[0], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                               start_new_session=True, env=dict(os.environ, LC_ALL='C', TMPDIR=folder))
    return process, output, commands


def _error(command, code, text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if _ERROR_LINE.search(line)), lines[-1] if lines else 'exit code %d' % code)
    name = os.path.basename(command[0])
    return (CudaError if name.startswith('nvcc') else BuildError)('%s failed: %s' % (name, line))


def _say(line):
    print(line, file=sys.stderr, flush=True)
