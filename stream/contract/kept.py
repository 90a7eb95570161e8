"""What is kept of a record that is too large or cannot be read: enough to say what it was and where the rest lies.

Both kinds stand where a record's parts would stand, so that nobody who handles good records has to know of them.
"""

from __future__ import annotations

from typing import Self

# More is never kept of one value, in memory or in a dead letter; what the contract takes is a sixtieth of it.
KEPT_VALUE_BYTES = 1_000_000
KEPT_KEY_BYTES = 16 * 1024


class CutBytes(bytes):
    """The beginning of a value or key. `whole_bytes`: how long it was."""

    whole_bytes: int

    def __new__(cls, kept: bytes, whole_bytes: int) -> Self:
        """These bytes, of so many."""
        made = super().__new__(cls, kept)
        made.whole_bytes = whole_bytes
        return made


class Unreadable(tuple[tuple[str, bytes], ...]):  # noqa: SLOT001 — a tuple may have no slots of its own
    """Stands for the headers of a record that cannot be read; true, although there are none. `why`: in words."""

    why: str

    def __new__(cls, why: str) -> Self:
        """No headers, and the reason."""
        made = super().__new__(cls)
        made.why = why
        return made

    def __bool__(self) -> bool:
        return True


def cut(content: bytes | None, most_bytes: int) -> bytes | None:
    """The content, or its beginning, which remembers how long it was."""
    if content is None or len(content) <= most_bytes:
        return content
    return CutBytes(content[:most_bytes], whole_bytes(content))


def whole_bytes(content: bytes) -> int:
    """How long a value or key was when it was sent."""
    return content.whole_bytes if isinstance(content, CutBytes) else len(content)
