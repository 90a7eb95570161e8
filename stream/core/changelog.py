"""How a partition's state lies in the compacted topic `live.checkpoints`: frames, keys, and logs of changes.

Ten kinds of record, so that a checkpoint costs what changed and not what a room has become:

    g|                           when event ids are next forgotten
    f|                           since when orders must have changed not to have been forgotten for want of room
    r|<room>                     head: totals, ledgers, urgency; small, written whole when the room changed
    k|<room>                     what a room without a session knows: its sales
    e|<room>                     the last document of a session, for some minutes
    v|                           what no session of the partition may fall below
    b|<room>|<kind>|<block>      64 members of a session's distinct count; a full block never changes again; `s` = the
                                 sketch
    d|<n>  i|<n>  o|<n>  p|<n>   segments of change logs (windows, event ids, orders, sessions, carts): appended, then
    c|<n>                        forgotten whole by age. Only the open last segment, at most `TAIL_BYTES`, is written
                                 again.

Every value is framed: format version, CRC-32 of the rest, MessagePack.
"""

from __future__ import annotations

from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from zlib import crc32

import msgspec

from stream.core.forecast import MEMORY_S
from stream.core.growth import grown_row
from stream.core.stock import SaleLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORMAT_VERSION = 1
# An open segment is written again with each checkpoint until it is this large …
TAIL_BYTES = 8 * 1024
# … and one checkpoint's changes are split into records of at most about this size (the topic takes 8 MiB).
SEGMENT_BYTES = 512 * 1024
BLOCK_MEMBERS = 64
# 5 000 ids of 64 characters are 330 KB.
ENTRY_ITEMS = 5_000

_encoder = msgspec.msgpack.Encoder()


def in_a_row(units: dict[int, int]) -> list[int]:
    """The first second, then the units of it and of those after it: a quarter of what the pairs take."""
    units = {second: each for second, each in units.items() if each}
    if not units:
        return []
    last = max(units)
    first = max(min(units), last - 2 * MEMORY_S)  # what is older than that is of another session
    return [first, *map(units.get, range(first, last + 1), repeat(0))]


def by_second(row: list[int]) -> dict[int, int]:
    """The other way round."""
    return {second: units for second, units in enumerate(row[1:], row[0]) if units} if row else {}


# A `words.Word`.
SavedWord = tuple[int, str, int, int, int, int]


class CorruptCheckpointError(Exception):
    """A record of `live.checkpoints` cannot be read; the message names the key and why."""


class Head(msgspec.Struct, array_like=True):
    """A room's small, absolute part.

    New fields of this and of the others go to the end, with a default: older records then still decode, and a record
    that uses none of them keeps its bytes (`growth.grown_row`).
    """

    fields_1: ClassVar[int] = 19

    born_ms: int
    touched_ms: int
    rev: int
    likes: int
    comments: int
    cart_adds: int
    views: int
    orders: tuple[int, int, int, int]
    money: dict[str, list[int]]
    first_offsets: list[int]
    first_unit_ms: int
    bits: list[int]
    feed: list[tuple[int, str, str, int]]
    ledgers: list[LedgerHead]
    terms: dict[str, tuple[int, int]]
    urgencies: list[tuple[str, str, str, int, int, list[tuple[str, float, float]]]]
    sales_refused: int
    last_append_ms: int
    awake_until_ms: int = -1
    known_ms: int | None = None  # as born_ms
    show_id: str | None = None
    later: bool = False
    past: list[LedgerHead] = []
    said_ms: dict[str, int] = {}
    misplaced: bool = False
    departures: tuple[int, int, int, int, int, int] | None = None
    words: dict[str, list[SavedWord]] = {}  # by key of terms


class MemoryHead(msgspec.Struct, array_like=True):
    """What a room knows between two sessions. Terms: extended to, closed at, said at."""

    fields_1: ClassVar[int] = 5

    known_ms: int
    born_ms: int
    touched_ms: int
    past: list[LedgerHead]
    terms: dict[str, tuple[int, int, int]]
    words: dict[str, list[SavedWord]] = {}


