"""When each partition was served, told from the workers' logs: a partition that no worker folds stands still."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Change(NamedTuple):
    """The moment (Unix seconds) when a worker began or stopped to fold some partitions; None: all that it had."""

    at_s: float
    worker: str
    begins: bool
    partitions: tuple[int, ...] | None


class TakeOver(NamedTuple):
    """The take-over of a partition, with the number of records to fold before anything is published."""

    at_s: float
    worker: str
    partition: int
    epoch: int
    behind: int


class _Line(msgspec.Struct):
    timestamp: str
    event: str
    partition: int = -1
    partitions: list[int] | int | None = None
    epoch: int = 0
    behind: int = 0


_line_of = msgspec.json.Decoder(_Line).decode
# Of one partition, or of all that the worker had.
_ENDS_ONE = ("partition lost", "seeking again")
_ENDS_ALL = ("partitions revoked", "stopping")


class WorkerLog:
    """Reads one worker's log as it grows."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._read = 0
        self.changes: list[Change] = []
        self.taken_over: list[TakeOver] = []
        self.events: list[tuple[float, str]] = []
        self.metrics_url: str | None = None

    def read_on(self) -> None:
        """Take the lines written since the last time."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            if line.startswith(b'{"'):
                self._take(line)

    def _take(self, text: bytes) -> None:
        try:
            line = _line_of(text)
        except msgspec.DecodeError:
            return  # a library's line
        at_s = datetime.fromisoformat(line.timestamp).timestamp()
        self.events.append((at_s, line.event))
        if line.event == "partition live":
            self.changes.append(Change(at_s, self.name, begins=True, partitions=(line.partition,)))
        elif line.event in _ENDS_ONE:
            self.changes.append(Change(at_s, self.name, begins=False, partitions=(line.partition,)))
        elif line.event in _ENDS_ALL:
            self.changes.append(Change(at_s, self.name, begins=False, partitions=None))
        elif line.event == "partition taken over":
            self.taken_over.append(TakeOver(at_s, self.name, line.partition, line.epoch, line.behind))
        elif line.event == "worker started":
            self.metrics_url = msgspec.json.decode(text)["metrics"][0]

    def said(self, event: str, since_s: float = 0.0) -> int:
        """How often the worker has logged this event since `since_s`."""
        return sum(1 for at_s, said in self.events if said == event and at_s >= since_s)


class Gap(NamedTuple):
    """A standstill of a partition; `to_s` None: the partition still stands."""

    from_s: float
    to_s: float | None

    def length_s(self, now_s: float) -> float:
        """Its length, as of now."""
        return (now_s if self.to_s is None else self.to_s) - self.from_s


def gaps(changes: list[Change], partitions: int) -> dict[int, list[Gap]]:
    """Per partition, the times in which no worker folded it, after the first that did."""
    serving: dict[int, set[str]] = {number: set() for number in range(partitions)}
    since: dict[int, float] = {}
    found: dict[int, list[Gap]] = {number: [] for number in range(partitions)}
    for change in sorted(changes):
        for number in range(partitions) if change.partitions is None else change.partitions:
            before = bool(serving[number])
            if change.begins:
                serving[number].add(change.worker)
                if not before and number in since:
                    found[number].append(Gap(since.pop(number), change.at_s))
            else:
                serving[number].discard(change.worker)
                if before and not serving[number]:
                    since[number] = change.at_s
    for number, from_s in since.items():
        found[number].append(Gap(from_s, None))
    return found
