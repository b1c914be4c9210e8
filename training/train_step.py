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
from dnnlib.util import call_func_by_name


class Feeds(NamedTuple):
    """Placeholders of one session call."""
    reals: tf.Tensor    # uint8 [minibatch_gpu, C, H, W]
    labels: tf.Tensor   # float32 [minibatch_gpu, label_size]
    lrates: dict        # network name -> learning rate, float32 scalar
    seed: tf.Tensor     # int64 [2], see `step_seed`


class Stage(NamedTuple):
    """One session call of an iteration."""
    name: str           # unique; part of the random seed
    networks: tuple     # names of the networks that it updates
    op: tf.Operation    # what the session call runs
    interval: int       # due in every interval-th iteration, beginning with the first
    rounds: int         # session calls in an iteration that it is due in
    fetch: bool         # does it look at the reals of the iteration?


class StepOptions(NamedTuple):
    """How the stages are built; the dictionaries have the keys 'G' and 'D'."""
    minibatch_gpu: int          # images in a session call
    rounds: int                 # session calls whose gradients are accumulated for one step
    lazy_regularization: bool   # regularise in stages of their own?
    reg_intervals: dict         # iterations between two regularisation steps
    opt_args: dict              # keyword arguments of tflib.Optimizer without the learning rate
    loss_args: dict             # func_name and keyword arguments of the loss
    drange_net: list            # [low, high] of the networks' images
    ema_beta: float             # decay of Gs per iteration


def create_feeds(training_set, minibatch_gpu, network_names):
    """Placeholders of everything that changes from one session call to the next.

    Args:
        training_set: Anything with `shape` [C, H, W] and `label_size`.
        minibatch_gpu: Images in one session call, int.
        network_names: Names of the networks that have a learning rate.
    Returns: Feeds.
    """
    with tf.name_scope('Inputs'):
        return Feeds(
            reals=tf.placeholder(tf.uint8, [minibatch_gpu] + list(training_set.shape), name='reals'),
            labels=tf.placeholder(tf.float32, [minibatch_gpu, training_set.label_size], name='labels'),
            lrates={name: tf.placeholder(tf.float32, [], name=name + '_lrate') for name in network_names},
            seed=tf.placeholder(tf.int64, [2], name='seed'))


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


def smoothing_beta(minibatch_size, smoothing_kimg):
    """Decay per iteration of a moving average with a half-life of `smoothing_kimg` thousand images; 0 = no average."""
    return 0.5 ** (minibatch_size / (smoothing_kimg * 1000)) if smoothing_kimg > 0 else 0.0


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

    Args:
        networks: Dictionary with the tflib.Networks 'G', 'D' and 'Gs'.
        training_set: Data set, gives random labels.
        feeds: Feeds.
        options: StepOptions.
    Returns: List of Stage.
    """
    G, D = networks['G'], networks['D']
    reals = process_reals(feeds.reals, training_set.dynamic_range, options.drange_net)
    common = dict(G=G, D=D, training_set=training_set, minibatch_size=options.minibatch_gpu)
    stages = _network_stages('G', G, common, feeds, options, fetch=False)
    ema_op = networks['Gs'].setup_as_moving_average_of(G, beta=options.ema_beta)
    stages += [Stage('Gs', ('Gs',), ema_op, interval=1, rounds=1, fetch=False)]
    common.update(reals=reals, labels=feeds.labels)
    return stages + _network_stages('D', D, common, feeds, options, fetch=True)


def _network_stages(name, network, loss_inputs, feeds, options, fetch):
    """Main stage of one network and, if its loss has a regularisation and that is lazy, the regularisation stage."""
    interval = options.reg_intervals[name]
    opt_args = dict(options.opt_args[name], learning_rate=feeds.lrates[name],
                    minibatch_multiplier=options.rounds if options.rounds > 1 else None)
    if options.lazy_regularization:
        opt_args = lazy_optimizer_args(opt_args, interval)
    with tf.name_scope(name + '_loss'), random.seeded(feeds.seed):
        loss, reg = call_func_by_name(**dict(loss_inputs, **options.loss_args[name]))
        targets = [('', 'Train', tf.reduce_mean(loss), 1)]
        if reg is not None and options.lazy_regularization:
            targets += [('_reg', 'Reg', tf.reduce_mean(reg * interval), interval)]
        elif reg is not None:
            targets = [('', 'Train', tf.reduce_mean(loss) + tf.reduce_mean(reg), 1)]

    stages, main_optimizer = [], None
    for suffix, prefix, target, every in targets:
        optimizer = tflib.Optimizer(name=prefix + name, share=main_optimizer, **opt_args)
        optimizer.register_gradients(target, network.trainables)
        # Gradients alone don't need every forward value that is reported, so the loss is evaluated, too.
        op = tf.group(optimizer.apply_updates(), tf.identity(target))
        stages.append(Stage(name + suffix, (name,), op, every, options.rounds, fetch))
        main_optimizer = main_optimizer or optimizer
    return stages


def run_iteration(stages, feeds, fetch, sched, seed, counters):
    """Runs every stage that is due, each session call with its own random seed.

    Args:
        stages: List of Stage.
        feeds: Feeds.
        fetch: Function without arguments that returns the reals of this iteration, list of (images, labels), one per
            round; called once if a stage asks for them.
        sched: Result of the schedule; a network's learning rate is `<network>_lrate`.
        seed: Seed of the training, int.
        counters: See `state.new_counters`; not changed.
    """
    lrates = {feeds.lrates[name]: sched[name + '_lrate'] for name in feeds.lrates}
    due = [stage for stage in stages if counters.iteration % stage.interval == 0]
    # First of all, so that an unreadable image ends the training between two iterations.
    batches = fetch() if any(stage.fetch for stage in due) else None
    for stage in due:
        for k in range(stage.rounds):
            feed = dict(lrates)
            feed[feeds.seed] = step_seed(seed, counters.nimg, stage.name, k)
            if stage.fetch:
                feed[feeds.reals], feed[feeds.labels] = batches[k]
            tflib.run(stage.op, feed)
