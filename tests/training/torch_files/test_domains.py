"""Files of StarGAN, StarGAN v2 and of landmarks: what they are is inferred, also in their published sizes."""

from collections import OrderedDict
import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from dnnlib.files import torch_file, torch_writer
from dnnlib.util import call_func_by_name
from tests.training import golden_domains as golden
from training import pretrained
from training.state.sources import find_sources
from training.torch_files import translators
from training.torch_files.weights import Weights
from training.train_step import Net

INPUTS = dict(G_stargan2=[(2, 3, 256, 256), (2, 64)], G_stargan2_masked=[(2, 3, 256, 256), (2, 64), (2, 2, 256, 256)],
              E_stargan2=[(2, 3, 256, 256), None], D_stargan2=[(2, 3, 256, 256), None], F_stargan2=[(2, 16), None],
              H_fan=[(2, 3, 256, 256)], G_stargan=[(2, 3, 128, 128), None], D_stargan=[(2, 3, 128, 128)])


def published():
    """{title: (tensors of no size by name, number of parameters)}."""
    with open(golden.path_of('default_shapes.json'), encoding='utf-8') as file:
        shapes = json.load(file)
    return {title: ({name: np.broadcast_to(np.float32(0), shape) for name, shape in item['state_dict'].items()},
                    item['parameters']) for title, item in shapes.items()}


def test_published_sizes():
    functions = set()
    for title, (arrays, count) in published().items():
        if 'hpf.filter' in arrays:
            arrays['hpf.filter'] = np.float32([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
        weights = Weights(title, {})
        weights.arrays = dict(arrays)
        found = translators.infer(weights)
        assert sorted(weights.arrays) == sorted(entry.torch for entry in found.table), title
        name, options = found.func_name.rsplit('.', 1)[1], found.options
        functions.add(name)
        size = sum(options.get('label_sizes', ())) or options.get('num_domains')
        with tf.Graph().as_default():
            inputs = [tf.placeholder(tf.float32, (2, size) if shape is None else shape) for shape in INPUTS[name]]
            call_func_by_name(*inputs, func_name=found.func_name, **options)
            assert sum(var.shape.num_elements() for var in tf.trainable_variables()) == count, title
            assert {var.op.name for var in tf.global_variables()} == {entry.name for entry in found.table}, title
    assert functions == set(INPUTS)


@pytest.mark.parametrize('case, key', [('stargan_attributes', 'G'), ('stargan_classes', 'D')])
def test_single_networks_of_stargan(session, tmp_path, case, key):
    del session
    path = str(tmp_path / 'STEP.ckpt')
    given = golden.FILES.arrays(case)
    with open(golden.path_of(case + '.pt'), 'rb') as file:
        torch_writer.save(torch_file.tensors_in(torch_file.load(file)[key]), path)
    network = pretrained.load_file(path).networks[key]
    if key == 'G':
        golden.check_outputs(case, 'G_out', network.run(given['x_real'], given['c_trg'], resolution=32))
    else:
        golden.check_outputs(case, 'D_src', network.run(given['x_real'])[0])


def test_landmarks_leave_other_tensors_alone():
    arrays = published()['stargan2/fan (98 landmarks)'][0]
    weights = Weights('wing', {})
    weights.arrays = dict(arrays, extra=np.zeros(3, np.float32))
    assert translators.infer(weights).notes == (
        '1 tensors of the file belong to nothing known here, such as extra',)


def test_a_training_begins_from_published_averages():
    with open(golden.path_of('stargan2_afhq.pt'), 'rb') as file:
        saved = torch_file.load(file)
    contents = translators.read({name: part for name, part in saved.items() if name != 'discriminator'})
    roles = dict(G='generator', F='mapping', E='encoder', D='discriminator')
    nets = OrderedDict((name, Net('', role=role)) for name, role in roles.items())
    nets.update((name + '_ema', Net('', role=roles[name], average_of=name)) for name in 'GFE')
    assert find_sources(nets, contents) == dict(G='G', F='F', E='E', G_ema='G', F_ema='F', E_ema='E')
