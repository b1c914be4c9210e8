"""Trains a StyleGAN2 network; the same command continues a training that was stopped."""

import ast
import inspect
import json
import os
import re
import shlex
import sys

import dnnlib
from dnnlib import UserError, cli, util

OPTIONS_FILE = 'training_options.json'
NETWORKS = 'training.networks_stylegan2.'
LOSSES = 'training.loss.'

# What the configurations differ in (StyleGAN2, table 1). fmap_base None = the networks' default, 16384.
PRESETS = {
    #             fmap_base  gamma  G architecture  D architecture
    'config-e': (8192, 100, None, None),        # no growing, skip generator, residual discriminator
    'config-f': (None, 10, None, None),         # larger networks
}
PRESETS.update({  # table 2: the generators and discriminators of figure 7
    'config-e-G%s-D%s' % (g, d): (8192, 100, g, d)
    for g in ('orig', 'resnet', 'skip') for d in ('orig', 'resnet', 'skip')})

GROUPS = ('G', 'D', 'G_opt', 'D_opt', 'G_loss', 'D_loss', 'sched', 'grid', 'dataset', 'train')

# Parameters of networks and optimizers that the training itself gives.
NOT_SETTABLE = ('name', 'learning_rate', 'minibatch_multiplier', 'share', 'num_channels', 'resolution', 'label_size',
                'is_training', 'is_validation', 'is_template_graph', 'components', 'return_dlatents',
                'dlatent_broadcast')

EPILOG = '''--set changes any option that has no option of its own, for example
  --set G.fmap_base=4096 --set D.fmap_base=4096    smaller networks
  --set sched.minibatch_gpu_base=32                images per device and round
  --set grid.size=8x4                              columns x rows of the pictures
  --set dataset.max_label_size=full                train with labels'''


def make_options(args):
    """All options of a training with a configuration of the paper, as keyword arguments of `train`.

    Args:
        args: Result of `make_parser`; `config` is a key of PRESETS.
    Returns: Plain dictionary of plain values.
    """
    fmap_base, config_gamma, G_architecture, D_architecture = PRESETS[args.config]
    optional = dict(fmap_base=fmap_base, architecture=G_architecture)
    G_args = dict(func_name=NETWORKS + 'G_main', **{k: v for k, v in optional.items() if v is not None})
    optional.update(architecture=D_architecture)
    D_args = dict(func_name=NETWORKS + 'D_stylegan2', **{k: v for k, v in optional.items() if v is not None})
    return dict(
        data_dir=args.data_dir, total_kimg=args.total_kimg, mirror_augment=args.mirror_augment, seed=args.seed,
        image_snapshot_ticks=args.snap, network_snapshot_ticks=args.snap, checkpoint_minutes=args.checkpoint_minutes,
        G_args=G_args, D_args=D_args,
        G_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8), D_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8),
        G_loss_args=dict(func_name=LOSSES + 'G_logistic_ns_pathreg'),
        D_loss_args=dict(func_name=LOSSES + 'D_logistic_r1', gamma=config_gamma if args.gamma is None else args.gamma),
        dataset_args=dict(tfrecord_dir=args.dataset),
        sched_args=dict(minibatch_size_base=32, minibatch_gpu_base=4, G_lrate_base=0.002, D_lrate_base=0.002),
        grid_args=dict(size='8k', layout='random'), metric_arg_list=args.metrics, tf_config=dict(device=args.device))


def parse_assignment(text):
    """One `--set`, `GROUP.KEY=VALUE`: (group, key, value); the value is a Python literal if it is one, else a text.

    Raises: UserError for another form or an unknown group.
    """
    match = re.match(r'(\w+)\.(\w+)=(.*)$', text, re.DOTALL)
    if not match or match.group(1) not in GROUPS:
        raise UserError('--set expects GROUP.KEY=VALUE with a group of {}, got {!r}'.format(', '.join(GROUPS), text))
    group, key, value = match.groups()
    try:
        value = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        pass
    return group, key, value


