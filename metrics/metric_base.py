"""What all metrics have in common: loading the network, opening the data, progress, result lines and files."""

import json
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError, cli, disk, tflib, util
from dnnlib.run import run_dir as run_dirs
from dnnlib.tflib import graphs
from dnnlib.tflib.autosummary import autosummary
from metrics import sampling
from training import dataset, pretrained

MAX_NAME_LENGTH = 29
TRAINING_MINUTES = 60  # after which a metric of a network snapshot is given up, so that the training goes on


def describe_device(tf_config):
    """What sessions of a configuration (see `tflib.init_tf`) compute with, in one line."""
    with tf.Graph().as_default(), tflib.create_session(tf_config).as_default() as session:
        try:
            return tflib.device_description()
        finally:
            session.close()


def has_gpu(tf_config):
    """Do sessions of a configuration (see `tflib.init_tf`) compute on a GPU?"""
    with tf.Graph().as_default(), tflib.create_session(tf_config) as session:
        return any(device.device_type == 'GPU' for device in session.list_devices())


class TimeIsUp(Exception):
    """A metric took longer than it was given, or somebody asked to stop."""


class MetricBase:
    """A metric; sub-classes implement `_evaluate(Gs, Gs_kwargs, num_gpus)`, which calls `_report_result`.

    Args:
        name: Name in result lines, files and summary tags.
    Attributes:
        settings: EasyDict of what `MetricGroup` is given.
        fakes_key: Metrics with the same key look at the same features of the same fakes; `None` = at others than all.
        shared: Dictionary of (seed, features) by key, for the metrics of a group that have one; `None` = nobody else.
    """

    needs_network = True  # False = generated pictures may come from files

    def __init__(self, name):
        self.name = name
        self.settings = EasyDict(seed=None, fakes_args=None, result_dir=None, seconds=None, should_stop=None,
                                 hashes={})
        self.fakes_key = self.shared = None
        self._network_name = ''
        self._folders = []  # those that get files
        self._seconds = 0.0
        self._begin = 0.0
        self._results = []
        self._facts = {}
        self._dataset_args = None
        self._mirror_augment = False
        self._seed = 0

    def run(self, network_pkl, run_dir=None, data_dir=None, dataset_args=None, mirror_augment=None, num_gpus=1,
            tf_config=None, Gs_kwargs=None):
        """Evaluates the generator Gs of a network file in a graph and session of its own, and prints the result line.

        Args:
            network_pkl: Path, URL or published name; the name of a data set where `settings.fakes_args` gives the
                generated pictures.
            run_dir: Run directory of a training; supplies `dataset_args` and `mirror_augment` where they are None, and
                the result line is appended to its `metric-<name>.txt` and `.jsonl`. `None` = only print.
            data_dir, dataset_args: Arguments of `dataset.load_dataset`; for a path length of a labelled network, and
                for all metrics that look at reals.
            mirror_augment: Mirror the reals at random?
            num_gpus: Number of GPUs to use.
            tf_config: Configuration of the session, see `tflib.init_tf`.
            Gs_kwargs: Options of the generator; `None` = `is_validation=True`, so no truncation.
        Raises: UserError for bad input; TimeIsUp after `settings.seconds`, or when `settings.should_stop` says so.
        """
        if run_dir is not None and (dataset_args is None or mirror_augment is None):
            trained_with = run_dirs.load_submit_config(run_dir).get('run_func_kwargs') or {}
            if dataset_args is None and trained_with.get('dataset_args') is not None:
                skipping = {'bad': 'skip'} if trained_with.get('bad') == 'skip' else {}
                dataset_args = dict(trained_with['dataset_args'], **skipping)
            mirror_augment = trained_with.get('mirror_augment', False) if mirror_augment is None else mirror_augment
        self._dataset_args = None if dataset_args is None else dict(dataset_args, data_dir=data_dir, shuffle_mb=0)
        self._mirror_augment = bool(mirror_augment)
        from_files = self.settings.fakes_args is not None
        self._network_name = _short_name(network_pkl, from_files)
        self._seed = self.settings.seed
        if self._seed is None:
            self._seed = sampling.ORDER_SEED if from_files else np.random.RandomState().randint(2 ** 31)
        self._results, self._facts = [], {}
        self._folders = sorted({run_dir, self.settings.result_dir} - {None})
        self._begin = time.time()
        if from_files and self.needs_network:
            raise UserError('metric {}: it measures a network, not pictures; give a network'.format(self.name))
        with graphs.temporary_graph(), tflib.create_session(tf_config).as_default() as session:
            try:
                tf.set_random_seed(self._seed)  # for what is not drawn by tflib.random
                Gs = None if from_files else pretrained.load_generator(network_pkl)
                self._evaluate(Gs, dict(is_validation=True) if Gs_kwargs is None else Gs_kwargs, num_gpus)
            finally:
                session.close()
        self._seconds = time.time() - self._begin
        print(self.get_result_str().strip())
        for folder in self._folders:
            self._write(folder, network_pkl)

    def get_result_str(self):
        """Result line: name of the network, seconds, then name and value of every result."""
        name = self._network_name
        if len(name) > MAX_NAME_LENGTH:
            name = '...' + name[3 - MAX_NAME_LENGTH:]
        text = '{:<30s} time {:<12s}'.format(name, util.format_time(self._seconds))
        for result in self._results:
            text += ' ' + self.name + result.suffix + ' ' + result.fmt % result.value
        return text

    def get_results(self):
        """Results of the last run, {name: value}; empty if it failed."""
        return {self.name + result.suffix: float(result.value) for result in self._results}

    def get_record(self):
        """The last run as a plain dictionary: network, metric, results by name, seconds, and how it was measured."""
        return dict({'network': self._network_name, 'metric': self.name, 'seed': int(self._seed),
                     'seconds': round(self._seconds, 1), 'tensorflow': tf.__version__,
                     'results': self.get_results()},
                    **self._facts)

    def update_autosummaries(self):
        """Reports the results under the tags `Metrics/<name><suffix>`."""
        for result in self._results:
            autosummary('Metrics/' + self.name + result.suffix, result.value)

    def forget(self):
        """Drops the results, so that those of an earlier network are not taken for those of one that failed."""
        self._results = []

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        raise TypeError('{} does not say how to evaluate a network'.format(type(self).__name__))

    def check_weights(self):
        """Raises UserError, or OSError, if the weights of the feature networks can't be had: before anything is run."""

    def _report_result(self, value, suffix='', fmt='%-10.4f'):
        self._results.append(EasyDict(value=value, suffix=suffix, fmt=fmt))

    def _note(self, **facts):
        """Adds facts about the measurement to the record: plain values by name."""
        self._facts.update(facts)

    def _rounds(self, count):
        """The numbers 0 to count - 1 with a progress bar; raises TimeIsUp when the time is up."""
        return self._tracked(range(count), self.name)

    def _tracked(self, items, label):
        """The items of a sequence with a progress bar; raises TimeIsUp when the time is up."""
        for item in cli.progress(items, label):
            self.check_time()
            yield item

    def check_time(self):
        """Raises TimeIsUp after `settings.seconds`, or when `settings.should_stop` says so."""
        limit = self.settings.seconds
        if self.settings.should_stop is not None and self.settings.should_stop():
            raise TimeIsUp('not measured, since the training is to stop')
        if limit is not None and time.time() - self._begin > limit:
            raise TimeIsUp('not measured within {}'.format(util.format_time(limit)))

    def _open_dataset(self, resolution=None, label_size='full'):
        """The data set of the run's arguments; the caller closes it.

        Args:
            resolution: Size to read it in where the arguments do not say; `None` = its own.
            label_size: Columns of its labels that a network was trained with, where the arguments take all of them.
        """
        if self._dataset_args is None:
            raise UserError('metric {}: a data set is needed for this network; name one'.format(self.name))
        kwargs = dict(self._dataset_args)
        if kwargs.get('max_label_size') == 'full':
            kwargs['max_label_size'] = label_size
        return open_dataset(kwargs, resolution)

    def _write(self, folder, network_pkl):
        """Appends the result line to `metric-<name>.txt` and the record to `metric-<name>.jsonl`."""
        path = os.path.join(folder, 'metric-{}'.format(self.name))
        disk.append_line(path + '.txt', self.get_result_str().strip())
        record = dict(self.get_record(), network_pkl=util.public_url(network_pkl))
        disk.append_line(path + '.jsonl', json.dumps(record, sort_keys=True))


