"""A host's words on a room's sales, kept as they were said. What follows from them is worked out on demand.

Under the first edition of signals the furthest end and the first close held. From the second on the newest word
decides, by its event time, then its id. What a newer word takes back is a correction.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from stream.contract.events import SaleClosed, SaleExtended, SaleOpened
from stream.contract.overlay import FIRST_SIGNALS, SaleCorrection

if TYPE_CHECKING:
    from stream.verify.figures import SaleKey

# Bound on the newest openings of a SKU that count, and on the other words about the SKU and about the whole sale.
NEWEST = 16
Status = tuple[str, int | None, bool]


class HostWords:
    """The words on the terms of all sales of a room."""

    def __init__(self) -> None:
        self._openings: defaultdict[SaleKey, list[SaleOpened]] = defaultdict(list)
        # By sale and SKU (None: the whole sale). A close has the moment at which it counts.
        self._others: defaultdict[tuple[str, str | None], list[tuple[SaleExtended | SaleClosed, int]]] = defaultdict(
            list
        )

    @property
    def beyond(self) -> int:
        """How many words have found no place among the newest."""
        counts = [*map(len, self._openings.values()), *map(len, self._others.values())]
        return sum(max(0, count - NEWEST) for count in counts)

    def opened(self, key: SaleKey, event: SaleOpened) -> None:
        """Note that a sale was opened, or opened again."""
        self._openings[key].append(event)

    def said(self, sale_id: str, sku_id: str | None, event: SaleExtended | SaleClosed, effective_ms: int) -> None:
        """Note that a sale, or one SKU of it, was extended or closed."""
        self._others[sale_id, sku_id].append((event, effective_ms))

    def opening(self, key: SaleKey) -> SaleOpened | None:
        """The opening in force; None: there was none."""
        return max(self._openings.get(key, ()), key=_when, default=None)

    def hold_ms(self, key: SaleKey) -> int | None:
        """How long an unpaid order holds units of a sale; None: nobody said."""
        opened = self.opening(key)
        return None if opened is None else opened.hold_ms

    def status(self, key: SaleKey, as_of_ms: int, signals_edition: int) -> Status:
        """The status, the end, and whether the end is later than the opening says."""
        opened = self.opening(key)
        if opened is None:
            return "unknown", None, False
        end_ms, closed_ms = self._held(key, opened) if signals_edition == FIRST_SIGNALS else self._told(key)[:2]
        extended = end_ms is not None and opened.ends_at_ms is not None and end_ms > opened.ends_at_ms
        if closed_ms is not None and closed_ms <= as_of_ms:
            return "ended", closed_ms if end_ms is None else min(closed_ms, end_ms), extended
        if end_ms is not None and end_ms <= as_of_ms:
            return "ended", end_ms, extended
        return "scheduled" if as_of_ms < opened.starts_at_ms else "open", end_ms, extended

    def corrections(self, key: SaleKey, signals_edition: int) -> list[SaleCorrection]:
        """The corrections in the order of the words that made them. The first edition has none."""
        return [] if signals_edition == FIRST_SIGNALS or not self._openings.get(key) else self._told(key)[2]

    def round(self, key: SaleKey, signals_edition: int) -> tuple[int, int]:
        """The number of the sale's present round, and the time from which orders belong to it (−1: the first round)."""
        if signals_edition == FIRST_SIGNALS or len(self._openings.get(key, ())) < 2:  # noqa: PLR2004 — it takes two
            return 1, -1
        number, starts_ms = 1, -1
        for event in sorted(self._openings.get(key, ()), key=_when)[-NEWEST:]:
            number += starts_ms >= 0 and _opens_anew(event, starts_ms)
            starts_ms = event.starts_at_ms
        return number, -1 if number == 1 else starts_ms

    def _held(self, key: SaleKey, opened: SaleOpened) -> tuple[int | None, int | None]:
        """The furthest end and the first close."""
        others = [each for what in _about(key) for each in self._others.get(what, ())]
        ends_ms = [event.ends_at_ms for event, _ in others if isinstance(event, SaleExtended)]
        closes_ms = [at_ms for event, at_ms in others if isinstance(event, SaleClosed)]
        end_ms = opened.ends_at_ms
        return None if end_ms is None else max([end_ms, *ends_ms]), min(closes_ms, default=None)

    def _told(  # noqa: C901 — a case for each kind of word
        self, key: SaleKey
    ) -> tuple[int | None, int | None, list[SaleCorrection]]:
        """End, close and corrections, worked out word by word."""
        words: list[tuple[SaleOpened | SaleExtended | SaleClosed, int]] = [
            (event, -1) for event in sorted(self._openings[key], key=_when)[-NEWEST:]
        ]
        for what in _about(key):
            words += sorted(self._others.get(what, ()), key=lambda each: _when(each[0]))[-NEWEST:]
        words.sort(key=lambda each: _when(each[0]))
        first = next(place for place, (event, _) in enumerate(words) if isinstance(event, SaleOpened))
        # Words from before the first opening are about the opened sale, and the opening leaves them in force.
        before, after = words[:first], words[first:]
        closes_ms = [at_ms for event, at_ms in before if isinstance(event, SaleClosed)]
        closed_ms = min(closes_ms, default=None)
        opened = after[0][0]
        assert isinstance(opened, SaleOpened)  # noqa: S101 — for mypy: the search was for one
        end_ms, offered, starts_ms = opened.ends_at_ms, opened.offered, opened.starts_at_ms
        if end_ms is not None:
            end_ms = max([end_ms, *(event.ends_at_ms for event, _ in before if isinstance(event, SaleExtended))])
        found: list[SaleCorrection] = []
        for event, at_ms in after[1:]:
            if isinstance(event, SaleClosed):
                closed_ms = at_ms if closed_ms is None else min(closed_ms, at_ms)
                continue
            if isinstance(event, SaleOpened):
                anew, starts_ms = _opens_anew(event, starts_ms), event.starts_at_ms
                if anew:
                    end_ms, closed_ms, offered = event.ends_at_ms, None, event.offered
                    continue
            said_ms, was_ms = event.event_time_ms, end_ms
            if closed_ms is not None:
                found.append(SaleCorrection("closed_at_ms", closed_ms, None, said_ms))
                closed_ms = None
            if isinstance(event, SaleOpened) or end_ms is not None:
                end_ms = event.ends_at_ms
            if end_ms is not None and (was_ms is None or end_ms < was_ms):
                found.append(SaleCorrection("ends_at_ms", was_ms, end_ms, said_ms))
            if isinstance(event, SaleOpened):
                if event.offered < offered:
                    found.append(SaleCorrection("offered", offered, event.offered, said_ms))
                offered = event.offered
        return end_ms, closed_ms, found


def _opens_anew(event: SaleOpened, starts_ms: int) -> bool:
    """Whether an opening begins a new round: it starts later than the present round, which had begun by then."""
    return event.starts_at_ms > starts_ms and event.event_time_ms >= starts_ms


def _when(event: SaleOpened | SaleExtended | SaleClosed) -> tuple[int, str]:
    return event.event_time_ms, event.event_id


def _about(key: SaleKey) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
    return (key.sale_id, None), (key.sale_id, key.sku_id)
