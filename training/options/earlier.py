"""Runs that the same command would continue, had not a default or the number of workers changed since."""

from collections import OrderedDict
import os

LAPGAN = 'training.methods.lapgan.lapgan'
LAPGAN_FIRST = {  # what its first runs trained with without saying so: option -> (name for --set, value)
    'method_args.G_images': ('train.G_images', 1), 'method_args.G_args.latents': ('G.latents', 'normal')}
BATCH = 'sched_args.minibatch_size_base'
SMALL = OrderedDict([  # options of --config=small that had other defaults: (flag, default)
    ('D_loss_args.gamma', ('--gamma', 1)), (BATCH, ('--batch', 8))])
SMALL_FOLLOWS = 'sched_args.minibatch_gpu_base', 'D_args.mbstd_group_size', 'G_smoothing_kimg'  # from these
ROUNDS = ('sched_args.minibatch_gpu', 'D_args.mbstd_group_size')  # how options begin that follow the workers' number
BASE = ROUNDS[0] + '_base'


def with_first(saved):
    """Options of a run, with those of LAPGAN_FIRST if it is one of LAPGAN that does not say them.

    Args:
        saved: Dictionary of options; changed.
    Returns: It.
    """
    method = saved.get('method_args')
    if not isinstance(method, dict) or method.get('func_name') != LAPGAN:
        return saved
    for path, (_, value) in LAPGAN_FIRST.items():
        place = saved
        *folders, name = path.split('.')
        for folder in folders:
            place = place.setdefault(folder, {})
        place.setdefault(name, value)
    return saved


def how_to_continue(run_dir, saved, wanted):
    """What must be given to continue a run that differs by defaults, or what follows from the number of workers.

    Args:
        run_dir: The run directory; its name ends with the configuration.
        saved: Options of the run by name, such as `G_args.fmap_base`.
        wanted: Those of the command.
    Returns: (why it is not continued, arguments), each as text; `None` if other options differ, or none.
    """
    names = [name for name in sorted(set(saved) | set(wanted)) if saved.get(name) != wanted.get(name)]
    if not names:
        return None
    if all(name in LAPGAN_FIRST and saved.get(name) == LAPGAN_FIRST[name][1] for name in names):
        return ('it was begun with other defaults',
                ' '.join('--set {}={}'.format(*LAPGAN_FIRST[name]) for name in names))
    if os.path.basename(os.path.abspath(run_dir)).endswith('gpu-small') and _differs_by_small(names, saved, wanted):
        in_it, here = (' '.join(f'{flag}={options.get(name)}' for name, (flag, _) in SMALL.items() if name in names)
                       for options in (saved, wanted))
        return f'it has {in_it}, this command {here}', in_it
    if BASE in names and all(name == BASE or name.startswith(ROUNDS[1]) for name in names) and (
            BASE in saved and BASE in wanted):
        return (f'there are {saved[BASE]} images per device and round in it, here {wanted[BASE]}',
                f'--minibatch-gpu={saved[BASE]} or as many workers as then')
    return None


def _differs_by_small(names, saved, wanted):
    """Do options differ only by the defaults that --config=small has now, and what follows from them?"""
    chosen = [name for name in names if name not in SMALL_FOLLOWS]
    follows = 'G_smoothing_kimg' not in names or all(  # as `ada.auto` has it
        options.get('G_smoothing_kimg') == options.get(BATCH, 0) * 10 / 32 for options in (saved, wanted))
    return follows and bool(chosen) and all(
        name in SMALL and name in saved and wanted.get(name) == SMALL[name][1] for name in chosen)
