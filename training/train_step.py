"""What a training method consists of, and the graph of its iteration: networks, groups, streams and stages.

A stage is one session call: an operation, how often it is due, and whether it looks at data. A method builds its list
of stages with a `Step`, which owns optimizers, placeholders and random seeds; `training.iteration` runs the list. Both
know nothing else about the method, and no network or loss.
"""

import contextlib
from typing import NamedTuple

import tensorflow.compat.v1 as tf

from dnnlib import tflib
from dnnlib.tflib import random
from dnnlib.tflib.autosummary import autosummary
from dnnlib.tflib.joint import apply_jointly
from training.fields import ScheduleFields
from training.state.rounds import RoundState

NEW_LEVEL = 0  # as the interval of a stage: due where a level of the growing begins


class Net(NamedTuple):
    """A network of a method."""
    func_name: str          # full name of its build function
    options: dict = {}      # keyword arguments of the build function
    average_of: str = None  # it begins as a copy of this network and is meant to follow it, see `Step.average`
    role: str = 'generator'  # what it is for: 'generator', 'discriminator', 'encoder', ...; stored in network files
    file: str = None        # network file, of ours or PyTorch's, whose network of this role it begins with; None = new


class Group(NamedTuple):
    """What one optimizer trains."""
    nets: tuple         # names of the networks
    opt: dict           # keyword arguments of tflib.Optimizer but for the learning rate
    lrate: str          # field of the schedule that holds the learning rate
    lazy: int = None    # interval of its regularization stage; adjusts rate and betas of all its stages; None = no such
    frozen: tuple = ()  # local names of variables that are not trained, or a function of the networks that returns them
    scheduled: dict = {}  # further keyword arguments of the optimizer that change: {keyword: field of the schedule}
    minibatches: int = 1  # how many of them make a step, each with session calls of its own; see Stage


class Stage(NamedTuple):
    """One session call of an iteration, or one for each round of the gradient accumulation."""
    name: str                 # unique; part of the random seed
    op: tf.Operation          # what the session call runs
    every: int = 1            # due every n-th iteration, beginning with the first; or NEW_LEVEL
    rounds: bool = True       # one session call for each round?
    batch: str = None         # None = no data, 'this' = the iteration's minibatch, 'next' = a fresh one for this stage
    when: tf.Variable = None  # boolean that is part of the state: only where it is true; None = always
    at_end: bool = False      # due in the last of these n iterations instead of the first?
    part: tf.Operation = None  # what all rounds but the last run instead; None = the same
    skipped: tuple = ()       # of an optimizer's stage: steps left out, see `tflib.Optimizer`; one variable per group
    rewound: tuple = ()       # variables that every round finds as the first did, as those of several workers do
    minibatches: int = 1      # fresh ones, one after the other, whose rounds make one step; batch is 'next' if more


class Batch(NamedTuple):
    """Data of one stream: of the session call as tensors, of the cells of a picture grid as arrays."""
    images: tf.Tensor   # float32 [minibatch_gpu, C, h, w], in the range of the networks; uint8 [N, C, H, W] as an array
    labels: tf.Tensor   # float32 [minibatch_gpu, label_size]


class Translation(NamedTuple):
    """How a method translates pictures, so that its translations can be measured."""
    run: object             # function of (networks, {stream: uint8 [N, C, H, W]}) that returns uint8 [N, C, H, W]
    sources: tuple = ('a',)  # streams that it needs pictures of, in the same order; what is translated is the first
    target: str = 'b'       # stream that the translations should look like


class Between(NamedTuple):
    """How a method translates pictures between domains, so that its translations can be measured."""
    run: object  # function of (networks, uint8 [N, C, H, W], labels of the results, given) that returns uint8 as well
    stream: str = 'source'   # whose pictures are translated, see `DomainDataset`
    latent_size: int = None  # `given` are latents [N, latent_size], or pictures of the target; None = nothing is
    change: object = None    # function of (labels, number of one) that returns those of results; None = domains


