"""The golden values of tests/data/translation: cases, weights by our names, and how near a result must be."""

import json
import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.files import torch_file
from dnnlib.tflib import layout
from tests.training import golden_files
from training.torch_files.names import KINDS
from training.torch_files.weights import Weights

DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'translation')
with open(os.path.join(DATA, 'meta.json'), encoding='utf-8') as _file:
    META = json.load(_file)


# By file that reads it (below tests/training): cases of which it must use every array, see `check_all_used`.
OWNERS = {
    'networks/test_translation.py': (
        'cut_netF', 'cut_resnet4_no_antialias', 'cut_resnet9', 'hd_dis', 'hd_edges_onehot', 'hd_encoder', 'hd_global',
        'hd_local1', 'hd_local2', 'patchgan_n2_instance', 'patchgan_n3_antialias', 'patchgan_n3_batch_6ch',
        'patchgan_n3_instance', 'pixel_instance', 'resnet6_batch_dropout', 'resnet6_instance', 'sincut_nets',
        'smallstylegan2', 'ugatit_dis_6', 'ugatit_dis_global7', 'ugatit_dis_local5', 'ugatit_gen_full',
        'ugatit_gen_light', 'unet32_batch', 'unet32_instance', 'unet64_batch_dropout'),
    'methods/test_translation_methods.py': (
        'cut_gradients', 'cut_iter', 'cyclegan_iter', 'fastcut_flipped_iter', 'fastcut_iter', 'image_pool',
        'pix2pix_iter'),
    'methods/test_translation_golden.py': (
        'hd_feat_iter', 'hd_iter', 'hd_local_fixed_iter', 'hd_vgg_loss', 'sincut_iter', 'ugatit_iter'),
    'methods/test_ugatit_tf.py': ('ugatit_tf',),
    'terms/test_translation_terms.py': ('cut_patchnce', 'gan_losses'),
    'test_schedule.py': ('hd_lr', 'lr_schedules'),
    'data/test_translation_data.py': ('data_preparation',),
}
# Arrays that nothing is compared with: (cases, part of the key, why not); the first two are regular expressions.
OTHER_GRADIENTS = (
    "not the gradients of the stored losses: PyTorch's instance norm on a CPU makes wrong ones of what arrives in the "
    "memory order of channels last, as the gradients of CUT's samples do; cut_gradients.npz has those of the same "
    'iterations where these are brought into the usual order')
LEFT_OUT = (
    ('.', 'num_batches_tracked', 'a counter that nothing reads'),
    ('(cut|fastcut|fastcut_flipped)_iter', 'G_grad_', OTHER_GRADIENTS),
    ('cut_iter', r'after/G\..*(weight|model\.30\.bias)$', 'steps along these gradients, whose signs decide them'),
    ('cut_netF', 'out_global_pool_', 'one row for each image, which no published configuration uses and this project '
     'does not have'),
    ('data_preparation', '_starts$', 'where the crops of zoom_and_patch begin: the crops themselves are compared, '
     'whose pixels would differ in another place'),
)


FILES = golden_files.Files(DATA, OWNERS, LEFT_OUT)
arrays_cached, check_all_used, network = FILES.arrays, FILES.check_all_used, golden_files.network


def weights(name, table, key=None):
    """{our name: array} of a weight file, all of whose tensors the table must know but for counters and filters."""
    with open(os.path.join(DATA, name), 'rb') as f:
        state = torch_file.load(f)
    found = Weights(name, state if key is None else state[key])
    for other in [n for n in found.arrays if n.endswith(('num_batches_tracked', '.filt', '.kernel'))]:
        del found.arrays[other]
    variables = found.variables(table)
    assert not found.arrays, sorted(found.arrays)
    return variables


def to_nchw(x):
    """A feature map as an array [N, C, H, W]; taps of generators are [N, H, W, C] in any layout."""
    return np.transpose(x, [0, 3, 1, 2]) if layout.data_format() == 'NHWC' else x


def check(case, key, found, at_least=0.0):
    """Is a result within the tolerance of the README there? `at_least`: allowed share of the largest magnitude."""
    expected = arrays_cached(case)[key]
    deviation, magnitude = META[case]['max_abs_deviation_f32_vs_f64'].get(key, (0, np.abs(expected).max()))
    assert found.shape == expected.shape, (key, found.shape, expected.shape)
    error = np.abs(np.float64(found) - expected).max()
    bound = max(20 * deviation + 1e-6 * magnitude + 1e-7, at_least * magnitude)
    FILES.note(case, key, error, bound)
    assert error <= bound, f'{case} {key}: {error:.3g}, at most {bound:.3g} of {magnitude:.3g}'


def placeholder(array):
    """Constant of an array."""
    return tf.constant(np.float32(array))


def to_torch(value, kind):
    """One of our variables, or its gradient, in PyTorch's axes."""
    return KINDS[kind].to_torch(value)
