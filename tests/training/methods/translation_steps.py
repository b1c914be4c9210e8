"""Runs the stages of a method that translates on given images and weights: losses, gradients, what a state holds."""

from types import SimpleNamespace

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from tests.training import golden_translation as golden
from training.state import files, saver, transfer
from training.train_step import Batch, Step

LRATE = 0.0002


class Trained:
    """A method on constant images.

    Args:
        func: Function that makes the method.
        images: {stream: array [N, C, H, W]}.
        files: {network: (weight file, table[, key in the file])}.
        monkeypatch: pytest's.
        lrate: Learning rate.
        reporter: Module that reports the losses; None = that of the function.
        options: Of the method.
    Attributes:
        method, networks, stages: As in a training.
        images: {stream: placeholder}.
    """

    def __init__(self, func, images, files, monkeypatch, lrate=LRATE, reporter=None, **options):
        size = len(next(iter(images.values())))
        datasets = {name: SimpleNamespace(shape=list(array.shape[1:]), label_size=0, dynamic_range=[0, 255])
                    for name, array in images.items()}
        level = EasyDict(minibatch_size=size, minibatch_gpu=size, rounds=1, lod=0.0, lrate=lrate)
        self.lrate = lrate
        schedule = SimpleNamespace(last=level, levels=[level])
        streams = {name: SimpleNamespace(dataset=data) for name, data in datasets.items()}
        self.method = func(streams, schedule, **options)
        self.networks = transfer.create_networks(self.method.nets)
        self.values = {}
        for name, (path, table, *key) in files.items():
            self.values[name] = golden.weights(path, table, *key)
            assert sorted(self.values[name]) == sorted(self.networks[name].vars)
        self.step = Step(self.method, self.networks, datasets, [level])
        self.images = {name: tf.placeholder(tf.float32, array.shape) for name, array in images.items()}
        self.step.batch = {name: Batch(tensor, None) for name, tensor in self.images.items()}
        self.losses = {}
        monkeypatch.setattr((reporter or func.__module__) + '.report_mean', self._record)
        self.stages = self.method.stages(self.step)
        tflib.init_uninitialized_vars()
        self.tables = {name: table for name, (_, table, *_) in files.items()}
        self.reset()

    def reset(self):
        """Sets the weights of the files, and lets the optimizers forget what they know."""
        for optimizer in self.step._optimizers.values():
            optimizer.reset_optimizer_state()
        for name, values in self.values.items():
            tflib.set_vars({self.networks[name].vars[local]: value for local, value in values.items()})

    def check_continued(self, run_dir, images, feeds=(), stages=None):
        """Does a saved state hold all that the next iteration depends on? Everything else is forgotten before it.

        Args:
            run_dir: Folder for the state.
            images, feeds, stages: See `run`, after which this is called.
        """
        states, variables = saver.StateSaver(str(run_dir)), {var.op.name: var for var in tf.global_variables()}
        path, found = states.save(files.new_counters(1)), []
        for _ in range(2):
            self.run(images, feeds, stages)
            found.append(tflib.run(variables))
            tflib.run(tf.global_variables_initializer())
            others = tflib.run(variables)
            assert sum(not np.array_equal(found[0][name], others[name]) for name in variables) > len(variables) / 2
            states.restore(path)
        for name, value in found[0].items():
            np.testing.assert_array_equal(value, found[1][name], err_msg=name)

    def _record(self, tag, value):
        self.losses[tag] = tf.reduce_mean(value)
        return self.losses[tag]

    def run(self, images, feeds=(), stages=None):
        """One iteration, or some stages: ({tag: loss}, {group: {(network, local name): gradient}}).

        `stages`: {name of a stage: groups whose gradients are recorded}; None = all.
        """
        feed = {self.images[name]: array for name, array in images.items()}
        feed.update({self.step.seed_in: [0, 0], self.step.sched['lrate']: self.lrate})
        feed.update(feeds)
        losses, gradients = {}, {}
        for stage in self.stages if stages is None else [one for one in self.stages if one.name in stages]:
            groups = [name for name in self.method.groups if stage.name in (name, 'GD') or (
                stage.name, name) == ('G', 'F')] if stages is None else stages[stage.name]
            asked = {name: self.step._optimizers[name].gradients() for name in groups}
            tags = {tag: loss for tag, loss in self.losses.items() if self._is_of(tag, stage.name)}
            if stages is None:
                _, found, values = tflib.run([stage.op, tags, asked], feed)
            else:  # gradients of groups that the stage does not train are not computed before it changes variables
                found, values = tflib.run([tags, asked], feed)
                tflib.run(stage.op, feed)
            losses.update(found)
            for name in groups:
                variables = self.step._optimizers[name].trained()
                gradients[name] = {self._local(var): value for var, value in zip(variables, values[name])}
        return losses, gradients

    def _is_of(self, tag, stage):
        return stage.startswith('GD') or tag.startswith('Loss/D') == (stage == 'D')

    def _local(self, variable):
        for name, network in self.networks.items():
            if variable in network.vars.values():
                return name, network.get_var_local_name(variable)
        raise KeyError(variable.name)


