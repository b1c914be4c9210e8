"""Convolutions whose gradients are fast on the CPU too.

TensorFlow 1.14's CPU kernels for the gradients of `conv2d` reach a fraction of the forward kernel's speed, and so
does its transposed convolution. There the gradients are composed of forward convolutions and matrix products instead;
they have the same values, and gradients of every order. Elsewhere TensorFlow's own operations are used as they are.
"""

import contextlib

import tensorflow.compat.v1 as tf

_OWN_GRADIENTS = tf.__version__.startswith('1.')  # measured: 1.2 to 4 times faster there, slower in 2.x
_MATMUL_FILTER_GRADIENT_PIXELS = 64 * 64  # above this the shifted copies cost more than TensorFlow's kernel
_DRAWING = 'tflib/drawing'  # collection of the graph: not empty where nothing is trained


def conv2d(x, w, stride=1, padding='SAME', data_format='NHWC'):
    """Cross-correlation of feature maps with a kernel.

    Args:
        x: Feature maps in the given layout, channels a multiple of I (then the convolution is grouped; NCHW on a GPU
            only).
        w: Kernel [kh, kw, I, O].
        stride: Step in both directions.
        padding: 'SAME' or 'VALID'.
        data_format: 'NHWC' or 'NCHW'.
    Returns: Feature maps with O channels in the same layout.
    """
    if data_format == 'NHWC' and _OWN_GRADIENTS and stride == 1:
        return _conv2d_with_own_gradients(x, w, padding)
    strides = [1, 1, stride, stride] if data_format == 'NCHW' else [1, stride, stride, 1]
    return tf.nn.conv2d(x, w, strides=strides, padding=padding, data_format=data_format)


def conv2d_transpose(x, w, stride=2, data_format='NHWC', groups=1):
    """Adjoint of a strided VALID cross-correlation: y[stride * i + a] += x[i] w[a].

    Args:
        x: Feature maps [N, H, W, I], or [N, groups * I, H, W].
        w: Kernel [kh, kw, O, groups * I], the inputs of a group side by side.
        stride: Step of the output.
        data_format: 'NHWC' or 'NCHW'.
        groups: Number of groups, int or int32 scalar; more than one needs NCHW.
    Returns: Feature maps of height (H - 1) * stride + kh with groups * O channels.
    """
    if data_format == 'NHWC' and _OWN_GRADIENTS and stride == 2 and w.shape.as_list()[:2] == [3, 3]:
        return _conv2d_transpose_by_phases(x, w)
    kh, kw = w.shape.as_list()[:2]
    height, width = x.shape.as_list()[2:] if data_format == 'NCHW' else x.shape.as_list()[1:3]
    size = [(height - 1) * stride + kh, (width - 1) * stride + kw]
    batch, channels = static_or_dynamic(x, 0), static_or_dynamic(w, 2) * groups
    nchw = data_format == 'NCHW'
    y = tf.nn.conv2d_transpose(
        x, w, output_shape=tf.stack([batch, channels] + size if nchw else [batch] + size + [channels]),
        strides=[1, 1, stride, stride] if nchw else [1, stride, stride, 1], padding='VALID', data_format=data_format)
    batch, channels = [n if isinstance(n, int) else None for n in (batch, channels)]
    y.set_shape([batch, channels] + size if nchw else [batch] + size + [channels])
    return y


@contextlib.contextmanager
def drawing():
    """What is built inside in the default graph is not trained, and may be rounded in another way than what is."""
    marks = tf.get_collection_ref(_DRAWING)
    marks.append(True)
    try:
        yield
    finally:
        marks.pop()


def doubles_by_phases(w, factor, data_format):
    """Is `double_by_phases` the faster way to enlarge and convolve with a kernel?

    In training it would round differently from what trainings have done before.
    """
    return (_OWN_GRADIENTS and factor == 2 and data_format == 'NHWC' and w.shape.as_list()[:2] == [3, 3]
            and bool(tf.get_collection(_DRAWING)))


