from __future__ import annotations

import pytest

from stream.contract.refusal import MAX_DETAIL_CHARS, Reason, refuse, violation


@pytest.mark.parametrize(
    ("message", "pointer", "detail"),
    [
        ("Expected `int` >= 1 - at `$.lines[12].quantity`", "/lines/12/quantity", "Expected `int` >= 1"),
        ("Expected `int`, got `str` - at `$.count`", "/count", "Expected `int`, got `str`"),
        ("Expected `object`, got `array`", "", "Expected `object`, got `array`"),
        (
            "Object missing required field `sku_id` - at `$.lines[0]`",
            "/lines/0/sku_id",
            "Object missing required field `sku_id`",
        ),
        ("Object missing required field `event_id`", "/event_id", "Object missing required field `event_id`"),
        # A record may hold what looks like the end of such a message: only the end counts.
        ("Invalid enum value 'x - at `$.a`' - at `$.status`", "/status", "Invalid enum value 'x - at `$.a`'"),
    ],
)
def test_the_path_of_a_message_becomes_a_json_pointer(message: str, pointer: str, detail: str) -> None:
    letter = violation(message)
    assert (letter.reason, letter.pointer, letter.detail) == (Reason.SCHEMA_VIOLATION, pointer, detail)


def test_a_detail_is_one_short_printable_line() -> None:
    letter = refuse(Reason.NOT_JSON, "a\nb\x00\u202e" + "好" * 10_000)
    assert letter.detail.isprintable()
    assert letter.detail.startswith("a\N{REPLACEMENT CHARACTER}b")
    assert len(letter.detail) == MAX_DETAIL_CHARS


def test_a_short_printable_detail_is_kept_as_it_is() -> None:
    text = "好" * MAX_DETAIL_CHARS
    assert refuse(Reason.NOT_JSON, text).detail == text
