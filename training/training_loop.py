"""The training loop: sets up data, networks and stages, runs the stages, reports, saves."""

import contextlib
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import EasyDict, UserError, tflib
from dnnlib.run.signals import StopSignals
from dnnlib.tflib import autosummary
from training.data import classes
from training.dataset import load_dataset
from training.options import automatic
from training.report import grid as snapshot
from training.report import reporter as report
from training.report.held_out import with_scores
from training.schedule import Schedule, is_new_level
from training.state import files, non_finite, transfer
from training.state import saver as state
from training.train_step import StepOptions, create_feeds, mirror, run_iteration, stylegan2_stages


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
        reset_opt_for_new_lod=True,     # Forget the optimizers' moments where a level of the growing begins?
        total_kimg=25000,               # Length of the training, thousand images shown.
        bad='stop',                     # What to do about an image that can't be read: 'stop', or 'skip' it and count.
        mirror_augment=False,           # Flip half of the reals left to right?
        drange_net=(-1, 1),             # Range of the networks' images.
        image_snapshot_ticks=50,        # Ticks between two grids of fakes, None = never.
        network_snapshot_ticks=50,      # Ticks between two network pickles, None = never.
        checkpoint_minutes=10,          # Minutes between two states to continue from, None = only with the networks.
        keep=2,                         # States that are kept, the newest; int >= 1.
        keep_best=None,                 # Also keep the state of the best metric: [result, 'lowest' or 'highest'].
        nan_patience=100,               # Steps left out in a row until it goes back, see non_finite, 0 = never.
        save_tf_graph=False,            # Show the graph in TensorBoard?
        save_weight_histograms=False,   # Show histograms of the weights in TensorBoard?
        resume_state=None,              # Folder of the state, of another run, to start from.
        resume_pkl=None,                # Network pickle to start from, None = new networks.
        resume_kimg=None,               # Thousand images at which to start counting, None = see transfer.start_kimg.
        resume_time=0.0,                # Seconds at which to start counting.
        strict=False,                   # Refuse a resume_pkl whose variables are not exactly those of the networks?
        freeze_d=0,                     # First layers of the discriminator that are not trained.
        freeze_mapping=False,           # Don't train the mapping network?
        holdout=0.0,                    # Share of the data that is not trained on but scored by D at every tick.
        metric_callback=None,           # Called at every tick with the path of its network snapshot or None; returns
                                        # {name of a result: value} or None.
        dry_run=False):                 # Only run each operation of the first iteration once, and write nothing?
    """Trains, from the newest state in the run directory if there is one.

    Writes `reals.png`, `classes.json` (names of the labels, if they have any), `fakes_init.png`, `fakes<kimg>.png`,
    `network-snapshot-<kimg>.pkl`, `network-final.pkl`, `stats.jsonl`, TensorBoard events and `state/` into the run
    directory, where no other process may be training. On SIGINT or SIGTERM the running iteration is finished and the
    state saved. While the disk is full the training waits.

    Returns: 0 at the end of the training, otherwise the number of the signal that stopped it.
    Raises: UserError for options or data that can't be used.
    """
    run_dir = submit_config.run_dir if submit_config is not None else os.getcwd()
    _check_intervals(minibatch_repeats=minibatch_repeats, G_reg_interval=G_reg_interval, D_reg_interval=D_reg_interval)
    tflib.init_tf(dict({'rnd.np_random_seed': seed}, **(tf_config or {})))
    print('Device: ' + tflib.device_description())
    with contextlib.ExitStack() as stack:
        training_set = stack.enter_context(load_dataset(
            data_dir=data_dir, verbose=True, **{'seed': seed, 'bad': bad, **(dataset_args or {})}).hold_out(holdout))
        training_set.preload()
        with refusing_bad_options():
            schedule = Schedule(training_set, sched_args or {})
            D_loss_args = automatic.choose_gamma(D_loss_args, training_set, schedule.levels[-1])
            networks = transfer.setup_networks(training_set, G_args or {}, D_args or {})
            start_kimg = resume_kimg or 0.0
            if resume_pkl is not None and resume_state is None and files.latest_state(run_dir) is None:
                start_kimg = transfer.begin_from(networks, training_set, resume_pkl, resume_kimg, total_kimg, strict)
            feeds = create_feeds(training_set, schedule.levels, ['G', 'D'])
            stages = stylegan2_stages(networks, training_set, feeds, StepOptions(
                lazy_regularization=lazy_regularization, reg_intervals=dict(G=G_reg_interval, D=D_reg_interval),
                opt_args=dict(G=G_opt_args or {}, D=D_opt_args or {}), loss_args=dict(G=G_loss_args, D=D_loss_args),
                drange_net=drange_net, smoothing_kimg=G_smoothing_kimg, reset_opt_for_new_lod=reset_opt_for_new_lod,
                frozen=transfer.frozen_variables(networks, freeze_d, freeze_mapping)))
            tflib.init_uninitialized_vars()

        def iterate(sched):
            def fetch():
                reals, labels = next_minibatch(training_set, sched, bad)
                reals = mirror(reals, seed, counters.nimg) if mirror_augment else reals
                return list(zip(np.split(reals, sched.rounds), np.split(labels, sched.rounds)))
            run_iteration(stages, feeds, fetch, sched, non_finite.attempt_seed(seed, counters), counters)

        if dry_run:
            counters = files.new_counters(start_kimg * 1000, resume_time)
            return try_iteration(schedule(counters.nimg), iterate, training_set.shape)
        files.remove_leftovers(run_dir)
        grid = snapshot.SnapshotGrid(training_set, run_dir, drange_net, schedule(total_kimg * 1000).minibatch_gpu,
                                     grid_args or {})
        grid.draw_latents(networks['Gs'])
        if training_set.label_names:
            classes.save_names(run_dir, training_set.label_names)  # beside the networks
        saver = state.StateSaver(run_dir, keep, keep_best, grid)
        counters = first_counters(saver, resume_state, start_kimg, resume_time)
        if counters.iteration == 0:
            grid.save_fakes(networks['Gs'], 'fakes_init.png')
        training_set.seek(counters.nimg)
        signals = dnnlib.RunContext.get().stop_signals = stack.enter_context(StopSignals())
        reporter = report.Reporter(run_dir, networks, grid, saver, counters, EasyDict(
            total_kimg=total_kimg, image_snapshot_ticks=image_snapshot_ticks, checkpoint_minutes=checkpoint_minutes,
            network_snapshot_ticks=network_snapshot_ticks, seek=training_set.seek, metric_callback=with_scores(
                networks, training_set, drange_net, schedule(total_kimg * 1000).minibatch_gpu, metric_callback),
            watch=non_finite.Watch(stages, nan_patience, saver, run_dir), logits='logistic' in D_loss_args['func_name'],
            should_stop=lambda: signals.received))
        stack.callback(reporter.close)
        show_in_tensorboard(reporter.writer, networks, save_tf_graph, save_weight_histograms)
        print('Training for %g kimg, now at %.1f...' % (total_kimg, counters.nimg / 1000))
        with saving_after_errors(reporter):
            return train_until(total_kimg, minibatch_repeats, schedule, iterate, counters, reporter, signals)


