from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import eta
from stream.core.eta import MAX_AHEAD, MIN_ARRIVALS, MIN_BUCKETS, MIN_UNITS, eta_sellout

STEADY = [9, 11, 10, 8, 12, 10, 10, 11, 9, 10] * 3


def middle(interval: tuple[int, int] | None) -> float:
    assert interval is not None
    low, high = interval
    return float((low * high) ** 0.5)


def test_a_steady_sale_sells_out_when_its_rate_says() -> None:
    interval = eta_sellout(100, STEADY, 1000)
    assert interval is not None
    low, high = interval
    assert low < 10_000 < high
    assert low > 5_000
    assert high < 20_000


def test_more_to_sell_takes_longer() -> None:
    waits = [eta_sellout(available, STEADY, 1000) for available in (10, 50, 100, 500, 1000)]
    assert all(waits)
    assert [wait[0] for wait in waits if wait] == sorted(wait[0] for wait in waits if wait)
    assert [wait[1] for wait in waits if wait] == sorted(wait[1] for wait in waits if wait)


def test_nothing_left_has_no_forecast() -> None:
    assert eta_sellout(0, STEADY, 1000) is None
    assert eta_sellout(-3, STEADY, 1000) is None


@pytest.mark.parametrize(
    "buckets", [[], [0] * 30, [0, 0, -4, 0], [1] * (MIN_UNITS - 1), [MIN_UNITS * 9] * (MIN_BUCKETS - 1)]
)
def test_too_small_a_sample_has_no_forecast(buckets: list[int]) -> None:
    assert eta_sellout(5, buckets, 1000) is None


def test_the_minimum_sample_is_enough() -> None:
    assert eta_sellout(5, [1] * MIN_UNITS, 1000) is not None


def test_one_huge_order_is_no_sample() -> None:
    assert eta_sellout(500, [1, 0, 1, 1, 0, 1000, 1, 0, 1, 1], 1000) is None
    assert eta_sellout(500, [120, 140, 130, 110, 100, 130, 120, 140, 130, 110], 1000) is not None
    assert MIN_ARRIVALS > 1


def test_nothing_is_said_far_beyond_what_was_seen() -> None:
    rate = sum(STEADY) / len(STEADY)
    beyond = int(rate * len(STEADY) * MAX_AHEAD * 1.2)
    assert eta_sellout(beyond, STEADY, 1000) is None
    assert eta_sellout(beyond // 2, STEADY, 1000) is not None


def test_time_before_the_first_unit_is_not_counted() -> None:
    assert eta_sellout(100, [0] * 12 + STEADY[:18], 1000) == eta_sellout(100, STEADY[:18], 1000)


def test_a_bucket_that_has_only_begun_is_not_a_lull() -> None:
    begun = [*STEADY, 1]
    as_lull = eta_sellout(20, begun, 1000)
    as_begun = eta_sellout(20, begun, 1000, last_bucket_ms=100)
    assert middle(as_begun) < middle(as_lull)
    assert middle(as_begun) == pytest.approx(middle(eta_sellout(20, STEADY, 1000)), rel=0.1)


def test_a_bucket_that_has_only_begun_is_no_burst() -> None:
    begun = eta_sellout(500, [100] * 29 + [1], 1000, last_bucket_ms=10)
    full = eta_sellout(500, [100] * 29, 1000)
    assert begun is not None
    assert full is not None
    assert begun[1] / begun[0] == pytest.approx(full[1] / full[0], rel=0.05)


def test_a_rush_that_rises_ends_sooner_and_one_that_decays_later() -> None:
    rising = list(range(1, 31))
    assert middle(eta_sellout(200, rising, 1000)) < middle(eta_sellout(200, [15, 16] * 15, 1000))
    assert middle(eta_sellout(200, rising[::-1], 1000)) > middle(eta_sellout(200, [15, 16] * 15, 1000))


def test_bursts_widen_the_interval() -> None:
    calm, bursty = eta_sellout(300, [20] * 30, 1000), eta_sellout(300, [40, 0] * 15, 1000)
    assert calm is not None
    assert bursty is not None
    assert bursty[1] / bursty[0] > 1.5 * calm[1] / calm[0]


def test_the_answer_scales_with_the_bucket() -> None:
    seconds, tenths = eta_sellout(100, STEADY, 1000), eta_sellout(100, STEADY, 100)
    assert seconds is not None
    assert tenths is not None
    assert tenths[0] == pytest.approx(seconds[0] / 10, abs=1)
    assert tenths[1] == pytest.approx(seconds[1] / 10, abs=1)


@given(
    st.integers(-5, 10**9),
    st.lists(st.integers(-1000, 10**6), max_size=30),
    st.integers(0, 1000),
)
def test_any_history_has_an_answer(available: int, buckets: list[int], part_ms: int) -> None:
    interval = eta_sellout(available, buckets, 1000, last_bucket_ms=part_ms)
    assert interval == eta_sellout(available, tuple(buckets), 1000, last_bucket_ms=part_ms)
    if interval is not None:
        assert 0 <= interval[0] < interval[1]


def test_the_stated_coverage_is_the_one_that_is_counted() -> None:
    assert eta.COVERAGE == 0.9
