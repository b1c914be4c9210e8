"""LPIPS in plain NumPy, written from the paper, and random weights of a narrow VGG16 to run it with."""

import numpy as np

BLOCKS = ((0, 1), (2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12))
WIDTHS = (4, 6, 8, 7, 5)


def narrow_weights(seed=0):
    """Dictionary of arrays as `weights.lpips_vgg16` returns it, with 4 to 8 channels."""
    rnd = np.random.RandomState(seed)
    arrays, channels = {}, 3
    for block, width in zip(BLOCKS, WIDTHS):
        for index in block:
            scale = np.sqrt(2 / (9 * channels))
            arrays['Conv_{}/kernel'.format(index)] = np.float32(rnd.randn(3, 3, channels, width) * scale)
            arrays['Conv_{}/bias'.format(index)] = np.float32(rnd.randn(width) * 0.1)
            channels = width
    for index, width in enumerate(WIDTHS):
        arrays['NetLinLayer_{}/kernel'.format(index)] = np.float32(rnd.rand(1, 1, width, 1))
    return arrays


def _convolve(x, kernel, bias):
    _, _, height, width = x.shape
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], 'constant')
    y = np.zeros([x.shape[0], kernel.shape[3], height, width])
    for dy in range(3):
        for dx in range(3):
            y += np.einsum('nihw,io->nohw', padded[:, :, dy:dy + height, dx:dx + width], kernel[dy, dx].astype(float))
    return y + bias[:, np.newaxis, np.newaxis]


def _features(images, weights):
    x = np.float64(images)
    shift, scale = np.array([-.030, -.088, -.188]), np.array([.458, .448, .450])
    x = (x - shift[:, np.newaxis, np.newaxis]) / scale[:, np.newaxis, np.newaxis]
    taps = []
    for number, block in enumerate(BLOCKS):
        if number > 0:
            n, c, h, w = x.shape
            x = x[:, :, :h // 2 * 2, :w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
        for index in block:
            x = np.maximum(_convolve(x, weights['Conv_%d/kernel' % index], weights['Conv_%d/bias' % index]), 0)
        taps.append(x / (np.sqrt(np.square(x).sum(axis=1, keepdims=True)) + 1e-10))
    return taps


def distance(images_a, images_b, weights):
    """LPIPS distance of RGB images [N, 3, H, W], range [-1, 1]: float64 [N]."""
    total = 0
    for index, (a, b) in enumerate(zip(_features(images_a, weights), _features(images_b, weights))):
        importance = weights['NetLinLayer_%d/kernel' % index].reshape(1, -1, 1, 1).astype(float)
        total = total + (np.square(a - b) * importance).sum(axis=1).mean(axis=(1, 2))
    return total
