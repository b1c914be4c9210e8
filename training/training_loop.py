"""The training loop: sets up, resumes, iterates, reports, saves; it knows no network, loss or dataset."""

import contextlib
import os
import time
from typing import NamedTuple

import tensorflow.compat.v1 as tf

import dnnlib
from dnnlib import UserError, tflib
from dnnlib.run.heartbeat import Heartbeat
from dnnlib.run.signals import StopSignals
from dnnlib.tflib import collectives
from dnnlib.tflib.ops import native
from dnnlib.util import first_line, get_obj_by_name
from training import methods, misc, train_step
from training.data import ahead, classes, crc32c
from training.data.streams import open_streams, stream_options
from training.iteration import Iteration
from training.report import grid, reporter, steering
from training.report.fakes import fakes_of
from training.schedule import Schedule, is_new_level
from training.state import files, non_finite, saver, transfer
from training.state.checkpoints import Checkpoints, Saving
from training.state.clock import Clock
from training.workers import Agreement, Follower, compare_data

ABORTED = -1  # what a training returns that `abort.txt` or a command stopped


class Options(NamedTuple):
    """Options of a training, whatever its method."""
    dataset_args: dict = None           # options of load_dataset that all streams have
    stream_args: dict = None            # {name of a stream: its further ones}; None = one stream, 'reals', without any
    sched_args: dict = None             # func_name of the schedule, by default training_schedule, and its options
    grid_args: dict = None              # options of setup_snapshot_image_grid
    tf_config: dict = None              # options of tflib.init_tf
    data_dir: str = None                # folder that datasets are looked up in, None = the working directory
    seed: int = 1000                    # of initial weights, order of the data and all noise, >= 0; as published
    minibatch_repeats: int = 4          # iterations between two looks at the schedule, as published
    total_kimg: float = 25000           # length of the training, thousand images shown; as published for FFHQ
    bad: str = 'stop'                   # at an image that can't be read: 'stop', or 'skip' it and count
    mirror_augment: bool = False        # flip half of the images left to right? Off, since not all data allow it
    image_snapshot_ticks: int = 50      # ticks between two picture grids, None = never
    network_snapshot_ticks: int = 50    # ticks between two network files, None = never
    checkpoint_minutes: float = 10      # between two states, None = only with the networks; what a crash may cost
    keep: int = 2                       # newest states that are kept, >= 1; two, in case the disk damages one
    keep_best: list = None              # also keep the state of the best metric: [result, 'lowest' or 'highest']
    nan_patience: int = 100             # steps left out in a row before going back, see non_finite; 0 = never
    save_tf_graph: bool = False         # show the graph in TensorBoard? It makes large files
    save_weight_histograms: bool = False  # show histograms of the weights in TensorBoard? They take time
    resume_state: str = None            # folder of the state, of another run, to start from
    resume_pkl: str = None              # network file to start from, None = new networks
    resume_kimg: float = None           # thousand images at which to start counting, None = see transfer.start_kimg
    resume_time: float = 0.0            # seconds at which to start counting
    strict: bool = False                # refuse a resume_pkl whose variables are not exactly those of the networks?
    holdout: float = 0.0                # share of the data that is not trained on
    data_workers: object = 'auto'       # threads that decode, see `ahead.count_threads`; any number: the same training


class Training(NamedTuple):
    """What is trained, ready to run."""
    streams: dict           # {name: Stream}
    schedule: Schedule      # settings as a function of the images shown
    method: train_step.Method
    networks: dict          # {name: tflib.Network}
    stages: list            # of train_step.Stage
    iteration: Iteration    # runs the stages
    start_kimg: float       # at which a new training starts counting


