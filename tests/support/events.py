"""Contract events and their records with defaults: a test names only what matters to it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import msgspec

from stream.contract.catalogue import topic_index_of
from stream.contract.events import (
    CartAdd,
    CartRemove,
    Comment,
    Enter,
    Leave,
    Like,
    Order,
    OrderLine,
    OrderStatus,
    ProductClick,
    RoomClosed,
    RoomOpened,
    SaleClosed,
    SaleExtended,
    SaleOpened,
    SaleRestocked,
)
from stream.core.folds import fold_one
from stream.core.memory import Shared
from stream.core.partition import PartitionFold
from stream.core.room import Room
from stream.core.rules import Rules
from tests.support.rooms import T0_MS, TOPICS, Rec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.contract.events import RoomEvent
    from stream.contract.overlay import Overlay

T0_S = T0_MS // 1_000
_numbers = count(1)


def at(seconds: float) -> int:
    """Milliseconds of a moment, given in seconds after the beginning of all tests."""
    return T0_MS + round(seconds * 1_000)


def new_id() -> str:
    """An event id that no other event has."""
    return f"auto-{next(_numbers)}"


def comment(user: str = "u1", *, room: str = "r1", s: float = 0, event_id: str = "") -> Comment:
    return Comment(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), user_id=user, text="好")


def like(user: str = "u1", taps: int = 1, *, room: str = "r1", s: float = 0, event_id: str = "") -> Like:
    return Like(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), user_id=user, count=taps)


def cart(
    user: str = "u1", sale: str | None = "s1", sku: str = "k1", *, room: str = "r1", s: float = 0, event_id: str = ""
) -> CartAdd:
    return CartAdd(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        user_id=user,
        sku_id=sku,
        quantity=1,
        sale_id=sale,
    )


def cart_removed(
    user: str = "u1",
    sale: str | None = "s1",
    sku: str = "k1",
    units: int | None = None,
    *,
    room: str = "r1",
    s: float = 0,
    event_id: str = "",
) -> CartRemove:
    return CartRemove(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        user_id=user,
        sku_id=sku,
        quantity=units,
        sale_id=sale,
    )


def enter(
    user: str = "u1",
    session: str | None = None,
    *,
    room: str = "r1",
    s: float = 0,
    event_id: str = "",
    source: str | None = None,
) -> Enter:
    return Enter(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        user_id=user,
        source=source,
        session_id=session,
    )


def leave(user: str = "u1", session: str | None = None, *, room: str = "r1", s: float = 0, event_id: str = "") -> Leave:
    return Leave(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), user_id=user, session_id=session)


def click(
    user: str = "u1", sku: str | None = "k1", *, room: str = "r1", s: float = 0, event_id: str = ""
) -> ProductClick:
    return ProductClick(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), user_id=user, sku_id=sku)


def line(units: int = 1, sale: str | None = "s1", sku: str = "k1", amount: int = 100) -> OrderLine:
    return OrderLine(sku_id=sku, quantity=units, amount_minor=amount, sale_id=sale)


def order(
    status: str = "placed",
    order_id: str = "o1",
    user: str = "u1",
    units: int = 1,
    *,
    sale: str | None = "s1",
    sku: str = "k1",
    amount: int = 100,
    lines: Sequence[OrderLine] = (),
    currency: str = "CNY",
    device: str | None = None,
    restock: bool | None = None,
    revision: int | None = None,
    room: str = "r1",
    s: float = 0,
    event_id: str = "",
) -> Order:
    """An order of one line, or of `lines`."""
    return Order(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        user_id=user,
        order_id=order_id,
        status=OrderStatus(status),
        lines=tuple(lines) or (line(units, sale, sku, amount),),
        currency=currency,
        device_id=device,
        restock=restock,
        revision=revision,
    )


def opened(
    offered: int = 100,
    sale: str = "s1",
    sku: str = "k1",
    *,
    starts_s: float = 0,
    ends_s: float | None = 600,
    limit: int | None = None,
    restock_s: float | None = None,
    room: str = "r1",
    s: float = 0,
    event_id: str = "",
) -> SaleOpened:
    return SaleOpened(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        sale_id=sale,
        sku_id=sku,
        offered=offered,
        starts_at_ms=at(starts_s),
        ends_at_ms=None if ends_s is None else at(ends_s),
        price_minor=9_900,
        list_price_minor=19_900,
        currency="CNY",
        per_user_limit=limit,
        restock_planned_at_ms=None if restock_s is None else at(restock_s),
    )


def restocked(
    quantity: int = 10,
    sale: str = "s1",
    sku: str = "k1",
    *,
    next_s: float | None = None,
    room: str = "r1",
    s: float = 0,
    event_id: str = "",
) -> SaleRestocked:
    return SaleRestocked(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        sale_id=sale,
        sku_id=sku,
        quantity=quantity,
        restock_planned_at_ms=None if next_s is None else at(next_s),
    )


def extended(
    ends_s: float, sale: str = "s1", sku: str | None = None, *, room: str = "r1", s: float = 0, event_id: str = ""
) -> SaleExtended:
    return SaleExtended(
        event_id=event_id or new_id(),
        room_id=room,
        event_time_ms=at(s),
        sale_id=sale,
        ends_at_ms=at(ends_s),
        sku_id=sku,
    )


def closed(
    sale: str = "s1", sku: str | None = None, *, room: str = "r1", s: float = 0, event_id: str = ""
) -> SaleClosed:
    return SaleClosed(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), sale_id=sale, sku_id=sku)


def room_opened(show: str = "show-1", *, room: str = "r1", s: float = 0, event_id: str = "") -> RoomOpened:
    return RoomOpened(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), show_id=show)


def room_closed(show: str = "show-1", *, room: str = "r1", s: float = 0, event_id: str = "") -> RoomClosed:
    return RoomClosed(event_id=event_id or new_id(), room_id=room, event_time_ms=at(s), show_id=show)


def new_room(rules: Rules | None = None, s: float = 0) -> Room:
    """A room whose partition's clock stands at `s`."""
    shared = Shared()
    shared.clock_ms = at(s)
    return Room("r1", rules or Rules(), shared, at(s))


