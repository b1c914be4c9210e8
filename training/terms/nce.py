"""Contrast between patches: what a translation shows at a place should be told from other places of its source.

Park et al. 2020, "Contrastive learning for unpaired image-to-image translation" (CUT). Feature maps are [N, H, W, C];
rows are samples of them, image after image.
"""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import random

SELF = -10.0  # similarity of a patch to itself among the negatives, which takes it out; as published


def draw_positions(height, width, count):
    """Positions y * width + x of samples, without repetition: int32 [min(count, height * width)]."""
    return tf.nn.top_k(random.uniform([height * width]), min(count, height * width)).indices


def mirrored(positions, width):
    """The same positions in maps whose left and right are exchanged."""
    return positions - positions % width + (width - 1 - positions % width)


def sample(features, positions):
    """Rows [N * P, C] at positions [P], the same ones in all images."""
    height, width, channels = features.shape.as_list()[1:]
    rows = tf.gather(tf.reshape(features, [-1, height * width, channels]), positions, axis=1)
    return tf.reshape(rows, [-1, channels])


def averages(features, parts=4):
    """Rows [N * parts^2, C]: averages over parts of the maps, as PyTorch's AdaptiveAvgPool2d divides them.

    Part i of a side begins at floor(i side / parts) and ends before ceil((i + 1) side / parts).
    """
    height, width, channels = features.shape.as_list()[1:]
    rows, columns = (tf.constant(_shares(side, parts)) for side in (height, width))
    found = tf.einsum('nhwc,jw->nhjc', tf.einsum('nhwc,ih->niwc', features, rows), columns)
    return tf.reshape(found, [-1, channels])


def _shares(side, parts):
    """Share of each place in the averages along a side: float32 [parts, side]."""
    found = np.zeros([parts, side], np.float32)
    for i in range(parts):
        begin, end = i * side // parts, -(-(i + 1) * side // parts)
        found[i, begin:end] = 1 / (end - begin)
    return found


def patch_nce(queries, keys, groups, temperature=0.07):
    """Cross-entropy of finding the key of each query among the keys of its group: [rows] (the paper, equation 3).

    Args:
        queries: Rows of unit length of the translation, [rows, C].
        keys: Those of its source, the same positions; no gradient flows to them.
        groups: Number of equal parts of the rows in which negatives are looked for: the number of images, or 1 = all.
        temperature: Of the softmax; 0.07 as published.
    """
    keys = tf.stop_gradient(keys)
    queries, keys = ([tf.reshape(rows, [groups, -1, rows.shape.as_list()[1]]) for rows in (queries, keys)])
    own = tf.reduce_sum(queries * keys, axis=2, keepdims=True)
    others = tf.matmul(queries, keys, transpose_b=True)  # group, query, key
    others = tf.matrix_set_diag(others, tf.fill(tf.shape(others)[:2], SELF))
    logits = tf.concat([own, others], axis=2) / temperature
    return tf.reshape(tf.reduce_logsumexp(logits, axis=2) - logits[:, :, 0], [-1])
