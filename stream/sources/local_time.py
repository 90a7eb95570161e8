"""Local wall-clock times → UTC epoch milliseconds, and what clock changes make of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stream.errors import NoSuchError
from stream.sources.accounts import Note


class DateOrder(StrEnum):
    """How a date is written: 2010-12-31, 12/31/2010 or 31/12/2010."""

    ISO = "iso"
    MDY = "mdy"
    DMY = "dmy"


class LocalTime(NamedTuple):
    """A moment, and what had to be decided to know it."""

    epoch_ms: int
    note: Note | None


_ISO = re.compile(
    r"(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})[ T](?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}))?", re.ASCII
)
_CLOCK = r"/(?P<y>\d{4}) (?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}))?"
_PATTERNS = {
    DateOrder.ISO: _ISO,
    DateOrder.MDY: re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})" + _CLOCK, re.ASCII),
    DateOrder.DMY: re.compile(r"(?P<d>\d{1,2})/(?P<m>\d{1,2})" + _CLOCK, re.ASCII),
}


def time_zone(name: str) -> ZoneInfo:
    """The zone of this name.

    Raises:
        SnapupError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise NoSuchError(
            f"There is no time zone {name!r} here: give a name such as Europe/London or UTC, or install tzdata."
        ) from None


def parse_local(text: str, order: DateOrder, zone: ZoneInfo) -> LocalTime:
    """The moment of a local time.

    An hour that the clock struck twice is taken as the first of the two. An hour that the clock skipped is moved past
    the gap, as a clock not yet set would have shown it. Both are noted.

    Raises:
        ValueError: the text is no such time.
    """
    found = _PATTERNS[order].fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time written as {_example(order)}")
    year, month, day, hour, minute, second = (int(found[name] or 0) for name in ("y", "m", "d", "H", "M", "S"))
    local = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    try:
        moment = local.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is outside the calendar") from None
    epoch_ms = int(moment.timestamp()) * 1000
    if local.utcoffset() == local.replace(fold=1).utcoffset():
        return LocalTime(epoch_ms, None)
    exists = moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
    return LocalTime(epoch_ms, Note.AMBIGUOUS_TIME if exists else Note.NONEXISTENT_TIME)


def _example(order: DateOrder) -> str:
    return {
        DateOrder.ISO: "2010-12-31 23:59:00",
        DateOrder.MDY: "12/31/2010 23:59 (--dates mdy)",
        DateOrder.DMY: "31/12/2010 23:59 (--dates dmy)",
    }[order]
