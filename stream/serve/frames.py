"""Bytes of an event stream, made once and shared by all streams that they go to, plain or compressed.

A compressed stream is one gzip member that never ends while the stream lasts. Each frame is a run of deflate blocks of
its own that ends on a byte (RFC 1951, a sync flush), made once for all streams. A frame is made in two ways at most:
against nothing, which fits behind any bytes; and against the frames before it, which fits only a stream that has just
those behind it (`Frame.packed`). No stream has a compressor: 32 bytes of a stream's own are its length and CRC.
"""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PACK_LEVEL = 6
WINDOW_BYTES = 32 << 10
RAW_DEFLATE = -15
# RFC 1952: deflate, no name, no time, unknown system.
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# A last block without content.
LAST_BLOCK = b"\x03\x00"

_numbers: Iterator[int] = itertools.count(1)


class Place(NamedTuple):
    """What a stream has got: `base`: the number of the last snapshot; `last`: of the last frame. 0: nothing, or more.

    `base` is 0 as well when frames of another chain came after that snapshot.
    """

    base: int = 0
    last: int = 0


NOWHERE = Place()


class Frame:
    """Bytes of the stream, plain, packed, and each as a chunk of a chunked answer.

    Args:
        plain: the bytes.
        is_snapshot: a stream that gets this frame needs none before it.
        after: where a stream must be for the frame to be packed against `window`.
        window: the last bytes that such a stream has got.
    """

    __slots__ = ("_against", "_alone", "_window", "after", "chunk", "is_snapshot", "number", "plain")

    def __init__(self, plain: bytes, *, is_snapshot: bool = False, after: Place = NOWHERE, window: bytes = b"") -> None:
        self.plain = plain
        self.chunk = chunk_of(plain)
        self.is_snapshot = is_snapshot
        self.after = after
        self.number = next(_numbers)
        self._window = window
        self._alone: bytes | None = None
        self._against: bytes | None = None

    def packed(self, place: Place) -> bytes:
        """Deflate blocks for a stream that is at this place."""
        if place.base and place == self.after:
            if self._against is None:
                self._against = _deflated(self.plain, self._window)
            return self._against
        if self._alone is None:
            self._alone = _deflated(self.plain, b"")
        return self._alone

    def place_after(self, place: Place) -> Place:
        """Where a stream is that was at `place` and got this frame."""
        if self.is_snapshot:
            return Place(self.number, self.number)
        return Place(place.base if place == self.after else 0, self.number)


class Chain:
    """The frames of one room and cut in the order in which most of its streams get them."""

    __slots__ = ("_place", "_window")

    def __init__(self) -> None:
        self._place = NOWHERE
        self._window = b""

    def add(self, plain: bytes, *, is_snapshot: bool) -> Frame:
        """The next frame of the chain."""
        frame = Frame(plain, is_snapshot=is_snapshot, after=self._place, window=self._window)
        self._place = frame.place_after(self._place)
        self._window = (plain if is_snapshot else self._window + plain)[-WINDOW_BYTES:]
        return frame


def chunk_of(data: bytes) -> bytes:
    """The bytes as one chunk of a chunked answer."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def gzip_tail(crc: int, size: int) -> bytes:
    """The end of a gzip member: a last block, CRC-32 and length of what was packed."""
    return LAST_BLOCK + crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")


def _deflated(plain: bytes, window: bytes) -> bytes:
    packer = (
        zlib.compressobj(PACK_LEVEL, zlib.DEFLATED, RAW_DEFLATE, zdict=window)
        if window
        else zlib.compressobj(PACK_LEVEL, zlib.DEFLATED, RAW_DEFLATE)
    )
    return packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)
