"""The benchmarks count operations as one does by hand, and the study of the losses knows what it looks for.

The model of many workers has the right limits.
"""

import json

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.python.ops import collective_ops

from benchmarks import (generate, kill_methods, latent_methods, loss_study, measure, scale, scale_pair, translation,
                        users_inputs, worker_latents)
from dnnlib import UserError, tflib
from dnnlib.util import get_obj_by_name
from tests.training.options.test_classes import options_of


def test_operations_of_a_generator(session):
    G = tflib.Network('G', func_name='training.networks_stylegan2.G_main', resolution=8, num_channels=3, fmap_max=16,
                      latent_size=8, dlatent_size=8, mapping_fmaps=8, mapping_layers=2)
    convolutions = 9 * 16 * 16 * (16 + 16 + 64) + 3 * 16 * (16 + 64)  # the doubling one at 4x4
    dense = 2 * 8 * 8 + 5 * 8 * 16  # mapping; a style for each of five layers
    assert generate.generator_flops(G) == 2 * (convolutions + dense)


def test_operations_of_a_graph(session):
    images, kernel = tf.placeholder(tf.float32, [None, 8, 8, 3]), tf.get_variable('w', [3, 3, 3, 5])
    loss = tf.reduce_sum(tf.square(tf.nn.conv2d(images, kernel, strides=[1, 2, 2, 1], padding='SAME')))
    forward = 2 * 4 * 4 * 4 * 5 * 27  # 4 images of 4x4 outputs
    assert measure.graph_flops([loss], batch=4) == forward
    gradients = tf.gradients(loss, [images, kernel])
    assert measure.graph_flops(gradients, batch=4) == 3 * forward
    same, other = (tf.nn.conv2d(images, w, strides=[1, 2, 2, 1], padding='SAME') for w in (kernel, 2 * kernel))
    assert measure.merged_flops([loss, same, other], batch=4) == 2 * forward  # TensorFlow computes the first two once
    product = tf.matmul(np.ones([2, 7], np.float32), np.ones([2, 5], np.float32), transpose_a=True)
    assert measure.graph_flops([product], batch=1) == 2 * 2 * 7 * 5


def test_modes_of_the_study_of_losses():
    with loss_study.TwoModes() as data:
        images = np.stack([data.read(index) for index in range(1000)]) / 127.5 - 1
    share, distance = loss_study.judge(images)
    assert 0.45 < share <= 0.5 and abs(distance - loss_study.NOISE) < 0.01
    one_mode = images[images[:, 0, 0, 0] > 0]
    assert 450 < len(one_mode) < 550 and loss_study.judge(one_mode)[0] == 0
    assert loss_study.judge(np.zeros([10, 1, 4, 4]))[1] == 0.5


def test_methods_that_are_killed_and_shared_among_workers_are_known():
    for flags in kill_methods.METHODS.values():
        assert options_of(*flags)['sched_args']
    for method, _ in worker_latents.METHODS.values():
        for args in (method, method['G_args'], method['D_args']):
            assert callable(get_obj_by_name(args['func_name']))


def test_losses_and_methods_are_trained_and_judged(capsys):
    with loss_study.pair_of('rals', ['', 'gp+drift'], 'cpu') as pair:
        results = []
        for variant, steps in (('', 3), ('gp+drift', 3), ('', 0), ('', 3)):
            before, after = pair.train(variant, 0, steps)
            assert (np.abs(after['G'] - before['G']).max() > 0) == (steps > 0) == (
                np.abs(after['D'] - before['D']).max() > 0)
            results.append(after['D'])
            assert loss_study.judge(pair.images(0))[1] > loss_study.NOISE
    np.testing.assert_array_equal(results[0], results[3])  # it starts over each time
    assert np.abs(results[0] - results[1]).max() > 0
    share, distance = loss_study.train(latent_methods.METHODS['WGAN-GP, MLP']._replace(kimg=0.064), 0, 'cpu')
    assert 0 <= share <= 0.5 and distance > loss_study.NOISE
    assert loss_study.cell([(0.1, 0.2), (0.3, 0.2), (0.5, 0.31)], 0.15) == '1: 0.30, 0.20'


