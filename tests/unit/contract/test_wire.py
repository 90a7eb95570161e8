from __future__ import annotations

import pytest

from stream.contract.wire import MAX_DEPTH, check_bytes, is_too_deep, is_utf8


def test_the_depth_limit_is_exact() -> None:
    assert not is_too_deep(b"[" * MAX_DEPTH)
    assert not is_too_deep(b"[]" * 3 + b"[" * MAX_DEPTH)  # more brackets than levels
    assert is_too_deep(b"[" * (MAX_DEPTH + 1))
    assert is_too_deep(b"[{" * MAX_DEPTH)


def test_closing_brackets_without_an_opening_lend_no_depth() -> None:
    assert is_too_deep(b"]" * 1_000 + b"[" * (MAX_DEPTH + 1))


def test_brackets_that_close_again_do_not_add_up() -> None:
    assert not is_too_deep(b"[" + b"[]" * 10_000 + b"]")


@pytest.mark.parametrize(
    "string",
    [b'"%s"', rb'"\"%s"', rb'"\\\"%s"', b'"%s', b'"\\%s', b'"a\n%s"'],
    ids=["plain", "escaped quote", "escaped backslash", "unclosed", "escaped bracket", "over lines"],
)
def test_brackets_in_strings_are_text(string: bytes) -> None:
    assert not is_too_deep(string.replace(b"%s", b"[" * 1_000))


def test_a_string_ends_after_an_even_number_of_backslashes() -> None:
    assert is_too_deep(rb'"\\"' + b"[" * 1_000)


def test_well_formed_bytes_are_left_to_the_types() -> None:
    for value in (b"1", b"null", b"[]", '{"名":"好"}'.encode(), rb'"\ud83d\ude00"', b"1e999"):
        assert is_utf8(value)
        assert check_bytes(value) is None


def test_a_great_number_is_no_reason_to_fail() -> None:
    assert check_bytes(b'{"n":' + b"9" * 10_000 + rb',"s":"\ud800"}') is not None
    assert check_bytes(b"9" * 10_000) is None