def check_iteration(case, trained, found, names, prefix='', left_out=None):
    """Compares losses and gradients, and the variables after the step, with a case.

    Args:
        case: Name of the case.
        trained: Trained, after the iteration.
        found: What its `run` returned.
        names: {network: its name in the case}.
        prefix: Of the keys of losses and gradients.
        left_out: Group whose gradients are not compared.
    """
    losses, gradients = found
    given = golden.arrays_cached(case)
    for tag, value in losses.items():
        golden.check(case, f'{prefix}loss_{tag[len("Loss/"):]}', value)
    torch = {}
    for name, table in trained.tables.items():
        for entry in table:
            torch[name, entry.name] = (f'{names[name]}.{entry.torch}', entry.kind)
    for group, of_group in gradients.items():
        if group == left_out:
            continue
        by_name = {torch[key][0]: (value, torch[key][1]) for key, value in of_group.items()}
        wanted = [str(name) for name in given[f'{prefix}{group}_grad_names']]
        assert sorted(by_name) == sorted(wanted)
        norms = np.array([np.linalg.norm(by_name[name][0]) for name in wanted])
        golden.check(case, f'{prefix}{group}_grad_l2', norms, at_least=1e-4)
        start = f'{prefix}{group}_grad_full/'
        for key in given:
            if key.startswith(start):
                value, kind = by_name[key[len(start):]]
                golden.check(case, key, golden.to_torch(value, kind).reshape(given[key].shape), at_least=1e-4)


def check_after(case, trained, names, lrate=LRATE):
    """Compares the variables after the step with those that a case has."""
    given = golden.arrays_cached(case)
    noisy = golden.META[case]['after_step_params_with_rounding_noise']
    seen = 0
    for name, table in trained.tables.items():
        values = tflib.run(dict(trained.networks[name].vars))
        for entry in table:
            key = f'after/{names[name]}.{entry.torch}'
            if key not in given:
                continue
            seen += 1
            if golden.FILES.is_left_out(case, key):
                continue
            found, wanted = golden.to_torch(values[entry.name], entry.kind), given[key]
            error = np.abs(found.reshape(wanted.shape) - wanted)
            if '/moving_' in entry.name:
                golden.check(case, key, found)
                continue
            golden.FILES.note(case, key, error, 2.02 * lrate)
            assert error.max() <= 2.02 * lrate, key
            if key not in noisy:
                allowed = 1e-6 + 2e-6 * np.abs(wanted).max()  # of 99 % of them
                golden.FILES.note(case, key, np.percentile(error, 99), allowed)
                assert np.mean(error <= allowed) >= 0.99, (key, np.mean(error <= allowed))
    assert seen == sum(key.startswith('after/') and 'num_batches' not in key for key in given)
