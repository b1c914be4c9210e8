"""How far are a network's cats from the drawings, and what does precision see of that?

For each fake a close one of the 360,000 drawings is searched: one that no exchange of a single layer brings closer, the
best of ten such searches. Prints a table in Markdown: root mean square differences from it, of 255, and the precision
of pictures that keep only a share of the difference.
"""

import numpy as np

import dnnlib.tflib as tflib
from benchmarks.metrics_study import draw, feature_function, MINIBATCH, NEIGHBORS, RESOLUTION, TILE
from dnnlib import cli
from metrics.cats_oracle import distances
from metrics.precision_recall import precision_recall
from training import pretrained
from training.data.cats import compose, GROUPS, split_numbers

# Searches that begin at another color or another kind of hat may end elsewhere.
STARTS = [[body, 0, 0, 0, accessory] for body in range(0, GROUPS[0][1], 3) for accessory in (0, 8)]
ORDER = (0, 4, 2, 3, 1)  # groups by how much of a picture they change
SHARES = (0, 0.25, 0.5, 0.75, 1)


def close_drawing(image):
    """A drawing close to an image, uint8 [3, R, R], by the mean absolute difference; see the top of this file."""
    found = []
    for cat in STARTS:
        cat, before, now = list(cat), np.inf, np.finfo(np.float64).max
        while now < before:
            before = now
            for group in ORDER:
                away = distances(image, cat, group)
                cat[group], now = int(np.argmin(away)), away.min()
        found.append((now, cat))
    return compose(min(found)[1], image.shape[-1])


class Comparison:
    """Features of the reals, and what is measured of networks.

    Args:
        num_reals: Number of cats of the training split.
        num_fakes: Number of fakes.
    """

    def __init__(self, num_reals, num_fakes):
        self._num_fakes = num_fakes
        self._features_of = feature_function('effnetlite0')
        self._reals = self._features_of(draw(split_numbers(held_out=False)[:num_reals]))
        self._held_out = draw(split_numbers(held_out=True)[:num_fakes])

    def _precision(self, images):
        images = np.uint8(np.clip(np.rint(images), 0, 255))
        return precision_recall(self._reals, self._features_of(images), NEIGHBORS, TILE)[0]

    def held_out(self):
        """Precision of cats of the other split."""
        return self._precision(self._held_out)

    def measure(self, Gs):
        """Cells of a row: differences (10th percentile, median), then precisions for SHARES of them."""
        z = np.random.RandomState(0).randn(self._num_fakes, *Gs.input_shape[1:])
        fakes = Gs.run(z, None, minibatch_size=MINIBATCH, is_validation=True,
                       output_transform=dict(func=tflib.convert_images_to_uint8))
        drawings = np.stack([close_drawing(image) for image in cli.progress(fakes, 'close drawings')])
        away = np.float32(fakes) - drawings
        roots = np.sqrt(np.mean(away ** 2, axis=(1, 2, 3)))
        return ['%.1f' % value for value in np.percentile(roots, [10, 50])] + [
            '%.3f' % self._precision(drawings + share * away) for share in SHARES]


def main(argv):
    """Parses the arguments, measures, prints the table."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('networks', nargs='+', metavar='PKL', help='networks of cats at 64x64')
    parser.add_argument('--num-reals', type=int, default=5000, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--num-fakes', type=int, default=500, metavar='N', help='(default: %(default)s)')
    cli.add_device(parser)
    args = parser.parse_args(argv)
    if args.num_reals <= NEIGHBORS or args.num_fakes <= NEIGHBORS:
        parser.error(f'expected more than {NEIGHBORS} reals and fakes')
    tflib.init_tf({'device': args.device})
    networks = [(path, pretrained.load_generator(path)) for path in args.networks]
    for path, Gs in networks:
        if Gs.output_shape[1:] != [3, RESOLUTION, RESOLUTION]:
            parser.error(f'{path}: expected pictures of {RESOLUTION}x{RESOLUTION}, got {Gs.output_shape[1:]}')
    compared = Comparison(args.num_reals, args.num_fakes)
    print(f'Precision of cats of the other split: {compared.held_out():.3f}\n')
    print('| network | 10th percentile | median | ' + ' | '.join(f'x {share:g}' for share in SHARES) + ' |')
    print('|---|' + '---|' * (2 + len(SHARES)))
    for path, Gs in networks:
        print(f'| {path} | ' + ' | '.join(compared.measure(Gs)) + ' |', flush=True)


if __name__ == '__main__':
    cli.run_main(main)
