from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.foreign_times import foreign_time_ms, rfc3339_ms

MS = 1_790_000_000_123


@pytest.mark.parametrize(
    ("said", "expected_ms"),
    [
        (1_790_000_000, 1_790_000_000_000),
        (MS, MS),
        (str(MS), MS),
        (1_790_000_000_123_999, MS),
        ("1790000000123999999", MS),
        ("2026-09-21T14:13:20.123Z", MS),
        ("2026-09-21T14:13:20.123999999Z", MS),
        ("2026-09-21t23:13:20.123+09:00", MS),
        ("2026-09-21T14:13:20Z", 1_790_000_000_000),
        ("1970-01-01T00:00:00Z", 0),
        (10**9, 10**12),
        (10**10 - 1, (10**10 - 1) * 1_000),
        (10**12, 10**12),
    ],
)
def test_the_unit_is_told_by_the_number_of_digits(said: object, expected_ms: int) -> None:
    assert foreign_time_ms(said) == expected_ms


@pytest.mark.parametrize(
    "said",
    [
        *(None, 0, "0", "", -1, True, "soon", [], {}),
        *(1_790_000_000.0, 1.79e12, "1790000000.5", "1.79e12", " 1790000000", "1790000000\n", "١٧٩٠٠٠٠٠٠٠"),
        *(999_999_999, 10**10, 10**11, 10**14, 10**17, 10**19, 10**4_000, "9" * 5_000),
        *("2026-13-21T14:13:20Z", "2026-09-21T14:13:20", "2026-09-21", "2026-09-21T23:59:60Z", "1969-12-31T23:59:59Z"),
    ],
)
def test_what_is_no_time_is_none(said: object) -> None:
    assert foreign_time_ms(said) is None


@given(st.integers(10**12, 10**13 - 1))
def test_a_moment_is_the_same_in_every_unit(moment_ms: int) -> None:
    assert foreign_time_ms(moment_ms) == foreign_time_ms(moment_ms * 10**6 + 7) == moment_ms
    assert foreign_time_ms(moment_ms * 1_000) == foreign_time_ms(str(moment_ms)) == moment_ms
    assert foreign_time_ms(moment_ms // 1_000) == moment_ms // 1_000 * 1_000


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_nothing_raises(said: object) -> None:
    found = foreign_time_ms(said)
    assert found is None or found >= 0


def test_a_huge_integer_is_none() -> None:
    assert foreign_time_ms(10**5_000) is None


def test_a_time_of_rfc_3339_before_the_epoch_is_negative() -> None:
    assert rfc3339_ms("1969-12-31T23:59:59.5Z") == -500
    assert rfc3339_ms("noon") is None
