"""Linear separability (StyleGAN, section 4.2): how well a plane in latent space separates attributes of faces."""

import hashlib
import os

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from dnnlib.tflib import network_pickle
from metrics import metric_base
from metrics.features import detectors, weight_files
from training import pretrained

ATTRIBUTES = (
    'male', 'smiling', 'attractive', 'wavy-hair', 'young', '5-o-clock-shadow', 'arched-eyebrows', 'bags-under-eyes',
    'bald', 'bangs', 'big-lips', 'big-nose', 'black-hair', 'blond-hair', 'blurry', 'brown-hair', 'bushy-eyebrows',
    'chubby', 'double-chin', 'eyeglasses', 'goatee', 'gray-hair', 'heavy-makeup', 'high-cheekbones',
    'mouth-slightly-open', 'mustache', 'narrow-eyes', 'no-beard', 'oval-face', 'pale-skin', 'pointy-nose',
    'receding-hairline', 'rosy-cheeks', 'sideburns', 'straight-hair', 'wearing-earrings', 'wearing-hat',
    'wearing-lipstick', 'wearing-necklace', 'wearing-necktie')
FOLDER_VARIABLE = 'STYLEGAN2_CLASSIFIERS'
URL = 'https://nvlabs-fi-cdn.nvidia.com/stylegan/networks/metrics/'
MAX_NEWTON_STEPS = 50


def linear_svm(x, is_second, C=1.0, tolerance=1e-6):
    """Support vector machine with a squared hinge loss, as scikit-learn's `LinearSVC()`, by Newton's method.

    Minimizes |w|^2 / 2 + C sum max(0, 1 - y (x w))^2 with a constant 1 appended to x, so the offset counts in |w|.

    Args:
        x: [N, D], float64.
        is_second: Class of each sample, bool [N].
        C: Weight of the loss.
        tolerance: Largest component of the gradient at the end, relative to that at w = 0.
    Returns: w [D + 1], float64; a sample is of the second class if x w > 0.
    """
    x = np.concatenate([x, np.ones([len(x), 1])], axis=1)
    y = np.where(is_second, 1.0, -1.0)

    def loss(w):
        return np.dot(w, w) / 2 + C * np.square(np.maximum(1 - y * (x @ w), 0)).sum()

    w = np.zeros(x.shape[1])
    target = None
    for _ in range(MAX_NEWTON_STEPS):
        margins = 1 - y * (x @ w)
        active = margins > 0
        gradient = w - 2 * C * (x[active].T @ (y[active] * margins[active]))
        target = tolerance * np.abs(gradient).max() if target is None else target
        if np.abs(gradient).max() <= target:
            break
        step = np.linalg.solve(np.eye(len(w)) + 2 * C * (x[active].T @ x[active]), -gradient)
        length, before = 1.0, loss(w)
        while length > 1e-9 and loss(w + length * step) > before + 1e-4 * length * np.dot(gradient, step):
            length /= 2
        w = w + length * step
    return w


def conditional_entropy(predicted, target):
    """Entropy in bits of the attribute once the prediction is known (StyleGAN, section 4.2).

    Args:
        predicted, target: bool [N].
    Returns: float, 0 (the prediction is always right, or always wrong) to 1.
    """
    joint = np.array([[np.mean((predicted == a) & (target == b)) for b in (False, True)] for a in (False, True)])
    marginal = joint.sum(axis=1, keepdims=True)
    with np.errstate(divide='ignore', invalid='ignore'):
        terms = np.where(joint > 0, joint * np.log2(joint / marginal), 0)
    return max(0.0, float(-terms.sum()))


def classifier_path(index):
    """Path of the classifier file of attribute `index`, downloaded if need be; UserError if it is unavailable."""
    name = f'celebahq-classifier-{index:02d}-{ATTRIBUTES[index]}.pkl'
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise UserError(f'{FOLDER_VARIABLE}: {path!r} does not exist; give a folder with the 40 published '
                            'classifiers')
        return path
    return weight_files.find('the classifier ' + name, FOLDER_VARIABLE, [
        weight_files.Candidate(name, url=URL + name)], in_folder=True).path


