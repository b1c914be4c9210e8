"""Fakes of a method that translates between domains: what is translated to what, and drawing it, to be measured."""

import functools
from typing import NamedTuple

import numpy as np

from dnnlib.seeds import step_seed
from training.data.sources import where
from training.report.fakes import Later

DRAWN_AT_A_TIME = 8  # pictures


class Part(NamedTuple):
    """A dataset whose pictures are translated to its own domains."""
    between: object    # train_step.Between
    pictures: object   # Dataset of the pictures that are translated, with labels
    trained: object    # the same of those that are trained on


class Task(NamedTuple):
    """Translations to one target, of pictures that are not like it."""
    name: str          # cat-dog, or of attributes +Smiling and -Smiling
    part: Part         # whose domains these are
    label: int         # number of the domain or attribute
    value: bool        # has the target it?
    sources: object    # int [N], numbers of the pictures that are translated
    targets: object    # float32 [N, labels], those of the results
    styles: object     # int [K], numbers of the pictures that are like the target, for their styles
    reals: object      # int [M], the same of those trained on

    @property
    def target(self):
        """Name of the domain or attribute."""
        return names_of(self.part.pictures)[self.label]


def names_of(data):
    """Names of the labels of a dataset, or numbers where they have none."""
    return data.label_names or [str(number) for number in range(data.label_size)]


def make_tasks(part):
    """All translations of a Part that are measured: list of Task; those without pictures are left out.

    Without `Between.change` every domain is translated to every other one; with it every attribute is changed.
    """
    names, change, found = names_of(part.pictures), part.between.change, []
    labels, trained = (data.read_labels(np.arange(data.num_images)) for data in (part.pictures, part.trained))
    for number in range(len(names)):
        targets = np.eye(len(names), dtype=np.float32)[[number] * len(labels)] if change is None else change(
            labels, number)
        for value, sign in ((1, '+'), (0, '-')):
            sources = np.flatnonzero((targets[:, number] == value) & (labels[:, number] != value))
            groups = [(sign + names[number], sources)] if change is not None else [
                (f'{name}-{names[number]}', sources[labels[sources, other] == 1]) for other, name in enumerate(names)]
            found += [Task(name, part, number, bool(value), chosen, targets[chosen], np.flatnonzero(
                labels[:, number] == value), np.flatnonzero(trained[:, number] == value))
                      for name, chosen in groups if len(chosen)]
    return found


class Domains:
    """What metrics take as the fakes of such a method: also a function of (count, seed), see `Method.fakes`.

    Args:
        networks: Dictionary of tflib.Networks by name.
        parts: List of Part; all networks or none have latents.
        reals: Options of load_dataset that open what the first was trained on, for metrics that know no domains; None =
            not known.
    Attributes:
        tasks: List of Task.
        guides: What says how a translation should look: 'latent' and 'reference', or 'label' where that says it all.
        num_images: Number of translations, one for each picture and task.
    """

    def __init__(self, networks, parts, reals=None):
        self._networks = networks
        self.guides = ('label',) if parts[0].between.latent_size is None else ('latent', 'reference')
        self.tasks = [task for part in parts for task in make_tasks(part)]
        self._flat = [(task, place) for task in self.tasks for place in range(len(task.sources))]
        self.num_images = len(self._flat)
        if reals is not None:
            self.reals = reals

    @property
    def domains(self):
        """Itself; metrics of translations between domains look for this."""
        return self

    def __call__(self, count, seed):
        """Yields Later of translations, one for each picture and task; of fewer evenly chosen ones."""
        chosen = self._chosen(count)
        for begin in range(0, len(chosen), DRAWN_AT_A_TIME):
            part = chosen[begin:begin + DRAWN_AT_A_TIME]
            yield Later(len(part), functools.partial(self._draw_each, part, seed))

    def _draw_each(self, chosen, seed):
        return np.concatenate([self.draw(self.guides[0], task, [place], [0], seed) for task, place in chosen])

    def names(self, count, seed):
        """Paths of the pictures that `__call__` translates, list of str."""
        del seed
        return [path_of(task, task.sources[place]) for task, place in self._chosen(count)]

    def _chosen(self, count):
        numbers = range(self.num_images) if count >= self.num_images else np.linspace(
            0, self.num_images - 1, count).astype(int)
        return [self._flat[number] for number in numbers]

    def draw(self, guide, task, places, outputs, seed):
        """Translations.

        Args:
            guide: One of `guides`.
            task: Task.
            places: Numbers in its sources, int [N].
            outputs: Which of the many translations of each, int [N]; without styles all are the same.
            seed: Of latents and of the order of references, int.
        Returns: uint8 [N, C, H, W].
        """
        numbers, between = task.sources[list(places)].tolist(), task.part.between
        read = {number: task.part.pictures.read(number) for number in sorted(set(numbers))}
        given = None
        if guide == 'latent':
            given = np.stack([np.random.RandomState(step_seed(seed, number, task.name, output)).randn(
                between.latent_size) for number, output in zip(numbers, outputs)])
        elif guide == 'reference':
            given = np.stack([task.part.pictures.read(number) for number in references(task, places, outputs, seed)])
        return between.run(self._networks, np.stack([read[number] for number in numbers]), task.targets[list(places)],
                           given)


def references(task, places, outputs, seed):
    """Numbers of the pictures whose styles `Domains.draw` gives to translations: for each of its outputs all pictures
    that are like the target, in a new order, again and again. Arguments are those of `draw`."""
    orders = {output: np.random.RandomState(step_seed(seed, output, task.name, 0)).permutation(task.styles)
              for output in sorted(set(outputs))}
    return [int(orders[output][place % len(task.styles)]) for place, output in zip(places, outputs)]


def path_of(task, number):
    """Path of one of the pictures that a task translates, or takes styles from."""
    return where(task.part.pictures, number)
