"""Several metrics one after another; those of a training, in all its workers."""

from dnnlib import util
from dnnlib.tflib.exchange import Broken
from metrics.metric_defaults import metric_defaults
from metrics.settings import Settings

TRAINING_MINUTES = 60  # after which a metric of a network snapshot is abandoned so training can continue


class MetricGroup:
    """Several metrics evaluated one after another.

    Args:
        metric_kwarg_list: List of dictionaries such as the values of `metric_defaults`.
        settings: Fields of `Settings`.
    """

    def __init__(self, metric_kwarg_list, **settings):
        settings.setdefault('hashes', {})
        self.metrics = [util.call_func_by_name(**kwargs) for kwargs in metric_kwarg_list]
        for metric in self.metrics:
            metric.settings = Settings(**settings)

    def check_weights(self):
        """See `MetricBase.check_weights`, of every metric; a feature network is read once."""
        for metric in {metric.extractor or metric.name: metric for metric in self.metrics}.values():
            metric.check_weights()

    def run(self, *args, **kwargs):
        """Runs every metric, see `MetricBase.run`."""
        for metric in self._in_turn():
            metric.run(*args, **kwargs)

    def run_fakes(self, *args, **kwargs):
        """Runs every metric on images that a function makes, see `MetricBase.run_fakes`."""
        for metric in self._in_turn():
            metric.run_fakes(*args, **kwargs)

    def run_in_training(self, *args, **kwargs):
        """Runs every metric, see `MetricBase.run`; one that fails or takes too long is a line in the log, no error.

        Where no `seconds` are set, each metric has TRAINING_MINUTES.
        """
        for metric in self._in_turn():
            _try(metric, metric.run, args, kwargs)

    def run_fakes_in_training(self, *args, **kwargs):
        """As `run_in_training`, on images that a function makes: see `MetricBase.run_fakes`."""
        for metric in self._in_turn():
            _try(metric, metric.run_fakes, args, kwargs)

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
        return ' '.join([metric.get_result_str() for metric in self.metrics])

    def get_results(self):
        """Results of the last run of all metrics, {name: value}."""
        return {name: value for metric in self.metrics for name, value in metric.get_results().items()}

    def update_autosummaries(self):
        """Reports all results as summaries."""
        for metric in self.metrics:
            metric.update_autosummaries()


def agree(job, group, should_stop):
    """The metrics of worker 0, in all workers; the others need not have the weights of their networks.

    Args:
        job: training.options.workers.Job.
        group: MetricGroup; `None` in the others.
        should_stop: See `Settings`; of this worker.
    Returns: MetricGroup.
    """
    if job.cluster is None:
        return group
    names = job.watch.share(group and [metric.name for metric in group.metrics])
    return group or MetricGroup([metric_defaults[name] for name in names], should_stop=should_stop)


def _try(metric, run, args, kwargs):
    """Runs a metric during training; see `MetricGroup.run_in_training`."""
    if metric.settings.seconds is None:
        metric.settings = metric.settings._replace(seconds=60 * TRAINING_MINUTES)
    metric.forget()
    try:
        run(*args, **kwargs)
    except Broken:
        raise
    except Exception as error:  # pylint: disable=broad-except
        metric.forget()
        reason = ' '.join((str(error).strip() or type(error).__name__).split())
        print(f'metric {metric.name}: {reason[:400]}')
