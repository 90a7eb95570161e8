"""What every peer written in Python tells: when it began, when it had counted all, the cost, and the counts.

Runs in the peers' own environment, so it uses only the standard library.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Task(NamedTuple):
    """A peer's task: the arguments of its program, in this order."""

    bootstrap_servers: str
    prefix: str
    group: str
    events: int
    partitions: int
    answer: Path
    folder: Path

    @property
    def topics(self) -> list[str]:
        """The topics of the mix."""
        return [f"{self.prefix}.{name}" for name in ("comments", "likes", "cart-adds", "orders")]


def task() -> Task:
    """The task from the command line."""
    bootstrap_servers, prefix, group, events, partitions, answer, folder = sys.argv[1:8]
    return Task(bootstrap_servers, prefix, group, int(events), int(partitions), Path(answer), Path(folder))


class Progress:
    """Counts the counted events; after the last one, writes the answer and ends the process."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._seen = 0
        self._first = (0.0, 0.0)

    def begin(self) -> None:
        """Start the clock: the first event is here."""
        if not self._first[1]:
            self._first = time.process_time(), time.monotonic()

    def add(self, events: int) -> bool:
        """Whether these events were the last; adds them."""
        self._seen += events
        return self._seen >= self._task.events

    def finish(self, counts: Mapping[tuple[str, int], int]) -> None:
        """Tell, and end at once: the time a peer takes to stop is not measured."""
        cpu_s, wall_s = time.process_time() - self._first[0], time.monotonic() - self._first[1]
        peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
        answer = {f"{room}|{second}": count for (room, second), count in counts.items()}
        self._task.answer.write_text(json.dumps(answer), encoding="utf-8")
        told = {
            "cpu_s": cpu_s,
            "wall_s": wall_s,
            "begin_cpu_s": self._first[0],
            "rss_peak_mib": int(peak[1]) / 1024 if peak else 0.0,
        }
        os.write(1, b"\n%b\n" % json.dumps(told).encode())  # past a framework that has taken sys.stdout for its log
        os._exit(0)
