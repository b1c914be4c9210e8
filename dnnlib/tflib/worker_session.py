"""Sessions of a worker behind a server of TensorFlow.

Every call of such a session has a number that the server draws. In TensorFlow 2.21 two of some hundred thousand calls
have the same one, as if only 32 bits of it were random. The later call is refused as a repetition, before any of it has
run: of 519,118 calls that count, 7 were refused, and the count was 519,111. (Parts of a call have such numbers, too.
Their refusal has another text: the call has begun then, and is not made again.)
"""

import tensorflow.compat.v1 as tf

REFUSED = 'RunGraph (Worker) request was received twice'
MOST_TRIES = 5  # that one call is refused twice has a chance of one in ten thousand


class WorkerSession(tf.Session):
    """As tf.Session, but a call that was refused for its number is made again with another one."""

    def run(self, *args, **kwargs):
        """As `tf.Session.run`."""
        for _ in range(MOST_TRIES - 1):
            try:
                return super().run(*args, **kwargs)
            except tf.errors.AbortedError as error:
                if REFUSED not in error.message:
                    raise
        return super().run(*args, **kwargs)
