"""Peak memory of what metrics do with features: sums for the Frechet distance; distances for precision and recall.

Random features take the place of a network's. The distances are computed for the first --rows rows only, in full tiles
and beside all the features, since more rows take time but no memory.
"""

import resource
import time

import numpy as np

from dnnlib import cli
from metrics import feature_stats
from metrics.metric_defaults import metric_defaults
from metrics.precision_recall import precision_recall

MINIBATCHES = 20


def peak_mib():
    """Most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def accumulate(num_features, minibatch_size):
    """Mean and covariance of random minibatches, as FID collects them."""
    rnd = np.random.RandomState(0)
    moments = feature_stats.Moments(num_features)
    for _ in range(MINIBATCHES):
        moments.add(np.float32(rnd.rand(minibatch_size, num_features)))
    return moments.get()


def _random(rnd, num_images, num_features):
    """Features, float32, without a float64 copy of all."""
    features = np.empty([num_images, num_features], np.float32)
    for row in features:
        row[:] = rnd.rand(num_features)
    return features


def measure(name, function):
    """Runs a function of no arguments and prints how much the process grew, at most, beyond what it held before."""
    before, start = peak_mib(), time.time()
    function()
    print('{}: {:.0f} MiB beyond {:.0f} MiB before, {:.0f} s'.format(
        name, peak_mib() - before, before, time.time() - start), flush=True)


def main(argv):
    """Parses the arguments and measures."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--num-images', type=int, default=50000, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--num-features', type=int, default=4096, metavar='N',
                        help='of precision and recall (default: %(default)s)')
    parser.add_argument('--rows', type=int, default=20000, metavar='N',
                        help='images between which distances are computed (default: %(default)s)')
    args = parser.parse_args(argv)
    if not 4 <= args.rows <= args.num_images or args.num_features < 1:
        parser.error('expected 4 to --num-images rows, and at least 1 feature')
    measure('moments of 2048 features', lambda: accumulate(2048, metric_defaults.fid50k.minibatch_per_gpu))
    rnd = np.random.RandomState(0)
    sets = []
    measure('features of {} reals and fakes'.format(args.num_images), lambda: sets.extend(
        _random(rnd, args.num_images, args.num_features) for _ in range(2)))
    measure('their precision and recall', lambda: precision_recall(
        sets[0][:args.rows], sets[1][:args.rows], 3, metric_defaults.pr50k3.row_batch_size))
    print('peak of the process: {:.2f} GiB'.format(peak_mib() / 1024))


if __name__ == '__main__':
    cli.run_main(main)
