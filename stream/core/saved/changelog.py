"""A log of changes: entries are appended in numbered segments, and a segment is forgotten whole by age."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from stream.core.saved.frames import frame, unframe
from stream.core.saved.growth import Row, grown_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# An open segment is written again with each checkpoint until it is this large …
TAIL_BYTES = 8 * 1024
# … and one checkpoint's changes are split into records of at most about this size (the topic takes 8 MiB).
SEGMENT_BYTES = 512 * 1024

E = TypeVar("E", bound=Row)
_encoder = msgspec.msgpack.Encoder()


class ChangeLog(Generic[E]):
    """A log of entries in numbered segments; a segment is forgotten whole when its newest entry is old enough.

    `stamp` is what age is measured by: a clock in ms, or a generation.
    """

    def __init__(self, prefix: bytes, entry_type: type[E]) -> None:
        self.prefix = prefix
        self.sealed: deque[tuple[int, int]] = deque()  # (number, newest stamp)
        self._number = 0
        self._tail: list[msgspec.Raw] = []
        self._tail_bytes = 0
        self._tail_stamp = -1
        self._tail_changed = False
        self._out: list[tuple[bytes, bytes | None]] = []
        self._loaded: dict[int, bytes] = {}
        self._decoder = msgspec.msgpack.Decoder(tuple[int, list[entry_type]])  # type: ignore[valid-type]

    def extend(self, entries: Iterable[E], stamp: int) -> None:
        """Add entries."""
        encode = _encoder.encode
        for entry in entries:
            raw = msgspec.Raw(encode(grown_row(entry)))
            if self._tail_bytes + len(raw) > SEGMENT_BYTES and self._tail:
                self._seal()
            self._tail.append(raw)
            self._tail_bytes += len(raw)
            self._tail_stamp = max(self._tail_stamp, stamp)
            self._tail_changed = True

    def _seal(self) -> None:
        if self._tail_changed:
            self._out.append((self._key(self._number), frame((self._tail_stamp, self._tail))))
        self.sealed.append((self._number, self._tail_stamp))
        self._number += 1
        self._tail, self._tail_bytes, self._tail_stamp, self._tail_changed = [], 0, -1, False

    def cut(self, forget_before: int) -> list[tuple[bytes, bytes | None]]:
        """The records to write: what is new, and tombstones of segments whose newest stamp is below `forget_before`."""
        if self._tail_changed:
            if self._tail_bytes >= TAIL_BYTES:
                self._seal()
            else:
                self._out.append((self._key(self._number), frame((self._tail_stamp, self._tail))))
                self._tail_changed = False
        out, self._out = self._out, []
        while self.sealed and self.sealed[0][1] < forget_before:
            number, _ = self.sealed.popleft()
            out.append((self._key(number), None))
        return out

    def _key(self, number: int) -> bytes:
        return b"%b%d" % (self.prefix, number)

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take one record of a restore, in log order: the last value of a key holds."""
        number = int(key[len(self.prefix) :])
        if value is None:
            self._loaded.pop(number, None)
        else:
            self._loaded[number] = value
        self._number = max(self._number, number + 1)

    def loaded(self) -> Iterator[list[E]]:
        """Every entry that was loaded, by segment, oldest first. Frees the records."""
        for number in sorted(self._loaded):
            stamp, entries = unframe(self._key(number), self._loaded.pop(number), self._decoder)
            self.sealed.append((number, stamp))
            yield entries