class LS(metric_base.MetricBase):
    """Linear separability.

    Args:
        name: Name in the results.
        num_samples: Number of images.
        num_keep: How many of them, the most certain ones, each attribute is judged by.
        attrib_indices: Numbers of the attributes, see ATTRIBUTES.
        minibatch_per_gpu: Images at a time and GPU.
    """

    def __init__(self, name, num_samples, num_keep, attrib_indices, minibatch_per_gpu):
        super().__init__(name)
        if not 2 <= num_keep <= num_samples:
            raise UserError(f'metric {name}: expected to keep 2 to {num_samples} samples, got {num_keep}')
        self.num_samples = num_samples
        self.num_keep = num_keep
        self.attrib_indices = list(attrib_indices)
        self.minibatch_per_gpu = minibatch_per_gpu

    def check_weights(self):
        """See MetricBase."""
        for index in self.attrib_indices:
            classifier_path(index)

    def _evaluate(self, source):
        generator = self._generator_of(source)
        classifiers, hashes = zip(*[self._load_classifier(index) for index in self.attrib_indices])
        run_round = generator.build(lambda latents, _labels, dlatents, images: [
            latents, tf.cast(dlatents[:, -1], tf.float32), _logits(classifiers, images)], self.minibatch_per_gpu,
                                    self._seed)
        num_rounds = -(-self.num_samples // (self.minibatch_per_gpu * generator.num_gpus))
        found = list(self._computed(num_rounds, run_round))
        self._team.leave()
        latents, dlatents, logits = (np.concatenate(parts)[:self.num_samples] for parts in zip(*found))
        self._note(num_fakes=self.num_samples, num_keep=self.num_keep, attributes=self.attrib_indices,
                   extractor='celebahq-classifier', weights_sha256=list(hashes), resize='box average, from 512 px on')
        for points, suffix in ((latents, '_z'), (dlatents, '_w')):
            entropies = []
            for column in logits.T:
                self.check_time()
                entropies.append(self._entropy(points, column))
            self._report_result(2 ** np.sum(entropies), suffix=suffix)

    def _entropy(self, points, logits):
        """Conditional entropy of one attribute: float."""
        sure = np.argsort(-np.abs(logits), kind='stable')[:self.num_keep]  # the largest softmax of (x, -x)
        x, target = np.float64(points[sure]), logits[sure] < 0
        if target.all() or not target.any():  # nothing to separate
            return conditional_entropy(target, target)
        w = linear_svm(x, target)
        return conditional_entropy(x @ w[:-1] + w[-1] > 0, target)

    def _load_classifier(self, index):
        path = classifier_path(index) if self._team.is_first else None
        network = network_pickle.load(self._team.file_from_first(path), pretrained.BUILD_MODULES)
        if not isinstance(network, tflib.Network):
            raise UserError(f'{path}: expected a single network, a classifier')
        if path is None:
            return network, ''
        with open(path, 'rb') as file:
            return network, hashlib.sha256(file.read()).hexdigest()


def _logits(classifiers, images):
    """Outputs of all classifiers for images [N, C, H, W] in [-1, 1]: [N, number of classifiers]."""
    images = detectors.shrink_to_256(images)
    columns = []
    for network in classifiers:
        if network.input_shape[1:] != images.shape.as_list()[1:]:
            raise UserError(f'the classifiers take images of {network.input_shape[1:]}, the network makes '
                            f'{images.shape.as_list()[1:]}')
        inputs = [images] + [None] * (network.num_inputs - 1)
        columns.append(tf.reshape(tf.cast(network.get_output_for(*inputs), tf.float32), [-1]))
    return tf.stack(columns, axis=1)
