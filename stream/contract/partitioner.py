"""The partition of a key: murmur2, as the producers of Kafka's Java client choose it.

A room lives in one partition of every topic, so all producers must choose alike. Any reader can check the choice.
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_MIX = 0x5BD1E995
_SHIFT = 24


def murmur2(key: bytes) -> int:
    """Kafka's murmur2 of a key, as 32 unsigned bits."""
    length = len(key)
    state = _SEED ^ length
    whole = length - length % 4
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MIX & _MASK
        word = (word ^ word >> _SHIFT) * _MIX & _MASK
        state = state * _MIX & _MASK ^ word
    if whole < length:
        state = (state ^ int.from_bytes(key[whole:], "little")) * _MIX & _MASK
    state = (state ^ state >> 13) * _MIX & _MASK
    return state ^ state >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key among `partitions`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
