"""The benchmarks count operations as one does by hand, and the study of the losses knows what it looks for."""

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks import generate, loss_study, measure, users_inputs
from dnnlib import tflib


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


def test_a_loss_is_trained_and_judged():
    share, distance = loss_study.train('G_wgan', 'D_wgan', seed=0, kimg=0.064, device='cpu')
    assert 0 <= share <= 0.5 and distance > loss_study.NOISE


def test_inputs_of_users_get_the_commands_that_take_them(tmp_path):
    (tmp_path / 'a.zip').write_bytes(b'no zip')
    words = users_inputs.commands_for(str(tmp_path / 'a.zip'))[0].format(path=tmp_path / 'a.zip').split()
    code, lines = users_inputs.run(words)
    assert code == 2 and len(lines) == 1 and lines[0].startswith('dataset_tool.py: error: ') and 'a.zip' in lines[0]
    assert users_inputs.commands_for(str(tmp_path / 'a.md')) == ()
    assert users_inputs.cell(['a|b', '<p>']) == 'a\\|b<br>&lt;p>'
    assert users_inputs.cell([str(i) for i in range(40)]).split('<br>')[5:8] == ['5', '...', '34']
