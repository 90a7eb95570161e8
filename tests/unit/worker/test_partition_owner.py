"""One partition's owner: what it saves, when it may publish, and that it drops everything when it ends."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from stream.core.publishing import Published
from stream.core.saved.frames import CorruptCheckpointError
from stream.core.saved.growth import NEWEST_VERSION
from stream.exits import Exit
from stream.worker.checkpoint import LostError, Meta
from stream.worker.fetching import LogEnds
from stream.worker.ownership import Phase
from stream.worker.partition_owner import Owner
from stream.worker.restore import Restored
from stream.worker.tasks import FatalError, LongWork
from tests.unit.worker.helpers import LIKES, NOW_MS, TOPICS, Fetched, like, live_owner, make_config, twin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ZEROS = [0] * len(TOPICS)


def fold(owner: Owner, *records: Fetched) -> None:
    owner.fold.fold(LIKES, records)
    owner.fold.advance(NOW_MS, "tick")


async def test_state_positions_refusals_and_signals_are_saved_in_one_transaction() -> None:
    owner = live_owner()
    fold(owner, like(0), Fetched(1, b"not json"))
    written = await owner.checkpoint()
    (contents,) = twin_of(owner).written
    assert written is not None
    assert contents.meta.positions == dict(zip(TOPICS, owner.fold.positions, strict=True))
    assert contents.meta.positions["live.likes"] == 2
    assert (contents.meta.epoch, contents.meta.claim, contents.meta.clock_ms) == (1, False, NOW_MS)
    assert any(key.startswith(b"r|") for key, _ in contents.state)
    assert [dict(letter.headers)["dl-offset"] for letter in contents.dead_letters] == [b"1"]
    assert [room_id for room_id, _ in contents.signals] == ["room-1"]


async def test_what_was_saved_is_not_saved_again() -> None:
    owner = live_owner()
    fold(owner, like(0))
    await owner.checkpoint()
    assert await owner.checkpoint() is None
    assert len(twin_of(owner).written) == 1


async def test_positions_are_saved_even_if_all_records_were_duplicates() -> None:
    owner = live_owner()
    fold(owner, like(0))
    await owner.checkpoint()
    fold(owner, like(0)._replace(offset=1))
    await owner.checkpoint()
    assert [contents.meta.positions["live.likes"] for contents in twin_of(owner).written] == [1, 2]
    assert [contents.meta.seq for contents in twin_of(owner).written] == [1, 2]


async def test_a_failed_transaction_is_not_remembered_as_saved() -> None:
    owner = live_owner()
    fold(owner, like(0))
    twin_of(owner).fail = OSError("broker away")
    with pytest.raises(OSError, match="broker away"):
        await owner.checkpoint()
    assert owner.saved == tuple(ZEROS)


async def test_an_owner_that_ended_saves_nothing() -> None:
    owner = live_owner()
    writer = twin_of(owner)
    fold(owner, like(0))
    owner.collect(NOW_MS, 100)
    closed: object = owner.close()
    assert closed is writer
    assert await owner.checkpoint() is None
    assert writer.written == []
    assert (owner.fold.rooms, owner.outbox, owner.shown_ms) == ({}, {}, {})
    assert owner.phase is Phase.GONE


async def test_a_paused_owner_still_saves_what_it_had_folded() -> None:
    owner = live_owner()
    fold(owner, like(0))
    owner.pause()
    await owner.checkpoint()
    assert twin_of(owner).written[0].meta.positions["live.likes"] == 1


# -- publishing --------------------------------------------------------------------------------------------------------


def test_documents_are_held_back_until_the_replay_has_passed_what_existed_at_the_claim() -> None:
    owner = live_owner()
    owner._replay_to = [2 if index == LIKES else 0 for index in range(len(TOPICS))]
    fold(owner, like(0))
    assert owner.collect(NOW_MS, 100) == 0
    fold(owner, like(1))
    assert owner.collect(NOW_MS, 100) == 1
    assert list(owner.outbox) == ["room-1"]


def test_the_first_documents_after_a_take_over_are_of_all_rooms() -> None:
    owner = live_owner()
    fold(owner, *(like(offset, room=f"room-{offset}") for offset in range(5)))
    assert owner.collect(NOW_MS, 2) == 2
    assert owner.collect(NOW_MS, 100) == 3
    assert owner.collect(NOW_MS, 100) == 0
    owner.reproject = True
    assert owner.collect(NOW_MS, 100) == 5


# -- taking over -------------------------------------------------------------------------------------------------------


def meta(positions: dict[str, int]) -> Meta:
    return Meta(
        version=NEWEST_VERSION,
        epoch=8,
        seq=3,
        owner="other",
        claim=False,
        positions=positions,
        clock_ms=NOW_MS,
        partitions=4,
    )


async def test_a_take_over_goes_on_where_the_checkpoint_ends_with_the_next_epoch() -> None:
    before = live_owner()
    fold(before, like(0, taps=5))
    after = Owner(make_config(), 0)
    for key, value in before.fold.cut(1).records:
        after._load(key, value)
    saved = dict(zip(TOPICS, before.fold.positions, strict=True))
    await after._adopt(Restored(meta(saved), 9, 1, 1), LogEnds(ZEROS, [10] * len(TOPICS)))
    assert after.epoch == 9
    assert after.fold.positions == before.fold.positions
    assert after.fold.rooms["room-1"].likes == 5
    assert after.shown_ms == {"room-1": NOW_MS}


@pytest.mark.parametrize(
    ("held_epoch", "last_epoch", "last_owner", "ends"),
    [
        (4, 5, "same:2", True),
        (None, 5, "same:2", False),  # a restart under its name
        (5, 5, "same:2", False),
        (4, 5, "same:1", False),  # ourselves
        (4, 5, "other:2", False),
        (4, 5, "same-as:2", False),
    ],
)
async def test_a_later_owner_of_our_own_name_while_we_live_ends_the_process(
    held_epoch: int | None, last_epoch: int, last_owner: str, *, ends: bool
) -> None:
    owner = Owner(make_config(member_name="same", who="same:1"), 0, held_epoch)
    positions = dict.fromkeys(TOPICS, 0)
    meta = Meta(
        version=NEWEST_VERSION,
        epoch=last_epoch,
        seq=1,
        owner=last_owner,
        claim=True,
        positions=positions,
        clock_ms=0,
        partitions=4,
    )
    if not ends:
        await owner._adopt(Restored(meta, 1, 1, 1), LogEnds(ZEROS, ZEROS))
        return
    with pytest.raises(FatalError, match="Two processes have the member name same") as caught:
        await owner._adopt(Restored(meta, 1, 1, 1), LogEnds(ZEROS, ZEROS))
    assert caught.value.code is Exit.DUPLICATE_MEMBER


async def test_state_without_a_meta_record_is_not_taken_for_an_empty_checkpoint() -> None:
    with pytest.raises(LostError, match="no meta record"):
        await Owner(make_config(), 0)._adopt(Restored(None, 9, 4, 100), LogEnds(ZEROS, ZEROS))


async def test_a_claim_that_lands_elsewhere_shows_that_somebody_else_wrote() -> None:
    owner = live_owner()
    await owner._announce(0)
    assert twin_of(owner).written[0].meta.claim
    with pytest.raises(LostError, match="landed at 1, the state was read to 5"):
        await owner._announce(5)


async def test_a_state_record_that_cannot_be_read_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(make_config(), 0)

    def broken(*_args: object) -> None:
        raise CorruptCheckpointError("r|room-1: bad checksum")

    monkeypatch.setattr(owner.fold, "loading", broken)
    with pytest.raises(FatalError, match="cannot be read") as caught:
        await owner._adopt(Restored(None, 0, 0, 0), LogEnds(ZEROS, ZEROS))
    assert caught.value.code is Exit.FOREIGN_CHECKPOINT


def test_loading_ends_when_the_partition_goes_away() -> None:
    owner = Owner(make_config(), 0)
    owner.close()
    with pytest.raises(LostError):
        owner._load(b"r|room-1", b"")


async def test_rooms_are_made_while_others_are_folded_and_not_for_a_partition_that_went_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = live_owner()
    fold(before, like(0, taps=5))
    records = before.fold.cut(1).records
    monkeypatch.setattr(LongWork, "turn_is_over", lambda _self: True)  # every step gives way
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            if turns == 3 and goes_away:
                after.close()
            await asyncio.sleep(0)

    for goes_away in (False, True):
        after = Owner(make_config(), 0)
        for key, value in records:
            after._load(key, value)
        turns = 0
        beside = asyncio.get_running_loop().create_task(others())
        await asyncio.sleep(0)
        adopting = after._adopt(Restored(meta({}), 9, 1, 1), LogEnds(ZEROS, [10] * len(TOPICS)))
        if goes_away:
            with pytest.raises(LostError, match="went away"):
                await adopting
            assert not after.fold.rooms
        else:
            await adopting
            assert after.fold.rooms["room-1"].likes == 5
            assert turns > 3
        beside.cancel()


async def test_the_age_of_a_checkpoint_is_that_of_the_last_one_whoever_committed_it() -> None:
    written_ms = time.time_ns() // 1_000_000 - 40_000
    fresh = Owner(make_config(), 0)
    fresh._note_saved(Restored(meta({}), 9, 1, 1, {}, written_ms))
    assert 39 < time.monotonic() - fresh.saved_at < 60
    after_a_loss = Owner(make_config(), 0, None, time.monotonic() - 15)
    assert 14 < time.monotonic() - after_a_loss.saved_at < 30
    after_a_loss._note_saved(Restored(meta({}), 9, 1, 1, {}, written_ms))  # there was nothing to save in between
    assert 14 < time.monotonic() - after_a_loss.saved_at < 30
    nothing_saved = Owner(make_config(), 0)
    nothing_saved._note_saved(Restored(None, 0, 0, 0))
    assert time.monotonic() - nothing_saved.saved_at < 10


async def test_no_state_where_an_owner_was_before_is_a_loss_unless_it_is_accepted() -> None:
    empty = Restored(None, 0, 0, 0, {"live.journal": 12})
    with pytest.raises(FatalError, match=r"live\.journal begins at offset 12"):
        await Owner(make_config(), 0)._adopt(empty, LogEnds(ZEROS, ZEROS))
    # Somebody died in his first claim, which was not committed.
    await Owner(make_config(), 0)._adopt(Restored(None, 2, 0, 0), LogEnds(ZEROS, ZEROS))
    accepting = Owner(make_config(accept_data_loss=True), 0)
    await accepting._adopt(empty, LogEnds(ZEROS, ZEROS))
    assert accepting.epoch == 1


def test_a_document_that_is_too_large_for_the_signals_is_counted_and_its_room_named_once() -> None:
    owner = live_owner()
    signals = [Published("r0", 1, b"{}", 1, 1), Published("r1", 1, b"{}", 1, 1, whole_bytes=2_000_000)]
    with structlog.testing.capture_logs() as said:
        for _ in range(2):
            owner._note_shortened(signals)
    assert owner.signals_left_out == 2
    assert [(line["room"], line["bytes"]) for line in said] == [("r1", 2_000_000)]


async def test_one_partition_makes_its_rooms_after_the_other_so_that_the_first_goes_on_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LongWork, "turn_is_over", lambda _self: True)  # every step gives way
    config, made = make_config(), list[int]()
    before = live_owner()
    fold(before, *(like(offset, room=f"room-{offset}") for offset in range(5)))
    records = before.fold.cut(1).records

    def watched(owner: Owner) -> Owner:
        for key, value in records:
            owner._load(key, value)
        loading = owner.fold.loading

        def steps(*arguments: Any) -> Iterator[None]:
            for _ in loading(*arguments):
                made.append(owner.partition)
                yield

        monkeypatch.setattr(owner.fold, "loading", steps)
        return owner

    owners = [watched(Owner(config, partition)) for partition in range(3)]
    owners[1].close()  # went away while it waited for its turn
    results = await asyncio.gather(*(owner._load_finished(ZEROS, 1) for owner in owners), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LostError, type(None)]
    assert len(made) > 2
    assert made == sorted(made)


async def test_a_request_beside_a_take_over_waits_for_few_of_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LongWork, "turn_is_over", lambda _self: True)  # every step is a turn
    owner, turns = Owner(make_config(), 0), 0

    def endless(*_arguments: Any) -> Iterator[None]:
        nonlocal turns
        while True:
            turns += 1
            yield

    monkeypatch.setattr(owner.fold, "loading", endless)
    loading = asyncio.create_task(owner._load_finished(ZEROS, 1))
    for _ in range(100):  # the steps of a few round trips
        await asyncio.sleep(0)
    assert 0 < turns < 20
    owner.close()
    with pytest.raises(LostError):
        await loading
