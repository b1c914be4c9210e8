"""Projection of a picture: the dlatents and noise maps whose image is closest to it (StyleGAN2, section 5)."""

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, UserError
from dnnlib import tflib
from metrics import detectors, weights
from projector import losses

MAPPING_BATCH = 1000  # latents mapped at once when the distribution of W is measured


def learning_rate(t, initial=0.1, rampdown_length=0.25, rampup_length=0.05):
    """Learning rate at the fraction `t` in [0, 1) of the steps: linear up, constant, cosine down to 0."""
    ramp = min(1.0, (1.0 - t) / rampdown_length)
    ramp = 0.5 - 0.5 * np.cos(ramp * np.pi)
    return initial * ramp * min(1.0, t / rampup_length)


def noise_strength(t, dlatent_std, initial_factor=0.05, ramp_length=0.75):
    """Standard deviation of the offset added to the dlatents at the fraction `t` of the steps; 0 after the ramp."""
    return dlatent_std * initial_factor * max(0.0, 1.0 - t / ramp_length) ** 2


def measure_dlatents(mapping, num_samples, seed=123):
    """Centre and spread of W.

    Args:
        mapping: Mapping network; labels are zeros, nothing is truncated.
        num_samples: Number of latents drawn with NumPy's `RandomState(seed)`.
        seed: Their seed.
    Returns: (mean [1, 1, D] float32, root of the mean squared distance to it: summed over D, not averaged).
    """
    latents = np.random.RandomState(seed).randn(num_samples, *mapping.input_shape[1:])
    batches = [mapping.run(latents[begin:begin + MAPPING_BATCH], None)[:, :1]  # [N, 1, D]: all layers are equal
               for begin in range(0, num_samples, MAPPING_BATCH)]
    dlatents = np.concatenate(batches)
    mean = np.mean(dlatents, axis=0, keepdims=True)
    return mean, float(np.sqrt(np.sum(np.square(dlatents - mean)) / num_samples))


