"""Runs the stages of a method that translates between domains on given data and weights."""

from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from tests.training import golden_domains as golden
from training.state import transfer
from training.train_step import Batch, Step

RATES = dict(lrate=golden.LRATE, F_lrate=1e-6)


class Trained:
    """A method on constant data.

    Args:
        func: Function that makes the method.
        batches: {stream: (images, labels)}.
        case: Name of the case, whose weights are taken.
        monkeypatch: pytest's.
        options: Of the method.
    Attributes:
        networks, step, stages, losses: As in a training; {tag: scalar}.
    """

    def __init__(self, func, batches, case, monkeypatch, **options):
        size = len(next(iter(batches.values()))[0])
        datasets = {name: SimpleNamespace(name=name, shape=list(images.shape[1:]), label_size=labels.shape[1],
                                          label_names=None, dynamic_range=[0, 255])
                    for name, (images, labels) in batches.items()}
        level = EasyDict(RATES, minibatch_size=size, minibatch_gpu=size, rounds=1, lod=0.0)
        streams = {name: SimpleNamespace(dataset=data) for name, data in datasets.items()}
        method = func(streams, SimpleNamespace(last=level, levels=[level]), **options)
        self.networks = transfer.create_networks(method.nets)
        self.tables = {}
        for name, state in golden.states_of(case).items():
            found, values = golden.values_of(state)
            self.tables[name] = golden.table_of(name, found, values)
            for net in self.networks:
                if net.split('_')[0] == name:
                    golden.set_values(self.networks[net], values)
        self.step = Step(method, self.networks, datasets, [level])
        self.step.batch = {name: Batch(tf.constant(np.float32(images)), tf.constant(np.float32(labels)))
                            for name, (images, labels) in batches.items()}
        self.losses, self._optimizers = {}, {}
        monkeypatch.setattr(func.__module__ + '.report_mean', self._record)
        self._register, self.step._register = self.step._register, self._note
        self.stages = {stage.name: stage for stage in method.stages(self.step)}
        tflib.init_uninitialized_vars()
        self._feed = {self.step.sched[name]: rate for name, rate in RATES.items() if self.step.sched.is_fed(name)}
        self._feed[self.step.seed_in] = [0, 0]

    def _record(self, tag, value):
        self.losses[tag[len('Loss/'):]] = tf.reduce_mean(value)
        return self.losses[tag[len('Loss/'):]]

    def _note(self, stage, group, loss, *more):
        optimizer = self._register(stage, group, loss, *more)
        self._optimizers.setdefault(stage, {})[group] = optimizer
        self.losses[stage] = loss
        return optimizer

    def run(self, stage, tags=()):
        """One stage: ({tag: loss}, with that of the stage, {their name: gradient}); tags: of further losses."""
        optimizers = self._optimizers.get(stage, {})
        asked = {tag: self.losses[tag] for tag in list(tags) + [stage] * bool(optimizers)}
        losses, gradients = tflib.run([asked, {name: one.gradients() for name, one in optimizers.items()}], self._feed)
        tflib.run(self.stages[stage].op, self._feed)
        found = {}
        for name, values in gradients.items():
            local = [self.networks[name].get_var_local_name(var) for var in optimizers[name].trained()]
            found.update(self._named(name, dict(zip(local, values))))
        return losses, found

    def _named(self, name, values):
        return {f'{name}/{entry.torch}': golden.to_torch(entry, values[entry.name])
                for entry in self.tables[name.split('_')[0]] if entry.name in values}

    def values(self, name):
        """{name there: value of a variable} of a network."""
        return self._named(name, tflib.run(dict(self.networks[name].vars)))
