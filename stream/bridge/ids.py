"""Ids of events that are made of several ids of a platform, and of messages that have none."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from stream.contract.foreign_ids import HASH_DIGITS, contract_id, encode_id, fits


class Made(NamedTuple):
    """A contract id, and whether it is a hash."""

    id: str
    hashed: bool


def joined_id(prefix: str, *parts: str) -> Made:
    """The id `<prefix><part>:<part>`, each part encoded; hashed by the contract's rule where that is too long."""
    if len(parts) == 1:
        made = contract_id(parts[0], prefix)
        return Made(made, hashed=made != prefix + encode_id(parts[0]))
    joined = ":".join(map(encode_id, parts))
    if fits(prefix + joined):
        return Made(prefix + joined, hashed=False)
    return Made(contract_id(joined, prefix), hashed=True)  # its colons make it longer still: a hash


def content_id(prefix: str, content: bytes) -> str:
    """The id of something that has none: `<prefix>h` and 32 hex digits of the SHA-256 of what it says."""
    return f"{prefix}h{sha256(content).hexdigest()[:HASH_DIGITS]}"
