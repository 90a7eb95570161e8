"""The forecast of the second edition: what it needs, what silences it, and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stream.core.forecast import HIGH, LOW, MEMORY_S, Forecast, forecast, is_just_restocked

if TYPE_CHECKING:
    from collections.abc import Sequence

T0_MS = 1_795_780_000_000


def made(available: int, taken: Sequence[int], returned: Sequence[int] | None = None) -> Forecast | str:
    return forecast(available, taken, [0] * len(taken) if returned is None else returned, T0_MS)


def test_a_steady_sale_is_forecast_around_what_is_left_by_its_rate() -> None:
    found = made(200, [10] * 60)
    assert isinstance(found, Forecast)
    assert found.low_ms < 20_000 < found.high_ms
    assert (found.made_ms, found.available, found.seconds, found.taken, found.returned) == (T0_MS, 200, 60, 600, 0)


def test_the_second_counts_it_down_and_then_it_has_passed() -> None:
    found = made(200, [10] * 60)
    assert isinstance(found, Forecast)
    assert found.at(T0_MS) == (found.low_ms, found.high_ms)
    assert found.at(T0_MS + 999) == (found.low_ms - 999, found.high_ms - 999)
    assert found.at(T0_MS + found.low_ms + 1) == (0, found.high_ms - found.low_ms - 1)
    assert found.at(T0_MS + found.high_ms) is None


def test_units_that_come_back_are_stock_and_no_negative_demand() -> None:
    """Case D1: what is taken is gross; the same sale with some releases is still a sale."""
    alone, beside = made(200, [10] * 60), made(200, [10] * 60, [0] * 30 + [1] * 30)
    assert isinstance(alone, Forecast)
    assert isinstance(beside, Forecast)
    assert beside.taken == alone.taken
    assert beside.high_ms > alone.low_ms


def test_seconds_before_the_first_unit_are_not_seconds_in_which_nobody_bought() -> None:
    assert made(200, [0] * 20 + [10] * 60) == made(200, [10] * 60)


@pytest.mark.parametrize(
    ("available", "taken"),
    [
        (0, [10] * 60),
        (-3, [10] * 60),
        (50, []),
        (50, [0] * 60),
        (20, [10] * 9),
        (5, [1] * 11),
        (50, [0] * 20 + [300] + [0] * 20),
    ],
    ids=["sold out", "oversold", "nothing seen", "nobody bought", "nine seconds", "eleven units", "one large order"],
)
def test_too_little_was_seen(available: int, taken: list[int]) -> None:
    assert made(available, taken) == "sample_too_small"


@pytest.mark.parametrize(
    ("available", "taken", "returned"),
    [
        (601, [10] * 60, None),
        (20, [round(60 * 0.95**second) for second in range(60)], None),
        (300, [10] * 30 + [20, 18, 16, 14, 12, 10, 9, 8, 7, 6, 5, 5, 4, 4], None),
        (50, [20] * 20 + [2] * 20 + [4, 8, 12, 16, 20, 24], None),
        (220, [20] * 28 + [10] * 11, None),
        (100, [10] * 60, [0] * 30 + [3] * 30),
    ],
    ids=[
        "further than was seen",
        "demand is over",
        "it falls, and far ahead",
        "a second wave",
        "it was just missed",
        "it comes back",
    ],
)
def test_nothing_is_said_that_cannot_be_calibrated(
    available: int, taken: list[int], returned: list[int] | None
) -> None:
    assert made(available, taken, returned) == "forecast_not_calibrated"


@pytest.mark.parametrize(("available", "slower"), [(220, True), (150, False)])
def test_what_was_just_missed_is_withheld_while_most_of_the_way_lies_ahead(available: int, *, slower: bool) -> None:
    """The last units took twice as long as the pace before them promised. With less ahead there is a forecast."""
    found = made(available, [20] * 28 + [10] * 11)
    assert (found == "forecast_not_calibrated") == slower
    assert isinstance(made(available, [10] * 39), Forecast)


@pytest.mark.parametrize(
    ("second", "starts", "restocked", "just"),
    [
        (1_000, 900, -1, False),
        (1_000, 900, 890, False),
        (1_000, 900, 900, False),
        (1_000, 900, 901, True),
        (1_020, 900, 901, True),
        (1_021, 900, 901, False),
    ],
    ids=["never", "before it started", "as it started", "just now", "the last second of it", "long ago"],
)
def test_after_a_restock_a_whole_memory_is_waited_for(second: int, starts: int, restocked: int, *, just: bool) -> None:
    assert is_just_restocked(second, starts, restocked) == just


# A sale of ten a second with a lull of a minute, then ten a second again; in blocks of five seconds.
LULL = [50] * 12 + [5] * 12 + [50] * 6


@pytest.mark.parametrize("past", [[50] * 30, [5] * 24 + [50] * 6, []], ids=["steady", "it was slow at first", "none"])
def test_a_past_that_promises_no_lull_changes_nothing(past: list[int]) -> None:
    assert forecast(200, [10] * 30, [0] * 30, T0_MS, past) == made(200, [10] * 30)


def test_a_lull_in_its_own_past_is_within_the_interval() -> None:
    """Of 200 units from its beginning on, 60 went in it and 140 in the 14 s after it; and a tenth more."""
    alone, found = made(200, [10] * 30), forecast(200, [10] * 30, [0] * 30, T0_MS, LULL)
    assert isinstance(alone, Forecast)
    assert isinstance(found, Forecast)
    assert alone.high_ms < 60_000
    assert found.high_ms == 1_100 * 74
    assert found.low_ms == alone.low_ms


def test_units_that_still_go_have_taken_their_time_until_now() -> None:
    alone = made(1_000, [10] * 120)
    found = forecast(1_000, [10] * 120, [0] * 120, T0_MS, [50] * 2 + [0] * 90 + [50] * 6)
    assert isinstance(alone, Forecast)
    assert isinstance(found, Forecast)
    assert (found.low_ms, found.high_ms) == (alone.low_ms, 1_100 * 480)


def test_a_burst_in_its_own_past_is_within_the_interval() -> None:
    alone = made(200, [10] * 30)
    found = forecast(200, [10] * 30, [0] * 30, T0_MS, [50] * 6 + [300] * 2 + [50] * 22)
    assert isinstance(alone, Forecast)
    assert isinstance(found, Forecast)
    assert found.low_ms < alone.low_ms
    assert found.high_ms == alone.high_ms


def test_a_burstier_sale_is_less_certain() -> None:
    calm, bursty = made(300, [10] * 100), made(300, [0, 20] * 50)
    assert isinstance(calm, Forecast)
    assert isinstance(bursty, Forecast)
    assert bursty.high_ms / bursty.low_ms > calm.high_ms / calm.low_ms


def test_each_feature_has_its_weights_and_the_memory_is_bounded() -> None:
    assert len(LOW) == len(HIGH) == 18
    assert MEMORY_S == 120
