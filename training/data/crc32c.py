"""CRC-32C, the checksum of TFRecord files, in pure NumPy."""

import functools

import numpy as np

CASTAGNOLI = 0x82f63b78  # the polynomial of CRC-32C, bits reversed


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
def _two_bytes_table():
    """What two bytes do to an empty register: uint32 [65536], by the bytes as a little-endian number."""
    pairs = np.arange(65536, dtype=np.uint32)
    crcs = _byte_table()[pairs & 255] ^ (pairs >> 8)
    return _byte_table()[crcs & 255] ^ (crcs >> 8)


def crc32c(data):
    """CRC-32C (RFC 3720, appendix B.4) of bytes, as int.

    The bytes are cut into lanes of equal length, whose registers advance together, two bytes at a time; then neighbors
    are combined in pairs: the register of A followed by B is that of A followed by zeros, xor that of B.
    """
    log2 = min(max(len(data).bit_length() // 2, 1), 10)  # of the bytes in a lane; zeros in front change nothing
    padded = np.zeros(-(-len(data) >> log2) << log2, np.uint8)
    padded[len(padded) - len(data):] = np.frombuffer(data, np.uint8)
    crcs = np.zeros(len(padded) >> log2, np.uint32)
    for pairs in np.ascontiguousarray(padded.view('<u2').reshape(len(crcs), (1 << log2) // 2).T):
        crcs = _two_bytes_table()[(crcs ^ pairs) & 0xffff] ^ (crcs >> 16)
    while len(crcs) > 1:
        if len(crcs) % 2:
            crcs = np.concatenate([np.zeros(1, np.uint32), crcs])
        crcs = _append_zeros(crcs[0::2], log2) ^ crcs[1::2]
        log2 += 1
    start = np.full(1, 0xffffffff, np.uint32)
    for bit in range(len(data).bit_length()):
        if len(data) >> bit & 1:
            start = _append_zeros(start, bit)
    return int(start[0]) ^ (int(crcs[0]) if len(crcs) else 0) ^ 0xffffffff
