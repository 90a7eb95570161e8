from __future__ import annotations

import pytest

from stream.ingest.quota import BURST_S, Quotas


def test_a_batch_of_any_size_passes_and_is_paid_for_afterwards() -> None:
    quotas = Quotas()
    assert quotas.wait_s("shop", 10, 0) == 0
    quotas.charge("shop", 10, 1_000, 0)
    assert quotas.wait_s("shop", 10, 0) == pytest.approx((1_000 - 10 * BURST_S + 1) / 10)
    assert quotas.wait_s("shop", 10, 96) > 0
    assert quotas.wait_s("shop", 10, 96.2) == 0


def test_in_the_long_run_no_more_passes_than_the_quota() -> None:
    quotas, passed = Quotas(), 0
    for tenth in range(10_000):
        at_s = tenth / 10
        if not quotas.wait_s("shop", 50, at_s):
            quotas.charge("shop", 50, 37, at_s)
            passed += 37
    assert passed == pytest.approx(50 * 1_000 + 50 * BURST_S, abs=40)


def test_a_silent_platform_saves_no_more_than_a_burst_and_no_clock_goes_back() -> None:
    quotas = Quotas()
    quotas.charge("shop", 10, 1, 0)
    quotas.charge("shop", 10, int(10 * BURST_S), 1_000)
    assert quotas.wait_s("shop", 10, 1_000) > 0
    assert quotas.wait_s("shop", 10, 500) > 0


def test_names_are_counted_apart_and_forgotten_with_their_keys() -> None:
    quotas = Quotas()
    quotas.charge("a", 1, 100, 0)
    quotas.charge("b", 1, 100, 0)
    assert quotas.wait_s("c", 1, 0) == 0
    quotas.keep_only({"b"})
    assert quotas.wait_s("a", 1, 0) == 0
    assert quotas.wait_s("b", 1, 0) > 0
