"""What a metric is told besides what to measure: how, and with which reals."""

from typing import Callable, NamedTuple

from dnnlib.run import run_dir as run_dirs


class Settings(NamedTuple):
    """How the metrics of a group measure."""
    seed: int = None  # of the fakes; None = a new one each time, so that repeated runs show the spread
    fakes_args: dict = None  # arguments of `dataset.load_dataset`: pictures to measure instead of a network's
    result_dir: str = None  # folder for result files; None = only that of the training, `run_dir`
    seconds: float = None  # time limit of each metric; None = no limit
    should_stop: Callable = None  # function without arguments: is it time to give up? None = never
    hashes: dict = None  # where groups share the hashes of datasets; None = no dataset is hashed twice within a group


class Reals(NamedTuple):
    """The dataset that fakes are compared with."""
    dataset_args: dict  # arguments of `dataset.load_dataset`; None = no dataset was given
    mirror: bool  # flip half of the pictures left to right?


def find_reals(run_dir, data_dir, dataset_args, mirror_augment):
    """The Reals of arguments of `MetricBase.run`; what is None comes from the training in `run_dir`."""
    if run_dir is not None and (dataset_args is None or mirror_augment is None):
        trained_with = reals_of(run_dirs.load_submit_config(run_dir).get('run_func_kwargs') or {})
        dataset_args = trained_with['dataset_args'] if dataset_args is None else dataset_args
        mirror_augment = trained_with['mirror_augment'] if mirror_augment is None else mirror_augment
    return Reals(None if dataset_args is None else dict(dataset_args, data_dir=data_dir, shuffle_mb=0),
                 bool(mirror_augment))


def reals_of(options):
    """What a training with these options compares its networks with: `dataset_args` and `mirror_augment`, dictionary.

    Args:
        options: Keyword arguments of the training loop.
    """
    dataset_args = options.get('dataset_args')
    if dataset_args is not None and options.get('bad') == 'skip':
        dataset_args = dict(dataset_args, bad='skip')
    return dict(dataset_args=dataset_args, mirror_augment=options.get('mirror_augment', False))
