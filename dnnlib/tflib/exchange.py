"""What the workers of a training exchange besides gradients: bytes of any number, arrays of worker 0."""

import contextlib
import struct

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.tflib import collectives

PART_BYTES = 2 << 20  # exchanged at once, by all workers together: a thousand of them need no more memory than two
MIN_PARTS = 4 << 10  # of one worker
_LENGTH = struct.Struct('<q')


class Broken(RuntimeError):
    """An exchange failed half-way: the workers are no longer at the same place, so this process must end."""


class Exchange:
    """Exchanges data of the workers of the default graph, in a graph and session of its own.

    All workers make one at the same time and call its functions in the same order; after an error in one of them, which
    is `Broken`, no other can be called.
    """

    def __init__(self):
        size = collectives.num_workers()
        self._mine_bytes, self._first_bytes = max(PART_BYTES // 4 // size * 4, MIN_PARTS), PART_BYTES
        self._is_first = collectives.worker() == 0
        with _breaking():
            graph = tf.Graph()
            self._session = collectives.session_beside(graph)
            with graph.as_default():
                self._mine_in, self._first_in = (tf.placeholder(tf.int32, [count // 4])
                                                 for count in (self._mine_bytes, self._first_bytes))
                self._all, self._first = collectives.all_gather(self._mine_in), collectives.from_first(self._first_in)

    def close(self):
        """Closes the session."""
        self._session.close()

    def gather(self, data):
        """Bytes of each worker, any number, in worker order: list.

        Args:
            data: This worker's bytes.
        """
        data = _LENGTH.pack(len(data)) + data
        with _breaking():
            found = self._gather_part(data, 0)
            lengths = [_LENGTH.size + _LENGTH.unpack_from(part)[0] for part in found]
            for begin in range(self._mine_bytes, max(lengths), self._mine_bytes):
                for whole, part in zip(found, self._gather_part(data, begin)):
                    whole += part
            return [bytes(whole[_LENGTH.size:length]) for whole, length in zip(found, lengths)]

    def _gather_part(self, data, begin):
        part = np.zeros(self._mine_bytes, np.uint8)
        piece = np.frombuffer(data[begin:begin + self._mine_bytes], np.uint8)
        part[:len(piece)] = piece
        return [bytearray(found) for found in self._session.run(self._all, {self._mine_in: part.view(np.int32)})]

    def copy_from_first(self, arrays):
        """Fills arrays with the bytes that they have in worker 0.

        Args:
            arrays: List, contiguous ones, of the same shapes and types in all workers; changed in the others.
        """
        size, messages, room = self._first_bytes, [], 0
        for data in [array.reshape(-1).view(np.uint8) for array in arrays]:
            for begin in range(0, len(data), size):
                piece = data[begin:begin + size]
                if len(piece) > room:
                    messages.append([])
                    room = size
                messages[-1].append(piece)
                room -= len(piece)
        with _breaking():
            for pieces in messages:
                self._copy_part(pieces)

    def _copy_part(self, pieces):
        part, begin = np.zeros(self._first_bytes, np.uint8), 0
        if self._is_first:
            part[:sum(map(len, pieces))] = np.concatenate(pieces)
        found = self._session.run(self._first, {self._first_in: part.view(np.int32)}).view(np.uint8)
        for piece in () if self._is_first else pieces:
            piece[:] = found[begin:begin + len(piece)]
            begin += len(piece)


@contextlib.contextmanager
def _breaking():
    try:
        yield
    except Exception as error:
        raise Broken(f'the workers could not exchange data ({str(error).strip() or type(error).__name__:.400})'
                     ) from error
