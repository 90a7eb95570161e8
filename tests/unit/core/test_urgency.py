from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.contract.levels import RAMP
from stream.contract.overlay import Because, Level
from stream.core.rules import Rules
from stream.core.urgency import (
    DEMAND_BANDS,
    ETA_BANDS_S,
    VELOCITY_BANDS,
    SaleFigures,
    UrgencyState,
    leading,
    supported,
)

if TYPE_CHECKING:
    from typing import Any

RULES = Rules()
FALL_MS = RULES.urgency_fall_after_ms


def figures(**changes: Any) -> SaleFigures:
    """An open sale in which nothing speaks for urgency."""
    found = SaleFigures("open", sold_out=False, velocity_ratio=None, demand_ratio=None, eta_s=None, time_left_ms=None)
    for name, value in changes.items():
        assert hasattr(found, name)
        setattr(found, name, value)
    return found


def level_of(**changes: Any) -> Level:
    return supported(figures(**changes), RULES, 1.0)[0]


def at_level(level: Level, now_ms: int = 0) -> UrgencyState:
    return UrgencyState(level, now_ms, -1, [Because("somehow", 1.0, 1.0)])


# -- each rule at its threshold ----------------------------------------------------------------------------------------
def test_nothing_known_is_calm() -> None:
    assert supported(figures(), RULES, 1.0) == ("calm", [])


@pytest.mark.parametrize(("index", "threshold"), list(enumerate([1.5, 2.5, 4.0, 8.0])))
def test_velocity_supports_a_level_from_its_threshold_on(index: int, threshold: float) -> None:
    assert VELOCITY_BANDS[index] == (threshold, RAMP[index + 1])
    assert level_of(velocity_ratio=threshold) == RAMP[index + 1]
    assert level_of(velocity_ratio=threshold - 0.01) == RAMP[index]


@pytest.mark.parametrize(("index", "threshold"), list(enumerate([0.25, 0.5, 1.0, 2.0])))
def test_carts_over_stock_support_a_level_from_their_threshold_on(index: int, threshold: float) -> None:
    assert DEMAND_BANDS[index] == (threshold, RAMP[index + 1])
    assert level_of(demand_ratio=threshold) == RAMP[index + 1]
    assert level_of(demand_ratio=threshold - 0.01) == RAMP[index]


@pytest.mark.parametrize(
    ("index", "threshold", "level", "lower"),
    [
        (0, 300.0, "brisk", "calm"),
        (1, 120.0, "rush", "brisk"),
        (2, 60.0, "snap_up", "rush"),
        (3, 10.0, "last_call", "snap_up"),
    ],
)
def test_a_near_sell_out_supports_a_level_from_its_threshold_down(
    index: int, threshold: float, level: Level, lower: Level
) -> None:
    assert ETA_BANDS_S[index] == (threshold, level)
    assert level_of(eta_s=threshold) == level
    assert level_of(eta_s=threshold + 0.1) == lower


def test_the_last_minute_of_a_sale_is_a_last_call_only_while_it_sells() -> None:
    assert level_of(time_left_ms=RULES.last_call_ms, velocity_ratio=0.1) == "last_call"
    assert level_of(time_left_ms=RULES.last_call_ms + 1, velocity_ratio=0.1) == "calm"
    assert level_of(time_left_ms=RULES.last_call_ms, velocity_ratio=None) == "calm"
    assert level_of(time_left_ms=None, velocity_ratio=0.1) == "calm"


def test_the_highest_supported_level_holds_and_names_every_rule_that_supports_it() -> None:
    level, because = supported(
        figures(velocity_ratio=8.123, demand_ratio=2.5, eta_s=200.0, time_left_ms=999_999), RULES, 1.0
    )
    assert level == "snap_up"
    assert because == [Because("velocity_over_baseline", 8.12, 8.0), Because("carters_over_available", 2.5, 2.0)]


def test_reasons_state_what_was_seen_and_what_was_needed() -> None:
    assert supported(figures(eta_s=59.26), RULES, 1.0)[1] == [Because("eta_below_s", 59.3, 60.0)]
    level, because = supported(figures(time_left_ms=12_345, velocity_ratio=1.0), RULES, 1.0)
    assert (level, because) == ("last_call", [Because("time_left_below_s", 12.3, 60.0)])


