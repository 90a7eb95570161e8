"""Moments as people write them: 2026-11-11T20:00:30Z, epoch milliseconds, or +90s after the first record."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from stream.errors import UsageError

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def moment_ms(text: str, option: str, first_ms: int | None = None) -> int:
    """UTC epoch milliseconds of a moment. A moment without a zone is UTC.

    Args:
        text: the moment as written.
        option: the option's name, for the error.
        first_ms: the start of `+90s`; None: such a form is an error.

    Raises:
        SnapupError: the text is no moment.
    """
    if re.fullmatch(r"[0-9]{12,15}", text):
        return int(text)
    found = re.fullmatch(r"\+([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h)", text)
    if found and first_ms is not None:
        return first_ms + round(float(found[1]) * _UNITS_MS[found[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        after = ", or +90s after the first record" if first_ms is not None else ""
        raise UsageError(
            f"{option} {text}: give a moment such as 2026-11-11T20:00:30Z, epoch milliseconds{after}."
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def moment_words(at_ms: int) -> str:
    """A moment in UTC, to the millisecond."""
    return (
        datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC")
    )
