"""`--set GROUP.KEY=VALUE`: which options a training has beside those of the command line, and how they are changed.

The groups are keyword arguments of one function each: of networks, optimizers and losses, as the method names them, of
the schedule, the picture grid, the dataset, and the training loop itself. What can be set is read off the signatures of
these functions.
"""

import ast
import inspect
import re

from dnnlib import UserError, cli, util
from dnnlib.arguments import did_you_mean, similar
from training.options import augmentation
from training.options.continuing import FOUND
from training.pretrained import BUILD_MODULES

AUGMENT_FUNCTIONS = (augmentation.PIPELINE, augmentation.DIFFAUGMENT, None)
COMMON_GROUPS = ('sched', 'grid', 'dataset', 'train')


def parse_assignment(text, groups):
    """One `--set`, `GROUP.KEY=VALUE`: (group, key, value); the value is a Python literal if it is one, else a text.

    Args:
        text: The text.
        groups: Names of the groups that there are.
    Raises: UserError for another form or an unknown group.
    """
    match = re.match(r'(\w+)\.(\w+)=(.*)$', text, re.DOTALL)
    if not match:
        raise UserError(f'--set expects GROUP.KEY=VALUE with a group of {", ".join(groups)}, got {text!r}')
    group, key, value = match.groups()
    if group not in groups:
        raise UserError(f'--set {text}: unknown group {group!r}; {did_you_mean(group, groups)}choose from '
                        f'{", ".join(groups)}')
    try:
        value = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        pass
    return group, key, value


class Settings:
    """What `--set` can change in the options of a training.

    Args:
        options: Keyword arguments of the training loop, `<group>_args` for every group but `train`; changed.
        preset: presets.Preset of the configuration.
        taken: Names of options that the command line has itself.
    """

    def __init__(self, options, preset, taken):
        self._options, self._preset = options, preset
        self._taken = set(taken) | set(FOUND)

    @property
    def groups(self):
        """Names of the groups."""
        of_method = self._preset.settable(self._options)
        return tuple(name for name in of_method if name not in COMMON_GROUPS) + COMMON_GROUPS

    def settable(self, group):
        """What can be changed in a group: {name: default}, from the signatures of the functions that are called."""
        cli.load_tensorflow()
        of_method = self._preset.settable(self._options)
        if group in of_method:
            return of_method[group]()
        from training import schedule, training_loop
        from training.report import grid
        if group == 'sched':
            return defaults_of(schedule.training_schedule)
        if group == 'grid':
            return defaults_of(grid.setup_snapshot_image_grid)
        if group == 'dataset':
            return _of_dataset(self._options)
        name = self._preset.options_class or self._options['method_args']['func_name'].rpartition('.')[0] + '.Options'
        of_method = _of_options(util.get_obj_by_name(name))
        found = dict(_of_options(training_loop.Options), **of_method)
        return {name: default for name, default in found.items() if name not in self._taken}

    def apply(self, assignments):
        """Puts the values of `--set` into the options, after comparing them with what the functions accept.

        Functions go first, whatever their place, since they decide what the rest of their group can be.

        Args:
            assignments: List of (group, key, value).
        Raises: UserError naming an unknown key, or a value that is a text where a number is expected.
        """
        for group, key, value in sorted(assignments, key=lambda item: (item[1] != 'func_name', '_func' not in item[1])):
            defaults = self.settable(group)
            if key not in defaults:
                meant = similar(key, sorted(defaults))
                hint = f'group {group} has {", ".join(sorted(defaults))}' if meant is None else \
                    f'did you mean {group}.{meant}?'
                raise UserError(f'--set {group}.{key}: unknown option; {hint}')
            is_number = value is None or isinstance(value, (int, float))
            if isinstance(defaults[key], (int, float)) and not is_number and group != 'dataset':
                kind = 'bool' if isinstance(defaults[key], bool) else 'number'
                raise UserError(f'--set {group}.{key}: expected a {kind} such as {defaults[key]!r}, got {value!r}')
            given = self._given(group, key)
            given[key] = value
            if key.endswith('_func') or key in ('func_name', 'tf_optimizer'):  # another function has other arguments
                accepted = self.settable(group)
                for name in [name for name in given if name not in accepted]:
                    del given[name]

    def _given(self, group, key):
        """The dictionary of the options that holds a key of a group."""
        if group in COMMON_GROUPS[:-1]:
            return self._options[group + '_args']
        method = self._options.get('method_args', self._options)  # those of the published method stand beside the rest
        if group != 'train':
            return method[group + '_args']
        cli.load_tensorflow()
        from training import training_loop
        return self._options if key in training_loop.Options._fields else method

    def resolved(self):
        """Every option that can be set, as it is: texts `GROUP.KEY=VALUE`, with the default if it differs."""
        lines = []
        for group in self.groups:
            for key, default in sorted(self.settable(group).items()):
                value = self._given(group, key).get(key, default)
                lines.append(f'{group}.{key}={value}' + ('' if value == default else f' (default {default})'))
        return lines


