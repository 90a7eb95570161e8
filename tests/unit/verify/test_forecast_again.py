"""The forecast written a second time: by hand where that is possible, and beside the first one."""

from __future__ import annotations

from random import Random

import pytest

from stream.core.eta import eta_sellout
from stream.verify.forecast_again import dispersion, sellout_1


@pytest.mark.parametrize("seed", range(20))
def test_both_say_the_same_to_the_millisecond(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        mean = random.choice([0.5, 2, 10, 50])
        seconds = [max(-2, int(random.expovariate(1 / mean))) for _ in range(random.randint(1, 30))]
        left, last_ms = random.randint(0, 500), random.choice([1_000, random.randint(1, 1_000)])
        assert sellout_1(left, seconds, last_ms) == eta_sellout(left, seconds, 1_000, last_bucket_ms=last_ms)


def test_single_units_at_a_steady_pace_scatter_as_much_as_their_mean() -> None:
    assert dispersion([5, 5, 5, 5]) == 1
    assert dispersion([0, 10, 0, 10]) == 10
    assert dispersion([]) == dispersion([7]) == 1


@pytest.mark.parametrize(
    ("left", "seconds"), [(0, [5] * 30), (10, [1] * 11), (10, [5, 5, 5]), (10, [0, 40, 0, 0]), (10_000, [1] * 30)]
)
def test_too_little_was_seen_or_too_much_is_asked(left: int, seconds: list[int]) -> None:
    assert sellout_1(left, seconds, 1_000) is None


def test_the_interval_holds_what_a_steady_pace_leads_to() -> None:
    found = sellout_1(100, [10] * 30, 1_000)
    assert found is not None
    assert found[0] < 10_000 < found[1]
