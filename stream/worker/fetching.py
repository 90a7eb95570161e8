"""One fetch, without Faust: the partitions to fetch, the bundles of slices, and the terms of the next fetch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from stream.worker.ownership import Slice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from faust.types import TP

    from stream.worker.ownership import Drained

# How long an idle broker may wait with its answer: it then answers with nothing four times a second. A fetch under way
# keeps the other partitions of its broker waiting, so the time is short.
IDLE_WAIT_MS = 250
# In a backlog a broker has this much at once, and does not wait.
COLLECT_BYTES = 1 << 20


class LogEnds(NamedTuple):
    """Where the log of each input topic begins and ends, in topic order.

    `end`: the end of the committed part. `written_to`: the end with uncommitted records; None: none are open.
    `committed`: the offset that the group had committed, -1 where it had none; None: not known.
    """

    begin: list[int]
    end: list[int]
    written_to: list[int] | None = None
    committed: list[int] | None = None


class SliceDesk(Protocol):
    """Says what to fetch, and takes the fetched records. Called in the main thread only."""

    def wanted(self) -> set[TP]:
        """The topic partitions to fetch now."""
        ...

    def cut(self, drained: Iterable[Drained]) -> Iterable[Slice]:
        """The slices of one drain to hand out."""
        ...

    def out_of_range(self, partition: int) -> None:
        """Note that a topic's log does not reach to where this partition is read: no more can be fetched."""
        ...


Haul = tuple[Slice, ...]


def hauls(slices: Iterable[Slice], most_records: int) -> Iterator[Haul]:
    """Slices in bundles. A bundle is closed once it holds `most_records` records or more; no bundle is empty."""
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
    """When the broker answers a fetch: once it has `min_bytes`, at the latest after `max_wait_ms`."""

    min_bytes: int
    max_wait_ms: int


def fetch_terms(drains: Sequence[Drained], collect_ms: int, *, all_wanted: bool = True) -> FetchTerms:
    """The terms of the next fetch, from the drains of the last one.

    After a silence the first record comes at once. While records come, the broker collects them for `collect_ms` before
    it answers: hundreds of tiny answers a second cost a third of a core. Sleeping on this side instead is worse:
    aiokafka prefetches, so records that arrive during the sleep wait for one more fetch (append to Redis at 60 000
    events/s: p50 108 ms instead of 77).

    In a backlog (not `all_wanted`) the terms are the same: a broker gets one fetch at a time, and a fetch of partitions
    that are read to their ends must not hold up for long the partitions that are wanted next.
    """
    if not all_wanted or any(each.records for each in drains):
        return FetchTerms(COLLECT_BYTES, collect_ms)
    return FetchTerms(1, IDLE_WAIT_MS)
