"""Measures the quality of trained networks, or of pictures against pictures."""

import argparse
import collections
import contextlib
import glob
import itertools
import json
import os
from typing import NamedTuple

import dnnlib  # first: says if a package is missing
from dnnlib import cli, util
from dnnlib.run.signals import exiting_at_sigterm
from dnnlib.util import UserError
from metrics.metric_defaults import (
    MAX_NUM_IMAGES, check_names, metric_defaults, needs_domains, needs_network, needs_reals, too_few_images,
    with_num_images)
from metrics.tables import how_measured, make_table
from training import pretrained
from training.data import sources as image_sources
from training.dataset import load_dataset

EPILOG = '''Every number of images has a name: fid5k, pr1k3, ppl_wend2k; --num-images=N renames all metrics of a list.
fid, kid, is, mifid: Inception-v3; pr: VGG16; ppl: LPIPS; names with effnetlite0: EfficientNet-Lite0.
Weight files are found in the cache, whose place python -m dnnlib.doctor shows, or downloaded; if that fails, a message
says which file to put where. Definitions: docs/metrics.md of the source code.'''


class Options(NamedTuple):
    """How metrics are run."""
    mirror_augment: bool  # mirror the reals at random?
    num_gpus: int  # at least 1
    tf_config: dict  # device and operations, see `tflib.init_tf`
    seeds: list  # of the fakes; [None] = one run with a new seed
    json: str  # file that all records are written to; None = none
    inputs: str = None  # file, folder or zip of pictures for networks that translate; None = they draw
    direction: str = None  # 'AtoB' or 'BtoA', of a file that translates both ways


def run_metrics(submit_config, networks, fakes_args, metrics, dataset_args, data_dir, options):
    """Evaluates metrics one after another, prints a line for each, and a table if there are several networks or seeds.

    Args:
        submit_config: SubmitConfig of the run; results go into its directory.
        networks: List of `pretrained.NetworkFile`.
        fakes_args: Arguments of the dataset to measure instead of networks; `None` = there is none.
        metrics: List of names of `metric_defaults`.
        dataset_args: Arguments of the dataset of reals; `None` = none given.
        data_dir: Folder that holds the dataset; `None` = the working directory.
        options: Options.
    """
    cli.load_tensorflow()
    from metrics import metric_base
    print(f'Device: {metric_base.describe_device(options.tf_config)}')
    sources = networks if fakes_args is None else [fakes_args['tfrecord_dir']]
    names = [network.name for network in networks] if fakes_args is None else sources
    print(f"Evaluating {', '.join(metrics)} of {', '.join(map(util.public_url, names))} ...")
    for args, folder in ((dataset_args, data_dir or ''), (fakes_args, '')):
        if args is not None and (folder or args['tfrecord_dir'] != 'cats'):
            _tell_not_taken(os.path.join(folder, args['tfrecord_dir']))
    table = [metric_defaults[metric] for metric in metrics]
    records, hashes = [], {}
    try:
        for (name, source), seed in itertools.product(zip(names, sources), options.seeds):
            group = metric_base.MetricGroup(table, seed=seed, hashes=hashes, fakes_args=fakes_args,
                                            result_dir=submit_config.run_dir)
            try:
                measure(group, source, options, seed, dict(data_dir=data_dir, dataset_args=dataset_args))
            finally:  # what was measured before an error counts
                records += [dict(metric.get_record(), network_pkl=util.public_url(name)) for metric in group.metrics
                            if metric.get_results()]
                if options.json is not None and records:
                    os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
                    util.write_text(options.json, json.dumps(records, indent=2, sort_keys=True) + '\n')
    finally:
        if len(sources) * len(options.seeds) > 1 and records:
            print(make_table(records) + '\n\n' + '\n'.join(how_measured(records)))


def measure(group, source, options, seed, data):
    """Runs the metrics of a group on what a network draws or translates, or on pictures.

    Args:
        group: MetricGroup.
        source: NetworkFile, or name of the pictures.
        options: Options.
        seed: Of the fakes; `None` = any.
        data: `data_dir` and `dataset_args`, see `MetricBase.run`.
    """
    args = dict(data, mirror_augment=options.mirror_augment, num_gpus=options.num_gpus, tf_config=options.tf_config)
    if options.inputs is None:
        group.run(source, **args)
        return
    from translator import measured
    reals = data['dataset_args'] and os.path.join(data['data_dir'] or '', data['dataset_args']['tfrecord_dir'])
    with measured.opened(source, options.inputs, options.direction, seed or 0, options.tf_config, reals) as fakes:
        group.run_fakes(fakes, source.name, **args)


