"""Gives everything in a folder to the commands that take such a thing, and prints what came as a Markdown table.

The name says what a thing is: a folder, a zip, a network (`.pkl`), dlatents (`.npz`, `.npy`), boxes (`.csv`) or a
picture. Networks with a `NAME.right.npz` (latents, images, psi) are also compared with its images. Dlatents are drawn,
and pictures projected, with the first of these networks; boxes cut the first folder that has a folder `cat`. Nothing is
written into the folder.

    python benchmarks/users_inputs.py FOLDER...
"""

import argparse
import contextlib
import glob
import io
import os
import re
import shlex
import sys
import tempfile
import warnings

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import dataset_tool  # noqa: E402  (found only after the line above)
import run_generator  # noqa: E402
import run_projector  # noqa: E402
import run_training  # noqa: E402
from dnnlib import cli  # noqa: E402

PROGRAMS = {'dataset_tool.py': dataset_tool, 'run_generator.py': run_generator, 'run_projector.py': run_projector,
            'run_training.py': run_training}
SMALL = ('--config=config-f --total-kimg=0 --device=cpu --no-selftest --set G.fmap_max=8 --set D.fmap_max=8 '
         '--set G.latent_size=8 --set G.dlatent_size=8 --set G.mapping_fmaps=8')
DATASET = (
    'dataset_tool.py check {path}', 'dataset_tool.py create_from_images {out}/new {path}',
    'dataset_tool.py create_from_images {out}/new {path} --resolution=16 --bad=skip',
    'dataset_tool.py display {path} --output={out}/d.png', 'dataset_tool.py extract {path} {out}/e',
    'dataset_tool.py compare {path} {path}',
    'run_projector.py project-images {path} --network={network} --steps=1 --distance=pixel --device=cpu --no-selftest',
    'run_training.py --dataset={path} --set dataset.max_label_size=full --set dataset.resolution=8 ' + SMALL,
    'run_training.py --dataset={path} ' + SMALL)
PICTURE = DATASET[6:7]
NETWORK = (
    'run_generator.py info {path}', 'run_generator.py generate-images --network={path} --seeds=0,1 --device=cpu',
    'run_generator.py generate-images --network={path} --seeds=0 --truncation-psi=1 --device=cpu',
    'run_generator.py style-mixing-example --network={path} --truncation-psi=1 --device=cpu',
    'run_generator.py interpolate --network={path} --seeds=0,1 --frames=3 --truncation-psi=1 --device=cpu',
    'run_generator.py export {path} {out}/e.safetensors')
BOXES = ('dataset_tool.py create_from_images {out}/new {images} --resolution=16 --bbox={path}',)
DLATENTS = ('run_generator.py generate-images --network={network} --dlatents={path} --device=cpu',
            'run_generator.py mix --network={network} --seeds={path} --take=5:0-1 --device=cpu')
MAX_LINES = 12  # of the output in a cell


def run(words):
    """Runs a command in this process, in a graph of its own; returns (exit code, lines of its output)."""
    output = io.StringIO()
    sys.argv = [os.path.join(ROOT, words[0])]
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            _run_in_graph(PROGRAMS[words[0]].main, words[1:])
        except SystemExit as end:
            code = end.code or 0
        except Exception as error:  # pylint: disable=broad-except  # what must never come
            code = 'TRACEBACK'
            output.write(f'{type(error).__name__}: {error}\n')
    lines = [line.rstrip() for line in re.split('[\r\n]+', output.getvalue())]
    return code, [line for line in lines if line.strip() and not re.search('it/s]|^Local submit|^dnnlib: ', line)]


def _run_in_graph(main, args):
    if not needs_tensorflow(args):
        cli.run_main(main, args)
    import tensorflow.compat.v1 as tf
    tflib = cli.load_tensorflow()
    with tf.Graph().as_default():
        try:
            cli.run_main(main, args)
        finally:
            if tf.get_default_session() is not None:
                tflib.close_tf()


def needs_tensorflow(args):
    """Does a command have the option `--device`, as all have that compute?"""
    return any(arg.startswith('--device') for arg in args)


def difference(path):
    """How far the images of a network are from those beside it in `NAME.right.npz`, as text; '' without such a file."""
    right = os.path.splitext(path)[0] + '.right.npz'
    if not os.path.exists(right):
        return ''
    import tensorflow.compat.v1 as tf
    tflib = cli.load_tensorflow()
    from training import pretrained
    arrays = np.load(right)
    with tf.Graph().as_default(), contextlib.redirect_stdout(io.StringIO()):
        tflib.init_tf({'device': 'cpu'})
        Gs = pretrained.load_generator(path)
        images = Gs.run(arrays['latents'], None, randomize_noise=False, truncation_psi=float(arrays['psi']))
        tflib.close_tf()
    return f"images differ by at most {np.abs(images - arrays['images']).max():.2g} from {os.path.basename(right)}"


def commands_for(path):
    """Commands that take a file or folder, with {path}, {out}, {network}, {images}; none for something else."""
    if os.path.isdir(path) or path.endswith('.zip'):
        return DATASET
    kinds = {('.pkl',): NETWORK, ('.npz', '.npy'): DLATENTS, ('.csv',): BOXES,
             ('.png', '.jpg', '.jpeg', '.jfif'): PICTURE}
    return next((commands for endings, commands in kinds.items() if path.lower().endswith(endings)), ())


def companions(folder, out):
    """What commands need besides their input: {name: path}."""
    networks = [path for path in sorted(glob.glob(os.path.join(folder, '*.pkl')))
                if os.path.exists(os.path.splitext(path)[0] + '.right.npz')]
    images = sorted(map(os.path.dirname, glob.glob(os.path.join(folder, '*', 'cat'))))
    return dict(out=out, network=(networks + ['cats64'])[0], images=(images + [folder])[0])


def cell(lines):
    """Lines of text as one cell of a Markdown table: the first and the last ones."""
    if len(lines) > MAX_LINES:
        lines = lines[:MAX_LINES // 2] + ['...'] + lines[-MAX_LINES // 2:]
    return '<br>'.join(line.replace('|', '\\|').replace('<', '&lt;') for line in lines)


def rows_of(folder):
    """Yields (name, command, exit code, output) of everything in a folder."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith('.') or name.endswith(('.right.npz', '.md')):
            continue
        found = difference(path) if name.endswith('.pkl') else ''
        if found:
            yield name, 'Network.run', 0, [found]
        for command in commands_for(path):
            with tempfile.TemporaryDirectory() as out:
                values = dict(companions(folder, out), path=path)
                words = [word.format(**values) for word in shlex.split(command)]
                if needs_tensorflow(words):
                    words.append(f'--result-dir={out}')
                code, lines = run(words)
                shown = command.replace(' ' + SMALL, ' ...').format(**dict(values, out='OUT', path=name))
                yield (name, shown.replace(os.path.join(folder, ''), ''), code,
                       [line.replace(out, 'OUT') for line in lines])


def main():
    """Prints one table for each folder; the exit code is 1 if anything ended in a traceback."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', metavar='FOLDER', nargs='+')
    failed = 0
    for folder in parser.parse_args().folders:
        print(f'## {os.path.basename(os.path.abspath(folder))}\n')
        print('| input | command | code | output |\n|---|---|---|---|')
        for name, command, code, lines in rows_of(folder):
            failed |= code == 'TRACEBACK'
            print(f'| `{name}` | `{command}` | {code} | {cell(lines)} |', flush=True)
    sys.exit(int(failed))


if __name__ == '__main__':
    main()
