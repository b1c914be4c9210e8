"""What all metrics have in common: loading the network, random labels, result lines."""

import os
import time

import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError
from dnnlib import run_dir as run_dirs
from dnnlib import tflib, util
from dnnlib.tflib.autosummary import autosummary
from training import dataset, pretrained

MAX_NAME_LENGTH = 29


class MetricBase:
    """A metric; sub-classes implement `_evaluate(Gs, Gs_kwargs, num_gpus)`, which calls `_report_result`.

    Args:
        name: Name in result lines, files and summary tags.
    """

    def __init__(self, name):
        self.name = name
        self._network_name = ''
        self._seconds = 0.0
        self._results = []
        self._dataset_args = None

    def run(self, network_pkl, run_dir=None, data_dir=None, dataset_args=None, mirror_augment=None, num_gpus=1,
            tf_config=None, Gs_kwargs=None):
        """Evaluates the generator Gs of a network file in a graph and session of its own, and prints the result line.

        Args:
            network_pkl: Path, URL or published name.
            run_dir: Run directory of a training; supplies `dataset_args` and `mirror_augment` where they are None, and
                the result line is appended to its `metric-<name>.txt`. `None` = only print.
            data_dir, dataset_args: Arguments of `dataset.load_dataset`; needed for a labelled network only.
            mirror_augment: Mirror the reals at random?
            num_gpus: Number of GPUs to use.
            tf_config: Configuration of the session, see `tflib.init_tf`; the random generators are not seeded.
            Gs_kwargs: Options of the generator; `None` = `is_validation=True`, so no truncation.
        """
        if run_dir is not None and (dataset_args is None or mirror_augment is None):
            trained_with = run_dirs.load_submit_config(run_dir).get('run_func_kwargs') or {}
            dataset_args = trained_with.get('dataset_args') if dataset_args is None else dataset_args
            mirror_augment = trained_with.get('mirror_augment', False) if mirror_augment is None else mirror_augment
        self._dataset_args = None if dataset_args is None else dict(dataset_args, data_dir=data_dir, shuffle_mb=0)
        self._network_name = os.path.splitext(os.path.basename(network_pkl))[0]
        self._results = []
        begin = time.time()
        with tf.Graph().as_default(), tflib.create_session(tf_config).as_default() as session:
            try:
                Gs = pretrained.load_generator(network_pkl)
                self._evaluate(Gs, dict(is_validation=True) if Gs_kwargs is None else Gs_kwargs, num_gpus)
            finally:
                session.close()
        self._seconds = time.time() - begin
        print(self.get_result_str().strip())
        if run_dir is not None:
            with open(os.path.join(run_dir, 'metric-{}.txt'.format(self.name)), 'a') as file:
                file.write(self.get_result_str().strip() + '\n')

    def get_result_str(self):
        """Result line: name of the network, seconds, then name and value of every result."""
        name = self._network_name
        if len(name) > MAX_NAME_LENGTH:
            name = '...' + name[3 - MAX_NAME_LENGTH:]
        text = '{:<30s} time {:<12s}'.format(name, util.format_time(self._seconds))
        for result in self._results:
            text += ' ' + self.name + result.suffix + ' ' + result.fmt % result.value
        return text

    def update_autosummaries(self):
        """Reports the results under the tags `Metrics/<name><suffix>`."""
        for result in self._results:
            autosummary('Metrics/' + self.name + result.suffix, result.value)

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        raise TypeError('{} does not say how to evaluate a network'.format(type(self).__name__))

    def _report_result(self, value, suffix='', fmt='%-10.4f'):
        self._results.append(EasyDict(value=value, suffix=suffix, fmt=fmt))

    def _open_dataset(self):
        """The data set of the run's arguments; the caller closes it."""
        if self._dataset_args is None:
            raise UserError('metric {}: a data set is needed for this network; name one'.format(self.name))
        return dataset.load_dataset(**self._dataset_args)


class MetricGroup:
    """Several metrics evaluated one after another.

    Args:
        metric_kwarg_list: List of dictionaries such as the values of `metric_defaults`.
    """

    def __init__(self, metric_kwarg_list):
        self.metrics = [util.call_func_by_name(**kwargs) for kwargs in metric_kwarg_list]

    def run(self, *args, **kwargs):
        """Runs every metric, see `MetricBase.run`."""
        for metric in self.metrics:
            metric.run(*args, **kwargs)

    def get_result_str(self):
        """Result lines of all metrics in one."""
        return ' '.join(metric.get_result_str() for metric in self.metrics)

    def update_autosummaries(self):
        """Reports all results as summaries."""
        for metric in self.metrics:
            metric.update_autosummaries()


class DummyMetric(MetricBase):
    """Reports 0 whatever the network is."""

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        self._report_result(0.0)
