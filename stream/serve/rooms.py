"""The list of rooms: found by a SCAN in the background, read in batches, kept for a few seconds.

Scans run only while requests come. Ids and documents are bounded; `complete` is false if rooms did not fit.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import structlog
from msgspec import Struct, structs

from stream.contract.ids import is_id
from stream.contract.levels import place_of_level
from stream.contract.overlay import room_key
from stream.redis_clients import REDIS_ERRORS
from stream.serve.documents import Amount, Document, Summary, read_document, state_at
from stream.serve.room_follower import BATCH_ROOMS, RedisAwayError
from stream.serve.trends import read_trends

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream.redis_clients import RedisClient

log = structlog.get_logger(__name__)

REFRESH_S = 3.0
# Scans stop after this long without a request, until the next one.
IDLE_S = 30.0
# Bound on the scan of a whole Redis. What was found by then is the list.
SCAN_MAX_S = 10.0
# A list older than this is not shown: the request waits for the next scan.
OLD_S = 10.0
SCAN_COUNT = 1_000
MAX_ROOMS = 10_000
# Rooms in one answer with trends: each costs a read of up to ten minutes of history.
MAX_TRENDS = 100
FIRST_WAIT_S = 5.0

Sort = Literal["watching_now", "orders_placed", "level", "room_id", "gmv_paid", "orders_paid"]
SORTS: tuple[str, ...] = get_args(Sort)


class RoomTotals(Struct, frozen=True):
    """Sums over rooms. `live`: how many have a fresh document, and only these are in `watching_now`.

    Orders and money are those of all of them: what was sold stays sold. `money`: one amount for each currency, never
    added over currencies; the currency that most rooms have comes first.
    """

    live: int
    watching_now: int
    orders_placed: int
    orders_paid: int
    money: list[Amount]


class RoomList(Struct, frozen=True):
    """The answer. `matching`: rooms that fit the search; `rooms` are those from `offset` on; `as_of_ms`: of the scan.

    `totals`: of all that fit. `only_room`: the one room that the token in the request opens; null: it opens all.
    """

    rooms: list[Summary]
    matching: int
    as_of_ms: int
    complete: bool
    offset: int = 0
    totals: RoomTotals | None = None
    only_room: str | None = None


class RoomIndex:
    """The rooms in Redis.

    Args:
        redis: the client to read with.
        prefix: the prefix of the keys.
        now_ms: the wall clock.
    """

    def __init__(self, redis: RedisClient, prefix: str, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._prefix = prefix
        self._now_ms = now_ms
        self._rooms: list[Summary] = []
        self._main_currency = ""
        self._sorted: dict[Sort, list[Summary]] = {}
        self._as_of_ms = 0
        self._complete = True
        self._away = False
        self._asked_at = float("-inf")
        self._scanned_at = float("-inf")
        self._asked = asyncio.Event()
        self._scanned = asyncio.Condition()

    async def search(self, query: str, limit: int, sort: Sort, offset: int = 0) -> RoomList:
        """Rooms whose id contains the query, in any case: at most `limit` from the place `offset` on.

        Raises:
            RedisAwayError: Redis did not answer the last scan.
        """
        self._asked_at = time.monotonic()
        self._asked.set()
        if time.monotonic() - self._scanned_at > OLD_S:
            await self._wait_for_scan()
        if self._away:
            raise RedisAwayError
        wanted = query.casefold()
        found = [room for room in self._in_order(sort) if wanted in room.room_id.casefold()]
        now_ms = self._now_ms()
        shown = [_as_of(room, now_ms) for room in found[offset : offset + limit]]
        return RoomList(shown, len(found), self._as_of_ms, self._complete, offset, totals_of(found, now_ms))

    async def with_trends(self, found: RoomList) -> RoomList:
        """The same list, each of its rooms with its trend.

        Raises:
            RedisAwayError: Redis does not answer.
        """
        try:
            trends = await read_trends(self._redis, self._prefix, [room.room_id for room in found.rooms])
        except REDIS_ERRORS:
            raise RedisAwayError from None
        rooms = [structs.replace(room, trend=trends.get(room.room_id)) for room in found.rooms]
        return structs.replace(found, rooms=rooms)

    def _in_order(self, sort: Sort) -> list[Summary]:
        """All rooms in this order, sorted at most once a scan."""
        if sort not in self._sorted:
            self._sorted[sort] = sorted(self._rooms, key=_sort_key(sort, self._main_currency))
        return self._sorted[sort]

    async def _wait_for_scan(self) -> None:
        async with self._scanned:
            try:
                async with asyncio.timeout(FIRST_WAIT_S):
                    await self._scanned.wait()
            except TimeoutError:
                raise RedisAwayError from None

    async def run(self) -> None:
        """Scan while requests come, for as long as the process runs."""
        while True:
            await self._asked.wait()
            try:
                await self._scan()
            except REDIS_ERRORS as error:
                if not self._away:
                    log.warning("the list of rooms cannot be read", error=self._redis.words(error))
                self._away = True
            else:
                self._away = False
            self._scanned_at = time.monotonic()
            async with self._scanned:
                self._scanned.notify_all()
            await asyncio.sleep(REFRESH_S)
            if time.monotonic() - self._asked_at > IDLE_S:
                self._asked.clear()

    async def _scan(self) -> None:
        begun_ms = self._now_ms()
        room_ids, complete = await self._ids()
        rooms: list[Summary] = []
        for start in range(0, len(room_ids), BATCH_ROOMS):
            batch = room_ids[start : start + BATCH_ROOMS]
            raws = await self._redis.batch([("GET", room_key(self._prefix, room_id, "overlay")) for room_id in batch])
            read = [read_document(room_id, raw) for room_id, raw in zip(batch, raws, strict=True) if _is_bytes(raw)]
            rooms += [each.summary(begun_ms) for each in read if isinstance(each, Document)]
        self._rooms, self._as_of_ms, self._complete = rooms, begun_ms, complete
        self._main_currency = next((each.currency for each in totals_of(rooms, begun_ms).money), "")
        self._sorted = {}

    async def _ids(self) -> tuple[list[str], bool]:
        head, tail = room_key(self._prefix, "*", "overlay").split("*")
        deadline_s = time.monotonic() + SCAN_MAX_S
        found: set[str] = set()
        async for keys in self._redis.scan(f"{head}*{tail}", SCAN_COUNT):
            for key in keys:
                room_id = _room_id(key, head, tail)
                if room_id is not None:
                    found.add(room_id)
            if len(found) > MAX_ROOMS or time.monotonic() > deadline_s:
                return sorted(found)[:MAX_ROOMS], False
        return sorted(found), True


def _room_id(key: Any, head: str, tail: str) -> str | None:
    room_id = key.decode("utf-8", "replace")[len(head) : -len(tail)]
    return room_id if is_id(room_id) else None


def _is_bytes(raw: object) -> bool:
    return isinstance(raw, bytes)


def _as_of(room: Summary, now_ms: int) -> Summary:
    state = state_at(room.stale_after_ms, now_ms)
    return room if state is room.state else structs.replace(room, state=state)


def totals_of(rooms: Sequence[Summary], now_ms: int) -> RoomTotals:
    """The sums over these rooms at this time."""
    live = [room for room in rooms if now_ms <= room.stale_after_ms]
    paid: Counter[str] = Counter()
    having: Counter[str] = Counter()
    for room in rooms:
        for each in room.money:
            paid[each.currency] += each.gmv_paid_minor
            having[each.currency] += 1
    return RoomTotals(
        live=len(live),
        watching_now=sum(room.watching_now for room in live),
        orders_placed=sum(room.orders_placed for room in rooms),
        orders_paid=sum(room.orders_paid for room in rooms),
        money=[Amount(currency, paid[currency]) for currency in sorted(having, key=lambda each: (-having[each], each))],
    )


def _sort_key(sort: Sort, currency: str) -> Callable[[Summary], tuple[int | str, ...]]:
    if sort == "gmv_paid":
        return lambda room: (-paid_in(room, currency), room.room_id)
    return _SORT_KEYS[sort]


def paid_in(room: Summary, currency: str) -> int:
    """The paid GMV in this currency, minor units; 0 if the room has none in it."""
    return sum(each.gmv_paid_minor for each in room.money if each.currency == currency)


_SORT_KEYS: dict[Sort, Callable[[Summary], tuple[int | str, ...]]] = {
    "watching_now": lambda room: (-room.watching_now, room.room_id),
    "orders_placed": lambda room: (-room.orders_placed, room.room_id),
    "orders_paid": lambda room: (-room.orders_paid, room.room_id),
    "level": lambda room: (-min(room.oversold, 1), place_of_level(room.level), -room.watching_now, room.room_id),
    "room_id": lambda room: (room.room_id,),
}