class Projector:
    """Finds dlatents and noise maps of one target picture at a time by gradient descent.

    Change the public fields before `set_network`, `num_steps` at the latest before `start`.
    """

    def __init__(self):
        self.num_steps = 1000
        self.dlatent_avg_samples = 10000
        self.initial_learning_rate = 0.1
        self.initial_noise_factor = 0.05
        self.lr_rampdown_length = 0.25
        self.lr_rampup_length = 0.05
        self.noise_ramp_length = 0.75
        self.regularize_noise_weight = 1e5
        self.verbose = False  # print the distance every 10 steps
        self.clone_net = True  # leave the noise variables of the given network alone
        self._cur_step = None

    def set_network(self, Gs, minibatch_size=1):
        """Builds the graph for a generator.

        Args:
            Gs: Network `G_main`, of resolution 16 or more and 1 or 3 channels.
            minibatch_size: Only 1 is possible.
        Raises: UserError for another minibatch size or a generator the distance cannot be computed for, or when the
            weights of the distance are not to be had.
        """
        if minibatch_size != 1:
            raise UserError('The projector takes one picture at a time, got minibatch_size {}'.format(minibatch_size))
        arrays = weights.lpips_vgg16()
        self._Gs = Gs.clone() if self.clone_net else Gs
        self._dlatent_avg, self._dlatent_std = measure_dlatents(self._Gs.components.mapping, self.dlatent_avg_samples)
        self._info('dlatent spread {:.4f}'.format(self._dlatent_std))
        with tflib.absolute_name_scope(tf.get_default_graph().unique_name('Projector')):
            self._build_noise()
            self._build_images()
            self._lpips = detectors.LpipsVgg16(arrays)
            self._build_target()
            self._build_optimizer()
        self._cur_step = None

    def start(self, target_images):
        """Begins the projection of a picture: dlatents at their mean, random noise, fresh optimizer.

        Args:
            target_images: [1, C, H, W], float32, range [-1, 1], of the generator's shape.
        Raises: UserError for another shape.
        """
        target_images = np.asarray(target_images, dtype=np.float32)
        expected = [1] + self._Gs.output_shape[1:]
        if list(target_images.shape) != expected:
            raise UserError('The target must have the shape {} of the generated images, got {}'.format(
                expected, list(target_images.shape)))
        tflib.run(self._set_target_op, {self._target_in: target_images})
        tflib.set_vars({self._dlatents_var: self._dlatent_avg})
        tflib.run(self._noise_init_op)
        self._opt.reset_optimizer_state()
        self._cur_step = 0

    def step(self):
        """Makes one optimization step; does nothing after `num_steps`.

        Returns: (distance, loss) before the step, floats; `None` after the last step.
        """
        if self._cur_step is None:
            raise RuntimeError('call start() first')
        if self._cur_step >= self.num_steps:
            return None
        t = self._cur_step / self.num_steps
        strength = noise_strength(t, self._dlatent_std, self.initial_noise_factor, self.noise_ramp_length)
        rate = learning_rate(t, self.initial_learning_rate, self.lr_rampdown_length, self.lr_rampup_length)
        feed_dict = {self._noise_strength_in: strength, self._learning_rate_in: rate}
        _, distance, loss = tflib.run([self._opt_step, self._distance, self._loss], feed_dict)
        tflib.run(self._noise_normalize_op)
        self._cur_step += 1
        if self._cur_step % 10 == 0 or self._cur_step == self.num_steps:
            self._info('step {:4d} of {}: distance {:.4f}, loss {:.4f}'.format(
                self._cur_step, self.num_steps, distance, loss))
        return float(distance), float(loss)

    def run(self, target_images):
        """Projects a picture from start to end, see `start`; returns EasyDict(dlatents, noises, images)."""
        self.start(target_images)
        while self.get_cur_step() < self.num_steps:
            self.step()
        return EasyDict(dlatents=self.get_dlatents(), noises=self.get_noises(), images=self.get_images())

    def get_cur_step(self):
        """Number of steps made since `start`."""
        return self._cur_step

    def get_dlatents(self):
        """Current dlatents, [1, layers, D], float32."""
        return tflib.run(self._dlatents, {self._noise_strength_in: 0})

    def get_noises(self):
        """Current noise maps, list of [1, 1, S, S], float32."""
        return tflib.run(self._noise_vars)

    def get_images(self):
        """Image of the current dlatents and noise, [1, C, H, W], float32, about [-1, 1]."""
        return tflib.run(self._images, {self._noise_strength_in: 0})

    def get_distance(self):
        """LPIPS distance of `get_images` to the target, float."""
        return float(tflib.run(self._distance, {self._noise_strength_in: 0}))

    def _info(self, text):
        if self.verbose:
            print('Projector: ' + text)

    def _build_noise(self):
        self._noise_vars = []
        while 'G_synthesis/noise{}'.format(len(self._noise_vars)) in self._Gs.vars:
            self._noise_vars.append(self._Gs.vars['G_synthesis/noise{}'.format(len(self._noise_vars))])
        inits = [tf.assign(var, tf.random_normal(var.shape)) for var in self._noise_vars]
        normalized = [tf.assign(var, losses.normalized_noise(var)) for var in self._noise_vars]
        self._noise_init_op = tf.group(*inits)
        self._noise_normalize_op = tf.group(*normalized)

    def _build_images(self):
        num_layers = self._Gs.components.synthesis.input_shape[1]
        self._dlatents_var = tf.Variable(tf.zeros(self._dlatent_avg.shape), name='dlatents_var')
        self._noise_strength_in = tf.placeholder(tf.float32, [], name='noise_in')
        offset = tf.random_normal(self._dlatent_avg.shape) * self._noise_strength_in
        self._dlatents = tf.tile(self._dlatents_var + offset, [1, num_layers, 1])
        self._images = self._Gs.components.synthesis.get_output_for(self._dlatents, randomize_noise=False)

    def _build_target(self):
        """The target's features are variables: they are computed once per picture, not once per step."""
        self._target_in = tf.placeholder(tf.float32, [1] + self._Gs.output_shape[1:], name='target_in')
        features = self._lpips.features(detectors.shrink_to_256(self._target_in))
        targets = [tf.Variable(tf.zeros(f.shape), trainable=False, name='target_features') for f in features]
        tflib.init_uninitialized_vars([self._dlatents_var] + targets)
        self._set_target_op = tf.group(*[tf.assign(var, f) for var, f in zip(targets, features)])
        current = self._lpips.features(detectors.shrink_to_256(self._images))
        self._distance = tf.reduce_sum(self._lpips.distance(current, targets))

    def _build_optimizer(self):
        regularizer = tf.add_n([losses.noise_autocorrelation(var) for var in self._noise_vars])
        self._loss = self._distance + self.regularize_noise_weight * regularizer
        self._learning_rate_in = tf.placeholder(tf.float32, [], name='lrate_in')
        self._opt = tflib.Optimizer(learning_rate=self._learning_rate_in)
        self._opt.register_gradients(self._loss, [self._dlatents_var] + self._noise_vars)
        self._opt_step = self._opt.apply_updates()
