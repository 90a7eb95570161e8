from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.contract.events import MAX_COMMENT_CHARS
from stream.contract.foreign_text import fit_text

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e8\U0001f1f3"


def test_what_fits_stays() -> None:
    assert fit_text("") == ""
    assert fit_text("a" * MAX_COMMENT_CHARS) == "a" * MAX_COMMENT_CHARS
    assert fit_text("羽绒服" * 100) == "羽绒服" * 100


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert fit_text("a" * (MAX_COMMENT_CHARS + 1)) == "a" * (MAX_COMMENT_CHARS - 1) + "…"
    assert fit_text("abc", 2) == "a…"
    assert fit_text("abc", 1) == "…"


@pytest.mark.parametrize(
    ("text", "max_chars", "expected"),
    [
        ("abe\u0301x", 4, "ab…"),  # a letter with its accent
        ("ab" + FAMILY + "x", 7, "ab…"),
        ("ab" + FAMILY + "xy", 8, "ab" + FAMILY + "…"),
        ("ab\U0001f44d\U0001f3fdxy", 4, "ab…"),  # a hand with its skin tone
        ("ab\u2764\ufe0fxy", 4, "ab…"),
        (FLAG * 3, 4, FLAG + "…"),
        ("a" + FLAG * 3, 5, "a" + FLAG + "…"),
        ("\u1112\u1161\u11ab" * 2, 4, "\u1112\u1161\u11ab…"),  # Korean in its parts
        ("ab\r\nxy", 4, "ab…"),
        ("ก" + "็" * 600, 500, "ก" + "็" * 498 + "…"),  # a pile of marks
    ],
)
def test_no_character_is_cut_apart(text: str, max_chars: int, expected: str) -> None:
    assert fit_text(text, max_chars) == expected


def test_half_of_a_pair_becomes_what_json_can_hold() -> None:
    assert fit_text("a\ud83d") == "a\ufffd"


@given(st.text(st.characters(exclude_categories=()), max_size=80), st.integers(1, 40))
def test_it_always_fits_and_can_be_written(text: str, max_chars: int) -> None:
    cut = fit_text(text, max_chars)
    cut.encode()
    assert len(cut) <= max_chars
    assert (len(cut) == len(text)) or cut.endswith("…")
    assert len(cut) == len(text) or len(text) > max_chars
