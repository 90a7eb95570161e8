"""Times of other systems → milliseconds, for adapters that know which form a field has: the contract never guesses.

Integers tell their unit by their number of digits: 10 are seconds, 13 milliseconds, 16 microseconds, 19 nanoseconds.
These are the times from 2001-09-09 to 2286-11-20 in each unit, so that no two units can be mistaken for one another.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_RFC3339 = re.compile(
    r"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<offset>Z|[+-]\d\d:\d\d)",
    re.ASCII | re.IGNORECASE,
)
# A time in each unit, by its number of digits.
_DIGITS = re.compile(r"[1-9](?:[0-9]{9}|[0-9]{12}|[0-9]{15}|[0-9]{18})")
_MS_DIGITS = 13
_MAX_INTEGER = 10**19


def foreign_time_ms(said: object) -> int | None:
    """The time in UTC epoch milliseconds; finer digits are cut off.

    None: nothing was said (absent, 0, empty text), or nothing that can be a time. The adapter then takes the time of
    arrival and counts that it did.

    Args:
        said: an integer or its digits as text, in s, ms, µs or ns; or an RFC 3339 text. Never a float: a large integer
            that went through one is another integer.
    """
    if isinstance(said, int) and not isinstance(said, bool) and 0 < said < _MAX_INTEGER:
        said = str(said)
    if not isinstance(said, str):
        return None
    if _DIGITS.fullmatch(said):
        return int(said[:_MS_DIGITS].ljust(_MS_DIGITS, "0"))
    moment_ms = rfc3339_ms(said)
    return None if moment_ms is None or moment_ms < 0 else moment_ms


def rfc3339_ms(text: str) -> int | None:
    """UTC epoch milliseconds of an RFC 3339 time with any number of decimals, finer ones cut off; None: it is none."""
    if match := _RFC3339.fullmatch(text):
        try:
            # RFC 3339 allows small letters for T and Z.
            moment = datetime.fromisoformat((match["second"] + match["offset"]).upper())
        except ValueError:  # a 13th month, a 61st second
            return None
        return (moment - _EPOCH) // _SECOND * 1000 + int((match["fraction"] or "")[:3].ljust(3, "0"))
    return None
