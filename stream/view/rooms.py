"""The rooms now in Redis, one line each, for operators on call."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stream.view.levels import LEVEL_STYLES, level_text
from stream.view.strings import EN
from stream.view.words import clean, duration, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from stream.overlays.rooms import RoomState


def rooms_summary(rooms: Sequence[RoomState], *, complete: bool) -> str:
    """The number of rooms, and of rooms with each alert."""
    counts = Counter(alert for room in rooms for alert in room.alerts)
    well = sum(1 for room in rooms if not room.alerts)
    said = f"{grouped(len(rooms))}{'' if complete else ' or more'} rooms, {grouped(well)} of them without an alert"
    return said + "".join(f"; {grouped(count)} {clean(alert, 60)}" for alert, count in counts.most_common())


def rooms_table(rooms: Sequence[RoomState]) -> RenderableType:
    """A table with one line for each room, in the given order."""
    table = Table(box=None, pad_edge=False, header_style="#94a3b8")
    table.add_column("room", overflow="fold")
    table.add_column("alerts", overflow="fold")
    for name in ("age", "lag", "watching", "placed", "paid", "oversold"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("urgency", no_wrap=True)
    table.add_column("withheld", overflow="fold")
    for room in rooms:
        withheld = ", ".join(f"{reason} {count}" for reason, count in room.withheld.items())
        table.add_row(
            Text(clean(room.room_id, 64)),
            Text(" ".join(clean(alert, 60) for alert in room.alerts), "bold #f87171"),
            duration(room.age_ms),
            duration(room.lag_ms),
            grouped(room.watching_now),
            grouped(room.orders_placed),
            grouped(room.orders_paid),
            grouped(room.oversold) if room.oversold else "",
            _level(room),
            Text(clean(withheld, 120)),
        )
    return table


def _level(room: RoomState) -> Text:
    if room.ended:
        return Text("session ended")
    if room.level in LEVEL_STYLES:
        return level_text(room.level, EN)
    return Text(clean(room.level, 20))  # a level of a newer worker
