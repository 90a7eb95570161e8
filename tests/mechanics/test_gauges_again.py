"""The rules of gauges at their edges: in the recount, and the same in the worker's section."""

from __future__ import annotations

from itertools import permutations
from random import Random
from typing import Any

import msgspec
import pytest

from stream.contract.events import MAX_AHEAD_MS, MAX_SAFE_INTEGER
from stream.mechanics.gauges.events import Gauge
from stream.mechanics.gauges.recount import GaugesAgain
from stream.mechanics.gauges.show import Course, GaugesPlanned, build
from tests.mechanics.test_laws import Saving, new_fold, parts, records_of, rules_of
from tests.mechanics.test_outer_laws import T0_MS, Beside
from tests.support.mechanics import EACH
from tests.support.rooms import INTERACTIONS

BOUND_MS = 120_000
NOW_MS = T0_MS + 1_000


def gauge(event_id: str = "e1", at_ms: int = 0, source: str = "tiktok", **said: Any) -> Gauge:
    return Gauge(event_id=event_id, room_id="r1", event_time_ms=T0_MS + at_ms, source=source, **said)


class Evening:
    """Gauges in one room, counted by both; all of them are stored a second after the beginning."""

    def __init__(self, *events: Gauge, **limits: int) -> None:
        self.beside = Beside(**limits)
        self.add(*events)

    def add(self, *events: Gauge, stored_ms: int = NOW_MS) -> None:
        for event in events:
            self.beside.add("interactions", msgspec.json.encode(event), b"r1", stored_ms)

    def figures(self, at_ms: int = NOW_MS) -> dict[str, Any]:
        """Of the recount; the section says the same, and every event is in it."""
        looked, found = self.beside.differences(at_ms)
        assert (looked > 0, found) == (True, [])
        figures: dict[str, Any] = self.beside.recount.room("r1", at_ms).mechanics["gauges"]
        assert self.section().known_for_ms == figures["known_for_ms"]
        events = sum(value for name, value in figures.items() if name.endswith(".events"))
        assert events + figures["beyond"] == self.beside.recount.accounts.applied
        return figures

    def section(self) -> Any:
        ((_, _, part),) = parts(self.beside.fold)
        return part.mechanic.section(self.beside.fold.clock_ms)

    def sources(self) -> list[tuple[str, int]]:
        return [(each.source, each.events) for each in self.section().sources]


def reading(figures: dict[str, Any], name: str) -> tuple[int, int, str] | None:
    """Value, ms since the beginning and precision; None: it is not known."""
    if f"{name}.value" not in figures:
        assert figures[name] is None
        return None
    return figures[f"{name}.value"], figures[f"{name}.at_ms"] - T0_MS, figures[f"{name}.precision"]


# -- what was said last ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_latest_by_event_time_is_shown_in_any_order_of_arrival(order: tuple[int, ...]) -> None:
    events = [gauge(f"e{3 - number}", number, viewers_now=(70, 90, 80)[number]) for number in range(3)]
    figures = Evening(*(events[place] for place in order)).figures()
    assert reading(figures, "sources.1.viewers_now.latest") == (80, 2, "exact")
    assert reading(figures, "sources.1.viewers_now.peak") == (90, 1, "exact")
    assert reading(figures, "viewers_now") == (80, 2, "exact")


def test_of_one_millisecond_the_greater_event_id_as_text_is_later() -> None:
    events = [gauge("e9", 5, viewers_now=70), gauge("e10", 5, viewers_now=90), gauge("e91", 4, viewers_now=95)]
    for order in permutations(events):
        assert reading(Evening(*order).figures(), "sources.1.viewers_now.latest") == (70, 5, "exact")


def test_what_is_not_said_stays_as_it_was() -> None:
    evening = Evening(gauge("e1", 1, viewers_now=70, likes_total=9), gauge("e2", 2, likes_total=10))
    assert reading(evening.figures(), "sources.1.viewers_now.latest") == (70, 1, "exact")
    assert reading(evening.figures(), "sources.1.likes_total.latest") == (10, 2, "exact")
    assert evening.figures()["sources.1.viewers_total"] is None


