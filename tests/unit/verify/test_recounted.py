"""Mechanics in the recount: handed in from above, noted by session, compared figure by figure."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from stream.contract.events import TOPIC_NAMES
from stream.contract.overlay import Count, Overlay, Session
from stream.contract.reading import read_overlay
from stream.verify.assumptions import Assumptions
from stream.verify.compare import compare
from stream.verify.recount import Recount
from stream.verify.recounted import Mechanics
from stream.verify.rulebook import Rulebook, assumptions_of_rules
from stream.verify.verdict import RoomVerdict, Span
from tests.support.apples import CATALOGUE, KNOWN, MECHANICS, Apples, ApplesAgain, Picker
from tests.unit.contract.test_overlay import EXAMPLE

T = 1_700_000_000_000
ROOM = "r1"


def apple(number: int, user: str, picked: int, at_ms: int = T, **fields: Any) -> dict[str, Any]:
    said = {"type": "apple", "event_id": f"e{number}", "room_id": ROOM, "event_time_ms": at_ms, "tree": "old"}
    return said | {"user_id": user, "picked": picked} | fields


def like(number: int, count: int) -> dict[str, Any]:
    said = {"type": "like", "event_id": f"l{number}", "room_id": ROOM, "event_time_ms": T}
    return said | {"user_id": "a", "count": count}


def counted(*events: dict[str, Any], mechanics: Mechanics = MECHANICS, known: Any = KNOWN) -> Recount:
    recount = Recount(rulebook=Rulebook(Assumptions(mechanics=known), mechanics))
    for event in events:
        topic = "likes" if event["type"] == "like" else "interactions"
        recount.add(topic, msgspec.json.encode(event), ROOM.encode(), T)
    return recount


def figures(recount: Recount, as_of_ms: int = T) -> dict[str, dict[str, Any]]:
    return recount.room(ROOM, as_of_ms).mechanics


def test_a_mechanic_is_counted_from_its_own_events_and_from_those_that_it_hears() -> None:
    recount = counted(like(1, 7), apple(1, "a", 2), apple(2, "b", 5), apple(3, "a", 3), like(2, 1))
    assert figures(recount) == {
        "apples": {
            "apples": 8,
            "pickers": 2,
            "cheers": 8,
            "top.1.who": "b",
            "top.1.apples": 5,
            "top.2.who": "a",
            "top.2.apples": 3,
        }
    }
    assert recount.room(ROOM, T).likes == 8


def test_what_says_nothing_new_and_what_comes_twice_are_duplicates() -> None:
    recount = counted(apple(1, "a", 5), apple(1, "a", 5), apple(2, "a", 4))
    accounts = recount.accounts
    assert (accounts.received, accounts.applied, accounts.duplicate) == (3, 1, 2)
    assert figures(recount)["apples"]["apples"] == 5


def test_a_room_without_events_of_a_mechanic_has_no_figures_of_it() -> None:
    assert figures(counted(like(1, 7))) == {}
    assert figures(Recount(rulebook=Rulebook(Assumptions(mechanics=KNOWN), MECHANICS))) == {}


def test_a_recount_that_was_handed_no_mechanics_refuses_their_events_as_the_contract_does() -> None:
    recount = counted(apple(1, "a", 2), mechanics=Mechanics())
    assert recount.accounts.dead_lettered == {"unknown_type": 1}
    assert figures(recount) == {}


def test_where_the_rules_do_not_know_a_mechanic_its_events_were_refused_and_nothing_was_heard_for_it() -> None:
    recount = counted(like(1, 7), apple(1, "a", 2), known=())
    assert recount.accounts.dead_lettered == {"unknown_type": 1}
    assert figures(recount) == {}


def test_limits_are_those_of_the_rules() -> None:
    said = {"mechanics": {"apples": {"top": 1}}}
    assumptions = assumptions_of_rules(said)
    recount = counted(apple(1, "b", 5), apple(2, "a", 3), known=assumptions.mechanics)
    assert [name for name in figures(recount)["apples"] if name.startswith("top")] == ["top.1.who", "top.1.apples"]
    assert Rulebook(assumptions).used(1)[0].rules["apples.top"] == 1


def test_a_session_has_mechanics_of_its_own() -> None:
    recount = Recount(rulebook=Rulebook(Assumptions(remember_sales_ms=1, mechanics=KNOWN), MECHANICS))
    for offset, picked in enumerate((4, 9)):
        if offset == 1:
            recount.begins(ROOM, T + 10, {"interactions": 1})
        value = msgspec.json.encode(apple(offset, "a", picked))
        recount.add("interactions", value, ROOM.encode(), T, offset=offset, partition=0)
    before = [0] * (len(TOPIC_NAMES) - 1)
    sessions = [None, Session(None, T + 10, None, None, [*before, 1], [*before, 2])]
    found = [recount.room(ROOM, T + 20, None, session).mechanics["apples"]["apples"] for session in sessions]
    assert found == [4, 9]


# -- beside a document -------------------------------------------------------------------------------------------------
SECTION = Apples(8, Count(2, "exact"), 8, [Picker("b", 5), Picker("a", 3)])


def document(section: Apples | None, **changes: Any) -> Overlay:
    raw = EXAMPLE.read_bytes().strip()
    if section is not None:
        raw = raw[:-1] + b',"apples":' + msgspec.json.encode(section) + b"}"
    return replace(read_overlay(raw, CATALOGUE.sections), **changes)


def differing(section: Apples | None, **changes: Any) -> list[tuple[str, Any, Any]]:
    recounted = counted(like(1, 8), apple(1, "b", 5), apple(2, "a", 3)).room(ROOM, T)
    found = compare(recounted, document(section, **changes), None, MECHANICS)
    return [
        (each.name, each.recounted, each.published)
        for each in found
        if not each.agrees and each.name.startswith("apples.")
    ]


def test_a_section_that_says_what_was_counted_agrees_and_every_figure_of_it_is_looked_at() -> None:
    assert differing(SECTION) == []
    recounted = counted(apple(1, "b", 5)).room(ROOM, T)
    names = [each.name for each in compare(recounted, document(SECTION), None, MECHANICS)]
    assert [name for name in names if name.startswith("apples.")] == [
        *("apples.apples", "apples.pickers", "apples.cheers", "apples.top.1.who", "apples.top.1.apples"),
        *("apples.top.2.who", "apples.top.2.apples"),
    ]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"apples": 9}, [("apples.apples", 8, 9)]),
        ({"pickers": Count(3, "exact")}, [("apples.pickers", 2, 3)]),
        ({"top": [Picker("b", 5)]}, [("apples.top.2.who", "a", None), ("apples.top.2.apples", 3, None)]),
        ({"top": [Picker("b", 5), Picker("c", 3)]}, [("apples.top.2.who", "a", "c")]),
    ],
)
def test_each_figure_that_is_off_is_named(change: dict[str, Any], found: list[tuple[str, Any, Any]]) -> None:
    assert differing(replace(SECTION, **change)) == found


def test_an_estimate_may_be_off_by_what_it_says() -> None:
    assert differing(replace(SECTION, pickers=Count(3, "sketch", 0.3))) == []
    assert differing(replace(SECTION, pickers=Count(9, "sketch", 0.3))) == [("apples.pickers", 2, 9)]


def test_a_section_that_is_missing_differs_unless_the_document_says_that_it_was_left_out() -> None:
    assert len(differing(None)) == 7
    assert differing(None, left_out={"apples": 1}) == []


def test_a_section_of_nothing_differs() -> None:
    found = compare(counted().room(ROOM, T), document(SECTION), None, MECHANICS)
    assert [each.name for each in found if each.name == "apples.apples" and not each.agrees] == ["apples.apples"]


def test_a_difference_says_which_records_it_comes_from() -> None:
    recounted = counted(apple(1, "b", 5)).room(ROOM, T)
    spans = [Span("live.interactions", 0, 4, 9), Span("live.orders", 0, 1, 2)]
    verdict = RoomVerdict(room_id=ROOM, saved=compare(recounted, document(SECTION), None, MECHANICS), spans=spans)
    told = [text for text in verdict.told() if "apples.apples" in text]
    assert told == [
        "r1: apples.apples: recounted 5, in live.signals 8; from live.interactions/0@4..9",
    ]


def test_mechanics_and_their_recounts_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="apples"):
        Mechanics((), CATALOGUE)
    with pytest.raises(ValueError, match="apples"):
        Mechanics((ApplesAgain,))
