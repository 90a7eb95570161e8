"""The list of rooms: found by a SCAN in the background, read in batches, kept for a few seconds.

Scans run only while requests come. Ids and documents are bounded; `complete` is false if rooms did not fit.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal, get_args

import structlog
from msgspec import Struct, structs

from stream.contract.ids import is_id
from stream.contract.levels import place_of_level
from stream.contract.overlay import room_key
from stream.redis_clients import REDIS_ERRORS
from stream.serve.documents import Document, Summary, read_document
from stream.serve.room_follower import BATCH_ROOMS, RedisAwayError

if TYPE_CHECKING:
    from collections.abc import Callable

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
MAX_ROOMS = 5_000
FIRST_WAIT_S = 5.0

Sort = Literal["watching_now", "orders_placed", "level", "room_id"]
SORTS: tuple[str, ...] = get_args(Sort)


class RoomList(Struct, frozen=True):
    """The answer. `matching`: rooms that fit the search, of which `rooms` are the first; `as_of_ms`: of the scan."""

    rooms: list[Summary]
    matching: int
    as_of_ms: int
    complete: bool


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
        self._documents: list[Document] = []
        self._as_of_ms = 0
        self._complete = True
        self._away = False
        self._asked_at = float("-inf")
        self._scanned_at = float("-inf")
        self._asked = asyncio.Event()
        self._scanned = asyncio.Condition()

    async def search(self, query: str, limit: int, sort: Sort) -> RoomList:
        """Rooms whose id contains the query, in any case.

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
        now_ms = self._now_ms()
        found = [each.summary(now_ms) for each in self._documents if wanted in each.room_id.casefold()]
        found.sort(key=_SORT_KEYS[sort])
        return RoomList(found[:limit], len(found), self._as_of_ms, self._complete)

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
        documents = []
        for start in range(0, len(room_ids), BATCH_ROOMS):
            batch = room_ids[start : start + BATCH_ROOMS]
            raws = await self._redis.batch([("GET", room_key(self._prefix, room_id, "overlay")) for room_id in batch])
            read = [read_document(room_id, raw) for room_id, raw in zip(batch, raws, strict=True) if _is_bytes(raw)]
            # The list needs only the figures.
            documents += [structs.replace(each, raw=b"") for each in read if isinstance(each, Document)]
        self._documents, self._as_of_ms, self._complete = documents, begun_ms, complete

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


_SORT_KEYS: dict[Sort, Callable[[Summary], tuple[int | str, ...]]] = {
    "watching_now": lambda room: (-room.watching_now, room.room_id),
    "orders_placed": lambda room: (-room.orders_placed, room.room_id),
    "level": lambda room: (-min(room.oversold, 1), place_of_level(room.level), -room.watching_now, room.room_id),
    "room_id": lambda room: (room.room_id,),
}
