"""The second edition's forecast written a second time, beside the first one: the same to the millisecond."""

from __future__ import annotations

from random import Random

import pytest

from stream.core.forecast import Forecast, forecast, is_just_restocked
from stream.verify.forecast_second import Sellout, sellout_2, waits_for_whole_memory


@pytest.mark.parametrize("seed", range(10))
def test_both_say_the_same_and_are_silent_for_the_same_reason(seed: int) -> None:
    random = Random(seed)
    said = 0
    for _ in range(200):
        mean, growth = random.choice([0.5, 3, 20, 100]), random.uniform(-0.05, 0.05)
        means = [mean * 2.7 ** (growth * second) for second in range(random.randint(1, 120))]
        taken = [max(0, round(random.gauss(each, each**0.5))) for each in means]
        returned = [random.randint(0, 3) if random.random() < 0.1 else 0 for _ in taken]
        left = random.randint(-1, sum(taken) + 3)
        past = [random.randint(0, round(8 * each)) for each in means] if random.random() < 0.5 else []
        published, again = forecast(left, taken, returned, 0, past), sellout_2(left, taken, returned, past)
        if isinstance(published, Forecast):
            said += 1
            figures = published.low_ms, published.high_ms, published.seconds, published.taken, published.returned
            assert again == Sellout(*figures)
        else:
            assert again == published
    assert said > 40


@pytest.mark.parametrize("seed", range(5))
def test_both_say_the_same_of_a_pace_that_has_just_changed(seed: int) -> None:
    """Here the miss of the last units decides: some are withheld for it, and others are wider."""
    random = Random(seed)
    said = withheld = 0
    for _ in range(100):
        before, after = random.choice([4, 10, 40]), random.choice([2, 4, 10, 40])
        taken = [random.randint(before // 2, before * 3 // 2) for _ in range(random.randint(10, 60))]
        taken += [random.randint(after // 2, after * 3 // 2) for _ in range(random.randint(1, 40))]
        left = random.randint(1, sum(taken))
        none = [0] * len(taken)
        published, again = forecast(left, taken, none, 0), sellout_2(left, taken, none, [])
        if isinstance(published, Forecast):
            said += 1
            assert isinstance(again, Sellout)
            assert again[:2] == (published.low_ms, published.high_ms)
        else:
            withheld += published == "forecast_not_calibrated"
            assert again == published
    assert said > 20
    assert withheld > 10


def test_both_wait_for_a_whole_memory_after_a_restock() -> None:
    random = Random(1)
    for _ in range(2_000):
        second = random.randint(1_000, 1_500)
        starts, restocked = second - random.randint(0, 300), random.choice([-1, second - random.randint(0, 300)])
        assert waits_for_whole_memory(second, starts, restocked) == is_just_restocked(second, starts, restocked)