def first_counters(saver, resume_state, start_kimg, resume_time):
    """Loads the state to continue from, if there is one; returns its counters, or those of a new training.

    Args:
        saver: StateSaver.
        resume_state: Folder of a state of another run that a new run begins with, `None` = none.
        start_kimg, resume_time: Thousand images and seconds at which a new training starts counting.
    """
    counters = saver.restore_latest()
    if counters is None and resume_state is not None:
        counters = saver.restore(resume_state)
        print('Starting from the state {} at kimg {:.1f}.'.format(resume_state, counters.nimg / 1000))
    return counters or files.new_counters(start_kimg * 1000, resume_time)


def show_in_tensorboard(writer, networks, graph, weight_histograms):
    """Adds the graph, and histograms of the weights of G and D, to what TensorBoard shows, if that is wanted."""
    if graph:
        writer.add_graph(tf.get_default_graph())
    if weight_histograms:
        networks['G'].setup_weight_histograms()
        networks['D'].setup_weight_histograms()


def next_minibatch(training_set, sched, bad):
    """Next images and labels of a data set; reports how many different images were skipped if `bad` is 'skip'."""
    if bad == 'skip':
        autosummary.autosummary('Data/skipped_images', len(training_set.bad_images))
    return training_set.get_minibatch_np(sched.minibatch_size, sched.lod)


