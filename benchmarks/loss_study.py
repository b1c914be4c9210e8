#!/usr/bin/env python3
"""Does every loss, and every method, find both modes of a small set of pictures? Trains with each, prints tables.

    python benchmarks/loss_study.py losses       every criterion with every penalty
    python benchmarks/loss_study.py methods      every method that draws from latents
    python benchmarks/loss_study.py pairs        100 steps of every criterion with every term: finite, and both move

The pictures are gray: half of them are bright on the left and dark on the right, half the other way round, with noise
on every pixel. A generator has found both modes if each gets at least a fifth of its pictures, and their distance to
the nearer one is at most twice that of the pictures trained on. The losses train networks of two dense layers on 4x4
pixels; the methods their own networks, as narrow as in the tests, on the smallest pictures that they take. Terms that
need more than such layers have networks with it, in `pairs`: convolutions, a classifier of the modes, a W.
"""

import contextlib
import os
import sys
import tempfile
import time
from typing import NamedTuple

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import latent_methods  # noqa: E402  (found only after the line above)
from dnnlib import EasyDict, cli  # noqa: E402
from training import loss_names  # noqa: E402
from training.data.base import Dataset  # noqa: E402

NUM_PICTURES = 4096
NOISE = 0.15  # standard deviation, of a range of 2
BATCH, LATENTS, HIDDEN, RATE = 64, 8, (32, 32), 0.002  # of the study of losses
PENALTIES = ('', 'r1:1', 'r2:1', 'gp:1', 'lp:1', 'dragan:1')  # light: a penalty of 10 is for images of many pixels
CHECKED = 2000  # pictures of each generator
ADAM = dict(beta1=0.0, beta2=0.99)
OPTIONS_OF = dict(losses=('seeds', 'steps'), methods=('seeds', 'first_seed'), pairs=())  # others have no effect


