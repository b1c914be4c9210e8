"""`--epochs`: the length of a training by how often it sees its data."""

from training.dataset import load_dataset

REPEATS = 4  # `minibatch_repeats` of the training loop, as published


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
    lengths = {}
    for name, args in (options.get('stream_args') or {'reals': options['dataset_args']}).items():
        with load_dataset(data_dir=options['data_dir'], **args) as dataset:
            dataset.hold_out(options.get('holdout', 0))
            lengths[name] = dataset.num_images - len(dataset.held_out)
    longest = max(lengths, key=lengths.get)
    kimg = epochs * lengths[longest] / 1000
    repeats = options.get('minibatch_repeats', REPEATS)
    print(f'--epochs={epochs:g}: {epochs:g} times the {lengths[longest]} images of {longest} = {kimg:g} kimg, rounded '
          'up '
          + (f'to a multiple of {repeats} minibatches' if repeats != 1 else 'to whole minibatches'))
    return kimg
