"""What is kept of a record that is too large or unreadable: enough to say what it was and where the rest lies.

Both kinds stand in the place of a record's normal parts: code for good records need not know them.
"""

from __future__ import annotations

from typing import Self

# At most this much of a value is kept, in memory or in a dead letter. The contract accepts a sixtieth of it.
KEPT_VALUE_BYTES = 1_000_000
KEPT_KEY_BYTES = 16 * 1024


class CutBytes(bytes):
    """The beginning of a value or key. `whole_bytes`: the length of the whole."""

    whole_bytes: int

    def __new__(cls, kept: bytes, whole_bytes: int) -> Self:
        """The kept bytes, with the length of the whole."""
        made = super().__new__(cls, kept)
        made.whole_bytes = whole_bytes
        return made


class Unreadable(tuple[tuple[str, bytes], ...]):  # noqa: SLOT001 — a tuple may have no slots of its own
    """Stands for the headers of an unreadable record. True although it is empty. `why`: the reason in words."""

    why: str

    def __new__(cls, why: str) -> Self:
        """Empty headers with the reason."""
        made = super().__new__(cls)
        made.why = why
        return made

    def __bool__(self) -> bool:
        return True


def cut(content: bytes | None, most_bytes: int) -> bytes | None:
    """The content, or its beginning as `CutBytes`, which keeps the length of the whole."""
    if content is None or len(content) <= most_bytes:
        return content
    return CutBytes(content[:most_bytes], whole_bytes(content))


def whole_bytes(content: bytes) -> int:
    """The length of a value or key as it was sent."""
    return content.whole_bytes if isinstance(content, CutBytes) else len(content)
