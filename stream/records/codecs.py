"""Decompression of record batches within a bound: a megabyte of a batch may claim to be a terabyte.

All of Kafka's codecs, and both framings of snappy: bare blocks (librdkafka, franz-go) and Java's stream of blocks.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import cramjam

if TYPE_CHECKING:
    from collections.abc import Callable

# Bound on one unpacked batch. Producers bound a batch before compression, mostly to 1 MiB; brokers bound it after.
PLAIN_MAX_BYTES = 64 * 1024 * 1024

NAMES = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}

_XERIAL_MAGIC = b"\x82SNAPPY\0"
_XERIAL_HEAD_BYTES = 16
_BLOCK_LENGTH = struct.Struct(">i")
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31


class UndecodableError(Exception):
    """Compressed records that cannot be unpacked whole. `beginning`: the part that can be."""

    def __init__(self, why: str, beginning: bytes = b"") -> None:
        super().__init__(why)
        self.beginning = beginning


class TooLargeError(UndecodableError):
    """Compressed records that unpack to more than was allowed."""


def decompress(codec: int, packed: bytes | memoryview, most_bytes: int = PLAIN_MAX_BYTES) -> bytes:
    """The records of a batch as its producer wrote them.

    Args:
        codec: the last three bits of the batch's attributes; not 0.
        packed: the bytes after the batch's head.
        most_bytes: the greatest size that is unpacked.

    Raises:
    UndecodableError: the bytes are damaged, of an unknown codec, or unpack to more than `most_bytes`.
    """
    unpack = _UNPACK.get(codec)
    if unpack is None:
        raise UndecodableError(f"compressed with codec {codec}, which does not exist")
    try:
        return unpack(packed, most_bytes)
    except UndecodableError:
        raise
    except Exception as error:  # libraries raise errors of many kinds for damaged bytes
        raise UndecodableError(f"its {NAMES[codec]} compression is damaged: {error}") from error


def _too_large(beginning: bytes, most_bytes: int) -> TooLargeError:
    return TooLargeError(f"its batch comes to more than {most_bytes} bytes", beginning)


def _gzip(packed: bytes | memoryview, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    left, rest = most_bytes, bytes(packed)
    while rest and (not parts or rest.startswith(_GZIP_MAGIC)):  # Java's reader ignores anything else that follows
        member = zlib.decompressobj(_GZIP_WINDOW)
        parts.append(member.decompress(rest, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise _too_large(b"".join(parts)[:most_bytes], most_bytes)
        if not member.eof:
            raise UndecodableError("its gzip compression is damaged: it is cut off")
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _snappy(packed: bytes | memoryview, most_bytes: int) -> bytes:
    raw = bytes(packed)
    if not raw.startswith(_XERIAL_MAGIC):
        return _snappy_block(raw, most_bytes)
    parts: list[bytes] = []
    at, left = 0, most_bytes
    while at < len(raw):
        if raw.startswith(_XERIAL_MAGIC, at):  # several streams may follow each other
            at += _XERIAL_HEAD_BYTES
            continue
        (length,) = _BLOCK_LENGTH.unpack_from(raw, at)
        at += _BLOCK_LENGTH.size
        if not 0 < length <= len(raw) - at:
            raise UndecodableError(f"its snappy compression is damaged: a block of {length} bytes")
        try:
            parts.append(_snappy_block(raw[at : at + length], left))
        except UndecodableError:
            raise _too_large(b"".join(parts), most_bytes) from None
        left -= len(parts[-1])
        at += length
    return b"".join(parts)


def _snappy_block(raw: bytes, most_bytes: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(raw) > most_bytes:
        raise _too_large(b"", most_bytes)
    return bytes(cramjam.snappy.decompress_raw(raw))


def _framed(into: Callable[[bytes, bytearray], int]) -> Callable[[bytes | memoryview, int], bytes]:
    """An unpacker for lz4 or zstd. Their frames need not state how long their content is: the room grows to fit."""

    def unpack(packed: bytes | memoryview, most_bytes: int) -> bytes:
        raw = bytes(packed)
        room_bytes, room = 0, bytearray()
        while room_bytes < most_bytes:
            # The first room is mostly enough. Making the greatest room at once takes as long as unpacking a megabyte.
            room_bytes = min(8 * room_bytes or 16 * len(raw) + 4_096, most_bytes)
            room = bytearray(room_bytes)
            try:
                return bytes(memoryview(room)[: into(raw, room)])
            except cramjam.DecompressionError as error:
                if "write whole buffer" not in str(error):
                    raise
        raise _too_large(bytes(room), most_bytes)

    return unpack


_UNPACK: dict[int, Callable[[bytes | memoryview, int], bytes]] = {
    1: _gzip,
    2: _snappy,
    3: _framed(cramjam.lz4.decompress_into),
    4: _framed(cramjam.zstd.decompress_into),
}