def try_iteration(sched, iterate, shape):
    """Runs every session call of an iteration once, on one minibatch of one round, and prints how long that took.

    Args:
        sched: The schedule's result at the start.
        iterate: Function of the schedule's result that does one iteration.
        shape: [C, H, W] of an image at full size.
    Returns: 0.
    """
    sched.update(minibatch_size=sched.minibatch_gpu, rounds=1, new_level=True)
    start = time.time()
    with refusing_bad_options():
        iterate(sched)
    print('Ran every operation of an iteration once, %d image%s of %dx%d pixels, in %.1f s. Nothing was written.' % (
        sched.minibatch_size, '' if sched.minibatch_size == 1 else 's', *(side >> int(sched.lod) for side in shape[1:]),
        time.time() - start))
    return 0


def _check_intervals(**intervals):
    for name, value in intervals.items():
        if not isinstance(value, int) or value < 1:
            raise UserError('{} must be a whole number of at least 1, got {!r}'.format(name, value))


@contextlib.contextmanager
def refusing_bad_options():
    """While entered, what Python and TensorFlow say about options that don't fit together becomes a UserError."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError,
            tf.errors.OpError) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError('the training cannot be set up with these options ({}: {})'.format(
            type(error).__name__, text)) from error


@contextlib.contextmanager
def saving_after_errors(reporter):
    """While entered, an error saves the state before it goes on, and says how to continue."""
    try:
        yield
    except UserError as error:
        raise UserError('{}; {}'.format(error, reporter.save_after_error())) from error
    except Exception:
        print('An error ends the training; ' + reporter.save_after_error())
        raise


def train_until(total_kimg, minibatch_repeats, schedule, iterate, counters, reporter, signals):
    """The loop itself: iterations, ticks, what to do when somebody wants to stop, and what is written at the end.

    Args:
        total_kimg: Thousand images at which the training ends.
        minibatch_repeats: Iterations between two looks at the schedule.
        schedule: See `Schedule`.
        iterate: Function of the schedule's result, with `new_level`, that does one iteration.
        counters: See `state_files.new_counters`; changed.
        reporter: Reporter.
        signals: StopSignals.
    Returns: 0 at the end, otherwise the number of the signal after which the state was saved.
    """
    context = dnnlib.RunContext.get()
    while not context.should_stop() and (
            counters.nimg < total_kimg * 1000 or counters.iteration % minibatch_repeats != 0):
        sched_nimg = counters.nimg if counters.iteration % minibatch_repeats == 0 else counters.sched_nimg
        sched = schedule(sched_nimg)
        sched.new_level = is_new_level(schedule(counters.sched_nimg), sched)
        iterate(sched)
        counters.sched_nimg = sched_nimg  # only now, so that an error in between does not lose a new level
        counters.nimg += sched.minibatch_size
        counters.iteration += 1
        if counters.iteration % minibatch_repeats == 0:
            done = counters.nimg >= total_kimg * 1000
            if done or counters.tick < 0 or counters.nimg >= counters.tick_nimg + sched.tick_kimg * 1000:
                reporter.tick(sched, done)
                context.update(cur_epoch=counters.nimg / 1000, max_epoch=total_kimg)
        reporter.step()
        if signals.received:
            print('Stopped at kimg %.1f, state saved in %s' % (counters.nimg / 1000, reporter.save_state()))
            return signals.received
    if context.should_stop():
        print('Asked to stop at kimg %.1f' % (counters.nimg / 1000))
    reporter.finish()
    return 0