def test_a_factor_makes_every_threshold_easier_to_meet() -> None:
    assert supported(figures(velocity_ratio=3.2), RULES, 0.8)[0] == "rush"
    assert supported(figures(velocity_ratio=3.19), RULES, 0.8)[0] == "brisk"
    assert supported(figures(demand_ratio=1.6), RULES, 0.8)[0] == "snap_up"
    assert supported(figures(eta_s=75.0), RULES, 0.8)[0] == "snap_up"
    assert supported(figures(eta_s=75.1), RULES, 0.8)[0] == "rush"


# -- up at once, down late ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ratio", [1.5, 2.5, 4.0, 8.0])
def test_a_level_rises_at_once_and_notes_since_when(ratio: float) -> None:
    urgency = at_level("calm")
    urgency.update(figures(velocity_ratio=ratio), 5_000, RULES)
    assert urgency.level == level_of(velocity_ratio=ratio)
    assert urgency.since_ms == 5_000
    assert urgency.because[0].rule == "velocity_over_baseline"


def test_a_level_that_stays_keeps_its_beginning_and_renews_its_reasons() -> None:
    urgency = at_level("rush", 1_000)
    urgency.update(figures(velocity_ratio=5.0), 5_000, RULES)
    assert (urgency.level, urgency.since_ms) == ("rush", 1_000)
    assert urgency.because == [Because("velocity_over_baseline", 5.0, 4.0)]


def test_a_level_falls_after_the_rules_have_supported_less_for_the_whole_time() -> None:
    urgency = at_level("rush")
    for now_ms in (10_000, 10_000 + FALL_MS // 2, 10_000 + FALL_MS - 1):
        urgency.update(figures(), now_ms, RULES)
        assert urgency.level == "rush"
    urgency.update(figures(), 10_000 + FALL_MS, RULES)
    assert (urgency.level, urgency.since_ms, urgency.because) == ("calm", 10_000 + FALL_MS, [])


def test_a_level_falls_to_what_the_rules_support_not_to_the_next_one() -> None:
    urgency = at_level("last_call")
    urgency.update(figures(velocity_ratio=1.6), 10_000, RULES)
    urgency.update(figures(velocity_ratio=1.6), 10_000 + FALL_MS, RULES)
    assert urgency.level == "warming"
    assert urgency.because == [Because("velocity_over_baseline", 1.6, 1.5)]


def test_a_fall_that_is_interrupted_begins_anew() -> None:
    urgency = at_level("rush")
    urgency.update(figures(), 10_000, RULES)
    urgency.update(figures(velocity_ratio=4.0), 12_000, RULES)
    assert urgency.below_since_ms == -1
    urgency.update(figures(), 13_000, RULES)
    urgency.update(figures(), 13_000 + FALL_MS - 1, RULES)
    assert urgency.since_ms == 0
    urgency.update(figures(), 13_000 + FALL_MS, RULES)
    assert (urgency.level, urgency.since_ms) == ("calm", 13_000 + FALL_MS)


def test_a_little_less_than_the_threshold_holds_the_level_and_interrupts_a_fall() -> None:
    urgency = at_level("rush")
    urgency.update(figures(velocity_ratio=3.1), 10_000, RULES)
    assert urgency.below_since_ms == 10_000
    urgency.update(figures(velocity_ratio=3.3), 11_000, RULES)
    assert urgency.below_since_ms == -1
    assert urgency.because == [Because("velocity_over_baseline", 3.3, 4.0)]
    for now_ms in range(12_000, 60_000, 1_000):
        urgency.update(figures(velocity_ratio=3.3), now_ms, RULES)
        assert (urgency.level, urgency.since_ms) == ("rush", 0)


def test_a_new_rise_during_a_fall_ends_the_fall() -> None:
    urgency = at_level("brisk")
    urgency.update(figures(), 10_000, RULES)
    urgency.update(figures(velocity_ratio=9.0), 11_000, RULES)
    assert (urgency.level, urgency.since_ms, urgency.below_since_ms) == ("snap_up", 11_000, -1)
    urgency.update(figures(), 10_000 + FALL_MS, RULES)
    assert urgency.level == "snap_up"


def test_a_figure_that_crosses_a_threshold_back_and_forth_does_not_flicker() -> None:
    urgency, changes, before = at_level("calm"), 0, "calm"
    for step in range(200):
        urgency.update(figures(velocity_ratio=4.0 if step % 2 else 3.9), step * 1_000, RULES)
        changes += urgency.level != before
        before = urgency.level
    assert changes == 2  # calm → brisk at 3.9, → rush at 4.0; never back
    assert before == "rush"


# -- what no figure can move -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "sold_out", "level"),
    [
        ("open", True, "sold_out"),
        ("ended", False, "ended"),
        ("ended", True, "ended"),
        ("scheduled", False, "unknown"),
        ("scheduled", True, "unknown"),
        ("unknown", False, "unknown"),
    ],
)
def test_a_sale_that_is_not_selling_has_its_own_level_at_once(status: str, sold_out: bool, level: Level) -> None:  # noqa: FBT001
    urgency = at_level("snap_up")
    urgency.update(figures(status=status, sold_out=sold_out, velocity_ratio=99.0), 7_000, RULES)
    assert (urgency.level, urgency.since_ms, urgency.because) == (level, 7_000, [])