class Method(NamedTuple):
    """What a training trains; made by a function of a module in `training/methods/`."""
    name: str               # of the method, stored in network files of several networks
    nets: dict              # ordered: name -> Net; also the order in network files
    groups: dict            # name -> Group
    stages: object          # function of a Step that returns the list of Stage, in the order in which they run
    pictures: object        # function of (networks, grid.Cells): rows of `fakes%06d.png`, list of uint8 [N, C, H, W]
    fakes: object = None    # function of (networks, count, seed) that yields uint8 minibatches to be measured, or Later
    saved_as: tuple = None  # names in the published tuple, such as ('G', 'D', 'Gs'); None = a dictionary by name
    drange: tuple = (-1, 1)  # range of the networks' images
    latents: object = None  # function of (networks, count) that draws the latents of the picture grid; None = none
    logits: bool = False    # are `Loss/scores/real` and `fake` logits, so that an alarm can watch them?
    monitors: object = None  # function of the networks that returns a list of functions to call at every tick
    sheets: object = None   # function of grid.Cells: {name of a picture of data alone: rows}, written at the start
    translation: object = None  # Translation, of methods that have one instead of `fakes`
    between: tuple = ()     # Between of each stream with domains, the same


class Step:
    """The graph of an iteration, in the making: handed to `Method.stages`.

    Args:
        method: Method.
        networks: Dictionary of its tflib.Networks by name.
        datasets: {stream: Dataset}: shapes, labels and range of the data.
        levels: See `Schedule`.
        repeats: Iterations between two looks at the schedule.
    Attributes:
        nets: The networks.
        batch: {stream: Batch} of the session call.
        sched: ScheduleFields.
        seed_in: Placeholder of `dnnlib.seeds.step_seed`, int64 [2].
        round_in: Placeholder of the round of this worker, int32, for states that each round has for itself; None = no.
        feeds: {stream: (placeholder of the images, uint8 or, with noise on them, float32; placeholder of the labels)}.
        repeats: As given.
        progress, monitors: {TensorBoard tag: variable} that every tick reports, list of functions that it calls.
    """

    def __init__(self, method, networks, datasets, levels, repeats=1):
        self.nets, self.sched, self.repeats = networks, ScheduleFields(levels), repeats
        self.progress, self.monitors, self.round_in = {}, [], None
        self._rounds = max(level['rounds'] for level in levels)
        self._groups, self._optimizers, self._opt_args, self._trained = method.groups, {}, {}, {}
        grows = len(levels) > 1
        size = self.sched['minibatch_gpu']
        size = None if tflib.is_tf_expression(size) else size
        self.feeds, self.batch = {}, {}
        with tf.name_scope('Inputs'):
            self.seed_in = tf.placeholder(tf.int64, [2], name='seed')
            for name, data in datasets.items():
                shape = [size, data.shape[0]] + ([None, None] if grows else list(data.shape[1:]))
                dtype = tf.float32 if getattr(data, 'noise', 0) else tf.uint8
                self.feeds[name] = (tf.placeholder(dtype, shape, name=name),
                                    tf.placeholder(tf.float32, [size, data.label_size], name=name + '_labels'))
        for name, (images, labels) in self.feeds.items():
            self.batch[name] = Batch(process_reals(images, datasets[name].dynamic_range, method.drange), labels)

    @contextlib.contextmanager
    def losses(self, name):
        """While entered, operations get the name scope `<name>_loss`, and random numbers depend on the session call.

        Seed, images shown, stage and round decide the numbers, see `dnnlib.seeds.step_seed`.
        """
        with tf.name_scope(name + '_loss'), random.seeded(self.seed_in):
            yield

    def train(self, name, losses, every=1, batch=None, joint=False, post=(), at_step=()):
        """A stage that makes one optimization step; stages of one group share its moments.

        Args:
            name: Name of the stage; one that ends with `_reg` is a regularization, see `Group.lazy`.
            losses: {group: scalar tensor}; several groups with one loss, in a tuple, share its gradients.
            every, batch: See Stage.
            joint: Train several groups: all gradients are computed before any variable changes?
            post, at_step: Functions without arguments that build operations to run in the same session call, after
                each round or the step alone; they must read variables by `read_value()`.
        Returns: Stage.
        Raises: ValueError for several losses without `joint`, or groups of different numbers of minibatches.
        """
        if len(losses) > 1 and not joint:
            raise ValueError(f'stage {name}: several groups {sorted(losses)} are trained by joint=True only')
        counts = {self._groups[one].minibatches for group in losses for one in (
            group if isinstance(group, tuple) else (group,))}
        if len(counts) > 1:  # each optimizer divides by its own
            raise ValueError(f'stage {name}: groups of {sorted(counts)} minibatches are not trained together')
        optimizers = [optimizer for group, loss in losses.items() for optimizer in (
            self._register_together(name, group, loss) if isinstance(group, tuple) else
            [self._register(name, group, loss, len(losses) > 1)])]
        # Gradients alone don't need every forward value that is reported, so the losses are evaluated, too, and before
        # a variable changes, since what reads a reference variable may see the change.
        computed = list(losses.values())
        updates = [apply_jointly(optimizers, computed) if joint else optimizers[0].apply_updates(after=computed)]
        with tf.control_dependencies(updates if post else []):
            updates += [build() for build in post]
        skipped = tuple(optimizer.skipped for optimizer in optimizers)
        parts = [optimizer.accumulation for optimizer in optimizers if optimizer.accumulation is not None]
        with tf.control_dependencies(parts if post else []):
            parts += [build() for build in post] if parts else []
        part = tf.group(*parts) if parts else tf.group(*updates) if at_step and self._rounds > 1 else None
        with tf.control_dependencies(updates if at_step else []):
            updates += [build() for build in at_step]
        return Stage(name, tf.group(*updates), every, batch=batch, skipped=skipped, part=part, minibatches=counts.pop())

    def _register_together(self, stage_name, group_names, loss):
        """The stage's optimizers of several groups, with the gradients of one loss."""
        groups = [self._variables(name) for name in group_names]
        with tf.name_scope(f'Train{stage_name}_grad'):
            found = iter(tf.gradients(loss, [var for group in groups for var in group]))
        return [self._register(stage_name, name, loss, True, [next(found) for _ in group])
                for name, group in zip(group_names, groups)]

    def _register(self, stage_name, group_name, loss, is_one_of_several, gradients=None):
        """The stage's optimizer of a group, with the gradients of the loss."""
        handle = 'Reg' + stage_name[:-len('_reg')] if stage_name.endswith('_reg') else 'Train' + stage_name
        if is_one_of_several:
            handle += '_' + group_name
        optimizer = tflib.Optimizer(
            name=handle, share=self._optimizers.get(group_name), **self._arguments(group_name))
        optimizer.register_gradients(loss, self._variables(group_name), gradients)
        self._optimizers.setdefault(group_name, optimizer)
        return optimizer

    def _arguments(self, group_name):
        """Keyword arguments that all optimizers of a group have."""
        if group_name not in self._opt_args:
            group, rounds = self._groups[group_name], self.sched['rounds']
            rounds = rounds if group.minibatches == 1 else rounds * group.minibatches
            fields = {keyword: self.sched[field] for keyword, field in group.scheduled.items()}
            args = dict(group.opt, learning_rate=self.sched[group.lrate], **fields,
                        minibatch_multiplier=None if isinstance(rounds, int) and rounds == 1 else rounds)
            self._opt_args[group_name] = args if group.lazy is None else lazy_optimizer_args(args, group.lazy)
        return self._opt_args[group_name]

    def _variables(self, group_name):
        """The variables that a group trains."""
        if group_name not in self._trained:
            group = self._groups[group_name]
            frozen = group.frozen(self.nets) if callable(group.frozen) else group.frozen
            self._trained[group_name] = [
                var for net in group.nets for local, var in self.nets[net].trainables.items() if local not in frozen]
        return self._trained[group_name]

    def average(self, name, of, kimg, rampup=None):
        """A stage in which one network follows another as its moving average, with a half-life in thousand images.

        It is at most `rampup` times the images shown when the schedule was looked at last (Karras et al. 2020, code).
        """
        beta = smoothing_beta(self.sched['minibatch_size'], kimg)
        if rampup is not None:
            beta = self.sched.derive(f'{name}_beta', lambda sched: smoothing_beta(
                sched['minibatch_size'], min(kimg, sched['kimg'] * rampup)))
        return Stage(name, self.nets[name].setup_as_moving_average_of(self.nets[of], beta=beta), rounds=False)

    def run(self, name, op, every=1):
        """A stage that runs any operation once, without data; `every` as in Stage."""
        return Stage(name, op, every, rounds=False)

    def reset_moments(self, name, every=NEW_LEVEL):
        """A stage in which all optimizers made so far forget their moments and powers of beta."""
        variables = [var for optimizer in self._optimizers.values() for var in optimizer.variables()]
        return self.run(name, tf.group(*[var.initializer for var in variables]), every)

    def state(self, name, shape, per_worker=False, initial=0.0):
        """A variable that is saved and restored with the training, such as a pool of images.

        Args:
            name: Unique name.
            shape: Its shape, list of ints.
            per_worker: Has each round of each worker its own? It is saved in a file of its own. A state that is not per
                worker must become the same in all workers: what is computed from a minibatch is first exchanged, see
                `dnnlib.tflib.collectives`.
            initial: Value of all its elements at the start; its type is that of the variable.
        Returns: Resource variable, not trained; `per_worker` a RoundState.
        """
        shape = [self._rounds] + list(shape) if per_worker else shape
        with tf.name_scope(None), tf.control_dependencies(None):
            variable = tf.Variable(tf.fill(shape, initial), trainable=False, use_resource=True, name='State/' + name)
            if per_worker and self._rounds > 1 and self.round_in is None:
                self.round_in = tf.placeholder(tf.int32, [], name='Inputs/round')
        return RoundState(variable, 0 if self.round_in is None else self.round_in) if per_worker else variable