def modes(size):
    """The two pictures without noise, [2, pixels]."""
    half = np.repeat(np.float32([-0.5, 0.5]), size // 2)
    return np.stack([np.tile(half, size), np.tile(-half, size)])


class Networks(NamedTuple):
    """What a Pair is made of."""
    functions: tuple   # build functions of G and D, below `training.`
    G: dict            # options of G
    D: dict            # options of D
    resolution: int = 4  # of the pictures
    terms: tuple = ()  # that these networks are for, in `pairs`
    label_size: int = 0  # 2 = labels are the modes


MLPS = Networks(('networks.mlp.G_mlp', 'networks.mlp.D_mlp'), dict(latent_size=LATENTS, hidden=list(HIDDEN)), dict(
    hidden=list(HIDDEN)), terms=tuple(name for name in loss_names.TERMS if name not in (
        'pl', 'ac', 'ac_reals', 'orthogonal')))
PAIRS = (
    MLPS, Networks(('networks.dcgan.G_dcgan', 'networks.dcgan.D_dcgan'), dict(latent_size=LATENTS, fmaps=4), dict(
        fmaps=4, condition='classifier'), 8, ('orthogonal', 'ac', 'ac_reals'), 2),
    Networks(('networks_stylegan2.G_main', 'networks_stylegan2.D_stylegan2'), dict(
        latent_size=LATENTS, dlatent_size=8, mapping_layers=1, fmap_max=8), dict(
            fmap_max=8, architecture='skip'), terms=('pl',)))


class TwoModes(Dataset):
    """The pictures as a dataset of shape [1, size, size]; takes the arguments of `Dataset` that do not describe it."""

    def __init__(self, resolution=4, **kwargs):
        super().__init__('two modes', NUM_PICTURES, [1, resolution, resolution], **kwargs)
        rnd, means = np.random.RandomState(0), modes(resolution)
        self.modes = rnd.randint(2, size=NUM_PICTURES)
        pixels = means[self.modes] + NOISE * rnd.randn(NUM_PICTURES, resolution ** 2)
        self.pictures = np.uint8(np.clip(np.rint((pixels + 1) * 127.5), 0, 255)).reshape([-1] + self.shape)

    def _read(self, index, lod):
        side = self.shape[1] >> lod
        parts = self.pictures[index].reshape(1, side, 1 << lod, side, 1 << lod)
        return np.uint8(np.rint(parts.mean(axis=(2, 4))))


def judge(images):
    """How well images [N, 1, H, W] in [-1, 1] cover the modes: (share of the rarer mode, mean distance to the nearer
    one, root of the mean square over the pixels)."""
    means = modes(images.shape[2])
    distances = np.sqrt(np.square(images.reshape(len(images), 1, -1) - means).mean(axis=2))  # [N, modes]
    share = np.bincount(np.argmin(distances, axis=1), minlength=2).min() / len(images)
    return float(share), float(distances.min(axis=1).mean())


class Pair:
    """Two small networks and the operations that train them, in the default graph.

    Args:
        criterion: Name of the loss, without terms.
        terms: What is added in each variant to the loss of those networks that have such a term, '' = nothing.
        networks: Networks.
    """

    def __init__(self, criterion, terms, networks=MLPS):
        from dnnlib import tflib
        from dnnlib.tflib import random
        from training import adversarial
        import tensorflow.compat.v1 as tf
        self._tflib, self._networks = tflib, networks
        shape = dict(num_channels=1, resolution=networks.resolution, label_size=networks.label_size)
        self.G, self.D = (tflib.Network(name, 'training.' + function, **dict(options, **shape))
                          for name, function, options in zip('GD', networks.functions, (networks.G, networks.D)))
        self._seed = tf.placeholder(tf.int64, [2])
        with TwoModes(networks.resolution) as data:
            pictures = tf.constant(data.pictures / np.float32(127.5) - 1)
            of_mode = tf.constant(np.eye(2, networks.label_size, dtype=np.float32)[data.modes])
        self._steps, self._optimizers, losses = {}, [], dict(G=adversarial.G_loss, D=adversarial.D_loss)
        for variant in terms:
            for name, network in (('D', self.D), ('G', self.G)):
                text = '+'.join([criterion] + [term for term in variant.split('+') if term and (
                    name in loss_names.TERMS[term.split(':')[0]].losses)])
                if (name, text) not in self._steps:
                    with random.seeded(self._seed):
                        numbers = random.uniform([BATCH], 0, NUM_PICTURES, tf.int32)
                        loss = losses[name](
                            self.G, self.D, None if networks.label_size else data, BATCH, tf.gather(pictures, numbers),
                            tf.gather(of_mode, numbers), terms=text, equalized=False)
                        self._steps[name, text] = self._step(name, network, loss)
                self._steps[name, variant] = self._steps[name, text]

    def _step(self, name, network, loss):
        optimizer = self._tflib.Optimizer(name=f'Train{name}{len(self._steps)}', learning_rate=RATE, **ADAM)
        total = sum(self._mean(part) for part in loss if part is not None)
        optimizer.register_gradients(total, network.trainables)
        self._optimizers.append(optimizer)
        return optimizer.apply_updates()

    @staticmethod
    def _mean(value):
        import tensorflow.compat.v1 as tf
        return tf.reduce_mean(value)

    def train(self, variant, seed, steps):
        """Starts over and makes so many steps of each network; returns {network: its weights} before and after."""
        rnd, tflib = np.random.RandomState(seed), self._tflib
        for network in (self.G, self.D):
            if self._networks is MLPS:
                tflib.set_vars({var: rnd.uniform(-1, 1, var.shape.as_list()) / np.sqrt(var.shape.as_list()[0])
                                for var in network.trainables.values()})
            else:
                network.reset_vars()
        for optimizer in self._optimizers:
            optimizer.reset_optimizer_state()
        tflib.init_uninitialized_vars()  # of path lengths
        before = self.weights()
        for i in range(steps):
            tflib.run(self._steps['D', variant], {self._seed: [seed, 2 * i]})
            tflib.run(self._steps['G', variant], {self._seed: [seed, 2 * i + 1]})
        return before, self.weights()

    def weights(self):
        """{network: all its weights in a row}."""
        return {network.name: np.concatenate([network.get_var(name).ravel() for name in network.trainables])
                for network in (self.G, self.D)}

    def images(self, seed):
        """CHECKED pictures of the generator."""
        return self.G.run(np.random.RandomState(seed).randn(CHECKED, LATENTS), None, minibatch_size=CHECKED)


@contextlib.contextmanager
def pair_of(criterion, terms, device, networks=MLPS):
    """A Pair in a graph and session of its own."""
    tflib = cli.load_tensorflow()
    import tensorflow.compat.v1 as tf
    with tf.Graph().as_default():
        tflib.init_tf(dict(device=device, intra_op_parallelism_threads=1, inter_op_parallelism_threads=1))
        try:
            yield Pair(criterion, terms, networks)
        finally:
            tflib.close_tf()


def study_losses(args, distance):
    """Prints how many seeds found both modes: rows are criteria, columns penalties."""
    print('| criterion | ' + ' | '.join(penalty or 'no penalty' for penalty in PENALTIES) + ' |')
    print('|---' * (len(PENALTIES) + 1) + '|')
    for criterion in args.only or loss_names.CRITERIA:
        cells = []
        with pair_of(criterion, PENALTIES, args.device) as pair:
            for penalty in PENALTIES:
                results = []
                for seed in range(args.seeds):
                    pair.train(penalty, seed, args.steps)
                    results.append(judge(pair.images(seed)))
                cells.append(cell(results, distance))
        print(f'| `{criterion}` | ' + ' | '.join(cells) + ' |', flush=True)


def cell(results, distance):
    """'2: 0.41, 0.17' = two seeds found both; medians of share and distance."""
    found = sum(rarer >= 0.2 and away <= 2 * distance for rarer, away in results)
    share, away = np.median(np.array(results), axis=0)
    return f'{found}: {share:.2f}, {away:.2f}'


def study_pairs(args):
    """Makes 100 steps with every criterion and term; returns how many fail, and prints those."""
    failed = tried = 0
    for criterion in args.only or loss_names.CRITERIA:
        for networks in PAIRS:
            with pair_of(criterion, networks.terms, args.device, networks) as pair:
                for term in networks.terms:
                    before, after = pair.train(term, 0, 100)
                    moved = {name: float(np.abs(after[name] - before[name]).max()) for name in after}
                    is_good = all(0 < distance < np.inf for distance in moved.values())
                    tried, failed = tried + 1, failed + (not is_good)
                    if not is_good:
                        print(f'{criterion}+{term}: moved by {moved}', flush=True)
    print(f'{tried} pairs, 100 steps each: {failed} are not finite, or a network did not move')
    return failed


def train(method, seed, device):
    """Trains a latent_methods.Trained; returns what `judge` says about pictures of its generator."""
    tflib = cli.load_tensorflow()
    import tensorflow.compat.v1 as tf
    from training.training_loop import training_loop
    found = []

    def look(network_pkl, fakes):
        if network_pkl is not None:
            found.append(np.concatenate([later.draw() for later in fakes(CHECKED, seed)]))
    with tempfile.TemporaryDirectory() as run_dir, tf.Graph().as_default(), open(os.devnull, 'w') as nowhere:
        with contextlib.redirect_stdout(nowhere):
            training_loop(
                submit_config=EasyDict(run_dir=run_dir), seed=seed, total_kimg=method.kimg, metric_callback=look,
                tf_config=dict(device=device), dataset_args=dict(
                    class_name='benchmarks.loss_study.TwoModes', resolution=method.resolution),
                grid_args=dict(size='2x2'), image_snapshot_ticks=None, network_snapshot_ticks=1,
                checkpoint_minutes=None, sched_args=dict(
                    minibatch_size_base=32, minibatch_gpu_base=32, G_lrate_base=method.lrate, D_lrate_base=method.lrate,
                    tick_kimg_base=method.kimg, tick_kimg_dict={}),
                **method.options)
        tflib.close_tf()
    return judge(found[-1] / 127.5 - 1)


def study_methods(args, distance):
    """Prints what each method finds."""
    print('| method | pixels | share of the rarer mode | distance to a mode | found both |')
    print('|---|---|---|---|---|')
    for name in args.only or latent_methods.METHODS:
        method = latent_methods.METHODS[name]
        results = [train(method, seed, args.device) for seed in range(args.first_seed, args.first_seed + args.seeds)]
        shares, distances = (', '.join(f'{value:.2f}' for value in values) for values in zip(*results))
        print(f'| {name} | {method.resolution}x{method.resolution} | {shares} | {distances} | '
              f'{cell(results, distance)[0]} of {args.seeds} |', flush=True)


def main(argv):
    """Parses the options, trains, prints the tables."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('what', choices=sorted(OPTIONS_OF), help='see above')
    parser.add_argument('--seeds', type=int, metavar='N', help='trainings of each loss or method (default: 3)')
    parser.add_argument('--first-seed', type=int, metavar='N', help='of the methods (default: 0)')
    parser.add_argument('--steps', type=int, metavar='N', help='of each network, with losses (default: 400)')
    parser.add_argument('--only', type=lambda text: text.split(';'), metavar='NAMES', help='criteria or methods, '
                        'joined by semicolons (default: all)')
    cli.add_device(parser)
    args = parser.parse_args(argv)
    for name, default in (('seeds', 3), ('first_seed', 0), ('steps', 400)):
        if getattr(args, name) is None:
            setattr(args, name, default)
        elif name not in OPTIONS_OF[args.what]:
            parser.error(f'--{name.replace("_", "-")} has no effect with {args.what}')
    started = time.time()
    if args.what == 'pairs':
        return int(study_pairs(args) > 0)
    with TwoModes() as data:
        share, distance = judge(data.pictures / 127.5 - 1)
    print(f'The pictures themselves: share {share:.2f}, distance {distance:.2f}\n')
    (study_losses if args.what == 'losses' else study_methods)(args, distance)
    print(f'\n{time.time() - started:.0f} s')
    return 0


if __name__ == '__main__':
    cli.run_main(main)
