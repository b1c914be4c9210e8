"""Optimizers with PyTorch's formulas, for methods that were published for PyTorch.

`tflib.Optimizer` takes them by name: `tf_optimizer='dnnlib.tflib.optimizers.Adam'`. Methods that were published for
TensorFlow use TensorFlow's own, such as `tf.train.RMSPropOptimizer`. Where the two differ:

    Adam      TensorFlow adds epsilon to the root of the mean square before the correction for bias, PyTorch after it.
    RMSProp   TensorFlow adds epsilon to the mean square, under the root, and starts the mean square at 1;
              PyTorch adds it to the root and starts at 0. With momentum, TensorFlow accumulates what is subtracted,
              PyTorch what is multiplied by the learning rate.
    SGD       The same as `tf.train.MomentumOptimizer`.

PyTorch's `weight_decay` is an option of `tflib.Optimizer`, for any of these.
"""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import tfutil
from dnnlib.tflib.simple_adam import PlainOptimizer, SimpleAdam


class Adam(SimpleAdam):
    """Adam as in PyTorch (Kingma and Ba 2015, algorithm 1): epsilon is added to the root of the bias-corrected mean.

    Args: Those of SimpleAdam.
    """

    def _epsilon(self, power2):
        return self.epsilon * tf.sqrt(1 - power2)  # SimpleAdam corrects the learning rate for bias instead of the mean


class RMSProp(PlainOptimizer):
    """RMSProp as in PyTorch (Tieleman and Hinton 2012): the gradient over the root of its mean square.

    Args:
        name: Suffix of the names of its variables.
        learning_rate: float, or scalar float32 tensor.
        decay: Decay of the mean of squared gradients per step; PyTorch's `alpha`.
        momentum: Share of the previous step that is added to each step, float or scalar float32 tensor.
        epsilon: Added to the root of the mean square.
    """

    def __init__(self, name='RMSProp', learning_rate=0.01, decay=0.99, momentum=0.0, epsilon=1e-8):
        super().__init__(name, learning_rate)
        self.decay = decay
        self.momentum = momentum
        self.epsilon = epsilon

    def apply_gradients(self, grads_and_vars):
        """Makes one step: list of (gradient, variable) to an operation."""
        ops = []
        for gradient, variable in grads_and_vars:
            name, shape = variable.op.name, variable.shape.as_list()
            with tf.device(variable.device):
                square, velocity = (self._variable(name, kind, 0.0, shape) for kind in ('square', 'velocity'))
                square = tf.assign(square, tfutil.lerp(tf.square(gradient), square, self.decay))
                step = gradient / (tf.sqrt(square) + self.epsilon)
                velocity = tf.assign(velocity, velocity * self.momentum + step)
                ops.append(tf.assign_sub(variable, self.learning_rate * velocity))
        return tf.group(*ops)


class SGD(PlainOptimizer):
    """Gradient descent with momentum (Polyak 1964).

    Args:
        name: Suffix of the names of its variables.
        learning_rate: float, or scalar float32 tensor.
        momentum: Share of the previous step that is added to each step, float or scalar float32 tensor.
    """

    def __init__(self, name='SGD', learning_rate=0.01, momentum=0.0):
        super().__init__(name, learning_rate)
        self.momentum = momentum

    def apply_gradients(self, grads_and_vars):
        """Makes one step: list of (gradient, variable) to an operation."""
        ops = []
        for gradient, variable in grads_and_vars:
            with tf.device(variable.device):
                velocity = self._variable(variable.op.name, 'velocity', 0.0, variable.shape.as_list())
                velocity = tf.assign(velocity, velocity * self.momentum + gradient)
                ops.append(tf.assign_sub(variable, self.learning_rate * velocity))
        return tf.group(*ops)
