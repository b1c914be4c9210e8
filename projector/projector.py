"""Projection of pictures: the dlatents and noise maps whose images are closest to them (StyleGAN2, section 5)."""

import re

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError
from dnnlib import tflib
from dnnlib.tflib import layout
from projector import candidates, distances, estimates, losses
from projector.candidates import map_latents
from projector.schedule import learning_rate, noise_strength

SPACES = ('w', 'w+')
NOISES = ('optimize', 'fixed')


class Projector:
    """Finds dlatents and noise maps of a minibatch of target pictures by gradient descent.

    Every target of a minibatch is optimized as if it were alone, with random numbers of its own. Change the public
    fields before `set_network`, those of the schedule at the latest before `start`.

    Attributes:
        step_fetches: What a step runs: operation, distances [N], loss; after `set_network`.
        drawn_by_start: Images that `start` draws of each target to estimate where it begins; after `draw_candidates`.
    """

    def __init__(self):
        self.num_steps = 1000
        self.dlatent_avg_samples = 10000
        self.initial_learning_rate = 0.1
        self.initial_noise_factor = 0.05
        self.lr_rampdown_length = 0.25
        self.lr_rampup_length = 0.05
        self.noise_ramp_length = 0.75
        self.shared_candidates = 1  # begin at the closest of at most so many points of W, the same for all targets
        self.local_candidates = 0  # begin at an estimate from those, and from so many around it; 0 = at the closest
        self.local_learning_rate = 0.1  # the initial one where it begins at an estimate
        self.start_candidates = 1  # the closest of so many for each target, as in calibrations of before 2026-12
        self.regularize_noise_weight = 1e5
        self.verbose = False  # print the distance every 10 steps
        self.clone_net = True  # later changes of the given network make no difference
        self.space = 'w'  # 'w' = the same dlatent for all layers, 'w+' = one for each
        self.noise = 'optimize'  # 'fixed' = noise maps stay as they were drawn
        self.distance = 'lpips-vgg'  # see distances.NAMES
        self.masked = False  # does `start` take masks?
        self.label = None  # of the samples of W, [label_size], None = zeros
        self.synthesis_options = {}  # over the network's own, such as those of a precision
        self.half_distance = False  # see distances.Distance
        self.drawn_by_start = 0
        self._cur_step = self._candidates = self._estimates = None

    def set_network(self, Gs, minibatch_size=1):
        """Builds the graph for a generator.

        Args:
            Gs: Network `G_main`, of 1, 3 or 4 channels; LPIPS wants a size of at least 16.
            minibatch_size: Most targets at once.
        Raises: UserError for a generator the distance cannot be computed for, for an unknown `space`, `noise` or
            `distance`, or when the weights of the distance are unavailable.
        """
        for name, value, known in (('space', self.space, SPACES), ('noise', self.noise, NOISES)):
            if value not in known:
                raise UserError('unknown {} {!r}; expected {}'.format(name, value, ' or '.join(known)))
        if minibatch_size < 1:
            raise UserError(f'The minibatch size must be at least 1, got {minibatch_size}')
        self._minibatch_size = minibatch_size
        self._Gs = Gs.clone() if self.clone_net else Gs
        self._dlatent_avg, self._dlatent_std = candidates.measure_dlatents(
            self._Gs.components.mapping, self.dlatent_avg_samples, label=self.label)
        self._info('dlatent spread {:.4f}'.format(self._dlatent_std))
        with tflib.absolute_name_scope(tf.get_default_graph().unique_name('Projector')):
            self._build_variables()
            self._build_images()
            self._measure = distances.Distance(self.distance, self.half_distance)
            self._build_target()
            self._build_optimizer()
        self._cur_step = self._candidates = self._estimates = None

    def draw_candidates(self):
        """Draws the points of W that all targets may begin at: the mean, and random ones; `start` does it if needed."""
        found = candidates.Candidates(self._measure, self._Gs.components.synthesis, self.synthesis_options)
        wanted = candidates.number_of(self.shared_candidates, self._Gs.output_shape[1:])
        found.keep(self._points_of_candidates(min(wanted, found.room())))
        self.drawn_by_start = self.local_candidates if estimates.possible(found.points) else 0
        self._candidates, self._estimates = found, estimates.Estimates(found) if self.drawn_by_start else None

    def _points_of_candidates(self, count):
        return candidates.points(self._Gs.components.mapping, self._dlatent_avg, count, self.label)

    def start(self, target_images, seeds=None, dlatents=None, masks=None, rank=0):
        """Begins the projection of pictures: dlatents where the fields say, random noise, fresh optimizer.

        Args:
            target_images: [N, C, H, W], float32, range [-1, 1], of the generator's shape, at most `minibatch_size`.
            seeds: Seed of each target's random numbers, list of N ints or lists of ints; `None` = all 0.
            dlatents: Dlatents to begin with, [N, 1 or layers, D]; `None` = what the fields say.
            masks: [N, 1, H, W], range [0, 1]: where the images are compared; `None` = everywhere.
            rank: Begin at the candidate that so many others are closer than, or at another estimate.
        Raises: UserError for another shape.
        """
        targets = np.asarray(target_images, dtype=np.float32)
        expected = self._Gs.output_shape[1:]
        if targets.ndim != 4 or list(targets.shape[1:]) != expected or not 1 <= len(targets) <= self._minibatch_size:
            raise UserError('Targets must have the shape {} of the generated images, at most {} of them, got {}'.format(
                [self._minibatch_size] + expected, self._minibatch_size, list(targets.shape)))
        if masks is not None and not self.masked:
            raise UserError('set the field masked before set_network to use masks')
        self._count = len(targets)
        self._initial_rate = self.initial_learning_rate
        if dlatents is None and self.shared_candidates > 1:
            dlatents = self._shared_start(targets, masks, rank)
        self._random = [np.random.RandomState(seed) for seed in (seeds or [0] * self._count)]
        self._set_target(targets, masks)
        begin = np.tile(self._dlatent_avg, [self._count, 1, 1]) if dlatents is None else dlatents
        values = {self._dlatents_var: self._filled(np.broadcast_to(begin, self._begin_shape()))}
        for var in self._noise_vars:
            shape = var.shape.as_list()[1:]
            values[var] = self._filled(np.stack([random.randn(*shape) for random in self._random]))
        tflib.set_vars(values)
        if dlatents is None and self.start_candidates > 1:
            tflib.set_vars({self._dlatents_var: self._filled(self._closest_candidates() + self._dlatent_avg)})
        self._opt.reset_optimizer_state()
        self._cur_step = 0

    def _set_target(self, targets, masks):
        feed = {self._target_in: self._filled(targets)}
        if self.masked:
            feed[self._mask_in] = self._filled(np.ones([1, 1] + list(targets.shape[2:])) if masks is None else masks)
        tflib.run(self._set_target_op, feed)

    def _set_noise_of_candidates(self):
        """The noise maps that the network stores, and dlatents of 0, so that the offset is the candidate."""
        stored = self._Gs.components.synthesis.vars
        values = tflib.run({var: stored[f'noise{index}'] for index, var in enumerate(self._noise_vars)})
        values[self._dlatents_var] = 0
        tflib.set_vars({var: np.broadcast_to(value, var.shape.as_list()) for var, value in values.items()})

    def _shared_start(self, targets, masks, rank):
        """[N, 1, D]: estimates, or the candidates that `rank` others are closer than; few behind masks, drawn again."""
        if masks is None:
            if self._candidates is None:
                self.draw_candidates()
            if self._estimates is not None:
                self._initial_rate = self.local_learning_rate
                return self._estimates.of(targets, self.local_candidates, rank)
            points, measured = self._candidates.points, self._candidates.distances(targets)
        else:
            points = self._points_of_candidates(min(self.shared_candidates, candidates.LEAST))
            measured = self._distances_of_masked(targets, masks, points)
        return candidates.closest(points, measured, rank)

    def _distances_of_masked(self, targets, masks, points):
        """Distances of points of W from targets, [N, points]."""
        self._set_target(targets, masks)
        self._set_noise_of_candidates()
        return np.stack([tflib.run(self._distances, {self._offset_in: np.broadcast_to(
            point, self._offset_in.shape.as_list())})[:self._count] for point in points], axis=1)

    def _closest_candidates(self):
        """Offset from the mean to the closest candidate of each target, [N, 1 or layers, D]; the mean is the first."""
        mapping, count = self._Gs.components.mapping, self.start_candidates - 1
        latents = np.concatenate([random.randn(count, *mapping.input_shape[1:]) for random in self._random])
        offsets = map_latents(mapping, latents, self.label) - self._dlatent_avg
        offsets = offsets.reshape([self._count, count, 1, -1])
        closest, lowest = np.zeros(self._begin_shape(), np.float32), self.get_distances()
        for index in range(count):
            offset = np.broadcast_to(offsets[:, index], self._begin_shape())
            found = tflib.run(self._distances, {self._offset_in: self._filled(offset)})[:self._count]
            closest[found < lowest] = offset[found < lowest]
            lowest = np.minimum(found, lowest)
        return closest

    def step(self):
        """Makes one optimization step; does nothing after `num_steps`.

        Returns: Distance of each target before the step, float32 [N], with the exploring offset of that step; `None`
            after the last step.
        """
        if self._cur_step is None:
            raise RuntimeError('call start() first')
        if self._cur_step >= self.num_steps:
            return None
        t = self._cur_step / self.num_steps
        strength = noise_strength(t, self._dlatent_std, self.initial_noise_factor, self.noise_ramp_length)
        rate = learning_rate(t, self._initial_rate, self.lr_rampdown_length, self.lr_rampup_length)
        offset = np.stack([random.randn(*self._begin_shape()[1:]) for random in self._random]) * strength
        feed = {self._offset_in: self._filled(offset), self._learning_rate_in: rate}
        _, found, loss = tflib.run(self.step_fetches, feed)
        found, self._cur_step = found[:self._count], self._cur_step + 1
        if self._cur_step % 10 == 0 or self._cur_step == self.num_steps:
            self._info(f'step {self._cur_step:4d} of {self.num_steps}: distance {np.mean(found):.4f}, loss {loss:.4f}')
        return found

    def run(self, target_images):
        """Projects pictures from start to end, see `start`; returns EasyDict(dlatents, noises, images)."""
        self.start(target_images)
        while self.get_cur_step() < self.num_steps:
            self.step()
        return EasyDict(dlatents=self.get_dlatents(), noises=self.get_noises(), images=self.get_images())

    def get_cur_step(self):
        """Number of steps made since `start`."""
        return self._cur_step

    def get_dlatents(self):
        """Current dlatents, [N, layers, D], float32."""
        return self._evaluate(self._dlatents)

    def get_noises(self):
        """Current noise maps, list of [N, 1, H, W], float32."""
        return [noise[:self._count] for noise in tflib.run(self._noise_vars)]

    def get_images(self):
        """Images of the current dlatents and noise, [N, C, H, W], float32, about [-1, 1]."""
        return self._evaluate(self._images)

    def get_distances(self):
        """Distances of `get_images` to the targets, float32 [N]."""
        return self._evaluate(self._distances)

    def _evaluate(self, tensor):
        return tflib.run(tensor, {self._offset_in: np.zeros(self._offset_in.shape.as_list())})[:self._count]

    def _filled(self, values):
        return candidates.filled(values, self._minibatch_size)

    def _begin_shape(self):
        return [self._count] + self._dlatents_var.shape.as_list()[1:]

    def _info(self, text):
        if self.verbose:
            print('Projector: ' + text)

    def _build_variables(self):
        synthesis = self._Gs.components.synthesis
        num_layers, size = synthesis.input_shape[1:]
        shape = [self._minibatch_size, num_layers if self.space == 'w+' else 1, size]
        self._dlatents_var = tf.Variable(tf.zeros(shape), name='dlatents_var', use_resource=True, trainable=False)
        self._offset_in = tf.placeholder(tf.float32, shape, name='noise_in')
        dlatents = self._dlatents_var + self._offset_in
        self._dlatents = dlatents if self.space == 'w+' else tf.tile(dlatents, [1, num_layers, 1])
        self._noise_vars = []
        while 'noise{}'.format(len(self._noise_vars)) in synthesis.vars:
            index = len(self._noise_vars)
            maps = [self._minibatch_size] + synthesis.vars['noise{}'.format(index)].shape.as_list()[1:]
            self._noise_vars.append(
                tf.Variable(tf.zeros(maps), name=f'noise{index}_var', use_resource=True, trainable=False))
        tflib.init_uninitialized_vars([self._dlatents_var] + self._noise_vars)

    def _build_images(self):
        """The synthesis network with a noise map for each target instead of the one that all share."""
        def own_noise(getter, name, *args, **kwargs):
            match = re.search(r'/noise(\d+)$', name)
            return self._noise_vars[int(match.group(1))] if match else getter(name, *args, **kwargs)

        dlatents = self._dlatents
        if layout.data_format() == 'NHWC':
            # For one sample, convolutions would modulate their kernels; the gradients of these are a third of all
            # arithmetic, and only the styles' are needed. As for several samples, feature maps are scaled instead.
            dlatents = tf.placeholder_with_default(dlatents, [None] + dlatents.shape.as_list()[1:])
        with tf.variable_scope(tf.get_variable_scope(), custom_getter=own_noise):
            self._images = self._Gs.components.synthesis.get_output_for(
                dlatents, randomize_noise=False, **self.synthesis_options)
        self._images = tf.ensure_shape(self._images, [self._minibatch_size] + self._Gs.output_shape[1:])

    def _build_target(self):
        """The targets' features are variables: they are computed once per picture, not once per step."""
        shape = [self._minibatch_size] + self._Gs.output_shape[1:]
        self._target_in = tf.placeholder(tf.float32, shape, name='target_in')
        values = self._measure.features(self._target_in)
        images = self._images
        if self.masked:
            self._mask_in = tf.placeholder(tf.float32, shape[:1] + [1] + shape[2:], name='mask_in')
            values = values + [self._target_in, self._mask_in]
        stored = [tf.Variable(tf.zeros(value.shape), trainable=False, use_resource=True, name='target_features')
                  for value in values]
        tflib.init_uninitialized_vars(stored)
        self._set_target_op = tf.group(*[tf.assign(var, value) for var, value in zip(stored, values)])
        if self.masked:  # outside of the mask the image is the target, so there is no difference
            images = stored[-2] + (images - stored[-2]) * stored[-1]
            stored = stored[:-2]
        self._distances = self._measure.distance(self._measure.features(images), stored, shape[1])

    def _build_optimizer(self):
        """One step; each target's loss depends on its own variables alone, so their sum has the gradient of each."""
        variables = [self._dlatents_var] + (self._noise_vars if self.noise == 'optimize' else [])
        self._loss = tf.reduce_sum(self._distances)
        if self.noise == 'optimize' and self._noise_vars:
            regularizer = tf.reduce_sum(losses.noise_autocorrelation(self._noise_vars))
            self._loss += self.regularize_noise_weight * regularizer
        self._learning_rate_in = tf.placeholder(tf.float32, [], name='lrate_in')
        self._opt = tflib.Optimizer(learning_rate=self._learning_rate_in)
        self._opt.register_gradients(self._loss, variables)
        with tf.control_dependencies([self._opt.apply_updates()]):
            step_op = tf.group(*[tf.assign(var, losses.normalized_noise(var.read_value()))
                                 for var in self._noise_vars if self.noise == 'optimize'])
        self.step_fetches = [step_op, self._distances, self._loss]
