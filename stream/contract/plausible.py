"""Impossible times of a sale: a mistaken unit, an end before its start, a year that cannot be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream.contract.events import MAX_SALE_AWAY_MS, SaleClosed, SaleExtended, SaleOpened, SaleRestocked
from stream.contract.refusal import DeadLetter, Reason, refuse

if TYPE_CHECKING:
    from stream.contract.events import RoomEvent

_FIELDS: dict[type, tuple[str, ...]] = {
    SaleOpened: ("starts_at_ms", "ends_at_ms", "restock_planned_at_ms"),
    SaleRestocked: ("restock_planned_at_ms",),
    SaleExtended: ("ends_at_ms",),
    SaleClosed: (),
}
_DAY_MS = 24 * 3_600_000
# Factors that bring a time to milliseconds (multiply, divide), and the name of the mistaken unit.
_UNITS = ((1_000, 1, "seconds"), (1, 1_000, "microseconds"))


def impossible_time(event: RoomEvent) -> DeadLetter | None:
    """The refusal of an event of topic `sales` with an impossible time; None if all its times are possible."""
    for field in _FIELDS[type(event)]:
        at_ms: int | None = getattr(event, field)
        if at_ms is not None and abs(at_ms - event.event_time_ms) > MAX_SALE_AWAY_MS:
            return refuse(Reason.IMPOSSIBLE_TIME, _advice(field, at_ms, event.event_time_ms), f"/{field}")
    if isinstance(event, SaleOpened) and event.ends_at_ms is not None and event.ends_at_ms < event.starts_at_ms:
        detail = f"ends_at_ms is {event.starts_at_ms - event.ends_at_ms} ms before starts_at_ms"
        return refuse(Reason.IMPOSSIBLE_TIME, detail, "/ends_at_ms")
    return None


def _advice(field: str, at_ms: int, event_time_ms: int) -> str:
    if at_ms == 0:
        return f"{field} is 0, which is 1970: leave the field out where there is no such time"
    for times, part, unit in _UNITS:
        if abs(at_ms * times // part - event_time_ms) <= MAX_SALE_AWAY_MS:
            return f"{field} {at_ms} looks like {unit}: send milliseconds"
    days, most = abs(at_ms - event_time_ms) // _DAY_MS, MAX_SALE_AWAY_MS // _DAY_MS
    return f"{field} lies {days} days from event_time_ms, the most is {most}: leave it out where there is no such time"
