"""Options of the command line about augmenting what the discriminator sees (StyleGAN2-ADA, sections 2 and 3)."""

from collections import OrderedDict

from dnnlib import UserError, cli
from training.options import augmentation, continuing

HEURISTICS = dict(ada='rt', adarv='rv')  # of `--aug`
WAYS = OrderedDict([  # values of `--aug`, and what they mean
    ('ada', 'p follows the signs of the scores of reals'), ('adarv', 'it follows the scores of --holdout'),
    ('fixed', 'it is --p'), ('noaug', 'not at all')])
TARGETS = dict(rt=0.6, rv=0.5)  # as published
TUNE_KIMG, TUNE_KIMG_FROM_NETWORKS = 500, 100  # thousand images in which p can move by 1; as published


def add(parser, default, ways=tuple(WAYS)):
    """Adds the options to an argparse parser or group.

    Args:
        parser: The parser or group.
        default: Value of `--aug` that the configurations have.
        ways: Values of `--aug` that there are, of WAYS.
    """
    p, adapting = parser, [name for name in ways if name in HEURISTICS]
    both, targets = ' and '.join(adapting), ', '.join(f'{TARGETS[HEURISTICS[name]]} for {name}' for name in adapting)
    p.add_argument('--aug', choices=ways,
                   help='augment what D sees with probability p: '
                   + '; '.join(f'{name} = {WAYS[name]}' for name in ways) + f' (default: {default})')
    p.add_argument('--p', type=cli.finite_float, metavar='FLOAT',
                   help=f'p; with {both} that of the start (default: 0)')
    p.add_argument('--p-max', type=cli.finite_float, metavar='FLOAT',
                   help=f'ceiling of p with {both} (default: 1)')
    p.add_argument('--target', type=cli.finite_float, metavar='FLOAT',
                   help=f'overfitting that {both} allow{"s" * (len(adapting) == 1)}, 0 = none, 1 = complete (default: '
                   f'{targets})')
    p.add_argument('--augpipe', metavar='NAME',
                   help=f'operations: {", ".join(augmentation.NAMES)} (default: {augmentation.DEFAULT}); diffaugment '
                   'is fixed, with p = 1')


def chosen(args, default):
    """Value of `--aug`, also if it was not given."""
    return args.aug or ('fixed' if args.augpipe == 'diffaugment' else default)


def check(args, default, tells_d=False, ways=tuple(WAYS)):
    """Refuses bad values.

    Args:
        args: Parsed command line.
        default, ways: As for `add`.
        tells_d: Does p exist without augmentation as well, because D is told it?
    Raises: UserError.
    """
    aug = chosen(args, default)
    adapts = tells_d and aug == 'noaug'
    for name, allowed in [('p', ('ada', 'adarv', 'fixed')), ('p_max', tuple(HEURISTICS)), ('target', tuple(HEURISTICS)),
                          ('augpipe', ('ada', 'adarv', 'fixed'))]:
        value = getattr(args, name)
        if value is not None and aug not in allowed and not (adapts and name != 'augpipe'):
            raise UserError(f'--{name.replace("_", "-")}={value}: has no effect with --aug={aug}; drop it or add --aug='
                            f'{" or ".join(way for way in allowed if way in ways)}')
    if aug == 'noaug' and not adapts and any(text.startswith('augment.') for text in args.assignments):
        raise UserError('--set augment.*: nothing is augmented; add --aug=ada')
    for name in ('p', 'target'):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:
            raise UserError(f'--{name}={value:g}: expected 0 to 1')
    if args.p_max is not None and args.p_max < (args.p or 0):
        raise UserError(f'--p-max={args.p_max:g}: expected at least --p, which is {args.p or 0:g}')
    if args.augpipe is not None:
        augmentation.pipeline(args.augpipe)
    if args.augpipe == 'diffaugment' and aug != 'fixed':
        raise UserError(f'--augpipe=diffaugment: its strength does not adapt; use --aug=fixed instead of --aug={aug}')
    if aug == 'fixed' and args.p is None and args.augpipe != 'diffaugment':
        raise UserError('--aug=fixed: give the probability as well, such as --p=0.3')
    if aug == 'adarv' and not args.holdout:
        raise UserError('--aug=adarv: it compares with images that are not trained on; add --holdout=0.1')


def augment_args(args, default):
    """Options `augment_args` of the training; None = nothing is augmented.

    Args:
        args: Parsed command line.
        default: As for `add`.
    Returns: Flat dictionary: those of the control of p, func_name, and those of this function.
    """
    aug = chosen(args, default)
    if aug == 'noaug':
        return None
    found = augmentation.pipeline(args.augpipe or augmentation.DEFAULT)
    if aug == 'fixed':
        return dict(found, initial_strength=1 if args.p is None else args.p)
    return dict(found, **control(args, HEURISTICS[aug]))


def control(args, heuristic, target=None):
    """Options of a p that adapts.

    Args:
        args: Parsed command line.
        heuristic: 'rt' or 'rv'.
        target: Value that the heuristic is kept at, unless the command line has another; None = as published.
    """
    target = TARGETS[heuristic] if target is None else target
    from_networks = continuing.starts_from_networks(args.resume)
    return dict(tune_heuristic=heuristic, tune_target=target if args.target is None else args.target,
                tune_kimg=TUNE_KIMG_FROM_NETWORKS if from_networks else TUNE_KIMG,
                initial_strength=args.p or 0, max_strength=1 if args.p_max is None else args.p_max)


def describe(args):
    """One line about the augmentation that the options `augment_args` ask for; None = none."""
    if args is None:
        return 'Augmentation: none'
    on = {name: args[name] for name in augmentation.MULTIPLIERS if args.get(name)}
    names = [name for name, operations in augmentation.PRESETS.items() if on == dict.fromkeys(operations, 1)]
    if args.get('func_name') is None:
        name = 'none; D is told how much it overfits'
    elif args['func_name'] == augmentation.PIPELINE:
        name = names[0] if names else ', '.join(f'{name} {value:g}' for name, value in on.items()) or 'no operation'
    else:
        name = args['func_name'].rpartition('.')[2]
    start, heuristic = args.get('initial_strength', 0), args.get('tune_heuristic')
    if heuristic is None:
        return f'Augmentation: {name}, p = {start}'
    target = args.get('tune_target')
    return (f'Augmentation: {name}, p from {start} to at most {args.get("max_strength", 1)}, to keep {heuristic} at '
            f'{TARGETS.get(heuristic) if target is None else target}; p moves by 1 in '
            f'{args.get("tune_kimg", TUNE_KIMG)} kimg')
