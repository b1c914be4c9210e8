"""The training loop: sets up data, networks and stages, runs the stages, reports, saves."""

import collections
import contextlib
import os
import signal
import threading
import time

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import EasyDict, UserError, tflib
from training import misc, snapshot, state
from training.dataset import load_dataset
from training.schedule import accumulation_rounds, training_schedule
from training.train_step import StepOptions, create_feeds, mirror, smoothing_beta, step_seed, stylegan2_stages


def training_loop(
        submit_config=None,             # SubmitConfig of the run; None = write into the working directory.
        G_args=None,                    # Options of the generator: func_name and keyword arguments.
        D_args=None,                    # Options of the discriminator.
        G_opt_args=None,                # Options of tflib.Optimizer for the generator.
        D_opt_args=None,                # Options of tflib.Optimizer for the discriminator.
        G_loss_args=None,               # Loss of the generator: func_name and keyword arguments.
        D_loss_args=None,               # Loss of the discriminator.
        dataset_args=None,              # Options of load_dataset.
        sched_args=None,                # Options of training_schedule.
        grid_args=None,                 # Options of setup_snapshot_image_grid.
        tf_config=None,                 # Options of tflib.init_tf.
        data_dir=None,                  # Folder that data sets are looked up in, None = the working directory.
        seed=1000,                      # Of the initial weights, the order of the data, and all noise; int >= 0.
        G_smoothing_kimg=10.0,          # Half-life of the running average Gs of the generator, thousand images.
        minibatch_repeats=4,            # Iterations between two looks at the schedule.
        lazy_regularization=True,       # Regularise in iterations of its own?
        G_reg_interval=4,               # Iterations between two regularisations of the generator.
        D_reg_interval=16,              # Iterations between two regularisations of the discriminator.
        total_kimg=25000,               # Length of the training, thousand images shown.
        mirror_augment=False,           # Flip half of the reals left to right?
        drange_net=(-1, 1),             # Range of the networks' images.
        image_snapshot_ticks=50,        # Ticks between two grids of fakes, None = never.
        network_snapshot_ticks=50,      # Ticks between two network pickles, None = never.
        checkpoint_minutes=10,          # Minutes between two states to continue from, None = only with the networks.
        save_tf_graph=False,            # Show the graph in TensorBoard?
        save_weight_histograms=False,   # Show histograms of the weights in TensorBoard?
        resume_pkl=None,                # Network pickle to start from, None = new networks.
        resume_kimg=0.0,                # Thousand images at which to start counting.
        resume_time=0.0,                # Seconds at which to start counting.
        resume_with_new_nets=False,     # Copy the weights of resume_pkl into new networks?
        metric_callback=None):          # Called with the path of each network snapshot, returns {name: value}.
    """Trains, from the newest state in the run directory if there is one.

    Writes `reals.png`, `fakes_init.png`, `fakes<kimg>.png`, `network-snapshot-<kimg>.pkl`, `network-final.pkl`,
    `stats.jsonl`, TensorBoard events and `state/` into the run directory. On SIGINT or SIGTERM the running iteration is
    finished and the state saved.

    Returns: 0 at the end of the training, otherwise the number of the signal that stopped it.
    Raises: UserError for options or data that can't be used.
    """
    run_dir = submit_config.run_dir if submit_config is not None else os.getcwd()
    sched_args, grid_args = sched_args or {}, grid_args or {}
    tflib.init_tf(dict({'rnd.np_random_seed': seed}, **(tf_config or {})))
    print('Device: ' + tflib.device_description())
    with contextlib.ExitStack() as stack:
        stack.callback(state.lock_run(run_dir).close)
        training_set = load_dataset(data_dir=data_dir, verbose=True, **dict(dict(seed=seed), **(dataset_args or {})))
        stack.callback(training_set.close)
        sched = _checked_schedule(training_set, sched_args, resume_kimg)
        rounds = accumulation_rounds(sched.minibatch_size, sched.minibatch_gpu)
        grid = _Grid(training_set, grid_args, run_dir, drange_net, sched.minibatch_gpu)
        networks = _setup_networks(training_set, G_args or {}, D_args or {}, resume_pkl, resume_with_new_nets)
        grid.draw_latents(networks['Gs'])

        feeds = create_feeds(training_set, sched.minibatch_gpu, ['G', 'D'])
        stages = stylegan2_stages(networks, training_set, feeds, StepOptions(
            minibatch_gpu=sched.minibatch_gpu, rounds=rounds, lazy_regularization=lazy_regularization,
            reg_intervals=dict(G=G_reg_interval, D=D_reg_interval), opt_args=dict(G=G_opt_args or {}, D=D_opt_args or {}),
            loss_args=dict(G=G_loss_args or {}, D=D_loss_args or {}), drange_net=drange_net,
            ema_beta=smoothing_beta(sched.minibatch_size, G_smoothing_kimg)))
        tflib.init_uninitialized_vars()
        saver = state.StateSaver(run_dir)
        counters = state.new_counters(resume_kimg * 1000, resume_time)
        if state.latest_state(run_dir) is not None:
            counters = saver.restore(state.latest_state(run_dir))
            print('Continuing at kimg %.1f' % (counters.nimg / 1000))
        else:
            grid.save_fakes('fakes_init.png')
        training_set.seek(counters.nimg)
        reporter = _Reporter(run_dir, networks, grid, saver, counters, metric_callback, image_snapshot_ticks,
                             network_snapshot_ticks, total_kimg)
        stack.callback(reporter.close)
        if save_tf_graph:
            reporter.writer.add_graph(tf.get_default_graph())
        if save_weight_histograms:
            networks['G'].setup_weight_histograms()
            networks['D'].setup_weight_histograms()

        def run_iteration(sched):
            """Runs every stage that is due, each with its own random seed, on one minibatch of reals."""
            batches = None
            for stage in stages:
                if counters.iteration % stage.interval != 0:
                    continue
                for k in range(stage.rounds):
                    feed = {feeds.seed: step_seed(seed, counters.nimg, stage.name, k),
                            feeds.lrates['G']: sched.G_lrate, feeds.lrates['D']: sched.D_lrate}
                    if stage.fetch:
                        batches = batches or fetch_batches()
                        feed.update({feeds.reals: batches[k][0], feeds.labels: batches[k][1]})
                    tflib.run(stage.op, feed)

        def fetch_batches():
            """The reals and labels of all rounds of this iteration."""
            reals, labels = training_set.get_minibatch_np(sched.minibatch_size)
            if mirror_augment:
                reals = mirror(reals, seed, counters.nimg)
            return list(zip(np.split(reals, rounds), np.split(labels, rounds)))

        print('Training for %g kimg...' % total_kimg)
        signals = stack.enter_context(StopSignals())
