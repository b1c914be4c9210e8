"""The graph of one training iteration: the losses of StyleGAN2 turned into a list of stages.

A stage is one session call: an operation, how often it is due, and whether it looks at real images. The training loop
runs the stages of the list in order and knows nothing else about the method.
"""

import hashlib
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.util import UserError, call_func_by_name
from training import image_size


class Feeds(NamedTuple):
    """Placeholders of one session call."""
    reals: tf.Tensor    # uint8 [minibatch_gpu, C, h, w], at the level of detail that is trained
    labels: tf.Tensor   # float32 [minibatch_gpu, label_size]
    seed: tf.Tensor     # int64 [2], see `step_seed`
    sched: dict         # field of the schedule -> scalar placeholder, or the number itself if it never changes


class Stage(NamedTuple):
    """One session call of an iteration, or several."""
    name: str           # unique; part of the random seed
    networks: tuple     # names of the networks that it updates
    op: tf.Operation    # what the session call runs
    interval: int       # due in every interval-th iteration, beginning with the first; NEW_LEVEL = where a level begins
    accumulate: bool    # one session call for each round of the accumulation?
    fetch: bool         # does it look at the reals of the iteration?
    skipped: tf.Variable = None  # of an optimizer's stage: steps left out, see `tflib.Optimizer`


NEW_LEVEL = 0


class StepOptions(NamedTuple):
    """How the stages are built; the dictionaries have the keys 'G' and 'D'."""
    lazy_regularization: bool   # regularise in stages of their own?
    reg_intervals: dict         # iterations between two regularisation steps
    opt_args: dict              # keyword arguments of tflib.Optimizer without the learning rate
    loss_args: dict             # func_name and keyword arguments of the loss
    drange_net: list            # [low, high] of the networks' images
    smoothing_kimg: float       # half-life of Gs, thousand images
    reset_opt_for_new_lod: bool  # forget the optimizers' moments where a level begins?
    frozen: dict = {}           # local names of the variables that are not trained


def create_feeds(training_set, levels, network_names):
    """Placeholders of everything that changes from one session call to the next.

    Args:
        training_set: Anything with `shape` [C, H, W] and `label_size`.
        levels: Results of the schedule at each resolution, see `Schedule`; what is the same in all is a constant of the
            graph, which is faster.
        network_names: Names of the networks that have a learning rate.
    Returns: Feeds.
    """
    grows = len(levels) > 1
    channels, height, width = training_set.shape
    with tf.name_scope('Inputs'):
        sched = {name + '_lrate': tf.placeholder(tf.float32, [], name=name + '_lrate') for name in network_names}
        sched['lod'] = tf.placeholder(tf.float32, [], name='lod') if grows else 0.0
        for name in ('minibatch_size', 'minibatch_gpu', 'rounds'):
            same = len({level[name] for level in levels}) == 1
            sched[name] = levels[0][name] if same else tf.placeholder(tf.int32, [], name=name)
        minibatch_gpu = None if tflib.is_tf_expression(sched['minibatch_gpu']) else sched['minibatch_gpu']
        size = [None, None] if grows else [height, width]
        return Feeds(
            reals=tf.placeholder(tf.uint8, [minibatch_gpu, channels] + size, name='reals'),
            labels=tf.placeholder(tf.float32, [minibatch_gpu, training_set.label_size], name='labels'),
            seed=tf.placeholder(tf.int64, [2], name='seed'), sched=sched)


def step_seed(seed, nimg, stage_name, round_idx):
    """Seed of the random numbers of one session call: the same after a restart, unrelated to that of any other call.

    Args:
        seed: Seed of the training, int.
        nimg: Images shown before the iteration, int.
        stage_name: Name of the stage.
        round_idx: Number of the round within the stage.
    Returns: int64 [2], 0 <= value < 2^31.
    """
    digest = hashlib.sha256(repr((int(seed), int(nimg), stage_name, int(round_idx))).encode()).digest()
    return (np.frombuffer(digest[:8], dtype='<u4') >> 1).astype(np.int64)


def mirror(reals, seed, nimg):
    """Flips each image left to right with probability 1/2, drawn from (seed, nimg).

    Args:
        reals: uint8 [N, C, H, W].
        seed: Seed of the training, int.
        nimg: Images shown before this minibatch, int.
    Returns: Copy of the same shape.
    """
    flip = np.random.RandomState(step_seed(seed, nimg, 'mirror', 0)).rand(len(reals)) < 0.5
    reals = reals.copy()
    reals[flip] = reals[flip, :, :, ::-1]
    return reals


