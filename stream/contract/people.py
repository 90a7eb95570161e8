"""Unknown people: the reserved user id and what clients send in its place. An unknown person is not counted."""

from __future__ import annotations

UNKNOWN_USER = "-"

# What databases, languages and shops write instead of an id. Each would be one person with the acts of thousands.
PLACEHOLDERS = (
    *("0", "0.0", "-1", "-1.0", "00000000-0000-0000-0000-000000000000", "0" * 32),
    *("anon", "anonymous", "guest", "n.a.", "na", "nan", "nil", "none", "null", "undefined", "unknown"),
)

UNKNOWN_PEOPLE: frozenset[str] = frozenset(
    written
    for word in (UNKNOWN_USER, *PLACEHOLDERS, "NaN")
    for written in (word, word.lower(), word.upper(), word.capitalize())
)