def _short_name(network_pkl, is_data_set):
    """Name of a network file or data set without folders and extension."""
    name = os.path.basename(os.path.normpath(util.public_url(network_pkl)))
    stem, extension = os.path.splitext(name)
    return name if is_data_set and extension != '.zip' else stem


def open_dataset(dataset_args, resolution=None):
    """Opens a data set with all its labels, at the resolution of a network if that differs from its own.

    Args:
        dataset_args: Arguments of `dataset.load_dataset`.
        resolution: Wanted size where the arguments have none; `None` = as it is.
    Returns: Dataset.
    Raises: UserError if it can't be read, or not at that resolution.
    """
    if resolution is None or dataset_args.get('resolution') is not None:
        return dataset.load_dataset(**dataset_args)
    if 'class_name' in dataset_args:  # it may not take a resolution
        data = dataset.load_dataset(**dataset_args)
        if data.resolution == resolution:
            return data
        data.close()
    return dataset.load_dataset(**dict(dataset_args, resolution=resolution))


class MetricGroup:
    """Several metrics evaluated one after another.

    Args:
        metric_kwarg_list: List of dictionaries such as the values of `metric_defaults`.
        settings: `seed` (int, None = a new one each time), `fakes_args` (arguments of `dataset.load_dataset`: pictures
            to measure in place of a network's), `result_dir` (folder for the result files, None = none but those of
            `run_dir`), `seconds` (time for each metric, None = any), `should_stop` (function without arguments that
            says when to give up, None = never) and `hashes` (dictionary in which groups share the hashes of data sets).
    """

    def __init__(self, metric_kwarg_list, **settings):
        self.metrics = [util.call_func_by_name(**kwargs) for kwargs in metric_kwarg_list]
        settings.setdefault('hashes', {})
        for metric in self.metrics:
            unknown = set(settings) - set(metric.settings)
            if unknown:
                raise TypeError('unknown settings: {}'.format(', '.join(sorted(unknown))))
            metric.settings.update(settings)

    def check_weights(self):
        """See `MetricBase.check_weights`, of every metric."""
        for metric in self.metrics:
            metric.check_weights()

    def run(self, *args, **kwargs):
        """Runs every metric, see `MetricBase.run`."""
        for metric in self._in_turn():
            metric.run(*args, **kwargs)

    def run_in_training(self, *args, **kwargs):
        """Runs every metric, see `MetricBase.run`; one that fails or takes too long is a line in the log, no error.

        Where no `seconds` are set, each metric has TRAINING_MINUTES.
        """
        for metric in self._in_turn():
            if metric.settings.seconds is None:
                metric.settings.seconds = 60 * TRAINING_MINUTES
            metric.forget()
            try:
                metric.run(*args, **kwargs)
            except Exception as error:  # pylint: disable=broad-except
                metric.forget()
                reason = ' '.join((str(error).strip() or type(error).__name__).split())
                print('metric {}: {}'.format(metric.name, reason[:400]))

    def _in_turn(self):
        """Yields the metrics; those that look at the same features of the same fakes get a place to share them."""
        keys, shared = [metric.fakes_key for metric in self.metrics], {}
        for index, metric in enumerate(self.metrics):
            metric.shared = shared if keys[index] is not None and keys.count(keys[index]) > 1 else None
            yield metric
            metric.shared = None
            if keys[index] not in keys[index + 1:]:
                shared.pop(keys[index], None)

    def get_result_str(self):
        """Result lines of all metrics in one."""
        return ' '.join(metric.get_result_str() for metric in self.metrics)

    def get_results(self):
        """Results of the last run of all metrics, {name: value}."""
        return {name: value for metric in self.metrics for name, value in metric.get_results().items()}

    def update_autosummaries(self):
        """Reports all results as summaries."""
        for metric in self.metrics:
            metric.update_autosummaries()


class DummyMetric(MetricBase):
    """Reports 0 whatever the network is."""

    def _evaluate(self, Gs, Gs_kwargs, num_gpus):
        self._report_result(0.0)
