"""What translators of the built-in cats did, judged by drawing: which layers come nearest to a translation?

Every picture of a set that `dataset_tool.py create_cats_pairs` wrote is composed of known layers. One layer after the
other is exchanged, and the drawing with the smallest mean absolute difference says what a translation shows. No
classifier has to be trained, and none can be fooled.
"""

import os
from collections import OrderedDict

import numpy as np

from dnnlib import UserError
from metrics import metric_base
from training.data import cats_pairs
from training.data.cats import compose, GROUPS, label_map, STORED_RESOLUTION, variations

GROUP_NAMES = [name for name, _ in GROUPS]
CONTENT = ('eyes', 'mouth', 'accessory')
SATURATION_BINS = 16


def distances(image, cat, group):
    """Mean absolute differences of an image from a cat with every layer of a group in turn.

    Args:
        image: uint8 [3, R, R].
        cat: Its five layer numbers.
        group: Number of the group in GROUPS.
    Returns: float [layers of the group], of 255.
    """
    drawn = variations(cat, group, image.shape[-1]).astype(np.int16)
    return np.abs(drawn - image).mean(axis=(1, 2, 3))


def judge(images, cats, pair):
    """What translations show.

    Args:
        images: Translations of side A to side B, uint8 [N, 3, R, R]; of sheets of 8 x 8 cats.
        cats: Attributes of the translated cats, int [N, 5]; of sheets [N, 64, 5].
        pair: Key of cats_pairs.PAIRS.
    Returns: OrderedDict of means. `domain`: percent whose nearest layer of the group that differs is one of side B.
        `eyes`, `mouth`, `accessory`, `body`: percent where the true layer is still the nearest one, also together with
        others that look the same. `l1`: mean absolute difference from the true translation, of 255; from the nearest
        where there are several. `edges`: energy of the gradients as a share of the truth's; blurred images have less.
        Of `gray`, `saturation`: distance of the histograms of saturation from the truth's, 0 to 2. Of `masks`, `iou`:
        mean intersection over union of the map of labels of the layers that were found, percent.
    Raises: UserError if the images are no such pictures.
    """
    images, cats = cells_of(images, cats)
    found = [_judge(image, tuple(cat), pair) for image, cat in zip(images, cats)]
    shown = OrderedDict((name, 100 * np.mean([one[name] for one, _ in found])) for name in found[0][0])
    truths = np.stack([truth for _, truth in found])
    shown['l1'] = np.mean(np.abs(np.int16(images) - truths))
    shown['edges'] = _energy(images) / max(_energy(truths), 1e-8)
    if pair == 'gray':
        shown['saturation'] = np.abs(_saturations(images) - _saturations(truths)).sum()
    return OrderedDict((name, float(value)) for name, value in shown.items())


def cells_of(images, cats):
    """The single cats of pictures or sheets: (uint8 [M, 3, R, R], int [M, 5]); see `judge`."""
    cats, side = np.asarray(cats), images.shape[-1]
    if cats.ndim == 3 and side % cats_pairs.SHEET_CELLS == 0:
        count, side = cats_pairs.SHEET_CELLS, side // cats_pairs.SHEET_CELLS
        images = images.reshape([len(images), -1, count, side, count, side]).transpose(0, 2, 4, 1, 3, 5)
        images, cats = images.reshape([len(images) * count ** 2, -1, side, side]), cats.reshape([-1, cats.shape[-1]])
    if images.shape[1:] != (3, side, side) or side > STORED_RESOLUTION or len(images) != len(cats):
        raise UserError(f'expected one square color picture of at most {STORED_RESOLUTION} pixels for each cat, got '
                        f'{list(images.shape)} for {len(cats)}')
    return images, cats


def check_size(images, cats, truth):
    """Width and height of a cat, pixels; raises UserError if translations differ in size from the set's pictures.

    Args:
        images, cats: See `judge`.
        truth: cats_pairs.Truth.
    """
    expected = truth.resolution * (cats_pairs.SHEET_CELLS if np.ndim(cats) == 3 else 1)
    height, width = images.shape[2:]
    if (height, width) != (expected, expected):
        raise UserError(f'translations of {width}x{height} pixels, but the pictures of {truth.folder} have {expected}'
                        f'x{expected}; translate whole pictures at their own size, or draw a set of another size')
    return truth.resolution


def _judge(image, cat, pair):
    """({name: what one image shows, 0 to 1}, the true translation that is nearest to it, int16 [3, R, R])."""
    recipe, shown = cats_pairs.PAIRS[pair], OrderedDict()
    differs = GROUP_NAMES.index(recipe.group or 'body')
    ranked = distances(image, cat, differs)
    nearest = int(ranked.argmin())
    found = now = cat[:differs] + (nearest,) + cat[differs + 1:]
    if recipe.group is None:
        truth, shown['body'] = cat, ranked[cat[0]] <= ranked[nearest]
    else:
        layers, shown['domain'] = np.array(recipe.layers_b), nearest in recipe.layers_b
        truth = cat[:differs] + (int(layers[ranked[layers].argmin()]),) + cat[differs + 1:]
    for name in CONTENT + (('body',) if recipe.group == 'accessory' else ()):
        group = GROUP_NAMES.index(name)
        if group != differs:
            ranked = distances(image, now, group)
            shown[name] = ranked[cat[group]] <= ranked.min()
            found = found[:group] + (int(ranked.argmin()),) + found[group + 1:]
    if pair == 'masks':
        shown['iou'] = _iou(label_map(found, image.shape[-1]), label_map(cat, image.shape[-1]))
    return shown, np.int16(compose(truth, image.shape[-1]))


