"""Metrics in trainings of several workers, by a tiny network; `tests/training/test_workers.py` compares them."""

import json
import os

import numpy as np

from dnnlib import UserError
from dnnlib.tflib import collectives
from metrics import feature_metric, metric_base
from metrics.metric_defaults import metric_defaults
from tests.metrics import tiny_extractor
from training.report.fakes import Later

NETWORKS = ('fd100_effnetlite0', 'pr1003_effnetlite0')  # with the same fakes
FUNCTIONS = ('is90', 'kid100')
RESULTS = 'results.json'
TF_CONFIG = dict(device='cpu', ops='ref', intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
SIZE = 7  # of the minibatches of functions, which metrics put together in other ones


class Failing(metric_base.MetricBase):
    """A metric that the last worker cannot compute."""

    def _evaluate(self, source):
        if self._team.worker == self._team.size - 1:
            raise UserError('no more memory')
        self._team.decide(0)


def callback(run_dir):
    """A `metric_callback` that writes the results of the second network file to RESULTS in `run_dir`."""
    os.environ['STYLEGAN2_CACHE'] = os.path.join(run_dir, 'cache')
    seen = []

    def evaluate(network_pkl, _fakes):
        seen.extend([] if network_pkl is None else [network_pkl])
        if network_pkl is None or len(seen) < 2:  # the first is of one iteration
            return {}
        drawn, is_first = [], collectives.worker() == 0

        class Module:
            """Stands in for a module of `metrics.features`."""
            @staticmethod
            def load():
                """See `tiny_extractor.load`."""
                assert is_first, 'the others have no weights'
                return tiny_extractor.load()

        feature_metric.EXTRACTORS.update((name, (Module, tiny_extractor.TinyExtractor))
                                         for name in feature_metric.EXTRACTORS)
        where = dict(dataset_args=dict(tfrecord_dir='cats', max_label_size='full', resolution=8), mirror_augment=True,
                     tf_config=TF_CONFIG)
        of_networks, of_functions = (metric_base.MetricGroup([metric_defaults[name] for name in names], seed=1)
                                     for names in (NETWORKS, FUNCTIONS))
        failing = metric_base.MetricGroup([dict(func_name=__name__ + '.Failing', name='failing')])

        def fakes(count, seed):
            return fakes_of(count, seed, drawn)
        of_networks.run_in_training(network_pkl, **where)
        failing.run_fakes_in_training(fakes, 'functions', **where)
        of_functions.run_fakes_in_training(fakes, 'functions', **where)
        results = dict(of_networks.get_results(), **of_functions.get_results())
        if is_first:
            with open(os.path.join(run_dir, RESULTS), 'w') as file:
                json.dump(dict(results, drawn=len(drawn)), file)
        assert is_first or not results
        return {}

    return evaluate


def fakes_of(count, seed, drawn):
    """Fakes some of which are drawn only where they are wanted; `drawn` = list to which their numbers are added."""
    def draw(number):
        drawn.append(number)
        return np.random.RandomState(seed + number).randint(0, 256, [SIZE, 3, 8, 8]).astype(np.uint8)
    for number in range(-(-count // SIZE)):
        yield draw(number) if number % 5 == 4 else Later(SIZE, lambda number=number: draw(number))
