"""Foreign ids → contract ids, reversibly; event ids out of a row's fields.

Letters, digits and `. _ -` stay. Every other byte (UTF-8), the colon too, becomes `:` and two hex digits. So two ids
never become one, and `decode_id` gives the original back.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

from stream.contract.events import MAX_ID_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterable

# 12 bytes: among 10⁸ rows the chance that any two meet is 6e-14.
DIGEST_BYTES = 12

_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_ENCODED = tuple(chr(byte) if byte in _KEPT else f":{byte:02X}" for byte in range(256))
_PLAIN = re.compile(r"[A-Za-z0-9._-]*")
_ESCAPE = re.compile(rb":([0-9A-F]{2})")


def encode_id(text: str) -> str:
    """A contract id for any text; may be too long for an id (`fits`)."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join([_ENCODED[byte] for byte in text.encode()])


def decode_id(encoded: str) -> str:
    """The text given to `encode_id`."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), encoded.encode()).decode()


def fits(encoded: str) -> bool:
    """Whether an id is neither empty nor longer than the contract allows."""
    return 0 < len(encoded) <= MAX_ID_CHARS


def row_id(source: str, line: int, fields: Iterable[str]) -> str:
    """The id of a row, from its place and its fields.

    The file's name is no part of it: a second import of the same rows is told as a duplicate.
    """
    digest = blake2b("\x1f".join([str(line), *fields]).encode(), digest_size=DIGEST_BYTES)
    return f"{source}:{digest.hexdigest()}"
