"""Whatever number of topics, audiences and tallies was saved: it is read, gone on with, and read again by the next."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES
from stream.core.audiences import AUDIENCES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.core.saved.frames import frame, unframe
from stream.core.saved.growth import TOPICS_1, fitted, grown
from stream.core.saved.heads import Head
from stream.core.saved.journal import (
    ClockMove,
    Journal,
    JournalError,
    Piece,
    Segment,
    check_follows,
    decode_segment,
    encode_segment,
    steps_of,
)
from tests.support.rooms import T0_MS, TOPICS, random_log

TALLIES = 4


# -- lists -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(50))
def test_what_is_left_out_of_a_list_is_what_it_is_filled_up_with(seed: int) -> None:
    random = Random(seed)
    for _ in range(50):
        values = [random.choice([0, 0, 1, 7]) for _ in range(random.randrange(12))]
        least = random.randrange(12)
        saved = grown(values, least, 0)
        assert fitted(saved, len(values), 0) == values
        assert len(saved) >= min(least, len(values))
        longer = len(values) + random.randrange(4)
        # A version with more places reads it, writes it again, and the older one reads that.
        again = grown(fitted(saved, longer, 0), least, 0)
        assert fitted(again, len(values), 0) == values
        assert longer == len(values) or len(again) <= max(len(saved), least)


# -- the journal -------------------------------------------------------------------------------------------------------
def _notes_of_the_first_version(done: list[Piece | ClockMove], positions: list[int], clock_ms: int) -> list[int]:
    """As 4013363 noted it, for up to eight topics."""
    at, notes = list(positions), []
    for each in done:
        if isinstance(each, ClockMove):
            notes += [16 if each.source == "log" else 17, each.clock_ms - clock_ms]
            clock_ms = each.clock_ms
        else:
            skip = each.first - at[each.topic_index]
            at[each.topic_index] = each.end
            count = each.end - each.first
            notes += [each.topic_index + 8, skip, count] if skip else [each.topic_index, count]
    return notes


def _run(random: Random, topics: int) -> tuple[list[Piece | ClockMove], list[int]]:
    """What an owner of so many topics did, and from where."""
    positions = [random.choice([0, 0, random.randrange(1_000)]) for _ in range(topics)]
    at, clock_ms = list(positions), T0_MS
    done: list[Piece | ClockMove] = []
    for _ in range(random.randrange(1, 30)):
        if random.random() < 0.4 and not (done and isinstance(done[-1], ClockMove)):
            clock_ms += random.randrange(1, 5_000)
            done.append(ClockMove(clock_ms, random.choice(["tick", "log"])))
        else:
            topic = random.randrange(topics)
            first = at[topic] + random.choice([0, 0, 1, 9])
            at[topic] = first + random.randrange(1, 50)
            done.append(Piece(topic, first, at[topic]))
    return done, positions


def _noted(done: list[Piece | ClockMove], positions: list[int]) -> Any:
    journal, clock_ms = Journal(positions, T0_MS), T0_MS
    for each in done:
        if isinstance(each, ClockMove):
            clock_ms = each.clock_ms
            journal.clock(*each)
        else:
            journal.folded(*each)
    return journal.take(clock_ms, [])


@pytest.mark.parametrize("seed", range(60))
def test_the_notes_of_any_number_of_topics_say_what_was_done(seed: int) -> None:
    random = Random(seed)
    topics = random.choice([1, 5, 6, 7, 8, 9, 12, 40])
    done, positions = _run(random, topics)
    steps = _noted(done, positions)
    assert len(steps.positions) >= min(topics, TOPICS_1)
    if topics <= 8:
        assert steps.notes == _notes_of_the_first_version(done, positions, T0_MS)
    for more in (0, 1, 9):  # a version that knows more topics reads the same
        before = fitted(steps.positions_before, topics + more, 0)
        assert [*steps_of(steps.notes, before, T0_MS)] == done
    fewer = max(1, max((each.topic_index for each in done if isinstance(each, Piece)), default=0))
    if any(isinstance(each, Piece) and each.topic_index >= fewer for each in done):
        with pytest.raises(JournalError, match="cut off or name a topic that does not exist"):
            list(steps_of(steps.notes, positions[:fewer], T0_MS))


@pytest.mark.parametrize("kind", [-1, 23, 31, 32, 40, 47])
def test_a_note_of_a_kind_that_nobody_writes_is_no_topic(kind: int) -> None:
    with pytest.raises(JournalError, match=f"a kind that is not known here, {kind}"):
        list(steps_of([kind, 1, 1], [0] * 50, 0))


@pytest.mark.parametrize("seed", range(60))
def test_owners_of_any_versions_make_one_chain_and_a_position_that_is_off_breaks_it(seed: int) -> None:
    """Each knows more topics than the one before, or fewer, of which nothing was folded."""
    random = Random(seed)
    chain: list[Segment] = []
    ends: list[int] = [0] * TOPICS_1
    for epoch in range(1, 8):
        folded = max((index + 1 for index, end in enumerate(ends) if end), default=0)
        topics = random.randrange(max(TOPICS_1, folded), 14)
        begin = [ends[index] if index < len(ends) else random.choice([0, 3]) for index in range(topics)]
        clock_ms = chain[-1].steps.clock_ms if chain else T0_MS
        claim = Journal(begin, clock_ms)
        chain.append(Segment(epoch, 1, claim=True, steps=claim.claim(clock_ms, begin)))
        journal, at = Journal(begin, clock_ms), list(begin)
        for _ in range(random.randrange(6)):
            topic = random.randrange(topics)
            first, at[topic] = at[topic], at[topic] + 5
            journal.folded(topic, first, at[topic])
        chain.append(Segment(epoch, 2, claim=False, steps=journal.take(clock_ms, [])))
        ends = at
    chain = [decode_segment(encode_segment(each), "here") for each in chain]
    for before, after in pairwise(chain):
        check_follows(before, after, "here")
        off = msgspec.structs.replace(after, steps=msgspec.structs.replace(after.steps))
        known = min(len(before.steps.positions), len(after.steps.positions_before)) if after.claim else 1
        off.steps.positions_before = list(after.steps.positions_before)
        off.steps.positions_before[random.randrange(known)] += random.choice([-1, 1])
        with pytest.raises(JournalError, match="begins at offsets"):
            check_follows(before, off, "here")


# -- the state ---------------------------------------------------------------------------------------------------------
def _of_any_length(random: Random, key: bytes, value: bytes) -> bytes:
    """A state record as another version would have written it: with more places in its lists, or with fewer."""
    if not key.startswith((b"r|", b"d|")):
        return value

    def cut_or_fill(values: list[Any], nothing: Any) -> None:
        values[:] = fitted(values, random.randrange(len(values) + 4), nothing)

    saved: Any = unframe(key, value, msgspec.msgpack.Decoder())
    if key.startswith(b"r|"):
        names = Head.__struct_fields__
        cut_or_fill(saved[names.index("first_offsets")], -1)
        cut_or_fill(saved[names.index("bits")], 0)
        return frame(saved)
    stamp, entries = saved
    for entry in entries:
        cut_or_fill(entry[2], {})
        cut_or_fill(entry[3], {})
    return frame((stamp, entries))


@pytest.mark.parametrize("seed", range(25))
def test_lists_of_any_length_are_gone_on_with(seed: int) -> None:
    random = Random(seed)
    log = random_log(seed, events=150, rooms=3, duration_ms=60_000)
    fold = PartitionFold(3, Rules(), TOPICS)
    for topic, records in enumerate(log):
        fold.fold(topic, records[: len(records) // 2])
    cut = fold.cut(1)
    again = PartitionFold(3, Rules(), TOPICS)
    for key, value in cut.records:
        again.load(key, None if value is None else _of_any_length(random, key, value))
    positions = list(cut.positions)
    again.loaded(positions[: random.randrange(len(positions) + 1)], cut.clock_ms, cut.version)
    again.go_on_at([*positions, 9, 9])
    assert again.positions == positions
    for room in again.rooms.values():
        assert (len(room.first_offsets), len(room.audiences)) == (len(TOPIC_NAMES), len(AUDIENCES))
        assert len(room.saved_tallies()) == TALLIES
    for topic, records in enumerate(log):
        again.fold(topic, records[len(records) // 2 :])
    again.advance(T0_MS + 70_000, "tick")
    published = again.publish(None, 2, everything=True)
    assert len(published) == len(again.rooms) > 0
    once_more = PartitionFold(3, Rules(), TOPICS)
    state = dict(cut.records)
    # All of it is written again before long; here only what changed since, over what any version wrote.
    state.update(again.cut(2).records)
    for key, value in state.items():
        once_more.load(key, value)
    once_more.loaded(again.positions, again.clock_ms)
    assert once_more.rooms.keys() == again.rooms.keys()
