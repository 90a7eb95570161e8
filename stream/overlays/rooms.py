"""Redis → what an operator must know of every room: what is wrong with it now, and how late it is.

Reads only, by SCAN and in batches, within bounds: of more rooms than are looked at, it is said how many there are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from msgspec import Struct, field

from stream.contract.ids import is_id
from stream.contract.overlay import room_key
from stream.redis_clients import is_of_the_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.redis_clients import RedisClient

SCAN_COUNT = 1_000
BATCH_ROOMS = 200
# Of one look. Documents are let go at once; what is kept of a room is some 300 bytes.
MAX_ROOMS = 100_000
SCAN_MAX_S = 30.0
# A claim that is withheld for one of these is withheld as it should be; any other reason is somebody's fault.
HARMLESS = frozenset(
    {
        *("stale", "sample_too_small", "restock_planned", "above_display_threshold", "sale_not_open", "nothing_left"),
        # What cannot be known well enough of this room, however well it is sent.
        *("approximate", "forecast_not_calibrated", "leaves_not_heard"),
    }
)
BACKLOG_MS = 3_000
# What can be wrong with a room, the worst first; `withheld_…` stands for every reason that is not harmless.
ALERTS = {
    "unreadable": "what lies in Redis is no document",
    "another_room": "the document is of another room",
    "stale": "nobody has published it in time",
    "oversold": "more units are held or sold than were offered",
    "over_limit": "somebody holds more than the limit per person",
    "backlog": "its records are folded late",
    "withheld": "claims are held back for a reason that is a fault of the data",
}

Sort = Literal["alerts", "lag", "orders", "watching", "room"]
SORTS: tuple[str, ...] = get_args(Sort)


class _Clock(Struct):
    source: str
    lag_ms: int


class _Orders(Struct):
    placed: int
    paid: int


class _Totals(Struct):
    watching_now: int
    orders: _Orders


class _Sale(Struct):
    status: str
    oversold: int
    over_limit: int = 0


class _Urgency(Struct):
    level: str


class _Withheld(Struct):
    reason: str


class _Session(Struct):
    ended_at_ms: int | None = None


class _Document(Struct):
    """What of an overlay document is looked at. Words are open: a newer worker may say others."""

    room_id: str
    epoch: int
    rev: int
    as_of_ms: int
    stale_after_ms: int
    clock: _Clock
    totals: _Totals
    sales: list[_Sale]
    urgency: _Urgency
    withheld: list[_Withheld]
    session: _Session | None = None

    @property
    def ended(self) -> bool:
        """Whether its session has ended: then nobody publishes it any more, and nobody should."""
        return self.session is not None and self.session.ended_at_ms is not None


_decode = msgspec.json.Decoder(_Document).decode


class RoomState(Struct, kw_only=True):
    """One room, as its document says.

    Attributes:
        room_id: which.
        alerts: what is wrong with it, the worst first; see `_alerts`.
        lag_ms: how far the room's clock is behind: since it stands still, or in a backlog.
        age_ms: of the document.
        watching_now: people.
        orders_placed: in this session.
        orders_paid: in this session.
        oversold: units, over all sales.
        sales_open: how many.
        level: of urgency.
        ended: its session has, and this is what was left of it.
        withheld: claims that were not said, by reason.
        epoch: of the document.
        rev: of the document.
    """

    room_id: str
    alerts: list[str]
    lag_ms: int = 0
    age_ms: int = 0
    watching_now: int = 0
    orders_placed: int = 0
    orders_paid: int = 0
    oversold: int = 0
    sales_open: int = 0
    level: str = ""
    ended: bool = False
    withheld: dict[str, int] = field(default_factory=dict)
    epoch: int = 0
    rev: int = 0


class RoomStates(Struct):
    """All rooms that were looked at. `complete`: false when there are more, or Redis took too long."""

    rooms: list[RoomState]
    complete: bool


async def room_states(redis: RedisClient, prefix: str, max_rooms: int = MAX_ROOMS) -> RoomStates:
    """Look at every room once.

    Args:
        redis: to read.
        prefix: of the keys.
        max_rooms: look at so many at most.

    Raises:
        One of `REDIS_ERRORS`: no answer.
    """
    room_ids, complete = await _room_ids(redis, prefix, max_rooms)
    rooms: list[RoomState] = []
    for start in range(0, len(room_ids), BATCH_ROOMS):
        batch = room_ids[start : start + BATCH_ROOMS]
        keys = [room_key(prefix, room_id, "overlay") for room_id in batch]
        raws = await redis.batch([("GET", key) for key in keys])
        for answer in raws:
            if isinstance(answer, Exception) and is_of_the_server(answer):
                raise answer  # of a node that is gone we know nothing, and must not say that its rooms are broken
        now_ms = await redis.now_ms(keys[0])
        for room_id, raw in zip(batch, raws, strict=True):
            if raw is not None:  # it has run out meanwhile
                rooms.append(room_state(room_id, raw, now_ms))
    return RoomStates(rooms, complete)


async def _room_ids(redis: RedisClient, prefix: str, max_rooms: int) -> tuple[list[str], bool]:
    head, tail = room_key(_escaped(prefix), "*", "overlay").split("*")
    begin, end = room_key(prefix, "*", "overlay").split("*")
    deadline_s = time.monotonic() + SCAN_MAX_S
    found: set[str] = set()
    async for keys in redis.scan(f"{head}*{tail}", SCAN_COUNT):
        for key in keys:
            room_id = key.decode("utf-8", "replace").removeprefix(begin).removesuffix(end)
            if is_id(room_id):
                found.add(room_id)
        if len(found) > max_rooms or time.monotonic() > deadline_s:
            return sorted(found)[:max_rooms], False
    return sorted(found), True


def _escaped(prefix: str) -> str:
    """In a glob pattern; a prefix holds nothing that would need it, but for this module to be right by itself."""
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in prefix)


def room_state(room_id: str, raw: Any, now_ms: int) -> RoomState:
    """What a document says; total: what is none says that."""
    if not isinstance(raw, bytes):
        return RoomState(room_id=room_id, alerts=["unreadable"])
    try:
        document = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return RoomState(room_id=room_id, alerts=["unreadable"])
    totals = document.totals
    withheld: dict[str, int] = {}
    for each in document.withheld:
        withheld[each.reason] = withheld.get(each.reason, 0) + 1
    state = RoomState(
        room_id=room_id,
        alerts=[],
        lag_ms=max(document.clock.lag_ms, 0),
        age_ms=max(now_ms - document.as_of_ms, 0),
        watching_now=totals.watching_now,
        orders_placed=totals.orders.placed,
        orders_paid=totals.orders.paid,
        oversold=sum(sale.oversold for sale in document.sales),
        sales_open=sum(1 for sale in document.sales if sale.status == "open"),
        level=document.urgency.level if document.sales else "",
        ended=document.ended,
        withheld=dict(sorted(withheld.items())),
        epoch=document.epoch,
        rev=document.rev,
    )
    state.alerts = list(_alerts(room_id, document, state, now_ms))
    return state


def _alerts(room_id: str, document: _Document, state: RoomState, now_ms: int) -> Iterator[str]:
    """In the order of `ALERTS`."""
    if document.room_id != room_id:
        yield "another_room"
    if now_ms > document.stale_after_ms and not document.ended:
        yield "stale"
    if state.oversold:
        yield "oversold"
    if any(sale.over_limit for sale in document.sales):
        yield "over_limit"
    if document.clock.source == "log" and state.lag_ms > BACKLOG_MS:
        yield "backlog"
    yield from (f"withheld_{reason}" for reason in state.withheld if reason not in HARMLESS)


def ordered(rooms: Iterable[RoomState], by: str) -> list[RoomState]:
    """Rooms in the order that was asked for, the most urgent or largest first; rooms alike by their ids."""
    match by:
        case "alerts":
            return sorted(rooms, key=lambda room: (_urgency(room), -room.age_ms, room.room_id))
        case "lag":
            return sorted(rooms, key=lambda room: (-max(room.lag_ms, room.age_ms), room.room_id))
        case "orders":
            return sorted(rooms, key=lambda room: (-room.orders_placed, room.room_id))
        case "watching":
            return sorted(rooms, key=lambda room: (-room.watching_now, room.room_id))
        case _:
            return sorted(rooms, key=lambda room: room.room_id)


def _urgency(room: RoomState) -> list[int]:
    """Least first: the worst alert counts, then the next; of rooms with the same ones, that with more."""
    names = ("withheld" if alert.startswith("withheld_") else alert for alert in room.alerts)
    return [*(list(ALERTS).index(name) for name in names), len(ALERTS)]
