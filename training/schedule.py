"""Level of detail, minibatch size, learning rates and tick length as functions of the number of images shown."""

import inspect
import math

from dnnlib import EasyDict, UserError
from dnnlib.util import get_obj_by_name
from training import rates

PUBLISHED = 'training.schedule.training_schedule'
POLICIES = ('linear', 'step', 'plateau', 'cosine', 'linear_late', 'linear_steps')  # of `translation_schedule`
TICK_KIMG = {8: 28, 16: 24, 32: 20, 64: 16, 128: 12, 256: 8, 512: 6, 1024: 4}


def training_schedule(cur_nimg, training_set, lod_initial_resolution=None, lod_training_kimg=600,
                      lod_transition_kimg=600, minibatch_size_base=32, minibatch_size_dict=None,
                      minibatch_gpu_base=4, minibatch_gpu_dict=None, G_lrate_base=0.002, G_lrate_dict=None,
                      D_lrate_base=0.002, D_lrate_dict=None, lrate_rampup_kimg=0, tick_kimg_base=4,
                      tick_kimg_dict=None, G_lrate_schedule=None, D_lrate_schedule=None):
    """Settings of the training at one moment (Karras et al. 2018, appendix A, and the published StyleGAN2 configs).

    Args:
        cur_nimg: Images shown so far, int.
        training_set: Anything with `resolution_log2`.
        lod_initial_resolution: First resolution of progressive growing, in pixels; `None` = full size at once.
        lod_training_kimg: Thousand images at one resolution before the next fades in.
        lod_transition_kimg: Thousand images of one fade.
        minibatch_size_base: Images per optimization step; `minibatch_size_dict` {resolution: size} goes first.
        minibatch_gpu_base: Images per device and round; `minibatch_gpu_dict` likewise.
        G_lrate_base: Learning rate of G; `G_lrate_dict` likewise. `D_lrate_base`, `D_lrate_dict`: of D.
        lrate_rampup_kimg: Thousand images over which the rates rise from 0; 0 = no ramp.
        tick_kimg_base: Thousand images between two reports; `tick_kimg_dict` likewise, `None` = the published table.
        G_lrate_schedule, D_lrate_schedule: How the rates change, as `training.rates` writes it; `None` = they don't.
    Returns: EasyDict of kimg, lod (float), resolution (pixels), minibatch_size, minibatch_gpu, G_lrate, D_lrate,
        tick_kimg.
    """
    kimg = cur_nimg / 1000
    lod = 0.0
    if lod_initial_resolution is not None:
        lod = _lod(kimg, training_set.resolution_log2 - int(math.log2(lod_initial_resolution)), lod_training_kimg,
                   lod_transition_kimg)
    resolution = 2 ** (training_set.resolution_log2 - int(lod))
    ramp = min(kimg / lrate_rampup_kimg, 1.0) if lrate_rampup_kimg > 0 else 1.0
    return EasyDict(
        kimg=kimg, lod=lod, resolution=resolution,
        minibatch_size=(minibatch_size_dict or {}).get(resolution, minibatch_size_base),
        minibatch_gpu=(minibatch_gpu_dict or {}).get(resolution, minibatch_gpu_base),
        G_lrate=rates.at(G_lrate_schedule, kimg, (G_lrate_dict or {}).get(resolution, G_lrate_base)) * ramp,
        D_lrate=rates.at(D_lrate_schedule, kimg, (D_lrate_dict or {}).get(resolution, D_lrate_base)) * ramp,
        tick_kimg=(TICK_KIMG if tick_kimg_dict is None else tick_kimg_dict).get(resolution, tick_kimg_base))


def translation_schedule(cur_nimg, training_set, minibatch_size=1, minibatch_gpu=None, lrate=0.0002,
                         lr_policy='linear', n_epochs=100, n_epochs_decay=100, lr_decay_iters=50, epoch_images=None,
                         tick_images=None):
    """Settings of a method that translates at one moment; defaults and names are those of the published programs.

    Args:
        cur_nimg: Images shown so far, int.
        training_set: Anything with `num_images`.
        minibatch_size: Images of each stream per optimization step.
        minibatch_gpu: Images per device and round; `None` = all of them.
        lrate: Learning rate at the start.
        lr_policy: See `rate_factor`; also `n_epochs`, `n_epochs_decay` and `lr_decay_iters`.
        epoch_images: Images shown in an epoch; `None` = those of the training set.
        tick_images: Images between two reports; `None` = those of an epoch.
    Returns: EasyDict of minibatch_size, minibatch_gpu, lrate, tick_kimg, epoch_images and, with the policy 'plateau',
        epoch: number of the epoch, which makes the method lower the rate itself, see `training.methods.plateau`.
    Raises: UserError for an unknown policy.
    """
    epoch_images = epoch_images or training_set.num_images
    is_by_step = lr_policy == 'linear_steps'
    epoch = (cur_nimg + minibatch_size) / epoch_images if is_by_step else cur_nimg // epoch_images + 1
    factor = rate_factor(epoch, lr_policy, n_epochs, n_epochs_decay, lr_decay_iters)
    further = dict(epoch=epoch) if lr_policy == 'plateau' else {}
    return EasyDict(minibatch_size=minibatch_size, minibatch_gpu=minibatch_gpu or minibatch_size, lrate=lrate * factor,
                    tick_kimg=(tick_images or epoch_images) / 1000, epoch_images=epoch_images, **further)