class LedgerHead(msgspec.Struct, array_like=True):
    """One ledger without its people.

    Held and sold units by user come back from the orders, carters from their blocks.
    """

    fields_1: ClassVar[int] = 11

    sale_id: str
    sku_id: str
    opened: bytes | None
    restocked: int
    restock_planned: tuple[int, int]
    held: int
    sold: int
    released: int
    over_limit: int
    recent: dict[int, int]
    bought: dict[int, list[int]]
    said_ms: int = -1
    paid_second: int = -1
    # What the forecast of the second edition looks at: the first second, then units in it and in those after it.
    taken: list[int] = []
    returned: list[int] = []
    restocked_ms: int = -1
    gone: int = 0
    openings: list[SavedWord] = []  # where there is more than the one that holds
    restocks: list[tuple[int, str, int]] = []
    former: list[int] = []


class WindowEntry(msgspec.Struct, array_like=True):
    """Absolute values of what changed in one room's windows.

    People → latest bucket by audience, bucket → sum by tally.
    """

    fields_1: ClassVar[int] = 5

    room_id: str
    born_ms: int
    audiences: list[dict[str, int]]
    tallies: list[dict[int, int]]
    minor: dict[str, dict[int, int]]


class IdsEntry(msgspec.Struct, array_like=True):
    """Event ids newly remembered in one room, topic by topic.

    `counts`: how many of each topic, in the contract's order; empty: of which topic they are is not known.
    """

    fields_1: ClassVar[int] = 4

    room_id: str
    born_ms: int
    generation: int
    ids: list[str]
    counts: list[int] = []


class OrderEntry(msgspec.Struct, array_like=True):
    """One order as it is now."""

    fields_1: ClassVar[int] = 10

    room_id: str
    born_ms: int
    order_id: str
    user_id: str
    currency: str
    amount_minor: int
    lines: tuple[SaleLine, ...]
    mask: int
    hold_until_ms: int
    changed_ms: int
    moves: tuple[int, ...] = ()
    moved_in: int = -1
    moves_before: int = 0
    device_id: str | None = None
    hold_ms: int = -1


class PresenceEntry(msgspec.Struct, array_like=True):
    """Sessions as they are now: (latest enter, latest leave)."""

    fields_1: ClassVar[int] = 3

    room_id: str
    born_ms: int
    sessions: dict[str, tuple[int, int]]


class CartEntry(msgspec.Struct, array_like=True):
    """Carts with one SKU of one sale as they are now, of whom they changed; or, without a sale, who left the room.

    `carts`: person → (latest cart-add, units, all taken out). `left`: person → latest leave, −1: came back. `bits`: one
    in 2**bits people is kept.
    """

    fields_1: ClassVar[int] = 7

    room_id: str
    born_ms: int
    sale_id: str
    sku_id: str
    bits: int
    carts: dict[str, tuple[int, int, int]]
    left: dict[str, int]


Entry = WindowEntry | IdsEntry | OrderEntry | PresenceEntry | CartEntry
E = TypeVar("E", WindowEntry, IdsEntry, OrderEntry, PresenceEntry, CartEntry)
T = TypeVar("T")


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


class ChangeLogs:
    """The logs of one partition."""

    def __init__(self) -> None:
        self.windows = ChangeLog(b"d|", WindowEntry)
        self.ids = ChangeLog(b"i|", IdsEntry)
        self.orders = ChangeLog(b"o|", OrderEntry)
        self.presence = ChangeLog(b"p|", PresenceEntry)
        self.carts = ChangeLog(b"c|", CartEntry)


def pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split what would make too large an entry."""
    for start in range(0, len(items), ENTRY_ITEMS):
        yield items[start : start + ENTRY_ITEMS]
