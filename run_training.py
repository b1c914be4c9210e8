"""Trains generative networks, by default StyleGAN2; the same command resumes a training that was stopped."""

import argparse
import json
import os

import dnnlib
from dnnlib import UserError, cli
from dnnlib.run.context import ABORT_FILE
from dnnlib.run.heartbeat import Heartbeat
from dnnlib.run.run_dir import FolderLocked
from training import image_size
from training.options import augmenting, continuing, data, next_steps, presets, saving, tuning, workers
from training.options import precision as precisions
from training.options.settings import Settings, parse_assignment

SNAP = 10  # ticks between snapshots: enough to see progress, few enough for the disk
EPILOG = '''--set changes any option that has no option of its own (--dry-run lists them all), for example
  --set G.fmap_base=4096 --set D.fmap_base=4096    smaller networks
  --set sched.minibatch_gpu_base=32                images per device and round
  --set D_loss.wgan_lambda=5                       a constant of the loss
  --set grid.size=8x4                              columns x rows of the pictures
  --set dataset.max_label_size=full                train with labels
  --set augment.xflip=0                            an operation of the augmentation, here switched off

'''


def make_options(args):
    """All options of a training with a configuration, as keyword arguments of `train`.

    Args:
        args: Result of `parse_args`.
    Returns: Plain dictionary of plain values.
    """
    preset, snap = presets.find(args.config), SNAP if args.snap is None else args.snap
    of_method = preset.make_options(args)
    options = dict(
        data_dir=args.data_dir, bad=args.bad, data_workers=args.data_workers,
        total_kimg=25000 if args.total_kimg is None else args.total_kimg, mirror_augment=bool(args.mirror_augment),
        seed=args.seed, image_snapshot_ticks=snap, network_snapshot_ticks=snap,
        checkpoint_minutes=args.checkpoint_minutes, keep=args.keep, keep_best=args.keep_best, strict=args.strict)
    options.update(of_method)
    options.update(
        grid_args=of_method.get('grid_args', dict(size='8k', layout='random')), metric_arg_list=args.metrics,
        nan_patience=args.nan_patience, tf_config=dict(device=args.device, ops=args.ops))
    if not preset.has_streams:
        options['dataset_args'] = dict(options.get('dataset_args', {}), tfrecord_dir=args.dataset)
        if args.resolution is not None:
            options['dataset_args']['resolution'] = args.resolution
    if args.holdout:
        options['holdout'] = args.holdout
    precisions.apply(options, args)
    return options


def train(submit_config, metric_arg_list, precision=None, start_timeout=None, max_hours=None, **options):
    """Runs the training loop with the metrics named; what stopped it is left in `submit_config.stopped_by`."""
    cli.load_tensorflow()  # before it is watched, as it stops all threads for seconds
    with workers.joined(submit_config.run_dir, start_timeout) as job:
        if job.is_first:
            from training.options import automatic
            with Heartbeat(lambda: 'Still trying out iterations, for --minibatch-gpu=auto or --precision...'):
                options = automatic.fit_minibatch(options, submit_config.run_dir, job.cluster)
                options = precisions.choose(options, precision, submit_config.run_dir)
        run_loop(submit_config, metric_arg_list, job, job.settle(options), max_hours)


def run_loop(submit_config, metric_arg_list, job, options, max_hours=None):
    """The rest of `train`: the loop and its metrics, with the options that all workers agree on, in a workers.Job."""
    from metrics import group as groups, settings
    from training.training_loop import training_loop
    signals = workers.stop_signals(max_hours)
    abort_file = os.path.join(submit_config.run_dir, ABORT_FILE) if job.is_first else ''
    tf_config = {key: value for key, value in options['tf_config'].items() if key != 'mixed'}  # metrics: in float32
    asked = dict(should_stop=lambda: bool(signals.received) or os.path.exists(abort_file))
    group = groups.agree(job, make_metrics(metric_arg_list, tf_config, **asked) if job.is_first else None, **asked)

    def evaluate(network_pkl, fakes):
        results = {}
        if network_pkl is not None:
            where = dict(run_dir=submit_config.run_dir, data_dir=options['data_dir'], tf_config=tf_config)
            if not job.is_first:  # it has no run directory that would say so
                where.update(settings.reals_of(options))
            if 'method_args' not in options:  # networks that the metrics can open themselves
                group.run_in_training(network_pkl, **where)
            elif fakes is not None:
                reals = {'dataset_args': fakes.reals} if hasattr(fakes, 'reals') else {}
                group.run_fakes_in_training(fakes, network_pkl, **dict(where, **reals))
            elif group.metrics:
                print('Metrics: this method generates nothing without input, so there is nothing to measure')
            results = group.get_results()
        group.update_autosummaries()
        return results

    submit_config.stopped_by = training_loop(submit_config=submit_config, metric_callback=evaluate,
                                             stop_signals=signals, cluster=job.cluster, **options)