def report_mean(tag, value):
    """Reports the mean of a tensor under a TensorBoard tag at every tick, and returns the mean."""
    return tf.reduce_mean(autosummary(tag, value))


def process_reals(reals, drange_data, drange_net):
    """Brings images from the range of the dataset to the range of the networks.

    Args:
        reals: [N, C, H, W], any number type.
        drange_data: [low, high] of the dataset.
        drange_net: [low, high] of the networks.
    Returns: float32 [N, C, H, W].
    """
    scale = (drange_net[1] - drange_net[0]) / (drange_data[1] - drange_data[0])
    return tf.cast(reals, tf.float32) * scale + (drange_net[0] - drange_data[0] * scale)


def smoothing_beta(minibatch_size, smoothing_kimg):
    """Decay per iteration of a moving average with a half-life of `smoothing_kimg` thousand images; 0 = no average.

    `minibatch_size` is a number or a scalar tensor, and so is the result.
    """
    if tflib.is_tf_expression(minibatch_size):
        minibatch_size = tf.cast(minibatch_size, tf.float32)
    return 0.5 ** (minibatch_size / (smoothing_kimg * 1000)) if smoothing_kimg > 0 else 0.0


def lazy_optimizer_args(opt_args, interval):
    """Optimizer settings for a regularization that is due only every `interval` iterations (StyleGAN2, appendix B).

    Args:
        opt_args: Keyword arguments of the optimizer; the rate may be a tensor, `beta1` and `beta2` may be missing.
        interval: Iterations between two regularization steps.
    Returns: Copy in which the rate is multiplied by c = interval / (interval + 1) and the betas are raised to c.
    """
    ratio = interval / (interval + 1)
    adjusted = dict(opt_args, learning_rate=opt_args['learning_rate'] * ratio)
    adjusted.update({beta: opt_args[beta] ** ratio for beta in ('beta1', 'beta2') if beta in opt_args})
    return adjusted
