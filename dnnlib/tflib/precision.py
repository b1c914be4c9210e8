"""Mixed precision: which blocks of a synthesis network use the 16-bit type of the device."""

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import kernels

from dnnlib.tflib import layout

PRECISIONS = ('float32', 'mixed')
FIRST_RESOLUTION = 16  # blocks from this resolution up are computed in 16 bits
CLAMP = 256  # of activations in float16, as published


def synthesis_options(precision, network):
    """Options that set the precision of a generator.

    Args:
        precision: 'float32', or 'mixed': blocks from 16x16 up in bfloat16 on a CPU, in float16 on a GPU; styles,
            demodulation and the image in float32.
        network: Network, a generator or its synthesis network.
    Returns: (keyword arguments of its `run` or `get_output_for`, one sentence that says what is computed and why).
    """
    if precision == 'float32':
        return {}, 'float32'
    synthesis = network.components.get('synthesis', network)
    reason = _missing(synthesis)
    if reason:
        return {}, 'float32, because ' + reason
    num_res = _num_resolutions(synthesis)
    options = dict(num_fp16_res=num_res)
    half = layout.half_type()
    if half == 'float16':
        return dict(options, conv_clamp=CLAMP), 'mixed: float16 from %dx%d up' % ((FIRST_RESOLUTION,) * 2)
    note = '' if _has_bfloat16_instructions() else '; this processor has no instructions for it, float32 is faster'
    return options, 'mixed: bfloat16 from %dx%d up%s' % (FIRST_RESOLUTION, FIRST_RESOLUTION, note)


def _num_resolutions(synthesis):
    """Number of resolutions from FIRST_RESOLUTION up to the image's; that of a base block counts as 4."""
    num_levels = synthesis.input_shape[1] // 2 + 1  # the logarithm of a square image's size
    return num_levels - FIRST_RESOLUTION.bit_length() + 2


def _missing(synthesis):
    """Why mixed precision is unavailable, or None."""
    if 'num_fp16_res' not in synthesis.option_names:
        return 'networks of this kind do not support mixed precision'
    if _num_resolutions(synthesis) < 1:
        return 'the network has no %dx%d block' % (FIRST_RESOLUTION, FIRST_RESOLUTION)
    half, device = layout.half_type(), 'GPU' if layout.data_format() == 'NCHW' else 'CPU'
    if device == 'CPU' and getattr(synthesis._build_func, 'half_on_gpu_only', False):
        return 'networks of this kind support mixed precision only on a GPU'
    if not has_kernel('Conv2D', half, device):
        return 'TensorFlow %s has no %s convolution for the %s' % (tf.__version__, half, device)
    return None


def has_kernel(op, dtype, device):
    """Does TensorFlow have a kernel of an operation for a type (name) on a device ('CPU' or 'GPU')?"""
    wanted = tf.as_dtype(dtype).as_datatype_enum
    for kernel in kernels.get_registered_kernels_for_op(op).kernel:
        types = [kind for constraint in kernel.constraint if constraint.name == 'T'
                 for kind in constraint.allowed_values.list.type]
        if kernel.device_type == device and (not types or wanted in types):
            return True
    return False


def _has_bfloat16_instructions():
    """Does the processor have bfloat16 instructions? True where that is unknown (not Linux on x86)."""
    try:
        with open('/proc/cpuinfo') as f:
            flags = [line for line in f if line.startswith('flags')]
    except OSError:
        return True
    return not flags or 'avx512_bf16' in flags[0] or 'amx_bf16' in flags[0]
