"""Ids of other systems → ids of the contract: one rule, the same in every language (`schemas/ids/`).

Letters, digits and `. _ -` stay. Every other byte (UTF-8), the colon too, becomes `:` and two hex digits. What would be
longer than an id may be is hashed: `h` and the first 128 bits of SHA-256. A text that looks like such a hash is hashed
too. So two ids never become one. SHA-256, because each platform that sends events has it in its standard library:
BLAKE2b with 128 bits is in neither Java's, nor Go's, nor Node's, nor a browser's.
"""

from __future__ import annotations

import re
from hashlib import sha256

from stream.contract.events import MAX_ID_CHARS
from stream.contract.ids import is_id
from stream.contract.people import UNKNOWN_PEOPLE, UNKNOWN_USER

HASH_DIGITS = 32
# `h` and the digits still fit behind it.
MAX_PREFIX_CHARS = MAX_ID_CHARS - 1 - HASH_DIGITS

_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_ENCODED = tuple(chr(byte) if byte in _KEPT else f":{byte:02X}" for byte in range(256))
_PLAIN = re.compile(r"[A-Za-z0-9._-]*")
_ESCAPE = re.compile(rb":([0-9A-F]{2})")
_LIKE_A_HASH = re.compile(rf"h[0-9a-f]{{{HASH_DIGITS}}}")
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def contract_id(text: str, prefix: str = "") -> str:
    """An id of the contract for any id of another system: the same for the same text, another one for another text.

    Args:
        text: the foreign id. Half of a surrogate pair counts as U+FFFD.
        prefix: which system it is of, such as `tt:`; id characters, at most `MAX_PREFIX_CHARS`. It stays as it is.

    Raises:
        ValueError: the text is empty and names nothing; or the prefix is none.
    """
    if not text:
        raise ValueError("an empty text names nothing: leave the event out, or send a person as `person_id` says")
    if prefix and (len(prefix) > MAX_PREFIX_CHARS or not is_id(prefix)):
        raise ValueError(f"{prefix!r} is no prefix: at most {MAX_PREFIX_CHARS} of A-Z a-z 0-9 . _ : -")
    encoded = encode_id(text)
    if len(prefix) + len(encoded) > MAX_ID_CHARS or _LIKE_A_HASH.fullmatch(encoded):
        return f"{prefix}h{sha256(_utf8(text)).hexdigest()[:HASH_DIGITS]}"
    return prefix + encoded


def person_id(text: str | None, prefix: str = "") -> str:
    """The `user_id` for a person of another system; `-` where the system does not say who it was.

    Behind a prefix nobody could tell a placeholder from a person, and all strangers would be one. So absent, empty and
    the words that `people.PLACEHOLDERS` lists are `-` before the prefix is set.

    Raises:
        ValueError: as `contract_id`, for the prefix.
    """
    if not text or text.lower() in UNKNOWN_PEOPLE:
        return UNKNOWN_USER
    return contract_id(text, prefix)


def encode_id(text: str) -> str:
    """The text in characters of ids, whence `decode_id` gets it back; may be too long for an id (`fits`)."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join([_ENCODED[byte] for byte in _utf8(text)])


def decode_id(encoded: str) -> str:
    """The text given to `encode_id`."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), encoded.encode()).decode()


def fits(encoded: str) -> bool:
    """Whether an id is neither empty nor longer than the contract allows."""
    return 0 < len(encoded) <= MAX_ID_CHARS


def _utf8(text: str) -> bytes:
    return _HALF_A_PAIR.sub("\ufffd", text).encode()
