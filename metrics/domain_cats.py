"""What translators between domains did to the built-in cats, judged by drawing; see `cats_oracle`.

The pictures are those of a set that `dataset_tool.py create_cats_domains` wrote, of which every layer is known.
"""

import os
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

from dnnlib import UserError
from metrics import metric_base
from metrics.cats_oracle import CONTENT, distances, GROUP_NAMES, row
from metrics.domains import chosen, domains_of
from training.data import cats_domains
from training.data.cats import compose, GROUP_SIZES
from training.report.between import path_of, references

STYLES = 2  # translations of a picture whose difference is measured


class Wanted(NamedTuple):
    """What a translation should show."""
    group: int     # number of the group of layers that changes
    layers: tuple  # of it, any of which is right


def wanted_of(name, label, value=True):
    """The Wanted of a target.

    Args:
        name: Of the set, one of cats_domains.SETS.
        label: Name of the domain or attribute.
        value: Should the cat be of it, or have it?
    Raises: UserError for an unknown label.
    """
    known = {domain: (cats_domains.BODY, layers) for domain, layers in cats_domains.DOMAINS.get(name, {}).items()}
    known = known or cats_domains.ATTRIBUTES
    if label not in known:
        raise UserError(f'the set {name!r} of cats has {", ".join(known)}, but no {label}')
    group, layers = known[label]
    return Wanted(group, tuple(layers if value else np.setdiff1d(np.arange(GROUP_SIZES[group]), layers).tolist()))


def judge(image, cat, wanted, reference=None):
    """What one translation shows: {name: 0 to 100, or of `l1` 0 to 255}.

    Args:
        image: uint8 [3, R, R].
        cat: Layer numbers of the cat that was translated, list of int.
        wanted: Wanted.
        reference: Layer numbers of the cat whose style was asked for.
    Returns: `hit`: is the nearest layer one of those that are wanted? `l1`: mean absolute difference from the nearest
        right translation. `kept`: of the other ones of eyes, mouth and accessory, how many are still nearest. `coat`,
        with a reference: is the nearest layer that of the reference?
    """
    ranked = distances(image, cat, wanted.group)
    nearest, layers = int(ranked.argmin()), list(wanted.layers)
    found = OrderedDict(hit=100.0 * (nearest in layers), l1=ranked[layers].min())
    now, kept = tuple(cat[:wanted.group]) + (nearest,) + tuple(cat[wanted.group + 1:]), []
    for group in map(GROUP_NAMES.index, CONTENT):
        if group != wanted.group:
            ranked = distances(image, now, group)
            kept.append(ranked[cat[group]] <= ranked.min())
    found['kept'] = 100.0 * np.mean(kept)
    if reference is not None:
        found['coat'] = 100.0 * (nearest == reference[wanted.group])
    return found


def means(rows):
    """Mean of each value of dictionaries."""
    return OrderedDict((name, float(np.mean([found[name] for found in rows]))) for name in rows[0])


class DomainCats(metric_base.MetricBase):
    """Judges translations of cats; prints what translators are worth that do nothing or ignore their input.

    Args:
        name: Name in the results.
        num_images: Number of pictures of each domain that are translated to each other one, fewer if there are fewer.
    """

    def __init__(self, name, num_images):
        super().__init__(name)
        self.num_images, self._told = num_images, None

    def _evaluate(self, source):
        self._team.leave()  # worker 0 draws so few alone
        domains = domains_of(self, source)
        results, known, of_tasks = OrderedDict(), OrderedDict(), {}
        for guide in domains.guides:
            found, others, of_tasks[guide] = self._judge_guide(source, guide)
            suffix = '' if guide == domains.guides[0] else '_' + guide
            results.update((name + suffix, value) for name, value in found.items())
            known.update({} if suffix else others)
        if known['unchanged'] != self._told:
            self._told = known['unchanged']
            for name, found in known.items():
                print(f'{self.name}: {name}: {row(found)}')
        self._note(references=known, of_tasks=of_tasks)
        for name, value in results.items():
            self._report_result(value, '_' + name, '%-8.2f')

    def _judge_guide(self, source, guide):
        """(means of `judge`, {name of a reference: the same}, {name of a task: the same})."""
        found, others, styles, of_tasks = [], OrderedDict(), [], OrderedDict()
        for task in source.domains.tasks:
            places, truth = chosen(task, self.num_images), truth_of(self, task)
            wanted = wanted_of(truth.name, task.target, task.value)
            cats = [truth.cat_of(path_of(task, task.sources[place])) for place in places]
            pixels = np.stack([compose(cat, truth.resolution) for cat in cats])
            images = self._draw(source, guide, task, places, 0)
            asked = [None] * len(places)
            if guide == 'reference':
                asked = [truth.cat_of(path_of(task, number)) for number in references(
                    task, places, [0] * len(places), self._seed)]
            judged = [judge(*one) for one in zip(images, cats, [wanted] * len(cats), asked)]
            found, of_tasks[task.name] = found + judged, means(judged)
            for name, shown in (('unchanged', pixels), ('input ignored', np.roll(images, 1, axis=0))):
                others.setdefault(name, []).extend(map(judge, shown, cats, [wanted] * len(cats)))
            if guide == 'latent':
                again = self._draw(source, guide, task, places, STYLES - 1)
                styles.append(np.abs(np.float32(images) - again).mean())
        results = means(found)
        if styles:
            results['styles'] = float(np.mean(styles))
        return results, OrderedDict((name, means(rows)) for name, rows in others.items()), of_tasks

    def _draw(self, source, guide, task, places, output):
        """Translations uint8 [N, 3, R, R]."""
        parts = []
        for begin in range(0, len(places), 8):
            self.check_time()
            part = places[begin:begin + 8]
            parts.append(source.draw(guide, task, part, [output] * len(part), self._seed))
        return np.concatenate(parts)


def truth_of(metric, task):
    """The cats_domains.Truth of the pictures of a task; raises UserError if they are no such set, or of another size.
    """
    path = path_of(task, task.sources[0])
    folder = cats_domains.folder_of(path)
    if folder is None:
        raise UserError(f'metric {metric.name}: no {cats_domains.TRUTH_FILE} around {path}, so that the true '
                        'translations are not known; give a set of dataset_tool.py create_cats_domains')
    truth, side = cats_domains.read_truth(folder), task.part.pictures.shape[-1]
    if truth.resolution != side:
        raise UserError(f'metric {metric.name}: translations have {side} pixels, the cats of '
                        f'{os.path.basename(folder)} {truth.resolution}; draw a set of this size')
    return truth
