"""When partitions are saved: each at its own beat, so that a slow transaction delays no other partition."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from stream.worker.ownership import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream.worker.assignment import Owners
    from stream.worker.partition_owner import Owner

log = structlog.get_logger(__name__)

# How finely the beats are spread: a dozen partitions must not save in the same turn of the loop.
LOOK_S = 0.05
# The share of the loop's time that cuts may take. Beyond it checkpoints come less often, up to INTERVALS_MAX intervals
# apart. With ten thousand rooms that all change each second, cuts took more time than there was: transactions ran out
# of time, and every take-over had more to read.
CUT_SHARE = 0.2
INTERVALS_MAX = 10
# Group offsets are a hint for lag monitors. Snapup does not read them.
HINT_EVERY_S = 2.0
HINT_WAIT_S = 3.0


async def run_checkpoints(owners: Owners, app: Any, interval_ms: int) -> None:
    """Save every partition once an interval, for as long as the process runs."""
    interval_s = interval_ms / 1000
    due: dict[Owner, float] = {}
    hint_at = time.monotonic() + HINT_EVERY_S
    while True:
        await asyncio.sleep(LOOK_S)
        now = time.monotonic()
        present = owners.all()
        for gone in due.keys() - set(present):
            del due[gone]
        for owner in present:
            if now < due.setdefault(owner, now + interval_s * spread(owner)) or owner.lock.locked():
                continue
            due[owner] = now + wait_s(interval_s, owner.cut_s, len(present))
            owners.spawn_checkpoint(owner)
        if now > hint_at and not owners.rebalancing:
            hint_at = now + HINT_EVERY_S
            await _hint(app, {owner.partition: owner.saved for owner in present if owner.phase is Phase.LIVE})


def wait_s(interval_s: float, cut_s: float, partitions: int) -> float:
    """Seconds to the next checkpoint of a partition whose cuts take `cut_s`, in a process with this many partitions."""
    return min(max(interval_s, cut_s * partitions / CUT_SHARE), INTERVALS_MAX * interval_s)


def spread(owner: Owner) -> float:
    """The point of the interval at which this partition saves, 0 to 1. Neighbours lie far apart."""
    return owner.partition * 0.618 % 1.0


async def _hint(app: Any, saved: Mapping[int, Sequence[int]]) -> None:
    try:
        await asyncio.wait_for(app.consumer.commit_hint(saved), HINT_WAIT_S)
    except Exception as error:  # noqa: BLE001 — a hint: the group may be rebalancing, the broker away
        log.debug("group offsets not committed", error=repr(error))
