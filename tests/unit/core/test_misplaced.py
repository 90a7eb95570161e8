from __future__ import annotations

import msgspec
import pytest

from stream.contract.events import TOPIC_NAMES
from stream.contract.partitioner import partition_of
from stream.contract.refusal import Reason, refuse
from stream.core.misplaced import ROOMS_MAX, TELL_EVERY_MS, Misplaced
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from tests.support.rooms import T0_MS, TOPICS, Rec

PARTITIONS = 3
ORDERS, SALES, INTERACTIONS = map(TOPIC_NAMES.index, ("orders", "sales", "interactions"))
HOME = partition_of(b"r1", PARTITIONS)
SAVED = object()
RULES = Rules(murmur2_partitions=PARTITIONS, remember_sales_ms=86_400_000)


def record(at: int, **event: object) -> Rec:
    told = {"event_id": f"e{at}", "room_id": "r1", "event_time_ms": T0_MS, **event}
    return Rec(msgspec.json.encode(told), b"r1", at, T0_MS)


def order(offset: int) -> Rec:
    line = {"sku_id": "k1", "quantity": 1, "amount_minor": 1, "sale_id": "s1"}
    return record(
        offset, type="order", user_id="u1", order_id=f"o{offset}", status="paid", currency="CNY", lines=[line]
    )


def met(misplaced: Misplaced, offset: int, room_id: str) -> None:
    letter = refuse(Reason.MISPLACED_KEY, "elsewhere")
    misplaced.meet(ORDERS, Rec(b"{}", room_id.encode(), offset, T0_MS), letter)


def test_a_room_is_told_at_once_and_then_once_a_minute_of_all_that_came_since() -> None:
    misplaced = Misplaced(1, PARTITIONS)
    assert misplaced.take(T0_MS, SAVED) == []
    misplaced.meet(ORDERS, order(5), refuse(Reason.TOO_OLD, "old"))
    assert misplaced.take(T0_MS, SAVED) == []
    for offset in (7, 8):
        met(misplaced, offset, "r1")
    (notice,) = misplaced.take(T0_MS, SAVED)
    assert notice.partition == HOME
    event = notice.event
    assert (event.room_id, event.topic, event.partition, event.offset, event.count) == ("r1", "orders", 1, 7, 2)
    assert event.event_time_ms == T0_MS
    met(misplaced, 9, "r1")
    met(misplaced, 10, "r2")
    assert [each.event.room_id for each in misplaced.take(T0_MS + TELL_EVERY_MS - 1, SAVED)] == ["r2"]
    (notice,) = misplaced.take(T0_MS + TELL_EVERY_MS, SAVED)
    assert (notice.event.offset, notice.event.count) == (9, 1)
    assert notice.event.event_id != event.event_id


def test_what_is_remembered_of_them_is_bounded() -> None:
    misplaced = Misplaced(1, PARTITIONS)
    for number in range(ROOMS_MAX + 10):
        met(misplaced, number, f"r{number}")
    assert len(misplaced.take(T0_MS, SAVED)) == ROOMS_MAX


def test_a_partition_refuses_what_belongs_elsewhere_and_says_whom_to_tell() -> None:
    fold = PartitionFold((HOME + 1) % PARTITIONS, RULES, TOPICS)
    fold.fold(ORDERS, [order(0), order(1)])
    cut = fold.cut(1)
    assert {refused.letter.reason.value for refused in cut.refused} == {"misplaced_key"}
    assert fold.rooms == {}
    (notice,) = cut.notices
    assert (notice.partition, notice.event.count) == (HOME, 2)


def test_where_nobody_checks_nothing_is_misplaced() -> None:
    fold = PartitionFold((HOME + 1) % PARTITIONS, Rules(), TOPICS)
    fold.fold(ORDERS, [order(0)])
    assert fold.cut(1).notices == []
    assert fold.rooms.keys() == {"r1"}


@pytest.mark.parametrize("restored", [False, True])
def test_a_room_that_was_told_says_nothing_about_stock_until_its_session_ends(restored: bool) -> None:  # noqa: FBT001
    fold = PartitionFold(HOME, RULES, TOPICS)
    opened = record(0, type="sale_opened", sale_id="s1", sku_id="k1", offered=1, starts_at_ms=T0_MS)
    fold.fold(SALES, [opened])
    fold.advance(T0_MS, "tick")
    before = fold.overlay("r1")
    assert before is not None
    assert [(each.claim, each.reason) for each in before.withheld if each.claim == "stock_left"] == [
        ("stock_left", "above_display_threshold")
    ]
    state = dict(fold.cut(1).records)
    told = record(0, event_id="m", type="records_misplaced", topic="orders", partition=1, offset=7, count=5)
    fold.fold(INTERACTIONS, [told])
    fold.fold(INTERACTIONS, [told._replace(offset=1)])  # twice is once
    state |= dict(fold.cut(1).records)
    if restored:
        fresh = PartitionFold(HOME, RULES, TOPICS)
        for key, value in state.items():
            if value is not None:
                fresh.load(key, value)
        fresh.loaded(fold.positions, fold.clock_ms)
        fold = fresh
    for each in (fold.overlay("r1"), msgspec.json.decode(fold.publish(None, 1, everything=True)[0].document)):
        document = msgspec.to_builtins(each)
        reasons = {said["claim"]: said["reason"] for said in document["withheld"]}
        assert reasons["stock_left"] == reasons["eta_sellout"] == "records_misplaced"
        assert not {"stock_left", "sold_out", "eta_sellout"} & {said["claim"] for said in document["claims"]}
    fold.advance(T0_MS + RULES.room_idle_ms + 1_000, "tick")
    assert fold.rooms == {}
    later = record(1, type="sale_restocked", sale_id="s1", sku_id="k1", quantity=1)
    fold.fold(SALES, [later._replace(timestamp=T0_MS + RULES.room_idle_ms + 1_000)])
    assert not fold.rooms["r1"].misplaced