def _iou(found, true):
    """Mean over the labels that are there of intersection over union, of maps of labels."""
    labels = np.union1d(found, true)
    return np.mean([np.sum((found == label) & (true == label)) / np.sum((found == label) | (true == label))
                    for label in labels])


def _energy(images):
    """Mean square of the differences of neighbors."""
    images = np.float32(images)
    return np.square(np.diff(images, axis=2)).mean() + np.square(np.diff(images, axis=3)).mean()


def _saturations(images):
    """Histogram of largest minus smallest channel, float [SATURATION_BINS], with sum 1."""
    images = np.int16(images)
    counts = np.histogram(images.max(axis=1) - images.min(axis=1), SATURATION_BINS, (0, 256))[0]
    return counts / counts.sum()


def references(cats, pair, resolution):
    """What translators are worth that do nothing, ignore their input, or know the truth.

    Args:
        cats, pair: See `judge`.
        resolution: Side of a cat, pixels.
    Returns: OrderedDict of the name of a reference to what `judge` finds; `masks` have no unchanged input, as that is
        no image.
    """
    cats = np.reshape(cats, [-1, len(GROUPS)])
    recipe = cats_pairs.PAIRS[pair]
    targets = truths = np.stack([compose(cat, resolution) for cat in cats])
    rows = OrderedDict()
    if pair != 'masks':
        rows['unchanged input'] = {
            'outline': lambda: np.repeat([[cats_pairs.outline(label_map(cat, resolution))] for cat in cats], 3, axis=1),
            'gray': lambda: np.stack([cats_pairs.luminance(image) for image in truths])}.get(pair, lambda: truths)()
    if recipe.group is not None:
        side, group = cats.copy(), GROUP_NAMES.index(recipe.group)
        side[:, group] = np.resize(recipe.layers_b, len(cats))
        targets = np.stack([compose(cat, resolution) for cat in side])
    rows['input ignored'] = np.roll(targets, 1, axis=0)  # the true translation of another picture
    rows['true translation'] = targets
    return OrderedDict((name, judge(images, cats, pair)) for name, images in rows.items())


def row(results):
    """What `judge` returns as text."""
    return ', '.join(f'{name} {value:.{2 if name in ("edges", "saturation") else 1}f}'
                     for name, value in results.items())


class CatsOracle(metric_base.MetricBase):
    """Judges the translations of a set of cats; prints what the references are worth once.

    Args:
        name: Name in the results.
        num_images: Number of translations; fewer where there are fewer.
    """

    def __init__(self, name, num_images):
        super().__init__(name)
        self.num_images = num_images
        self._references = {}

    def _evaluate(self, source):
        self._team.leave()  # worker 0 draws so few alone
        count = self.num_images if source.num_images is None else min(self.num_images, source.num_images)
        names = source.names(count, self._seed)
        if names is None:
            raise UserError(f'metric {self.name}: it judges translations, and these pictures are not known to be any; '
                            'give a translator with --inputs, or a folder of translations')
        truth = self._truth(names)
        cats, images = truth.cats_of(names), []
        for minibatch in source.minibatches(count, 8, self._seed):
            self.check_time()
            images.append(minibatch)
        images = np.concatenate(images)[:count]
        resolution = check_size(images, cats, truth)
        results = judge(images, cats, truth.pair)
        key = truth.pair, resolution, cats.tobytes()
        if key not in self._references:
            self._references = {key: references(cats, truth.pair, resolution)}
            for name, reference in self._references[key].items():
                print(f'{self.name}: {name}: {row(reference)}')
        self._note(num_fakes=count, pair=truth.pair, references=self._references[key])
        for name, value in results.items():
            self._report_result(value, suffix='_' + name, fmt='%-8.2f')

    def _truth(self, names):
        """The Truth of the folder of the pictures, or of the dataset."""
        paths, args = [names[0]], self._reals.dataset_args
        if args is not None:
            paths.append(os.path.join(args.get('data_dir') or '', args['tfrecord_dir']))
        folder = next((found for found in map(cats_pairs.folder_of, paths) if found is not None), None)
        if folder is None:
            raise UserError(f'metric {self.name}: no {cats_pairs.TRUTH_FILE} around {paths[-1]}, so that the true '
                            'translations are not known; give a set of dataset_tool.py create_cats_pairs as --dataset')
        return cats_pairs.read_truth(folder)
