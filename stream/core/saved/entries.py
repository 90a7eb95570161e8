"""The entries of the change logs: what each holds, and how it is split."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

from stream.core.order_state import Amounts, SaleLine
from stream.core.saved.changelog import ChangeLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")

# 5 000 ids of 64 characters are 330 KB.
ENTRY_ITEMS = 5_000


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


class PartsEntry(msgspec.Struct, array_like=True):
    """What was said of the parts of an order: by part a `parts.Word`; and its moves in the pace of a session.

    A move begins with the place of its line: among those of the order, then among `dropped`, which it has no more.
    """

    fields_1: ClassVar[int] = 1

    said: dict[str, tuple[int, int, tuple[SaleLine, ...], int, Amounts]]
    moved_in: int = -1
    moves: list[tuple[int, int, int, int, int]] = []
    dropped: list[tuple[str, str]] = []


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
    parts: PartsEntry | None = None
    own_hold_ms: int = -1
    amounts: Amounts | None = None  # by product, where products are counted
    revision: int = 0


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


class RowsEntry(msgspec.Struct, array_like=True):
    """Rows of one mechanic of a room as they are now; nil: one that is gone."""

    fields_1: ClassVar[int] = 4

    room_id: str
    born_ms: int
    name: str
    rows: dict[str, msgspec.Raw]


class ChangeLogs:
    """The logs of one partition."""

    def __init__(self) -> None:
        self.windows = ChangeLog(b"d|", WindowEntry)
        self.ids = ChangeLog(b"i|", IdsEntry)
        self.orders = ChangeLog(b"o|", OrderEntry)
        self.presence = ChangeLog(b"p|", PresenceEntry)
        self.carts = ChangeLog(b"c|", CartEntry)
        self.rows = ChangeLog(b"t|", RowsEntry)


def pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split what would make too large an entry."""
    for start in range(0, len(items), ENTRY_ITEMS):
        yield items[start : start + ENTRY_ITEMS]
