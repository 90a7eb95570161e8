"""What holds for every log of orders, whatever its shops send: the laws that several property tests ask for."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from stream.commands.replay_claims import check_recording
from stream.verify.claim_check import NOT_RECOUNTED, RIGHT, WRONG
from tests.support.rooms import (
    ORDERS,
    SALES,
    T0_MS,
    Rec,
    all_figures,
    fold_plainly,
    new_fold,
    recording_of,
    restarted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream.core.partition import PartitionFold
    from stream.core.rules import Rules
    from stream.verify.figures import RoomFigures
    from tests.support.rooms import Log

# So low that short logs have claims to make.
EASY = {"watching_min": 2, "in_carts_min": 1, "bought_min_orders": 1, "stock_left_share_max": 0.6}


def in_append_order(log: Log) -> list[tuple[int, Rec]]:
    """(topic, record) of all records, by the time of their append."""
    found = ((topic, record) for topic, records in enumerate(log) for record in records)
    return sorted(found, key=lambda each: each[1].timestamp)


def heads_of(fold: PartitionFold) -> list[tuple[bytes, bytes | None]]:
    """The heads of all rooms as a checkpoint has them, without their revisions."""
    for room in fold.rooms.values():
        room.rev = room.rev_saved = 0
    fold._life.unsaved.update(fold.rooms)
    return [record for record in fold.cut(4).records if record[0].startswith(b"r|")]


def restarts_change_nothing(log: Log, rules: Rules, seed: int, end_ms: int) -> None:
    """A partition that others take over again and again shows and saves what one does that goes on."""
    random = Random(seed)
    straight, fold, saved = new_fold(rules), new_fold(rules), dict[bytes, bytes | None]()
    for topic, record in in_append_order(log):
        for each in (straight, fold):
            each.fold(topic, [record])
            each.advance(record.timestamp, "tick")
        if random.random() < 0.08:
            fold = restarted(fold, saved, rules)
    for each in (straight, fold):
        each.advance(end_ms, "tick")
        for room_id, room in each.rooms.items():
            room.rev = straight.rooms[room_id].rev
    assert {room_id: fold.overlay(room_id) for room_id in fold.rooms} == {
        room_id: straight.overlay(room_id) for room_id in straight.rooms
    }
    assert heads_of(fold) == heads_of(straight)


def orders_are_a_set(log: Log, rules: Rules, seed: int, at_ms: int) -> None:
    """The same records of orders at one moment, in another order, and some of them again, come to the same."""
    random = Random(seed)
    one_moment = [
        record._replace(value=msgspec.json.encode({**msgspec.json.decode(record.value or b""), "event_time_ms": at_ms}))
        for record in log[ORDERS]
    ]
    found = []
    for _ in range(3):
        shuffled = random.sample(one_moment, len(one_moment)) + random.sample(one_moment, 20)
        records = [Rec(record.value, record.key, offset, at_ms) for offset, record in enumerate(shuffled)]
        fold = fold_plainly([(ORDERS, records)], at_ms, rules)
        assert not fold.counters.dead_letters
        found.append({room_id: _told(figures) for room_id, figures in all_figures(fold).items()})
    assert found[0] == found[1] == found[2]


def _told(figures: RoomFigures) -> Any:
    sales = {
        key: (sale.held, sale.sold, sale.released, sale.gone, sale.suspicions) for key, sale in figures.sales.items()
    }
    return figures.orders, figures.money, figures.rates, sales


def holds_are_a_set(log: Log, rules: Rules, seed: int, at_ms: int) -> None:
    """Records of orders and sales in any order, some of them again, while the clock ends holds, come to the same."""
    random = Random(seed)
    # So that the effective time of every record is its event time, in whatever order it comes.
    late = msgspec.structs.replace(rules, allowed_lateness_ms=3_600_000)
    records = [(ORDERS, _of_its_time(record)) for record in log[ORDERS]] + [(SALES, record) for record in log[SALES]]
    found = []
    for _ in range(3):
        fold, clock_ms = new_fold(late), T0_MS
        for topic, record in random.sample(records, len(records)) + random.sample(records, 20):
            clock_ms += 250
            fold.fold(topic, [record._replace(timestamp=clock_ms, offset=fold.positions[topic])])
            fold.advance(clock_ms, "tick")
        fold.advance(at_ms, "tick")
        figures_of = all_figures(fold).items()
        found.append({room: (figures.orders, figures.money, stock_of(figures)) for room, figures in figures_of})
    assert found[0] == found[1] == found[2]


def _of_its_time(record: Rec) -> Rec:
    """All records that say the same of an order say when it was so."""
    event = msgspec.json.decode(record.value or b"")
    random = Random(f"{event['room_id']} {event['order_id']} {event['status']}")
    return record._replace(value=msgspec.json.encode({**event, "event_time_ms": T0_MS + random.randrange(60_000)}))


def stock_of(figures: RoomFigures) -> Any:
    """Of each sale, its units by standing."""
    return {key: (sale.held, sale.sold, sale.released, sale.gone) for key, sale in figures.sales.items()}


def ledgers_balance(figures_of: Mapping[str, RoomFigures]) -> None:
    """Each unit that a sale ever had stands in one place."""
    for figures in figures_of.values():
        for sale in figures.sales.values():
            if sale.offered is not None:
                ours = sale.offered + sale.restocked + sale.oversold
                assert ours == (sale.available or 0) + sale.held + sale.sold + sale.gone


def claims_follow(log: Log, rules: Rules, least: int = 1_000) -> None:
    """All claims of its documents, of which there are more than `least`, are recomputed from the log, and are right."""
    tally = check_recording(recording_of(log), rules, "live", every_ms=370)
    assert tally.told == []
    assert (tally.of(WRONG), tally.of(NOT_RECOUNTED)) == (0, 0)
    assert tally.of(RIGHT) > least
