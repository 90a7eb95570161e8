"""The loop of the fold: gives each slice to its owner, lets each owner's pump run, and gives others their turn.

What concerns one partition is in `stream.worker.pump`. No rule about events lives in either.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from stream.worker.ownership import Slice, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stream.worker.assignment import Owners
    from stream.worker.partition_owner import Owner

# Fold this long without a pause; then heartbeats, /healthz and Redis get their turn.
TURN_S = 0.01
TICK_S = 0.1


class FoldLoop:
    """Folds what owners accept, and moves their clocks.

    Args:
        owners: the partitions of this process.
        wall_clock: the wall clock moves the folds' clocks once all topics are read to their end; else the log alone
            moves them.
        now_ms: the wall clock.
    """

    def __init__(self, owners: Owners, *, wall_clock: bool, now_ms: Callable[[], int]) -> None:
        self._owners = owners
        self._wall_clock = wall_clock
        self._now_ms = now_ms
        self._turn_ends = 0.0
        self._handling = False

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
        """The owner that took the slice; None when the slice may not be folded."""
        owner = self._owners.get(piece.partition)
        if owner is None:
            self._owners.count_stale()
            return None
        match owner.pump.offer(piece):
            case Verdict.STALE:
                self._owners.count_stale()
            case Verdict.GAP:
                self._owners.heal(owner, f"a slice follows offset {piece.prev}: the one before it did not come")
            case Verdict.FOLD:
                return owner
        return None

    async def run_ticks(self) -> None:
        """Move silent partitions and look for lost slices, for as long as the process runs."""
        while True:
            await asyncio.sleep(TICK_S)
            for owner in self._owners.live():
                await self._pump(owner)
            self.look_for_lost_slices(time.monotonic())

    def look_for_lost_slices(self, now_s: float) -> None:
        """Seek anew where slices were handed out and never came: Faust clears its queues when a rebalance ends."""
        for owner in self._owners.live():
            if owner.pump.misses_slices(now_s, handling=self._handling):
                self._owners.heal(owner, "slices were handed out and never came")

    async def _pump(self, owner: Owner) -> None:
        pump = owner.pump
        if pump.busy:
            return
        pump.busy = True
        try:
            for others_must in pump.steps(self._now_ms, wall_clock=self._wall_clock):
                if others_must or time.monotonic() > self._turn_ends:
                    await self._give_turn(owner)
        finally:
            pump.busy = False

    async def _give_turn(self, owner: Owner) -> None:
        if owner.pump.must_save():
            await self._owners.checkpoint(owner)
        await asyncio.sleep(0)
        self._turn_ends = time.monotonic() + TURN_S
