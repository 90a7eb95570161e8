"""Counters as platforms display them: `12.3万`, `1.2w+`, `5K`, `1,234` → a number and how precise it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from stream.mechanics.gauges.events import Precision

_SHOWN = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))?\s*([万萬亿億wWkKmMbB千]?)\s*(\+?)")
_UNITS = {"": 1, "千": 1000, "k": 1000, "万": 10_000, "萬": 10_000, "w": 10_000, "m": 1_000_000}
_UNITS |= {"亿": 100_000_000, "億": 100_000_000, "b": 1_000_000_000}
_MOST = 2**53 - 1


class Shown(NamedTuple):
    """A counter and its precision, in the words of a gauge."""

    value: int
    precision: Precision


def shown_number(value: Any) -> Shown | None:
    """The number that is displayed; None where there is none or it cannot be read."""
    if type(value) is int:
        return Shown(value, "exact") if 0 <= value <= _MOST else None
    if not isinstance(value, str):
        return None
    found = _SHOWN.fullmatch(value.replace(",", "").strip())
    if found is None:
        return None
    units, decimals, unit, plus = found.groups()
    decimals = decimals or ""
    size = _UNITS[unit.lower()]
    number = int(units + decimals) * size
    if number % 10 ** len(decimals):
        return None
    number //= 10 ** len(decimals)
    if number > _MOST:
        return None
    return Shown(number, "at_least" if plus else "rounded" if unit else "exact")
