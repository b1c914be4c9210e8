"""Trains a StyleGAN2 network; the same command continues a training that was stopped."""

import argparse
import json
import os
import re
import shlex
import sys
from typing import NamedTuple

import dnnlib
from dnnlib import UserError, cli
from dnnlib.run.run_dir import FolderLocked
from training.options import continuing, saving, settings, tuning


class Config(NamedTuple):
    """A configuration of the paper."""
    adds: str               # what is new in it
    G: str                  # build function of the generator, below `training.`
    D: str                  # build function of the discriminator
    G_loss: str             # loss of the generator; that of the discriminator is D_logistic_r1
    gamma: float            # weight of R1
    lazy: bool              # regularise in iterations of its own?
    grows: bool             # grow from 8x8 pixels, see GROWING?
    G_options: dict = {}
    D_options: dict = {}


GROWN_MAIN = dict(synthesis_func='G_synthesis_stylegan_revised', fmap_base=8192)
A = Config('StyleGAN', 'networks_stylegan.G_style', 'networks_stylegan.D_basic', 'G_logistic_ns', 10, False, True)
B = A._replace(adds='+ weight demodulation', G='networks_stylegan2.G_main', D='networks_stylegan2.D_stylegan',
               G_options=GROWN_MAIN, D_options=dict(fmap_base=8192))
C = B._replace(adds='+ lazy regularization', lazy=True)
D = C._replace(adds='+ path length regularization', G_loss='G_logistic_ns_pathreg')
E = D._replace(adds='+ no growing, new architectures', D='networks_stylegan2.D_stylegan2', gamma=100, grows=False,
               G_options=dict(fmap_base=8192))
F = E._replace(adds='+ large networks', gamma=10, G_options={}, D_options={})
PRESETS = {'config-' + letter: config for letter, config in zip('abcdef', (A, B, C, D, E, F))}  # StyleGAN2, table 1
PRESETS.update({  # table 2: config-e with the generators and discriminators of figure 7
    'config-e-G%s-D%s' % (g, d): E._replace(G_options=dict(E.G_options, architecture=g),
                                            D_options=dict(E.D_options, architecture=d))
    for g in ('orig', 'resnet', 'skip') for d in ('orig', 'resnet', 'skip')})

RATES = {128: 0.0015, 256: 0.002, 512: 0.003, 1024: 0.003}
GROWING = dict(lod_initial_resolution=8, G_lrate_base=0.001, G_lrate_dict=RATES, D_lrate_base=0.001, D_lrate_dict=RATES,
               minibatch_size_base=32, minibatch_size_dict={8: 256, 16: 128, 32: 64, 64: 32},
               minibatch_gpu_base=4, minibatch_gpu_dict={8: 32, 16: 16, 32: 8, 64: 4})
FULL_SIZE = dict(minibatch_size_base=32, minibatch_gpu_base=4, G_lrate_base=0.002, D_lrate_base=0.002)

G_LOSSES = ('G_logistic', 'G_logistic_saturating', 'G_logistic_ns', 'G_logistic_ns_pathreg', 'G_wgan')
HAVE_GAMMA = ('D_logistic_r1', 'D_logistic_r2')
D_LOSSES = ('D_logistic', 'D_logistic_r1', 'D_logistic_r2', 'D_wgan', 'D_wgan_gp')

EPILOG = '''--set changes any option that has no option of its own (--dry-run lists them all), for example
  --set G.fmap_base=4096 --set D.fmap_base=4096    smaller networks
  --set sched.minibatch_gpu_base=32                images per device and round
  --set D_loss.wgan_lambda=5                       a constant of the loss
  --set grid.size=8x4                              columns x rows of the pictures
  --set dataset.max_label_size=full                train with labels

'''


def list_configs():
    """The configurations as a table: str of several lines."""
    row = '{:<9} {:<29} {:<17} {:<9} {:<22} {:<5} {:<4} {:<5}  {}'.format
    lines = [row('config', 'generator', 'discriminator', 'fmap_base', 'loss of generator', 'gamma', 'lazy', 'grows',
                 'new')]
    for name, c in sorted(PRESETS.items()):
        if len(name) == len('config-a'):
            G = c.G_options.get('synthesis_func', c.G.split('.')[1])
            fmap_base = c.D_options.get('fmap_base', 8192 if c == A else 16384)  # or the networks' default
            lines.append(row(name, G, c.D.split('.')[1], fmap_base, c.G_loss, c.gamma, 'yes' if c.lazy else 'no',
                             'yes' if c.grows else 'no', c.adds))
    lines.append('config-e-G{orig,resnet,skip}-D{orig,resnet,skip}: config-e, which is -Gskip-Dresnet, with other '
                 'architectures')
    for title, sched in [('grows: from 8x8 pixels', GROWING), ('others: full size at once', FULL_SIZE)]:
        lines.append('{}; minibatch {}; per GPU {}; learning rate {}'.format(title, *(
            ', '.join([str(sched[name + '_base'])] + ['{1} at {0}'.format(*item) for item in sorted(
                sched.get(name + '_dict', {}).items())]) for name in ('minibatch_size', 'minibatch_gpu', 'G_lrate'))))
    return '\n'.join(lines)