def training_loop(submit_config=None, metric_callback=None, dry_run=False, method_args=None, stop_signals=None,
                  cluster=None, **options):
    """Trains, from the newest state in the run directory if there is one.

    Writes `reals.png`, `classes.json` (names of the labels, if they have any), `skipped.csv` (files of the dataset that
    are not taken, if there are any), `fakes_init.png`, `fakes<kimg>.png`, `network-snapshot-<kimg>.pkl`,
    `network-final.pkl`, `stats.jsonl`, TensorBoard events and `state/` into the run directory, where no other process
    may be training. On SIGINT, SIGTERM or `abort.txt` the running iteration is finished, state and networks are saved.
    While the disk is full the training waits.

    Args:
        submit_config: SubmitConfig of the run; `None` = write into the working directory.
        metric_callback: Called at every tick with the path of its network file or `None`, and with a function of
            (count, seed) that yields minibatches of the method's fakes (Translations if it translates), or `None`;
            returns {name of a result: value} or `None`. The workers behind worker 0 have no file and call it only
            where there is one.
        dry_run: Only run each operation of the first iteration once, and write nothing?
        method_args: func_name of a method, see `training.methods`, and its options; `None` = StyleGAN2.
        stop_signals: StopSignals that stop it, for a `metric_callback` that looks at them too; `None` = new ones.
        cluster: Cluster of the workers that train together, with the same options; only worker 0 has a run directory.
        options: Fields of Options and, for StyleGAN2, of `training.methods.stylegan2.Options`, as published.
    Returns: 0 at the end of the training, else the number of the signal that stopped it, -1: a file or command.
    Raises: UserError for options, unknown ones included, or data that can't be used.
    """
    run_dir = submit_config.run_dir if submit_config is not None else os.getcwd()
    options, method_args = split_options(options, method_args)
    tflib.init_tf(dict({'rnd.np_random_seed': options.seed, 'cluster': cluster}, **(options.tf_config or {})))
    if collectives.worker():  # worker 0 has all files but the data
        run_dir, options = None, options._replace(resume_pkl=None, resume_state=None)
    print('Device: ' + tflib.device_description())
    with contextlib.ExitStack() as stack:
        stack.enter_context(crc32c.using(native.crc32c()))
        streams = stack.enter_context(open_streams(
            stream_options(options.dataset_args, options.stream_args), options.seed, options.data_dir, options.bad,
            options.holdout, options.mirror_augment, None if dry_run else run_dir,
            ahead.count_threads(options.data_workers, cluster)))
        compare_data(streams)
        print('Building the networks and the training; large ones take up to a few minutes...', flush=True)
        with Heartbeat(lambda: 'Still building...'):
            training = set_up(streams, options, method_args, run_dir and files.latest_state(run_dir))
            if dry_run:
                return try_iteration(training, options.seed)
            pictures, states, counters = resume(training, options, run_dir)
        signals, agreement = stack.enter_context(stop_signals or StopSignals()), Agreement()
        checkpoints = Checkpoints(counters, Saving(
            run_dir, states, non_finite.Watch(training.stages, options.nan_patience, states, run_dir), Clock(counters),
            save_networks=lambda path: misc.save_networks(training.networks, training.method, path),
            minutes=options.checkpoint_minutes, should_stop=lambda: signals.received, agree=agreement.saves))
        report = make_reporter(training, options, checkpoints, pictures, metric_callback)
        stack.callback(report.close)
        stack.enter_context(Heartbeat(report.line, say=report.say))
        print('Training for %g kimg, now at %.1f...' % (options.total_kimg, counters.nimg / 1000))
        steered = steering.Steering(run_dir, checkpoints, report, lambda name: pictures.save_fakes(
            training.networks, name), lambda: bool(signals.received))
        with checkpoints.saving_after_errors(lambda: training.iteration.is_running):
            iterate(training, options, checkpoints, report, lambda: agreement.stops(
                dnnlib.RunContext.get().should_stop() or signals.received or steered.update()))
            is_done = counters.nimg >= options.total_kimg * 1000 and counters.iteration % options.minibatch_repeats == 0
            stopped_by = 0 if is_done else signals.received or ABORTED
            if stopped_by:
                print('Stopped at kimg %.1f, %s' % (counters.nimg / 1000, checkpoints.stop()))
            else:
                checkpoints.finish()
        return stopped_by


