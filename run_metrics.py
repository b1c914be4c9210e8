"""Measures the quality of a trained network."""

import argparse
import os

import dnnlib
from dnnlib import cli
from dnnlib.util import UserError
from metrics.metric_defaults import metric_defaults
from training import pretrained

OTHERS = ('fid50k', 'is50k', 'ls', 'pr50k3')  # published metrics that this version lacks


def run_metrics(network_pkl, metrics, dataset_args, data_dir, mirror_augment, num_gpus, device):
    """Evaluates metrics one after another and prints a line for each.

    Args:
        network_pkl: Path, URL or published name of the network file.
        metrics: List of names in `metric_defaults`.
        dataset_args: Arguments of the data set; `None` = none given.
        data_dir: Folder that holds the data set; `None` = the working directory.
        mirror_augment: Mirror the reals at random?
        num_gpus: Number of GPUs.
        device: `auto`, `cpu` or `gpu:N`.
    """
    cli.load_tensorflow()
    from metrics import metric_base
    print('Evaluating {} of {} ...'.format(', '.join(metrics), network_pkl))
    group = metric_base.MetricGroup([metric_defaults[name] for name in metrics])
    group.run(network_pkl, data_dir=data_dir, dataset_args=dataset_args, mirror_augment=mirror_augment,
              num_gpus=num_gpus, tf_config={'device': device})


def metric_list(text):
    """Argument type: names of metrics joined by commas.

    Raises: argparse.ArgumentTypeError for an unknown name or none.
    """
    names = cli.comma_list(text)
    known = ', '.join(sorted(metric_defaults))
    for name in names:
        if name not in metric_defaults:
            reason = 'not in this version' if name in OTHERS else 'no such metric'
            raise argparse.ArgumentTypeError('{!r}: {}; choose from {}'.format(name, reason, known))
    if not names:
        raise argparse.ArgumentTypeError('expected names of metrics; choose from {}'.format(known))
    return names


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the metrics."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument('--network', dest='network_pkl', metavar='PKL', required=True,
                        help='network pickle: path, URL or published name')
    parser.add_argument('--metrics', type=metric_list, metavar='LIST', default='ppl2_wend',
                        help='{} (default: %(default)s)'.format(', '.join(sorted(metric_defaults))))
    parser.add_argument('--dataset', metavar='NAME',
                        help='data set of the training; needed for the labels of a labelled network only')
    parser.add_argument('--data-dir', metavar='DIR', help='folder that holds the data set')
    parser.add_argument('--mirror-augment', type=cli.bool_arg, metavar='BOOL', default=False,
                        help='mirror the reals at random; path lengths (ppl) look at no reals (default: %(default)s)')
    parser.add_argument('--num-gpus', type=int, metavar='N', default=1, help='number of GPUs (default: %(default)s)')
    parser.add_argument('--result-dir', metavar='DIR', default='results',
                        help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(parser)
    args = vars(parser.parse_args(argv))
    dataset = args.pop('dataset')
    data_dir = args['data_dir']
    args['dataset_args'] = None if dataset is None else dict(tfrecord_dir=dataset, max_label_size='full', shuffle_mb=0)
    if data_dir is not None and not os.path.isdir(data_dir):
        raise UserError('--data-dir: there is no folder {!r}'.format(data_dir))
    if dataset not in (None, 'cats') and not os.path.exists(os.path.join(data_dir or '', dataset)):
        raise UserError("--dataset={}: there is no {!r}; give a folder of TFRecords, a folder or zip of images, or "
                        "'cats'".format(dataset, os.path.join(data_dir or '', dataset)))
    pretrained.check_network_file(args['network_pkl'])
    config = dnnlib.SubmitConfig(run_dir_root=cli.writable_dir(args.pop('result_dir')), run_desc='run-metrics',
                                 num_gpus=args['num_gpus'], options_file=None)
    dnnlib.submit_run(config, run_metrics, **args)


if __name__ == '__main__':
    cli.run_main(main)
