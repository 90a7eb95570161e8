"""Tokens: a token's holder may read one room (or all) until it expires, and may do nothing else.

A token is `<grant>.<signature>`: base64url of a JSON object {"v": 1, "room": …, "exp": …} (seconds), and of the
HMAC-SHA256 over that text. The server stores nothing: only a change of the secret revokes a token before it expires.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stream.contract.ids import is_id

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_ROOMS = "*"
VERSION = 1
MIN_SECRET_CHARS = 32
# A year. A token without expiry does not exist.
MAX_TTL_S = 366 * 86_400
MAX_TOKEN_CHARS = 512
# The prefix of every signed text: a signature made with the same secret for another purpose does not fit.
_PURPOSE = b"snapup read token\n"


class Grant(Struct, frozen=True):
    """What a token grants. `exp`: seconds since 1970, the first second in which it is no longer valid."""

    v: int
    room: str
    exp: int

    def allows(self, room_id: str) -> bool:
        """Whether the token lets its holder read this room. `ALL_ROOMS` stands for the list."""
        return self.room in (ALL_ROOMS, room_id)


class TokenError(ValueError):
    """The token is not valid. The text says why and may be shown to the sender."""


class TokenExpiredError(TokenError):
    """The token is genuine, and its time is over."""


_decode = msgspec.json.Decoder(Grant, strict=True).decode


class Tokens:
    """Makes and reads tokens.

    Args:
        secrets: the first signs, and all are accepted: a secret can be replaced without a gap.

    Raises:
        ValueError: there is no secret, or one is too short.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or min(map(len, secrets)) < MIN_SECRET_CHARS:
            raise ValueError(f"a token secret needs at least {MIN_SECRET_CHARS} characters")
        self._keys = [secret.encode() for secret in secrets]

    def issue(self, room: str, ttl_s: int, now_s: float) -> str:
        """A token for a room id or `ALL_ROOMS`.

        Raises:
            ValueError: `room` is no room id, or the ttl is not between a second and `MAX_TTL_S`.
        """
        if room != ALL_ROOMS and not is_id(room):
            raise ValueError(f"{room!r} is no room id")
        if not 1 <= ttl_s <= MAX_TTL_S:
            raise ValueError(f"a token lasts between 1 and {MAX_TTL_S} seconds")
        body = _encode(msgspec.json.encode(Grant(VERSION, room, int(now_s) + ttl_s)))
        return f"{body}.{_encode(_sign(self._keys[0], body))}"

    def read(self, token: str, now_s: float) -> Grant:
        """The grant of a genuine token that is valid now.

        Raises:
            TokenExpiredError: the token was valid once.
            TokenError: the token is not ours, or was changed.
        """
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            raise TokenError("this is no token")
        body, _, signature = token.partition(".")
        # Compared as text: several base64 texts decode to the same bytes, and only one of them was issued.
        if not any(hmac.compare_digest(_encode(_sign(key, body)), signature) for key in self._keys):
            raise TokenError("the token's signature is wrong")
        try:
            grant = _decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError):
            raise TokenError("this is no token") from None
        if grant.v != VERSION:
            raise TokenError("the token is of another version")
        if now_s >= grant.exp:
            raise TokenExpiredError("the token has expired")
        return grant


def _sign(key: bytes, body: str) -> bytes:
    return hmac.digest(key, _PURPOSE + body.encode(), hashlib.sha256)


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