def test_an_event_without_a_figure_says_that_its_source_was_heard() -> None:
    evening = Evening(gauge())
    assert evening.sources() == [("tiktok", 1)]
    assert evening.figures()["viewers_now"] is None
    assert evening.figures()["sources.1.viewers_now"] is None


def test_nobody_watches_is_a_figure() -> None:
    figures = Evening(gauge("e1", 1, viewers_now=3), gauge("e2", 2, viewers_now=0)).figures()
    assert reading(figures, "viewers_now") == (0, 2, "exact")


def test_a_total_that_falls_is_shown_as_it_is_said() -> None:
    figures = Evening(gauge("e1", 1, viewers_total=900), gauge("e2", 2, viewers_total=880)).figures()
    assert reading(figures, "sources.1.viewers_total.latest") == (880, 2, "exact")
    assert reading(figures, "sources.1.viewers_total.peak") == (900, 1, "exact")


def test_a_record_that_comes_again_is_the_same_event() -> None:
    evening = Evening(gauge("e1", 1, viewers_now=7), gauge("e1", 1, viewers_now=7), gauge("e2", 2, viewers_now=7))
    assert evening.sources() == [("tiktok", 2)]
    assert evening.beside.recount.accounts.duplicate == 1


def test_a_precision_that_is_not_said_is_exact() -> None:
    for said, shown in ((None, "exact"), ("exact", "exact"), ("rounded", "rounded"), ("at_least", "at_least")):
        figures = Evening(gauge(popularity=12_000, precision=said)).figures()
        assert reading(figures, "sources.1.popularity.latest") == (12_000, 0, shown)


# -- how long it is known ----------------------------------------------------------------------------------------------
def test_a_figure_goes_out_to_the_millisecond_and_its_peak_stays() -> None:
    evening = Evening(gauge("e1", 0, viewers_now=70, likes_total=5), gauge("e2", 300, likes_total=6))
    before, after = (evening.figures(T0_MS + BOUND_MS + away_ms) for away_ms in (-1, 0))
    assert reading(before, "sources.1.viewers_now.latest") == reading(before, "viewers_now") == (70, 0, "exact")
    assert reading(after, "sources.1.viewers_now.latest") is None
    assert reading(after, "viewers_now") is None
    assert reading(after, "sources.1.viewers_now.peak") == (70, 0, "exact")
    assert reading(after, "sources.1.likes_total.latest") == (6, 300, "exact")
    assert reading(evening.figures(T0_MS + BOUND_MS + 300), "sources.1.likes_total.latest") is None


def test_how_long_it_is_known_is_a_setting_and_the_document_says_it() -> None:
    evening = Evening(gauge(viewers_now=70), known_for_ms=5_000)
    assert reading(evening.figures(T0_MS + 4_999), "viewers_now") == (70, 0, "exact")
    assert evening.figures(T0_MS + 5_000)["known_for_ms"] == 5_000
    assert reading(evening.figures(T0_MS + 5_000), "viewers_now") is None


def test_a_figure_that_arrives_too_old_is_in_the_peak_only() -> None:
    evening = Evening(gauge(viewers_now=9_000, at_ms=-BOUND_MS))
    assert reading(evening.figures(), "sources.1.viewers_now.latest") is None
    assert reading(evening.figures(), "sources.1.viewers_now.peak") == (9_000, -BOUND_MS, "exact")


def test_an_older_figure_does_not_come_back_when_the_latest_goes_out() -> None:
    evening = Evening(gauge("e1", 900, viewers_now=70), gauge("e2", 100, viewers_now=60))
    assert reading(evening.figures(T0_MS + BOUND_MS + 900), "sources.1.viewers_now.latest") is None


