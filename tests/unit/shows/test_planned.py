"""A mechanic in a plan: its events are sent, its figures are expected, and a document is held against them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from stream.commands.expected_table import expected_tables
from stream.contract.decode import Decoder
from stream.contract.events import TOPIC_NAMES, SaleExtended, SaleOpened
from stream.contract.overlay import Count
from stream.contract.reading import read_overlay
from stream.shows.delivery import Disturbance, deliver
from stream.shows.outcome import figures_planned, unmet
from stream.shows.plan import RoomPlan
from stream.shows.show import Expected, ExpectedRoom
from tests.support.apples import CATALOGUE, Apples, ApplesPlanned, Picker
from tests.unit.contract.test_overlay import EXAMPLE

T0_MS = 1_700_000_000_000
QUIET = Disturbance(seed=1, duration_ms=10_000, repeated_per_10k=0, held_back_per_10k=0)


def planned(pickers: int = 3) -> RoomPlan:
    plan = RoomPlan("r1", "t1", 10_000)
    plan.add(ApplesPlanned("r1", pickers))
    return plan


def test_its_events_are_delivered_as_the_contract_has_them() -> None:
    events = sorted(planned().events, key=lambda event: event.event_time_ms)
    deliveries = [*deliver(events, {}, QUIET, T0_MS)]
    assert {each.topic for each in deliveries} == {"interactions"}
    decoder = Decoder(TOPIC_NAMES.index("interactions"), catalogue=CATALOGUE)
    read = [decoder.decode(each.value, each.key, T0_MS + each.send_ms, ()) for each in deliveries]
    assert [event.event_time_ms - T0_MS for event in read] == [  # type: ignore[union-attr]
        event.event_time_ms for event in events
    ]


def test_what_it_adds_to_the_plan_is_what_its_section_must_say() -> None:
    room = planned().expected()
    assert room.mechanics == {"apples": {"apples": 9, "pickers": 3}}
    assert planned().repeated_statuses == 3
    before = RoomPlan("r1", "t1", 10_000).expected()
    assert figures_planned(room) == figures_planned(before) + 2


def test_a_mechanic_is_planned_once() -> None:
    plan = planned()
    with pytest.raises(ValueError, match="apples is planned twice"):
        plan.add(ApplesPlanned("r1", 1))


@pytest.mark.parametrize(
    ("section", "found"),
    [
        (Apples(9, Count(3, "exact"), 0, [Picker("a", 3)]), []),
        (Apples(9, Count(3, "sketch", 0.01), 0, []), []),
        (Apples(8, Count(3, "exact"), 0, []), ["apples apples: planned 9, shown 8"]),
        (None, ["apples apples: planned 9, shown None", "apples pickers: planned 3, shown None"]),
    ],
)
def test_a_document_is_held_against_the_plan(section: Apples | None, found: list[str]) -> None:
    raw = EXAMPLE.read_bytes().strip()
    if section is not None:
        raw = raw[:-1] + b',"apples":' + msgspec.json.encode(section) + b"}"
    overlay = read_overlay(raw, CATALOGUE.sections)
    off = [text for text in unmet(planned().expected(), overlay) if text.startswith("apples")]
    assert off == found


def test_a_room_without_mechanics_is_told_as_ever() -> None:
    room = RoomPlan("r1", "t1", 10_000).expected()
    assert b"mechanics" not in msgspec.json.encode(room)
    again = msgspec.json.decode(msgspec.json.encode(planned().expected()), type=ExpectedRoom)
    assert again == planned().expected()


@pytest.mark.parametrize(("rooms", "said"), [(1, ["apples apples", "1 200"]), (7, ["apples", "in 7 rooms"])])
def test_the_table_says_what_its_section_must_say(rooms: int, said: list[str]) -> None:
    counts = ("deliveries", "applied", "redelivered", "replayed", "repeated_statuses", "out_of_order", "duration_ms")
    expected = Expected(rooms=[planned(400).expected() for _ in range(rooms)], **dict.fromkeys(counts, 0))
    cells = [cell for table in expected_tables(expected) for column in table.columns for cell in column.cells]
    assert set(said) <= set(cells)


def test_every_moment_of_an_event_is_moved_to_the_time_of_the_show() -> None:
    told: dict[str, Any] = {"event_id": "e", "room_id": "r", "event_time_ms": 5, "sale_id": "s"}
    opened = SaleOpened(**told, sku_id="k", offered=1, starts_at_ms=6, restock_planned_at_ms=8)
    extended = SaleExtended(**told, ends_at_ms=9)
    made = [msgspec.json.decode(each.value) for each in deliver([opened, extended], {}, QUIET, 1_000)]
    assert (made[0]["event_time_ms"], made[0]["starts_at_ms"], made[0]["restock_planned_at_ms"]) == (
        1_005,
        1_006,
        1_008,
    )
    assert made[0]["ends_at_ms"] is None
    assert made[1]["ends_at_ms"] == 1_009
