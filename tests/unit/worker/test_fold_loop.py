"""The order of things in the fold: accepted slices, merged topics, the clock, and whoever is gone after an await."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.worker import fold_loop, pump
from stream.worker.fold_loop import FoldLoop
from stream.worker.ownership import END_KNOWN_FOR_MS, Phase
from stream.worker.pump import LOST_AFTER_S
from tests.unit.worker.helpers import (
    COMMENTS,
    LIKES,
    NOW_MS,
    TOPICS,
    Fetched,
    all_at_end,
    comment,
    fetched,
    like,
    live_owner,
    make_config,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from stream.worker.assignment import Owners
    from stream.worker.partition_owner import Owner


class OwnersTwin:
    def __init__(self, *owners: Owner) -> None:
        self.owners = {owner.partition: owner for owner in owners}
        self.stale = 0
        self.healed: list[int] = []
        self.saved: list[int] = []

    def get(self, partition: int) -> Owner | None:
        return self.owners.get(partition)

    def live(self) -> list[Owner]:
        return [owner for owner in self.owners.values() if owner.phase is Phase.LIVE]

    def count_stale(self) -> None:
        self.stale += 1

    def heal(self, owner: Owner, _why: str) -> None:
        self.healed.append(owner.partition)
        owner.pause()

    async def checkpoint(self, owner: Owner) -> None:
        self.saved.append(owner.partition)
        owner.fold.refused.clear()


class WallClock:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


def loop_of(owners: OwnersTwin, clock: WallClock | None = None, *, wall_clock: bool = True) -> FoldLoop:
    twin: Any = owners
    as_owners: Owners = twin
    return FoldLoop(as_owners, wall_clock=wall_clock, now_ms=clock or WallClock())


def likes_of(owner: Owner, room: str = "room-1") -> int:
    return owner.fold.rooms[room].likes if room in owner.fold.rooms else 0


async def test_what_is_accepted_is_folded_and_the_position_moves_with_it() -> None:
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    (piece,) = fetched(owner, LIKES, [like(0, taps=3), like(1, taps=4)])
    await loop_of(OwnersTwin(owner)).handle([piece])
    assert likes_of(owner) == 7
    assert owner.fold.positions[LIKES] == 2
    assert owner.fold.clock_ms == NOW_MS


async def test_a_slice_of_nobody_is_dropped_and_counted() -> None:
    owner = live_owner()
    (piece,) = fetched(owner, LIKES, [like(0)])
    owners = OwnersTwin()
    await loop_of(owners).handle([piece])
    assert owners.stale == 1


async def test_a_slice_from_before_a_pause_is_dropped_and_counted() -> None:
    owner = live_owner()
    (piece,) = fetched(owner, LIKES, [like(0)])
    owner.pause()
    owners = OwnersTwin(owner)
    await loop_of(owners).handle([piece])
    assert owners.stale == 1
    assert owner.fold.positions[LIKES] == 0


async def test_a_gap_is_healed_and_nothing_of_it_is_folded() -> None:
    owner = live_owner()
    first, second = fetched(owner, LIKES, [like(0)]) + fetched(owner, LIKES, [like(1)])
    del first
    owners = OwnersTwin(owner)
    await loop_of(owners).handle([second])
    assert owners.healed == [0]
    assert owner.fold.positions[LIKES] == 0


async def test_a_topic_waits_for_one_with_backlog_and_no_longer() -> None:
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    # Of the comments it is known that more is to come; their last record lies ten minutes behind the likes.
    (late,) = fetched(owner, COMMENTS, [comment(0, at_ms=NOW_MS - 600_000)], end=2)
    (piece,) = fetched(owner, LIKES, [like(0)])
    loop = loop_of(OwnersTwin(owner))
    await loop.handle([late])
    await loop.handle([piece])
    assert owner.fold.positions[LIKES] == 0
    assert owner.fold.clock_ms == NOW_MS - 600_000
    (last,) = fetched(owner, COMMENTS, [comment(1, at_ms=NOW_MS - 599_000)], end=2)
    await loop.handle([last])
    assert owner.fold.positions[LIKES] == 1
    assert owner.fold.clock_ms == NOW_MS


async def test_a_silent_partition_moves_with_the_wall_clock_only_while_the_broker_answers() -> None:
    owner, clock = live_owner(), WallClock()
    all_at_end(owner, besides=-1)
    loop = loop_of(OwnersTwin(owner), clock)
    clock.ms = NOW_MS + END_KNOWN_FOR_MS
    await loop._pump(owner)
    assert owner.fold.clock_ms == NOW_MS + END_KNOWN_FOR_MS
    clock.ms += 1
    await loop._pump(owner)
    assert owner.fold.clock_ms == NOW_MS + END_KNOWN_FOR_MS


async def test_with_the_logs_clock_a_silent_partition_stands_still() -> None:
    owner, clock = live_owner(), WallClock()
    all_at_end(owner, besides=LIKES)
    loop = loop_of(OwnersTwin(owner), clock, wall_clock=False)
    (piece,) = fetched(owner, LIKES, [like(0, at_ms=NOW_MS - 5_000)])
    await loop.handle([piece])
    clock.ms += 1_000
    await loop._pump(owner)
    assert owner.fold.clock_ms == NOW_MS - 5_000


async def test_an_owner_that_goes_while_the_fold_yields_folds_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_loop, "TURN_S", -1.0)  # yield after every piece
    monkeypatch.setattr(pump, "PIECE_RECORDS", 2)
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    (piece,) = fetched(owner, LIKES, [like(offset) for offset in range(10)])
    folding = asyncio.create_task(loop_of(OwnersTwin(owner)).handle([piece]))
    await asyncio.sleep(0)
    assert 0 < owner.fold.positions[LIKES] < 10
    folded = owner.fold.positions[LIKES]
    owner.pause()
    await folding
    assert owner.fold.positions[LIKES] == folded
    assert likes_of(owner) == folded


async def test_two_tasks_never_fold_the_same_partition_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_loop, "TURN_S", -1.0)
    monkeypatch.setattr(pump, "PIECE_RECORDS", 2)
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    pieces = fetched(owner, LIKES, [like(offset) for offset in range(10)])
    pieces += fetched(owner, LIKES, [like(offset) for offset in range(10, 20)])
    loop = loop_of(OwnersTwin(owner))
    folded: list[int] = []
    fold = owner.fold.fold

    def watched(topic_index: int, records: Sequence[Any], latest_ms: int | None) -> None:
        folded.extend(record.offset for record in records)
        fold(topic_index, records, latest_ms)

    monkeypatch.setattr(owner.fold, "fold", watched)
    await asyncio.gather(loop.handle(pieces[:1]), loop._pump(owner), loop.handle(pieces[1:]), loop._pump(owner))
    assert folded == list(range(20))
    assert likes_of(owner) == 20


async def test_a_flood_of_refused_records_is_saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_loop, "TURN_S", -1.0)
    monkeypatch.setattr(pump, "REFUSED_MAX", 3)
    monkeypatch.setattr(pump, "PIECE_RECORDS", 2)
    owner = live_owner()
    all_at_end(owner, besides=LIKES)
    (piece,) = fetched(owner, LIKES, [Fetched(offset, b"not json") for offset in range(10)])
    owners = OwnersTwin(owner)
    await loop_of(owners).handle([piece])
    assert owners.saved == [0, 0]
    assert owner.fold.counters.dead_lettered[LIKES] == 10


def test_a_last_slice_that_never_came_is_looked_for_after_a_while() -> None:
    owner = live_owner()
    fetched(owner, LIKES, [like(0)])  # handed out, and lost on the way
    owners = OwnersTwin(owner)
    loop = loop_of(owners)
    loop.look_for_lost_slices(10.0)
    loop.look_for_lost_slices(10.0 + LOST_AFTER_S)
    assert owners.healed == []
    loop.look_for_lost_slices(10.1 + LOST_AFTER_S)
    assert owners.healed == [0]


def test_slices_that_keep_coming_are_not_lost() -> None:
    owner = live_owner()
    owners = OwnersTwin(owner)
    loop = loop_of(owners)
    for step in range(5):
        fetched(owner, LIKES, [like(step)])
        loop.look_for_lost_slices(10.0 + step * LOST_AFTER_S)
    assert owners.healed == []


class Created(NamedTuple):
    """A record of a topic that takes its times from producers."""

    offset: int
    value: bytes | None
    timestamp: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_type: int = 0


async def test_one_producer_s_fast_clock_moves_nobody_else_s_room() -> None:
    """B6: a like 30 minutes ahead ended every sale of the partition and released its holds."""
    clock = WallClock()
    owner = live_owner()
    loop = loop_of(OwnersTwin(owner), clock)
    all_at_end(owner, besides=LIKES)
    fast = like(1, room="other", at_ms=NOW_MS + 30 * 60_000)
    good = like(0)
    records = [Created(each.offset, each.value, each.timestamp, each.key) for each in (good, fast)]
    await loop.handle(fetched(owner, LIKES, records))  # type: ignore[arg-type]
    assert owner.fold.clock_ms == clock.ms
    assert (likes_of(owner), "other" in owner.fold.rooms) == (1, False)
    assert [each.letter.reason.value for each in owner.fold.refused] == ["ahead_of_clock"]
    clock.ms += 100
    await loop.handle(fetched(owner, LIKES, [Created(2, like(2).value, clock.ms, b"room-1")]))  # type: ignore[list-item]
    assert owner.fold.clock_ms == clock.ms
    assert owner.fold.publish(clock.ms, 1)[0].document.count(b'"lag_ms":0') == 1


async def test_without_a_wall_clock_history_may_leap() -> None:
    owner = live_owner()
    loop = loop_of(OwnersTwin(owner), wall_clock=False)
    all_at_end(owner, besides=LIKES)
    later = like(0, at_ms=NOW_MS + 30 * 60_000)
    await loop.handle(fetched(owner, LIKES, [Created(0, later.value, later.timestamp, later.key)]))  # type: ignore[list-item]
    assert (owner.fold.clock_ms, likes_of(owner)) == (later.timestamp, 1)


async def test_where_record_times_are_trusted_a_show_played_faster_than_life_moves_the_clock() -> None:
    owner = live_owner()
    owner.merge.trusts_times = True
    loop = loop_of(OwnersTwin(owner))
    all_at_end(owner, besides=LIKES)
    later = like(0, at_ms=NOW_MS + 30 * 60_000)
    await loop.handle(fetched(owner, LIKES, [Created(0, later.value, later.timestamp, later.key)]))  # type: ignore[list-item]
    assert (owner.fold.clock_ms, likes_of(owner), owner.fold.refused) == (later.timestamp, 1, [])


def full_owner(rooms: int) -> Owner:
    """Of rooms with a like each, a millisecond after the other."""
    rules = Rules(remember_sales_ms=86_400_000)
    owner = live_owner(config=make_config(make_fold=lambda partition: PartitionFold(partition, rules, TOPICS)))
    for number in range(rooms):
        owner.fold.advance(NOW_MS - rooms + number, "log")
        owner.fold.fold(LIKES, [like(number, room=f"room-{number}", at_ms=NOW_MS - rooms + number)])
    return owner


async def test_while_many_sessions_end_others_have_their_turn_and_checkpoints_stay_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump, "ENDS_A_TURN", 10)
    monkeypatch.setattr(pump, "UNSAVED_ENDS_MAX", 25)
    owner, clock = full_owner(95), WallClock()
    owner.fold.cut(1)
    all_at_end(owner, besides=-1)
    seen: list[int] = []

    async def beside() -> None:
        while True:
            await asyncio.sleep(0)
            seen.append(len(owner.fold.rooms))

    class Saving(OwnersTwin):
        async def checkpoint(self, owner: Owner) -> None:
            self.saved.append(len(owner.fold.cut(1).signals))

    owners = Saving(owner)
    task = asyncio.create_task(beside())
    later_ms = NOW_MS + owner.fold.rules.room_idle_ms + 60_000
    monkeypatch.setattr(owner.ownership, "at_log_end", lambda *_: True)
    clock.ms = later_ms
    await loop_of(owners, clock)._pump(owner)
    task.cancel()
    assert {75, 65, 55, 5} <= set(seen)
    assert owners.saved == [30, 30, 30]
    assert (owner.fold.rooms, owner.fold.clock_ms) == ({}, later_ms)


async def test_an_owner_that_goes_away_while_sessions_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "ENDS_A_TURN", 10)
    owner, clock = full_owner(30), WallClock()
    monkeypatch.setattr(owner.ownership, "at_log_end", lambda *_: True)
    clock.ms = NOW_MS + owner.fold.rules.room_idle_ms + 60_000
    pumping = asyncio.create_task(loop_of(OwnersTwin(owner), clock)._pump(owner))
    await asyncio.sleep(0)
    owner.pause()
    await pumping
    assert len(owner.fold.rooms) == 20
    assert owner.fold.clock_ms < clock.ms