def apply_assignments(options, assignments):
    """Puts the values of `--set` into the options, after comparing them with what the functions accept.

    Args:
        options: Result of `make_options`; changed.
        assignments: List of (group, key, value).
    Raises: UserError naming an unknown key, or a value that is a text where a number is expected.
    """
    for group, key, value in assignments:
        defaults = settable(group, options)
        if key not in defaults:
            raise UserError('--set {}.{}: there is no such option; group {} has {}'.format(
                group, key, group, ', '.join(sorted(defaults))))
        is_number = value is None or isinstance(value, (int, float))
        if isinstance(defaults[key], (int, float)) and not is_number and group != 'dataset':
            raise UserError('--set {}.{}: expected a {} such as {!r}, got {!r}'.format(
                group, key, 'bool' if isinstance(defaults[key], bool) else 'number', defaults[key], value))
        (options if group == 'train' else options[group + '_args'])[key] = value
        if key == 'func_name':  # another loss has other arguments
            accepted = settable(group, options)
            options[group + '_args'] = {k: v for k, v in options[group + '_args'].items() if k in accepted}


def settable(group, options):
    """What `--set` can change in a group: {name: default}, from the signatures of the functions that are called."""
    tflib = cli.load_tensorflow()
    from training import cats, dataset_base, networks_stylegan2, schedule, snapshot, training_loop
    if group == 'train':
        return {name: default for name, default in _defaults(training_loop.training_loop).items()
                if name not in options and not name.endswith('_args') and name not in
                ('submit_config', 'metric_callback', 'tf_config')}
    if group == 'dataset':
        is_cats = options['data_dir'] is None and options['dataset_args']['tfrecord_dir'] == 'cats'
        names = {'max_label_size', 'max_images', 'shuffle_mb', 'resolution'} | ({'held_out'} if is_cats else set())
        defaults = dict(_defaults(dataset_base.Dataset.__init__), **_defaults(cats.CatsDataset.__init__))
        return {name: defaults[name] for name in names}
    if group in ('G_loss', 'D_loss'):
        func_name = options[group + '_args']['func_name']
        try:
            return dict(_defaults(util.get_obj_by_name(func_name)), func_name=func_name)
        except ImportError:
            raise UserError('--set {}.func_name: there is no function {!r}'.format(group, func_name)) from None
    if group in ('G_opt', 'D_opt'):
        defaults = dict(_defaults(tflib.Optimizer.__init__), beta1=0.9, beta2=0.999, epsilon=1e-8)
    elif group == 'sched':
        defaults = _defaults(schedule.training_schedule)
    elif group == 'grid':
        defaults = _defaults(snapshot.setup_snapshot_image_grid)
    elif group == 'D':
        defaults = _defaults(networks_stylegan2.D_stylegan2)
    else:
        defaults = dict(_defaults(networks_stylegan2.G_mapping), **_defaults(networks_stylegan2.G_synthesis_stylegan2))
        defaults.update(_defaults(networks_stylegan2.G_main))
    return {name: default for name, default in defaults.items() if name not in NOT_SETTABLE}


