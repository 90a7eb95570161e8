"""What one fetch is about, without Faust: who wants what, in which bundles it travels, and when to fetch again."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from stream.worker.ownership import Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from faust.types import TP

    from stream.worker.ownership import Drained

# Asked so often, an idle broker answers with nothing four times a second. A fetch in flight keeps its node's other
# partitions waiting, so keep it short.
IDLE_WAIT_MS = 250
# In a backlog there is as much at once, and nothing is waited for.
COLLECT_BYTES = 1 << 20


class LogEnds(NamedTuple):
    """Where the log of each input topic begins and ends, in topic order.

    `end`: as far as it is committed. `written_to`: with what is not committed yet; None: nothing is open. `committed`:
    what the group had saved of each, -1 where it had nothing; None: not known.
    """

    begin: list[int]
    end: list[int]
    written_to: list[int] | None = None
    committed: list[int] | None = None


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


class FetchTerms(NamedTuple):
    """When the broker answers a fetch: as soon as it has so many bytes, or after so long."""

    min_bytes: int
    max_wait_ms: int


def fetch_terms(drains: Sequence[Drained], collect_ms: int, *, all_wanted: bool = True) -> FetchTerms:
    """The terms of the next fetch, by what the last one gave, and whether there is anything that is not wanted now.

    After a silence the first record comes at once. While records come, the broker collects them for `collect_ms` before
    it answers: hundreds of tiny answers a second cost a third of a core. A pause on this side is worse: aiokafka
    fetches ahead, so what came during the pause waited for the next round (p50 from append to Redis at 60 000 events/s
    108 ms, 77 so).

    In a backlog the same: a fetch of partitions that are read to their ends must not hold up for long what is wanted
    next, for a broker gets one fetch at a time.
    """
    if not all_wanted or any(each.records for each in drains):
        return FetchTerms(COLLECT_BYTES, collect_ms)
    return FetchTerms(1, IDLE_WAIT_MS)
