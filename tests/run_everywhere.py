#!/usr/bin/env python3
"""Runs the tests where other machines differ: with full caches, as another user, and in a random order of files.

    python tests/run_everywhere.py                          the whole suite, three times
    python tests/run_everywhere.py tests/test_x.py -k y     arguments are handed to pytest

Full caches: the named one, the user's in the home, and the one in the folder for temporary files all hold the native
operations that $STYLEGAN2_CACHE (default: .stylegan2-cache of the checkout) has. Another user (only root can be one)
owns a copy of that cache, and nothing else. Each run has a home and a folder for temporary files of its own.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib import cache  # noqa: E402  (found only after the line above)

USER = 12345  # number of a user that has no name
MAKE = """from dnnlib import cache
for folder in (cache.of_user(), cache.temporary()):
    cache.make(folder)
    print(folder)
"""
READ_ALL = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search']


def environment(folder):
    """Variables of a run, with a home, a folder for temporary files, and a copy of the cache in `folder`."""
    env = dict(os.environ, HOME=os.path.join(folder, 'home'), TMPDIR=os.path.join(folder, 'tmp'),
               STYLEGAN2_CACHE=os.path.join(folder, 'cache'), PYTHONDONTWRITEBYTECODE='1')
    env.pop('XDG_CACHE_HOME', None)
    source = cache.named() or os.path.join(ROOT, cache.OLD_NAME)
    for name in ('HOME', 'TMPDIR') + (() if os.path.isdir(source) else ('STYLEGAN2_CACHE',)):
        os.makedirs(env[name])
    if os.path.isdir(source):
        shutil.copytree(source, env['STYLEGAN2_CACHE'])
    return env


def fill_caches(env):
    """Puts the native operations of the named cache into the two others as well."""
    operations = os.path.join(env['STYLEGAN2_CACHE'], 'ops')
    for folder in subprocess.check_output([sys.executable, '-c', MAKE], env={
            name: value for name, value in env.items() if name != 'STYLEGAN2_CACHE'}, cwd=ROOT).decode().splitlines():
        if os.path.isdir(operations):
            shutil.copytree(operations, os.path.join(folder, 'ops'))
        print(f'  {folder}: {len(os.listdir(folder))} folder', flush=True)


def as_user(folder):
    """The start of a command that runs as another user, to whom `folder` is given; None if that can't be done."""
    if os.getuid() != 0 or shutil.which('setpriv') is None:
        return None
    for parent, _, names in os.walk(folder):
        for path in [parent] + [os.path.join(parent, name) for name in names]:
            os.lchown(path, USER, USER)
    command = ['setpriv', f'--reuid={USER}', f'--regid={USER}', '--clear-groups']
    works = subprocess.call(command + [sys.executable, '-c', ''], stderr=subprocess.DEVNULL) == 0
    if not works:
        print(f'  {sys.executable} lies where only root may look, so this user may read everything')
    return command + ([] if works else READ_ALL)


def run(title, arguments, folder, prepare=None):
    """One run of pytest; returns the line of the summary."""
    print(f'\n=== {title}', flush=True)
    env = environment(folder)
    start = prepare(env) if prepare else []
    if start is None:
        return f'skipped {title}: needs root and setpriv'
    command = start + [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-q'] + arguments
    code = subprocess.call(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)
    return f"{'ok' if code == 0 else 'FAILED':7} {title}: pytest exit code {code}"


def main(arguments):
    """Three runs; the exit code is 1 if one of them failed."""
    seed = random.randrange(10 ** 6)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)

        def filled(env):
            fill_caches(env)
            return []

        def given_away(env):
            return as_user(os.path.dirname(env['HOME']))

        lines = [run('all caches filled', arguments, os.path.join(folder, 'filled'), filled),
                 run('another user', arguments, os.path.join(folder, 'user'), given_away),
                 run(f'random order, --shuffle-files={seed}', arguments + [f'--shuffle-files={seed}'],
                     os.path.join(folder, 'shuffled'))]
    print('\n' + '\n'.join(lines))
    return int(any(line.startswith('FAILED') for line in lines))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
