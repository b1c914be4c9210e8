#!/usr/bin/env python3
"""`make demo`: the whole workflow on the built-in cats, from an empty machine to pictures, in 20 minutes on two cores.

Sets up the environment, LPIPS weights and data, trains a small network, generates pictures and mixes styles with it and
with the shipped network, projects a cat that no network has seen, and lists the pictures. Every step is a public
command line, printed as it runs. Needs only Python 3.6 or newer; results are in results/demo/.
"""

import os
import shlex
import subprocess
import sys
import time
from collections import namedtuple

import environments

RESULTS = os.path.join('results', 'demo')
SHIPPED = os.path.join('networks', 'cats64.pkl')
HELD_OUT = os.path.join(RESULTS, 'held-out-cats')
CAT = os.path.join(HELD_OUT, 'images', 'img00000002.png')
KIMG = 32
# 32x32 pixels and few feature maps, set by public options; the architecture is the full one. In so short a training
# steps count, not images: of what was tried, minibatches of 4 helped (benchmarks/learning.py options).
SMALL = dict([
    ('dataset.resolution', 32), ('G.fmap_base', 512), ('G.fmap_max', 128), ('D.fmap_base', 512), ('D.fmap_max', 128),
    ('G.latent_size', 128), ('G.dlatent_size', 128), ('G.mapping_fmaps', 128), ('G.mapping_layers', 4),
    ('sched.minibatch_size_base', 4), ('sched.minibatch_gpu_base', 4), ('sched.tick_kimg_base', 2),
    ('sched.tick_kimg_dict', {}), ('sched.G_lrate_base', 0.003), ('sched.D_lrate_base', 0.003),
    ('train.G_smoothing_kimg', 1), ('grid.size', '16x8')])

# seconds: expected on two cores; command: arguments of python; makes: the step is skipped if this file exists, or None
Step = namedtuple('Step', 'title seconds command makes')


def latest(name):
    """Newest numbered run directory below results/demo/NAME."""
    folder = os.path.join(RESULTS, name)
    runs = [run for run in os.listdir(folder) if run[:1].isdigit()]
    return os.path.join(folder, max(runs, key=lambda run: int(run.split('-')[0])))


def trained():
    """The network of the newest finished demo training."""
    return os.path.join(latest('train'), 'network-final.pkl')


def steps():
    """The steps in order; a command that depends on results of earlier steps is a function, called at its turn."""
    train = ['run_training.py', '--dataset=cats', '--config=config-f', '--total-kimg=%d' % KIMG, '--gamma=0.3',
             '--snap=4', '--metrics=none',
             '--result-dir=' + os.path.join(RESULTS, 'train')]
    for key, value in sorted(SMALL.items()):
        train += ['--set', '%s=%s' % (key, value)]

    def generate(name, network):
        return ['run_generator.py', 'generate-images', '--network=' + network, '--seeds=0-63', '--truncation-psi=0.7',
                '--result-dir=' + os.path.join(RESULTS, name)]

    def mix(name, network):
        return ['run_generator.py', 'style-mixing-example', '--network=' + network, '--row-seeds=0-3',
                '--col-seeds=4-8', '--col-styles=0-3', '--truncation-psi=0.7',
                '--result-dir=' + os.path.join(RESULTS, name)]

    def step(title, seconds, command, makes=None):
        return Step(title, seconds, command, makes)

    return [
        step('download the LPIPS weights', 40, ['-m', 'metrics.weights']),
        step('draw cats that are never used for training', 8,
             ['dataset_tool.py', 'create_cats', HELD_OUT, '--resolution=64', '--max_images=16', '--held_out'],
             makes=os.path.join(HELD_OUT, 'held-out-cats-r06.tfrecords')),
        step('save them as pictures', 8, ['dataset_tool.py', 'extract', HELD_OUT, os.path.join(HELD_OUT, 'images')],
             makes=CAT),
        step('train a small network from scratch', 420, train),
        step('generate with it', 15, lambda: generate('generate-small', trained())),
        step('mix styles with it', 15, lambda: mix('mix-small', trained())),
        step('generate with the shipped network', 15, generate('generate-shipped', SHIPPED)),
        step('mix styles with the shipped network', 15, mix('mix-shipped', SHIPPED)),
        step('project a cat that no network has seen', 60,
             ['run_projector.py', 'project-images', CAT, '--network=' + SHIPPED, '--preset=fast',
              '--result-dir=' + os.path.join(RESULTS, 'project')])]


