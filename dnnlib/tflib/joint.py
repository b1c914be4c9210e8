"""Joint steps: several optimizers move their variables at the same time, as in one-stage training of two networks."""

import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives


def apply_jointly(optimizers, after=()):
    """Builds one op in which several optimizers step at the same time: no variable changes before all gradients, which
    may be those of the same forward pass, are computed.

    Args:
        optimizers: List of Optimizer, each with its gradients registered and `apply_updates` not called yet.
        after: Further tensors that are computed before any variable is changed, such as losses to be reported.
    Returns: The operation. Each optimizer skips its own step if one of its own gradients is not finite.
    Raises: ValueError if two of them train the same variable; what `apply_updates` raises.
    """
    trained = [variable.name for optimizer in optimizers for variable in optimizer.trained()]
    twice = sorted({name for name in trained if trained.count(name) > 1})
    if twice:
        raise ValueError(f'a joint step would change {twice[0]} twice; give each variable to one optimizer')
    computed = [gradient for optimizer in optimizers for gradient in optimizer.gradients()] + list(after)
    with collectives.one_after_another():
        ops = [optimizer.apply_updates(after=computed) for optimizer in optimizers]
    return tf.concat([op.outputs[0] for op in ops], axis=0).op  # tf.group would depend on ops seen by session calls
