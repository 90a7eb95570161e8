"""Records that lie in another partition than their room's. The room's own partition gets a notice.

Without the notice that partition would say that more is left than there is. The first notice about a room goes out at
once, later ones at most once a minute, however many records are misplaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stream.contract.decode import Limits, Reason
from stream.contract.events import TOPIC_NAMES, RecordsMisplaced
from stream.contract.partitioner import partition_of

if TYPE_CHECKING:
    from stream.contract.decode import DeadLetter, Record
    from stream.core.rules import Rules

TELL_EVERY_MS = 60_000
# Rooms of which is known what to tell; in more than so many nobody mends a setting any sooner.
ROOMS_MAX = 4_096


def limits_of(rules: Rules, partition: int) -> Limits:
    """What a partition's records are read by."""
    return Limits(
        edition=rules.contract_edition,
        signals_edition=rules.signals_edition,
        partition=partition,
        partitions=rules.murmur2_partitions,
        mechanics=tuple(rules.mechanics),
    )


class Notice(NamedTuple):
    """What is to be written to the interactions topic, into the room's own partition."""

    partition: int
    event: RecordsMisplaced

    @property
    def value(self) -> bytes:
        """The event as any producer would send it."""
        return msgspec.json.encode(self.event)


class Misplaced:
    """What a partition has met of others since it told them last.

    Args:
        partition: which.
        partitions: how many there are.
    """

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition = partition
        self._partitions = partitions
        self._met: dict[str, tuple[int, int, int]] = {}  # room → topic, first offset, how many
        self._told_ms: dict[str, int] = {}

    def meet(self, topic_index: int, record: Record, letter: DeadLetter) -> None:
        """One refused record; of those that are refused for something else nobody is told."""
        if letter.reason is Reason.MISPLACED_KEY and record.key is not None:
            self._meet(topic_index, record.offset, record.key.decode())

    def _meet(self, topic_index: int, offset: int, room_id: str) -> None:
        met = self._met.get(room_id)
        if met is not None:
            self._met[room_id] = (met[0], met[1], met[2] + 1)
        elif len(self._met) < ROOMS_MAX:
            self._met[room_id] = (topic_index, offset, 1)

    def take(self, clock_ms: int, saved: object) -> list[Notice]:
        """What is to be told now; nothing when nothing is saved now."""
        if not self._met or saved is None:
            return []
        self._told_ms = {room: told for room, told in self._told_ms.items() if clock_ms - told < TELL_EVERY_MS}
        notices = []
        for room_id in sorted(self._met.keys() - self._told_ms.keys()):
            topic_index, offset, count = self._met.pop(room_id)
            topic = TOPIC_NAMES[topic_index]
            event = RecordsMisplaced(
                event_id=f"misplaced-{topic}-{self._partition}-{offset}",
                room_id=room_id,
                event_time_ms=max(clock_ms, 0),
                topic=topic,
                partition=self._partition,
                offset=offset,
                count=count,
            )
            notices.append(Notice(partition_of(room_id.encode(), self._partitions), event))
            self._told_ms[room_id] = clock_ms
        return notices
