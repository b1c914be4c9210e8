"""Progressive growing (Karras et al. 2018): networks computed only up to a level of detail.

`lod` counts the levels below full resolution: 0 = full, 1 = half, 1.5 = a quarter fading into half. A level r has
feature maps of 2^r pixels in a square network; level 2 is the base block, the last one the full resolution R.
"""

import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from dnnlib.tflib import layout
from dnnlib.tflib.ops.upfirdn_2d import downsample_2d, upsample_2d

STRUCTURES = ('auto', 'fixed', 'linear', 'recursive')


def get_lod():
    """Creates or finds the variable `lod`; returns its current value, a float32 scalar.

    The value is read after the surrounding control dependencies, so a graph can assign the variable first.
    """
    lod = tf.get_variable('lod', shape=[], initializer=tf.initializers.zeros(), trainable=False)
    with tflib.absolute_name_scope(lod.op.name):
        return lod.read_value()


def choose_structure(structure, is_static, is_template_graph):
    """How a growing network is built: 'fixed', 'linear' or 'recursive'.

    Args:
        structure: 'fixed' = full resolution, whatever `lod` is; 'linear' = all levels, weighted by `lod`; 'recursive' =
            the same values, with conditional execution of only the levels that `lod` needs; 'auto' = 'linear' if
            `is_static`, else 'recursive'.
        is_static: Prefer a graph without conditionals?
        is_template_graph: Is this the graph that creates the variables? Conditionals can't, so there 'recursive'
            means 'linear'.
    Raises: UserError for any other structure.
    """
    if structure not in STRUCTURES:
        raise UserError('structure must be one of %s, not %r' % (', '.join(STRUCTURES), structure))
    if structure == 'auto':
        structure = 'linear' if is_static else 'recursive'
    return 'linear' if is_template_graph and structure == 'recursive' else structure


def synthesize(x, block, to_rgb, last_level, structure, lod):
    """Images of full size from the feature maps of the base block.

    Args:
        x: Feature maps of level 2, [N, H, W, C].
        block: block(x, r): feature maps of level r from those of level r - 1.
        to_rgb: to_rgb(x, r): image from the feature maps of level r.
        last_level: R.
        structure: What `choose_structure` returned, or 'pyramid': the images of all levels, of their own sizes.
        lod: Value from 0 to R - 2, float32 scalar; not used for a pyramid.
    Returns: [N, H * 2^(R - 2), W * 2^(R - 2), channels]; pixels of coarser levels are repeated (nearest neighbor). Of a
        pyramid a list, the smallest image first.
    """
    if structure == 'pyramid':
        images = [to_rgb(x, 2)]
        for r in range(3, last_level + 1):
            x = block(x, r)
            images.append(to_rgb(x, r))
        return images
    if structure == 'recursive':
        return _synthesize_from(2, x, block, to_rgb, last_level, lod)
    y = to_rgb(x, 2) if structure == 'linear' else None
    for r in range(3, last_level + 1):
        x = block(x, r)
        if structure == 'linear':
            y = _fade(to_rgb(x, r), _upsample(y, last_level - r), lod, last_level - r)
    return to_rgb(x, last_level) if y is None else y


def _synthesize_from(r, x, block, to_rgb, last_level, lod):
    """Conditional form: full-size images from the feature maps of level r, lod being at most R - r."""
    skipped = last_level - r
    if skipped == 0:
        return to_rgb(x, r)

    def finer():
        y = block(x, r + 1)
        return tf.cond(
            lod > skipped - 1,
            lambda: _upsample(
                _fade(to_rgb(y, r + 1), _upsample(to_rgb(x, r), skipped - 1), lod, skipped - 1), 0, skipped - 1),
            lambda: _synthesize_from(r + 1, y, block, to_rgb, last_level, lod))
    return tf.cond(lod >= skipped, lambda: _upsample(to_rgb(x, r), 0, skipped), finer)


def analyze(images, block, from_rgb, last_level, structure, lod):
    """Feature maps of the base block from images of full size.

    Args:
        images: [N, H, W, channels].
        block: block(x, r): feature maps of level r - 1 from those of level r.
        from_rgb: from_rgb(images, r): feature maps of level r from images of that size.
        last_level, structure, lod: See `synthesize`; images count up to their `lod` only, as means over squares.
    Returns: Feature maps of level 2.
    """
    if structure == 'recursive':
        return _analyze_to(2, images, block, from_rgb, last_level, lod)
    x = from_rgb(images, last_level)
    for r in range(last_level, 2, -1):
        x = block(x, r)
        if structure == 'linear':
            images = _downsample(images, last_level - r)
            x = _fade(x, from_rgb(images, r - 1), lod, last_level - r)
    return x


def _analyze_to(r, images, block, from_rgb, last_level, lod):
    """Conditional form: feature maps of level r."""
    skipped = last_level - r

    def coarse():
        return from_rgb(_downsample(images, 0, skipped), r)

    def finer():
        x = block(_analyze_to(r + 1, images, block, from_rgb, last_level, lod), r + 1)
        return tf.cond(lod > skipped - 1, lambda: _fade(x, coarse(), lod, skipped - 1), lambda: tf.identity(x))
    return coarse() if skipped == 0 else tf.cond(lod >= skipped, coarse, finer)


def _fade(fine, coarse, lod, fine_lod):
    """`fine` up to its own lod, `coarse` from the next one on, and a blend in between."""
    with tf.variable_scope('Grow_lod%d' % fine_lod):
        return tflib.lerp_clip(fine, coarse, tf.cast(lod - fine_lod, fine.dtype))


def _upsample(x, to_lod, times=1):
    """Doubles images `times` times by repeating pixels."""
    with tf.variable_scope('Upsample_lod%d' % to_lod):
        for _ in range(times):
            x = upsample_2d(x, data_format=layout.data_format())
        return x


def _downsample(x, from_lod, times=1):
    """Halves images `times` times by averaging squares."""
    with tf.variable_scope('Downsample_lod%d' % from_lod):
        for _ in range(times):
            x = downsample_2d(x, data_format=layout.data_format())
        return x