def double_by_phases(x, w):
    """Cross-correlation with a 3x3 kernel of feature maps between whose pixels, rows and columns zeros are inserted.

    Each phase of the output sees four, two, two or one of the nine taps. Four convolutions with these take 9/16 of the
    arithmetic of a single one to all phases at once, and no kernel is turned around.

    Args:
        x: Feature maps [N, H, W, I].
        w: Kernel [3, 3, I, O].
    Returns: [N, 2 * H + 2, 2 * W + 2, O]; row and column 0 see the first pixels with the kernel's last taps, the last
        row and column are 0.
    """
    height, width = x.shape.as_list()[1:3]
    num_in, num_out = w.shape.as_list()[2:]
    taps, rows = tf.unstack(tf.reshape(w, [9, num_in, num_out])), []  # slices of more axes are copied by one thread
    for py in (0, 1):
        columns = []
        for px in (0, 1):
            seen = [(1,) if odd else (0, 2) for odd in (py, px)]
            kernel = tf.stack([taps[3 * a + b] for a in seen[0] for b in seen[1]])
            kernel = tf.reshape(kernel, [len(seen[0]), len(seen[1]), num_in, num_out])
            padded = tf.pad(x, [[0, 0], [1 - py, 1], [1 - px, 1], [0, 0]])
            columns.append(conv2d(padded, kernel, padding='VALID'))
        rows.append(tf.reshape(tf.concat(columns, axis=3), [-1, height + 1, 1, (width + 1) * 2 * num_out]))
    return tf.reshape(tf.concat(rows, axis=2), [-1, 2 * height + 2, 2 * width + 2, num_out])


def static_or_dynamic(x, axis):
    """Size of a tensor along an axis: int if it is known when the graph is built, else int32 scalar."""
    size = x.shape.as_list()[axis]
    return tf.shape(x)[axis] if size is None else size


def _conv2d_with_own_gradients(x, w, padding):
    """Stride-1 NHWC convolution; the input's gradient is a convolution with the flipped kernel, its I and O swapped."""
    kh, kw = w.shape.as_list()[:2]
    if padding == 'SAME' and (kh % 2 == 0 or kw % 2 == 0):
        raise ValueError('SAME padding needs an odd kernel, got %dx%d' % (kh, kw))

    @tf.custom_gradient
    def convolve(x, w):
        # Within a branch of tf.cond these are tensors of the branch: gradients of gradients must not bypass it.
        x, w = tf.identity(x), tf.identity(w)
        y = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding=padding, data_format='NHWC')

        def gradient(dy):
            flipped = tf.transpose(tf.reverse(w, [0, 1]), [0, 1, 3, 2])  # hwOI
            padded = dy if padding == 'SAME' else tf.pad(dy, [[0, 0], [kh - 1] * 2, [kw - 1] * 2, [0, 0]])
            dx = _conv2d_with_own_gradients(padded, flipped, padding)
            dx.set_shape(x.shape)
            return dx, _filter_gradient(x, dy, kh, kw, padding)
        return y, gradient
    return convolve(x, w)


def _filter_gradient(x, dy, kh, kw, padding):
    """Gradient with respect to the kernel, [kh, kw, I, O]: one matrix product per tap."""
    height, width, num_in = x.shape.as_list()[1:]
    out_height, out_width, num_out = dy.shape.as_list()[1:]
    if height * width > _MATMUL_FILTER_GRADIENT_PIXELS:
        return tf.nn.conv2d_backprop_filter(x, [kh, kw, num_in, num_out], dy, strides=[1, 1, 1, 1], padding=padding)
    if padding == 'SAME':
        x = tf.pad(x, [[0, 0], [kh // 2] * 2, [kw // 2] * 2, [0, 0]])
    dy = tf.reshape(dy, [-1, num_out])
    taps = []
    for a in range(kh):
        for b in range(kw):
            window = tf.reshape(x[:, a:a + out_height, b:b + out_width, :], [-1, num_in])
            taps.append(tf.matmul(window, dy, transpose_a=True))
    return tf.reshape(tf.stack(taps), [kh, kw, num_in, num_out])


def _conv2d_transpose_by_phases(x, w):
    """Stride-2 transposed 3x3 convolution as one 2x2 convolution to the four phases of the output, interleaved."""
    num_out, num_in = w.shape.as_list()[2:]
    height, width = x.shape.as_list()[1:3]
    # Along one axis y[2j] = x[j] w[0] + x[j - 1] w[2] and y[2j + 1] = x[j] w[1]: taps (w[2], w[0]) and (0, w[1]).
    w = tf.pad(tf.transpose(w, [0, 1, 3, 2]), [[0, 1], [0, 1], [0, 0], [0, 0]])  # hwIO, index 3 is zero
    taps = {0: (2, 0), 1: (3, 1)}
    phases = [tf.stack([tf.stack([w[a, b] for b in taps[px]]) for a in taps[py]]) for py in (0, 1) for px in (0, 1)]
    kernel = tf.reshape(tf.stack(phases, axis=3), [2, 2, num_in, 4 * num_out])  # hwI, phase-major outputs
    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    y = tf.depth_to_space(_conv2d_with_own_gradients(x, kernel, 'VALID'), 2)
    return y[:, :2 * height + 1, :2 * width + 1, :]
