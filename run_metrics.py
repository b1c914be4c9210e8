"""Measures the quality of trained networks, or of pictures against pictures."""

import argparse
import collections
import itertools
import json
import os
import signal
import sys

import numpy as np

import dnnlib
from dnnlib import cli, util
from dnnlib.util import UserError
from metrics.metric_defaults import MAX_NUM_IMAGES, metric_defaults, needs_network, with_num_images
from training import pretrained

EPILOG = '''Any number of images has a name: fid5k, pr1k3, ppl_wend2k; --num-images=N renames all metrics of a list.
fid, kid, is: Inception-v3; pr: VGG16; ppl: LPIPS; names with effnetlite0: EfficientNet-Lite0, for use offline.
Definitions, and where weight files are looked for: docs/metrics.md'''


def run_metrics(submit_config, networks, fakes_args, metrics, dataset_args, data_dir, options):
    """Evaluates metrics one after another, prints a line for each, and a table if there are several networks or seeds.

    Args:
        submit_config: SubmitConfig of the run; results go into its directory.
        networks: List of paths, URLs or published names of network files.
        fakes_args: Data set to measure in place of networks; `None` = none.
        metrics: List of names of `metric_defaults`.
        dataset_args: Arguments of the data set of reals; `None` = none given.
        data_dir: Folder that holds the data set; `None` = the working directory.
        options: Dictionary of `mirror_augment`, `num_gpus`, `tf_config`, `seeds` and `json` as in `main`.
    """
    cli.load_tensorflow()
    from metrics import metric_base
    print('Device: {}'.format(metric_base.describe_device(options['tf_config'])))
    names = networks or [fakes_args['tfrecord_dir']]
    print('Evaluating {} of {} ...'.format(', '.join(metrics), ', '.join(map(util.public_url, names))))
    metric_base.MetricGroup([metric_defaults[metric] for metric in metrics]).check_weights()
    records, hashes = [], {}
    try:
        for name, seed in itertools.product(names, options['seeds']):
            group = metric_base.MetricGroup([metric_defaults[metric] for metric in metrics], seed=seed, hashes=hashes,
                                            fakes_args=fakes_args, result_dir=submit_config.run_dir)
            try:
                group.run(name, data_dir=data_dir, dataset_args=dataset_args, mirror_augment=options['mirror_augment'],
                          num_gpus=options['num_gpus'], tf_config=options['tf_config'])
            finally:  # what was measured before an error counts
                records += [dict(metric.get_record(), network_pkl=util.public_url(name)) for metric in group.metrics
                            if metric.get_results()]
                if options['json'] is not None and records:
                    os.makedirs(os.path.dirname(os.path.abspath(options['json'])), exist_ok=True)
                    util.write_text(options['json'], json.dumps(records, indent=2, sort_keys=True) + '\n')
    finally:
        if len(names) * len(options['seeds']) > 1 and records:
            print(make_table(records) + '\n\n' + '\n'.join(how_measured(records)))


def make_table(records):
    """Table of results: a row per network, a column per result; several seeds become mean +- standard deviation.

    Args:
        records: List of what `MetricBase.get_record` returns, with `network_pkl`.
    Returns: Text in Markdown.
    """
    networks, columns, cells = [], [], {}
    for record in records:
        networks += [record['network_pkl']] if record['network_pkl'] not in networks else []
        for name, value in record['results'].items():
            columns += [name] if name not in columns else []
            cells.setdefault((record['network_pkl'], name), []).append(value)
    lines = ['| network | ' + ' | '.join(columns) + ' |', '|---|' + '---|' * len(columns)]
    short = [os.path.basename(os.path.normpath(network)) for network in networks]
    for network, name in zip(networks, short):
        row = [_cell(cells.get((network, column), [])) for column in columns]
        lines.append('| {} | {} |'.format(name if short.count(name) == 1 else network, ' | '.join(row)))
    return '\n'.join(lines)


def how_measured(records):
    """What each metric of a table was measured with: list of a line per metric, and per number of images.

    Args:
        records: See `make_table`.
    """
    lines = []
    for record in records:
        parts = ['{} {}'.format(record[key], what) for key, what in (
            ('num_reals', 'reals'), ('num_fakes', 'fakes'), ('num_samples', 'samples')) if key in record]
        if isinstance(record.get('weights_sha256'), str):
            parts.append('{} ({}, sha256 {}...)'.format(record['extractor'], record['weights'],
                                                        record['weights_sha256'][:8]))
        parts += ['resized: ' + record['resize']] if 'resize' in record else []
        line = '{}: {}'.format(record['metric'], ', '.join(parts))
        lines += [line] if parts and line not in lines else []
    return lines


def _cell(values):
    if not values:
        return ''
    return '{:.4g}'.format(np.mean(values)) + (' +- {:.2g}'.format(np.std(values, ddof=1)) if len(values) > 1 else '')


