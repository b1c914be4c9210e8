"""`--set GROUP.KEY=VALUE`: which options a training has beside those of the command line, and how they are changed.

The groups are keyword arguments of one function each: networks, optimizers, losses, the schedule, the grid, the data
set, and the training loop itself. What can be set is read off the signatures of these functions.
"""

import ast
import difflib
import inspect
import re

from dnnlib import UserError, cli, util
from training.pretrained import BUILD_MODULES

GROUPS = ('G', 'D', 'G_opt', 'D_opt', 'G_loss', 'D_loss', 'sched', 'grid', 'dataset', 'train')

# Parameters of networks and optimizers that the training itself gives; of the loop, those with an option of their own.
NOT_SETTABLE = ('name', 'learning_rate', 'minibatch_multiplier', 'share', 'num_channels', 'resolution', 'label_size',
                'is_training', 'is_validation', 'is_template_graph', 'components', 'return_dlatents',
                'dlatent_broadcast', 'force_clean_graph')
NOT_IN_TRAIN = ('submit_config', 'metric_callback', 'tf_config', 'dry_run', 'data_dir', 'seed', 'total_kimg',
                'mirror_augment', 'checkpoint_minutes', 'keep', 'keep_best', 'resume_state', 'resume_pkl', 'strict',
                'freeze_d', 'freeze_mapping', 'bad', 'holdout', 'nan_patience')


def parse_assignment(text):
    """One `--set`, `GROUP.KEY=VALUE`: (group, key, value); the value is a Python literal if it is one, else a text.

    Raises: UserError for another form or an unknown group.
    """
    match = re.match(r'(\w+)\.(\w+)=(.*)$', text, re.DOTALL)
    if not match or match.group(1) not in GROUPS:
        raise UserError('--set expects GROUP.KEY=VALUE with a group of {}, got {!r}'.format(', '.join(GROUPS), text))
    group, key, value = match.groups()
    try:
        value = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        pass
    return group, key, value


def apply_assignments(options, assignments):
    """Puts the values of `--set` into the options, after comparing them with what the functions accept.

    Functions go first, whatever their place, since they decide what the rest of their group can be.

    Args:
        options: Keyword arguments of the training, `<group>_args` for every group but `train`; changed.
        assignments: List of (group, key, value).
    Raises: UserError naming an unknown key, or a value that is a text where a number is expected.
    """
    for group, key, value in sorted(assignments, key=lambda item: (item[1] != 'func_name', '_func' not in item[1])):
        defaults = settable(group, options)
        if key not in defaults:
            similar = difflib.get_close_matches(key, sorted(defaults), 1)
            raise UserError('--set {}.{}: there is no such option; {}'.format(group, key, 'did you mean {}.{}?'.format(
                group, similar[0]) if similar else 'group {} has {}'.format(group, ', '.join(sorted(defaults)))))
        is_number = value is None or isinstance(value, (int, float))
        if isinstance(defaults[key], (int, float)) and not is_number and group != 'dataset':
            raise UserError('--set {}.{}: expected a {} such as {!r}, got {!r}'.format(
                group, key, 'bool' if isinstance(defaults[key], bool) else 'number', defaults[key], value))
        (options if group == 'train' else options[group + '_args'])[key] = value
        if key.endswith('_func') or key == 'func_name':  # another function has other arguments
            accepted = settable(group, options)
            options[group + '_args'] = {k: v for k, v in options[group + '_args'].items() if k in accepted}


def resolved(options):
    """Every option that can be set, as it is in a training: texts `GROUP.KEY=VALUE`, with the default if that differs.

    Args:
        options: See `apply_assignments`.
    """
    lines = []
    for group in GROUPS:
        given = options if group == 'train' else options[group + '_args']
        for key, default in sorted(settable(group, options).items()):
            value = given.get(key, default)
            lines.append('{}.{}={}'.format(group, key, value) + ('' if value == default else ' (default {})'.format(
                default)))
    return lines


def settable(group, options):
    """What `--set` can change in a group: {name: default}, from the signatures of the functions that are called."""
    tflib = cli.load_tensorflow()
    from training import schedule, training_loop
    from training.data import base, cats
    from training.report import grid
    if group == 'train':
        return {name: default for name, default in _defaults(training_loop.training_loop).items()
                if name not in NOT_IN_TRAIN and not name.endswith('_args')}
    if group == 'dataset':
        is_cats = options['data_dir'] is None and options['dataset_args']['tfrecord_dir'] == 'cats'
        names = {'max_label_size', 'max_images', 'shuffle_mb', 'resolution'} | ({'held_out'} if is_cats else set())
        defaults = dict(_defaults(base.Dataset.__init__), **_defaults(cats.CatsDataset.__init__))
        return {name: defaults[name] for name in names}
    if group in ('G_loss', 'D_loss'):
        return _of_loss(group, options[group + '_args']['func_name'])
    if group in ('G', 'D'):
        defaults = _of_network(group, options[group + '_args'])
    elif group in ('G_opt', 'D_opt'):
        defaults = dict(_defaults(tflib.Optimizer.__init__), beta1=0.9, beta2=0.999, epsilon=1e-8)
    elif group == 'sched':
        defaults = _defaults(schedule.training_schedule)
    else:
        defaults = _defaults(grid.setup_snapshot_image_grid)
    return {name: default for name, default in defaults.items() if name not in NOT_SETTABLE}


def _of_loss(group, func_name):
    from training import loss
    try:
        return dict(_defaults(util.get_obj_by_name(func_name)), func_name=func_name)
    except ImportError:
        known = sorted(name for name in vars(loss) if re.match(group[0] + '_[a-z]', name))
        raise UserError('--set {}.func_name: there is no function {!r}; training.loss has {}'.format(
            group, func_name, ', '.join(known))) from None


def _of_network(group, network_args):
    """Options of a build function and, if that is a generator, of its two sub-networks."""
    module_name, _, func_name = network_args['func_name'].rpartition('.')
    if module_name not in BUILD_MODULES:  # its pickles could not be opened again
        raise UserError('--set {}.func_name: expected a function of {}, got {!r}'.format(
            group, ' or '.join(BUILD_MODULES), network_args['func_name']))
    function = _build_function(group, 'func_name', module_name, func_name)
    defaults = dict(_defaults(function), func_name=network_args['func_name'])
    if any(p.kind == p.VAR_KEYWORD for p in inspect.signature(function).parameters.values()):
        for key, usual in (('mapping_func', 'G_mapping'), ('synthesis_func', 'G_synthesis')):
            name = network_args.get(key, defaults.get(key, usual))
            defaults = dict(_defaults(_build_function(group, key, module_name, name)), **defaults)
    return defaults


def _build_function(group, key, module_name, func_name):
    try:
        return util.get_obj_by_name('{}.{}'.format(module_name, func_name))
    except ImportError:
        raise UserError('--set {}.{}: there is no function {!r} in {}'.format(
            group, key, func_name, module_name)) from None


def _defaults(function):
    """Parameters of a function that have a default value: {name: default}."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is not inspect.Parameter.empty}
