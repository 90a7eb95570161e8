"""`gauges`: a room on four platforms, each of which says in its own way how many watch; one of them falls silent.

The plan decides what each figure peaks at and what it is last before it writes a reading: so the totals are known
beforehand. All figures and shapes are assumptions. Nobody in it buys anything.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from stream.mechanics.gauges.events import Gauge
from stream.shows.delivery import Disturbance
from stream.shows.one_room import show_of_room
from stream.shows.plan import RoomPlan
from stream.shows.planned import Planned

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.contract.sections import Plain
    from stream.mechanics.gauges.events import Precision
    from stream.shows.show import Show

NAME = "gauges"
DURATION_MS = 240_000
KNOWN_FOR_MS = 120_000
LAST_READING_MS = 236_000
SILENT_FROM_MS = 70_000  # more than two minutes before the end: it is not known any more
VIEWERS = 1_200


class Course(NamedTuple):
    """How one figure goes: up to a peak, and in the end to what it is last."""

    peak: int
    last: int


class GaugesPlanned(Planned):
    """The gauges of one room.

    Args:
        room_id: the room.
        tag: begins every event id.
        duration_ms: of the show: what is said long before its end is not known at the end.
    """

    NAME = "gauges"

    def __init__(self, room_id: str, tag: str, duration_ms: int) -> None:
        self._room_id, self._tag, self._duration_ms = room_id, tag, duration_ms
        self._events: list[Gauge] = []
        self._figures: dict[str, dict[str, Plain]] = {}

    def source(
        self,
        rng: Random,
        source: str,
        times_ms: Sequence[int],
        courses: Mapping[str, Course],
        precision: Precision = "exact",
        unit: int = 1,
    ) -> None:
        """One platform.

        Args:
            rng: draws what lies between.
            source: its name.
            times_ms: when it says something, rising, three times at least.
            courses: kind of figure → its course.
            precision: of all that it says.
            unit: what it says are multiples of that; courses too.
        """
        values = {gauge: _readings(rng, course, len(times_ms), unit) for gauge, course in courses.items()}
        for place, at_ms in enumerate(times_ms):
            said: dict[str, Any] = {gauge: of_gauge[place] for gauge, of_gauge in values.items()}
            self._events.append(
                Gauge(
                    event_id=f"{self._tag}-{len(self._events):x}",
                    room_id=self._room_id,
                    event_time_ms=at_ms,
                    source=source,
                    precision=None if precision == "exact" else precision,
                    **said,
                )
            )
        is_known = times_ms[-1] + KNOWN_FOR_MS > self._duration_ms
        figures: dict[str, Plain] = {"source": source, "events": len(times_ms)}
        for gauge, course in courses.items():
            figures |= {f"{gauge}.peak.value": course.peak, f"{gauge}.peak.precision": precision}
            if is_known:
                figures |= {f"{gauge}.latest.value": course.last, f"{gauge}.latest.precision": precision}
            else:
                figures[f"{gauge}.latest"] = None
        self._figures[source] = figures

    def events(self) -> Sequence[Gauge]:
        """As `Planned.events`."""
        return self._events

    def figures(self) -> dict[str, Plain]:
        """As `Planned.figures`; times are left out."""
        found: dict[str, Plain] = {"known_for_ms": KNOWN_FOR_MS, "beyond": 0}
        for place, source in enumerate(sorted(self._figures, key=lambda each: (len(each), each)), 1):
            figures = self._figures[source]
            found |= {f"sources.{place}.{figure}": value for figure, value in figures.items()}
            if "viewers_now.source" not in found and "viewers_now.latest.value" in figures:
                found["viewers_now.source"] = source
                for figure in ("value", "precision"):
                    found[f"viewers_now.{figure}"] = figures[f"viewers_now.latest.{figure}"]
        return found


def build(seed: int, room_id: str = NAME) -> Show:
    """The show of one seed."""
    rng = Random(f"{NAME}/{seed}")
    plan = RoomPlan(room_id, f"ga{seed}", DURATION_MS)
    for number in range(VIEWERS):
        user_id = f"{rng.choice('abcdefghijklmnop')}{number:04d}"
        plan.visit(user_id, [(rng.randrange(60_000), None)])
        if rng.random() < 0.4:
            plan.like(user_id, 60_000 + rng.randrange(90_000), rng.randint(1, 40))
    gauges = GaugesPlanned(room_id, f"gag{seed}", DURATION_MS)
    peak = 18_000 + rng.randrange(2_000)
    gauges.source(
        rng,
        "tiktok",
        _times(rng, 3_000, LAST_READING_MS),
        {
            "viewers_now": Course(peak, peak - 3_000 - rng.randrange(1_000)),
            "viewers_total": _total(240_000 + rng.randrange(10_000)),
            "likes_total": _total(1_200_000 + rng.randrange(100_000)),
        },
    )
    thousands = rng.randrange(20, 60) * 1_000
    gauges.source(
        rng,
        "douyin",
        _times(rng, 5_000, LAST_READING_MS),
        {"viewers_now": Course(thousands, thousands - 8_000), "viewers_total": _total(thousands * 9)},
        "at_least",
        1_000,
    )
    gauges.source(
        rng, "kuaishou", _times(rng, 7_000, LAST_READING_MS), {"popularity": Course(90_000, 72_000)}, "rounded", 1_000
    )
    gauges.source(
        rng,
        "cctv",
        _times(rng, 9_000, SILENT_FROM_MS),
        {"viewers_now": Course(900 + rng.randrange(90), 700 + rng.randrange(90))},
    )
    plan.add(gauges)
    disturbance = Disturbance(seed=seed, duration_ms=DURATION_MS, repeated_per_10k=800, held_back_per_10k=1_500)
    return show_of_room(NAME, seed, plan, disturbance)


def _total(last: int) -> Course:
    """It only rises."""
    return Course(last, last)


def _times(rng: Random, every_ms: int, last_ms: int) -> list[int]:
    return [*(at_ms + rng.randrange(every_ms // 2) for at_ms in range(1_000, last_ms - every_ms, every_ms)), last_ms]


def _readings(rng: Random, course: Course, count: int, unit: int) -> list[int]:
    """What is said, one after the other. A course that ends at its peak only rises."""
    if course.last == course.peak:
        return [course.peak * (place + 1) // count // unit * unit for place in range(count - 1)] + [course.last]
    least = course.peak // 2 // unit
    values = [rng.randrange(least, course.peak // unit) * unit for _ in range(count - 1)]
    values[rng.randrange(1, count - 1)] = course.peak
    return [*values, course.last]