def _defaults(function):
    """Parameters of a function that have a default value: {name: default}."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not inspect.Parameter.empty}


def train(submit_config, metric_arg_list, **options):
    """Runs the training loop with the metrics named; what stopped it is left in `submit_config.stopped_by`."""
    cli.load_tensorflow()
    from metrics import metric_base, metric_defaults
    from training.training_loop import training_loop
    group = metric_base.MetricGroup([metric_defaults.metric_defaults[name] for name in metric_arg_list])

    def evaluate(network_pkl):
        if network_pkl is not None:
            group.run(network_pkl, run_dir=submit_config.run_dir, data_dir=options['data_dir'],
                      tf_config=options['tf_config'])
        group.update_autosummaries()

    submit_config.stopped_by = training_loop(submit_config=submit_config, metric_callback=evaluate, **options)


def choose_run(resume, result_dir, run_desc, options):
    """Decides where to train, and enters `resume_pkl` into the options if the training starts from a network.

    Args:
        resume: 'auto', 'none', a run directory, or the path or URL of a network pickle.
        result_dir: Folder of the run directories.
        run_desc: Description of this run.
        options: Result of `make_options`; `resume_pkl` is added.
    Returns: Run directory to continue in, `None` = a new one.
    Raises: UserError if a run directory holds no state or has other options, or a file is no network pickle.
    """
    if resume == 'none':
        return None
    cli.load_tensorflow()
    from dnnlib.run_dir import list_runs
    from training import pretrained, state
    if resume != 'auto' and os.path.isdir(resume):
        if state.latest_state(resume) is None:
            raise UserError('--resume: {!r} holds no saved state; give a run directory with a folder {!r}'.format(
                resume, state.STATE_DIR))
        options.update(_begun_from(resume))
        state.check_same_options(resume, options, OPTIONS_FILE)
        with state.locked_run(resume):  # nothing is written where another process is training
            return resume
    if resume != 'auto':
        pretrained.check_network_file(resume)
        options['resume_pkl'] = resume
    run_dirs = [path for _, path in list_runs(result_dir) if re.match('[0-9]+-' + re.escape(run_desc) + '$',
                                                                      os.path.basename(path))]
    unfinished = state.find_unfinished(run_dirs, options, OPTIONS_FILE)
    finished = unfinished is None and state.find_finished(run_dirs, options, OPTIONS_FILE)
    if finished:
        print('{} is finished; starting a new run. To go on there, raise --total-kimg.'.format(finished))
    return unfinished


def _begun_from(run_dir):
    """`resume_pkl` of the options saved in a run directory, if it was begun from a network."""
    try:
        with open(os.path.join(run_dir, OPTIONS_FILE)) as f:
            return {key: value for key, value in json.load(f).items() if key == 'resume_pkl'}
    except (OSError, ValueError, AttributeError):
        return {}


def make_parser():
    """The command line."""
    p = cli.ArgumentParser(description=__doc__, epilog=EPILOG, formatter_class=cli.argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dataset', required=True, metavar='NAME',
                   help='folder of TFRecords, folder or zip of images, or the built-in data set: cats')
    p.add_argument('--data-dir', metavar='DIR', help='folder that --dataset is in (default: the working directory)')
    p.add_argument('--config', default='config-f', metavar='CONFIG',
                   help='config-e, config-f or config-e-G{orig,skip,resnet}-D{orig,skip,resnet} (default: %(default)s)')
    p.add_argument('--result-dir', default='results', metavar='DIR', help='folder of the runs (default: %(default)s)')
    p.add_argument('--num-gpus', type=int, default=1, metavar='N', help='number of GPUs, 1 (default: %(default)s)')
    p.add_argument('--total-kimg', type=int, default=25000, metavar='KIMG',
                   help='length of the training in thousands of images (default: %(default)s)')
    p.add_argument('--gamma', type=cli.finite_float, metavar='FLOAT', help='weight of R1 (default: by config)')
    p.add_argument('--mirror-augment', type=cli.bool_arg, default=False, metavar='BOOL',
                   help='flip half of the images left to right? (default: %(default)s)')
    p.add_argument('--metrics', type=cli.comma_list, default=[], metavar='LIST',
                   help='metrics of every network snapshot, joined by commas (default: none)')
    p.add_argument('--resume', default='auto', metavar='WHAT',
                   help='auto = continue the same unfinished run if there is one; none = start anew; a run directory; '
                   'a network pickle to start from (default: %(default)s)')
    p.add_argument('--seed', type=int, default=1000, metavar='N', help='random seed (default: %(default)s)')
    p.add_argument('--snap', type=int, default=10, metavar='TICKS',
                   help='ticks between snapshots (default: %(default)s)')
    p.add_argument('--checkpoint-minutes', type=cli.finite_float, default=10, metavar='MIN',
                   help='minutes between saved states (default: %(default)s)')
    p.add_argument('--set', action='append', default=[], dest='assignments', metavar='GROUP.KEY=VALUE',
                   help='any further option, see below; may be given several times; groups: ' + ', '.join(GROUPS))
    p.add_argument('--dry-run', action='store_true', help='print the options and stop')
    cli.add_common(p)
    return p


def check_arguments(args):
    """Refuses what can be refused without TensorFlow; raises UserError."""
    from training import pretrained
    if args.config in ('config-a', 'config-b', 'config-c', 'config-d'):
        raise UserError('--config={}: it needs progressive growing, which is not in this version; use config-e or '
                        'config-f'.format(args.config))
    if args.config not in PRESETS:
        raise UserError('--config={}: expected one of {}'.format(args.config, ', '.join(sorted(PRESETS))))
    if args.num_gpus != 1:
        raise UserError('--num-gpus={}: several GPUs are not in this version; use 1'.format(args.num_gpus))
    for name, minimum in [('total_kimg', 0), ('snap', 1), ('checkpoint_minutes', 0), ('seed', 0), ('gamma', 0)]:
        value = getattr(args, name)
        if value is not None and not minimum <= value < 2 ** 32:
            raise UserError('--{}={}: expected {} to 4294967295'.format(name.replace('_', '-'), value, minimum))
    if args.data_dir is not None and not os.path.isdir(args.data_dir):
        raise UserError('--data-dir={}: there is no such folder'.format(args.data_dir))
    path = os.path.join(args.data_dir or '', args.dataset)
    if args.dataset != 'cats' and not os.path.exists(path):
        raise UserError('--dataset={}: there is no {!r}; give a folder or zip of images, a folder of TFRecords, or '
                        'cats'.format(args.dataset, path))
    is_path = args.resume not in ('auto', 'none') and '://' not in pretrained.get_path_or_url(args.resume)
    if is_path and not os.path.exists(args.resume):
        raise UserError('--resume={}: expected auto, none, a run directory or a network pickle'.format(args.resume))
    cli.writable_dir(args.result_dir)


def main(argv):
    """Parses the command line and trains; returns the exit code."""
    args = make_parser().parse_args(argv)
    check_arguments(args)
    assignments = [parse_assignment(text) for text in args.assignments]
    options = make_options(args)
    _check_metrics(args.metrics)
    apply_assignments(options, assignments)
    dataset_name = re.sub('[^a-zA-Z0-9_.-]', '_', os.path.splitext(os.path.basename(os.path.abspath(args.dataset)))[0])
    run_desc = 'stylegan2-{}-{}gpu-{}'.format(dataset_name, args.num_gpus, args.config)
    if args.dry_run:
        print(json.dumps(options, indent=2))
        return 0
    resume_run_dir = choose_run(args.resume, args.result_dir, run_desc, options)
    if resume_run_dir is not None:
        print('Continuing the run in ' + resume_run_dir)
    print('Training options:\n' + json.dumps(options, indent=2))
    config = dnnlib.SubmitConfig(run_dir_root=args.result_dir, run_desc=run_desc, num_gpus=args.num_gpus,
                                 options_file=OPTIONS_FILE)
    config = dnnlib.submit_run(config, train, resume_run_dir=resume_run_dir, **options)
    if config.stopped_by:
        kept = [arg for i, arg in enumerate(argv) if not arg.startswith('--resume') and argv[i - 1:i] != ['--resume']]
        command = ['python', sys.argv[0]] + kept + ['--resume=' + config.run_dir]
        print('To continue: ' + ' '.join(shlex.quote(part) for part in command))
    return 128 + config.stopped_by if config.stopped_by else 0


def _check_metrics(names):
    if names:
        from metrics.metric_defaults import metric_defaults
        unknown = sorted(set(names) - set(metric_defaults))
        if unknown:
            raise UserError('--metrics={}: there are {}'.format(','.join(unknown), ', '.join(sorted(metric_defaults))))


if __name__ == '__main__':
    cli.run_main(main)