def split_options(options, method_args):
    """Options of the loop and of the method, from the keyword arguments of `training_loop`.

    Args:
        options: Fields of Options; without `method_args` also of the published method.
        method_args: See `training_loop`.
    Returns: (Options, method_args).
    Raises: UserError for unknown or bad ones; those of the method are looked at when it is made.
    """
    if method_args is None:
        method_args = {name: value for name, value in options.items() if name not in Options._fields}
        method_args['func_name'] = methods.PUBLISHED
        options = {name: value for name, value in options.items() if name in Options._fields}
    unknown = sorted(set(options) - set(Options._fields))
    if unknown:
        raise UserError(f'training_loop: unknown option {unknown[0]!r}')
    options = Options(**options)
    if not isinstance(options.minibatch_repeats, int) or options.minibatch_repeats < 1:
        raise UserError(f'minibatch_repeats must be a whole number of at least 1, got {options.minibatch_repeats!r}')
    return options, method_args


def set_up(streams, options, method_args, state=None):
    """Makes the method, its networks and its stages; takes over the values of a network file where one is given.

    Args:
        streams: {name: Stream}.
        options: Options.
        method_args: func_name of the method and its options.
        state: Folder of a state that will be loaded, so that no network file is needed; `None` = none.
    Returns: Training, with initialized variables.
    Raises: UserError for options that don't fit together.
    """
    with refusing_bad_options():
        datasets = {name: stream.dataset for name, stream in streams.items()}
        data = next(iter(datasets.values()))
        schedule = Schedule(data, options.sched_args or {}, collectives.num_workers(), options.total_kimg)
        method_options = {name: value for name, value in method_args.items() if name != 'func_name'}
        method = get_obj_by_name(method_args['func_name'])(streams, schedule, **method_options)
        resume_pkl = options.resume_pkl if options.resume_state is None and state is None else None
        networks, start_kimg = transfer.make_networks(method.nets, data, transfer.Start(
            resume_pkl, options.resume_kimg, options.total_kimg, options.strict))
        step = train_step.Step(method, networks, datasets, schedule.levels, options.minibatch_repeats)
        with tflib.initializing_together():
            stages = method.stages(step)
            step.sched.check(schedule.last)
            tflib.init_uninitialized_vars()
        return Training(streams, schedule, method, networks, stages, Iteration(stages, step, streams), start_kimg)


