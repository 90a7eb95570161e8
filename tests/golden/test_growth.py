"""One more topic, audience, tally and field: what 4013363 saved is gone on with, and keeps its bytes until it is used.

The code of a version to come is made from today's: a room with one more of each.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from stream.contract.catalogue import BUILT_IN
from stream.contract.events import INPUT_TOPICS, TOPIC_NAMES, RoomClosed, RoomOpened
from stream.core import lifecycle, partition
from stream.core import room as room_module
from stream.core.audiences import AUDIENCES
from stream.core.room import Room
from stream.core.saved import heads, ledgers, rows
from stream.core.saved.entries import OrderEntry
from stream.core.saved.frames import CorruptCheckpointError, frame, unframe
from stream.core.saved.growth import TOPICS_1, VERSION_2
from stream.core.saved.heads import Head
from stream.core.saved.journal import Segment, check_follows, decode_segment, encode_segment
from stream.core.saved.ledgers import LedgerHead
from stream.core.windows import Tally
from stream.replay.journaled import JournaledPartition
from stream.verify.saved import CheckpointLog
from tests.golden.recordings import META_KEY, NAMES, recording, restored
from tests.golden.test_recordings import Rerun
from tests.support.events import at, like, room_opened
from tests.support.rooms import TOPICS, Rec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream.core.partition import PartitionFold
    from stream.core.rules import Rules
    from tests.golden.recordings import Recording

# Beyond eight: for the first that the journal had no room for.
MORE = ("gifts", "votes", "shares")
MORE_TOPICS = (*TOPICS, *(f"live.{name}" for name in MORE))
FIRST_OFFSET = 4
EVENT_OF_MORE = room_opened(room="room-0", event_id="more")


class LaterRoom(Room):
    """A room with a tally more."""

    __slots__ = ("gift_tally",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gift_tally = Tally()

    def saved_tallies(self) -> tuple[Tally, ...]:
        return *super().saved_tallies(), self.gift_tally


class LaterHead(Head, array_like=True):
    """A head with a field more."""

    fields_1: ClassVar[int] = Head.fields_1

    gifts: int = 0
    givers: dict[str, int] = msgspec.field(default_factory=dict)


class LaterOrderEntry(OrderEntry, array_like=True):
    """An order with a field more."""

    fields_1: ClassVar[int] = OrderEntry.fields_1

    packed_ms: int = -1


class LaterLedgerHead(LedgerHead, array_like=True):
    """A ledger with a field more."""

    fields_1: ClassVar[int] = LedgerHead.fields_1

    reserved: int = 0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of a version to come."""
    topics = (*INPUT_TOPICS, *((name, (RoomOpened, RoomClosed)) for name in MORE))
    names = tuple(name for name, _ in topics)
    monkeypatch.setattr(BUILT_IN, "topics", topics)
    for module in (room_module, heads):
        monkeypatch.setattr(module, "TOPIC_NAMES", names)
    monkeypatch.setattr(room_module, "AUDIENCES", (*AUDIENCES, "givers"))
    for module in (lifecycle, heads):
        monkeypatch.setattr(module, "Room", LaterRoom)
    monkeypatch.setattr(heads, "Head", LaterHead)
    monkeypatch.setattr(ledgers, "LedgerHead", LaterLedgerHead)
    monkeypatch.setattr(rows, "OrderEntry", LaterOrderEntry)
    monkeypatch.setattr(heads, "head_decoder", msgspec.msgpack.Decoder(LaterHead))


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("name", NAMES)
def test_what_uses_nothing_new_keeps_its_bytes_from_take_over_to_take_over(name: str) -> None:
    found = recording(name)
    rerun = Rerun(found, MORE_TOPICS)
    rerun.run()
    assert rerun.redis.documents == found.documents
    assert rerun.redis.versions == found.versions


def _last_take_over(found: Recording) -> tuple[Rules, int]:
    """Of those that have rooms, the last."""
    return [
        (rules, count)
        for _, rules, count in found.take_overs()
        if any(key.startswith(b"r|") and value is not None for key, value in dict(found.state(count)).items())
    ][-1]


def _use_everything_new(fold: PartitionFold) -> list[str]:
    """Something of each in every room; the rooms."""
    rooms = sorted(fold.rooms)
    clock_ms = fold.clock_ms
    for topic_index, name in enumerate((*TOPIC_NAMES, *MORE)):
        if topic_index < len(TOPIC_NAMES) - 1:
            continue
        fold.fold(topic_index, list(_records_of(name, rooms, clock_ms)))
    _give_gifts(fold, rooms, clock_ms)
    return rooms


