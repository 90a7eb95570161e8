"""Many sessions that end by one silence: how long the fold stands still, in one step and as the worker does it.

A partition with many rooms, each touched once within a minute; then six hours of silence. CPU time of this process.

    python -m bench.ends [rooms]
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import msgspec

from bench.fold import T0_MS, TOPICS, Rec
from stream.contract.events import TOPIC_NAMES
from stream.core.partition import PartitionFold
from stream.core.rules import Rules
from stream.worker.pump import ENDS_A_TURN, UNSAVED_ENDS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

ROOMS = 50_000
LIKES = TOPIC_NAMES.index("likes")
WITHIN_MS = 60_000
RULES = Rules(remember_sales_ms=7 * 86_400_000, rooms_max=1_000_000)


def partition(rooms: int) -> PartitionFold:
    """A partition whose rooms were saved and have fallen silent."""
    fold = PartitionFold(0, RULES, TOPICS)
    for number in range(rooms):
        at_ms, room_id = T0_MS + number * WITHIN_MS // rooms, f"room-{number}"
        like = {"type": "like", "event_id": f"e-{number}", "room_id": room_id, "event_time_ms": at_ms}
        value = msgspec.json.encode({**like, "user_id": "u", "count": 1})
        fold.advance(at_ms, "log")
        fold.fold(LIKES, [Rec(value, room_id.encode(), number, at_ms)])
    fold.cut(1)
    return fold


def timed(work: Callable[[], object], longest_s: list[float]) -> object:
    """The result of the work; keeps the longest time."""
    begin = time.thread_time()
    done = work()
    longest_s[0] = max(longest_s[0], time.thread_time() - begin)
    return done


def main(rooms: int) -> None:
    """Print both ways, one line each."""
    silent_ms = T0_MS + RULES.room_idle_ms + 2 * WITHIN_MS
    for name, most_ends in (("in one step", None), ("as the worker does", ENDS_A_TURN)):
        fold, step_s, cut_s = partition(rooms), [0.0], [0.0]
        begin = time.thread_time()
        while not timed(lambda: fold.advance(silent_ms, "tick", most_ends), step_s):  # noqa: B023 — called at once
            if fold.unsaved_ends() > UNSAVED_ENDS_MAX:
                timed(lambda: fold.cut(1), cut_s)  # noqa: B023
        timed(lambda: fold.cut(1), cut_s)  # noqa: B023
        longest = f"longest step {1_000 * step_s[0]:.0f} ms, longest cut {1_000 * cut_s[0]:.0f} ms"
        print(f"{name}: {rooms} sessions, {longest}, {time.thread_time() - begin:.1f} s in all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROOMS)