def fold_at_own_time(room: Room, *events: RoomEvent) -> None:
    """Fold events that are neither late nor early."""
    for event in events:
        fold_one(room, event, event.event_time_ms)


class Log:
    """The input topics of one partition, written event by event and folded at once."""

    def __init__(self, rules: Rules | None = None, fold: PartitionFold | None = None) -> None:
        self.fold = fold or PartitionFold(3, rules or Rules(), TOPICS)
        self.records: list[list[Rec]] = [[] for _ in TOPICS]

    def record(self, event: RoomEvent, append_s: float | None = None) -> tuple[int, Rec]:
        """Append one event to its topic, by default at its own time."""
        topic = topic_index_of(type(event))
        append_ms = event.event_time_ms if append_s is None else at(append_s)
        record = Rec(msgspec.json.encode(event), event.room_id.encode(), len(self.records[topic]), append_ms)
        self.records[topic].append(record)
        return topic, record

    def add(self, *events: RoomEvent, append_s: float | None = None) -> None:
        """Append and fold, one slice an event."""
        for event in events:
            topic, record = self.record(event, append_s)
            self.fold.fold(topic, [record])

    def add_slice(self, *events: RoomEvent) -> None:
        """Append events of one topic and fold them as one slice."""
        topics, records = zip(*(self.record(event) for event in events), strict=True)
        assert len(set(topics)) == 1
        self.fold.fold(topics[0], records)

    def tick(self, s: float) -> None:
        """Move the clock to `s`."""
        self.fold.advance(at(s), "tick")

    def overlay(self, room: str = "r1") -> Overlay:
        """The room's document as of the clock."""
        overlay = self.fold.overlay(room)
        assert overlay is not None
        return overlay


def every_kind(log: Log, s: float = 0) -> None:
    """Add one event of every type, so that every kind of state record is written."""
    log.add(
        opened(10, s=s),
        restocked(s=s),
        extended(900, s=s),
        enter(s=s),
        leave("u2", s=s),
        click(s=s),
        cart(s=s),
        order("placed", s=s),
        comment(s=s),
        like(s=s),
        closed("s2", s=s),
        room_opened(s=s),
    )
