"""A token opens what it names until it expires, and nothing else is a token."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.serve.tokens import ALL_ROOMS, MAX_TTL_S, Grant, TokenError, Tokens, _sign

SECRET = "s" * 32
NOW_S = 1_700_000_000.5


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([SECRET])


def forged(claims: object, secret: str = SECRET) -> str:
    """A token with these claims and a good signature."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{body}.{base64.urlsafe_b64encode(_sign(secret.encode(), body)).rstrip(b'=').decode()}"


def test_a_token_says_its_room_and_its_end(tokens: Tokens) -> None:
    assert tokens.read(tokens.issue("room-1", 60, NOW_S), NOW_S) == Grant(1, "room-1", 1_700_000_060)


def test_a_token_holds_until_its_last_second_and_no_longer(tokens: Tokens) -> None:
    token = tokens.issue("room-1", 60, NOW_S)
    assert tokens.read(token, 1_700_000_059.999).room == "room-1"
    with pytest.raises(TokenError, match="expired"):
        tokens.read(token, 1_700_000_060.0)


def test_a_token_opens_its_room_only_and_the_star_every_room() -> None:
    assert Grant(1, "room-1", 0).allows("room-1")
    assert not Grant(1, "room-1", 0).allows("room-10")
    assert not Grant(1, "room-1", 0).allows(ALL_ROOMS)
    assert Grant(1, ALL_ROOMS, 0).allows("room-1")
    assert Grant(1, ALL_ROOMS, 0).allows(ALL_ROOMS)


def test_a_token_of_another_secret_is_refused_and_one_of_an_older_secret_is_not(tokens: Tokens) -> None:
    new, old = Tokens(["n" * 32, SECRET]), tokens.issue("room-1", 60, NOW_S)
    assert new.read(old, NOW_S).room == "room-1"
    with pytest.raises(TokenError, match="signature"):
        tokens.read(new.issue("room-1", 60, NOW_S), NOW_S)


@given(at=st.integers(0, 200), put=st.characters(max_codepoint=0x7F))
def test_a_changed_token_is_refused(at: int, put: str) -> None:
    tokens = Tokens([SECRET])
    token = tokens.issue("room-1", 60, NOW_S)
    at %= len(token)
    changed = token[:at] + put + token[at + 1 :]
    if changed != token:
        with pytest.raises(TokenError):
            tokens.read(changed, NOW_S)


@given(st.text(max_size=700))
def test_any_text_that_was_not_issued_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        Tokens([SECRET]).read(text, NOW_S)


@pytest.mark.parametrize(
    "claims",
    [
        {"v": 2, "room": "r", "exp": 2_000_000_000},
        {"v": 1, "room": "r"},
        {"v": 1, "room": "r", "exp": "never"},
        {"v": 1, "room": "r", "exp": None},
        [],
        "x",
    ],
)
def test_signed_claims_that_are_none_are_refused(tokens: Tokens, claims: object) -> None:
    assert tokens.read(forged({"v": 1, "room": "r", "exp": 2_000_000_000}), NOW_S).room == "r"
    with pytest.raises(TokenError):
        tokens.read(forged(claims), NOW_S)


@pytest.mark.parametrize(("room", "ttl_s"), [("", 60), ("a b", 60), ("r" * 65, 60), ("r", 0), ("r", MAX_TTL_S + 1)])
def test_nothing_is_issued_for_no_room_or_for_ever(tokens: Tokens, room: str, ttl_s: int) -> None:
    with pytest.raises(ValueError, match=r"room id|between"):
        tokens.issue(room, ttl_s, NOW_S)


@pytest.mark.parametrize("secrets", [[], ["s" * 31], [SECRET, ""]])
def test_a_short_secret_is_none(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="32"):
        Tokens(secrets)
