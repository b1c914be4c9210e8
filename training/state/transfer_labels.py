"""Networks of StyleGAN2-ADA that get labels, begun from networks without: at first labels change next to nothing."""

import numpy as np

EMBEDDING = 'LabelEmbed/weight'
FIRST_SHARE = 0.1  # of the initial weights of D's embedding: it must depend on the labels, but only a little


def begin(new, values, initial, labels_per_image):
    """Changes what a labeled network of `networks_ada` begins with, if its source has no labels.

    G's mapping gives the new inputs no weight. D's score is the mean product of outputs and an embedding near 1.

    Args:
        new: {name: value} of variables, as `transfer.resize` made them; changed.
        values, initial: The same of the source, and of the network before.
        labels_per_image: See `transfer.resize`.
    """
    for name in [name for name in initial if name.endswith(EMBEDDING) and name not in values]:
        prefix = name[:-len(EMBEDDING)]
        first = prefix + 'Dense0/weight'
        if first in new and first in values and len(values[first]) < len(new[first]):  # of G's mapping
            count = len(values[first])
            new[first] = np.concatenate([new[first][:count] * np.sqrt(len(new[first]) / count),
                                         np.zeros_like(new[first][count:])])
        if 'Output/weight' in new and 'Mapping0/weight' not in initial:
            outputs = new['Output/weight'].shape[-1]
            for output in ('Output/weight', 'Output/bias'):
                if output in values and values[output].shape[-1] == 1 < outputs:
                    new[output] = new[output] * (labels_per_image / np.sqrt(outputs))
            new[name] = initial[name] * FIRST_SHARE
            new[prefix + 'LabelEmbed/bias'] = np.ones_like(initial[prefix + 'LabelEmbed/bias'])
