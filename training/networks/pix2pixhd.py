"""pix2pixHD's generator for large images and its encoder (Wang et al. 2018, sections 3.1 and 3.4)."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import layout
from training.blocks import antialias, label_maps, plain
from training.blocks.residual import residual_layer, run_chain, scoped
from training.networks import resnet

UNFINISHED = -3  # the last three layers of the global generator are left out below a local enhancer


def G_pix2pixhd(
        maps_in,                    # What is drawn from: one-hot labels, edges, features, or images: [N, C, H, W].
        num_channels=36,            # Channels C of these.
        out_channels=3,             # Channels of the images.
        resolution=(512, 1024),     # Side of the images, or (height, width).
        fmaps=64,                   # Feature maps of the first layer of the last part; published: 32 with an enhancer.
        num_blocks=9,               # Residual blocks of the global generator; as published.
        num_downs=4,                # How often it halves the size; as published.
        num_enhancers=0,            # Local enhancers: each doubles the size of the images; published is 1.
        num_local_blocks=3,         # Residual blocks of each enhancer; as published.
        init='normal_weights',      # Initial weights: see plain.initializers; as published.
        init_gain=0.02,             # Their gain; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Draws images: [N, out_channels, H, W] in [-1, 1]."""
    resnet.check_size(resolution, num_downs + num_enhancers, maps_in, num_channels)
    setting = plain.Setting(init=init, gain=init_gain)
    pyramid = [layout.from_nchw(maps_in)]
    for _ in range(num_enhancers):
        pyramid.append(antialias.average_pool(pyramid[-1]))
    chain = resnet.steps(setting, out_channels, fmaps << num_enhancers, num_blocks, num_downs)
    with tf.variable_scope('Global'):
        x, _ = run_chain(chain[:UNFINISHED] if num_enhancers else chain, pyramid.pop())
    for number in range(1, num_enhancers + 1):
        width = fmaps << (num_enhancers - number)
        with tf.variable_scope(f'Enhancer{number}'):
            first = resnet.first_steps(setting, width) + resnet.down_steps(setting, 'Down', 2 * width)
            then = [scoped(f'Block{i}', lambda x: residual_layer(x, setting)) for i in range(num_local_blocks)]
            then += resnet.up_steps(setting, 'Up', width)
            then += resnet.last_steps(setting, out_channels) if number == num_enhancers else []
            x, _ = run_chain(then, run_chain(first, pyramid.pop())[0] + x)
    return tf.identity(layout.to_nchw(x), name='images_out')


def E_pix2pixhd(
        images_in,                  # Images [N, num_channels, H, W].
        instances_in,               # Numbers of instances [N, 1, H, W], below 2^24.
        num_channels=3,             # Channels of the images.
        out_channels=3,             # Numbers that describe an instance; as published.
        resolution=(512, 1024),     # Side of the images, or (height, width).
        fmaps=16,                   # Feature maps of the first layer, doubled where the size is halved; as published.
        num_downs=4,                # How often the size is halved; as published.
        init='normal_weights',      # Initial weights: see plain.initializers; as published.
        init_gain=0.02,             # Their gain; as published.
        is_template_graph=False,    # Set by tflib.Network.
        components=None):           # Set by tflib.Network.
    """Features of instances: [N, out_channels, H, W], the same in all pixels of an instance."""
    resnet.check_size(resolution, num_downs, images_in, num_channels)
    instances_in.set_shape([None, 1] + plain.sides(resolution))
    setting = plain.Setting(init=init, gain=init_gain)
    x, _ = run_chain(resnet.steps(setting, out_channels, fmaps, 0, num_downs), layout.from_nchw(images_in))
    return tf.identity(label_maps.instance_means(layout.to_nchw(x), instances_in), name='features_out')
