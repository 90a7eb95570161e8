from __future__ import annotations

import pytest

from stream.core.rules import WINDOWS_MS, Rules
from stream.core.time import BUCKET_MS

# What is read of the logs, and how, and what is written.
NO_BOUNDS = ("isolation", "murmur2_partitions", "ids_by_topic", "keep_claims", "mechanics")
RULES = Rules()


def test_windows_are_whole_seconds_and_each_is_longer_than_the_one_before() -> None:
    assert list(WINDOWS_MS) == sorted(set(WINDOWS_MS))
    assert all(window_ms % BUCKET_MS == 0 for window_ms in WINDOWS_MS)
    assert RULES.velocity_window_ms % BUCKET_MS == 0


@pytest.mark.parametrize("name", [name for name in Rules.__struct_fields__ if name not in NO_BOUNDS])
def test_every_bound_is_positive(name: str) -> None:
    # 0: nothing is remembered, nothing is too large or too regular, as it was before there were these rules.
    younger = (
        "remember_sales_ms",
        "history_step_ms",
        "sources_max",
        "products_max",
        "signal_max_bytes",
        "suspect_regular_gap_ms",
        "suspect_regular_within_ms",
    )
    assert getattr(RULES, name) > 0 or name in younger


def test_rules_do_not_change_under_a_fold() -> None:
    with pytest.raises(AttributeError):
        RULES.hold_ms = 1  # type: ignore[misc] # frozen: that is the point


def test_what_is_remembered_outlives_what_may_still_arrive() -> None:
    assert RULES.remember_ids_ms // 2 > RULES.allowed_lateness_ms
    assert RULES.remember_orders_ms > RULES.hold_ms
    assert RULES.room_idle_ms > RULES.presence_timeout_ms > RULES.allowed_lateness_ms


def test_a_document_is_renewed_well_before_it_is_stale() -> None:
    assert RULES.pace_busy_ms < RULES.pace_quiet_ms <= RULES.refresh_active_ms
    assert RULES.refresh_active_ms < RULES.refresh_quiet_ms < RULES.refresh_idle_ms
    assert RULES.stale_after_refreshes >= 2


def test_a_level_falls_at_a_lower_threshold_than_it_rises() -> None:
    assert 0 < RULES.urgency_fall_factor < 1
    assert RULES.urgency_fall_after_ms > RULES.refresh_active_ms