def _tell_not_taken(path):
    """Counts what is not taken of a dataset; it is listed where the dataset is read."""
    if os.path.exists(path):
        image_sources.tell_not_taken(image_sources.not_taken_of(path))


def metric_list(text):
    """Argument type: names of metrics joined by commas.

    Raises: argparse.ArgumentTypeError for an unknown name or none.
    """
    names = list(collections.OrderedDict.fromkeys(cli.comma_list(text)))
    try:
        check_names(names)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not names:
        raise argparse.ArgumentTypeError(f"expected names of metrics; choose from {', '.join(sorted(metric_defaults))}")
    return names


def make_parser():
    """The command line."""
    parser = cli.ArgumentParser(description=__doc__, epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--network', dest='networks', metavar='PKL', nargs='+', action='append', default=[],
                        help='network pickles: paths, URLs or published names; or run directories, for their newest')
    parser.add_argument('--fakes', metavar='PATH',
                        help='measure these pictures instead of a network: a folder or zip of images, a folder of '
                             'TFRecords, or cats')
    parser.add_argument('--inputs', metavar='PATH',
                        help='pictures, a folder or zip, for networks that translate: measure the translations')
    parser.add_argument('--direction', choices=('AtoB', 'BtoA'),
                        help='which of two networks of a file translates --inputs (default: AtoB)')
    parser.add_argument('--metrics', type=metric_list, metavar='LIST', default='ppl2_wend',
                        help=f"{', '.join(sorted(metric_defaults))} (default: %(default)s)")
    parser.add_argument('--dataset', '--reals', metavar='NAME',
                        help='dataset of the training, or any other dataset, folder or zip to compare with')
    parser.add_argument('--data-dir', metavar='DIR', help='folder that holds the dataset')
    parser.add_argument('--resolution', type=int, metavar='N',
                        help='crop and scale the pictures of folders and zips to this size (default: that of the '
                             'network; without a network, unchanged)')
    parser.add_argument('--crop', type=int, metavar='N', help='compare with the center of the pictures of --dataset, N '
                        'pixels wide and high, of a training with --set dataset.crop=N')
    parser.add_argument('--bad', choices=('stop', 'skip'), default='stop',
                        help='at a picture that cannot be read, of the dataset or of --fakes: stop, or skip it and '
                             'count (default: %(default)s)')
    parser.add_argument('--mirror-augment', type=cli.bool_arg, metavar='BOOL', default=False,
                        help='mirror the reals at random; path lengths (ppl) use no reals (default: %(default)s)')
    parser.add_argument('--num-images', type=int, metavar='N',
                        help='number of images for all metrics (default: as their names say)')
    parser.add_argument('--seed', dest='seeds', type=cli.seed_list, metavar='LIST',
                        help='random seeds of the generated images, such as 0 or 0-4; with several, the table shows '
                             'mean +- standard deviation (default: a new one each time). With --fakes, they choose '
                             'which pictures are measured if there are more than the metric takes')
    parser.add_argument('--json', metavar='FILE', help='write all results, and how they were measured, to this file')
    parser.add_argument('--num-gpus', type=int, metavar='N', default=1, help='number of GPUs (default: %(default)s)')
    parser.add_argument('--result-dir', metavar='DIR', default='results',
                        help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(parser)
    cli.add_selftest(parser)
    return parser


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the metrics."""
    parser = make_parser()
    args = parser.parse_args(argv)
    names = [name for group in args.networks for name in group]
    if bool(names) == (args.fakes is not None):
        parser.error('expected either --network=PKL or --fakes=PATH' + ', not both' * bool(names))
    if args.inputs is None and args.direction is not None or args.inputs is not None and args.fakes is not None:
        parser.error('--inputs and --direction are for a --network that translates'
                     + '; give --inputs as well' * (args.inputs is None))
    if args.inputs is not None and not os.path.exists(args.inputs):
        raise UserError(f'--inputs={args.inputs}: no such file or folder')
    if args.crop is not None and (args.dataset is None or args.crop < 1):
        raise UserError(f'--crop={args.crop}: expected a number of pixels, and --dataset')
    options = _options(args)
    metrics = args.metrics
    if args.num_images is not None:
        if not 1 <= args.num_images <= MAX_NUM_IMAGES:
            raise UserError(f'--num-images={args.num_images}: expected 1 to {MAX_NUM_IMAGES}')
        metrics = [with_num_images(name, args.num_images) for name in metrics]
    if args.data_dir is not None and not os.path.isdir(args.data_dir):
        raise UserError(f'--data-dir={args.data_dir}: no such folder')
    dataset_args = _dataset_args('--dataset', args.dataset, args.data_dir, args)
    fakes_args = _dataset_args('--fakes', args.fakes, None, args)
    for name in metrics:
        if not (args.fakes is args.inputs is None) and needs_network(name):
            raise UserError(f'--metrics={name} measures a network, not pictures; replace --fakes by --network'
                            if args.inputs is None else f'--metrics={name} measures networks that draw from latents')
        if args.inputs is None and needs_domains(name):
            raise UserError(f'--metrics={name} measures translations; give --inputs, a folder of pictures per domain')
        if args.dataset is None and needs_reals(name):
            raise UserError(f'--metrics={name} compares with real pictures; give --dataset')
    for line in too_few_images(metrics):
        print(line)
    networks = [pretrained.resolve(name) for name in names]
    for network in networks:
        pretrained.check_network_file(network)
    if options.json is not None:
        if os.path.isdir(options.json):
            raise UserError(f'--json={options.json}: this is a folder; give the name of a file')
        cli.writable_dir(os.path.dirname(os.path.abspath(options.json)))
    config = dnnlib.SubmitConfig(run_dir_root=cli.writable_dir(args.result_dir), run_desc='run-metrics',
                                 num_gpus=options.num_gpus, options_file=None)
    _check_weights(metrics)
    if args.selftest:
        cli.run_selftest(options.tf_config)
    with exiting_at_sigterm():
        dnnlib.submit_run(config, run_metrics, networks=networks, fakes_args=fakes_args, metrics=metrics,
                          dataset_args=dataset_args, data_dir=args.data_dir, options=options)


def _check_weights(metrics):
    """Raises UserError if weights of the feature networks are missing and can't be downloaded."""
    cli.load_tensorflow()
    from metrics import metric_base
    metric_base.MetricGroup([metric_defaults[metric] for metric in metrics]).check_weights()


def _options(args):
    """Options of the parsed arguments; UserError if a number is out of range."""
    seeds = args.seeds or [None]
    if max(seed or 0 for seed in seeds) >= 2 ** 31:
        raise UserError(f'--seed: expected seeds below {2 ** 31}')
    if args.num_gpus < 1:
        raise UserError(f'--num-gpus={args.num_gpus}: expected at least 1')
    return Options(args.mirror_augment, args.num_gpus, cli.pop_tf_config(vars(args)), seeds, args.json,
                   args.inputs, args.direction)


def _dataset_args(option, name, data_dir, args):
    """Arguments of `load_dataset`, `None` for no dataset; UserError if it does not exist or has no pictures."""
    if name is None:
        return None
    path = os.path.join(data_dir or '', name)
    if name != 'cats' and not os.path.exists(path):
        raise UserError(f"{option}={name}: {path!r} does not exist; give a folder of TFRecords, a folder or zip of "
                        "images, or 'cats'")
    found = dict(tfrecord_dir=name, max_label_size='any', shuffle_mb=0)
    given = dict(resolution=args.resolution, crop=args.crop if option == '--dataset' else None,
                 bad='skip' if args.bad == 'skip' else None)  # the usual is no part of the name of kept statistics
    found.update((key, value) for key, value in given.items() if value is not None)
    is_cats = name == 'cats' and not os.path.exists(path)
    if option == '--fakes' or is_cats or glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        own = dict(resolution=args.crop or 8) if is_cats else {}
        with load_dataset(data_dir=data_dir, **dict(own, **found)) as data:
            print('\n'.join(data.remarks), end='\n' * bool(data.remarks))
    else:  # pictures are brought to the size of the fakes
        with contextlib.closing(image_sources.ImageFiles(path)) as files:
            image_sources.check_some(files.names, files.open_image)
    return found


if __name__ == '__main__':
    cli.run_main(main)
