"""What all metrics have in common: the fakes and reals of a run, progress, result lines and files."""

import collections
import json
import os
import time
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, cli, disk, tflib, util
from dnnlib.tflib import gpu_memory, graphs
from dnnlib.tflib.autosummary import autosummary
from metrics import sampling, sources, team
from metrics.group import MetricGroup
from metrics.settings import Reals, Settings, find_reals
from training import pretrained

__all__ = ['DummyMetric', 'MetricBase', 'MetricGroup', 'TimeIsUp', 'describe_device', 'has_gpu']

MAX_NAME_LENGTH = 29  # of a network in a result line, as published


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
        return gpu_memory.has_gpu(session)


class TimeIsUp(Exception):
    """A metric took longer than it was given, or was asked to stop."""


class Result(NamedTuple):
    """One number that a metric reports."""
    value: float
    suffix: str  # what its name has beyond that of the metric
    fmt: str  # for the result line


class MetricBase:
    """A metric; subclasses implement `_evaluate(source)` (see `sources`), which calls `_report_result`.

    In a training of several workers all of them run it at the same time, see `Team`; worker 0 has the result.

    Args:
        name: Name in result lines, files and summary tags.
    Attributes:
        settings: Settings of its group.
        extractor: Name of its feature network in `feature_metric.EXTRACTORS`; `None` = it has another one, or none.
        fakes_key: Metrics with the same key look at the same features of the same fakes; `None` = no other metric does.
        shared: Dictionary of (seed, features) by key, for the metrics of a group that share them; `None` = not shared.
    """

    def __init__(self, name):
        self.name = name
        self.settings = Settings(hashes={})
        self.extractor = self.fakes_key = self.shared = None
        self._network_name = ''
        self._folders = []  # those that get files
        self._seconds = 0.0
        self._begin = 0.0
        self._results = []
        self._facts = {}
        self._reals = Reals(None, False)
        self._num_gpus = 1
        self._seed = 0
        self._team = team.Team()

    def run(self, network_pkl, run_dir=None, data_dir=None, dataset_args=None, mirror_augment=None, num_gpus=1,
            tf_config=None, Gs_kwargs=None):
        """Evaluates a network file, or the pictures of `settings.fakes_args`, and prints the result line.

        Args:
            network_pkl: Path, URL, published name or `pretrained.NetworkFile`; with `settings.fakes_args` only the name
                of the pictures. Of several workers, worker 0 must have a path, and gives the others the file.
            run_dir: Run directory of a training; supplies `dataset_args` and `mirror_augment` where they are None, and
                gets the result line in `metric-<name>.txt`, the record in `metric-<name>.jsonl`. `None` = only print.
            data_dir, dataset_args: Arguments of `dataset.load_dataset`; for all metrics that look at reals, and for
                networks with labels.
            mirror_augment: Mirror the reals at random?
            num_gpus: Number of GPUs to use.
            tf_config: Configuration of the session, see `tflib.init_tf`.
            Gs_kwargs: Options of the generator; `None` = of StyleGAN's `is_validation=True`, so no truncation.
        Raises: UserError for bad input; TimeIsUp after `settings.seconds`, or when `settings.should_stop` says so.
        """
        name = network_pkl.name if isinstance(network_pkl, pretrained.NetworkFile) else network_pkl

        def open_source():
            if self.settings.fakes_args is not None:
                return sources.FileSource(self.settings.fakes_args, self.settings.result_dir)
            return sources.open_network(self._team.file_from_first(network_pkl), Gs_kwargs, self._open_labels, num_gpus)

        with team.Team() as self._team:
            self._reals = find_reals(run_dir, data_dir, dataset_args, mirror_augment)
            self._measure(open_source, name, run_dir, num_gpus, tf_config)

    def run_fakes(self, fakes, name, run_dir=None, data_dir=None, dataset_args=None, mirror_augment=None, num_gpus=1,
                  tf_config=None):
        """Evaluates images that a function makes, of any training method, and prints the result line.

        Args:
            fakes: Function of (number of images, seed), see `sources.FunctionSource`; it runs in the graph and session
                that are the default ones now.
            name: What the result line and records call it, such as the path of a network snapshot.
            run_dir, data_dir, dataset_args, mirror_augment, num_gpus, tf_config: See `run`.
        Raises: See `run`; UserError if the metric measures a generator rather than images; ValueError if the function
            makes something else than it must.
        """
        with team.Team() as self._team:
            self._reals = find_reals(run_dir, data_dir, dataset_args, mirror_augment)
            source = sources.FunctionSource(fakes)
            self._measure(lambda: source, name, run_dir, num_gpus, tf_config)

    def _measure(self, open_source, name, run_dir, num_gpus, tf_config):
        """Evaluates the source that a function opens, in a graph and session of its own."""
        from_files = self.settings.fakes_args is not None
        self._network_name, self._num_gpus, self._seed = _short_name(name, from_files), num_gpus, self.settings.seed
        if self._seed is None:
            self._seed = sampling.ORDER_SEED if from_files else np.random.RandomState().randint(2 ** 31)
        self._seed = self._team.decide(int(self._seed))
        self._results, self._facts = [], {}
        self._folders = sorted({run_dir, self.settings.result_dir} - {None})
        self._begin = time.time()
        with graphs.temporary_graph(), tflib.create_session(tf_config).as_default() as session:
            try:
                tf.set_random_seed(self._seed)  # for what is not drawn by tflib.random
                with open_source() as source:
                    self._evaluate(source)
            finally:
                session.close()
        self._seconds = time.time() - self._begin
        print(self.get_result_str().strip())
        for folder in self._folders:
            self._write(folder, name)

    def get_result_str(self):
        """Result line: name of the network, seconds, then name and value of every result."""
        name = self._network_name
        if len(name) > MAX_NAME_LENGTH:
            name = '...' + name[3 - MAX_NAME_LENGTH:]
        text = f'{name:<30s} time {util.format_time(self._seconds):<12s}'
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

    def _evaluate(self, source):
        raise TypeError(f'{type(self).__name__} does not say how to evaluate a source')

    def check_weights(self):
        """Raises UserError or OSError if the weights of the feature networks are unavailable, before anything runs."""

    def _report_result(self, value, suffix='', fmt='%-10.4f'):
        self._results.append(Result(value, suffix, fmt))

    def _note(self, **facts):
        """Adds facts about the measurement to the record: plain values by name."""
        self._facts.update(facts)

    def _generator_of(self, source):
        """The generator of a source, for metrics that measure how its images follow from latents and dlatents."""
        if source.generator is None:
            raise UserError(f'metric {self.name}: it measures a network, not pictures; give a StyleGAN network')
        if not source.generator.has_styles:
            raise UserError(f'metric {self.name}: this network has no dlatents; give a StyleGAN network')
        return source.generator

    def _rounds(self, count):
        """The numbers 0 to count - 1 with a progress bar; raises TimeIsUp when the time is up."""
        return self._tracked(range(count), self.name)

    def _computed(self, count, function):
        """Yields `function(number)`, a list of arrays, of rounds 0 to count - 1, with a progress bar; see `Team`."""
        if self._team.size == 1:
            for number in self._rounds(count):
                yield function(number)
            return
        found = self._team.compute(count, function, self.check_time)
        if self._team.is_first:
            for _ in self._rounds(count):
                yield next(found)
        else:
            collections.deque(found, maxlen=0)

    def _tracked(self, items, label):
        """The items of a sequence with a progress bar; raises TimeIsUp when the time is up."""
        for item in cli.progress(items, label):
            self.check_time()
            yield item

    def check_time(self):
        """Raises TimeIsUp after `settings.seconds`, or when `settings.should_stop` says so."""
        limit = self.settings.seconds
        if self.settings.should_stop is not None and self.settings.should_stop():
            raise TimeIsUp('not measured, since training is about to stop')
        if limit is not None and time.time() - self._begin > limit:
            raise TimeIsUp(f'not measured within {util.format_time(limit)}')

    def _open_dataset(self, resolution=None, label_size=0):
        """The dataset of reals; the caller closes it.

        Args:
            resolution: Size to read it in where the arguments do not say; `None` = its own.
            label_size: Columns of its labels that are wanted, where the arguments take all of them.
        """
        if self._reals.dataset_args is None:
            raise UserError(f'metric {self.name}: a dataset is needed; give --dataset')
        kwargs = dict(self._reals.dataset_args)
        if kwargs.get('max_label_size') in ('full', 'any'):
            kwargs['max_label_size'] = label_size
        return sampling.open_dataset(kwargs, resolution, self.settings.result_dir)

    def _open_labels(self, label_size):
        """The dataset that labels for a network with `label_size` labels are drawn from; the caller closes it."""
        data = self._open_dataset(label_size=label_size)
        if data.label_size != label_size:
            data.close()
            raise UserError(f'metric {self.name}: the network has {label_size} labels, the dataset {data.label_size}; '
                            'give the dataset it was trained on')
        return data

    def _write(self, folder, name):
        """Appends the result line to `metric-<name>.txt` and the record to `metric-<name>.jsonl`."""
        path = os.path.join(folder, 'metric-' + self.name)
        disk.append_line(path + '.txt', self.get_result_str().strip())
        record = dict(self.get_record(), network_pkl=util.public_url(name))
        disk.append_line(path + '.jsonl', json.dumps(record, sort_keys=True))


def _short_name(network_pkl, is_data_set):
    """Name of a network file or dataset without folders and extension."""
    name = os.path.basename(os.path.normpath(util.public_url(network_pkl)))
    stem, extension = os.path.splitext(name)
    return name if is_data_set and extension != '.zip' else stem


class DummyMetric(MetricBase):
    """Reports 0 whatever the fakes are."""

    def _evaluate(self, source):
        self._report_result(0.0)
