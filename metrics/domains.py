"""Translations between domains: FID and the diversity of translations, for each pair of domains (Choi et al. 2020).

Every picture to test with is translated to every other domain, once or, where a translation has a style, several times,
with styles of latents and with styles of the pictures to test with of that domain. Results are means over the pairs.
"""

import hashlib

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import UserError, tflib
from metrics import feature_metric, feature_stats, metric_base, weights
from metrics.features import lpips_alex
from metrics.frechet_inception_distance import frechet_distance

NUM_OUTPUTS = 10  # translations of a picture to a domain in different styles; as published


def domains_of(metric, source):
    """The domains of a source, see `training.report.between.Domains`; raises UserError if it has none."""
    if source.domains is None:
        raise UserError(f'metric {metric.name}: it measures translations between domains; give a network of StarGAN or '
                        'StarGAN v2 and --inputs, a folder with a folder of pictures for each domain')
    return source.domains


def chosen(task, count):
    """Numbers of at most `count` of the sources of a task, evenly chosen."""
    found = len(task.sources)
    return list(range(found)) if count >= found else np.linspace(0, found - 1, count).astype(int).tolist()


class DomainFID(feature_metric.FeatureMetric):
    """Mean of the Frechet distances of the translations to a domain and the pictures of it that are trained on.

    Args:
        name, minibatch_per_gpu: See FeatureMetric.
        num_images: Number of pictures of each domain that are translated, fewer where there are fewer.
        num_outputs: Translations of each with different styles.
    """

    def __init__(self, name, num_images, minibatch_per_gpu, num_outputs=NUM_OUTPUTS):
        super().__init__(name, num_images, minibatch_per_gpu, 'inception')
        self.fakes_key, self.num_outputs = None, num_outputs

    def _evaluate(self, source):
        domains = domains_of(self, source)
        self._build_extractor()
        features_of = self._on_all_gpus(self._network.features, source.shape)
        outputs = self.num_outputs if len(domains.guides) > 1 else 1
        places = [[(place, output) for place in chosen(task, self.num_images) for output in range(outputs)]
                  for task in domains.tasks]
        for task, found in zip(domains.tasks, places):
            if min(len(found), len(task.reals)) < 2:
                raise UserError(f'metric {self.name}: {task.name} has {len(found)} translations and {len(task.reals)} '
                                'pictures to compare with; at least 2 are needed')
        real = {}
        for task in domains.tasks:
            key = task.target, task.value
            if key not in real:
                real[key] = self._reals_of(task, features_of)
        fakes = [(guide, number) for guide in domains.guides for number in range(len(domains.tasks))]

        def fakes_of(index, begin, end, _):
            guide, number = fakes[index]
            return features_of(source.draw(guide, domains.tasks[number], *zip(*places[number][begin:end]), self._seed))
        found = self._moments_of([len(places[number]) for _, number in fakes], fakes_of)
        self._team.leave()
        of_pairs = {}
        for (guide, number), moments in zip(fakes, found):
            task = domains.tasks[number]
            of_pairs.setdefault(guide, {})[task.name] = frechet_distance(*moments + real[task.target, task.value])
        self._note(of_pairs=of_pairs, num_fakes=sum(map(len, places)))
        for guide, values in of_pairs.items():
            self._report_result(np.mean(list(values.values())), '_' + guide)

    def _reals_of(self, task, features_of):
        """(mean, covariance) of the pictures that are like a target, from the cache if they are there; in worker 0."""
        data, numbers, path, result = task.part.trained, task.reals, None, None
        if self._team.is_first:
            path = feature_stats.cache_path(dict(
                data=self._hash(data, numbers), extractor=self.extractor, weights=self._weights_sha256,
                resize=self._network.resize), f'{self.extractor}-{data.name}')
            result = feature_stats.read(path)
        if not self._team.decide(result is not None):
            found = self._moments_of([len(numbers)], lambda _number, begin, end, _: features_of(np.stack(
                [data.read(index) for index in numbers[begin:end]])))
            if found is not None:
                result = found[0]
                feature_stats.write(path, result)
        return result

    def _hash(self, data, numbers):
        """SHA-256 of pictures, by number; a group of metrics reads them once for it."""
        key, hashes = ('domains', data.name, data.where(int(numbers[0])), tuple(numbers.tolist())), self.settings.hashes
        if key not in hashes:
            digest = hashlib.sha256(repr(data.shape).encode())
            for number in self._tracked(numbers, 'contents of ' + data.name):
                digest.update(data.read(number).tobytes())
            hashes[key] = digest.hexdigest()
        return hashes[key]


class DomainLPIPS(metric_base.MetricBase):
    """How much translations of a picture to a domain differ: mean LPIPS of each two of them, on AlexNet.

    The published program gives each minibatch of pictures the same weight, also the last one; here all pictures have.

    Args:
        name: Name in the results.
        num_images, num_outputs: See DomainFID.
    """

    def __init__(self, name, num_images, num_outputs=NUM_OUTPUTS):
        super().__init__(name)
        self.num_images, self.num_outputs = num_images, num_outputs

    def check_weights(self):
        """See MetricBase."""
        weights.lpips_alexnet()

    def _evaluate(self, source):
        domains = domains_of(self, source)
        if len(domains.guides) < 2:
            raise UserError(f'metric {self.name}: this network makes one translation of a picture to a domain, so '
                            'there is nothing to compare')
        distance_of = self._distance(source.shape)
        jobs = [(guide, number, place) for guide in domains.guides for number, task in enumerate(domains.tasks)
                for place in chosen(task, self.num_images)]

        def distance(index):
            guide, number, place = jobs[index]
            images = source.draw(guide, domains.tasks[number], [place] * self.num_outputs, range(self.num_outputs),
                                 self._seed)
            return [distance_of(images)]
        found = {}
        for (guide, number, _), (value,) in zip(jobs, self._computed(len(jobs), distance)):
            found.setdefault(guide, {}).setdefault(domains.tasks[number].name, []).append(float(value))
        self._team.leave()
        of_pairs = {guide: {name: float(np.mean(values)) for name, values in of_guide.items()}
                    for guide, of_guide in found.items()}
        self._note(of_pairs=of_pairs, num_fakes=len(jobs) * self.num_outputs, extractor='lpips-alex')
        for guide, values in of_pairs.items():
            self._report_result(np.mean(list(values.values())), '_' + guide)

    def _distance(self, shape):
        """Function of uint8 [num_outputs, C, H, W] that returns the mean distance of two of them."""
        arrays = self._team.from_first(weights.lpips_alexnet() if self._team.is_first else None)
        network = lpips_alex.LpipsAlex(arrays)
        images = tf.placeholder(tf.uint8, [self.num_outputs] + list(shape))
        features = network.features(tf.cast(images, tf.float32) / 127.5 - 1)
        firsts, seconds = np.triu_indices(self.num_outputs, 1)
        pairs = [[tf.gather(x, numbers) for x in features] for numbers in (firsts, seconds)]
        mean = tf.reduce_mean(network.distance(*pairs))
        return lambda pictures: tflib.run(mean, {images: pictures})
