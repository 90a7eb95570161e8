"""Order of arrival changes nothing but the moment at which a figure was true; twice is once."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.support.rooms import T0_MS, all_figures, fold_plainly, random_log, slices

if TYPE_CHECKING:
    from stream.core.partition import PartitionFold
    from stream.verify.figures import RoomFigures
    from tests.support.rooms import Log, Rec

# All is stored at one moment; nothing in the log is older than the allowed lateness then.
STORED_MS = T0_MS + 45_000
END_MS = STORED_MS + 3_600_000


def at_one_moment(seed: int) -> Log:
    """Records whose event times lie within the allowed lateness, all appended at the same time."""
    log = random_log(seed, events=250, duration_ms=40_000)
    return [[_dated(record) for record in records] for records in log]


def _dated(record: Rec) -> Rec:
    try:
        event = msgspec.json.decode(record.value or b"")
    except msgspec.DecodeError:
        return record._replace(timestamp=STORED_MS)
    event["event_time_ms"] = max(event["event_time_ms"], STORED_MS - 60_000)
    return record._replace(value=msgspec.json.encode(event), timestamp=STORED_MS)


def shuffled(log: Log, random: Random) -> Log:
    """Every topic in another order, under new offsets."""
    mixed = []
    for records in log:
        order = records.copy()
        random.shuffle(order)
        mixed.append([record._replace(offset=offset) for offset, record in enumerate(order)])
    return mixed


def lasting(fold: PartitionFold) -> dict[str, RoomFigures]:
    """All figures but those of windows: of two records with one status, the one that comes first says when it was."""
    return {
        room_id: msgspec.structs.replace(
            figures, rates={key: rate for key, rate in figures.rates.items() if key.window_ms is None}
        )
        for room_id, figures in all_figures(fold).items()
    }


@pytest.mark.parametrize("seed", range(25))
def test_the_order_of_arrival_changes_no_figure_of_the_session(seed: int) -> None:
    log, random = at_one_moment(seed), Random(seed)
    expected = lasting(fold_plainly(slices(log, random), END_MS))
    for _ in range(3):
        fold = fold_plainly(slices(shuffled(log, random), random), END_MS)
        assert lasting(fold) == expected


@pytest.mark.parametrize("seed", range(15))
def test_everything_twice_in_any_order_is_everything_once(seed: int) -> None:
    log, random = at_one_moment(seed), Random(seed)
    once = fold_plainly(slices(log, random), END_MS)
    twice = [[record._replace(offset=offset) for offset, record in enumerate(records + records)] for records in log]
    again = fold_plainly(slices(shuffled(twice, random), random), END_MS)
    assert lasting(again) == lasting(once)
    assert sum(again.counters.applied) == sum(once.counters.applied)
    assert sum(again.counters.dead_lettered) == 2 * sum(once.counters.dead_lettered)


@pytest.mark.parametrize("seed", range(10))
def test_planned_restocks_and_limits_do_not_depend_on_the_order_of_arrival(seed: int) -> None:
    log, random = at_one_moment(seed), Random(seed)

    def terms(fold: PartitionFold) -> dict[tuple[str, str, str], tuple[object, ...]]:
        return {
            (room_id, *key): (ledger.restock_planned, ledger.limit, ledger.opened, ledger.suspect_held)
            for room_id, room in fold.rooms.items()
            for key, ledger in room.ledgers.items()
        }

    planned = [[_with_plan(record) for record in records] for records in log]
    expected = terms(fold_plainly(slices(planned, random), END_MS))
    assert any(found[0][1] > 0 for found in expected.values() if isinstance(found[0], tuple))
    for _ in range(3):
        assert terms(fold_plainly(slices(shuffled(planned, random), random), END_MS)) == expected


def _with_plan(record: Rec) -> Rec:
    value = record.value or b""
    if b'"sale_opened"' not in value and b'"sale_restocked"' not in value:
        return record
    event = msgspec.json.decode(value)
    # The plan belongs to the event: the same in each of its copies.
    of_event = Random(str(event["event_id"]))
    if of_event.random() < 0.6:
        event["restock_planned_at_ms"] = T0_MS + of_event.randrange(100_000)
    return record._replace(value=msgspec.json.encode(event))
