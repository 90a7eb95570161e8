from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.contract.events import MAX_ID_CHARS
from stream.contract.foreign_ids import MAX_PREFIX_CHARS, contract_id, decode_id, encode_id, fits, person_id
from stream.contract.ids import is_id
from stream.contract.people import PLACEHOLDERS, UNKNOWN_PEOPLE, UNKNOWN_USER

ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=90)  # halves of pairs too
WHOLE_TEXT = st.text(min_size=1, max_size=90)
PREFIXES = st.from_regex(rf"[A-Za-z0-9._:-]{{0,{MAX_PREFIX_CHARS}}}", fullmatch=True)
SEC_UID = "MS4wLjABAAAA" + "v7iSuuhDJdADbEnmlJIP1bVQ8Cn2Bw4dQ5dcH9dP_xY" + "x" * 21


def test_plain_ids_stay_as_they_are() -> None:
    assert encode_id("85123A") == "85123A"
    assert encode_id("gift_0001-20.x") == "gift_0001-20.x"
    assert contract_id("7300000000000000104", "tt:") == "tt:7300000000000000104"


def test_other_characters_become_their_bytes() -> None:
    assert encode_id("BANK CHARGES") == "BANK:20CHARGES"
    assert encode_id("a:b") == "a:3Ab"
    assert encode_id("é") == ":C3:A9"
    assert contract_id("é", "yt:") == "yt::C3:A9"


def test_what_is_too_long_is_hashed_behind_its_prefix() -> None:
    assert len(SEC_UID) == 76
    assert contract_id(SEC_UID, "dy:") == "dy:h" + sha256(SEC_UID.encode()).hexdigest()[:32]
    assert contract_id("a" * 64) == "a" * 64
    assert contract_id("a" * 61, "tt:") == "tt:" + "a" * 61
    assert contract_id("a" * 62, "tt:").startswith("tt:h")


def test_no_text_can_be_chosen_to_take_the_id_of_a_hashed_one() -> None:
    taken = contract_id(SEC_UID)
    assert contract_id(taken) != taken


@pytest.mark.parametrize("prefix", ["p" * (MAX_PREFIX_CHARS + 1), "tt/", "é", "tt:\n"])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="no prefix"):
        contract_id("x", prefix)


def test_an_empty_text_names_nothing() -> None:
    with pytest.raises(ValueError, match="names nothing"):
        contract_id("", "tt:")


@given(ANY_TEXT, PREFIXES)
@example("\ud83d", "")
def test_every_text_has_a_valid_id_that_begins_with_its_prefix(text: str, prefix: str) -> None:
    made = contract_id(text, prefix)
    assert is_id(made)
    assert made.startswith(prefix)


@given(st.lists(WHOLE_TEXT, unique=True, max_size=8), PREFIXES)
def test_two_texts_never_have_one_id(texts: list[str], prefix: str) -> None:
    assert len({contract_id(text, prefix) for text in texts}) == len(texts)


@given(st.text(max_size=30))
def test_every_encoded_id_comes_back(text: str) -> None:
    assert decode_id(encode_id(text)) == text
    assert is_id(encode_id(text)) == fits(encode_id(text)) == (0 < len(encode_id(text)) <= MAX_ID_CHARS)


@given(st.text(max_size=20), st.from_regex(r"[0-9]{1,9}", fullmatch=True))
def test_no_customer_is_taken_for_a_guest(customer: str, invoice: str) -> None:
    assert encode_id(customer) != f"guest:{invoice}"


@pytest.mark.parametrize("text", [None, "", *sorted({*PLACEHOLDERS, *UNKNOWN_PEOPLE, "nUlL"})])
def test_who_is_not_known_is_nobody_before_the_prefix_hides_it(text: str | None) -> None:
    assert person_id(text, "tt:") == person_id(text) == UNKNOWN_USER


def test_everybody_else_is_a_person() -> None:
    assert person_id("6800000000000000001", "tt:") == "tt:6800000000000000001"
    assert person_id("guest-17", "sh:") == "sh:guest-17"
    assert person_id(SEC_UID, "dy:") == contract_id(SEC_UID, "dy:")
    assert person_id(" ") == ":20"
