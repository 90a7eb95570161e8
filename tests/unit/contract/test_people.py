"""Who nobody knows."""

from __future__ import annotations

import pytest

from stream.contract.ids import is_id
from stream.contract.people import PLACEHOLDERS, UNKNOWN_PEOPLE, UNKNOWN_USER


@pytest.mark.parametrize("word", ["-", "0", "-1", "null", "NULL", "Null", "None", "undefined", "guest", "Guest", "NaN"])
def test_what_stands_for_nobody_in_particular_is_no_one(word: str) -> None:
    assert word in UNKNOWN_PEOPLE


@pytest.mark.parametrize("word", ["1", "00", "10", "guest-17", "guest:536414", "u-0", "nobody", "x"])
def test_what_may_be_one_person_is_one(word: str) -> None:
    assert word not in UNKNOWN_PEOPLE


def test_all_of_them_could_have_been_sent() -> None:
    assert UNKNOWN_USER in UNKNOWN_PEOPLE
    assert set(PLACEHOLDERS) < UNKNOWN_PEOPLE
    assert all(map(is_id, UNKNOWN_PEOPLE))
