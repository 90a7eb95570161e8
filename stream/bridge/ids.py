"""Ids of platforms → contract ids: encoded, and hashed where that is too long."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from stream.sources.ids import encode_id, fits

DIGEST_BYTES = 16


class Made(NamedTuple):
    """A contract id, and whether it is a hash."""

    id: str
    hashed: bool


def contract_id(prefix: str, *parts: str) -> Made:
    """The id `<prefix><part>:<part>`, each part encoded; if it is longer than 64: `<prefix>h<32 hex digits>`.

    The digits are BLAKE2b-128 of the one part as it is, or of all parts as encoded.
    """
    encoded = ":".join(map(encode_id, parts))
    if fits(prefix + encoded):
        return Made(prefix + encoded, hashed=False)
    text = parts[0] if len(parts) == 1 else encoded
    return Made(f"{prefix}h{digest(text.encode())}", hashed=True)


def digest(data: bytes) -> str:
    """32 hex digits of BLAKE2b-128."""
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()
