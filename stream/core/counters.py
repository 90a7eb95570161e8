"""What a partition counts for those who watch it. Nothing here is part of its state."""

from __future__ import annotations

from collections import Counter

from stream.contract.overlay import ClaimKind, WithheldReason

Reason = tuple[ClaimKind, WithheldReason]


class Counters:
    """What happened since this object was made. `received = applied + duplicate + dead_lettered`, per topic."""

    def __init__(self, topics: int) -> None:
        self.received = [0] * topics
        self.applied = [0] * topics
        self.duplicate = [0] * topics
        self.dead_lettered = [0] * topics
        self.dead_letters: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()  # records that contradict what their room knows, by what they say
        self.withheld: Counter[Reason] = Counter()
        self.retimed = 0
        self.ids_forgotten = 0
        self.orders_forgotten = 0  # by age
        self.orders_displaced = 0  # forgotten before their time, for want of room
        self.holds_expired = 0
        self.rooms_ended = 0
        self.rooms_evicted = 0
        self.rooms_closed = 0  # by word
        self.rooms_forgotten = 0  # what was known of them between two sessions: by age
        self.rooms_displaced = 0  # the same, before its time for want of room
        self.snapshots = 0

    def refused(self, topic_index: int, reason: str) -> None:
        """One record became a dead letter."""
        self.dead_lettered[topic_index] += 1
        self.dead_letters[reason] += 1
