"""`--epochs`: the length of a training by how often it sees its data."""

from typing import NamedTuple

from training.data.sources import keeping_headers
from training.data.streams import open_datasets, stream_options

REPEATS = 4  # `minibatch_repeats` of the training loop, as published


class Found(NamedTuple):
    """What is known of the data of one stream."""
    num_images: int  # that are trained on
    shape: list      # [C, H, W] of them
    num_shown: int   # of which sheets show some


def look(options):
    """Opens the data of all streams of a training once.

    Args:
        options: Options of the training loop.
    Returns: {stream: Found}.
    Raises: UserError if a dataset can't be opened.
    """
    streams = stream_options(options.get('dataset_args'), options.get('stream_args'))
    with keeping_headers(), open_datasets(streams, 0, options['data_dir'], options.get('bad', 'stop'),
                                          options.get('holdout', 0)) as datasets:
        return {name: Found(data.num_images - len(data.held_out), list(data.shape), data.num_shown)
                for name, data in datasets.items()}


def total_kimg(epochs, options):
    """Length of a training that shows the longest of its datasets so many times; prints it.

    Images shown stay the clock of the training, so it resumes like any other. It looks at its length where it looks at
    the schedule, so it ends with the first REPEATS minibatches that reach it.

    Args:
        epochs: Number of times, > 0; may be a fraction.
        options: Options of the training loop.
    Returns: Thousand images, float.
    Raises: UserError if a dataset can't be opened.
    """
    found = {name: data.num_images for name, data in look(options).items()}
    longest = max(found, key=found.get)
    kimg = epochs * found[longest] / 1000
    repeats = options.get('minibatch_repeats', REPEATS)
    print(f'--epochs={epochs:g}: {epochs:g} times the {found[longest]} images of {longest} = {kimg:g} kimg, rounded '
          'up '
          + (f'to a multiple of {repeats} minibatches' if repeats != 1 else 'to whole minibatches'))
    return kimg


def finish(args, options):
    """Enters `--epochs`, if it was given, into options that are complete but for that.

    Args:
        args: Parsed command line.
        options: Options of the training loop; changed.
    """
    if args.epochs is not None:
        options['total_kimg'] = total_kimg(args.epochs, options)
