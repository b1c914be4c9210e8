"""Do the metrics rank images as they should? Cats against cats that are blurred, noisy, recolored or less diverse.

Prints a table in Markdown: mean and standard error of each metric over several pairs of samples.
"""

import numpy as np
import scipy.ndimage
import tensorflow.compat.v1 as tf

import dnnlib.tflib as tflib
from dnnlib import cli
from metrics import feature_metric, feature_stats
from metrics.frechet_inception_distance import frechet_distance
from metrics.kernel_inception_distance import polynomial_mmd
from metrics.precision_recall import precision_recall
from training.data import cats

RESOLUTION = 64
MINIBATCH = 16
NEIGHBORS, TILE = 3, 10000  # of precision and recall, as `pr50k3`


def blurred(sigma):
    """Function that blurs with a Gaussian of that standard deviation, in pixels."""
    return lambda images, _rnd: np.uint8(np.rint(scipy.ndimage.gaussian_filter(
        np.float32(images), [0, 0, sigma, sigma])))


def noisy(images, rnd):
    """Gaussian noise with a standard deviation of 15 of 255."""
    return np.uint8(np.clip(np.rint(images + 15 * rnd.randn(*images.shape)), 0, 255))


def swapped(images, _rnd):
    """Red and blue exchanged."""
    return images[:, ::-1]


KINDS = (('the same', None), ('blurred, sigma 0.5', blurred(0.5)), ('blurred, sigma 1', blurred(1)),
         ('noise, sigma 15', noisy), ('red and blue swapped', swapped))
DROPPED = '5 of 15 colors'


def draw(numbers):
    """The cats with these numbers, uint8 [N, 3, R, R]."""
    return np.stack([cats.compose(attributes, RESOLUTION) for attributes in cats.cat_attributes(numbers)])


def samples(count, seed):
    """Yields (name, images) of sets to compare: a reference first, then one set of each kind."""
    rnd = np.random.RandomState(seed)
    numbers = rnd.permutation(cats.NUM_CATS)
    yield 'reference', draw(numbers[:count])
    images = draw(numbers[count:2 * count])
    for name, change in KINDS:
        yield name, images if change is None else change(images, rnd)
    rest = numbers[2 * count:]
    yield DROPPED, draw(rest[cats.cat_attributes(rest)[:, 0] < 5][:count])


def feature_function(extractor):
    """Function of any number of images, uint8 [N, 3, R, R], that returns their features, [N, F].

    Args:
        extractor: Key of `feature_metric.EXTRACTORS`.
    """
    module, network_class = feature_metric.EXTRACTORS[extractor]
    images_in = tf.placeholder(tf.uint8, [None, 3, RESOLUTION, RESOLUTION])
    features = network_class(module.load()[0]).features(images_in)
    return lambda images: np.concatenate([tflib.run(features, {images_in: images[i:i + MINIBATCH]})
                                          for i in range(0, len(images), MINIBATCH)])


def measure(reference, features):
    """Results of all metrics by name for features [N, F] and [N, F]."""
    moments = []
    for x in (reference, features):
        collected = feature_stats.Moments(x.shape[1])
        collected.add(x)
        moments += collected.get()
    precision, recall = precision_recall(reference, features, NEIGHBORS, TILE)
    return {'fd': frechet_distance(*moments), 'kid': polynomial_mmd(np.float64(reference), np.float64(features)),
            'precision': precision, 'recall': recall}


def study(extractor, num_images, num_seeds):
    """Table of the results.

    Args:
        extractor: Key of `feature_metric.EXTRACTORS`.
        num_images: Size of a sample.
        num_seeds: Number of pairs of samples.
    Returns: {name of a kind: {metric: list of a value per seed}}.
    """
    features_of, results = feature_function(extractor), {}
    for seed in cli.progress(range(num_seeds), 'seeds'):
        reference = None
        for name, images in samples(num_images, seed):
            features = features_of(images)
            if reference is None:
                reference = features
                continue
            for metric, value in measure(reference, features).items():
                results.setdefault(name, {}).setdefault(metric, []).append(value)
    return results


def table(results):
    """The results in Markdown: mean +- standard error."""
    metrics = list(next(iter(results.values())))
    lines = ['| pictures | ' + ' | '.join(metrics) + ' |', '|---|' + '---|' * len(metrics)]
    for name, values in results.items():
        cells = ['{:.3g} +- {:.1g}'.format(np.mean(v), np.std(v, ddof=1) / np.sqrt(len(v)))
                 for v in (values[metric] for metric in metrics)]
        lines.append('| {} | {} |'.format(name, ' | '.join(cells)))
    return '\n'.join(lines)


def main(argv):
    """Parses the arguments, measures, prints the table."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--extractor', choices=sorted(feature_metric.EXTRACTORS), default='effnetlite0',
                        help='feature network (default: %(default)s)')
    parser.add_argument('--num-images', type=int, default=1000, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--seeds', type=int, default=10, metavar='N', help='number of samples (default: %(default)s)')
    cli.add_device(parser)
    args = parser.parse_args(argv)
    if args.num_images < 4 or args.seeds < 2:
        parser.error('expected at least 4 images and 2 seeds')
    tflib.init_tf({'device': args.device})
    print(table(study(args.extractor, args.num_images, args.seeds)))


if __name__ == '__main__':
    cli.run_main(main)