def process_reals(reals, drange_data, drange_net):
    """Brings images from the range of the data set to the range of the networks.

    Args:
        reals: [N, C, H, W], any number type.
        drange_data: [low, high] of the data set.
        drange_net: [low, high] of the networks.
    Returns: float32 [N, C, H, W].
    """
    scale = (drange_net[1] - drange_net[0]) / (drange_data[1] - drange_data[0])
    return tf.cast(reals, tf.float32) * scale + (drange_net[0] - drange_data[0] * scale)


def fade_reals(reals, lod, shape):
    """Reals as growing networks see them: partly the next coarser level, pixels repeated up to full size.

    This is the input of the fade in figure 2 of Karras et al. 2018.

    Args:
        reals: [N, C, h, w], at the resolution of the level floor(lod).
        lod: Level of detail, scalar; the coarser level has the share lod - floor(lod).
        shape: [C, H, W] of an image at full size.
    Returns: [N, C, H, W].
    """
    channels, height, width = shape
    num, h, w = reals.shape.as_list()[0] or -1, tf.shape(reals)[2], tf.shape(reals)[3]
    even_h, even_w = h + h % 2, w + w % 2  # of the base block, which does not fade, a side may be odd
    blocks = tf.pad(reals, [[0, 0], [0, 0], [0, h % 2], [0, w % 2]]) if _has_odd_base(height, width) else reals
    blocks = tf.reshape(blocks, [num, channels, even_h // 2, 2, even_w // 2, 2])
    coarse = tf.reduce_mean(blocks, axis=[3, 5], keepdims=True)
    pixels = tf.reshape(tflib.lerp(blocks, coarse, lod - tf.floor(lod)), [num, channels, even_h, even_w])
    pixels = tf.reshape(pixels[:, :, :h, :w], [num, channels, h, 1, w, 1])
    return tf.reshape(tf.tile(pixels, [1, 1, 1, height // h, 1, width // w]), [num, channels, height, width])


def _has_odd_base(height, width):
    size = image_size.find(height, width)
    return size is not None and (size.base_height % 2 or size.base_width % 2)


def smoothing_beta(minibatch_size, smoothing_kimg):
    """Decay per iteration of a moving average with a half-life of `smoothing_kimg` thousand images; 0 = no average.

    `minibatch_size` is a number or a scalar tensor, and so is the result.
    """
    if tflib.is_tf_expression(minibatch_size):
        minibatch_size = tf.cast(minibatch_size, tf.float32)
    return 0.5 ** (minibatch_size / (smoothing_kimg * 1000)) if smoothing_kimg > 0 else 0.0


def can_grow(network):
    """Does the network, or its synthesis part, have the variable `lod`, the level of detail that it works at?"""
    return 'lod' in network.components.get('synthesis', network).vars


def lazy_optimizer_args(opt_args, interval):
    """Optimizer settings for a regularisation that is due only every `interval` iterations (StyleGAN2, appendix B).

    Args:
        opt_args: Keyword arguments of the optimizer; the rate may be a tensor, `beta1` and `beta2` may be missing.
        interval: Iterations between two regularisation steps.
    Returns: Copy in which the rate is multiplied by c = interval / (interval + 1) and the betas are raised to c.
    """
    ratio = interval / (interval + 1)
    adjusted = dict(opt_args, learning_rate=opt_args['learning_rate'] * ratio)
    adjusted.update({beta: opt_args[beta] ** ratio for beta in ('beta1', 'beta2') if beta in opt_args})
    return adjusted


def stylegan2_stages(networks, training_set, feeds, options):
    """The stages of StyleGAN2: G, its regularisation, the moving average Gs, D, its regularisation.

    Growing networks are told the level of detail before, and the optimizers forget their moments at a new level.

    Args:
        networks: Dictionary with the tflib.Networks 'G', 'D' and 'Gs'.
        training_set: Data set, gives random labels.
        feeds: Feeds.
        options: StepOptions.
    Returns: List of Stage.
    Raises: UserError if the schedule grows but a network cannot.
    """
    G, D, lod = networks['G'], networks['D'], feeds.sched['lod']
    grows = tflib.is_tf_expression(lod)
    reals = process_reals(feeds.reals, training_set.dynamic_range, options.drange_net)
    if grows:
        _check_growing(networks)
        reals = fade_reals(reals, lod, training_set.shape)
    common = dict(G=G, D=D, training_set=training_set, minibatch_size=feeds.sched['minibatch_gpu'])
    G_stages, G_opt = _network_stages('G', G, common, feeds, options, fetch=False)
    beta = smoothing_beta(feeds.sched['minibatch_size'], options.smoothing_kimg)
    ema_op = networks['Gs'].setup_as_moving_average_of(G, beta=beta)
    ema_stage = Stage('Gs', ('Gs',), ema_op, interval=1, accumulate=False, fetch=False)
    common.update(reals=reals, labels=feeds.labels)
    D_stages, D_opt = _network_stages('D', D, common, feeds, options, fetch=True)

    stages = []
    if can_grow(G) or can_grow(D):  # in a call of its own: nothing orders it before the reads within one call
        lods = [var for network in (G, D) for name, var in network.vars.items() if name.split('/')[-1] == 'lod']
        lod_op = tf.group(*[tf.assign(var, lod) for var in lods])
        stages.append(Stage('lod', ('G', 'D'), lod_op, interval=1, accumulate=False, fetch=False))
    if grows and options.reset_opt_for_new_lod:
        reset_op = tf.group(*[var.initializer for var in G_opt.variables() + D_opt.variables()])
        stages.append(Stage('reset', ('G', 'D'), reset_op, interval=NEW_LEVEL, accumulate=False, fetch=False))
    return stages + G_stages + [ema_stage] + D_stages


def _check_growing(networks):
    for name in ('G', 'D'):
        if not can_grow(networks[name]):
            raise UserError('lod_initial_resolution: network {} cannot grow; use the networks of config-a to config-d, '
                            'or set lod_initial_resolution to None'.format(name))


def _network_stages(name, network, loss_inputs, feeds, options, fetch):
    """Main stage of one network and, if its loss has a regularisation and that is lazy, the regularisation stage.

    Returns: (list of Stage, the main optimizer, whose state the other shares).
    """
    interval, rounds = options.reg_intervals[name], feeds.sched['rounds']
    opt_args = dict(options.opt_args[name], learning_rate=feeds.sched[name + '_lrate'],
                    minibatch_multiplier=None if isinstance(rounds, int) and rounds == 1 else rounds)
    if options.lazy_regularization:
        opt_args = lazy_optimizer_args(opt_args, interval)
    with tf.name_scope(name + '_loss'), random.seeded(feeds.seed):
        loss, reg = call_func_by_name(**dict(loss_inputs, **options.loss_args[name]))
        loss = autosummary('Loss/' + name, loss)
        targets = [('', 'Train', tf.reduce_mean(loss), 1)]
        if reg is not None and options.lazy_regularization:
            targets += [('_reg', 'Reg', tf.reduce_mean(reg * interval), interval)]
        elif reg is not None:
            targets = [('', 'Train', tf.reduce_mean(loss) + tf.reduce_mean(reg), 1)]

    trained = [var for local, var in network.trainables.items() if local not in options.frozen.get(name, ())]
    stages, main_optimizer = [], None
    for suffix, prefix, target, every in targets:
        optimizer = tflib.Optimizer(name=prefix + name, share=main_optimizer, **opt_args)
        optimizer.register_gradients(target, trained)
        # Gradients alone don't need every forward value that is reported, so the loss is evaluated, too.
        op = tf.group(optimizer.apply_updates(), tf.identity(target))
        stages.append(Stage(name + suffix, (name,), op, every, accumulate=True, fetch=fetch, skipped=optimizer.skipped))
        main_optimizer = main_optimizer or optimizer
    return stages, main_optimizer


def run_iteration(stages, feeds, fetch, sched, seed, counters):
    """Runs every stage that is due, each session call with its own random seed.

    Args:
        stages: List of Stage.
        feeds: Feeds.
        fetch: Function without arguments that returns the reals of this iteration, list of (images, labels), one per
            round; called once if a stage asks for them.
        sched: Result of the schedule, with `rounds` and `new_level` (does a level begin?).
        seed: Seed of the training, int.
        counters: See `state_files.new_counters`; not changed.
    """
    settings = {feed: sched[name] for name, feed in feeds.sched.items() if tflib.is_tf_expression(feed)}
    due = [stage for stage in stages if (
        sched['new_level'] if stage.interval == NEW_LEVEL else counters.iteration % stage.interval == 0)]
    # First of all, so that an unreadable image ends the training between two iterations.
    batches = fetch() if any(stage.fetch for stage in due) else None
    for stage in due:
        for k in range(sched['rounds'] if stage.accumulate else 1):
            feed = dict(settings)
            feed[feeds.seed] = step_seed(seed, counters.nimg, stage.name, k)
            if stage.fetch:
                feed[feeds.reals], feed[feeds.labels] = batches[k]
            tflib.run(stage.op, feed)
