"""How instances may look, learned from photos of other places (Wang et al. 2018, section 3.4), or read from the file
that the published program writes when it has learned it. NumPy only.

The published test does the same: what the encoder says of the large instances of all photos is put into clusters, class
by class, and each instance of a translation gets one of its class at random.
"""

from collections import OrderedDict

import numpy as np

from dnnlib.files import object_file
from dnnlib.util import UserError

CLUSTERS = 10        # of a class, at most; as published
SHARE = 1 / 64       # of an image, above which an instance is large enough to be looked at; as published
FIRST_INSTANCE = 1000  # numbers from here on are 1000 times the class plus something, as in Cityscapes; below, classes


def class_of(number):
    """Class of an instance, by its number."""
    return number // FIRST_INSTANCE if number >= FIRST_INSTANCE else number


def learn(described):
    """Styles of photos.

    Args:
        described: Yields (features, float32 [F, H, W], the same all over an instance; numbers of instances [1, H, W]).
    Raises: UserError if there are no large instances.
    """
    found = OrderedDict()
    for features, instances in described:
        for number, place in _places(instances):
            if len(place) > SHARE * instances.size:
                value = features.reshape(len(features), -1)[:, place[len(place) // 2]]
                found.setdefault(class_of(number), []).append(value)
    if not found:
        raise UserError(f'none of the instances of the reference pictures covers more than {SHARE:.1%} of its '
                        'picture; give others')
    return Styles({name: clusters(np.stack(values)) for name, values in found.items()})


def read(path):
    """Styles of a file `features_clustered_010.npy`: an object of {class: [clusters, F]}.

    Classes that were never large enough have arrays without rows there, or, with a column more, what was not clustered.

    Raises: UserError for another file.
    """
    found = object_file.load(path)
    sizes = {array.shape[1] for array in found.values() if array.ndim == 2 and len(array)} if isinstance(
        found, dict) and all(isinstance(array, np.ndarray) for array in found.values()) else ()
    if not sizes:
        raise UserError(f'{path}: no features of instances by class, such as pix2pixHD writes to '
                        'features_clustered_010.npy')
    return Styles({name: array for name, array in found.items() if array.ndim == 2 and len(array)
                   and array.shape[1] == min(sizes)})


class Styles:
    """Clusters of features, by class.

    Args:
        clusters_by_class: {class: [clusters, F]}.
    Attributes:
        num_features: F.
    """

    def __init__(self, clusters_by_class):
        self._clusters = clusters_by_class
        self.num_features = next(iter(clusters_by_class.values())).shape[1]

    def draw(self, instances, rnd):
        """Features of instances: for each a random cluster of its class, zeros where there is none.

        Args:
            instances: Numbers [1, H, W].
            rnd: RandomState.
        Returns: float32 [F, H, W].
        """
        features = np.zeros((self.num_features, instances.size), np.float32)
        for number, place in _places(instances):
            known = self._clusters.get(class_of(number))
            if known is not None:
                features[:, place] = known[rnd.randint(len(known))][:, np.newaxis]
        return features.reshape((self.num_features,) + instances.shape[1:])


def _places(instances):
    """Yields each number of a map, in ascending order, and the places that have it, int [N]."""
    numbers, inverse = np.unique(instances, return_inverse=True)
    order = np.argsort(inverse.reshape(-1), kind='mergesort')
    ends = np.cumsum(np.bincount(inverse.reshape(-1)))
    for number, begin, end in zip(numbers.tolist(), [0] + ends[:-1].tolist(), ends):
        yield number, order[begin:end]


def clusters(values, count=CLUSTERS, seed=0):
    """Centers of clusters by k-means (Lloyd 1982), begun far from each other (Arthur and Vassilvitskii 2007).

    Args:
        values: [N, F].
        count: Number of clusters; fewer where fewer values differ.
        seed: Of the beginning, int.
    Returns: [K, F].
    """
    rnd, centers = np.random.RandomState(seed), values[:1]
    while len(centers) < count:
        far = np.min(_distances(values, centers), axis=1)
        if not far.max() > 0:
            break
        centers = np.concatenate([centers, values[[rnd.choice(len(values), p=far / far.sum())]]])
    nearest = None
    while True:
        found = np.argmin(_distances(values, centers), axis=1)
        if nearest is not None and np.array_equal(found, nearest):
            return centers
        nearest = found
        centers = np.stack([values[nearest == i].mean(axis=0) if np.any(nearest == i) else centers[i]
                            for i in range(len(centers))])


def _distances(values, centers):
    """Squared distances [N, K], float64."""
    return np.sum(np.square(np.float64(values)[:, np.newaxis] - centers), axis=2)