@contextlib.contextmanager
def refusing_bad_options():
    """While entered, what Python and TensorFlow say about options that don't fit together becomes a UserError."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError,
            tf.errors.OpError) as error:
        text = first_line(error)
        raise UserError(f'the training cannot be set up with these options ({type(error).__name__}: {text})') from error


def try_iteration(training, seed):
    """Runs every session call of an iteration once, on one minibatch of one round, and prints how long that took."""
    counters = files.new_counters(training.start_kimg * 1000)
    sched = training.schedule(counters.nimg)
    sched.update(minibatch_size=sched.minibatch_gpu * collectives.num_workers(), rounds=1, new_level=True)
    start = time.time()
    with refusing_bad_options():
        training.iteration.run(sched, seed, counters, ignore_gates=True)
    shape = next(iter(training.streams.values())).dataset.shape
    height, width = (side >> int(sched.lod) for side in shape[1:])
    images = f'{sched.minibatch_size} image{"" if sched.minibatch_size == 1 else "s"} of {height}x{width} pixels'
    print(f'Ran every operation of an iteration once, {images}, in {time.time() - start:.1f} s. Nothing was written.')
    return 0


def resume(training, options, run_dir):
    """Makes what a run directory holds from the start, and loads the state to continue from, if there is one.

    Args:
        training, options: Training, whose variables and positions in the streams change; Options.
        run_dir: Run directory; what a killed process left unfinished there is removed. `None` = worker 0 has it.
    Returns: (SnapshotGrid, StateSaver, counters); another worker has no grid.
    """
    if run_dir is None:
        states = saver.StateSaver(None)
        return None, states, states.share(None)
    files.remove_leftovers(run_dir)
    pictures = grid.SnapshotGrid(training.streams, run_dir, training.method, options.grid_args or {})
    pictures.draw_latents(training.networks)
    pictures.save_sheets()
    data = next(iter(training.streams.values())).dataset
    if data.label_names:
        classes.save_names(run_dir, data.label_names)  # beside the networks
    states = saver.StateSaver(run_dir, options.keep, options.keep_best, pictures)
    counters = states.restore_latest()
    if counters is None and options.resume_state is not None:
        counters = states.load(options.resume_state)
        print(f'Starting from the state {options.resume_state} at kimg {counters.nimg / 1000:.1f}.')
    counters = states.share(counters or files.new_counters(training.start_kimg * 1000, options.resume_time))
    if counters.iteration == 0:
        pictures.save_fakes(training.networks, 'fakes_init.png')
    return pictures, states, counters


def make_reporter(training, options, checkpoints, pictures, metric_callback):
    """The Reporter of a training; adds the graph and histograms of the weights to TensorBoard if that is wanted."""
    method, networks, step = training.method, training.networks, training.iteration.step
    fakes = fakes_of(method, networks, training.streams, options)
    measure = metric_callback and (lambda network_pkl: metric_callback(network_pkl, fakes))
    if collectives.worker() > 0:
        return Follower(checkpoints, options.network_snapshot_ticks, measure)
    rates = {name: group.lrate for name, group in method.groups.items() if step.sched.is_fed(group.lrate)}
    monitors = () if method.monitors is None else tuple(method.monitors(networks))
    report = reporter.Reporter(checkpoints, reporter.Reporting(
        networks, rates, pictures, options.total_kimg, options.image_snapshot_ticks,
        options.network_snapshot_ticks, method.logits, step.progress, monitors + tuple(step.monitors), measure,
        training.iteration.take_waited))
    if options.save_tf_graph:
        report.writer.add_graph(tf.get_default_graph())
    if options.save_weight_histograms:
        for name in {name for group in method.groups.values() for name in group.nets}:
            networks[name].setup_weight_histograms()
    return report


def iterate(training, options, checkpoints, report, should_stop):
    """The loop itself: iterations and ticks, up to the end or until somebody wants to stop.

    Args:
        training: Training.
        options: Options.
        checkpoints: Checkpoints, with the counters.
        report: Reporter.
        should_stop: Function without arguments, called before each iteration.
    """
    context, counters, repeats = dnnlib.RunContext.get(), checkpoints.counters, options.minibatch_repeats
    end = options.total_kimg * 1000
    while not should_stop() and (counters.nimg < end or counters.iteration % repeats != 0):
        sched_nimg = counters.nimg if counters.iteration % repeats == 0 else counters.sched_nimg
        sched = training.schedule(sched_nimg)
        sched.new_level = is_new_level(training.schedule(counters.sched_nimg), sched)
        training.iteration.run(sched, non_finite.attempt_seed(options.seed, counters), counters)
        counters.sched_nimg = sched_nimg  # only now, so that an error in between does not lose a new level
        counters.nimg += sched.minibatch_size
        counters.iteration += 1
        if counters.iteration % repeats == 0:
            done = counters.nimg >= end
            if done or counters.tick < 0 or counters.nimg >= counters.tick_nimg + sched.tick_kimg * 1000:
                report.tick(sched, done)
                context.update(cur_epoch=counters.nimg / 1000, max_epoch=options.total_kimg)
        tick_nimg = sched.minibatch_size * repeats if counters.tick < 0 else sched.tick_kimg * 1000
        report.step(tick_nimg, went_back=checkpoints.update())
