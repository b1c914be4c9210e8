"""The optimizer Adam in plain TensorFlow operations."""

from collections import OrderedDict

import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil


class SimpleAdam:
    """Adam written out (Kingma and Ba 2015, end of section 2), interchangeable with TensorFlow's.

    Args:
        name: Suffix of the names of its variables.
        learning_rate: float, or scalar float32 tensor.
        beta1: Decay of the mean of gradients per step.
        beta2: Decay of the mean of squared gradients per step.
        epsilon: Added to the root of the latter, not corrected for bias.
    """

    def __init__(self, name='Adam', learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.name = name
        self.learning_rate = learning_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self._variables = OrderedDict()  # (variable or '', kind) -> state variable

    def variables(self):
        """List of the state variables created so far."""
        return list(self._variables.values())

    def _variable(self, owner, kind, initial, shape=()):
        if (owner, kind) not in self._variables:
            with tf.control_dependencies(None), tf.name_scope((owner or self.name) + '/'):
                name = '%s_%s' % (self.name, kind)
                self._variables[owner, kind] = tf.Variable(tf.fill(shape, initial), trainable=False, name=name)
        return self._variables[owner, kind]

    def apply_gradients(self, grads_and_vars):
        """Makes one step: list of (gradient, variable) to an operation."""
        power1, power2 = (tf.assign(power, power * beta) for power, beta in (
            (self._variable('', 'beta1_power', 1.0), self.beta1), (self._variable('', 'beta2_power', 1.0), self.beta2)))
        rate = self.learning_rate * tf.sqrt(1 - power2) / (1 - power1)
        ops = []
        for gradient, variable in grads_and_vars:
            name, shape = variable.op.name, variable.shape.as_list()
            with tf.device(variable.device):
                mean, square = (self._variable(name, kind, 0.0, shape) for kind in ('mean', 'square'))
                mean = tf.assign(mean, tfutil.lerp(gradient, mean, self.beta1))
                square = tf.assign(square, tfutil.lerp(tf.square(gradient), square, self.beta2))
                ops.append(tf.assign_sub(variable, rate * mean / (tf.sqrt(square) + self.epsilon)))
        return tf.group(*ops)
