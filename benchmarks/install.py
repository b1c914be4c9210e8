"""Installs the wheel with all that it needs into an empty environment, and uses it among modules of the same names.

    python benchmarks/install.py [PYTHON...]        takes minutes and 2 GB; the packages come from pip's index
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib.names import OWN_MODULES  # noqa: E402

OFFICIAL = os.path.join(ROOT, 'tests', 'data', 'configf_r32.pkl')
TRAIN = ['train', '--dataset=cats', '--total-kimg=1', '--set', 'dataset.resolution=8', '--set', 'G.fmap_max=8', '--set',
         'D.fmap_max=8', '--set', 'sched.tick_kimg_dict={8: 1}', '--no-selftest']
COMMANDS = [
    ['generate', 'generate-images', '--seeds=0-3'],
    ['generate', 'generate-images', '--seeds=0', '--network=' + OFFICIAL],
    TRAIN,
    ['project', 'project-images', 'results/00000-generate-images/seed0000.png', '--num-steps=5', '--distance=pixel'],
    ['doctor'],
]


def decoys(folder):
    """Makes a folder with modules called like ours, which fail when imported; returns its path."""
    for name in OWN_MODULES:
        os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, name, '__init__.py'), 'w') as f:
            f.write(f'raise ImportError("not ours: {name}")\n')
    return folder


def check(interpreter, folder):
    """Makes the environment and runs all commands in it; raises CalledProcessError if one fails."""
    venv, work = os.path.join(folder, 'venv'), os.path.join(folder, 'elsewhere')
    programs = os.path.join(venv, 'bin')
    python = os.path.join(programs, 'python')
    subprocess.check_call([interpreter, '-m', 'venv', venv])
    pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    if subprocess.call([python, '-c', 'import sys; sys.exit(sys.version_info >= (3, 7))']) == 0:
        subprocess.check_call(pip + ['pip==21.3.1'])
    subprocess.check_call([python, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '-w', folder, ROOT])
    wheel, = glob.glob(os.path.join(folder, '*.whl'))
    subprocess.check_call(pip + [wheel])
    os.makedirs(work)
    env = dict(os.environ, PYTHONPATH=decoys(os.path.join(folder, 'decoys')), TF_CPP_MIN_LOG_LEVEL='3',
               XDG_CACHE_HOME=os.path.join(folder, 'cache'))
    env.pop('STYLEGAN2_CACHE', None)
    for command in COMMANDS:
        started = time.time()
        run = subprocess.run([os.path.join(programs, 'stylegan2')] + command, cwd=work, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, universal_newlines=True)
        tail = run.stdout if run.returncode else run.stdout.strip().splitlines()[-1]
        seconds = time.time() - started
        print(f'{run.returncode}  {seconds:4.0f} s  stylegan2 {" ".join(command)[:60]}: {tail}', flush=True)
        run.check_returncode()


def main():
    """Parses the command line; one environment after another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('pythons', nargs='*', default=[sys.executable], metavar='PYTHON')
    for interpreter in parser.parse_args().pythons:
        print(interpreter, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            check(interpreter, folder)


if __name__ == '__main__':
    main()
