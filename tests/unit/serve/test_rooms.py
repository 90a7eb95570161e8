"""The list of rooms: in order, in pages, with sums over all that match."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import msgspec

from stream.contract.history import history_key
from stream.contract.sight import State
from stream.serve.documents import Amount
from stream.serve.rooms import RoomIndex
from tests.support.serve import document
from tests.unit.serve.test_trends import head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from stream.redis_clients import RedisClient

NOW_MS = 1_795_780_000_000


class RedisHeld:
    """Redis as the index reads it: a scan, and documents by key."""

    def __init__(self, documents: Mapping[str, bytes], histories: Mapping[str, bytes] | None = None) -> None:
        self.histories = histories or {}
        self.documents = {f"live:v1:{{room:{room_id}}}:overlay".encode(): raw for room_id, raw in documents.items()}

    async def scan(self, _pattern: str, _count: int) -> AsyncIterator[list[bytes]]:
        yield [*self.documents]

    async def batch(self, commands: list[tuple[str, str]]) -> list[bytes | None]:
        return [self.documents.get(key.encode()) or self.histories.get(key) for _, key in commands]

    def words(self, error: Exception) -> str:
        return str(error)


def room(room_id: str, *, watching: int = 10, fresh: bool = True, **money: int) -> bytes:
    made = document(room_id)
    totals = made["totals"] | {
        "watching_now": watching,
        "orders": {"placed": 3, "paid": 2, "cancelled": 0, "refunded": 0},
        "money": [
            {"currency": currency, "gmv_placed_minor": 9, "gmv_paid_minor": paid, "gmv_net_minor": 1}
            for currency, paid in money.items()
        ],
    }
    changes = {"totals": totals, "as_of_ms": NOW_MS, "stale_after_ms": NOW_MS + (1_000 if fresh else -1_000)}
    return msgspec.json.encode(made | changes)


@contextlib.asynccontextmanager
async def indexed(documents: Mapping[str, bytes]) -> AsyncIterator[RoomIndex]:
    index = RoomIndex(cast("RedisClient", RedisHeld(documents)), "live", lambda: NOW_MS)
    task = asyncio.create_task(index.run())
    try:
        yield index
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_sums_are_of_all_that_match_and_watching_of_fresh_ones_only() -> None:
    documents = {
        "a-1": room("a-1", watching=100, CNY=1_000, USD=5),
        "a-2": room("a-2", watching=40, fresh=False, CNY=300),
        "a-3": room("a-3", watching=7, EUR=90),
        "b-1": room("b-1", watching=1_000, CNY=9_999),
    }
    async with indexed(documents) as index:
        found = await index.search("a-", 1, "room_id")
        assert [each.room_id for each in found.rooms] == ["a-1"]
        assert found.matching == 3
        totals = found.totals
        assert totals is not None
        assert (totals.live, totals.watching_now) == (2, 107)  # not the 40 that were there once
        assert (totals.orders_placed, totals.orders_paid) == (9, 6)
        assert totals.money == [Amount("CNY", 1_300), Amount("EUR", 90), Amount("USD", 5)]


async def test_most_gmv_first_compares_the_currency_that_most_rooms_have() -> None:
    documents = {
        "small": room("small", CNY=10),
        "yen": room("yen", JPY=999_999),
        "large": room("large", CNY=500, JPY=1),
        "none": room("none"),
    }
    async with indexed(documents) as index:
        found = await index.search("", 9, "gmv_paid")
        assert [each.room_id for each in found.rooms] == ["large", "small", "none", "yen"]


async def test_ten_thousand_rooms_come_in_pages_without_a_gap() -> None:
    shape = room("room-0000", CNY=7)
    documents = {f"room-{number:04}": shape.replace(b"room-0000", b"room-%04d" % number) for number in range(10_000)}
    async with indexed(documents) as index:
        listed: list[Any] = []
        for offset in range(0, 10_000, 1_000):
            page = await index.search("room", 1_000, "room_id", offset)
            assert (page.matching, page.complete, page.offset) == (10_000, True, offset)
            listed += [each.room_id for each in page.rooms]
        assert listed == sorted(documents)
        beyond = await index.search("room", 1_000, "room_id", 10_000)
        assert beyond.rooms == []
        assert beyond.totals is not None
        assert beyond.totals.money == [Amount("CNY", 70_000)]


async def test_rooms_have_their_trend_where_a_history_is_kept_and_the_others_are_listed_all_the_same() -> None:
    documents = {each: room(each) for each in ("a-1", "a-2", "a-3")}
    held = RedisHeld(documents, {history_key("live", "a-1"): head("a-1"), history_key("live", "a-2"): b"torn"})
    index = RoomIndex(cast("RedisClient", held), "live", lambda: NOW_MS)
    task = asyncio.create_task(index.run())
    try:
        found = await index.with_trends(await index.search("", 9, "room_id"))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    trends = [each.trend for each in found.rooms]
    assert trends[0] is not None
    assert trends[0].watching == [100, 90, 140]
    assert trends[1:] == [None, None]


async def test_a_room_grows_old_in_the_list_between_two_scans() -> None:
    clock = [NOW_MS]
    index = RoomIndex(cast("RedisClient", RedisHeld({"a": room("a")})), "live", lambda: clock[0])
    task = asyncio.create_task(index.run())
    try:
        assert (await index.search("", 1, "room_id")).rooms[0].state is State.LIVE
        clock[0] += 1_001
        found = await index.search("", 1, "room_id")
        assert found.rooms[0].state is State.STALE
        assert found.totals is not None
        assert found.totals.live == 0
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
