"""`directions`: directions in W along which pictures change, found without a classifier."""

import os
from typing import NamedTuple

import numpy as np

from dnnlib import cli, images, util
from dnnlib.util import UserError
from generator import drawing, options, writer

METHODS = ('sefa', 'pca', 'labels')
_STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)  # of the strip of each direction
_SAMPLE_BLOCK = 1000
SAMPLES, COUNT, SEED = 10000, 8, 1  # defaults of the command


class Found(NamedTuple):
    """Directions in W, the strongest first."""
    directions: np.ndarray  # [K, D], of unit length
    scales: np.ndarray      # [K], standard deviation of W along each
    values: np.ndarray      # [K], eigenvalue, variance or length that they were chosen by


def add_command(commands):
    """Adds the sub-command `directions`."""
    p = commands.add_parser('directions', help='find directions in W along which pictures change, for edit')
    options.add_network(p)
    p.add_argument('--method', choices=METHODS, default='sefa',
                   help='sefa = what changes the styles most, from the weights; pca = where W spreads most; labels = '
                   'from the mean of all classes to that of each (default: %(default)s)')
    p.add_argument('--count', type=options.positive_int, default=COUNT, metavar='N',
                   help='directions, the strongest first (default: %(default)s)')
    p.add_argument('--layers', type=cli.int_list, metavar='LIST',
                   help='layers whose weights sefa looks at, and that edit changes (default: all)')
    p.add_argument('--samples', type=options.positive_int, default=SAMPLES, metavar='N',
                   help='random latents whose dlatents are measured (default: %(default)s)')
    p.add_argument('--seed', type=options.positive_int, default=SEED, metavar='N',
                   help='of these latents, and of the picture on the strips (default: %(default)s)')
    options.add_running(p)
    p.set_defaults(run=find_directions)


def find_directions(submit_config, network_pkl, method, count, layers, samples, seed, settings):
    """Writes `directions.npz`, and `strip.png`: a row per direction, from -3 to 3 standard deviations of W.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`.
        network_pkl: pretrained.NetworkFile.
        method: One of METHODS.
        count: Directions at most.
        layers: List of layer numbers, None = all.
        samples: Number of latents.
        seed: Of the latents, int.
        settings: drawing.Settings.
    Raises: UserError if the network has no such layer, or no labels.
    """
    drawer = drawing.load(network_pkl, settings)
    layers = list(range(drawer.num_layers)) if layers is None else layers
    drawer.check_layers('--layers', layers)
    found, scales, values = run_to_end(search(drawer, method, layers, samples, seed, count))
    path = os.path.join(submit_config.run_dir, 'directions.npz')
    with util.atomic_path(path) as temp_path:
        np.savez(temp_path, directions=np.float32(found), scales=np.float32(scales), values=np.float32(values),
                 layers=np.array(layers), method=np.array(method))
    base = drawer.sources([seed], truncation_psi=drawer.preview_psi(0.5))[0]
    sheet = images.ContactSheet(len(found) * len(_STRENGTHS), drawer.image_shape, columns=len(_STRENGTHS))
    for direction, scale in zip(cli.progress(found, 'directions'), scales):
        for picture in drawer.pictures(move(base, direction * scale, _STRENGTHS, layers)):
            sheet.add(writer.as_pixels(picture))
    images.save_png(sheet.canvas, os.path.join(submit_config.run_dir, 'strip.png'))
    print(f'Wrote {len(found)} directions to {path}; strip.png has a row for each')


def search(drawer, method, layers, samples=SAMPLES, seed=SEED, count=COUNT):
    """A generator that finds directions piece by piece.

    Args:
        drawer: drawing.Drawer.
        method: One of METHODS.
        layers: Those whose weights sefa looks at, list.
        samples: Number of random latents.
        seed: Of the latents, int.
        count: Directions at most; of `labels` all.
    Yields: How far it is, 0 to 1, after each piece.
    Returns: Found.
    Raises: UserError if the network has no labels, or no weights of styles.
    """
    latents = np.random.RandomState(seed).randn(samples, *drawer.Gs.input_shape[1:])
    share = 0.5 if method == 'labels' else 1
    w = []
    for i in range(0, len(latents), _SAMPLE_BLOCK):
        w.append(drawer.dlatents(latents[i:i + _SAMPLE_BLOCK])[:, 0])
        yield share * (i + len(w[-1])) / len(latents)
    w = np.concatenate(w)
    if method == 'labels':
        means = []
        for mean in label_means(drawer, latents):
            means.append(mean)
            yield share + share * len(means) / drawer.label_size
        found, values = label_directions(np.stack(means))
    else:
        found, values = sefa(style_weights(drawer, layers)) if method == 'sefa' else pca(w)
        found, values = found[:count], values[:count]
    return Found(found, np.std(w @ found.T, axis=0), values)


