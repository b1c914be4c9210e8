"""Do the cats that a network of classes draws have the coats that they were asked for?

The network must have been trained on the built-in cats with their 15 coats as classes. The mean color of a picture in
the body that all coats share is compared with the mean colors of the 15 coats; the nearest one is what it shows.

    python -m benchmarks.class_rows RUN_OR_NETWORK [--per-class=40] [--latents=truncated:0.5]
"""

import argparse

import numpy as np

from dnnlib import cli
from generator import drawing, options, plain
from training import pretrained
from training.data import cats

COATS = cats.GROUPS[0][1]


def common_body(resolution):
    """Pixels that the bodies of all coats cover, bool [R, R]."""
    return np.all([cats.label_map((coat, 0, 0, 0, 0), resolution) > 0 for coat in range(COATS)], axis=0)


def mean_colors(images, mask):
    """Mean colors inside a mask, [N, 3], of images uint8 [N, 3, H, W]."""
    return images[:, :, mask].mean(axis=2)


def colors_of_coats(mask, per_coat=100):
    """Mean color of each coat over cats with any other layers, [coats, 3]."""
    rnd, found = np.random.RandomState(0), []
    for coat in range(COATS):
        others = [[coat] + [rnd.randint(count) for _, count in cats.GROUPS[1:]] for _ in range(per_coat)]
        found.append(mean_colors(np.stack([cats.compose(cat, len(mask)) for cat in others]), mask).mean(axis=0))
    return np.array(found)


def hits(images, coats, mask, colors):
    """Is the coat that was asked for (int [N]) the nearest one to each image? bool [N]."""
    seen = mean_colors(images, mask)
    return np.square(seen[:, np.newaxis] - colors).sum(axis=2).argmin(axis=1) == coats


def main(argv):
    """Draws the classes of a network and prints the shares of pictures with the right coat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('network')
    parser.add_argument('--per-class', type=int, default=40)
    options.add_latents(parser)
    args = parser.parse_args(argv)
    drawer = plain.load(pretrained.resolve(args.network), drawing.Settings({}, latents=args.latents, minibatch_size=20))
    mask = common_body(drawer.image_shape[1])
    colors, coats = colors_of_coats(mask), np.repeat(np.arange(COATS), args.per_class)
    pictures = drawer.generate(list(range(args.per_class)) * COATS, np.eye(COATS, dtype=np.float32)[coats])
    found = hits(np.stack(list(pictures)).transpose(0, 3, 1, 2), coats, mask, colors)
    truth = np.stack([cats.compose(cat, len(mask)) for cat in cats.cat_attributes(cats.split_numbers(True)[:1000])])
    held_out = cats.cat_attributes(cats.split_numbers(True)[:1000])[:, 0]
    print(f'true drawings: {100 * hits(truth, held_out, mask, colors).mean():.1f} %')
    print(f'class rows: {100 * found.mean():.1f} %; by coat: '
          + ' '.join(f'{100 * part.mean():.0f}' for part in found.reshape(COATS, -1)))


if __name__ == '__main__':
    cli.run_main(main)
