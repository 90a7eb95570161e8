"""Redis → what an operator must know of every room: what is wrong with the room now, and how late it is.

Reads only, by SCAN, in batches and within bounds. `complete` says whether all rooms were looked at.
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
# How many rooms one look reads at most. Documents are let go at once; some 300 bytes of each room are kept.
MAX_ROOMS = 100_000
SCAN_MAX_S = 30.0
# A claim withheld for one of these reasons is rightly withheld; any other reason is a fault.
HARMLESS = frozenset(
    {
        *("stale", "sample_too_small", "restock_planned", "above_display_threshold", "sale_not_open", "nothing_left"),
        # Facts about a room that cannot be known well enough, however good its data.
        *("approximate", "forecast_not_calibrated", "leaves_not_heard"),
    }
)
BACKLOG_MS = 3_000
# The alerts of a room, the worst first. `withheld_…` stands for every reason that is not harmless.
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
    """The looked-at part of an overlay document. Words are open: a newer worker may use others."""

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
        """Whether the session has ended: then no worker publishes the room any more, and none should."""
        return self.session is not None and self.session.ended_at_ms is not None


_decode = msgspec.json.Decoder(_Document).decode


class RoomState(Struct, kw_only=True):
    """One room, as its document says.

    Attributes:
        room_id: the room.
        alerts: what is wrong with the room, the worst first; see `_alerts`.
        lag_ms: how far the room's clock is behind: because it stands still, or in a backlog.
        age_ms: the age of the document.
        watching_now: people.
        orders_placed: in this session.
        orders_paid: in this session.
        oversold: units, over all sales.
        sales_open: number of open sales.
        level: the level of urgency.
        ended: whether the session has ended; the document is then its last.
        withheld: number of withheld claims, by reason.
        epoch: the epoch of the document.
        rev: the revision of the document.
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
    """All rooms looked at. `complete`: false when there are more rooms, or Redis took too long."""

    rooms: list[RoomState]
    complete: bool


async def room_states(redis: RedisClient, prefix: str, max_rooms: int = MAX_ROOMS) -> RoomStates:
    """The state of every room, each looked at once.

    Args:
        redis: to read.
        prefix: the prefix of the keys.
        max_rooms: most rooms to look at.

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
                raise answer  # a node that is gone tells nothing of its rooms: they must not be called broken
        now_ms = await redis.now_ms(keys[0])
        for room_id, raw in zip(batch, raws, strict=True):
            if raw is not None:  # None: expired meanwhile
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
    """The prefix for a glob pattern; prefixes hold no such characters, but this module shall be right by itself."""
    return "".join(f"\\{char}" if char in "*?[]\\" else char for char in prefix)


def room_state(room_id: str, raw: Any, now_ms: int) -> RoomState:
    """The state that a document gives its room; total: an unreadable document is an alert."""
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
    """What is wrong with the room, in the order of `ALERTS`."""
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
    """The rooms in the order asked for, the most urgent or largest first; equal rooms by their ids."""
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
    """Sort key, least first: the worst alert counts, then the next; of equal alerts, more come before fewer."""
    names = ("withheld" if alert.startswith("withheld_") else alert for alert in room.alerts)
    return [*(list(ALERTS).index(name) for name in names), len(ALERTS)]
