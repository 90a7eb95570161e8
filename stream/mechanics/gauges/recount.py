"""Gauges counted again by the rules of README.md: every event is kept, and figures are made when asked.

Nothing here is shared with the fold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stream.mechanics.gauges.events import Gauge
from stream.verify.recounted import Recounted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stream.contract.events import Event
    from stream.contract.sections import Plain

KINDS_OF_FIGURES = ("viewers_now", "viewers_total", "likes_total", "popularity")


class _Said(NamedTuple):
    """One figure; the later one by time, then by id."""

    time_ms: int
    event_id: str
    value: int
    precision: str

    def figures(self, name: str) -> dict[str, Plain]:
        return {f"{name}.value": self.value, f"{name}.at_ms": self.time_ms, f"{name}.precision": self.precision}


class GaugesAgain(Recounted):
    """The gauges of one session."""

    NAME = "gauges"
    KINDS = (Gauge,)
    LIMITS: ClassVar[Mapping[str, int]] = {"sources_max": 16, "known_for_ms": 120_000}

    def __init__(self, limits: Mapping[str, int]) -> None:
        super().__init__(limits)
        self._events: dict[str, list[Gauge]] = {}

    def note(self, event: Event, effective_ms: int) -> bool:  # noqa: ARG002 — events are ordered by what they say
        """As `Recounted.note`."""
        if not isinstance(event, Gauge):
            return False
        self._events.setdefault(event.source, []).append(event)
        return True

    def figures(self, as_of_ms: int) -> dict[str, Plain]:
        """As `Recounted.figures`."""
        if not self._events:
            return {}
        by_length = sorted(sorted(self._events), key=len)
        most = self.limits["sources_max"]
        figures: dict[str, Plain] = {
            "known_for_ms": self.limits["known_for_ms"],
            "beyond": sum(len(self._events[source]) for source in by_length[most:]),
        }
        watched: list[tuple[str, _Said]] = []
        for place, source in enumerate(by_length[:most], 1):
            events = self._events[source]
            figures |= {f"sources.{place}.source": source, f"sources.{place}.events": len(events)}
            for kind in KINDS_OF_FIGURES:
                said = list(_said_of(kind, events))
                figures |= self._of_gauge(f"sources.{place}.{kind}", said, as_of_ms)
                if kind == "viewers_now":
                    watched += [(source, max(said))] if said and self._is_known(max(said), as_of_ms) else []
        if not watched:
            return figures | {"viewers_now": None}
        source, latest = watched[0]
        return figures | {"viewers_now.source": source} | latest.figures("viewers_now")

    def _of_gauge(self, name: str, said: list[_Said], as_of_ms: int) -> dict[str, Plain]:
        if not said:
            return {name: None}
        greatest = max(each.value for each in said)
        peaks = [each for each in said if each.value == greatest]
        # Of equal ones: at least so many, exactly so many, about so many.
        precision = next(
            word for word in ("at_least", "exact", "rounded") if any(each.precision == word for each in peaks)
        )
        first = min(each for each in peaks if each.precision == precision)
        latest = max(said)
        known = latest.figures(f"{name}.latest") if self._is_known(latest, as_of_ms) else {f"{name}.latest": None}
        return first.figures(f"{name}.peak") | known

    def _is_known(self, said: _Said, as_of_ms: int) -> bool:
        return as_of_ms - said.time_ms < self.limits["known_for_ms"]


def _said_of(kind: str, events: Iterable[Gauge]) -> Iterable[_Said]:
    for event in events:
        value = getattr(event, kind)
        if value is not None:
            precision = "exact" if event.precision is None else event.precision
            yield _Said(event.event_time_ms, event.event_id, value, precision)
