"""One event id in several topics of a room: in whichever order topics are folded, all that was said counts once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.core.conflicts import USED_TWICE
from stream.core.rules import Rules
from stream.core.saved.journal import Segment, Steps, encode_segment
from stream.verify.recount import Recount
from stream.verify.room_count import Assumptions
from stream.verify.rulebook import Rulebook
from tests.support.odd import odd_log
from tests.support.rooms import (
    T0_MS,
    TOPICS,
    Log,
    Rec,
    all_figures,
    fold_merged,
    fold_plainly,
    new_fold,
    recounted,
    restarted,
    slices,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream.core.partition import PartitionFold

pytestmark = pytest.mark.usefixtures("on_both_kernels")

SEEDS = range(10)
END_MS = T0_MS + 200_000
RULES = Rules(contract_edition=2, ids_by_topic=True)
ASSUMPTIONS = Assumptions(contract_edition=2, ids_by_topic=True)


def shared_log(seed: int, *, prefix: str = "x", events: int = 300) -> Log:
    """A log with odd records in which the topics count their ids alike: nearly each is used in all of them."""
    log = odd_log(seed, events=events)
    for records in log:
        names: dict[str, str] = {}
        for place, record in enumerate(records):
            if record.value is None or record.value.startswith(b"{broken"):
                continue
            event = msgspec.json.decode(record.value)
            event["event_id"] = names.setdefault(event["event_id"], f"{prefix}{len(names)}")
            records[place] = record._replace(value=msgspec.json.encode(event))
    return log


def counted(fold: PartitionFold) -> tuple[object, ...]:
    counters = fold.counters
    return counters.applied, counters.duplicate, counters.retimed, dict(counters.dead_letters), counters.conflicts


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_topics_changes_nothing_and_the_recount_agrees(seed: int) -> None:
    log = shared_log(seed)
    recount = recounted(log, ASSUMPTIONS)
    expected = {room_id: recount.room(room_id, END_MS) for room_id in recount.room_ids()}
    folds = [fold_plainly(slices(log, Random(seed + most), most), END_MS, RULES) for most in (1, 20, 200)]
    backwards = [(topic, log[topic]) for topic in reversed(range(len(TOPICS))) if log[topic]]
    folds += [fold_plainly(backwards, END_MS, RULES), fold_merged(log, Random(seed), END_MS, RULES)]
    for fold in folds:
        assert all_figures(fold) == expected
        assert counted(fold) == counted(folds[0])
    counters, accounts = folds[0].counters, recount.accounts
    assert (sum(counters.applied), sum(counters.duplicate)) == (accounts.applied, accounts.duplicate)
    assert dict(counters.dead_letters) == dict(accounts.dead_lettered)
    assert 0 < counters.conflicts[USED_TWICE] <= accounts.in_two_topics


@pytest.mark.parametrize("seed", SEEDS)
def test_nor_does_the_order_in_which_the_recount_reads_them(seed: int) -> None:
    log = shared_log(seed)
    expected = recounted(log, ASSUMPTIONS)
    recount = Recount(ASSUMPTIONS)
    for topic, records in slices(log, Random(seed), 5):
        for record in records:
            recount.add(TOPICS[topic], record.value, record.key, record.timestamp, offset=record.offset)
    assert recount.accounts == expected.accounts
    for room_id in expected.room_ids():
        assert recount.room(room_id, END_MS) == expected.room(room_id, END_MS)


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_takes_over_knows_of_which_topic_an_id_is(seed: int) -> None:
    """And when it is forgotten: ids come again over several generations, and are renewed."""
    rules = msgspec.structs.replace(RULES, remember_sales_ms=7 * 24 * 3_600_000, remember_ids_ms=60_000)
    random = Random(seed)
    steady, often, saved = new_fold(rules), new_fold(rules), dict[bytes, bytes | None]()
    sent: list[tuple[int, Sequence[Rec]]] = []
    for step, piece in enumerate(slices(shared_log(seed), random, 9)):
        again = random.choices(sent[-30:], k=random.randrange(3)) if sent else []
        sent.append(piece)
        for fold in (steady, often):
            fold.advance(T0_MS + 3_000 * step, "tick")
            for topic, records in (piece, *again):
                offset, at_ms = fold.positions[topic], fold.clock_ms
                fold.fold(topic, [_moved(each, offset + place, at_ms) for place, each in enumerate(records)])
        if random.random() < 0.2:
            often = restarted(often, saved, rules)
        assert _ids(often) == _ids(steady)
    assert all_figures(often) == all_figures(steady)


def _moved(record: Rec, offset: int, at_ms: int) -> Rec:
    return record._replace(offset=offset, timestamp=at_ms)


def _ids(fold: PartitionFold) -> dict[str, dict[int, object]]:
    """By room and generation, of the two that are remembered: a silent room hears of a new one when it speaks."""
    oldest = fold._life.generations.present - 1
    found: dict[str, dict[int, object]] = {}
    for room_id, room in fold.rooms.items():
        generation, *ids = room.ids.state()
        found[room_id] = {generation - age: each for age, each in enumerate(ids) if each and generation - age >= oldest}
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_an_upgrade_between_two_records_forgets_no_id(seed: int) -> None:
    """What the worker of old folded it folded under its own rule, and the recount knows from the journal which that is.

    Its ids are its own, or the order of topics would matter there. What is sent again over the upgrade is not.
    """
    random, old_rules = Random(seed), msgspec.structs.replace(RULES, ids_by_topic=False)
    before, after = odd_log(seed, events=150), shared_log(seed + 1_000, prefix="y", events=150)
    first = fold_plainly(slices(before, random), T0_MS, old_rules)
    log = [list(records) for records in before]
    for topic, records in enumerate(after):
        repeated = random.choices(before[topic], k=10) if before[topic] else []
        for record in (*repeated, *records):
            log[topic].append(record._replace(offset=len(log[topic])))
    new = restarted(first, {}, RULES)
    for topic, piece in slices([records[first.positions[topic] :] for topic, records in enumerate(log)], random):
        new.fold(topic, piece)
    new.advance(END_MS, "tick")

    rulebook = Rulebook(Assumptions())
    for epoch, (rules, positions) in enumerate([(old_rules, [0] * len(TOPICS)), (RULES, first.positions)], 1):
        steps = Steps(list(positions), -1, [], list(positions), -1, [], None)
        value = encode_segment(Segment(epoch, 1, claim=True, steps=steps, rules=msgspec.structs.asdict(rules)))
        rulebook.add("live.journal", 3, epoch, value)
    recount = Recount(rulebook=rulebook)
    for topic, records in enumerate(log):
        for record in records:
            recount.add(TOPICS[topic], record.value, record.key, record.timestamp, partition=3, offset=record.offset)
    assert all_figures(new) == {room_id: recount.room(room_id, END_MS) for room_id in recount.room_ids()}
    counts = [sum(fold.counters.duplicate) for fold in (first, new)]
    assert sum(counts) == recount.accounts.duplicate
    assert counts[1] >= 10
