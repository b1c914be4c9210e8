"""Runs that the same command would continue, had not a default or the number of workers changed since."""

import os

LAPGAN = 'training.methods.lapgan.lapgan'
LAPGAN_FIRST = {  # what its first runs trained with without saying so: option -> value
    'method_args.G_images': 1, 'method_args.G_args.latents': 'normal'}
LAPGAN_SET = {'method_args.G_images': 'train.G_images', 'method_args.G_args.latents': 'G.latents'}
SMALL = {  # options of --config=small that had other defaults: (flag, default)
    'D_loss_args.gamma': ('--gamma', 1), 'sched_args.minibatch_size_base': ('--batch', 8)}
SMALL_FOLLOWS = 'sched_args.minibatch_gpu_base', 'D_args.mbstd_group_size', 'G_smoothing_kimg'  # from these
ROUNDS = ('sched_args.minibatch_gpu', 'D_args.mbstd_group_size')  # how options begin that follow the workers' number


def with_first(saved):
    """Options of a run, with those of LAPGAN_FIRST if it is one of LAPGAN that does not say them.

    Args:
        saved: Dictionary of options; changed.
    Returns: It.
    """
    method = saved.get('method_args')
    if not isinstance(method, dict) or method.get('func_name') != LAPGAN:
        return saved
    for path, value in LAPGAN_FIRST.items():
        place = saved
        *folders, name = path.split('.')
        for folder in folders:
            place = place.setdefault(folder, {})
        place.setdefault(name, value)
    return saved


def how_to_continue(run_dir, saved, wanted):
    """What must be given to continue a run, if it differs by nothing that somebody chose.

    Args:
        run_dir: The run directory; its name ends with the configuration.
        saved: Options of the run by name, such as `G_args.fmap_base`.
        wanted: Those of the command.
    Returns: (why it is not continued, arguments), each as text; `None` if other options differ, or none.
    """
    names = [name for name in sorted(set(saved) | set(wanted)) if saved.get(name) != wanted.get(name)]
    if not names:
        return None
    if all(name in LAPGAN_FIRST and saved.get(name) == LAPGAN_FIRST[name] for name in names):
        return ('it was begun with other defaults',
                ' '.join(f'--set {LAPGAN_SET[name]}={saved[name]}' for name in names))
    chosen = [name for name in names if name not in SMALL_FOLLOWS]
    is_small = os.path.basename(os.path.abspath(run_dir)).endswith('gpu-small')
    if is_small and chosen and all(name in SMALL and wanted.get(name) == SMALL[name][1] for name in chosen):
        return ('it was begun with another gamma or minibatch, as --config=small had other defaults',
                ' '.join(f'{SMALL[name][0]}={saved.get(name)}' for name in chosen))
    if all(name.startswith(ROUNDS) for name in names) and names[-1].startswith(ROUNDS[0]):
        name = next(name for name in names if name.startswith(ROUNDS[0]))
        return (f'there are {saved[name]} images per device and round in it, here {wanted[name]}',
                rounds_of(saved[name]))
    return None


def rounds_of(size):
    """What to give so that there are `size` images per device and round."""
    return f'--minibatch-gpu={size} or as many workers as then'