@pytest.mark.parametrize("fixed", ["sold_out", "ended", "unknown"])
def test_a_sale_that_sells_again_goes_straight_to_what_the_rules_support(fixed: Level) -> None:
    urgency = at_level(fixed)
    urgency.below_since_ms = 3
    urgency.update(figures(velocity_ratio=1.6), 8_000, RULES)
    assert (urgency.level, urgency.since_ms, urgency.below_since_ms) == ("warming", 8_000, -1)


def test_an_update_says_whether_there_is_something_to_remember() -> None:
    urgency = at_level("rush")
    assert urgency.update(figures(velocity_ratio=4.5), 1_000, RULES)  # other reasons
    assert not urgency.update(figures(velocity_ratio=4.5), 2_000, RULES)
    assert urgency.update(figures(), 3_000, RULES)  # begins to fall
    assert not urgency.update(figures(), 4_000, RULES)
    assert urgency.update(figures(), 3_000 + FALL_MS, RULES)  # falls
    assert not urgency.update(figures(), 4_000 + FALL_MS, RULES)
    assert urgency.update(figures(status="ended"), 5_000 + FALL_MS, RULES)
    assert not urgency.update(figures(status="ended"), 6_000 + FALL_MS, RULES)


def test_every_state_has_its_own_reasons() -> None:
    one, other = UrgencyState(), UrgencyState()
    one.because.append(Because("x", 1.0, 1.0))
    assert other.because == []


# -- which sale leads --------------------------------------------------------------------------------------------------
def test_a_room_without_sales_has_no_lead() -> None:
    key, urgency = leading({})
    assert key is None
    assert urgency.level == "unknown"


@pytest.mark.parametrize(
    ("higher", "lower"),
    [
        *zip(RAMP[:0:-1], RAMP[-2::-1], strict=True),
        ("calm", "sold_out"),
        ("sold_out", "ended"),
        ("ended", "unknown"),
    ],
)
def test_the_sale_with_the_higher_level_leads(higher: Level, lower: Level) -> None:
    levels = {("s1", "k1"): UrgencyState(lower, 1), ("s2", "k1"): UrgencyState(higher, 2)}
    assert leading(levels) == (("s2", "k1"), levels["s2", "k1"])


def test_of_equal_levels_the_older_leads_and_of_equally_old_the_first_by_name() -> None:
    levels = {
        ("s1", "k1"): UrgencyState("rush", 5),
        ("s2", "k2"): UrgencyState("rush", 4),
        ("s2", "k1"): UrgencyState("rush", 4),
    }
    assert leading(levels)[0] == ("s2", "k1")


def test_what_is_published_names_level_since_reasons_and_sale() -> None:
    published = at_level("rush", 9).published("s1")
    assert (published.level, published.since_ms, published.sale_id) == ("rush", 9, "s1")
    assert published.because == [Because("somehow", 1.0, 1.0)]
