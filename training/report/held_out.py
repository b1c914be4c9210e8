"""Overfitting of the discriminator, seen on images that it never learns from (Karras et al. 2020, figure 1)."""

import numpy as np

from dnnlib.images import adjust_dynamic_range
from dnnlib.tflib.autosummary import autosummary

MAX_IMAGES = 200  # of each kind, at every tick


class ScoreMonitor:
    """Mean scores of D on images that it learns from, on held-out ones and on generated ones.

    A discriminator that memorizes its data scores held-out images as it scores generated ones.

    Args:
        generator, discriminator: tflib.Networks, of latents and labels, and of images and labels.
        training_set: Dataset with `held_out` images.
        drange_net: [low, high] of the networks' images.
        minibatch_size: Images at a time; as in the training, since D looks at the differences within a minibatch. Where
            a part has fewer images it is as many as there are, in whole groups of the minibatch standard deviation.
    """

    def __init__(self, generator, discriminator, training_set, drange_net, minibatch_size):
        held_out = training_set.held_out
        count = min(MAX_IMAGES, len(held_out), training_set.num_images - len(held_out))
        if count < minibatch_size:
            group = discriminator.static_kwargs.get('mbstd_group_size', 4) or 1
            minibatch_size = count - count % group if count > group else count
        count -= count % minibatch_size
        self._generator, self._discriminator, self._training_set = generator, discriminator, training_set
        self._drange, self._minibatch_size = drange_net, minibatch_size
        self._numbers = dict(train=training_set.indices_at(0, count), held_out=held_out[:count])
        self._latents = np.random.RandomState(0).randn(count, *self._generator.input_shape[1:])

    def scores(self):
        """{'train', 'held_out', 'generated': mean score of D}."""
        means = {}
        for name, numbers in self._numbers.items():
            means[name] = self._mean(numbers, lambda part: adjust_dynamic_range(
                np.stack([self._training_set.read(n) for n in part]), self._training_set.dynamic_range, self._drange))
        latents = dict(zip(self._numbers['train'], self._latents))
        means['generated'] = self._mean(self._numbers['train'], lambda part: self._generator.run(
            np.stack([latents[n] for n in part]), self._training_set.read_labels(part), is_validation=True,
            randomize_noise=False))
        return means

    def __call__(self):
        """At every tick: prints the scores, and adds them to the statistics as `Holdout/scores/<name>`."""
        scores = self.scores()
        print('mean scores of D: ' + ', '.join(f'{name} {scores[name]:.3f}' for name in sorted(scores)))
        for name, score in scores.items():
            autosummary('Holdout/scores/' + name, score)

    def _mean(self, numbers, images_of):
        """Mean score of the images that a function of their numbers returns, with the labels of these numbers."""
        size = self._minibatch_size
        parts = [numbers[i:i + size] for i in range(0, len(numbers), size)]
        return float(np.mean([self._discriminator.run(images_of(part), self._training_set.read_labels(part))
                              for part in parts]))
