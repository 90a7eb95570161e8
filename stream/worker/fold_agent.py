"""The loop of the fold: slice → owner → merge → fold → clock. No rule lives here, only the order of things.

Between two awaits a partition's state, offsets and clock move together; after each await the owner may be gone, so
the token is looked at again. What was taken from the merge and not folded by then is not lost: the next seek begins
at the fold's own positions.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from stream.contract.events import MAX_AHEAD_MS
from stream.core.merge import CREATE_TIME
from stream.worker.ownership import Phase, Slice, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stream.contract.decode import Record
    from stream.worker.owner import Owner
    from stream.worker.owners import Owners

# Fold this long in one piece; then heartbeats, /healthz and Redis get their turn.
TURN_S = 0.01
# Looked at the time this often: some 9 ms of folding, 50 ms of nothing but orders. A room folds what a piece holds of
# it at once: pieces of 1 000 cost a fifth more.
PIECE_RECORDS = 2_500
# Refused records wait in memory for the next checkpoint; a flood of them has one made at once.
REFUSED_MAX = 5_000
REFUSED_MAX_BYTES = 16 * 1024 * 1024
# Sessions that end in one piece of a move of the clock: some 9 ms. And how many may wait for the next checkpoint: a cut
# with as many ends takes about 0.2 s.
ENDS_A_TURN = 100
UNSAVED_ENDS_MAX = 2_000
TICK_S = 0.1
# A slice that was handed out and has not come while the agent was idle for this long is lost. Without this, the last
# slice before a silence would be missed only when the topic's next record comes.
LOST_AFTER_S = 1.0


class FoldLoop:
    """Folds what owners accept, and moves their clocks.

    Args:
        owners: the partitions of this process.
        wall_clock: move the clock with the wall's when all topics are read to their end; else with the log alone.
        now_ms: the wall clock.
    """

    def __init__(self, owners: Owners, *, wall_clock: bool, now_ms: Callable[[], int]) -> None:
        self._owners = owners
        self._wall_clock = wall_clock
        self._now_ms = now_ms
        self._turn_ends = 0.0
        self._handling = False
        self._awaited: dict[Owner, tuple[tuple[int, ...], float]] = {}

    async def handle(self, haul: Iterable[Slice]) -> None:
        """Fold the slices of one haul, and whatever waited for them."""
        self._handling = True
        try:
            fed = dict.fromkeys(owner for piece in haul if (owner := self._offer(piece)) is not None)
            for owner in fed:
                await self._pump(owner)
        finally:
            self._handling = False

    def _offer(self, piece: Slice) -> Owner | None:
        """Give a slice to its owner's merge; None when it may not be folded."""
        owner = self._owners.get(piece.partition)
        if owner is None:
            self._owners.count_stale()
            return None
        match owner.ownership.accept(piece):
            case Verdict.STALE:
                self._owners.count_stale()
            case Verdict.GAP:
                self._owners.heal(owner, f"a slice follows offset {piece.prev}: the one before it did not come")
            case Verdict.FOLD:
                owner.merge.offer(piece.topic_index, piece.records, piece.heavy_bytes)
                return owner
        return None

    async def run_ticks(self) -> None:
        """Let silent partitions move, for as long as the process runs."""
        while True:
            await asyncio.sleep(TICK_S)
            for owner in self._owners.live():
                await self._pump(owner)
            self.look_for_lost_slices(time.monotonic())

    def look_for_lost_slices(self, now_s: float) -> None:
        """Seek anew where slices were handed out that never came: Faust clears its queues when a rebalance ends."""
        awaited: dict[Owner, tuple[tuple[int, ...], float]] = {}
        for owner in self._owners.live():
            slices = owner.ownership.on_their_way()
            if slices is None or self._handling:
                continue
            before, since = self._awaited.get(owner, (slices, now_s))
            if before != slices:
                since = now_s
            awaited[owner] = (slices, since)
            if now_s - since > LOST_AFTER_S:
                self._owners.heal(owner, "slices were handed out and never came")
        self._awaited = awaited

    async def _pump(self, owner: Owner) -> None:
        if owner.pumping:
            return
        owner.pumping = True
        try:
            await self._fold_what_may(owner)
        finally:
            owner.pumping = False

    async def _fold_what_may(self, owner: Owner) -> None:
        token = owner.ownership.token
        self._mark_log_ends(owner)
        # Before the first piece too: after a long pause the clock of the checkpoint is not what time it is.
        if not await self._advance(owner):
            return
        while owner.phase is Phase.LIVE and (taken := owner.merge.take(wall_ms := self._wall_ms())) is not None:
            topic_index, records = taken
            for start in range(0, len(records), PIECE_RECORDS):
                latest_ms = None if owner.merge.trusts_times else _latest_ms(records, wall_ms)
                owner.fold.fold(topic_index, _piece(records, start), latest_ms)
                if time.monotonic() > self._turn_ends:
                    await self._give_turn(owner)
                    if owner.ownership.token != token:
                        return
            if not await self._advance(owner):
                return
            self._mark_log_ends(owner)
        if owner.phase is Phase.LIVE:
            await self._advance(owner)

    async def _give_turn(self, owner: Owner) -> None:
        fold = owner.fold
        refused = len(fold.refused) > REFUSED_MAX or fold.refused_bytes > REFUSED_MAX_BYTES
        if refused or fold.journal.full or fold.unsaved_ends() > UNSAVED_ENDS_MAX:
            await self._owners.checkpoint(owner)
        await asyncio.sleep(0)
        self._turn_ends = time.monotonic() + TURN_S

    def _mark_log_ends(self, owner: Owner) -> None:
        now_ms = self._now_ms()
        for topic_index in range(len(owner.home.topics)):
            owner.merge.set_log_end(topic_index, owner.ownership.at_log_end(topic_index, now_ms))

    async def _advance(self, owner: Owner) -> bool:
        """Move the clock to where it is, in as many pieces as many sessions end; False: the owner is gone meanwhile."""
        token = owner.ownership.token
        clock_ms, source = owner.merge.clock_ms(self._wall_ms())
        if clock_ms < 0:
            return True
        while not owner.fold.advance(clock_ms, source, ENDS_A_TURN):
            await self._give_turn(owner)
            if owner.ownership.token != token:
                return False
        return True

    def _wall_ms(self) -> int | None:
        return self._now_ms() if self._wall_clock else None


def _latest_ms(records: Sequence[Record], wall_ms: int | None) -> int | None:
    """Which record times are too far ahead of the wall clock, where it rules and the times are the producers' word."""
    if wall_ms is None or getattr(records[-1], "timestamp_type", None) != CREATE_TIME:
        return None
    return wall_ms + MAX_AHEAD_MS


def _piece(records: Sequence[Record], start: int) -> Sequence[Record]:
    return records if len(records) <= PIECE_RECORDS else records[start : start + PIECE_RECORDS]
