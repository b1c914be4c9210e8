"""Optimizers in plain TensorFlow operations: what they have in common, and Adam."""

from collections import OrderedDict

import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil


class PlainOptimizer:
    """Base class of optimizers that `tflib.Optimizer` can wrap in place of TensorFlow's; keeps the state variables.

    Args:
        name: Suffix of the names of its variables.
        learning_rate: float, or scalar float32 tensor.
    """

    def __init__(self, name, learning_rate):
        self.name = name
        self.learning_rate = learning_rate
        self._variables = OrderedDict()  # (variable or '', kind) -> state variable

    def variables(self):
        """All state variables created so far, a list; running their initializers resets the optimizer."""
        return list(self._variables.values())

    def _variable(self, owner, kind, initial, shape=()):
        if (owner, kind) not in self._variables:
            with tf.control_dependencies(None), tf.name_scope((owner or self.name) + '/'):
                name = f'{self.name}_{kind}'
                self._variables[owner, kind] = tf.Variable(tf.fill(shape, initial), trainable=False, name=name)
        return self._variables[owner, kind]


class SimpleAdam(PlainOptimizer):
    """Adam written out (Kingma and Ba 2015, end of section 2), interchangeable with TensorFlow's.

    Args:
        name: Suffix of the names of its variables.
        learning_rate: float, or scalar float32 tensor.
        beta1: Decay of the mean of gradients per step.
        beta2: Decay of the mean of squared gradients per step.
        epsilon: Added to the root of the latter, not corrected for bias.
    """

    def __init__(self, name='Adam', learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
        super().__init__(name, learning_rate)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def _epsilon(self, _power2):
        """What is added to the root; `_power2` is beta2 to the power of the number of steps."""
        return self.epsilon

    def apply_gradients(self, grads_and_vars):
        """Makes one step: list of (gradient, variable) to an operation."""
        power1, power2 = (tf.assign(power, power * beta) for power, beta in (
            (self._variable('', 'beta1_power', 1.0), self.beta1), (self._variable('', 'beta2_power', 1.0), self.beta2)))
        rate = self.learning_rate * tf.sqrt(1 - power2) / (1 - power1)
        epsilon = self._epsilon(power2)
        ops = []
        for gradient, variable in grads_and_vars:
            name, shape = variable.op.name, variable.shape.as_list()
            with tf.device(variable.device):
                mean, square = (self._variable(name, kind, 0.0, shape) for kind in ('mean', 'square'))
                mean = tf.assign(mean, tfutil.lerp(gradient, mean, self.beta1))
                square = tf.assign(square, tfutil.lerp(tf.square(gradient), square, self.beta2))
                ops.append(tf.assign_sub(variable, rate * mean / (tf.sqrt(square) + epsilon)))
        return tf.group(*ops)