def test_a_clock_that_is_ahead_looks_newer_by_that() -> None:
    evening = Evening()
    evening.add(gauge(viewers_now=70, at_ms=MAX_AHEAD_MS), stored_ms=T0_MS)
    assert reading(evening.figures(T0_MS), "viewers_now") == (70, MAX_AHEAD_MS, "exact")
    assert reading(evening.figures(T0_MS + MAX_AHEAD_MS + BOUND_MS - 1), "viewers_now") is not None
    assert reading(evening.figures(T0_MS + MAX_AHEAD_MS + BOUND_MS), "viewers_now") is None


# -- the peak ----------------------------------------------------------------------------------------------------------
def test_of_equal_peaks_the_one_that_claims_more_and_then_the_first() -> None:
    said = [(3, "rounded"), (9, "exact"), (7, "exact"), (8, "rounded")]
    events = [gauge(f"e{at_ms}", at_ms, viewers_now=50, precision=precision) for at_ms, precision in said]
    for order in permutations(events):
        assert reading(Evening(*order).figures(), "sources.1.viewers_now.peak") == (50, 7, "exact")
        more = [*order, gauge("e10", 10, viewers_now=50, precision="at_least"), gauge("e1", 1, viewers_now=49)]
        for all_of_them in (more, more[::-1]):
            peak = reading(Evening(*all_of_them).figures(), "sources.1.viewers_now.peak")
            assert peak == (50, 10, "at_least")


def test_the_greatest_number_of_the_contract_is_kept_as_it_is() -> None:
    figures = Evening(gauge(popularity=MAX_SAFE_INTEGER)).figures()
    assert reading(figures, "sources.1.popularity.peak") == (MAX_SAFE_INTEGER, 0, "exact")


# -- sources -----------------------------------------------------------------------------------------------------------
def test_sources_are_never_added_and_the_first_by_name_says_how_many_watch() -> None:
    events = [
        gauge("e1", 1, "tiktok", viewers_now=18_000),
        gauge("e2", 2, "douyin", viewers_now=31_000, precision="at_least"),
        gauge("e3", 900, "bilibili", viewers_now=500),
        gauge("e4", 3, "cctv", likes_total=4),
    ]
    evening = Evening(*events)
    assert [name for name, _ in evening.sources()] == ["cctv", "douyin", "tiktok", "bilibili"]
    figures = evening.figures()
    assert (figures["viewers_now.source"], figures["viewers_now.value"]) == ("douyin", 31_000)
    assert evening.figures(T0_MS + BOUND_MS + 1)["viewers_now.source"] == "douyin"
    assert evening.figures(T0_MS + BOUND_MS + 2)["viewers_now.source"] == "bilibili"
    assert evening.figures(T0_MS + BOUND_MS + 900)["viewers_now"] is None


def test_a_source_is_taken_as_it_is_said() -> None:
    evening = Evening(*(gauge(f"e{name}", 1, name, viewers_now=1) for name in ("TikTok", "tiktok", "-", "null")))
    assert evening.sources() == [("-", 1), ("null", 1), ("TikTok", 1), ("tiktok", 1)]


@pytest.mark.parametrize("order", [*permutations(("ccc", "bb", "aaaa", "bc"))])
def test_beyond_the_bound_the_shortest_names_are_kept_whole_in_any_order(order: tuple[str, ...]) -> None:
    names = (*order, *order, "aaaa")
    events = [gauge(f"e{number}", number, name, viewers_now=number) for number, name in enumerate(names)]
    evening = Evening(*events, sources_max=2)
    assert evening.sources() == [("bb", 2), ("bc", 2)]
    assert evening.figures()["beyond"] == 5
    beyond = evening.beside.fold.shared.mechanics_beyond
    assert {str(key): count for key, count in beyond.items()} == {"('gauges', 'sources_max')": 5}


