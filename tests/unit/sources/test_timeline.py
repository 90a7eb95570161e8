from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import SnapupError
from stream.sources import timeline
from stream.sources.timeline import TimedValue, in_time_order


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 20))
def test_values_come_in_time_order_and_equal_times_as_they_came(times: list[int], run_events: int) -> None:
    values: list[TimedValue] = [(time, index % 6, b"%d" % index) for index, time in enumerate(times)]
    assert list(in_time_order(values, run_events)) == sorted(values, key=lambda value: value[0])


def test_more_than_fits_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "MAX_RUNS", 3)
    values: list[TimedValue] = [(random.Random(0).randrange(99), 0, b"") for _ in range(50)]
    with pytest.raises(SnapupError, match="--order file"):
        list(in_time_order(values, 10))