def test_inputs_of_users_get_the_commands_that_take_them(tmp_path):
    (tmp_path / 'a.zip').write_bytes(b'no zip')
    words = users_inputs.commands_for(str(tmp_path / 'a.zip'))[0].format(path=tmp_path / 'a.zip').split()
    code, lines = users_inputs.run(words)
    assert code == 2 and len(lines) == 1 and lines[0].startswith('dataset_tool.py: error: ') and 'a.zip' in lines[0]
    assert users_inputs.commands_for(str(tmp_path / 'a.md')) == ()
    assert users_inputs.cell(['a|b', '<p>']) == 'a\\|b<br>&lt;p>'
    assert users_inputs.cell([str(i) for i in range(40)]).split('<br>')[5:8] == ['5', '...', '34']


STAGES = [scale.Stage('G', 1, 0.1, 0.2, sums=(32 << 20, 1 << 20), gathers=(2048,)),
          scale.Stage('G_reg', 4, 0.05, 0.3, sums=(30 << 20,)), scale.Stage('Gs', 1, 0.01, 0.0)]
IDEAL, SLOW = scale.Network('ideal', float('inf'), 0.0), scale.Network('slow', 1e8, 1e-4)
COUNTS = [2 ** i for i in range(11)]


def test_limits_of_the_model_of_many_workers():
    for network in (IDEAL, SLOW):
        for overlap in (0.0, 0.5, 1.0):
            assert scale.predict(STAGES, 4, 1, network, overlap, slower=1.3) == (1, 1)
    for count in COUNTS:
        speedup, cost = scale.predict(STAGES, 4, count, IDEAL, overlap=0.0)
        assert speedup == pytest.approx(count) and cost == pytest.approx(1)
        shared = [stage._replace(name=stage.name[0], fixed=0.0) for stage in STAGES]  # all work is that of images
        assert scale.predict(shared, 1, count, IDEAL, 0.0, one=count) == pytest.approx((count, 1))
    assert scale.predict(STAGES, 4, 8, IDEAL, 0.0, slower=2.0) == pytest.approx((4, 2))
    one_image, two_images = (scale.iteration_sec(STAGES[1:2], images, 1, IDEAL, 0.0) for images in (1, 2))
    assert one_image == two_images == pytest.approx((0.05 + 0.3 * 2) / 4)  # path lengths of one image at least


def test_sums_of_the_model_are_rings_and_hide_behind_the_backward_pass():
    ring = 2 * 3 * (33 * 2 ** 20 / 4 / 1e8 + 2048 / 1e8 + 3 * 1e-4)  # each worker has a place of its own for values
    assert scale.reduction_sec(STAGES[0], 4, SLOW) == pytest.approx(ring)

    def seconds(overlap, stage=STAGES[0]):
        return scale.iteration_sec([stage], 4, 4, SLOW, overlap)
    assert seconds(0.0) == pytest.approx(0.1 + 0.2 * 4 + ring)
    assert seconds(0.5) == pytest.approx(0.1 + 0.2 * 4 + ring / 2)
    assert seconds(1.0) == pytest.approx(0.9 + max(ring - 0.6, 0)) and ring < 0.6
    fast = STAGES[0]._replace(fixed=0.03, each=0.0)
    assert seconds(1.0, fast) == pytest.approx(0.03 + ring - 0.02)


