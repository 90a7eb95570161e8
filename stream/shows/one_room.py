"""A planned room as a show: its events in order, disturbed on their way, and their expected totals."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from stream.shows.delivery import Disturbance, count_disturbed, deliver
from stream.shows.show import Expected, Show

if TYPE_CHECKING:
    from stream.shows.plan import RoomPlan


def show_of_room(name: str, seed: int, plan: RoomPlan, disturbance: Disturbance) -> Show:
    """The show of one room."""
    events = sorted(plan.events, key=attrgetter("event_time_ms"))
    counted = count_disturbed(events, plan.held_back_ms, disturbance)
    expected = Expected(
        rooms=[plan.expected()],
        deliveries=len(events) + counted.redelivered + counted.replayed,
        applied=len(events) - plan.repeated_statuses,
        redelivered=counted.redelivered,
        replayed=counted.replayed,
        repeated_statuses=plan.repeated_statuses,
        out_of_order=counted.out_of_order,
        duration_ms=disturbance.duration_ms,
    )
    deliveries = partial(deliver, events, plan.held_back_ms, disturbance)
    return Show(name=name, seed=seed, expected=expected, deliveries=deliveries)
