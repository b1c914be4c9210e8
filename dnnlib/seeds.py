"""Random seeds derived from what is computed, so that a restart draws the same numbers."""

import hashlib

import numpy as np


def step_seed(seed, nimg, stage_name, round_idx):
    """Seed of the random numbers of one session call: the same after a restart, unrelated to that of any other call.

    Args:
        seed: Seed of the training, int.
        nimg: Images shown before the iteration, int.
        stage_name: Name of the stage.
        round_idx: Number of the round within the stage.
    Returns: int64 [2], 0 <= value < 2^31.
    """
    digest = hashlib.sha256(repr((int(seed), int(nimg), stage_name, int(round_idx))).encode()).digest()
    return (np.frombuffer(digest[:8], dtype='<u4') >> 1).astype(np.int64)
