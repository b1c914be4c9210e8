"""TensorFlow, a generator and its projector: minibatches of targets in, the best projection of each out."""

import os
import sys
import time
from typing import NamedTuple

import numpy as np
import tqdm

from dnnlib import cli, util
from dnnlib.files import network_file
from training import pretrained
from training.data import classes

# What decides the distance of a picture: calibrations are valid for the same of these only.
MEASURING = ('preset', 'schedule', 'num_steps', 'space', 'noise', 'distance', 'restarts', 'plateau', 'seed',
             'precision', 'label')
MINIBATCH, MINIBATCH_SIDE = 4, 256  # pictures at once, up to that size in pixels; above, one at a time
MIN_GAIN = 0.01  # an improvement of the distance by less than this share is none for the plateau


class Projection(NamedTuple):
    """Result of one target."""

    dlatents: np.ndarray  # [1, layers, D]
    noises: list  # of [1, 1, H, W]
    image: np.ndarray  # [C, H, W], about [-1, 1]
    distance: float
    start_distance: float
    steps: int
    restart: int  # which one was the best, from 0


class Session:
    """TensorFlow, the generator and the projector of one run.

    Args:
        network_pkl: Path, URL or published name of the network file.
        settings: Dictionary: those of MEASURING, and `minibatch` (None = chosen by the size of the images).
        tf_config: Settings of `tflib.init_tf`.
    """

    def __init__(self, network_pkl, settings, tf_config):
        tflib = cli.load_tensorflow()
        self.tflib = tflib
        self.settings = settings
        self.network_pkl = network_pkl
        tflib.init_tf(dict(tf_config, **{'rnd.np_random_seed': settings['seed']}))
        print('Device: {}'.format(tflib.device_description()))
        print('Loading networks from {} ...'.format(util.public_url(network_pkl)))
        self.Gs = pretrained.load_generator(network_pkl)
        self.network_hash = network_file.weights_hash(tflib.run(dict(self.Gs.vars)))
        self.shape = self.Gs.output_shape[1:]
        self.projector, self.minibatch, self._all_distances = None, None, None

    def prepare(self, count, masked=False):
        """Builds the projector; only now, since this takes long and bad pictures should be reported before.

        Args:
            count: Number of pictures that there will be.
            masked: Will there be masks?
        """
        from dnnlib.tflib import precision
        from projector import distances
        from projector.projector import Projector
        settings = self.settings
        options, text = precision.synthesis_options(settings['precision'], self.Gs)
        half_distance = settings['precision'] == 'mixed' and distances.can_be_half(settings['distance'])
        if settings['precision'] != 'float32':
            print('Precision: {}; {} in {}'.format(
                text, settings['distance'], 'bfloat16' if half_distance else 'float32'))
        self.projector = Projector()
        self.projector.half_distance = half_distance
        for name, value in settings['schedule'].items():
            setattr(self.projector, name, value)
        self.projector.num_steps = settings['num_steps']
        self.projector.synthesis_options = options
        self.projector.clone_net = False
        self.projector.masked = masked
        self.projector.label = self._label()
        for name in ('space', 'noise', 'distance'):
            setattr(self.projector, name, settings[name])
        usual = MINIBATCH if max(self.shape[1:]) <= MINIBATCH_SIDE else 1
        self.minibatch = max(1, min(settings['minibatch'] or usual, count))
        self.projector.set_network(self.Gs, self.minibatch)

    def measure_all(self, target, image, mask=None):
        """Distances of an image [C, H, W] to a target by every measure, see `distances.AllDistances.measure`."""
        from projector.distances import AllDistances
        self._all_distances = self._all_distances or AllDistances(self.shape)
        return self._all_distances.measure(target, image, mask)

    def _label(self):
        """Label vector of the setting `label`, names or numbers of classes; None = zeros."""
        size = self.Gs.components.mapping.input_shapes[1][1]
        text = self.settings['label']
        return None if text is None else classes.parse_label(
            text, size, classes.load_names(os.path.dirname(self.network_pkl), size))

    def generate(self, seed, truncation_psi):
        """The image of a seed as `run_generator.py generate-images` makes it of the class: float32 [1, C, H, W]."""
        rnd = np.random.RandomState(seed)
        latents = rnd.randn(1, *self.Gs.input_shape[1:])
        variables = [var for name, var in self.Gs.components.synthesis.vars.items() if name.startswith('noise')]
        self.tflib.set_vars({var: rnd.randn(*var.shape.as_list()) for var in variables})
        label = self._label()
        labels = None if label is None else label[np.newaxis]
        return self.Gs.run(latents, labels, randomize_noise=False, truncation_psi=truncation_psi)

    def project(self, targets, title, masks=None, dlatents=None, observers=()):
        """Projects at most a minibatch of targets, as often as the setting `restarts` says.

        Args:
            targets: [N, C, H, W], float32, range [-1, 1].
            title: What the progress bar is called.
            masks, dlatents: See `Projector.start`.
            observers: Functions of (projector, restart), called before the first and after every step.
        Returns: List of N Projection.
        """
        best = [None] * len(targets)
        for restart in range(self.settings['restarts']):
            seeds = [self.settings['seed'] if restart == 0 else [self.settings['seed'], restart]] * len(targets)
            self.projector.start(targets, seeds, dlatents, masks)
            for index, found in enumerate(self._descend(title, restart, observers)):
                if best[index] is None or found.distance < best[index].distance:
                    best[index] = found
        return best

    def _descend(self, title, restart, observers):
        """All steps of the targets that were started; with the setting `plateau` each target ends by itself."""
        projector, num_steps, patience = self.projector, self.projector.num_steps, self.settings['plateau']
        first = projector.get_distances()
        results, lowest, lowest_at = [None] * len(first), first.copy(), np.zeros(len(first))
        started = shown = time.time()
        for observe in observers:
            observe(projector, restart)
        # not to the log file, which is a copy of the standard streams
        with tqdm.tqdm(total=num_steps, desc=title, unit='step', disable=None, file=sys.__stderr__) as bar:
            while projector.get_cur_step() < num_steps and None in results:
                distances = projector.step()
                step = projector.get_cur_step()
                bar.set_postfix_str('distance {:.4f}'.format(np.mean(distances)), refresh=False)
                bar.update()
                for observe in observers:
                    observe(projector, restart)
                better = distances < lowest * (1 - MIN_GAIN)
                lowest[better], lowest_at[better] = distances[better], step
                ended = (step - lowest_at >= patience) if patience else np.zeros(len(first), bool)
                if step == num_steps or any(end and result is None for end, result in zip(ended, results)):
                    self._collect(results, ended | (step == num_steps), first, restart)
                if bar.disable and time.time() - shown >= 20:
                    shown = time.time()
                    print('{}: step {}/{}, distance {:.4f}, {:.1f} steps/s'.format(
                        title, step, num_steps, np.mean(distances), step / (shown - started)))
        return results

    def _collect(self, results, ended, first, restart):
        """Puts the current state of the targets that have ended and have no result yet into `results`."""
        projector = self.projector
        dlatents, noises, images = projector.get_dlatents(), projector.get_noises(), projector.get_images()
        distances = projector.get_distances()
        for i in range(len(results)):
            if ended[i] and results[i] is None:
                results[i] = Projection(
                    dlatents[i:i + 1], [noise[i:i + 1] for noise in noises], images[i], float(distances[i]),
                    float(first[i]), projector.get_cur_step(), restart)
