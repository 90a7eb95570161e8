"""What the workers saved, read as a stranger would: checkpoints that may never go back, dead letters one for one.

The counts of a room can be right although two owners wrote at once; the order of the checkpoint log cannot.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from stream.verify.recount import Refusal, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream.verify.log import Offsets

META_KEY = b"m"


class Meta(Struct):
    """What one checkpoint says of itself. `positions`: full topic name → next offset to fold."""

    epoch: int
    seq: int
    owner: str
    claim: bool
    positions: dict[str, int]


class CheckpointLog:
    """The meta records of the checkpoints topic, in log order. `problems`: what may never be."""

    def __init__(self) -> None:
        self.last: dict[int, Meta] = {}
        self.checkpoints = 0
        self.problems: list[str] = []

    def add(self, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Look at one record; those that are not meta records are the owner's own business."""
        if key != META_KEY or value is None:
            return
        try:
            meta = msgspec.json.decode(value, type=Meta)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.problems.append(f"checkpoints/{partition}@{offset}: not a meta record: {error}")
            return
        self.checkpoints += 1
        if (before := self.last.get(partition)) is not None:
            self.problems += [f"checkpoints/{partition}@{offset}: {wrong}" for wrong in _wrong(before, meta)]
        self.last[partition] = meta

    def behind(self, ends: Offsets) -> dict[tuple[str, int], int]:
        """Which input partitions are saved less far than `ends`, and by how many offsets."""
        saved = {
            where: self.last[where[1]].positions.get(where[0], 0) if where[1] in self.last else 0 for where in ends
        }
        return {where: end - saved[where] for where, end in ends.items() if saved[where] < end}


def _wrong(before: Meta, after: Meta) -> Iterator[str]:
    """Compaction may have taken checkpoints between these two, so only what must hold over any gap is asked."""
    if after.epoch < before.epoch:
        yield f"the epoch goes back from {before.epoch} to {after.epoch}"
    if after.epoch == before.epoch and (after.owner != before.owner or after.seq <= before.seq):
        yield f"two writers in epoch {after.epoch}: {before.owner} #{before.seq}, then {after.owner} #{after.seq}"
    for topic, position in before.positions.items():
        if after.positions.get(topic, 0) < position:
            yield f"{topic} goes back from {position} to {after.positions.get(topic, 0)}"
    if after.claim and after.epoch == before.epoch + 1 and after.positions != before.positions:
        yield f"{after.owner} claims other positions than were saved"


class DeadLetters:
    """The records of the dead-letters topic, as refusals."""

    def __init__(self) -> None:
        self.found: Counter[Refusal] = Counter()
        self.problems: list[str] = []

    def add(self, record: Any) -> None:
        """Take one record of the topic."""
        headers = {name: value for name, value in record.headers if name.startswith("dl-")}
        try:
            topic = headers["dl-topic"].decode().rpartition(".")[2]
            partition, offset = int(headers["dl-partition"]), int(headers["dl-offset"])
            reason = headers["dl-reason"].decode()
        except (KeyError, ValueError) as error:
            self.problems.append(f"dead-letters/{record.partition}@{record.offset}: headers are wrong: {error!r}")
            return
        if partition != record.partition:
            self.problems.append(f"dead-letters/{record.partition}@{record.offset}: comes from partition {partition}")
        self.found[Refusal(topic, partition, offset, reason, digest(record.key, record.value))] += 1

    def differences(self, refusals: Iterable[Refusal]) -> list[str]:
        """What is missing, what is there too often, what should not be there."""
        wanted = Counter(refusals)
        missing = (f"missing in dead-letters: {_where(refusal)}" for refusal in (wanted - self.found).elements())
        extra = (f"should not be in dead-letters: {_where(refusal)}" for refusal in (self.found - wanted).elements())
        return [*self.problems, *sorted(missing), *sorted(extra)]


def _where(refusal: Refusal) -> str:
    return f"{refusal.topic}/{refusal.partition}@{refusal.offset} ({refusal.reason}, content {refusal.digest})"
