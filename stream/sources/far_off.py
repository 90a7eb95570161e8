"""Times that stand months apart from all others: one mistyped year would end the session of everything else.

Days are counted first. Days more than `APART_DAYS` from the others are far off when they are few. Two long periods in
one file are two periods, and nothing is wrong with them.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

APART_DAYS = 90
# The share of all rows that may be mistaken. In a small file: a handful; of more than ten rows, always one.
FEW_SHARE = 0.01
HANDFUL = 5
HANDFUL_SHARE = 0.05
FEW_OF = 10
_DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Periods(Struct, frozen=True):
    """The first and the last day of each stretch of days that belong together, counted from 1970."""

    stretches: tuple[tuple[int, int], ...]

    def days_off(self, time_ms: int) -> int:
        """How many days a time lies outside of all stretches; 0: inside one."""
        day = time_ms // _DAY_MS
        return min(max(first - day, day - last, 0) for first, last in self.stretches)


def periods_of(times_ms: Iterable[int]) -> Periods | None:
    """The stretches of days in which these times lie; None when none stands apart."""
    return periods_of_days(Counter(time_ms // _DAY_MS for time_ms in times_ms))


def periods_of_days(rows: Counter[int]) -> Periods | None:
    """The same as `periods_of`, from the number of rows of each day."""
    stretches: list[list[int]] = []
    for day in sorted(rows):
        if stretches and day - stretches[-1][-1] <= APART_DAYS:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    total = rows.total()
    few = max(int(total * FEW_SHARE), min(HANDFUL, int(total * HANDFUL_SHARE)), int(total > FEW_OF))
    kept = [days for days in stretches if sum(rows[day] for day in days) > few]
    if len(kept) == len(stretches) or not kept:
        return None
    return Periods(tuple((days[0], days[-1]) for days in kept))


class Recorded:
    """Looks at the times of a recording, record by record."""

    def __init__(self) -> None:
        self._days: Counter[int] = Counter()
        self._first: dict[int, tuple[int, int]] = {}  # day → number of its first record, its time

    def add(self, number: int, time_ms: int) -> None:
        """Count the next record, if it has a time."""
        if time_ms >= 0:
            day = time_ms // _DAY_MS
            self._days[day] += 1
            self._first.setdefault(day, (number, time_ms))

    def first_far_off(self) -> str | None:
        """The first record whose time stands apart from all others, in words."""
        periods = periods_of_days(self._days)
        if periods is not None:
            for number, time_ms in sorted(self._first.values()):
                if days_off := periods.days_off(time_ms):
                    return f"record {number} has timestamp_ms {time_ms}, {told(time_ms, days_off)}"
        return None


def told(time_ms: int, days_off: int) -> str:
    """The time for people: `2037-01-01T00:00:00Z, 9517 days from all others`. Total for any integer."""
    try:
        written = (_EPOCH + timedelta(milliseconds=time_ms)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        written = f"{time_ms} ms"
    return f"{written}, {days_off} days from all others"
