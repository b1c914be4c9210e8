#!/usr/bin/env python3
"""Does every loss find both modes of a small set of pictures? Trains with each, prints a table in Markdown.

The pictures are gray, of 4x4 pixels: half of them are bright on the left and dark on the right, half the other way
round, with noise on every pixel. The networks are those of config-e with few feature maps. A generator has found both
modes if each gets at least a fifth of its pictures, and their distance to the nearer one is at most twice that of the
pictures trained on.
"""

import contextlib
import os
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import EasyDict, cli  # noqa: E402  (found only after the line above)
from training.data.base import Dataset  # noqa: E402

NUM_PICTURES = 4096
NOISE = 0.15  # standard deviation, of a range of 2
MODES = np.float32([-0.5, 0.5])[:, np.newaxis] * np.float32([-1, -1, 1, 1] * 4)  # [2, pixels]
PAIRS = (('G_logistic_saturating', 'D_logistic_r1'), ('G_logistic_ns', 'D_logistic'),
         ('G_logistic_ns', 'D_logistic_r1'), ('G_logistic_ns', 'D_logistic_r2'),
         ('G_logistic_ns_pathreg', 'D_logistic_r1'), ('G_wgan', 'D_wgan'), ('G_wgan', 'D_wgan_gp'))


class TwoModes(Dataset):
    """The pictures as a dataset of shape [1, 4, 4]; takes the arguments of `Dataset` that do not describe it."""

    def __init__(self, **kwargs):
        super().__init__('two modes', NUM_PICTURES, [1, 4, 4], **kwargs)
        rnd = np.random.RandomState(0)
        pixels = MODES[rnd.randint(2, size=NUM_PICTURES)] + NOISE * rnd.randn(NUM_PICTURES, 16)
        self.pictures = np.uint8(np.clip(np.rint((pixels + 1) * 127.5), 0, 255)).reshape([-1, 1, 4, 4])

    def _read(self, index, lod):
        return self.pictures[index]


def judge(images):
    """How well images [N, 1, 4, 4] in [-1, 1] cover the modes: (share of the rarer mode, mean distance to the nearer
    one, root of the mean square over the pixels)."""
    distances = np.sqrt(np.square(images.reshape(len(images), 1, -1) - MODES).mean(axis=2))  # [N, modes]
    share = np.bincount(np.argmin(distances, axis=1), minlength=2).min() / len(images)
    return float(share), float(distances.min(axis=1).mean())


def train(G_loss, D_loss, seed, kimg, device):
    """Trains one generator; returns what `judge` says about 2000 of its images."""
    tflib = cli.load_tensorflow()
    import tensorflow.compat.v1 as tf
    from training.pretrained import load_generator
    from training.training_loop import training_loop
    adam = dict(beta1=0.0, beta2=0.99, epsilon=1e-8)
    with tempfile.TemporaryDirectory() as run_dir, tf.Graph().as_default(), open(os.devnull, 'w') as nowhere:
        with contextlib.redirect_stdout(nowhere):
            training_loop(
                submit_config=EasyDict(run_dir=run_dir), seed=seed, total_kimg=kimg, tf_config=dict(device=device),
                G_args=dict(func_name='training.networks_stylegan2.G_main', fmap_max=32, latent_size=16,
                            dlatent_size=16, mapping_layers=2, mapping_fmaps=32),
                D_args=dict(func_name='training.networks_stylegan2.D_stylegan2', fmap_max=32, architecture='skip'),
                G_opt_args=adam, D_opt_args=adam, G_loss_args=dict(func_name='training.loss.' + G_loss),
                D_loss_args=dict(func_name='training.loss.' + D_loss),
                dataset_args=dict(class_name='benchmarks.loss_study.TwoModes'), grid_args=dict(size='2x2'),
                sched_args=dict(minibatch_size_base=32, minibatch_gpu_base=32), G_smoothing_kimg=1,
                image_snapshot_ticks=None, network_snapshot_ticks=None, checkpoint_minutes=None)
        Gs = load_generator(os.path.join(run_dir, 'network-final.pkl'))
        latents = np.random.RandomState(seed).randn(2000, 16)
        result = judge(Gs.run(latents, None, truncation_psi=1, minibatch_size=500))
        tflib.close_tf()
    return result


def main(argv):
    """Parses the options, trains, prints the table."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kimg', type=int, default=60, help='thousand images of each training (default: %(default)s)')
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each pair (default: %(default)s)')
    cli.add_device(parser)
    args = parser.parse_args(argv)
    started = time.time()
    share, distance = judge(TwoModes().pictures / 127.5 - 1)
    print('| loss of G | loss of D | share of the rarer mode | distance to a mode | found both |')
    print('|---|---|---|---|---|')
    print('| the pictures themselves | | {:.2f} | {:.2f} | |'.format(share, distance))
    for G_loss, D_loss in PAIRS:
        results = [train(G_loss, D_loss, seed, args.kimg, args.device) for seed in range(args.seeds)]
        found = sum(rarer >= 0.2 and away <= 2 * distance for rarer, away in results)
        print('| {} | {} | {} | {} | {} of {} |'.format(
            G_loss, D_loss, ', '.join('{:.2f}'.format(rarer) for rarer, _ in results),
            ', '.join('{:.2f}'.format(away) for _, away in results), found, args.seeds), flush=True)
    print('{:.0f} s'.format(time.time() - started))


if __name__ == '__main__':
    cli.run_main(main)
