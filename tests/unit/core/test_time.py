from __future__ import annotations

import pytest

from stream.core.rules import WINDOWS_MS
from stream.core.time import effective_time_ms, first_bucket

APPEND_MS = 100_000
LATENESS_MS = 60_000


@pytest.mark.parametrize(
    ("event_time_ms", "effective_ms"),
    [
        (APPEND_MS, APPEND_MS),
        (APPEND_MS - 1, APPEND_MS - 1),
        (APPEND_MS - LATENESS_MS + 1, APPEND_MS - LATENESS_MS + 1),
        (APPEND_MS - LATENESS_MS, APPEND_MS - LATENESS_MS),
    ],
)
def test_an_event_within_the_allowed_lateness_counts_at_its_own_time(event_time_ms: int, effective_ms: int) -> None:
    assert effective_time_ms(event_time_ms, APPEND_MS, LATENESS_MS) == effective_ms


@pytest.mark.parametrize("event_time_ms", [APPEND_MS - LATENESS_MS - 1, 1, 0])
def test_a_later_event_counts_at_the_earliest_moment_still_open(event_time_ms: int) -> None:
    assert effective_time_ms(event_time_ms, APPEND_MS, LATENESS_MS) == APPEND_MS - LATENESS_MS


@pytest.mark.parametrize("event_time_ms", [APPEND_MS + 1, APPEND_MS + 60_000])
def test_an_event_ahead_of_the_log_counts_when_the_log_stored_it(event_time_ms: int) -> None:
    assert effective_time_ms(event_time_ms, APPEND_MS, LATENESS_MS) == APPEND_MS


def test_a_record_without_a_time_keeps_the_event_s_own() -> None:
    assert effective_time_ms(7, -1, LATENESS_MS) == 7
    assert effective_time_ms(APPEND_MS * 9, -1, LATENESS_MS) == APPEND_MS * 9


def test_a_record_stored_at_the_epoch_has_a_time() -> None:
    assert effective_time_ms(7, 0, LATENESS_MS) == 0


def test_without_allowed_lateness_everything_counts_when_it_was_stored() -> None:
    assert effective_time_ms(APPEND_MS - 1, APPEND_MS, 0) == APPEND_MS


@pytest.mark.parametrize("window_ms", WINDOWS_MS)
def test_a_window_holds_as_many_buckets_as_it_has_seconds_and_the_present_one_is_the_last(window_ms: int) -> None:
    assert len(range(first_bucket(5_000, window_ms), 5_000 + 1)) == window_ms // 1_000
