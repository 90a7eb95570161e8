"""What one fetch is about, without Faust: who wants what, in which bundles it travels, and when to fetch again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from stream.worker.ownership import Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from faust.types import TP

    from stream.worker.ownership import Drained

# A drain with fewer records than this, and no backlog behind it, is worth waiting a little before the next.
SMALL_DRAIN_RECORDS = 1_000


class LogEnds(NamedTuple):
    """Where the log of each input topic begins and ends, in topic order."""

    begin: list[int]
    end: list[int]


class SliceDesk(Protocol):
    """Who says what to fetch, and takes what was fetched. Called in the main thread only."""

    def wanted(self) -> set[TP]:
        """The topic partitions to fetch now."""
        ...

    def cut(self, drained: Iterable[Drained]) -> Iterable[Slice]:
        """The slices to hand out, of one drain."""
        ...

    def out_of_range(self, partition: int) -> None:
        """A topic's log does not reach to where this partition is read: nothing more can be fetched of it."""
        ...


Haul = tuple[Slice, ...]


def hauls(slices: Iterable[Slice], most_records: int) -> Iterator[Haul]:
    """Slices in bundles, each of them closed once it holds so many records; no bundle is empty."""
    bundle: list[Slice] = []
    records = 0
    for piece in slices:
        bundle.append(piece)
        records += len(piece.records)
        if records >= most_records:
            yield tuple(bundle)
            bundle, records = [], 0
    if bundle:
        yield tuple(bundle)


class FetchPace:
    """Whether to wait before the next fetch.

    Hundreds of tiny fetches a second cost a third of a core; in a backlog every wait is lost.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self.next_wait_s = 0.0

    def drained(self, drains: Sequence[Drained]) -> None:
        """Look at what the last fetch gave."""
        records = sum(len(drain.records) for drain in drains)
        backlog = any(
            drain.position is None or drain.end_offset is None or drain.position < drain.end_offset for drain in drains
        )
        self.next_wait_s = 0.0 if backlog or records >= SMALL_DRAIN_RECORDS else self._wait_s
