from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.contract.ids import is_id
from stream.sources.ids import decode_id, encode_id, fits, row_id


def test_plain_ids_stay_as_they_are() -> None:
    assert encode_id("85123A") == "85123A"
    assert encode_id("gift_0001-20.x") == "gift_0001-20.x"


def test_other_characters_become_their_bytes() -> None:
    assert encode_id("BANK CHARGES") == "BANK:20CHARGES"
    assert encode_id("a:b") == "a:3Ab"
    assert encode_id("é") == ":C3:A9"


@given(st.text(max_size=30))
def test_every_id_comes_back(text: str) -> None:
    assert decode_id(encode_id(text)) == text
    assert is_id(encode_id(text)) == fits(encode_id(text))


@given(st.text(max_size=8), st.text(max_size=8))
def test_two_ids_never_become_one(one: str, other: str) -> None:
    assert (encode_id(one) == encode_id(other)) == (one == other)


@given(st.text(max_size=20), st.from_regex(r"[0-9]{1,9}", fullmatch=True))
def test_no_customer_is_taken_for_a_guest(customer: str, invoice: str) -> None:
    assert encode_id(customer) != f"guest:{invoice}"


def test_row_ids_tell_place_and_fields_apart() -> None:
    ids = {
        row_id("x", 1, ["a", "b"]),
        row_id("x", 2, ["a", "b"]),
        row_id("x", 1, ["a", "c"]),
        row_id("x", 1, ["ab", ""]),
        row_id("y", 1, ["a", "b"]),
    }
    assert len(ids) == 5
    assert all(map(is_id, ids))
    assert row_id("x", 1, ["a", "b"]) == row_id("x", 1, ["a", "b"])