def make_options(args):
    """All options of a training with a configuration of the paper, as keyword arguments of `train`.

    Args:
        args: Result of `make_parser`; `config` is a key of PRESETS.
    Returns: Plain dictionary of plain values.
    """
    c = PRESETS[args.config]
    D_loss = args.d_loss or 'D_logistic_r1'
    gamma = dict(gamma=c.gamma if args.gamma is None else args.gamma) if D_loss in HAVE_GAMMA else {}
    options = dict(
        data_dir=args.data_dir, bad=args.bad, total_kimg=args.total_kimg, mirror_augment=args.mirror_augment,
        seed=args.seed,
        image_snapshot_ticks=args.snap, network_snapshot_ticks=args.snap, checkpoint_minutes=args.checkpoint_minutes,
        keep=args.keep, keep_best=args.keep_best, strict=args.strict, freeze_d=args.freeze_d,
        freeze_mapping=args.freeze_mapping,
        G_args=dict(c.G_options, func_name='training.' + c.G), D_args=dict(c.D_options, func_name='training.' + c.D),
        G_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8), D_opt_args=dict(beta1=0.0, beta2=0.99, epsilon=1e-8),
        G_loss_args=dict(func_name='training.loss.' + (args.g_loss or c.G_loss)),
        D_loss_args=dict(func_name='training.loss.' + D_loss, **gamma),
        dataset_args=dict(tfrecord_dir=args.dataset),
        sched_args=tuning.sched_args(args, GROWING if c.grows else FULL_SIZE),
        grid_args=dict(size='8k', layout='random'), metric_arg_list=args.metrics, nan_patience=args.nan_patience,
        tf_config=dict(device=args.device, ops=args.ops))
    if not c.lazy:
        options['lazy_regularization'] = False
    if args.holdout:
        options['holdout'] = args.holdout
    return options


def train(submit_config, metric_arg_list, **options):
    """Runs the training loop with the metrics named; what stopped it is left in `submit_config.stopped_by`."""
    cli.load_tensorflow()
    from metrics import metric_base, metric_defaults
    from training.options import automatic
    from training.training_loop import training_loop
    options = automatic.fit_minibatch(options, submit_config.run_dir)
    if metric_arg_list is None:
        metric_arg_list = ['fid50k'] if metric_base.has_gpu(options['tf_config']) else []
    group = metric_base.MetricGroup([metric_defaults.metric_defaults[name] for name in metric_arg_list],
                                    should_stop=lambda: dnnlib.RunContext.get().is_stopping())

    def evaluate(network_pkl):
        results = {}
        if network_pkl is not None:
            group.run_in_training(network_pkl, run_dir=submit_config.run_dir, data_dir=options['data_dir'],
                                  tf_config=options['tf_config'])
            results = group.get_results()
        group.update_autosummaries()
        return results

    submit_config.stopped_by = training_loop(submit_config=submit_config, metric_callback=evaluate, **options)


def dry_run(metric_arg_list, **options):
    """Prints every option that `--set` can change, and tries the first iteration; returns the exit code."""
    del metric_arg_list
    print('All options of --set:\n' + '\n'.join(settings.resolved(options)))
    from training.options import automatic
    from training.training_loop import training_loop
    return training_loop(dry_run=True, **automatic.fit_minibatch(options))