def domain_schedule(cur_nimg, training_set, minibatch_size=8, minibatch_gpu=None, lrate=0.0001, F_lrate=0.000001,
                    tick_images=1000):
    """Settings of a method that translates between domains, the same at all times; defaults are StarGAN v2's.

    Args:
        cur_nimg: Images shown so far, int.
        training_set: Not used.
        minibatch_size: Images of each stream per optimization step.
        minibatch_gpu: Images per device and round; `None` = all of them.
        lrate: Learning rate. (StarGAN's falls by a thousandth in the second half of the published training.)
        F_lrate: That of the network that makes styles of latents.
        tick_images: Images between two reports.
    Returns: EasyDict of minibatch_size, minibatch_gpu, lrate, F_lrate, tick_kimg.
    """
    del cur_nimg, training_set
    return EasyDict(minibatch_size=minibatch_size, minibatch_gpu=minibatch_gpu or minibatch_size, lrate=lrate,
                    F_lrate=F_lrate, tick_kimg=tick_images / 1000)


def rate_factor(epoch, lr_policy, n_epochs, n_epochs_decay, lr_decay_iters=50):
    """Factor of the learning rate in an epoch, the first of which is 1.

    Args:
        epoch: Number of the epoch; with 'linear_steps' a fraction: epochs seen at the end of the step.
        lr_policy: 'linear': 1 for `n_epochs`, then down to 1 / (n_epochs_decay + 1) in the last epoch; 'step': a tenth
            after every `lr_decay_iters` epochs; 'plateau': 1 here; 'cosine': half a cosine wave in `n_epochs`;
            'linear_late', pix2pixHD's: 1 for one epoch more, then down to 1 / n_epochs_decay; 'linear_steps',
            U-GAT-IT's: 1 for `n_epochs`, then down by the same amount with every step, to 0 in the last.
        n_epochs, n_epochs_decay, lr_decay_iters: Numbers of epochs, int.
    Raises: UserError for an unknown policy, or one that these numbers make impossible.
    """
    for name, value in (('n_epochs', n_epochs), ('lr_decay_iters', lr_decay_iters)):
        if value < 1 and lr_policy == dict(n_epochs='cosine', lr_decay_iters='step')[name]:
            raise UserError(f'lr_policy={lr_policy} needs {name} of at least 1, not {value}')
    if lr_policy == 'linear':
        return max(1 - max(epoch - n_epochs, 0) / (n_epochs_decay + 1), 0.0)
    if lr_policy in ('linear_late', 'linear_steps'):
        seen = epoch - (lr_policy == 'linear_late') - n_epochs
        return max(1 - max(seen, 0) / n_epochs_decay, 0.0) if n_epochs_decay else float(seen <= 0)
    if lr_policy == 'step':
        return 0.1 ** ((epoch - 1) // lr_decay_iters)
    if lr_policy == 'plateau':
        return 1.0
    if lr_policy == 'cosine':
        return (1 + math.cos(math.pi * (epoch - 1) / n_epochs)) / 2
    raise UserError(f'lr_policy must be {", ".join(POLICIES)}, not {lr_policy!r}')


class Schedule:
    """The schedule of one training, a function of the number of images shown; refuses at once what would fail later.

    Args:
        dataset: Anything with `resolution_log2`.
        sched_args: Keyword arguments of the schedule function, and `func_name`, by default `training_schedule`. Another
            function takes the images shown, the dataset and its own options; it returns an EasyDict of `minibatch_size`
            and `minibatch_gpu`, which don't change, `tick_kimg`, and any scalars that the method asks for by name.
        num_gpus: Number of devices.
        total_kimg: Length of the training, thousand images.
    Attributes:
        levels: Its results at each resolution that the training passes through, lowest first, without the ramp of the
            rates; one if nothing grows.
        last: Its result at the end of the training.
    Raises: UserError if a resolution, a time, a table or a minibatch makes no sense.
    """

    def __init__(self, dataset, sched_args, num_gpus=1, total_kimg=0):
        self._options = {key: value for key, value in sched_args.items() if key != 'func_name'}
        self._function = get_obj_by_name(sched_args.get('func_name', PUBLISHED))
        self._dataset, self._num_gpus = dataset, num_gpus
        if self._function is training_schedule:
            _check_options(self._options)
        self.levels = [self._at(0, dataset, self._options)]
        if self._function is training_schedule:
            same_tables = dict(self._options, lod_initial_resolution=None, lrate_rampup_kimg=0)
            first = self.levels[0].resolution.bit_length() - 1
            self.levels = [self._at(0, EasyDict(resolution_log2=log2), same_tables)
                           for log2 in range(first, dataset.resolution_log2 + 1)]
        self.last = self(total_kimg * 1000)
        for name in ('G_lrate', 'D_lrate') if total_kimg else ():
            text = self._options.get(name + '_schedule')
            if text is not None:
                found = {kimg: self(kimg * 1000)[name] for kimg in (total_kimg * i / 10 for i in range(11))}
                print(f'{name} by {text}: ' + ', '.join(f'{rate:.3g} at {kimg:g}' for kimg, rate in found.items())
                      + ' kimg')

    def __call__(self, nimg):
        """What the schedule function gives for `nimg` images shown, with `lod`, `kimg` and `rounds` of accumulation."""
        sched = self._at(nimg, self._dataset, self._options)
        if self._function is not training_schedule:
            for name in ('minibatch_size', 'minibatch_gpu', 'lod'):
                if sched[name] != self.levels[0][name]:
                    raise UserError(f'the schedule changes {name} from {self.levels[0][name]} to {sched[name]} at kimg '
                                    f'{nimg / 1000:g}; only training.schedule.training_schedule may')
        return sched

    def _at(self, nimg, dataset, options):
        sched = EasyDict(dict(lod=0.0, kimg=nimg / 1000), **self._function(nimg, dataset, **options))
        sched.rounds = accumulation_rounds(sched.minibatch_size, sched.minibatch_gpu, self._num_gpus)
        return sched


def is_new_level(before, after):
    """Does another level begin, that is, a fade to the next resolution or the end of one?

    Args:
        before, after: Results of `training_schedule`.
    """
    return any(rounded(before.lod) != rounded(after.lod) for rounded in (math.floor, math.ceil))


def _check_options(sched_args):
    initial = sched_args.get('lod_initial_resolution')
    if initial is not None and (not isinstance(initial, int) or initial < 4):
        raise UserError('lod_initial_resolution must be a resolution from 4 on or None, got {!r}'.format(initial))
    for name in inspect.signature(training_schedule).parameters:
        value = sched_args.get(name)
        if name.endswith('_dict') and value is not None and not (isinstance(value, dict) and all(
                isinstance(number, (int, float)) for item in value.items() for number in item)):
            raise UserError('{} must be a table of numbers by resolution such as {{8: 16, 16: 8}}, got {!r}'.format(
                name, value))
        if name.endswith('_kimg') and value is not None and value < 0:
            raise UserError('{} must not be negative, got {!r}'.format(name, value))


def accumulation_rounds(minibatch_size, minibatch_gpu, num_gpus=1):
    """Rounds of gradient accumulation in one optimization step.

    Args:
        minibatch_size: Images per step, over all devices, int >= 1.
        minibatch_gpu: Images per device and round, int >= 1.
        num_gpus: Number of devices.
    Returns: minibatch_size / (minibatch_gpu * num_gpus), int.
    Raises: UserError if that is not a positive whole number.
    """
    for name, value in [('minibatch_size', minibatch_size), ('minibatch_gpu', minibatch_gpu)]:
        if not isinstance(value, int) or value < 1:
            raise UserError('{} must be a whole number of at least 1, got {!r}'.format(name, value))
    together = minibatch_gpu * num_gpus
    if minibatch_size % together and num_gpus > 1:
        lower = minibatch_size // together * together
        raise UserError(f'minibatch {minibatch_size} does not divide by {together}'
                        + (f' ({num_gpus} workers of {minibatch_gpu} images)' if minibatch_gpu > 1 else '')
                        + f': use {f"{lower} or " if lower else ""}{lower + together}')
    if minibatch_size % together:
        raise UserError('minibatch_size {} is not a multiple of minibatch_gpu {} * num_gpus {}'.format(
            minibatch_size, minibatch_gpu, num_gpus))
    return minibatch_size // (minibatch_gpu * num_gpus)


def _lod(kimg, initial_lod, training_kimg, transition_kimg):
    phase_kimg = training_kimg + transition_kimg
    phase = math.floor(kimg / phase_kimg) if phase_kimg > 0 else 0
    lod = initial_lod - phase
    if transition_kimg > 0:
        lod -= max(kimg - phase * phase_kimg - training_kimg, 0.0) / transition_kimg
    return max(lod, 0.0)