def _give_gifts(fold: PartitionFold, rooms: list[str], clock_ms: int) -> None:
    """What a version to come would make of the events of its topics."""
    for room_id in rooms:
        room = fold.rooms[room_id]
        assert isinstance(room, LaterRoom)
        room.gift_tally.add(clock_ms // 1_000, 5)
        room.audiences[len(AUDIENCES)].seen("giver", clock_ms // 1_000)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("name", NAMES)
def test_what_is_new_is_saved_restored_and_gone_on_with(name: str) -> None:
    found = recording(name)
    rules, count = _last_take_over(found)
    fold = restored(found, count, rules, MORE_TOPICS)
    rooms = _use_everything_new(fold)
    cut = fold.cut(7)
    assert cut.version == VERSION_2
    state = dict(found.state(count))
    state.update(cut.records)

    again = partition.PartitionFold(found.partition, rules, MORE_TOPICS)
    for key, value in state.items():
        again.load(key, value)
    again.loaded(cut.positions, cut.clock_ms, cut.version)
    assert again.positions == fold.positions
    for room_id in rooms:
        restored_room, room = again.rooms[room_id], fold.rooms[room_id]
        assert isinstance(restored_room, LaterRoom)
        assert isinstance(room, LaterRoom)
        assert restored_room.first_offsets == room.first_offsets
        assert min(room.first_offsets[len(TOPIC_NAMES) - 1 :]) >= 4
        assert restored_room.gift_tally.totals() == room.gift_tally.totals() == (5, 5, 5)
        assert [*restored_room.audiences[len(AUDIENCES)].session.members] == ["giver"]
        assert len(restored_room.audiences) == len(AUDIENCES) + 1
    wall_ms = fold.clock_ms + 50
    fold.clock_source = again.clock_source
    assert [each.document for each in again.publish(wall_ms, 8, everything=True)] == [
        each.document for each in fold.publish(wall_ms, 8, everything=True)
    ]
    assert again.cut(8).version == VERSION_2


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("name", NAMES)
def test_the_journal_goes_on_over_the_upgrade_also_with_a_ninth_topic(name: str) -> None:
    """Segments of then, a claim that knows more topics, what it folds of them, and all of it replayed."""
    found = recording(name)
    rules, count = _last_take_over(found)
    segments = [decode_segment(value, "journal") for value in found.journal]
    number = next(
        number
        for number, counts in enumerate(found.transactions)
        if counts.checkpoints == count + 1 and segments[counts.journal - 1].claim
    )
    segments = segments[: found.transactions[number].journal - 1]

    fold = restored(found, count, rules, MORE_TOPICS)
    saved = fold.positions[: len(found.topics)]
    began_at = (*saved, *[3] * (len(MORE_TOPICS) - len(saved)))  # the logs of new topics may have been cut off before
    fold.go_on_at(began_at)
    fold._begin_journal()
    settings = msgspec.to_builtins(rules)
    epoch = segments[-1].epoch + 1
    steps = fold.journal.claim(fold.clock_ms, began_at)
    claim = Segment(epoch, 1, claim=True, steps=steps, version="1", rules=settings)
    rooms = _use_everything_new(fold)
    clock_ms = fold.clock_ms
    fold.advance(clock_ms + 10, "tick")
    cut = fold.cut(epoch)
    assert cut.steps is not None
    cut_segment = Segment(epoch, 2, claim=False, steps=cut.steps, rules=settings if cut.steps.base else {})
    chain = [*segments, *(decode_segment(encode_segment(each), "journal") for each in (claim, cut_segment))]
    for before, after in pairwise(chain):
        check_follows(before, after, "journal")

    follower = JournaledPartition(found.partition, MORE_TOPICS, chain[0], keep_state=True)
    signals: list[tuple[str, bytes]] = []
    for segment in chain:
        for piece in follower.pieces(segment):
            if piece.topic_index < len(found.topics):
                follower.take(piece, found.piece(piece.topic_index, piece.first, piece.end))
            else:
                assert piece.first == FIRST_OFFSET
                follower.take(piece, list(_records_of((*TOPIC_NAMES, *MORE)[piece.topic_index], rooms, clock_ms)))
                if piece.topic_index == len(MORE_TOPICS) - 1:
                    _give_gifts(follower.fold, rooms, clock_ms)
        signals += [(each.room_id, each.document) for each in follower.cut(segment)]
    assert signals[-len(cut.signals) :] == [(each.room_id, each.document) for each in cut.signals]
    assert signals[: -len(cut.signals)] == found.signals[: found.transactions[number].signals]


def _records_of(topic: str, rooms: list[str], clock_ms: int) -> Iterator[Rec]:
    """A word of each room, behind holes."""
    for number, room in enumerate(rooms):
        changes = {"room_id": room, "event_id": f"{topic}-{room}", "event_time_ms": clock_ms}
        event = msgspec.structs.replace(EVENT_OF_MORE, **changes)
        yield Rec(msgspec.json.encode(event), room.encode(), FIRST_OFFSET + 2 * number, clock_ms)


# -- what an older version did not know of -----------------------------------------------------------------------------
def _with_fewer(key: bytes, value: bytes) -> bytes:
    """A state record as a version before the first would have written it: with a topic, audience, tally, field less."""
    if not key.startswith((b"r|", b"d|")):
        return value
    saved: Any = unframe(key, value, msgspec.msgpack.Decoder())
    if key.startswith(b"r|"):
        names = Head.__struct_fields__
        for name in ("first_offsets", "bits"):
            saved[names.index(name)].pop()
        return frame(saved[:-1])
    stamp, entries = saved
    for entry in entries:
        entry[2].pop()
        entry[3].pop()
    return frame((stamp, entries))


@pytest.mark.parametrize("name", NAMES)
def test_shorter_lists_than_ever_are_gone_on_with(name: str) -> None:
    found = recording(name)
    rules, count = _last_take_over(found)
    fold = partition.PartitionFold(found.partition, rules, TOPICS)
    for key, value in found.state(count):
        fold.load(key, value and _with_fewer(key, value))
    fold.loaded([1, 2, 3], 1 + at(0))
    assert fold.positions == [1, 2, 3, 0, 0, 0, 0]
    assert all(len(room.first_offsets) == len(TOPICS) for room in fold.rooms.values())
    assert all(len(room.audiences) == len(AUDIENCES) for room in fold.rooms.values())
    event = like(room=next(iter(fold.rooms)))
    fold.fold(TOPIC_NAMES.index("likes"), [Rec(msgspec.json.encode(event), event.room_id.encode(), 9, at(0))])
    assert fold.publish(None, 1, everything=True)
    assert fold.cut(1).signals


def test_a_word_that_nobody_knows_ends_the_take_over_with_a_reason() -> None:
    """As if a newer version had not said that it needs to be known: it must not be tried again for ever."""
    found = recording("rush")
    rules, count = _last_take_over(found)
    fold = partition.PartitionFold(found.partition, rules, TOPICS)
    heads = 0
    for key, value in found.state(count):
        if key.startswith(b"r|") and value is not None:
            saved: Any = unframe(key, value, msgspec.msgpack.Decoder())
            for urgency in saved[Head.__struct_fields__.index("urgencies")]:
                urgency[2] = "frenzy"
                heads += 1
            fold.load(key, frame(saved))
        else:
            fold.load(key, value)
    assert heads
    with pytest.raises(CorruptCheckpointError, match="frenzy"):
        fold.loaded([0] * TOPICS_1, at(0))


# -- the audit, over the upgrade ---------------------------------------------------------------------------------------
def _meta(epoch: int, seq: int, positions: dict[str, int], *, claim: bool = False, version: int = 1) -> bytes:
    meta = {"version": version, "epoch": epoch, "seq": seq, "owner": f"w{epoch}", "claim": claim}
    return msgspec.json.encode({**meta, "positions": positions, "clock_ms": 5, "partitions": 12})


OLD = dict.fromkeys((f"live.{name}" for name in TOPIC_NAMES[:TOPICS_1]), 7)
NEW = {**OLD, "live.interactions": 3}


@pytest.mark.parametrize(
    ("metas", "problem"),
    [
        ([(1, 1, OLD, 1), (2, 1, NEW, 1)], None),  # the log of a new topic begins at 3
        ([(1, 1, NEW, 1), (2, 1, OLD, 1), (3, 1, NEW, 1)], None),  # back, and forth again
        ([(1, 1, NEW, 2), (2, 1, {**NEW, "live.interactions": 9}, 2)], "claims other positions than were saved"),
        ([(1, 1, OLD, 1), (2, 1, {**NEW, "live.likes": 8}, 1)], "claims other positions than were saved"),
        ([(1, 1, NEW, 2), (2, 1, OLD, 1)], "the version goes back from 2 to 1"),
        ([(1, 1, NEW, 2), (1, 2, OLD, 2)], "live.interactions goes back from 3 to 0"),
        ([(1, 1, NEW, 1), (1, 2, {**OLD, "live.interactions": 2}, 1)], "live.interactions goes back from 3 to 2"),
    ],
)
def test_an_upgrade_is_no_difference_to_the_audit(
    metas: list[tuple[int, int, dict[str, int], int]], problem: str | None
) -> None:
    log = CheckpointLog()
    for offset, (epoch, seq, positions, version) in enumerate(metas):
        log.add(3, offset, META_KEY, _meta(epoch, seq, positions, claim=seq == 1, version=version))
    assert (problem is None) == (log.problems.said == [])
    assert problem is None or any(problem in said for said in log.problems.said)


@pytest.mark.parametrize("name", NAMES)
def test_the_meta_records_of_then_are_no_problem_to_the_audit(name: str) -> None:
    log = CheckpointLog()
    for offset, (key, value) in enumerate(recording(name).checkpoints):
        log.add(3, offset, key, value)
    assert log.checkpoints
    assert log.problems.said == []