def metric_list(text):
    """Argument type: names of metrics joined by commas.

    Raises: argparse.ArgumentTypeError for an unknown name or none.
    """
    names = list(collections.OrderedDict.fromkeys(cli.comma_list(text)))
    known = ', '.join(sorted(metric_defaults))
    for name in names:
        if name not in metric_defaults:
            raise argparse.ArgumentTypeError('{!r}: no such metric; choose from {}'.format(name, known))
    if not names:
        raise argparse.ArgumentTypeError('expected names of metrics; choose from {}'.format(known))
    return names


def make_parser():
    """The command line."""
    parser = cli.ArgumentParser(description=__doc__, epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--network', dest='networks', metavar='PKL', nargs='+', action='append', default=[],
                        help='network pickles: paths, URLs or published names')
    parser.add_argument('--fakes', metavar='PATH',
                        help='measure these pictures in place of a network: a folder or zip of images, a folder of '
                             'TFRecords, or cats')
    parser.add_argument('--metrics', type=metric_list, metavar='LIST', default='ppl2_wend',
                        help='{} (default: %(default)s)'.format(', '.join(sorted(metric_defaults))))
    parser.add_argument('--dataset', '--reals', metavar='NAME',
                        help='data set of the training, or any folder, zip or data set to compare with')
    parser.add_argument('--data-dir', metavar='DIR', help='folder that holds the data set')
    parser.add_argument('--resolution', type=int, metavar='N',
                        help='crop and scale pictures of folders and zips to this size (default: that of the network; '
                             'without a network, as they are)')
    parser.add_argument('--mirror-augment', type=cli.bool_arg, metavar='BOOL', default=False,
                        help='mirror the reals at random; path lengths (ppl) look at no reals (default: %(default)s)')
    parser.add_argument('--num-images', type=int, metavar='N',
                        help='number of images for every metric (default: as their names say)')
    parser.add_argument('--seed', dest='seeds', type=cli.seed_list, metavar='LIST',
                        help='random seeds of the generated pictures, such as 0 or 0-4: with several, the table shows '
                             'mean +- standard deviation (default: a new one each time); of pictures from files they '
                             'choose which are measured, where there are more than the metric takes')
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
    args = vars(parser.parse_args(argv))
    networks = [name for names in args['networks'] for name in names]
    if bool(networks) == (args['fakes'] is not None):
        parser.error('expected --network=PKL, or --fakes=PATH for pictures' + ', not both' * bool(networks))
    options = {key: args[key] for key in ('mirror_augment', 'num_gpus', 'json')}
    options.update(tf_config=cli.pop_tf_config(args), seeds=args['seeds'] or [None])
    if max(seed or 0 for seed in options['seeds']) >= 2 ** 31:
        raise UserError('--seed: expected seeds below {}'.format(2 ** 31))
    metrics = args['metrics']
    if args['num_images'] is not None:
        if not 1 <= args['num_images'] <= MAX_NUM_IMAGES:
            raise UserError('--num-images={}: expected 1 to {}'.format(args['num_images'], MAX_NUM_IMAGES))
        metrics = [with_num_images(name, args['num_images']) for name in metrics]
    data_dir = args['data_dir']
    if data_dir is not None and not os.path.isdir(data_dir):
        raise UserError('--data-dir: there is no folder {!r}'.format(data_dir))
    dataset_args = _dataset_args('--dataset', args['dataset'], data_dir, args['resolution'])
    fakes_args = _dataset_args('--fakes', args['fakes'], None, args['resolution'])
    for name in metrics:
        if args['fakes'] is not None and needs_network(name):
            raise UserError('--fakes: the metric {} measures a network, not pictures; give --network'.format(name))
    for network_pkl in networks:
        pretrained.check_network_file(network_pkl)
    if options['json'] is not None:
        if os.path.isdir(options['json']):
            raise UserError('--json={}: this is a folder; give the name of a file'.format(options['json']))
        cli.writable_dir(os.path.dirname(os.path.abspath(options['json'])))
    config = dnnlib.SubmitConfig(run_dir_root=cli.writable_dir(args['result_dir']), run_desc='run-metrics',
                                 num_gpus=args['num_gpus'], options_file=None)
    if args['num_gpus'] < 1:
        raise UserError('num_gpus is {}, expected at least 1'.format(args['num_gpus']))
    if args['selftest']:
        cli.run_selftest(options['tf_config'])
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # what was measured is written first
    dnnlib.submit_run(config, run_metrics, networks=networks, fakes_args=fakes_args, metrics=metrics,
                      dataset_args=dataset_args, data_dir=data_dir, options=options)


def _dataset_args(option, name, data_dir, resolution):
    """Arguments of `load_dataset`, `None` for no data set; UserError if it is not there."""
    if name is None:
        return None
    path = os.path.join(data_dir or '', name)
    if name != 'cats' and not os.path.exists(path):
        raise UserError("{}={}: there is no {!r}; give a folder of TFRecords, a folder or zip of images, or "
                        "'cats'".format(option, name, path))
    return dict(dict(tfrecord_dir=name, max_label_size='full', shuffle_mb=0),
                **({} if resolution is None else {'resolution': resolution}))


if __name__ == '__main__':
    cli.run_main(main)
