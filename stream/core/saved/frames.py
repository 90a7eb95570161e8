"""The frame of a checkpoint record: format version, CRC-32 of the rest, MessagePack."""

from __future__ import annotations

from typing import Any, TypeVar
from zlib import crc32

import msgspec

T = TypeVar("T")

FORMAT_VERSION = 1
_encoder = msgspec.msgpack.Encoder()


class CorruptCheckpointError(Exception):
    """A record of `live.checkpoints` cannot be read; the message names the key and why."""


def frame(value: Any) -> bytes:
    """Encode one value with version and checksum."""
    payload = _encoder.encode(value)
    return b"%c%b%b" % (FORMAT_VERSION, crc32(payload).to_bytes(4, "big"), payload)


def unframe(key: bytes, value: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """Decode one value. Raises CorruptCheckpointError on a newer version, a wrong checksum or a wrong shape."""
    if len(value) < 5 or value[0] != FORMAT_VERSION:  # noqa: PLR2004 — one byte version, four bytes CRC
        raise CorruptCheckpointError(
            f"checkpoint record {key!r} has format version {value[:1]!r}, this worker reads {FORMAT_VERSION}: "
            "run the version that wrote it, or a newer one"
        )
    payload = value[5:]
    if crc32(payload) != int.from_bytes(value[1:5], "big"):
        raise CorruptCheckpointError(f"checkpoint record {key!r} fails its checksum")
    try:
        return decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise CorruptCheckpointError(f"checkpoint record {key!r}: {error}") from error
