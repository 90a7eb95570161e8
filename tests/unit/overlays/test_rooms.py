"""The rooms in Redis for who is on call: what is wrong, in which order, within bounds, whatever lies there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import msgspec
import pytest
from rich.console import Console

from stream.contract.overlay import WithheldReason, room_key
from stream.overlays.rooms import ALERTS, SORTS, RoomState, ordered, room_state, room_states
from stream.view.rooms import rooms_summary, rooms_table
from tests.support.rooms import fold_plainly, random_log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

NOW_MS = 1_795_780_000_000


def document(**changed: Any) -> dict[str, Any]:
    """As little as a document may hold."""
    told: dict[str, Any] = {"schema": "snapup.overlay.v1", "room_id": "room", "epoch": 3, "rev": 9}
    told |= {"as_of_ms": NOW_MS - 200, "stale_after_ms": NOW_MS + 3_000, "clock": {"source": "tick", "lag_ms": 150}}
    told |= {"totals": {"watching_now": 12, "orders": {"placed": 5, "paid": 4}}, "sales": [], "withheld": []}
    return told | {"urgency": {"level": "calm"}} | changed


def state(**changed: Any) -> RoomState:
    return room_state("room", msgspec.json.encode(document(**changed)), NOW_MS)


def test_a_room_that_is_well_has_no_alert() -> None:
    found = state()
    assert (found.alerts, found.age_ms, found.lag_ms, found.orders_placed) == ([], 200, 150, 5)
    assert (found.epoch, found.rev, found.watching_now, found.ended) == (3, 9, 12, False)


SALE = {"status": "open", "oversold": 0, "over_limit": 0}


@pytest.mark.parametrize(
    ("changed", "alerts"),
    [
        ({"stale_after_ms": NOW_MS - 1}, ["stale"]),
        ({"stale_after_ms": NOW_MS}, []),
        ({"stale_after_ms": NOW_MS - 1, "session": {"ended_at_ms": NOW_MS - 5}}, []),
        ({"stale_after_ms": NOW_MS - 1, "session": {"ended_at_ms": None}}, ["stale"]),
        ({"sales": [SALE, SALE | {"oversold": 2}]}, ["oversold"]),
        ({"sales": [SALE | {"over_limit": 2}]}, ["over_limit"]),
        ({"clock": {"source": "log", "lag_ms": 9_000}}, ["backlog"]),
        ({"clock": {"source": "tick", "lag_ms": 9_000}}, []),
        ({"room_id": "other"}, ["another_room"]),
        ({"withheld": [{"reason": "suspected_fake_orders"}]}, ["withheld_suspected_fake_orders"]),
        ({"withheld": [{"reason": "a_word_of_later"}, {"reason": "stale"}]}, ["withheld_a_word_of_later"]),
        ({"withheld": [{"reason": "sample_too_small"}, {"reason": "sale_not_open"}]}, []),
        ({"urgency": {"level": "a word of later"}, "sales": [SALE | {"status": "a word of later"}]}, []),
    ],
)
def test_each_thing_that_is_wrong_is_said(changed: dict[str, Any], alerts: list[str]) -> None:
    assert state(**changed).alerts == alerts


def test_only_faults_of_the_data_are_alerts_among_the_reasons_to_withhold() -> None:
    """A forecast that would not hold is withheld in every sale: an alert for it would hide those that matter."""
    wrong = {each for each in get_args(WithheldReason) if state(withheld=[{"reason": each}]).alerts}
    assert wrong == {"suspected_fake_orders", "stock_unknown", "records_misplaced"}


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b"[" * 5_000, ValueError("WRONGTYPE"), "text"])
def test_what_is_no_document_is_said_to_be_none(raw: Any) -> None:
    assert room_state("room", raw, NOW_MS).alerts == ["unreadable"]


def test_real_documents_are_read() -> None:
    fold = fold_plainly([(topic, records) for topic, records in enumerate(random_log(3))], NOW_MS)
    for each in fold.publish(None, 1, everything=True):
        found = room_state(each.room_id, each.document, msgspec.json.decode(each.document)["as_of_ms"])
        assert "unreadable" not in found.alerts
        assert found.room_id == each.room_id


def test_the_worst_comes_first() -> None:
    rooms = [
        RoomState(room_id="well", alerts=[]),
        RoomState(room_id="b", alerts=["stale"]),
        RoomState(room_id="old", alerts=["stale"], age_ms=9),
        RoomState(room_id="both", alerts=["stale", "oversold"]),
        RoomState(room_id="fake", alerts=["withheld_suspected_fake_orders"], orders_placed=7, watching_now=1),
        RoomState(room_id="broken", alerts=["unreadable"], lag_ms=100),
    ]
    assert [room.room_id for room in ordered(rooms, "alerts")] == ["broken", "both", "old", "b", "fake", "well"]
    assert ordered(rooms, "lag")[0].room_id == "broken"
    assert ordered(rooms, "orders")[0].room_id == ordered(rooms, "watching")[0].room_id == "fake"
    assert [room.room_id for room in ordered(rooms, "room")] == sorted(room.room_id for room in rooms)
    assert all(len(ordered(rooms, by)) == len(rooms) for by in SORTS)


class FakeRedis:
    """Holds documents; counts what it is asked."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self.documents = documents
        self.batches: list[int] = []

    async def scan(self, match: str, count: int) -> AsyncIterator[list[bytes]]:
        assert match == "live:v1:{room:*}:overlay"
        keys = [key.encode() for key in self.documents]
        for start in range(0, len(keys), count):
            yield keys[start : start + count] * 2  # SCAN may give a key twice

    async def batch(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        self.batches.append(len(commands))
        return [self.documents.get(key) for _, key in commands]

    async def now_ms(self, key: str) -> int:
        assert key
        return NOW_MS


async def test_thousands_of_rooms_are_read_in_batches_and_bounded() -> None:
    raw = msgspec.json.encode(document())
    redis = FakeRedis({room_key("live", f"room-{number}", "overlay"): raw for number in range(5_000)})
    redis.documents["live:v1:{room:no id}:overlay"] = raw
    found = await room_states(cast("Any", redis), "live")
    assert (len(found.rooms), found.complete) == (5_000, True)
    assert max(redis.batches) <= 200
    few = await room_states(cast("Any", redis), "live", max_rooms=1_500)
    assert (len(few.rooms), few.complete) == (1_500, False)
    assert "1,500 or more rooms" in rooms_summary(few.rooms, complete=False)


async def test_a_node_that_is_gone_is_no_broken_document() -> None:
    redis = FakeRedis({room_key("live", "room", "overlay"): cast("Any", OSError("gone"))})
    with pytest.raises(OSError, match="gone"):
        await room_states(cast("Any", redis), "live")


def test_the_table_takes_hostile_names_and_words() -> None:
    rooms = [RoomState(room_id="a", alerts=["stale", "withheld_\x1b[31m"], level="[red]x", withheld={"\x1b": 2})]
    console = Console(record=True, width=160)
    console.print(rooms_table(rooms))
    said = console.export_text()
    assert "\x1b" not in said
    assert "[red]x" in said


def test_every_alert_is_explained_where_operators_look() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
    assert [name for name in ALERTS if f"| `{name}" not in page] == []