def test_the_model_is_monotone():
    def cost(count, bandwidth=1e9, latency=1e-5, overlap=0.3):
        weak = scale.predict(STAGES, 4, count, scale.Network('', bandwidth, latency), overlap)
        strong = scale.predict(STAGES, 1024 // count, count, scale.Network('', bandwidth, latency), overlap, one=1024)
        return np.array([weak.cost, strong.cost])
    assert all((cost(2 * count) > cost(count)).all() for count in COUNTS[:-1])
    for worse in (dict(bandwidth=5e8), dict(latency=1e-4), dict(overlap=0.0)):
        assert all((cost(count, **worse) > cost(count)).all() for count in COUNTS[1:])


def row(name, every, few, alone, sums=()):
    """A measurement in which two workers hide a quarter of the sums, and the rewriting saves a fifth."""
    bare = 0.001 + sum(sums) / 1e9
    plain = alone * 1.25
    return dict(name=name, every=every, sums=list(sums), gathers=[], few=few, alone=alone, plain=plain, bare=bare,
                together=plain + 0.75 * bare)


def test_measurements_become_stages(tmp_path, capsys):
    rows = [row('G', 1, 0.5, 0.9, [10 ** 8]), row('D_reg', 16, 0.5, 0.4, [10 ** 7])]
    main, noisy = scale.stages_of(rows, 4, faster=10, stage_sec={'D_reg': 0.008})
    assert main == ('G', 1, pytest.approx(0.01), pytest.approx(0.02), (10 ** 8,), ())
    assert (noisy.fixed, noisy.each) == (pytest.approx(0.008), 0)  # no negative time of an image
    with pytest.raises(UserError, match="there is no stage 'E', only G, D_reg"):
        scale.stages_of(rows, 4, stage_sec={'E': 1})
    assert scale.measured_overlap(rows, 0.001) == pytest.approx(0.25)
    assert scale.measured_slower(rows) == pytest.approx(1.25)
    here = scale.network_of(rows, 0.001)
    assert (here.bandwidth, here.latency) == (pytest.approx(1e9), 0.0005)
    (tmp_path / 'found.json').write_text(json.dumps(dict(
        rows=rows, latency=0.001, images=4, threads=1, tensorflow='2.21.0', title='64x64')))
    scale.main([f'--measurement={tmp_path}/found.json', '--network=mine:8:0', '--minibatch=24'])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith('Prediction') for line in lines) == 3
    assert [line.split('|')[1].strip() for line in lines if line.endswith(') |')] == (
        ['1', '2', '4', '8'] + [f'{count:,}' for count in COUNTS])  # 24 images divide by 8
    for wrong, message in (('--network=a:b:1', 'NAME:GBIT:MICROSECONDS'), ('--stage-ms=G', 'NAME=MS')):
        with pytest.raises(SystemExit):
            scale.main([wrong])
        assert message in capsys.readouterr().err


def test_sums_of_a_stage_are_found_in_its_graph():
    with tf.Graph().as_default(), tf.device('/job:worker/replica:0/task:0/device:CPU:0'):
        inputs = [tf.zeros([7]), tf.zeros([2, 5], tf.int32), tf.zeros([9]), tf.zeros([3])]
        first, values, _other, last = [collective_ops.all_reduce(value, 2, 1, key, 'Add', 'Id')
                                       for key, value in enumerate(inputs)]
        with tf.control_dependencies([first, values]):
            op = tf.group(tf.identity(last))
    assert scale_pair.reductions(op, 2) == ([28, 12], [20])


def test_translators_stand_below_what_they_must_beat():
    record = dict(network='network-snapshot-000003', results=dict(cats200_domain=97.5, cats200_edges=0.5),
                  references={'input ignored': dict(domain=100.0, edges=1.0)})
    rows = [(translation.VARIANTS[0], dict(wall=90, cpu=150), [dict(record, results={}), record])]
    lines = translation.table('coats', rows)
    assert lines[2:6] == ['| | domain | edges | epochs | minutes | CPU minutes |', '|---|---|---|---|---|---|',
                          '| *input ignored* | 100.0 | 1.00 | | | |', '| CycleGAN | 97.5 | 0.50 | 3 of 6 | 1.5 | 2.5 |']