def run_to_end(steps):
    """What a generator returns, whatever it yields."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def move(dlatents, step, strengths, layers):
    """Dlatents [layers, D] moved along a direction.

    Args:
        dlatents: [layers, D].
        step: [D], the move at strength 1.
        strengths: List of numbers.
        layers: List of the layers that move.
    Returns: [len(strengths), layers, D] float32.
    """
    moved = np.stack([dlatents] * len(strengths)).astype(np.float32)
    moved[:, layers] += np.float32(strengths)[:, np.newaxis, np.newaxis] * np.float32(step)
    return moved


def sample_w(drawer, latents, labels=None):
    """Dlatents [N, D] of latents, the same for all layers."""
    parts = [drawer.dlatents(latents[i:i + _SAMPLE_BLOCK], labels)[:, 0] for i in range(0, len(latents), _SAMPLE_BLOCK)]
    return np.concatenate(parts)


def style_weights(drawer, layers):
    """Weights [D, M] that turn a dlatent into the styles of some layers, in the scale of the graph.

    A resolution's layers are its convolutions; the layer that makes colors takes the next one's dlatent, as in
    synthesis, and counts as that.
    """
    found = []
    for name, var in drawer.synthesis.vars.items():
        if name.endswith(('/mod_weight', '/StyleMod/weight')) and _layer_of(name) in layers:
            found.append(drawer.synthesis.get_var(var) / np.sqrt(var.shape.as_list()[0]))
    if not found:
        raise UserError(f'no known style weights in the layers {layers}; choose different --layers or --method=pca')
    return np.concatenate(found, axis=1)


def _layer_of(name):
    """Number of the dlatent that a layer of a synthesis network takes, from its variable's name."""
    block = name.split('/')[0]
    if block.startswith('ToRGB_lod'):
        return None
    level = int(np.log2(int(block.split('x')[0])))
    part = name.split('/')[1]
    if level == 2:
        return {'Const': 0, 'Conv': 1 if '/StyleMod/' in name else 0}.get(part, 1)
    return {'Conv0_up': 2 * level - 5, 'Conv1': 2 * level - 4}.get(part, 2 * level - 3) + ('/StyleMod/' in name)


def sefa(weights):
    """Directions that change the styles most (Shen & Zhou 2021, equation 7): eigenvectors of A^T A.

    Args:
        weights: A transposed, [D, M].
    Returns: (directions [D, D] of unit length, the strongest first; eigenvalues [D]).
    """
    values, vectors = np.linalg.eigh(np.float64(weights) @ np.float64(weights).T)
    return signed(vectors.T[::-1]), values[::-1]


def pca(w):
    """Directions in which dlatents spread most (Härkönen et al. 2020, section 2).

    Args:
        w: [N, D].
    Returns: (directions [D, D] of unit length, the strongest first; variances [D]).
    """
    values, vectors = np.linalg.eigh(np.cov(np.float64(w), rowvar=False))
    return signed(vectors.T[::-1]), values[::-1]


def signed(vectors):
    """Vectors whose largest element is positive: eigenvectors have no sign of their own."""
    largest = np.take_along_axis(vectors, np.argmax(np.abs(vectors), axis=1)[:, np.newaxis], axis=1)
    return vectors * np.sign(largest)


def label_means(drawer, latents):
    """Yields the mean of W of each class, [D], with the same latents for all.

    Raises: UserError if the network has no labels.
    """
    label_size = drawer.label_size
    if not label_size:
        raise UserError('--method=labels: the network was trained without labels; choose sefa or pca')
    latents = latents[:max(len(latents) // label_size, 100)]
    for label in np.eye(label_size, dtype=np.float32):
        yield sample_w(drawer, latents, label[np.newaxis]).mean(axis=0)


def label_directions(means):
    """From the mean of all classes to the mean of each.

    Args:
        means: Of the classes, [classes, D].
    Returns: (directions [classes, D] of unit length, their lengths [classes]).
    """
    offsets = means - means.mean(axis=0)
    lengths = np.linalg.norm(offsets, axis=1)
    return offsets / np.maximum(lengths, 1e-12)[:, np.newaxis], lengths
