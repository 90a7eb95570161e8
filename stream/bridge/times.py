"""A platform's time → epoch milliseconds, by its magnitude and never by what its documentation believes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

# Digits of a time of these decades → (times, parts) to milliseconds: seconds, milli-, micro-, nanoseconds.
_BY_DIGITS = {10: (1000, 1), 13: (1, 1), 16: (1, 1000), 19: (1, 1_000_000)}
_RFC_3339 = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,18}))?(Z|z|[+-]\d{2}:\d{2})", re.ASCII)


def epoch_ms(value: Any) -> int | None:
    """The time in epoch milliseconds, rounded down; None where it is missing, 0, a fraction or cannot be read.

    Args:
        value: an integer, as number or text, of 10, 13, 16 or 19 digits; or RFC 3339 with any number of decimals.
    """
    if type(value) is int:
        value = str(value) if 0 < value < 10**20 else ""
    if not isinstance(value, str) or not value:
        return None
    if value.isascii() and value.isdecimal():
        times, parts = _BY_DIGITS.get(len(value), (0, 1))
        return int(value) * times // parts if times and value[0] != "0" else None
    found = _RFC_3339.fullmatch(value)
    if found is None:
        return None
    day, time, decimals, zone = found.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        second = datetime.fromisoformat(f"{day}T{time}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    ms = int(second.timestamp()) * 1000 + int((decimals or "0")[:3].ljust(3, "0"))
    return ms if ms > 0 else None
