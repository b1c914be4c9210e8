"""What the projector does at which step: where it begins, learning rate, exploration of W, snapshots; two presets."""

import numpy as np

PUBLISHED = dict(initial_learning_rate=0.1, initial_noise_factor=0.05, lr_rampdown_length=0.25, lr_rampup_length=0.05,
                 noise_ramp_length=0.75, shared_candidates=1)
NUM_STEPS = {'paper': 1000, 'fast': 150}
PRESETS = {  # public fields of the Projector
    'paper': PUBLISHED,
    'fast': dict(PUBLISHED, initial_learning_rate=0.05, initial_noise_factor=0.0, shared_candidates=4096,
                 local_candidates=256, local_learning_rate=0.03),
}


def learning_rate(t, initial=0.1, rampdown_length=0.25, rampup_length=0.05):
    """Learning rate at the fraction `t` in [0, 1) of the steps: linear up, constant, cosine down to 0."""
    ramp = min(1.0, (1.0 - t) / rampdown_length)
    ramp = 0.5 - 0.5 * np.cos(ramp * np.pi)
    return initial * ramp * min(1.0, t / rampup_length)


def noise_strength(t, dlatent_std, initial_factor=0.05, ramp_length=0.75):
    """Standard deviation of the offset added to the dlatents at the fraction `t` of the steps; 0 after the ramp."""
    return dlatent_std * initial_factor * max(0.0, 1.0 - t / ramp_length) ** 2


def snapshot_steps(num_steps, num_snapshots):
    """Numbers of the steps, counted from 1, after which an image is written: set of ints, evenly spaced."""
    return {num_steps - i * num_steps // num_snapshots for i in range(num_snapshots)}
