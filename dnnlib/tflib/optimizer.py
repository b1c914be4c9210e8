"""Gradient steps: averaging over devices and workers, accumulation over rounds, loss scaling, skipping of overflows."""

from collections import OrderedDict
import operator

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import util
from dnnlib.tflib import accumulation, autosummary, collectives, tfutil
from dnnlib.tflib.simple_adam import SimpleAdam  # noqa: F401  (its published place)


def find_class(tf_optimizer):
    """The class of `tf_optimizer`, see Optimizer."""
    if not isinstance(tf_optimizer, str):
        return tf_optimizer
    if tf_optimizer.startswith('tf.'):
        return operator.attrgetter(tf_optimizer[len('tf.'):])(tf)
    return util.get_obj_by_name(tf_optimizer)


class Optimizer:
    """Wraps one TensorFlow optimizer per device.

    Usage: `register_gradients` once per device and loss, then `apply_updates` once; run the op that it returns. For
    several optimizers that step at the same time: `joint.apply_jointly`.

    Args:
        name: Prefix of the reported tags and of the names of all variables created here.
        tf_optimizer: Class, or its name: `tf.*` for TensorFlow's own, else the full name, see `tflib.optimizers`.
        learning_rate: float, or scalar float32 tensor.
        minibatch_multiplier: Number of executions of the training op over which gradients are averaged before one step
            is made, int or scalar int32 tensor; None = 1. The gradients of all workers are then added.
        share: Another Optimizer whose underlying optimizers are used, and so its moments and powers of beta; it must
            have the same class, keyword arguments and learning rate. None = own ones.
        use_loss_scaling: Multiply losses by 2^S, S adapted, to keep float16 gradients representable?
        loss_scaling_init: First S.
        loss_scaling_inc: Added to S after a step whose gradients are finite.
        loss_scaling_dec: Subtracted from S after one whose are not.
        report_mem_usage: Report the memory held on the last device, GiB, as `<id>/mem_usage_gb`? 0 on a CPU.
        weight_decay: Factor of each variable in what is added to its gradient, also where that is zero or missing (L2
            regularization, PyTorch's `weight_decay`); float, 0 = none.
        **kwargs: For the underlying optimizer class.
    Attributes:
        accumulation: Operation to be run instead in all but the last of the executions that make a step, made by
            `apply_updates` where there are several workers, which exchange their sums in the last; None = none.
        skipped: Number of steps skipped because a gradient was not finite, and how many of them in a row up to the last
            step, int64 variable [2]; None before `apply_updates`.
    Raises:
        ValueError: if `share` does not match.
    """

    def __init__(self, name='Train', tf_optimizer='tf.train.AdamOptimizer', learning_rate=0.001,
                 minibatch_multiplier=None, share=None, use_loss_scaling=False, loss_scaling_init=64.0,
                 loss_scaling_inc=0.0005, loss_scaling_dec=1.0, report_mem_usage=False, weight_decay=0.0, **kwargs):
        self.name = name
        self.learning_rate = learning_rate
        self.minibatch_multiplier = minibatch_multiplier
        self.id = name.replace('/', '.')
        self.scope = tf.get_default_graph().unique_name(self.id)
        self.optimizer_class = find_class(tf_optimizer)
        self.optimizer_kwargs = dict(kwargs)
        self.use_loss_scaling = use_loss_scaling
        self.loss_scaling_init = loss_scaling_init
        self.loss_scaling_inc = loss_scaling_inc
        self.loss_scaling_dec = loss_scaling_dec
        self.report_mem_usage = report_mem_usage
        self.weight_decay = weight_decay
        self._gradients = OrderedDict()  # device -> list of registrations, each an OrderedDict of variable -> gradient
        self._loss_scaling_vars = {}  # device -> S
        self.skipped = self.accumulation = None
        self._means = None  # [devices][variables] averaged gradients, see `gradients`
        self._applied = False
        self._owner = self if share is None else share._owner
        if share is None:
            self._tf_optimizers = OrderedDict()  # device -> underlying optimizer
        else:
            self._check_share(share)
            self._tf_optimizers = share._tf_optimizers

    def _check_share(self, other):
        for field in ('optimizer_class', 'optimizer_kwargs'):
            ours, theirs = getattr(self, field), getattr(other, field)
            if ours != theirs:
                raise ValueError("optimizer '%s' cannot share the state of '%s': %s %s differs from %s"
                                 % (self.name, other.name, field, ours, theirs))
        ours, theirs = self.learning_rate, other.learning_rate
        if ours is not theirs and (tfutil.is_tf_expression(ours) or tfutil.is_tf_expression(theirs) or ours != theirs):
            raise ValueError("optimizer '%s' cannot share the state of '%s': pass the same learning_rate to both"
                             % (self.name, other.name))

    def _tf_optimizer(self, device):
        """Underlying optimizer of a device, constructed on first use."""
        if device not in self._tf_optimizers:
            name = '%s_opt%d' % (self._owner.scope.replace('/', '_'), len(self._tf_optimizers))
            optimizer = self.optimizer_class(name=name, learning_rate=self.learning_rate, **self.optimizer_kwargs)
            self._tf_optimizers[device] = optimizer
        return self._tf_optimizers[device]

    def register_gradients(self, loss, trainable_vars, gradients=None):
        """Computes the gradients of `loss`, to be averaged with those of all other registrations.

        Args:
            loss: Scalar tensor; its device is the one that the step is made on.
            trainable_vars: The variables to optimize: list, or dict of name -> variable; on the device of `loss`.
            gradients: Those of the loss, where several optimizers share their computation; `None` = they are computed.

        Raises:
            ValueError: if a variable is on another device, or if the variables differ in number or shape from those
                registered before.
            RuntimeError: after `gradients` or `apply_updates`.
        """
        if self._applied or self._means is not None:
            raise RuntimeError(f"optimizer '{self.name}': register_gradients was called after gradients or "
                               'apply_updates; register all losses first')
        variables = list(trainable_vars.values()) if isinstance(trainable_vars, dict) else list(trainable_vars)
        self._check_variables(loss, variables)
        with tf.name_scope(self.id + '_grad'), tf.device(loss.device):
            if gradients is None:
                gradients = tf.gradients(self.apply_loss_scaling(tf.cast(loss, tf.float32)), variables)
        self._gradients.setdefault(loss.device, []).append(OrderedDict(zip(variables, gradients)))

    def _check_variables(self, loss, variables):
        if not variables:
            raise ValueError("optimizer '%s': there are no variables to optimize" % self.name)
        for variable in variables:
            if loss.device and variable.device and variable.device != loss.device:
                raise ValueError("optimizer '%s': variable %s is on device %s, its loss on %s; put both on the same"
                                 % (self.name, variable.name, variable.device, loss.device))
        if self._gradients:
            first = list(next(iter(self._gradients.values()))[0])
            expected, shapes = ([variable.shape.as_list() for variable in group] for group in (first, variables))
            if shapes != expected:
                raise ValueError("optimizer '%s': expected variables of the shapes registered before, %s, not %s"
                                 % (self.name, expected, shapes))
        if any(list(previous) != variables for previous in self._gradients.get(loss.device, [])):
            raise ValueError("optimizer '%s': expected the variables registered before on this device" % self.name)

    def gradients(self):
        """What one execution adds to a step: the mean gradients over registrations and devices, without loss scaling,
        divided by `minibatch_multiplier` and the workers; zeros instead of None; without `weight_decay`.

        Returns: List of float32 tensors, in the order of `trained`.
        """
        if self._means is None:
            with tfutil.absolute_name_scope(self.scope):
                self._means = _sum_over_devices([self._average(device) for device in self._gradients])
        return [gradient for device_gradients in self._means for gradient in device_gradients]

    def trained(self):
        """List of the registered variables, device after device."""
        return [variable for registrations in self._gradients.values() for variable in registrations[0]]

    def apply_updates(self, allow_no_op=False, after=()):
        """Builds the training op; callable once. The state of the optimizers is initialized here.

        Args:
            allow_no_op: Return an op that does nothing if no gradients were registered?
            after: Tensors that are computed before any variable is changed.

        Returns:
            One operation: accumulates the gradients, and on every `minibatch_multiplier`-th execution makes a step,
            unless a gradient is not finite.

        Raises:
            RuntimeError: on a second call, or without gradients.
        """
        if self._applied:
            raise RuntimeError("optimizer '%s': apply_updates was called twice" % self.name)
        self._applied = True
        if not self._gradients:
            if allow_no_op:
                return tf.no_op(name=self.id + '_no_op')
            raise RuntimeError("optimizer '%s': call register_gradients before apply_updates" % self.name)
        with tfutil.absolute_name_scope(self.scope):
            self.gradients()
            after = [tf.identity(tensor) for tensor in after]  # for the reason given below
            ops, own_vars = [], list(self._loss_scaling_vars.values())
            for device, device_gradients in zip(self._gradients, self._means):
                with tf.device(device):
                    op, created, ready, finite = self._step(device, device_gradients, after)
                ops.append(op)
                own_vars += created
            ops.append(self._count_skipped(ready, finite))
            own_vars.append(self.skipped)
            if self.accumulation is not None:
                self.accumulation = tf.group(self.accumulation, *after)
            with tf.control_dependencies(ops):
                done = tf.constant(0.0)
            summaries = self._summaries(ready, finite)
            tf_vars = [var for optimizer in self._tf_optimizers.values() for var in optimizer.variables()]
            tfutil.init_uninitialized_vars(own_vars + tf_vars)
            # no control dependency: TensorFlow 2 complains about new ones on what an earlier session call has seen
            return tf.stack([done] + summaries, name='TrainingOp').op

    def _average(self, device):
        """List of the mean gradients of one device's registrations, divided by what they will be summed over."""
        registrations = self._gradients[device]
        scale = 1.0 / (len(registrations) * len(self._gradients))
        with tf.device(device):
            rounds, workers = self.minibatch_multiplier, collectives.num_workers()
            if rounds is not None or workers > 1:
                rounds = 1 if rounds is None else rounds
                scale = scale / tf.cast(rounds if workers == 1 else rounds * workers, tf.float32)
            scale = self.undo_loss_scaling(scale)
            averages = []
            for variable in registrations[0]:
                found = [registration[variable] for registration in registrations if registration[variable] is not None]
                total = tf.zeros(variable.shape) if not found else tf.add_n([tf.cast(g, tf.float32) for g in found])
                averages.append(total * scale)
            return averages

    def _step(self, device, gradients, after):
        """One device's update: (operation, variables created, is this a step?, are the gradients finite?)."""
        ready, created, ops = tf.constant(True), [], []
        if self.minibatch_multiplier is not None:
            if collectives.num_workers() == 1:
                gradients, ready, created, ops = accumulation.within_one_op(gradients, self.minibatch_multiplier)
            else:
                gradients, part, created, ops = accumulation.with_an_op_of_its_own(gradients)
                self.accumulation = part if self.accumulation is None else tf.group(self.accumulation, part)
        gradients = collectives.all_reduce(gradients)
        finite = tf.reduce_all(tf.stack([tf.reduce_all(tf.is_finite(gradient)) for gradient in gradients]))
        optimizer = self._tf_optimizer(device)
        steps = list(zip(gradients, self._gradients[device][0]))
        if self.weight_decay:
            steps = [(gradient + self.weight_decay * variable, variable) for gradient, variable in steps]
        with tf.control_dependencies(after):
            ops.append(tf.cond(tf.logical_and(ready, finite), lambda: optimizer.apply_gradients(steps), tf.no_op))
        if self.use_loss_scaling:
            change = tf.where(finite, self.loss_scaling_inc, -self.loss_scaling_dec) * tf.cast(ready, tf.float32)
            ops.append(tf.assign_add(self.get_loss_scaling_var(device), change))
        return tf.group(*ops), created, ready, finite

    def _count_skipped(self, ready, finite):
        with tf.control_dependencies(None), tf.device('/cpu:0'):
            self.skipped = tf.Variable(np.zeros(2, np.int64), trainable=False, name='skipped_steps', use_resource=True)
        with tf.device('/cpu:0'):
            total, in_a_row = tf.unstack(self.skipped.read_value())
            after = tf.where(finite, tf.stack([total, tf.zeros_like(total)]), tf.stack([total, in_a_row]) + 1)
            return tf.assign(self.skipped, tf.where(ready, after, tf.stack([total, in_a_row])))

    def _summaries(self, ready, finite):
        tags = OrderedDict()
        tags['learning_rate'] = tf.convert_to_tensor(self.learning_rate, tf.float32)
        tags['overflow_frequency'] = tf.where(finite, 0.0, 1.0)
        if self.use_loss_scaling:
            tags['loss_scaling_log2'] = tf.identity(self.get_loss_scaling_var(list(self._gradients)[-1]))
        if self.report_mem_usage:
            tags['mem_usage_gb'] = tfutil.gpu_memory_gb_tensor(list(self._gradients)[-1])
        conditions = {'overflow_frequency': ready}
        return [autosummary.autosummary(self.id + '/' + tag, value, condition=conditions.get(tag, True))
                for tag, value in tags.items()]

    def variables(self):
        """Moments and powers of beta, also of the optimizers that share them: list of variables."""
        return [var for optimizer in self._tf_optimizers.values() for var in optimizer.variables()]

    def reset_optimizer_state(self):
        """Resets moments and powers of beta, also for the optimizers that share them."""
        tfutil.run_initializers(self.variables())

    def get_loss_scaling_var(self, device):
        """The exponent S of a device, float32 scalar variable; None if losses are not scaled."""
        if not self.use_loss_scaling:
            return None
        if device not in self._loss_scaling_vars:
            initial = np.float32(self.loss_scaling_init)
            with tfutil.absolute_name_scope(self.scope), tf.control_dependencies(None), tf.device(device):
                self._loss_scaling_vars[device] = tf.Variable(initial, trainable=False, name='loss_scaling_var')
        return self._loss_scaling_vars[device]

    def apply_loss_scaling(self, value):
        """`value` times 2^S of the value's device; `value` itself if losses are not scaled."""
        exponent = self.get_loss_scaling_var(value.device) if self.use_loss_scaling else None
        return value if exponent is None else value * tfutil.exp2(exponent)

    def undo_loss_scaling(self, value):
        """`value` divided by 2^S of the value's device; `value` itself if losses are not scaled."""
        if not self.use_loss_scaling:
            return value
        value = tf.convert_to_tensor(value)
        exponent = self.get_loss_scaling_var(value.device)
        return value * tfutil.exp2(-exponent)


def _sum_over_devices(gradients):
    """All-reduce: [devices][variables] gradients to the same, each the sum over the devices."""
    if len(gradients) == 1:
        return gradients
    sums = [tf.add_n(list(same)) for same in zip(*gradients)]
    return [sums for _ in gradients]
