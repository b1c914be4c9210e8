#!/usr/bin/env python3
"""Speed of the metrics: drawing and features in one session call against the two alone; distances against products.

Random weights of Inception-v3 and of config-f do for the speed. The two alone are a session call that draws pictures
and one that gets pictures and looks at them. Distances of precision and recall are compared with the full products of
all pairs of rows (reals with reals, fakes with fakes, fakes with reals) by NumPy's own `@`, in the same tiles; those of
a set with itself need only half of these. All that is compared runs in turn.
"""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from dnnlib import cli  # noqa: E402  (found only after the line above)

# kernels of Inception-v3 as height x width x outputs, in the order of inception_v3.layer_names()
_A = '1x1x64 1x1x48 5x5x64 1x1x64 3x3x96 3x3x96 1x1x{} '
_B = '3x3x384 1x1x64 3x3x96 3x3x96 '
_C = '1x1x192 1x1x{0} 1x7x{0} 7x1x192 1x1x{0} 7x1x{0} 1x7x{0} 7x1x{0} 1x7x192 1x1x192 '
_D = '1x1x192 3x3x320 1x1x192 1x7x192 7x1x192 3x3x192 '
_E = '1x1x320 1x1x384 1x3x384 3x1x384 1x1x448 3x3x384 1x3x384 3x1x384 1x1x192 '
INCEPTION = ('3x3x32 3x3x32 3x3x64 1x1x80 3x3x192 ' + ''.join(_A.format(n) for n in (32, 64, 64)) + _B
             + ''.join(_C.format(n) for n in (128, 160, 160, 192)) + _D + 2 * _E)


def random_inception():
    """Inception-v3 whose variables are made where they are first used, of random values."""
    import tensorflow.compat.v1 as tf
    from dnnlib.tflib import layout
    from metrics.features import inception_v3
    names, texts = inception_v3.layer_names(), INCEPTION.split()
    assert len(names) == len(texts)
    kernels = {name: [int(number) for number in text.split('x')] for (name, _), text in zip(names, texts)}

    class _RandomInception(inception_v3.InceptionV3):
        def __init__(self):
            self._vars = {}

        def convolve(self, x, name, *args, **kwargs):
            height, width, outputs = kernels[name]
            if name + '/kernel' not in self._vars:
                shape = [height, width, x.shape.as_list()[layout.channel_axis()], outputs]
                values = np.random.RandomState(0).randn(*shape) * np.sqrt(2 / np.prod(shape[:3]))
                self._vars[name + '/kernel'], self._vars[name + '/bias'] = (tf.Variable(
                    np.float32(value), trainable=False, use_resource=True) for value in (values, np.zeros(outputs)))
            return super().convolve(x, name, *args, **kwargs)

    return _RandomInception()


def measure_features(args):
    """Prints how fast features of fakes are, together and drawn first."""
    import tensorflow.compat.v1 as tf
    from benchmarks import measure
    from dnnlib import tflib
    from metrics.sources import Generator
    with measure.fresh_session(args.device, args.ops):
        G = tflib.Network('G', func_name='training.networks_stylegan2.G_main', resolution=args.resolution,
                          num_channels=3, label_size=0, fmap_base=args.fmap_base, fmap_max=args.fmap_max)
        network, generator = random_inception(), Generator(G, dict(is_validation=True))

        def drawn(function):
            return generator.build(lambda _latents, _labels, _dlatents, images: [
                function(tflib.convert_images_to_uint8(images))], args.minibatch, 0)

        draw, both = drawn(lambda images: images), drawn(network.features)
        images_in = tf.placeholder(tf.uint8, [None] + G.output_shape[1:])
        features = network.features(images_in)
        tflib.init_uninitialized_vars()
        images, = draw(0)
        np.testing.assert_allclose(both(0)[0], tflib.run(features, {images_in: images}), rtol=1e-3, atol=1e-3)
        times = measure.interleaved([lambda: draw(0), lambda: tflib.run(features, {images_in: images}),
                                     lambda: both(0)], args.seconds)
        seconds = np.median(times, axis=0)
        print('{0}x{0}, minibatch {1}: drawing {2:.0f} ms, features {3:.0f} ms, both in one call {4:.0f} ms: {5:.1f} % '
              'of the speed of the two alone, {6:.2f} images/s'.format(
                  args.resolution, args.minibatch, *(1000 * seconds),
                  100 * np.median((times[:, 0] + times[:, 1]) / times[:, 2]), args.minibatch / seconds[2]), flush=True)


def measure_distances(args, num_features):
    """Prints how fast precision and recall of random features are, next to the products alone."""
    from benchmarks import measure
    from metrics.precision_recall import precision_recall
    rnd = np.random.RandomState(0)
    reals, fakes = (np.float32(rnd.rand(args.rows, num_features)) for _ in range(2))

    def products():
        for a, b in ((reals, fakes),) * 3:
            for row in range(0, args.rows, args.tile):
                for column in range(0, args.rows, args.tile):
                    a[row:row + args.tile] @ b[column:column + args.tile].T  # pylint: disable=expression-not-assigned

    times = measure.interleaved([lambda: precision_recall(reals, fakes, 3, args.tile), products], args.seconds)
    ratio = np.median(times[:, 1] / times[:, 0])
    print('{} reals and fakes, {} features, tiles of {}: precision and recall {:.2f} s, all products alone {:.2f} s: '
          '{:.0f} % of their speed'.format(args.rows, num_features, args.tile, *np.median(times, axis=0), 100 * ratio),
          flush=True)


def main(argv):
    """Parses the options and measures."""
    parser = cli.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--resolution', type=int, default=256, help='pixels (default: %(default)s)')
    parser.add_argument('--fmap-base', type=int, default=16 << 10,
                        help='feature maps at 2x2 pixels, before the limit (default: %(default)s)')
    parser.add_argument('--fmap-max', type=int, default=512, help='most feature maps (default: %(default)s)')
    parser.add_argument('--minibatch', type=int, default=8,
                        help='images, 0 = no features (default: %(default)s, that of fid50k)')
    parser.add_argument('--rows', type=int, default=20000,
                        help='reals and fakes for distances, 0 = none (default: %(default)s)')
    parser.add_argument('--tile', type=int, default=10000, help='rows of a tile (default: %(default)s, that of pr50k3)')
    parser.add_argument('--features', type=cli.int_list, default=[4096],
                        help='numbers of features for distances (default: 4096, those of VGG16)')
    parser.add_argument('--seconds', type=float, default=20, help='time of each measurement (default: %(default)s)')
    cli.add_common(parser)
    args = parser.parse_args(argv)
    cli.load_tensorflow()
    if args.minibatch:
        measure_features(args)
    for num_features in args.features if args.rows else ():
        measure_distances(args, num_features)


if __name__ == '__main__':
    cli.run_main(main)