def _of_options(options_class):
    """Fields of a NamedTuple of options that aren't options of further functions."""
    return {name: default for name, default in options_class._field_defaults.items()
            if options_class.__annotations__[name] is not dict}


def _of_dataset(options):
    from training.data import base, cats
    is_cats = options['data_dir'] is None and options['dataset_args']['tfrecord_dir'] == 'cats'
    names = {'max_label_size', 'max_images', 'shuffle_mb', 'resolution', 'crop', 'jitter', 'noise', 'moves'}
    names |= {'held_out'} if is_cats else set()
    defaults = dict(defaults_of(base.Dataset.__init__), **defaults_of(cats.CatsDataset.__init__))
    return {name: defaults[name] for name in names}


def of_function(group, args, prefix):
    """Options of the function that a group is handed to, and `func_name` itself: {key: default}.

    Args:
        group: Name of the group.
        args: Its options, with `func_name`.
        prefix: What full names of published functions begin with.
    Raises: UserError if there is no such function.
    """
    func_name = args['func_name']
    try:
        found = dict(defaults_of(util.get_obj_by_name(func_name)), func_name=func_name)
        return {key: default for key, default in found.items() if key not in ('reals', 'labels')}  # of the minibatch
    except ImportError:
        module_name, _, start = prefix.rpartition('.')
        known = sorted(name for name in vars(util.get_obj_by_name(module_name)) if name.startswith(start))
        raise UserError(f'--set {group}.func_name: unknown function {func_name!r}; {module_name} has '
                        f'{", ".join(known)}') from None


def of_augmentation(args):
    """Options of the control of p and of the function that augments, if there is one: {key: default}.

    Args:
        args: `augment_args` of the training.
    Raises: UserError if there is no such function.
    """
    found = dict(util.get_obj_by_name('training.methods.augmented.Control')._field_defaults)
    function = args['func_name']
    if function not in AUGMENT_FUNCTIONS:
        raise UserError(f'--set augment.func_name: unknown function {function!r}; choose from '
                        f'{", ".join(filter(None, AUGMENT_FUNCTIONS))}, None')
    if function is not None:
        found.update(defaults_of(util.get_obj_by_name(function)), func_name=function)
    return {name: default for name, default in found.items() if name not in ('strength', 'debug_percentile')}


def of_optimizer(args):
    """Options of `tflib.Optimizer`, but for those that `train_step.Step` sets, and numbers of the wrapped class."""
    tflib = cli.load_tensorflow()
    defaults = defaults_of(tflib.Optimizer.__init__)
    optimizer_class = tflib.optimizer.find_class(args.get('tf_optimizer', defaults['tf_optimizer']))
    defaults.update((name, default) for name, default in defaults_of(optimizer_class.__init__).items()
                    if isinstance(default, (int, float)) and not isinstance(default, bool))
    from_step = ('name', 'learning_rate', 'minibatch_multiplier', 'share')
    return {name: default for name, default in defaults.items() if name not in from_step}


def of_network(group, args, given=()):
    """Options of a build function and, if that is a generator of two parts, of its sub-networks.

    Args:
        group: Name of the group.
        args: Its options, with `func_name`.
        given: Names of options that are not the user's to set.
    Raises: UserError if there is no such function.
    """
    module_name, _, func_name = args['func_name'].rpartition('.')
    if module_name not in BUILD_MODULES:  # its network files could not be opened again
        raise UserError(f'--set {group}.func_name: expected a function of {" or ".join(BUILD_MODULES)}, got '
                        f'{args["func_name"]!r}')
    function = _build_function(group, 'func_name', module_name, func_name)
    defaults = dict(defaults_of(function), func_name=args['func_name'])
    if any(p.kind == p.VAR_KEYWORD for p in inspect.signature(function).parameters.values()):
        for key, usual in (('mapping_func', 'G_mapping'), ('synthesis_func', 'G_synthesis')):
            name = args.get(key, defaults.get(key, usual))
            defaults = dict(defaults_of(_build_function(group, key, module_name, name)), **defaults)
    return {name: default for name, default in defaults.items() if name not in given}


def _build_function(group, key, module_name, func_name):
    try:
        return util.get_obj_by_name(f'{module_name}.{func_name}')
    except ImportError:
        raise UserError(f'--set {group}.{key}: unknown function {func_name!r} of {module_name}') from None


def defaults_of(function):
    """Parameters of a function that have a default value: {name: default}."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not inspect.Parameter.empty}
