"""Mixed precision: which blocks of a network use the 16-bit type of the device."""

import tensorflow.compat.v1 as tf
from tensorflow.python.framework import kernels

from dnnlib.tflib import layout
from dnnlib.tflib.ops import native_tools

PRECISIONS = ('float32', 'mixed')
FIRST_RESOLUTION = 16  # blocks from this resolution up are computed in 16 bits
CLAMP = 256  # of activations in float16, as published


def synthesis_options(precision, network):
    """Options that set the precision of a generator; allows the device's 16-bit type in the default graph.

    Args:
        precision: 'float32', also where the network's file asks for 16 bits; or 'mixed': blocks from 16x16 up in
            bfloat16 on a CPU, in float16 on a GPU; styles, demodulation and the image in float32.
        network: Network, a generator or its synthesis network.
    Returns: (keyword arguments of its `run` or `get_output_for`, one sentence that says what is computed and why).
    """
    synthesis = network.components.get('synthesis', network)
    if precision == 'float32':
        has_half = any(net.static_kwargs.get('num_fp16_res') for net in (network, synthesis))
        return dict(num_fp16_res=0) if has_half and layout.mixed_type() != 'float32' else {}, 'float32'
    reason = _missing(synthesis)
    if reason:
        return {}, 'float32, because ' + reason
    num_res = _num_resolutions(synthesis)
    options = dict(num_fp16_res=num_res)
    half = layout.half_type()
    layout.set_mixed_type(half)
    if half == 'float16':
        return dict(options, conv_clamp=CLAMP), 'mixed: float16 from %dx%d up' % ((FIRST_RESOLUTION,) * 2)
    note = '' if has_bfloat16_instructions() else '; this processor has no instructions for it, float32 is faster'
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
    return missing_kernel()


def missing_kernel():
    """What TensorFlow lacks for mixed precision on the default graph's device: a sentence, or None."""
    half, device = layout.half_type(), 'GPU' if layout.data_format() == 'NCHW' else 'CPU'
    if has_kernel('Conv2D', half, device):
        return None
    return 'TensorFlow %s has no %s convolution for the %s' % (tf.__version__, half, device)


def has_kernel(op, dtype, device):
    """Does TensorFlow have a kernel of an operation for a type (name) on a device ('CPU' or 'GPU')?"""
    wanted = tf.as_dtype(dtype).as_datatype_enum
    for kernel in kernels.get_registered_kernels_for_op(op).kernel:
        types = [kind for constraint in kernel.constraint if constraint.name == 'T'
                 for kind in constraint.allowed_values.list.type]
        if kernel.device_type == device and (not types or wanted in types):
            return True
    return False


def has_bfloat16_instructions():
    """Does the processor have bfloat16 instructions? True where that is unknown (not Linux on x86)."""
    _, flags = _processor()
    return not flags or bool(_bfloat16_flags(flags))


def machine():
    """What the default graph is computed with, as far as it decides which precision is faster, for people."""
    if layout.data_format() == 'NCHW':
        return 'GPU of compute capability ' + ', '.join('.'.join([a[:-1], a[-1]]) for a in native_tools.gpu_archs())
    name, flags = _processor()
    return ', '.join([name or 'CPU'] + (_bfloat16_flags(flags) or ['no bfloat16 instructions']))


def _bfloat16_flags(flags):
    return [flag for flag in ('avx512_bf16', 'amx_bf16') if flag in flags]


def _processor():
    """(name, set of features) of the processor; ('', empty set) where they are unknown (not Linux on x86)."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as f:
            lines = [line.partition(':') for line in f]
    except OSError:
        return '', set()
    found = {key.strip(): value.strip() for key, _, value in reversed(lines)}  # of the first core
    return found.get('model name', ''), set(found.get('flags', '').split())
