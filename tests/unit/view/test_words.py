from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.view.words import clean, compact, duration, money, share, span


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sku-881", "sku-881"),
        ("a\x1b[31mb", "a·[31mb"),
        ("a\nb\tc\x7f\x9b", "a·b·c··"),
        ("abc\u202edef", "abc·def"),
        ("a\u2028b", "a·b"),
        ("[red]x[/]", "[red]x[/]"),
        ("直播", "直播"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष हिन्दी", "क्\u200dष हिन्दी"),
        ("ผ้าพันคอ", "ผ้าพันคอ"),
        ("Cafe\u0301", "Cafe\u0301"),
        (
            "👨\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈 🧑🏽\u200d💻",
            "👨\u200d👩\u200d👧 ❤\ufe0f 🏳\ufe0f\u200d🌈 🧑🏽\u200d💻",
        ),
        ("a\u200cb\u200dc", "a·b·c"),
        ("می\u200c\u200cخ", "می··خ"),
        ("می\u200c", "می·"),
        ("👨\u200d", "👨·"),
        ("x\ufe0f", "x·"),
        ("\u0301x", "·x"),
        ("Z" + "\u0300" * 5, "Z\u0300\u0300···"),
    ],
)
def test_text_cannot_steer_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_cleaned_text_is_printable_and_bounded(text: str) -> None:
    belongs = "\u00a0\u200c\u200d"
    assert all(char.isprintable() or char in belongs or char.isspace() for char in clean(text, 20))
    assert "\x1b" not in clean(text, 20)
    assert len(clean(text, 20)) <= 20


def test_what_belongs_together_is_not_cut_in_two() -> None:
    assert clean("می\u200cخواهم", 4) == "می…"
    assert clean("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (123_450, "CNY", "CNY 1,234.50"),
        (5, "GBP", "GBP 0.05"),
        (-5, "GBP", "GBP -0.05"),
        (1_000, "JPY", "JPY 1,000"),
        (1_234_567, "KWD", "KWD 1,234.567"),
    ],
)
def test_money_has_the_digits_of_its_currency(minor: int, currency: str, shown: str) -> None:
    assert money(minor, currency) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (-5, "0.0 s"),
        (432, "0.4 s"),
        (9_999, "9.9 s"),
        (42_900, "42 s"),
        (60_000, "1:00"),
        (252_000, "4:12"),
        (3_852_000, "1:04:12"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_durations_round_down(ms: int, shown: str) -> None:
    assert duration(ms) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (1_450, 2_610, "1.4–2.7 s"),
        (14_900, 59_100, "14–60 s"),
        (125_000, 290_000, "2–5 min"),
        (50_900, 190_000, "50 s–4 min"),
        (59_999, 7_100_000, "59 s–119 min"),
        (999, 190_000, "0–4 min"),
        (1_800_000, 9e6, "30 min–3 h"),
        (3_600_000, 9e6, "1–3 h"),
    ],
)
def test_intervals_round_outwards(low: int, high: int, shown: str) -> None:
    assert span(low, int(high)) == shown


@pytest.mark.parametrize(
    ("num", "den", "shown"),
    [
        (412, 21_877, "1.9 %"),
        (0, 5, "0.0 %"),
        (1, 100_000, "0.001 %"),
        (3, 2_000, "0.15 %"),
        (3, 2, "150.0 %"),
        (1, 0, "–"),
    ],
)
def test_shares_keep_digits_that_say_something(num: int, den: int, shown: str) -> None:
    assert share(num, den) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(999, "999"), (1_000, "1.00K"), (12_345, "12.3K"), (999_999, "999K"), (1_204_118, "1.20M"), (1_005_000, "1.00M")],
)
def test_short_numbers_round_down(number: int, shown: str) -> None:
    assert compact(number) == shown
