"""CRC-32C, the checksum of TFRecord files: in NumPy, or by a faster function that is handed in."""

import contextlib
import functools

import numpy as np

CASTAGNOLI = 0x82f63b78  # the polynomial of CRC-32C, bits reversed
# x^6777 + x^484 + x^100 + 1 is a multiple of the polynomial, found by search, and so is its 8 * 2^k-th power, whose
# exponents are as many times larger: where a byte is as many places further behind as these say, it counts the same.
DEGREE, OTHERS = 6777, (484, 100, 0)

_faster = []  # functions, of which the last one counts; empty unless in `using`


@contextlib.contextmanager
def using(function):
    """Context manager: `crc32c` calls a function of uint8 [N] instead; `None` = NumPy computes it."""
    _faster.append(function)
    try:
        yield
    finally:
        _faster.pop()


@functools.lru_cache(maxsize=None)
def _byte_table():
    crcs = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crcs = np.where(crcs & 1, (crcs >> 1) ^ np.uint32(CASTAGNOLI), crcs >> 1).astype(np.uint32)
    return crcs


@functools.lru_cache(maxsize=None)
def _zeros_table(log2):
    """What 2^log2 zero bytes do to each byte of a register: uint32 [4, 256]; registers are linear in their bytes."""
    places = np.arange(256, dtype=np.uint32) << (8 * np.arange(4, dtype=np.uint32)[:, np.newaxis])
    if log2 == 0:
        return (places >> 8) ^ _byte_table()[places & 255]
    return _append_zeros(_append_zeros(places, log2 - 1), log2 - 1)


def _append_zeros(crcs, log2):
    table = _zeros_table(log2)
    return table[0][crcs & 255] ^ table[1][(crcs >> 8) & 255] ^ table[2][(crcs >> 16) & 255] ^ table[3][crcs >> 24]


@functools.lru_cache(maxsize=None)
def _end_table():
    """What a byte does to an empty register where others follow: uint32 [DEGREE * 256], the last byte first."""
    table = np.empty([DEGREE, 256], np.uint32)
    table[0], known, log2 = _byte_table(), 1, 0
    while known < DEGREE:
        more = min(known, DEGREE - known)
        table[known:known + more] = _append_zeros(table[:more], log2)
        known, log2 = known + more, log2 + 1
    return table.ravel()


def crc32c(data):
    """CRC-32C (RFC 3720, appendix B.4) of bytes or of an array uint8 [N], as int.

    All but the last bytes are folded onto those behind them, halving what is left again and again; at the end the
    contributions of single bytes are looked up.
    """
    data = np.frombuffer(data, np.uint8)
    if _faster and _faster[-1] is not None:
        return _faster[-1](data)
    left = np.concatenate([np.zeros(max(4 - len(data), 0), np.uint8), data])  # zeros in front change nothing,
    first = len(left) - len(data)
    left[first:first + 4] ^= 255  # but the register begins with ones
    start = 0xffffffff >> 8 * min(len(data), 4)  # of which those behind the end of the data stay
    unit = 1 << max(len(left) // DEGREE, 1).bit_length()
    while len(left) > DEGREE:
        if len(left) <= DEGREE * unit:
            unit //= 2
            continue
        size = min(len(left) - DEGREE * unit, (DEGREE - OTHERS[0]) * unit)
        for other in OTHERS:
            left[(DEGREE - other) * unit:][:size] ^= left[:size]
        left = left[size:]
    places = np.arange(len(left) - 1, -1, -1) << 8
    return int(np.bitwise_xor.reduce(np.take(_end_table(), places + left))) ^ start ^ 0xffffffff
