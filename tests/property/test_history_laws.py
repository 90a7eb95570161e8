"""Histories: a replay makes the same, over crashes and take-overs; and each point is what the log says up to there."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream.contract.events import EDITION
from stream.contract.history import decode_head, history_of
from stream.core.histories import HISTORY_KIND
from stream.core.rules import Rules
from stream.core.saved.journal import decode_segment
from stream.replay.journaled import JournaledPartition
from stream.verify.rulebook import assumptions_of_rules
from tests.property.test_journal import REMEMBERING, Cluster
from tests.support.rooms import ORDERS, T0_MS, TOPICS, fold_merged, random_log, recounted

if TYPE_CHECKING:
    from stream.contract.history import RoomHistory
    from stream.core.partition import PartitionFold
    from tests.support.rooms import Log

RULES = Rules(
    history_step_ms=10_000,
    remember_sales_ms=86_400_000,
    contract_edition=EDITION,
    signals_edition=2,
    ids_by_topic=True,
)
ASSUMPTIONS = assumptions_of_rules(msgspec.structs.asdict(RULES))


def histories(fold: PartitionFold) -> dict[str, RoomHistory]:
    fold.histories_again()
    found = {}
    for each in fold.take_histories():
        head = decode_head(each.head)
        session = head.sessions[-1]
        found[each.room_id] = history_of(head, session, each.closed[session.session_ms])
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_replay_of_the_journal_makes_the_history_that_was_saved(seed: int) -> None:
    random = Random(seed)
    log = random_log(seed, events=400, rooms=3, duration_ms=600_000, words=True)
    rules = msgspec.structs.replace(REMEMBERING, history_step_ms=10_000, contract_edition=EDITION, signals_edition=2)
    cluster = Cluster(log, random, rules)
    cluster.run()
    assert cluster.epoch > 1
    segments = [decode_segment(value, "here") for value in cluster.journal]
    follower = JournaledPartition(3, TOPICS, segments[0], keep_state=True)
    for segment in segments:
        for piece in follower.pieces(segment):
            follower.take(piece, log[piece.topic_index][piece.first : piece.end])
        follower.cut(segment)
    saved = {key: value for key, value in cluster.state.items() if key.startswith(HISTORY_KIND)}
    assert follower._state is not None
    assert {key: value for key, value in follower._state.items() if key.startswith(HISTORY_KIND)} == saved
    assert len(saved) > 3


def counted(log: Log, room_id: str, orders_next_offset: int) -> Counter[str]:
    """What the log says of a room's orders up to an offset, from its beginning."""
    before = [*log]
    before[ORDERS] = log[ORDERS][:orders_next_offset]
    figures = recounted(before, ASSUMPTIONS).room(room_id, T0_MS + 1_000_000)
    found = Counter({currency: money.gmv_paid_minor for currency, money in figures.money.items()})
    found["orders"], found["orders_paid"] = figures.orders["placed"], figures.orders["paid"]
    found["units"] = sum(sale.sold + (sale.former.sold if sale.former else 0) for sale in figures.sales.values())
    return found


def said(found: RoomHistory, place: int) -> Counter[str]:
    """What a point says of the same, from the beginning of the session."""
    points = found.points
    said = Counter({currency: column[place] for currency, column in found.other_gmv_minor.items()})
    said[found.currency or ""] = points.gmv_minor[place]
    said["orders"], said["orders_paid"], said["units"] = (
        points.orders[place],
        points.orders_paid[place],
        points.units[place],
    )
    return said


def without_nothing(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("seed", range(6))
def test_orders_units_and_money_of_each_point_are_recounted_from_the_log(seed: int) -> None:
    log = random_log(seed, events=200, rooms=2, duration_ms=900_000)
    fold = fold_merged(log, Random(seed), T0_MS + 1_000_000, RULES)
    compared = 0
    for room_id, found in histories(fold).items():
        offsets = found.points.orders_next_offset
        before = counted(log, room_id, offsets[0])
        first = said(found, 0)
        if len(found.sessions) == 1:
            assert without_nothing(first) == without_nothing(before)
        for place in range(1, len(offsets), 3):
            grown = counted(log, room_id, offsets[place])
            grown.subtract(before)
            of_points = said(found, place)
            of_points.subtract(first)
            assert without_nothing(of_points) == without_nothing(grown)
            compared += 1
    assert compared > 5