def test_of_a_source_that_is_let_go_every_event_is_counted() -> None:
    names = ("aaaa", "aaaa", "bb", "aaaa")
    evening = Evening(*(gauge(f"e{number}", 1, name) for number, name in enumerate(names)), sources_max=1)
    assert (evening.sources(), evening.figures()["beyond"]) == ([("bb", 1)], 3)
    assert evening.beside.fold.shared.mechanics_beyond.total() == 3


def test_a_restart_knows_what_was_said_and_what_was_let_go() -> None:
    installed = EACH["gauges"]
    saving = Saving(installed)
    saving.fold = new_fold(installed, rules_of(installed, sources_max=1))
    events = [gauge(f"e{number}", number, name, viewers_now=9 - number) for number, name in enumerate(("bb", "a", "a"))]
    saving.fold.fold(INTERACTIONS, records_of(events))
    saving.cut()
    ((_, _, part),) = parts(saving.fold)
    before = msgspec.to_builtins(part.mechanic.section(T0_MS))
    saving.restart()
    ((_, _, part),) = parts(saving.fold)
    assert msgspec.to_builtins(part.mechanic.section(T0_MS)) == before
    assert (before["beyond"], before["sources"][0]["events"], before["viewers_now"]["value"]) == (1, 2, 7)


def test_at_the_bound_nothing_is_left_out() -> None:
    evening = Evening(*(gauge(f"e{name}", 1, name, viewers_now=1) for name in ("long-name", "bb")), sources_max=2)
    assert (len(evening.sources()), evening.figures()["beyond"]) == (2, 0)
    assert evening.beside.fold.shared.mechanics_beyond.total() == 0


# -- beside what we count ----------------------------------------------------------------------------------------------
def test_nothing_of_it_is_in_what_is_counted_here() -> None:
    evening = Evening(gauge(viewers_now=70, viewers_total=900, likes_total=5_000, popularity=1))
    overlay = evening.beside.fold.overlay("r1", 1)
    assert overlay is not None
    totals = overlay.totals
    assert (totals.viewers.value, totals.views, totals.watching_now, totals.likes) == (0, 0, 0, 0)
    assert [claim.claim for claim in overlay.claims] == []


def test_a_document_leaves_out_what_was_not_said() -> None:
    evening = Evening(gauge(viewers_now=70))
    evening.figures()
    document = msgspec.json.decode(msgspec.json.encode(evening.section()))
    assert document.keys() == {"known_for_ms", "sources", "viewers_now"}
    assert document["sources"][0].keys() == {"source", "events", "viewers_now"}
    evening.figures(T0_MS + BOUND_MS)
    document = msgspec.json.decode(msgspec.json.encode(evening.section()))
    assert document.keys() == {"known_for_ms", "sources"}
    assert document["sources"][0]["viewers_now"].keys() == {"peak"}


def test_before_the_first_event_there_is_nothing() -> None:
    assert GaugesAgain(GaugesAgain.LIMITS).figures(T0_MS) == {}


def test_a_plan_knows_what_is_silent_for_too_long_at_its_end() -> None:
    for last_ms, known in ((59_999, False), (60_000, False), (60_001, True)):
        plan = GaugesPlanned("r1", "t", 180_000)
        plan.source(Random(1), "tiktok", (1, 2, last_ms), {"viewers_now": Course(50, 20)})
        assert max(event.viewers_now or 0 for event in plan.events()) == 50
        assert (plan.figures().get("sources.1.viewers_now.latest.value") == 20) is known
        assert ("viewers_now.source" in plan.figures()) is known
        assert plan.figures()["sources.1.viewers_now.peak.value"] == 50


def test_at_the_end_of_the_show_one_platform_is_not_known_and_another_says_how_many_watch() -> None:
    figures = build(1).expected.rooms[0].mechanics["gauges"]
    assert (figures["sources.1.source"], figures["sources.1.viewers_now.latest"]) == ("cctv", None)
    assert (figures["viewers_now.source"], figures["viewers_now.precision"]) == ("douyin", "at_least")