class ListConfigs(argparse.Action):
    """Prints the configurations and ends the program."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(list_configs())
        parser.exit()


def make_parser():
    """The command line."""
    p = cli.ArgumentParser(description=__doc__, epilog=EPILOG + list_configs(),
                           formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dataset', required=True, metavar='NAME',
                   help='folder of TFRecords, folder or zip of images, or the built-in data set: cats')
    p.add_argument('--data-dir', metavar='DIR', help='folder that --dataset is in (default: the working directory)')
    p.add_argument('--config', default='config-f', metavar='CONFIG',
                   help='config-a to config-f or config-e-G{orig,skip,resnet}-D{orig,skip,resnet}, see below '
                   '(default: %(default)s)')
    p.add_argument('--list-configs', action=ListConfigs, nargs=0, help='print what the configurations are, and stop')
    p.add_argument('--result-dir', default='results', metavar='DIR', help='folder of the runs (default: %(default)s)')
    p.add_argument('--num-gpus', type=int, default=1, metavar='N', help='number of GPUs, 1 (default: %(default)s)')
    p.add_argument('--total-kimg', type=int, default=25000, metavar='KIMG',
                   help='length of the training in thousands of images (default: %(default)s)')
    p.add_argument('--g-loss', choices=G_LOSSES, metavar='NAME',
                   help='loss of the generator: %s (default: by config)' % ', '.join(G_LOSSES))
    p.add_argument('--d-loss', choices=D_LOSSES, metavar='NAME',
                   help='loss of the discriminator: %s (default: D_logistic_r1)' % ', '.join(D_LOSSES))
    p.add_argument('--mirror-augment', type=cli.bool_arg, default=False, metavar='BOOL',
                   help='flip half of the images left to right? (default: %(default)s)')
    p.add_argument('--bad', choices=('stop', 'skip'), default='stop',
                   help='at an image that cannot be read: stop, or skip it and count (default: %(default)s)')
    p.add_argument('--metrics', type=cli.comma_list, metavar='LIST',
                   help='metrics of every network snapshot, joined by commas, or none (default: fid50k on a GPU, none '
                   'on a CPU)')
    p.add_argument('--holdout', type=cli.finite_float, default=0, metavar='SHARE',
                   help='share of the data, such as 0.1, that is not trained on; the mean scores of D for it, for data '
                   'trained on and for generated images are logged at every tick (default: %(default)s)')
    p.add_argument('--seed', type=int, default=1000, metavar='N', help='random seed (default: %(default)s)')
    tuning.add(p)
    saving.add(p)
    p.add_argument('--set', action='append', default=[], dest='assignments', metavar='GROUP.KEY=VALUE',
                   help='any further option, see below; may be given several times; groups: %s' % ', '.join(
                       settings.GROUPS))
    p.add_argument('--dry-run', action='store_true',
                   help='print all options, build the networks, run one minibatch through one step, and write nothing')
    cli.add_common(p)
    cli.add_selftest(p)
    return p


def check_arguments(args):
    """Refuses what can be refused without TensorFlow; raises UserError."""
    if args.config not in PRESETS:
        raise UserError('--config={}: expected one of {}'.format(args.config, ', '.join(sorted(PRESETS))))
    if args.num_gpus != 1:
        raise UserError('--num-gpus={}: several GPUs are not in this version; use 1'.format(args.num_gpus))
    saving.check_numbers(args, total_kimg=0, seed=0)
    tuning.check(args, HAVE_GAMMA)
    if not 0 <= args.holdout < 1:
        raise UserError('--holdout={:g}: expected a share from 0 to below 1'.format(args.holdout))
    if args.data_dir is not None and not os.path.isdir(args.data_dir):
        raise UserError('--data-dir={}: there is no such folder'.format(args.data_dir))
    path = os.path.join(args.data_dir or '', args.dataset)
    if args.dataset != 'cats' and not os.path.exists(path):
        raise UserError('--dataset={}: there is no {!r}; give a folder or zip of images, a folder of TFRecords, or '
                        'cats'.format(args.dataset, path))
    saving.check(args)
    cli.writable_dir(args.result_dir)


def main(argv):
    """Parses the command line and trains; returns the exit code."""
    args = make_parser().parse_args(argv)
    check_arguments(args)
    assignments = [settings.parse_assignment(text) for text in args.assignments]
    options = make_options(args)
    _check_metrics(args.metrics)
    options['keep_best'] = _best_of(args.keep_best, args.metrics)
    settings.apply_assignments(options, assignments)
    dataset_name = re.sub('[^a-zA-Z0-9_.-]', '_', os.path.splitext(os.path.basename(os.path.abspath(args.dataset)))[0])
    run_desc = 'stylegan2-{}-{}gpu-{}'.format(dataset_name, args.num_gpus, args.config)
    resume_run_dir = continuing.choose_run(args.resume, args.result_dir, run_desc, options)
    if args.selftest:
        cli.run_selftest(options['tf_config'])
    print('Training options:\n' + json.dumps(options, indent=2))
    if args.dry_run:
        return dry_run(**options)
    config = dnnlib.SubmitConfig(run_dir_root=args.result_dir, run_desc=run_desc, num_gpus=args.num_gpus,
                                 options_file=continuing.OPTIONS_FILE)
    try:
        config = dnnlib.submit_run(config, train, resume_run_dir=resume_run_dir, **options)
    except FolderLocked:  # by a process that started at the same moment
        if os.path.isdir(args.resume):
            raise
        config = dnnlib.submit_run(config, train, **options)
    if config.stopped_by:
        kept = [arg for i, arg in enumerate(argv) if not arg.startswith('--resume') and argv[i - 1:i] != ['--resume']]
        command = ['python', sys.argv[0]] + kept + ['--resume=' + config.run_dir]
        print('To continue: ' + ' '.join(shlex.quote(part) for part in command))
    return 0


def _check_metrics(names):
    if names:
        from metrics.metric_defaults import metric_defaults
        unknown = sorted(name for name in set(names) if name not in metric_defaults)
        if unknown:
            raise UserError('--metrics={}: there are {}'.format(','.join(unknown), ', '.join(sorted(metric_defaults))))


def _best_of(result, metrics):
    """`--keep-best` as `training_loop` wants it: [name of a result, 'lowest' or 'highest'], `None` = none."""
    if result is None:
        return None
    from metrics.metric_defaults import best_results
    known = {name + suffix: best for name in metrics or () for suffix, best in best_results(name).items()}
    if result not in known:
        raise UserError('--keep-best={}: expected a result of --metrics that has a best value: {}'.format(
            result, ', '.join(sorted(known)) or 'there is none, name metrics there'))
    return [result, known[result]]


if __name__ == '__main__':
    cli.run_main(main)