def make_metrics(names, tf_config, should_stop):
    """The metrics of a training, whose weights are looked for now rather than at the first network snapshot.

    Args:
        names: Names of `metric_defaults`; `None` = fid50k on a GPU if its weights are available, else none.
        tf_config: Settings of `tflib.init_tf`.
        should_stop: See `metrics.settings.Settings`.
    Returns: MetricGroup.
    Raises: UserError if the weights of a metric that was asked for are missing or corrupt.
    """
    from metrics import metric_base
    from metrics.metric_defaults import metric_defaults
    chosen = names if names is not None else ['fid50k'] if metric_base.has_gpu(tf_config) else []
    group = metric_base.MetricGroup([metric_defaults[name] for name in chosen], should_stop=should_stop)
    try:
        group.check_weights()
    except (UserError, OSError) as error:
        if names is not None:
            raise UserError(f'--metrics: {error}') from error
        print(f'Training without metrics: {error}')
        return metric_base.MetricGroup([])
    return group


def dry_run(changes, metric_arg_list, precision=None, **options):
    """Prints every option that `--set` can change, and tries the first iteration; returns the exit code.

    Args:
        changes: Settings of the options.
        metric_arg_list: Not used.
        precision: See `precisions.choose`.
        options: Keyword arguments of the training loop.
    """
    del metric_arg_list
    print('All options of --set:\n' + '\n'.join(changes.resolved()))
    from training.options import automatic
    from training.training_loop import training_loop
    options = precisions.choose(automatic.fit_minibatch(options), precision)
    return training_loop(dry_run=True, **options)


def parse_args(argv):
    """Parses the command line.

    Args:
        argv: Arguments, list of str.
    Returns: Namespace.
    Raises: UserError for an unknown configuration, or a flag that only other methods understand.
    """
    preset = presets.of_command_line(argv)
    parser = make_parser(preset)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        presets.refuse_foreign(unknown, args.config)
        parser.error('unrecognized arguments: ' + ' '.join(unknown))
    return args


def make_parser(preset):
    """The command line; `preset` = Preset of the method, which has flags of its own."""
    p = cli.ArgumentParser(description=__doc__, epilog=EPILOG + presets.list_configs(),
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dataset', required=not preset.has_streams, metavar='NAME',
                   help='folder of TFRecords, folder or zip of images, or the built-in dataset: cats')
    p.add_argument('--data-dir', metavar='DIR', help='folder that --dataset is in (default: the working directory)')
    p.add_argument('--config', default=presets.DEFAULT_CONFIG, metavar='CONFIG',
                   help='method and its options: config-a to config-f or '
                   'config-e-G{orig,skip,resnet}-D{orig,skip,resnet}; auto and others of StyleGAN2-ADA; see below '
                   '(default: %(default)s)')
    p.add_argument('--list-configs', action=presets.ListConfigs, nargs=0,
                   help='print what the configurations are, and stop')
    p.add_argument('--result-dir', default='results', metavar='DIR', help='folder of the runs (default: %(default)s)')
    workers.add(p)
    length = p.add_mutually_exclusive_group()
    length.add_argument('--total-kimg', '--kimg', type=tuning.kimg, metavar='KIMG', action=tuning.TwoNames,
                        help='length of the training in thousands of images (default: 25000; small: 200; cifar: '
                        '100000)')
    length.add_argument('--epochs', type=cli.finite_float, metavar='N',
                        help='length of the training in passes over the data, rounded up to 4 minibatches, or to one '
                        'with --set train.minibatch_repeats=1; with sincut and ugatit in epochs of so many images, see '
                        '--n-epochs')
    p.add_argument('--resolution', type=image_size.argument, metavar='PIXELS',
                   help='size of the images, 256 or height x width such as 160x128; TFRecords have smaller ones as '
                   'well, pictures are cropped and scaled (default: as stored)')
    p.add_argument('--mirror-augment', '--mirror', type=cli.bool_arg, metavar='BOOL', action=tuning.TwoNames,
                   nargs='?', const=True,
                   help='flip half of the images left to right? (default: False; with dogs-...: True)')
    p.add_argument('--bad', choices=('stop', 'skip'), default='stop',
                   help='at an image that cannot be read: stop, or skip it and count (default: %(default)s)')
    p.add_argument('--data-workers', type=data.threads, default='auto', metavar='N',
                   help='threads of each process that decode images ahead of the training, which is the same for any '
                   'number (default: auto = one for each core, at most 16)')
    p.add_argument('--metrics', type=cli.comma_list, metavar='LIST',
                   help='metrics of every network snapshot, joined by commas, or none (default: fid50k on a GPU, none '
                   'on a CPU)')
    p.add_argument('--holdout', type=cli.finite_float, default=0, metavar='SHARE',
                   help='share of the data, such as 0.1, that is not trained on; the mean scores of D for it, for data '
                   'trained on and for generated images are logged at every tick (default: %(default)s)')
    p.add_argument('--seed', type=int, default=1000, metavar='N', help='random seed (default: %(default)s)')
    saving.add(p)
    precisions.add(p)
    p.add_argument('--set', action='append', default=[], dest='assignments', metavar='GROUP.KEY=VALUE',
                   help='any further option, see below; may be given several times; groups for StyleGAN2: G, D, G_opt, '
                   'D_opt, G_loss, D_loss, augment, sched, grid, dataset, train')
    p.add_argument('--dry-run', action='store_true',
                   help='print all options, build the networks, run one minibatch through one step, and write nothing')
    cli.add_common(p)
    cli.add_selftest(p)
    preset.add_options(p.add_argument_group(
        f'options of {preset.title}', 'those of another method are listed by --config=NAME --help'))
    return p


