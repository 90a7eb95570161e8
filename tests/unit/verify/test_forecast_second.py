"""The second edition's forecast written a second time, beside the first one: the same to the millisecond."""

from __future__ import annotations

from random import Random

import pytest

from stream.core.forecast import Forecast, forecast
from stream.verify.forecast_second import Sellout, sellout_2


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
        published, again = forecast(left, taken, returned, 0), sellout_2(left, taken, returned)
        if isinstance(published, Forecast):
            said += 1
            figures = published.low_ms, published.high_ms, published.seconds, published.taken, published.returned
            assert again == Sellout(*figures)
        else:
            assert again == published
    assert said > 40
