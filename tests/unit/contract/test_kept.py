from __future__ import annotations

from stream.contract.kept import CutBytes, Unreadable, cut, whole_bytes


def test_what_fits_is_kept_as_it_is() -> None:
    value = b"12345"
    assert cut(value, 5) is value
    assert cut(None, 5) is None
    assert whole_bytes(value) == 5


def test_the_beginning_of_the_rest_is_kept_and_remembers_how_long_it_was_however_often_it_is_cut() -> None:
    once = cut(b"1234567", 5)
    assert once == b"12345"
    twice = cut(once, 3)
    assert twice == b"123"
    assert whole_bytes(twice) == 7
    assert cut(CutBytes(b"123", 7), 3) == b"123"


def test_headers_that_cannot_be_read_are_none_and_yet_true() -> None:
    headers = Unreadable("why")
    assert headers
    assert list(headers) == []
    assert headers.why == "why"