def duration(seconds):
    """Text such as `3m 05s`."""
    return '%dm %02ds' % divmod(int(seconds + 0.5), 60)


def progress_line(done, total, elapsed, slowness, title):
    """One line: a bar, percentage of the expected time, time so far, time left, next step.

    Args:
        done: Expected seconds of the finished steps.
        total: Expected seconds of all steps.
        elapsed: Seconds since the start.
        slowness: Factor by which steps take longer than expected on this machine.
        title: Title of the next step.
    """
    bar = '#' * int(24 * done / total)
    return '\n[%-24s] %3d %%  %s so far, about %s left  >>> %s' % (
        bar, 100 * done / total, duration(elapsed), duration((total - done) * slowness), title)


def run(python, arguments):
    """Runs a command to its end even after Ctrl-C, so that training can save its state; returns the exit code."""
    print('    python ' + ' '.join(shlex.quote(argument) for argument in arguments), flush=True)
    process = subprocess.Popen([python] + arguments, cwd=environments.ROOT, env=environments.run_environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command received it too
            continue


def pictures():
    """(what it shows, path) of the pictures worth looking at."""
    train, project = latest('train'), latest('project')
    fakes = sorted(name for name in os.listdir(train) if name.startswith('fakes') and name != 'fakes_init.png')
    found = [('real cats', os.path.join(train, 'reals.png')),
             ('the small network after %d thousand cats' % KIMG, os.path.join(train, fakes[-1]))]
    for name in ('generate-small', 'mix-small', 'generate-shipped', 'mix-shipped'):
        found.append((name.replace('-', ', network: '), os.path.join(latest(name), 'grid.png')))
    return found + [('a held-out cat and its projection', os.path.join(project, 'grid.png'))]


def main():
    """Runs all steps; returns the exit code of the first that fails, or 0."""
    os.chdir(environments.ROOT)
    started = time.time()
    setup_seconds = 80
    todo = [step for step in steps() if step.makes is None or not os.path.exists(step.makes)]
    total = setup_seconds + sum(step.seconds for step in todo)
    print(progress_line(0, total, 0, 1, 'set up the environment'), flush=True)
    try:
        environment = environments.best(say=lambda line: print('    ' + line, flush=True))
    except environments.SetupError as e:
        print('make demo: %s' % e, file=sys.stderr)
        return 1
    environments.build_operations(environment.python, say=lambda line: print('    ' + line, flush=True))
    print('    All commands below can be typed by hand, after this one:\n    ' + environments.activation(environment))
    done, slowness, work_started = setup_seconds, 1.0, time.time()
    for step in todo:
        print(progress_line(done, total, time.time() - started, slowness, step.title), flush=True)
        code = run(environment.python, step.command() if callable(step.command) else step.command)
        if code != 0:
            print('make demo: "%s" failed with exit code %d, see above; run `make demo` again to continue' % (
                step.title, code), file=sys.stderr)
            return code if code > 0 else 1
        done += step.seconds
        slowness = (120 + time.time() - work_started) / (120 + done - setup_seconds)  # damped: a few seconds say little
    print('\n[%s] 100 %%  done in %s. Look at:' % ('#' * 24, duration(time.time() - started)))
    for title, path in pictures():
        print('  %-44s %s' % (title, path))
    print('To go on by hand, type:\n' + environments.activation(environment))
    print('To explore the network in your browser, and to look at the training there:\n'
          f'python run_explorer.py --result-dir={RESULTS} --open')
    return 0


if __name__ == '__main__':
    sys.exit(main())
