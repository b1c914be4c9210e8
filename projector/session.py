"""TensorFlow, a generator and its projector: minibatches of targets in, the best projection of each out."""

import sys
import time
from typing import NamedTuple

import numpy as np

from dnnlib.files import network_file
from dnnlib.run.heartbeat import Heartbeat
from generator import drawing
from projector import schedule
from projector.pace import DRAWN_STEPS, Pace

MINIBATCH, MINIBATCH_SIDE = 4, 256  # pictures at once, up to that size in pixels; above, one at a time
MIN_GAIN = 0.01  # an improvement of the distance by less than this share is none for the plateau


class Settings(NamedTuple):
    """How pictures are projected; see the help of the options of the same names."""

    preset: str  # key of `schedule.PRESETS`
    schedule: dict  # public fields of the Projector, those of the preset
    num_steps: int  # optimization steps
    space: str  # 'w' or 'w+'
    noise: str  # 'optimize' or 'fixed'
    distance: str  # one of `distances.NAMES`
    restarts: int  # projections per picture, of which the closest counts
    plateau: int  # steps without gain after which a projection ends, 0 = never
    seed: int  # of the projector's own random numbers
    precision: str  # 'float32' or 'mixed'
    label: str  # names or numbers of the classes whose mean the search begins at; None = no class
    minibatch: int = None  # pictures at once; None = by the size of the images. Changes no result


# What decides the distance of a picture: calibrations are valid for the same of these only.
MEASURING = tuple(name for name in Settings._fields if name != 'minibatch')


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
        network_pkl: pretrained.NetworkFile.
        settings: Settings.
        tf_config: Dictionary of settings of `tflib.init_tf`.
    Attributes:
        settings, network_pkl: The arguments.
        drawer: drawing.Drawer, draws float32 images with the noise of the seed.
        Gs: The generator.
        network_hash: Hash of its weights.
        shape: [C, H, W] of the images.
        label: Label of the setting `label`, [1, label_size]; None = zeros.
        projector, minibatch: projector.Projector and the pictures it takes at once, after `prepare`.
        pace: pace.Pace of the pictures of this run, after `prepare`.
    """

    def __init__(self, network_pkl, settings, tf_config):
        self.settings, self.network_pkl = settings, network_pkl
        tf_config = dict(tf_config, **{'rnd.np_random_seed': settings.seed})
        self.drawer = drawing.load(
            network_pkl, drawing.Settings(tf_config, noise='seed', dtype='float32'), only_to_run=False)
        from dnnlib import tflib
        self.Gs = self.drawer.Gs
        self.network_hash = network_file.weights_hash(tflib.run(dict(self.Gs.vars)))
        self.shape = self.drawer.image_shape
        self.label = self.drawer.label(settings.label)
        self.projector, self.minibatch, self.pace, self._all_distances = None, None, None, None

    def prepare(self, count, masked=False, has_dlatents=False):
        """Builds the projector; only now, since this takes long and bad pictures should be reported before.

        Args:
            count: Number of pictures that there will be.
            masked: Will there be masks?
            has_dlatents: Will the dlatents to begin with be given?
        """
        from dnnlib.tflib import precision
        from projector import distances
        from projector.projector import Projector
        settings = self.settings
        options, text = precision.synthesis_options(settings.precision, self.Gs)
        half_distance = settings.precision == 'mixed' and distances.can_be_half(settings.distance)
        if settings.precision != 'float32':
            print(f"Precision: {text}; {settings.distance} in {'bfloat16' if half_distance else 'float32'}")
        self.projector = Projector()
        self.projector.half_distance = half_distance
        for name, value in settings.schedule.items():
            setattr(self.projector, name, value)
        self.projector.num_steps = settings.num_steps
        self.projector.synthesis_options = options
        self.projector.clone_net = False
        self.projector.masked = masked
        self.projector.label = None if self.label is None else self.label[0]
        for name in ('space', 'noise', 'distance'):
            setattr(self.projector, name, getattr(settings, name))
        usual = MINIBATCH if max(self.shape[1:]) <= MINIBATCH_SIDE else 1
        self.minibatch = max(1, min(settings.minibatch or usual, count))
        print(f'Setting up the projector, {self.minibatch} at a time, {settings.num_steps} steps each ...')
        with Heartbeat(lambda: 'Building the projector; for large networks that takes a minute or two...', first=3):
            self.projector.set_network(self.Gs, self.minibatch)
        if self.projector.shared_candidates > 1 and not (masked or has_dlatents):
            with Heartbeat(lambda: 'Drawing pictures of the network to find where to begin...', first=3):
                self.projector.draw_candidates()
        self.expect(count)

    def expect(self, count):
        """Starts the estimates of the time that is left, for so many pictures."""
        from projector.candidates import number_of
        from projector.estimates import FEWEST
        preset = schedule.PRESETS['fast']
        drawn = number_of(preset['shared_candidates'], self.shape)
        near = preset['local_candidates'] * self.minibatch if drawn >= FEWEST else 0
        fast = schedule.NUM_STEPS['fast'] + DRAWN_STEPS * (near + drawn / max(-(-count // self.minibatch), 1))
        self.pace = Pace(count, self.minibatch, self.settings, fast if self.settings.preset != 'fast' else None,
                         self.projector.drawn_by_start)

    def measure_all(self, target, image, mask=None):
        """Distances of an image [C, H, W] to a target by every measure, see `distances.AllDistances.measure`."""
        from projector.distances import AllDistances
        self._all_distances = self._all_distances or AllDistances(self.shape)
        return self._all_distances.measure(target, image, mask)

    def generate(self, seeds, truncation_psi):
        """Images of seeds as `run_generator.py generate-images` makes them of the class: float32 [N, C, H, W]."""
        return np.stack(list(self.drawer.generate(seeds, self.label, truncation_psi=truncation_psi)))

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
        self.pace.begin()
        for restart in range(self.settings.restarts):
            seeds = [self.settings.seed if restart == 0 else [self.settings.seed, restart]] * len(targets)
            self.projector.start(targets, seeds, dlatents, masks, rank=restart)
            for index, found in enumerate(self._descend(title, restart, observers)):
                if best[index] is None or found.distance < best[index].distance:
                    best[index] = found
        self.pace.finished()
        return best

    def _descend(self, title, restart, observers):
        """All steps of the targets that were started; with the setting `plateau` each target ends by itself."""
        projector, num_steps, patience = self.projector, self.projector.num_steps, self.settings.plateau
        first = projector.get_distances()
        results, lowest, lowest_at = [None] * len(first), first.copy(), np.zeros(len(first))
        started = shown = time.time()
        for observe in observers:
            observe(projector, restart)
        # not to the log file, which is a copy of the standard streams
        import tqdm  # --help needs none
        with tqdm.tqdm(total=num_steps, desc=title, unit='step', disable=None, file=sys.__stderr__) as bar:
            while projector.get_cur_step() < num_steps and None in results:
                distances = projector.step()
                step = projector.get_cur_step()
                self.pace.step(step)
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