def check_arguments(args, is_first=True):
    """Refuses what can be refused without TensorFlow; raises UserError. Only worker 0 needs what --resume names."""
    saving.check_numbers(args, total_kimg=0, seed=0)
    saving.check_positive(args, 'epochs')
    presets.find(args.config).check(args)
    if not 0 <= args.holdout < 1:
        raise UserError(f'--holdout={args.holdout:g}: expected a share from 0 to below 1')
    if args.data_dir is not None and not os.path.isdir(args.data_dir):
        raise UserError(f'--data-dir={args.data_dir}: folder not found')
    data.check_path(args, 'dataset')
    saving.check(args, is_first)


@workers.telling
def main(argv):
    """Parses the command line and trains; returns the exit code."""
    args = parse_args(argv)
    cluster = workers.enter(args)
    is_first = cluster is None or cluster.task == 0
    check_arguments(args, is_first)
    if is_first:  # nobody else writes
        cli.writable_dir(args.result_dir)
    if cluster is None and args.num_workers > 1 and not args.dry_run:
        return workers.launch(args, argv, check=make_options)
    options = make_options(args)
    changes = Settings(options, presets.find(args.config), vars(args))
    assignments = [parse_assignment(text, changes.groups) for text in args.assignments]
    _check_metrics(args.metrics)
    options['keep_best'] = _best_of(args.keep_best, args.metrics)
    preset = presets.find(args.config)
    if not preset.has_streams:
        data.look(args)
    changes.apply(assignments)  # loads TensorFlow if there are any
    preset.finish(args, options)
    run_desc = f'{preset.name}-{data.name_of(args)}-{args.num_gpus}gpu-{args.config}'
    resume_run_dir = continuing.choose_run(args.resume, args.result_dir, run_desc, options) if is_first else None
    if args.metrics and is_first:
        make_metrics(args.metrics, options['tf_config'], should_stop=None)  # fails now if weights are missing
    if args.selftest:
        cli.run_selftest(options['tf_config'])
    if 'G_args' in options:  # of StyleGAN
        print(augmenting.describe(options.get('augment_args')))
    print('Training options:\n' + json.dumps(options, indent=2))
    if args.dry_run:
        return dry_run(changes, **options)
    config = dnnlib.SubmitConfig(run_dir_root=args.result_dir, run_desc=run_desc, num_gpus=args.num_gpus,
                                 options_file=continuing.OPTIONS_FILE)
    options.update(workers.limits(args, cluster))
    if not is_first:
        train(config, **options)
        return 0
    try:
        config = dnnlib.submit_run(config, train, resume_run_dir=resume_run_dir, **options)
    except FolderLocked:  # by a process that started at the same moment
        if os.path.isdir(args.resume):
            raise
        config = dnnlib.submit_run(config, train, **options)
    next_steps.tell_next(argv, config.run_dir, options, stopped=bool(config.stopped_by))
    return 0


def _check_metrics(names):
    """Raises UserError for an unknown metric; prints a warning about one of too few images."""
    if names:
        from metrics.metric_defaults import check_names, too_few_images
        try:
            check_names(names)
        except UserError as error:
            raise UserError(f'--metrics: {error}') from None
        for line in too_few_images(names):
            print(line)


def _best_of(result, metrics):
    """`--keep-best` as `training_loop` wants it: [name of a result, 'lowest' or 'highest'], `None` = none."""
    if result is None:
        return None
    from metrics.metric_defaults import best_results
    known = {name + suffix: best for name in metrics or () for suffix, best in best_results(name).items()}
    if result not in known:
        raise UserError('--keep-best={}: expected a result of --metrics that has a best value: {}'.format(
            result, ', '.join(sorted(known)) or 'none; list metrics in --metrics'))
    return [result, known[result]]


if __name__ == '__main__':
    cli.run_main(main)
