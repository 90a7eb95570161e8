"""Event ids out of a row's fields."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# 12 bytes: among 10⁸ rows the chance that any two meet is 6e-14.
DIGEST_BYTES = 12


def row_id(source: str, line: int, fields: Iterable[str]) -> str:
    """The id of a row, from its place and its fields.

    The file's name is no part of it: a second import of the same rows is told as a duplicate.
    """
    digest = blake2b("\x1f".join([str(line), *fields]).encode(), digest_size=DIGEST_BYTES)
    return f"{source}:{digest.hexdigest()}"
