"""Gauges as the worker keeps them: of each source and kind what was said last, and the greatest that was said.

There are no rows: a room has few sources, and each has four kinds of figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from stream.core.mechanic import NEVER_MS, Batch, Mechanic, Scope
from stream.mechanics.gauges import section as shown
from stream.mechanics.gauges.events import Gauge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GAUGES = ("viewers_now", "viewers_total", "likes_total", "popularity")
# Of equal values that one is the peak that leaves most open upwards, and then that which claims more.
CLAIMS_MORE = ("rounded", "exact", "at_least")


class Latest(Struct, array_like=True, frozen=True, order=True):
    """What was said last: by the event's time, then by its id. The rest decides where an id came with two contents."""

    at_ms: int
    event_id: str
    value: int
    precision: str


class Peak(Struct, array_like=True, frozen=True):
    """The greatest that was said, and when first."""

    value: int
    precision: str
    at_ms: int

    def rank(self) -> tuple[int, int, int]:
        """The greater is the peak."""
        return self.value, CLAIMS_MORE.index(self.precision), -self.at_ms


class Kept(Struct, array_like=True, frozen=True):
    """One kind of figure of one source."""

    latest: Latest
    peak: Peak


class SourceKept(Struct, array_like=True, frozen=True):
    """One source: how many events came from it, and kind → what it said."""

    events: int = 0
    gauges: dict[str, Kept] = {}


class SavedGauges(Struct, array_like=True):
    """Name → source. `beyond`: events of sources beyond the bound."""

    sources: dict[str, SourceKept]
    beyond: int = 0


NOTHING = SourceKept()


class GaugeFold(Mechanic):
    """Gauges of one session."""

    NAME = "gauges"
    KINDS = (Gauge,)
    SAVED = SavedGauges
    LIMITS: ClassVar[Mapping[str, int]] = {"sources_max": 16, "known_for_ms": 120_000}

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.sources: dict[str, SourceKept] = {}
        self.beyond = 0
        self._sources_max = scope.limit("sources_max")
        self._known_for_ms = scope.limit("known_for_ms")

    # -- what happens --------------------------------------------------------------------------------------------------
    def fold(self, batch: Batch) -> None:
        """As `Mechanic.fold`: every event counts, if only as one more of its source."""
        for event in batch.events:
            before = self.sources.get(event.source, NOTHING)
            self.sources[event.source] = _after(before, event)
            if len(self.sources) > self._sources_max:
                self._let_go(max(self.sources, key=_rank))

    def _let_go(self, source: str) -> None:
        """Whatever the order is, the same sources are left: one that is let go never would have come back."""
        events = self.sources.pop(source).events
        self.beyond += events
        self.scope.beyond("sources_max", events)

    # -- what is shown -------------------------------------------------------------------------------------------------
    def section(self, as_of_ms: int) -> shown.Gauges:
        """As `Mechanic.section`."""
        sources = [self._source(name, as_of_ms) for name in sorted(self.sources, key=_rank)]
        return shown.Gauges(self._known_for_ms, sources, next(_viewers_now(sources), None), self.beyond)

    def _source(self, name: str, as_of_ms: int) -> shown.Source:
        kept = self.sources[name]
        return shown.Source(
            name, kept.events, **{gauge: self._gauge(each, as_of_ms) for gauge, each in kept.gauges.items()}
        )

    def _gauge(self, kept: Kept, as_of_ms: int) -> shown.Gauge:
        peak, latest = kept.peak, kept.latest
        return shown.Gauge(
            shown.Reading(peak.value, peak.at_ms, peak.precision),
            shown.Reading(latest.value, latest.at_ms, latest.precision) if self._known(latest, as_of_ms) else None,
        )

    def holds_until_ms(self, as_of_ms: int) -> int:
        """As `Mechanic.holds_until_ms`: until the first of those that are known is too old."""
        latest = [kept.latest for source in self.sources.values() for kept in source.gauges.values()]
        known = [each.at_ms for each in latest if self._known(each, as_of_ms)]
        return min(known) + self._known_for_ms if known else NEVER_MS

    def _known(self, latest: Latest, as_of_ms: int) -> bool:
        return latest.at_ms + self._known_for_ms > as_of_ms

    # -- what is saved -------------------------------------------------------------------------------------------------
    def saved(self) -> SavedGauges:
        """As `Mechanic.saved`."""
        return SavedGauges(dict(sorted(self.sources.items())), self.beyond)

    def restore(self, saved: SavedGauges, rows: Mapping[str, Struct]) -> None:  # noqa: ARG002 — there are none
        """As `Mechanic.restore`."""
        self.sources, self.beyond = dict(saved.sources), saved.beyond


def _after(before: SourceKept, event: Gauge) -> SourceKept:
    """Returns what is kept of a source after one more event."""
    gauges = dict(before.gauges)
    for gauge in GAUGES:
        value = getattr(event, gauge)
        if value is None:
            continue
        precision = event.precision or "exact"
        latest = Latest(event.event_time_ms, event.event_id, value, precision)
        peak = Peak(value, precision, event.event_time_ms)
        kept = gauges.get(gauge)
        if kept is not None:
            latest, peak = max(kept.latest, latest), max(kept.peak, peak, key=Peak.rank)
        gauges[gauge] = Kept(latest, peak)
    return SourceKept(before.events + 1, {gauge: gauges[gauge] for gauge in GAUGES if gauge in gauges})


def _rank(source: str) -> tuple[int, str]:
    """Decides which sources are kept, if there are too many, and in which order: platforms have short names."""
    return len(source), source


def _viewers_now(sources: list[shown.Source]) -> Iterator[shown.ViewersNow]:
    for each in sources:
        latest = None if each.viewers_now is None else each.viewers_now.latest
        if latest is not None:
            yield shown.ViewersNow(latest.value, each.source, latest.at_ms, latest.precision)
