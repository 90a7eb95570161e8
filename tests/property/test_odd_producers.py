"""Producers as they are: what is odd is refused, counted or no one's, the same in the fold and in the recount."""

from __future__ import annotations

from random import Random

import pytest

from stream.core.rules import Rules
from stream.verify.room_count import Assumptions
from tests.support.odd import odd_log
from tests.support.rooms import (
    ORDERS,
    T0_MS,
    TOPICS,
    Log,
    Rec,
    all_figures,
    fold_merged,
    fold_plainly,
    new_fold,
    random_log,
    recounted,
    restarted,
    slices,
)

SEEDS = range(25)
END_MS = T0_MS + 200_000
# So that suspects are found, audiences sampled and sessions sketched where strangers were taken for one person.
TIGHT = Rules(contract_edition=2, suspect_unpaid_orders=2)


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_fold_is_the_recount(seed: int, edition: int) -> None:
    log, rules = odd_log(seed), Rules(contract_edition=edition)
    recount = recounted(log, Assumptions(contract_edition=edition))
    expected = {room_id: recount.room(room_id, END_MS) for room_id in recount.room_ids()}
    for most in (1, 20, 200):
        fold = fold_plainly(slices(log, Random(seed), most), END_MS, rules)
        assert all_figures(fold) == expected
        counters = fold.counters
        assert (sum(counters.applied), sum(counters.duplicate), counters.retimed, dict(counters.dead_letters)) == (
            recount.accounts.applied,
            recount.accounts.duplicate,
            recount.accounts.retimed,
            dict(recount.accounts.dead_lettered),
        )
        refused = {(TOPICS[each.topic_index], each.offset, each.letter.reason.value) for each in fold.refused}
        assert refused == {(f"live.{each.topic}", each.offset, each.reason) for each in recount.refusals}
    assert all_figures(fold_merged(log, Random(seed + 1), END_MS, rules)) == expected


@pytest.mark.parametrize("seed", range(20))
def test_many_at_once_are_the_same_as_one_at_a_time_and_as_after_restarts(seed: int) -> None:
    log = odd_log(seed, duration_ms=60_000)
    together = fold_plainly(_by_topic(log), END_MS, TIGHT)
    singly, often = new_fold(TIGHT), new_fold(TIGHT)
    saved: dict[bytes, bytes | None] = {}
    for topic, records in enumerate(log):
        for place, record in enumerate(records):
            singly.fold(topic, [record])
            often.fold(topic, [record])
            if place % 7 == 0:
                often = restarted(often, saved, TIGHT)
    for fold in (singly, often):
        fold.advance(END_MS, "tick")
        assert all_figures(fold) == all_figures(together)
        for room_id, room in fold.rooms.items():
            other = together.rooms[room_id]
            assert room.unpaid == other.unpaid
            assert {key: ledger.users for key, ledger in room.ledgers.items()} == {
                key: ledger.users for key, ledger in other.ledgers.items()
            }
    assert singly.counters.dead_letters == together.counters.dead_letters


def _by_topic(log: Log) -> list[tuple[int, list[Rec]]]:
    return list(enumerate(log))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_sent_again_is_never_in_conflict(seed: int) -> None:
    """Clients that connect anew send records again, as they are: over restarts, and where orders are forgotten."""
    random = Random(seed)
    rules = Rules(
        contract_edition=2,
        remember_ids_ms=random.choice([20_000, 200_000, 3_600_000]),
        remember_orders_ms=random.choice([60_000, 24 * 3_600_000]),
        remember_orders_max=random.choice([5, 500_000]),
        room_idle_ms=random.choice([60_000, 6 * 3_600_000]),
    )
    log = random_log(seed, duration_ms=600_000)
    fold, saved = new_fold(rules), dict[bytes, bytes | None]()
    sent: list[Rec] = []
    for record in log[ORDERS]:
        at_ms = record.timestamp
        pieces = [record]
        while sent and random.random() < 0.5:
            pieces.append(random.choice(sent[-20:] if random.random() < 0.7 else sent)._replace(timestamp=at_ms))
        sent.append(record)
        position = fold.positions[ORDERS]
        fold.advance(at_ms, "tick")
        fold.fold(ORDERS, [each._replace(offset=position + place) for place, each in enumerate(pieces)])
        assert not fold.counters.conflicts
        if random.random() < 0.1:
            fold = restarted(fold, saved, rules)
